"""What a run learns, decoded to training size: three splits and the out-pictures of a listing (`data/listing.py`).

Unreadable pictures are left out, counted and named in the notes; nothing is dropped in silence. A class, an out folder or a
scheme that has lost all its pictures is an error.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import images
from ._words import counted
from .data.listing import OUT, SIDES, Entry, Listing, Tell, check_folders
from .errors import DataError, ImageError, TrainingError
from .loader import Budget, Decoded, Material, Pixels, Split, decode_all
from .types import Preprocess


def reader(pre: Preprocess) -> Callable[[str], Pixels | ImageError]:
    """path -> uint8 [3, h, w] exactly as a judge with `pre` will see it (to half a level), or the error."""

    def read(path: str) -> Pixels | ImageError:
        try:
            array = images.load(path, size_hint=pre.size_hint)
        except ImageError as error:
            return error
        if max(array.shape[:2]) < pre.min_side:
            return ImageError(path, f"it is smaller than {pre.min_side} pixels", "Leave it out or give a larger one")
        return np.rint(images.resize(array, pre) * 255).astype(np.uint8)

    return read


def decode(listing: Listing, pre: Preprocess, *, memory: int, workers: int, tell: Tell) -> tuple[Material, list[str]]:
    """Decode every picture once; keep up to `memory` bytes. Gives the material and notes on what was left out.

    Raises TrainingError for an out folder, or outlier exposure, that has no picture left, DataError for such a class.
    """
    read, budget = reader(pre), Budget(memory)
    notes: list[str] = []
    left: list[Entry] = []
    copies: list[bool] = []
    done, total = 0, len(listing.entries)

    def tick() -> None:
        nonlocal done
        done += 1
        tell("reading pictures", done, total)

    def part(side: str, outside: bool) -> Split:
        chosen = [e for e in listing.entries if e.side == side and (e.label == OUT) == outside]
        kept, failed = decode_all([e.path for e in chosen], read, budget, workers, tick)
        notes.extend(f"left out: {error}" for error in failed.values())
        good = [k for k in range(len(chosen)) if k not in failed]
        left.extend(chosen[k] for k in good)
        again = {new: kept[k] for new, k in enumerate(good) if k in kept}
        pictures = Decoded([chosen[k].path for k in good], _must(read), again)
        if side == "test":
            copies.extend(chosen[k].copy for k in good)
        return Split(pictures, np.array([chosen[k].label for k in good], np.int64))

    train, val, test = (part(side, False) for side in SIDES)
    out, out_val, out_test = (part(side, True).pictures for side in SIDES)
    check_folders(listing.entries, left, " ".join(notes[:3]))
    for k, label in enumerate(listing.labels):
        for split, what in ((train, "train on"), (val, "validate with")):
            if not (split.targets == k).any():
                raise DataError(
                    f"class {label!r} has no readable picture left to {what}: run `openset check` on the folders to see "
                    f"why. {' '.join(notes[:3])}"
                )
    if listing.scheme == "oe" and not len(out) and any(e.label == OUT for e in listing.entries):
        raise TrainingError(
            'scheme "oe" (outlier exposure) has no readable out-picture left to train on: run `openset check` with --out '
            f"to see why, or use another scheme. {' '.join(notes[:3])}"
        )
    if budget.refused:
        notes.append(
            f"{budget.refused:,} of {counted(total, 'picture')} found no room in the {memory / 1e6:.0f} MB given for decoded "
            "pictures; they are read again in every epoch, and a larger memory is faster"
        )
    return Material(listing.labels, pre, train, val, test, out, out_val, out_test, np.array(copies, bool)), notes


def _must(read: Callable[[str], Pixels | ImageError]) -> Callable[[str], Pixels]:
    """The same for a file that could be read before: if it is gone now, the run stops rather than change its data."""

    def again(path: str) -> Pixels:
        pixels = read(path)
        if isinstance(pixels, ImageError):
            raise TrainingError(f"a training picture changed during the run: {pixels}") from pixels
        return pixels

    return again
