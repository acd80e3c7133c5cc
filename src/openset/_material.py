"""From folders to what a run learns: labels, three splits and the out-pictures, decoded to training size.

One class folder is a normal case ("is it this, or not?"): the pictures of the --out folders are then the class
"other". Unreadable pictures are left out, counted and named in the notes; nothing is dropped in silence.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from . import images
from ._words import counted
from .data.folders import keep_documents, read_folder
from .data.layout import survey
from .data.near import clusters
from .data.prints import fingerprint
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
    """A picture, its side and its class number; OUT where it is no class. key: its name below the folder given."""

    path: str
    key: str
    side: str
    label: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What the folders hold, before anything is decoded for training. `fingerprint` changes with any of it.

    alone: one class folder was given, and class 1 is the pictures of the out folders.
    """

    labels: tuple[str, ...]
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]
    fingerprint: str
    alone: bool = False


def list_pictures(data: str, out: Sequence[str], *, scheme: str, seed: int, tell: Tell) -> Listing:
    """Read the folders' layout and split them by `seed`. tell(what, done, total) as it goes.

    Raises DataError for folders that cannot be used, TrainingError where the scheme lacks its pictures: one class and
    no out folder, or outlier exposure without one.
    """
    if scheme == "oe" and not out:
        raise TrainingError(
            'scheme "oe" (outlier exposure) learns from pictures that are no class, and no out folder was given: '
            'add --out FOLDER (in Python: out=["FOLDER"]), or use scheme "ceda" or "acet", which make their own noise'
        )
    places, out_notes = _out_places(out)  # a slip in the command is told before a long reading
    alone = survey(data).labels
    if len(alone) == 1 and not out:
        raise TrainingError(
            f"'{data}' holds one class, {alone[0]!r}, and no out folder was given: a judge needs something to tell "
            "it from. Add a second class folder, or --out FOLDER with pictures that are something else "
            '(in Python: out=["FOLDER"])'
        )
    dataset = read_folder(
        data, seed=seed, split=SHARES, progress=lambda done, total: tell("looking for copies", done, total)
    )
    entries = [Entry(i.path, os.path.relpath(i.path, data), i.split, i.label) for i in dataset.items]
    labels, notes = dataset.labels, [*dataset.notes, *out_notes]
    outside, more = _list_out(places, seed, tell)
    notes += more
    if len(labels) == 1:
        other = "other" if labels[0] != "other" else "not other"
        labels = (labels[0], other)
        outside = _as_other(outside, scheme, seed)
        notes.append(f"One class was given: the pictures of the out folders are the class {other!r}.")
    entries += outside
    for k, label in enumerate(labels):
        for side, need in (("train", "to learn from"), ("val", "to watch the training with")):
            if not any(e.label == k and e.side == side for e in entries):
                raise TrainingError(
                    f"class {label!r} has no picture {need}: it needs at least 3 that are no copies of one another. "
                    "Add pictures, or give train/ and val/ folders of your own"
                )
    return Listing(labels, tuple(entries), tuple(notes), _fingerprint(labels, entries), alone=len(dataset.labels) == 1)


def _out_places(out: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """((path, its name below the out folders), ...) and what was passed over. Nothing is opened. Raises DataError."""
    places: list[tuple[str, str]] = []
    notes: list[str] = []
    for number, folder in enumerate(out):
        if not os.path.isdir(folder):
            raise DataError(f"the out folder '{folder}' is not there: check --out")
        found = walk(folder)
        if not found.pictures:
            raise DataError(f"the out folder '{folder}' holds no pictures ({', '.join(sorted(images.SUFFIXES))})")
        places += [(path, f"{number}/{os.path.relpath(path, folder)}") for path in found.pictures]
        notes += [f"In the out folder '{folder}' {text}" for text in told(found)]
    return places, notes


def _list_out(places: Sequence[tuple[str, str]], seed: int, tell: Tell) -> tuple[list[Entry], list[str]]:
    """The pictures of the out folders, split as the classes are: copies and pages of one document stay together."""
    prints = fingerprint(
        [path for path, _ in places], progress=lambda done, total: tell("looking for copies", done, total)
    )
    group = keep_documents(prints.paths, clusters(prints))
    good = [k for k, error in enumerate(prints.error) if error is None]
    bad = [places[k][0] for k in range(len(places)) if prints.error[k] is not None]
    part = split_groups([0] * len(good), [int(group[k]) for k in good], [places[k][1] for k in good], SHARES, seed)
    notes = [f"{len(bad)} unreadable left out of the out folders: {', '.join(map(repr, bad[:3]))}."] if bad else []
    return [Entry(*places[k], SIDES[p], OUT) for k, p in zip(good, part, strict=True)], notes


def _as_other(outside: list[Entry], scheme: str, seed: int) -> list[Entry]:
    """The out-pictures as class 1. For "oe" every second one to train on, by the seed, stays an out-picture."""

    def stays_out(entry: Entry) -> bool:
        digest = hashlib.sha256(f"{seed}\0{entry.key}".encode("utf-8", "surrogateescape")).digest()
        return scheme == "oe" and entry.side == "train" and digest[0] % 2 == 0

    made = [e if stays_out(e) else Entry(e.path, e.key, e.side, 1) for e in outside]
    if scheme == "oe" and not any(e.label == OUT for e in made):
        raise TrainingError(
            f"{counted(len(outside), 'out-picture')}: too few for both the class 'other' and outlier exposure: "
            'add more, or use scheme "ceda" or "acet"'
        )
    return made


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
    """Decode every picture once; keep up to `memory` bytes. Gives the material and notes on what was left out."""
    read, budget = reader(pre), Budget(memory)
    notes: list[str] = []
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
        again = {new: kept[k] for new, k in enumerate(good) if k in kept}
        pictures = Decoded([chosen[k].path for k in good], _must(read), again)
        return Split(pictures, np.array([chosen[k].label for k in good], np.int64))

    train, val, test = (part(side, False) for side in SIDES)
    out, out_val, out_test = (part(side, True).pictures for side in SIDES)
    if not len(train.targets) or not len(val.targets):
        raise DataError(
            "no readable picture is left to train on or to validate with: run `openset check` on the folder"
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
