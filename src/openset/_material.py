"""From folders to what a run learns: labels, three splits and the out-pictures, decoded to training size.

One class folder is a normal case ("is it this, or not?"): the pictures of the --out folders are then the class
"other". Unreadable pictures, and out-pictures that copy a picture of a class, are left out, counted and named in the
notes; nothing is dropped in silence. A class, an out folder or a scheme that has lost all its pictures is an error.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import images
from ._words import counted
from .data.folders import keep_documents, read_folder
from .data.layout import survey
from .data.near import clusters
from .data.prints import Progress, Seen, fingerprint
from .data.split import split_groups
from .data.walk import told, walk
from .errors import DataError, ImageError, TrainingError
from .loader import Budget, Decoded, Material, Pixels, Split, decode_all
from .types import Preprocess

SHARES = (0.7, 0.15, 0.15)
SIDES = ("train", "val", "test")
OUT = -1
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture, its side and its class number; OUT where it is no class. key: its name below the folder given.

    folder: the out folder that it comes from, "" for one of the classes' folders.
    """

    path: str
    key: str
    side: str
    label: int
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the folders hold, before anything is decoded for training. `fingerprint` changes with any of it.

    alone: one class folder was given, and class 1 is the pictures of the out folders.
    """

    labels: tuple[str, ...]
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]
    fingerprint: str
    scheme: str
    alone: bool = False

    def count(self, side: str) -> int:
        """How many pictures of the classes are on a side."""
        return sum(e.side == side and e.label != OUT for e in self.entries)


def list_pictures(data: str, out: Sequence[str], *, scheme: str, seed: int, tell: Tell) -> Listing:
    """Read the folders' layout and split them by `seed`. tell(what, done, total) as it goes.

    Raises DataError for folders that cannot be used, TrainingError for one class without an out folder, or an out folder of which
    no picture is left.
    """
    places, out_notes = _out_places(out)  # a slip in the command is told before a long reading
    alone = survey(data).labels
    if len(alone) == 1 and not out:
        raise TrainingError(
            f"'{data}' holds one class, {alone[0]!r}, and no out folder was given: a judge needs something to tell "
            "it from. Add a second class folder, or --out FOLDER with pictures that are something else "
            '(in Python: out=["FOLDER"])'
        )
    seen: Seen = {}

    def look(done: int, total: int) -> None:
        tell("looking for copies", done, total)

    dataset = read_folder(data, seed=seed, split=SHARES, progress=look, seen=seen)
    entries = [Entry(i.path, os.path.relpath(i.path, data), i.split, i.label) for i in dataset.items]
    labels, notes = dataset.labels, [*dataset.notes, *out_notes]
    outside, more = _list_out(places, [e.path for e in entries], seed, look, seen)
    notes += more
    if len(labels) == 1:
        other = "other" if labels[0] != "other" else "not other"
        labels = (labels[0], other)
        outside = [replace(e, label=1) for e in outside]
        notes.append(f"One class was given: the pictures of the out folders are the class {other!r}.")
    entries += outside
    for k, label in enumerate(labels):
        for side, need in (("train", "to learn from"), ("val", "to watch the training with")):
            if not any(e.label == k and e.side == side for e in entries):
                raise TrainingError(
                    f"class {label!r} has no picture {need}: it needs at least 3 that are no copies of one another. "
                    "Add pictures, or give train/ and val/ folders of your own"
                )
    fingerprint = _fingerprint(labels, entries)
    return Listing(labels, tuple(entries), tuple(notes), fingerprint, scheme, alone=len(dataset.labels) == 1)


def _out_places(out: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """The pictures of the out folders, on no side yet, and what was passed over. Nothing is opened. Raises DataError."""
    places: list[Entry] = []
    notes: list[str] = []
    for number, folder in enumerate(out):
        if not os.path.isdir(folder):
            raise DataError(
                f"the out folder '{folder}' is not there: check --out, which names pictures of no class (the run's folder is --output, -o)"
            )
        found = walk(folder)
        if not found.pictures:
            raise DataError(f"the out folder '{folder}' holds no pictures ({', '.join(sorted(images.SUFFIXES))})")
        places += [Entry(path, f"{number}/{os.path.relpath(path, folder)}", "", OUT, folder) for path in found.pictures]
        notes += [f"In the out folder '{folder}' {text}" for text in told(found)]
    return places, notes


def _list_out(
    places: Sequence[Entry], inside: Sequence[str], seed: int, look: Progress, seen: Seen
) -> tuple[list[Entry], list[str]]:
    """The pictures of the out folders, split as the classes are: copies and pages of one document stay together.

    A copy of a picture `inside` the classes is left out, as `data.copies` has it (rule 1). Raises TrainingError for an out
    folder of which nothing is left.
    """
    if not places:
        return [], []
    prints = fingerprint([*inside, *(e.path for e in places)], progress=look, seen=seen)
    near = clusters(prints)
    group, taken = keep_documents(prints.paths, near)[len(inside) :], set(near[: len(inside)].tolist())
    bad = [error is not None for error in prints.error[len(inside) :]]
    copied = [int(k) in taken for k in near[len(inside) :]]
    good = [k for k in range(len(places)) if not bad[k] and not copied[k]]
    notes = []
    for lost, what in ((bad, "unreadable"), (copied, "copied from pictures of a class")):
        names = [repr(e.path) for e, is_lost in zip(places, lost, strict=True) if is_lost]
        if names:
            notes.append(f"{len(names)} {what} left out of the out folders: {', '.join(names[:3])}.")
    _check_folders(places, [places[k] for k in good], " ".join(notes))
    keys = [places[k].key for k in good]
    part = split_groups([0] * len(good), [int(group[k]) for k in good], keys, SHARES, seed)
    return [replace(places[k], side=SIDES[p]) for k, p in zip(good, part, strict=True)], notes


def _check_folders(given: Sequence[Entry], left: Sequence[Entry], why: str) -> None:
    """Raises TrainingError for an out folder of which pictures were given and none is left."""
    for folder in dict.fromkeys(e.folder for e in given if e.folder):
        if not any(e.folder == folder for e in left):
            raise TrainingError(
                f"no picture of the out folder '{folder}' can be used: run `openset check` with --out '{folder}' to see "
                f"why, or leave the folder out. {why}"
            )


def _fingerprint(labels: Sequence[str], entries: Sequence[Entry]) -> str:
    digest = hashlib.sha256("\0".join(labels).encode("utf-8", "surrogateescape"))
    for e in entries:
        size = os.path.getsize(e.path) if os.path.exists(e.path) else -1
        digest.update(f"\0{e.key}\0{e.side}\0{e.label}\0{size}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


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
        return Split(pictures, np.array([chosen[k].label for k in good], np.int64))

    train, val, test = (part(side, False) for side in SIDES)
    out, out_val, out_test = (part(side, True).pictures for side in SIDES)
    _check_folders(listing.entries, left, " ".join(notes[:3]))
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
    return Material(listing.labels, pre, train, val, test, out, out_val, out_test), notes


def _must(read: Callable[[str], Pixels | ImageError]) -> Callable[[str], Pixels]:
    """The same for a file that could be read before: if it is gone now, the run stops rather than change its data."""

    def again(path: str) -> Pixels:
        pixels = read(path)
        if isinstance(pixels, ImageError):
            raise TrainingError(f"a training picture changed during the run: {pixels}") from pixels
        return pixels

    return again
