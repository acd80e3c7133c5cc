"""Out-pictures for outlier exposure where the user has none: those of `openset outliers`, drawn at training size and kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from . import images
from ._words import counted
from .data.outliers import drawn, shares
from .loader import Material, Pictures, Pixels

LEAST, MOST = 200, 2_000  # pictures that teach: as many as train, between these
WATCHED = 100  # others, that are only watched
ROOM = 500_000_000  # bytes that they may take
LARGEST = 224  # pixels of a drawn picture's side; larger ones are stretched from this
LOOKED_AT, STAIN = 64, 4  # pictures looked at for colour, levels that JPEG may stain gray by
Tell = Callable[[str, int, int], None]


def colourless(pictures: Pictures) -> bool:
    """Are pictures uint8 [3, h, w] gray, all of 64 evenly spaced ones?"""
    at = np.linspace(0, len(pictures) - 1, min(LOOKED_AT, len(pictures))).round().astype(int)
    spreads = (np.ptp(pictures[int(i)].astype(np.int16), axis=0).max(initial=0) for i in at)
    return all(spread <= STAIN for spread in spreads)


def with_drawn(material: Material, *, seed: int, tell: Tell) -> tuple[Material, str]:
    """The material with drawn out-pictures in place of any others, and a sentence about them. None joins the test part, whose
    pictures stand for what will come."""
    pre, gray = material.preprocess, colourless(material.train.pictures)
    count = max(LEAST, min(len(material.train.targets), MOST, ROOM // (3 * pre.size**2)))

    def made(n: int, shift: int) -> Sequence[Pixels]:
        pictures = []
        for done, (_, _, picture) in enumerate(
            drawn(n, size=min(max(pre.size, 16), LARGEST), gray=gray, seed=seed + shift), 1
        ):
            colour = np.repeat(picture[..., None], 3, 2) if gray else picture
            pictures.append(np.rint(images.resize(colour, pre) * 255).astype(np.uint8))
            if not shift:
                tell("drawing pictures of no class", done, n)
        return pictures

    told = (
        f"{counted(count, 'picture')} of no class were drawn to learn quiet from ({', '.join(shares(count))}): where "
        "your classes are such pictures, give --out folders or another --scheme."
    )
    return replace(material, out=made(count, 0), out_val=made(WATCHED, 1_000_003), out_test=()), told
