"""What the judge's pictures are made of: families, their inner class, which are trained on and which never.

"Other" are the pictures that a library or a phone is full of: text and photographs. "Neither" (out-distribution) is
everything else that is not sheet music: line patterns, ruled and graph paper, tablature, charts, noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from . import engrave, fonts, handdrawn, lines, pictures, scores
from .confusers import CONFUSERS
from .corpus import Maker
from .degrade import degrade, to_gray
from .documents import DOCUMENTS
from .medley import medleys
from .net import OTHER, OUT
from .sample import Gray, Sample
from .shelf import SHELF

Draw = Callable[[np.random.Generator], np.ndarray]
ORDINARY = frozenset(
    "prose_page columns_page title_page poem play dictionary contents newspaper letter typewritten library_card "
    "big_words handwriting signatures mathematics chord_sheet receipt invoice web_page code terminal chat slide poster "
    "hymn article open_book heap overview logo worn_leaf photo photo_cover collage captioned clipart outline screen pdf_pages "
    "cover_frames blank_leaf film_frame ruled_off".split()
)
UNSEEN = frozenset(lines.UNSEEN_LINES) | frozenset(
    "sudoku crossword calendar cheque technical uml town_plan tracks box_plot heat_map".split()
)


def inner_class(family: str) -> int:
    """OTHER for ordinary pictures, OUT for everything strange; for scores it is not asked."""
    return OTHER if family in ORDINARY or family == "askew" else OUT


def classes_of(families: list[str]) -> np.ndarray:
    """uint8 [N]: each sample's inner class were it no score."""
    return np.array([inner_class(name) for name in families], np.uint8)


@dataclass(frozen=True)
class Part:
    """One part of the data. scores: which scores ("train", "val", "test"); letters: which fonts; unseen: only families
    that are never trained on instead of the trained ones; share: of scores among all pictures; only: just these
    families; often: of these, drawn four times as often; photographed: the least share of the scores that are photographs.
    The confusers are drawn where `only` names them."""

    scores: str
    letters: str
    unseen: bool = False
    share: float = 0.45
    only: frozenset[str] = frozenset()
    often: frozenset[str] = frozenset()
    photographed: float = 0.0


PARTS: Mapping[str, Part] = {
    "train": Part("train", "train"),
    "real": Part(
        "train", "train", share=0.0, only=frozenset("photo pdf_pages screen clipart captioned collage".split())
    ),
    "more": Part(
        "train",
        "train",
        share=0.5,
        only=frozenset(SHELF)
        | frozenset("photo clipart collage captioned photo_cover outline title_page logo".split()),
        photographed=0.6,
    ),
    "hard": Part(
        "train",
        "train",
        share=0.3,
        only=frozenset({"medley", "askew"}) | frozenset(CONFUSERS),
        often=frozenset({"medley", "askew"}),
        photographed=0.3,
    ),
    "val": Part("val", "test"),
    "test": Part("test", "test"),
    "calibration": Part("val", "test", share=0.3, only=ORDINARY),
    "unseen": Part("test", "test", unseen=True, share=0.0),
}


def negatives(assets: Path, *, unseen: bool, held_out: bool = False) -> dict[str, Draw]:
    """The families by name: the trained ones, or those never trained on. held_out: with the picture files kept for
    testing, and without the confusers, so that what is tested on stays as it was before they were made."""
    every: dict[str, Draw] = {}
    for room in (DOCUMENTS, lines.LINES, pictures.families(assets, held_out=held_out)):
        every |= {f"{name}_2" if name in every else name: draw for name, draw in room.items()}
    chosen = {name: draw for name, draw in every.items() if (name in UNSEEN) == unseen}
    if unseen:
        return chosen
    return chosen | medleys(chosen) | ({} if held_out else dict(CONFUSERS))


def load(part: str, cache: Path) -> Maker:
    """A function rng -> degraded Sample for one of PARTS; fonts and pictures come from `cache` where they were fetched."""
    spec = PARTS[part]
    own = fonts.read(fonts.walk(cache / "fonts") or fonts.installed())
    fonts.use(fonts.split(own, "train" if spec.letters == "train" else "test") or own)
    music = scores.find_scores(spec.scores)
    others = negatives(cache / "assets", unseen=spec.unseen, held_out=spec.letters == "test")
    others = {name: draw for name, draw in others.items() if name in (spec.only or others.keys() - CONFUSERS.keys())}
    names = [name for name in others for _ in range(4 if name in spec.often else 1)]
    grounds = backgrounds(cache / "assets", held_out=spec.letters == "test")

    def make(rng: np.random.Generator) -> Sample:
        if rng.random() < spec.share:
            for _ in range(20):
                clean = handdrawn.make(rng) if rng.random() < 0.2 else engrave.make(rng, music)
                kind = "photo" if spec.photographed and rng.random() < spec.photographed else None
                sample = degrade(clean, rng, kind=kind, pictures=grounds)
                if sample.sheet:
                    return sample
        name = names[int(rng.integers(len(names)))]
        return degrade(Sample(others[name](rng), name, False), rng, pictures=grounds)

    return make


def backgrounds(assets: Path, n: int = 24, *, held_out: bool) -> list[Gray]:
    """Pictures that may lie under a photographed page, of the files that are trained on or of those held out."""
    rng = np.random.default_rng(0)
    draws = [draw for name, draw in pictures.families(assets, held_out=held_out).items() if name == "photo"]
    return [to_gray(draws[int(rng.integers(len(draws)))](rng)) for _ in range(n)] if draws else []


def loader(part: str, cache: Path) -> Callable[[], Maker]:
    return partial(load, part, cache)
