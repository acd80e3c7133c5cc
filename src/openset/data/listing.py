"""From folders to what a run learns, before anything is decoded: labels, three splits and the out-pictures.

One class folder is a normal case ("is it this, or not?"): the pictures of the --out folders are then the class
"other". Unreadable pictures, and out-pictures that copy a picture of a class, are left out, counted and named in the
notes; nothing is dropped in silence. A class or an out folder that has lost all its pictures is an error.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .. import images
from .._words import counted
from ..errors import DataError, TrainingError
from .folders import keep_documents, read_folder
from .layout import survey
from .near import clusters, exact
from .prints import Progress, Seen, fingerprint, split_page
from .split import split_groups
from .walk import told, walk

SHARES = (0.7, 0.15, 0.15)
SIDES = ("train", "val", "test")
OUT = -1
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture, its side and its class number; OUT where it is no class. key: its name below the folder given.

    folder: the out folder that it comes from, "" for one of the classes' folders. copy: a test picture that equals one before it,
    in bytes or pixels; a promise counts the two once.
    """

    path: str
    key: str
    side: str
    label: int
    folder: str = ""
    copy: bool = False


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


def list_pictures(
    data: str, out: Sequence[str], *, scheme: str, seed: int, tell: Tell, seen: Seen | None = None
) -> Listing:
    """Read the folders' layout and split them by `seed`. tell(what, done, total) as it goes. seen: see `prints.fingerprint`.

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
    seen = {} if seen is None else seen

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
    check_classes(labels, entries)
    entries = _copies_marked(entries, look, seen)
    changes = _fingerprint(labels, entries, seen)
    return Listing(labels, tuple(entries), tuple(notes), changes, scheme, alone=len(dataset.labels) == 1)


def check_classes(labels: Sequence[str], entries: Sequence[Entry]) -> None:
    """Raises TrainingError for a class without a picture to train on, or to validate with."""
    there = {(e.label, e.side) for e in entries}
    for k, label in enumerate(labels):
        for side, need in (("train", "to learn from"), ("val", "to watch the training with")):
            if (k, side) not in there:
                raise TrainingError(
                    f"class {label!r} has no picture {need}: it needs at least 3 that are neither copies of one another nor "
                    "pages of one document. Add pictures, or give train/ and val/ folders of your own"
                )


def _out_places(out: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """The pictures of the out folders, on no side yet, and what was passed over. No picture is decoded. Raises DataError.

    A picture to which two names lead (a folder given twice, or one inside another) is taken once.
    """
    places: list[Entry] = []
    notes: list[str] = []
    taken: set[tuple[str, str]] = set()
    for number, folder in enumerate(out):
        if not os.path.isdir(folder):
            raise DataError(
                f"the out folder '{folder}' is not there: check --out, which names pictures of no class (the run's folder is --output, -o)"
            )
        found = walk(folder)
        if not found.pictures:
            raise DataError(f"the out folder '{folder}' holds no pictures ({', '.join(sorted(images.SUFFIXES))})")
        names = {path: _one(path) for path in found.pictures}
        fresh = {one: path for path, one in names.items() if one not in taken}
        taken.update(fresh)
        places += [Entry(path, f"{number}/{os.path.relpath(path, folder)}", "", OUT, folder) for path in fresh.values()]
        if twice := len(names) - len(fresh):
            notes.append(f"In the out folder '{folder}' {counted(twice, 'picture')} given already, taken once.")
        notes += [f"In the out folder '{folder}' {text}" for text in told(found)]
    return places, notes


def _one(path: str) -> tuple[str, str]:
    """What every name of a picture has in common."""
    file, page = split_page(path)
    return os.path.realpath(file), page


def _copies_marked(entries: Sequence[Entry], look: Progress, seen: Seen) -> list[Entry]:
    """The entries, copies among the test pictures marked; of a given test part the pictures are read for this."""
    at = [k for k, e in enumerate(entries) if e.side == "test"]
    first = exact(fingerprint([entries[k].path for k in at], progress=look, seen=seen)).tolist()
    copies = {at[j] for j, k in enumerate(first) if k != j and entries[at[k]].label == entries[at[j]].label}
    return [replace(e, copy=True) if k in copies else e for k, e in enumerate(entries)]


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
    check_folders(places, [places[k] for k in good], " ".join(notes))
    keys = [places[k].key for k in good]
    part = split_groups([0] * len(good), [int(group[k]) for k in good], keys, SHARES, seed)
    return [replace(places[k], side=SIDES[p]) for k, p in zip(good, part, strict=True)], notes


def check_folders(given: Sequence[Entry], left: Sequence[Entry], why: str) -> None:
    """Raises TrainingError for an out folder of which pictures were given and none is left."""
    for folder in dict.fromkeys(e.folder for e in given if e.folder):
        if not any(e.folder == folder for e in left):
            raise TrainingError(
                f"no picture of the out folder '{folder}' can be used: run `openset check` with --out '{folder}' to see "
                f"why, or leave the folder out. {why}"
            )


def _fingerprint(labels: Sequence[str], entries: Sequence[Entry], seen: Seen) -> str:
    """One digest of all names, sides, classes and contents."""
    digest = hashlib.sha256("\0".join(labels).encode("utf-8", "surrogateescape"))
    known: dict[str, bytes] = {}
    for e in entries:
        content = seen[e.path].file_digest if e.path in seen else _content(split_page(e.path)[0], known)
        digest.update(f"\0{e.key}\0{e.side}\0{e.label}\0".encode("utf-8", "surrogateescape") + content)
    return digest.hexdigest()


def _content(file: str, known: dict[str, bytes]) -> bytes:
    """sha256 of a file, b"" for one that cannot be read; `known` holds those of before."""
    if file not in known:
        try:
            with open(file, "rb") as content:
                known[file] = hashlib.file_digest(content, "sha256").digest()
        except OSError:
            known[file] = b""
    return known[file]
