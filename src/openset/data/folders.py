"""Labelled pictures from `DATA/<class>/...`, split into train, val and test.

The layout is torchvision's ImageFolder: each folder in DATA is a class, its pictures may lie at any depth below it. If
DATA holds train/ (and val/, valid/ or validation/, and test/), each of these holds the class folders and the given
split is kept; a missing val is taken from train, a missing test from the given val. Otherwise the pictures are split
by a seed, class by class, and copies of one picture (`near.clusters`) and pages of one document stay on one side.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .._words import counted
from ..errors import DataError
from . import layout as lay
from .near import Indices, clusters, join
from .prints import Progress, Seen, fingerprint, split_page
from .split import split_groups

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Item:
    """One picture: where it lies, its class (an index into Dataset.labels) and its side of the split."""

    path: str
    label: int
    split: Split


@dataclass(frozen=True, slots=True)
class Dataset:
    """labels: class names, sorted. items: sorted by path. notes: what was passed over or decided, one sentence each."""

    labels: tuple[str, ...]
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    def of(self, split: Split) -> tuple[Item, ...]:
        """The items of one side of the split."""
        return tuple(item for item in self.items if item.split == split)

    def counts(self) -> dict[Split, tuple[int, ...]]:
        """For each side of the split, how many pictures each class has."""
        tally = Counter((item.split, item.label) for item in self.items)
        return {s: tuple(tally[s, k] for k in range(len(self.labels))) for s in SPLITS}


@dataclass(frozen=True, slots=True)
class _Entry:
    path: str
    key: str  # path below DATA, with "/"
    label: int


def read_folder(
    root: str | os.PathLike[str],
    *,
    seed: int = 0,
    split: tuple[float, float, float] = (0.7, 0.15, 0.15),
    progress: Progress | None = None,
    seen: Seen | None = None,
) -> Dataset:
    """Read the layout of a folder of pictures and split it.

    split: shares of train, val and test; used for the parts that DATA does not give itself; 0 for val or test: none.
    progress: (done, total), while pictures are read to find copies; a split that is given needs no reading. seen: as
    `prints.fingerprint` takes it.

    The result depends on the seed and on names below `root` only. Pictures found unreadable on the way are left out
    and noted; a given split is not read, so unreadable pictures stay in it (`openset check` finds them). One class
    alone is allowed. Raises DataError, which says what layout is expected, when the folder cannot be used.
    """
    _check_shares(split)
    found = lay.survey(os.fspath(root))
    wrong = lay.faults(found)
    if wrong:
        raise DataError("\n".join(wrong))
    labels = found.labels
    number = {name: k for k, name in enumerate(labels)}
    given = {
        side: [
            _Entry(path, os.path.relpath(path, found.root).replace(os.sep, "/"), number[name])
            for name, pictures in classes.items()
            for path in pictures.pictures
        ]
        for side, classes in found.sides.items()
    }
    notes = list(lay.remarks(found))
    items: list[Item] = []
    for source, sides, shares in _plan(set(given), split):
        if len(sides) == 1:
            items += [Item(e.path, e.label, sides[0]) for e in given[source]]
            continue
        if source:
            notes.append(f"{' and '.join(sides[1:])} taken from {source}/: no such folder was given.")
        made, more = _divide(given[source], labels, sides, shares, seed, progress, seen)
        items += made
        notes += more
    empty = [name for name, k in number.items() if not any(i.label == k and i.split == "train" for i in items)]
    if empty:
        raise DataError(
            f"no readable picture to train on in class {', '.join(map(repr, empty))} of {found.root!r}. "
            f"Run `openset check {found.root}` to see why each file cannot be read, then repair or replace them."
        )
    return Dataset(labels, tuple(sorted(items, key=lambda item: item.path)), tuple(notes))


def _check_shares(split: Sequence[float]) -> None:
    if len(split) != 3 or not all(0 <= s <= 1 for s in split) or abs(sum(split) - 1) > 1e-6 or split[0] == 0:
        raise DataError(
            f"split={tuple(split)!r} is not three shares for train, val and test. "
            "Give three numbers that add up to 1, the first above 0, for example (0.7, 0.15, 0.15)."
        )


def _plan(given: set[str], split: tuple[float, float, float]) -> list[tuple[str, tuple[Split, ...], tuple[float, ...]]]:
    """(given side or "" for an undivided folder, sides to make of it, their shares adding up to 1)."""
    share = dict(zip(SPLITS, split, strict=True))
    makes: dict[str, list[Split]] = {}
    for side in SPLITS:
        if side in given:
            makes[side] = [side]
        elif "" in given:
            makes.setdefault("", []).extend([side] if share[side] else [])
        elif share[side]:
            donor = "val" if side == "test" and "val" in given else "train"
            makes[donor].append(side)
    plan = []
    for source, sides in makes.items():
        total = sum(share[s] for s in sides)
        # a given side whose own share is 0 has no say in how it is halved
        shares = tuple(share[s] / total if total and all(share[s] for s in sides) else 1 / len(sides) for s in sides)
        plan.append((source, tuple(sides), shares))
    return plan


def _divide(
    pictures: list[_Entry],
    labels: tuple[str, ...],
    sides: tuple[Split, ...],
    shares: tuple[float, ...],
    seed: int,
    progress: Progress | None,
    seen: Seen | None,
) -> tuple[list[Item], list[str]]:
    """Split pictures by the seed, copies together: (items, notes)."""
    prints = fingerprint([e.path for e in pictures], progress=progress, seen=seen)
    near = clusters(prints)
    together = keep_documents(prints.paths, near)
    readable = [k for k, error in enumerate(prints.error) if error is None]
    bad = [e.path for e, error in zip(pictures, prints.error, strict=True) if error is not None]
    kept = [pictures[k] for k in readable]
    group = [int(together[k]) for k in readable]
    part = split_groups([e.label for e in kept], group, [e.key for e in kept], shares, seed)
    notes = []
    if bad:
        notes.append(f"{len(bad)} unreadable left out: {_some(bad)}. `openset check` says why.")
    notes += _family_notes(kept, [int(near[k]) for k in readable], labels)
    notes += _tiny_notes(kept, group, part, labels, sides)
    return [Item(e.path, e.label, sides[p]) for e, p in zip(kept, part, strict=True)], notes


def keep_documents(paths: Sequence[str], label: Indices) -> Indices:
    """Clusters with the pages of one PDF joined: [N], each picture's smallest companion."""
    first: dict[str, int] = {}
    pages = [(k, first.setdefault(split_page(path)[0], k)) for k, path in enumerate(paths) if "#page=" in path]
    ends = np.array(pages, np.intp).reshape(-1, 2)
    return join(label, ends[:, 0], ends[:, 1])


def _family_notes(kept: list[_Entry], group: list[int], labels: tuple[str, ...]) -> list[str]:
    size = Counter(group)
    copies = sum(n for n in size.values() if n > 1)
    if not copies:
        return []
    families = sum(n > 1 for n in size.values())
    notes = [
        f"{counted(copies, 'picture')} are copies or near-copies of one another ({counted(families, 'group')}): each group is kept together."
    ]
    classes: dict[int, set[int]] = defaultdict(set)
    for entry, g in zip(kept, group, strict=True):
        classes[g].add(entry.label)
    mixed = [sorted(labels[k] for k in c) for c in classes.values() if len(c) > 1]
    if mixed:
        notes.append(
            f"{counted(len(mixed), 'group')} of these in more than one class (for example {' and '.join(mixed[0])}): "
            "the same picture has two labels. `openset check` lists them."
        )
    return notes


def _tiny_notes(
    kept: list[_Entry], group: list[int], part: Indices, labels: tuple[str, ...], sides: tuple[Split, ...]
) -> list[str]:
    groups: dict[int, set[int]] = defaultdict(set)
    reached: dict[int, set[Split]] = defaultdict(set)
    for entry, g, p in zip(kept, group, part, strict=True):
        groups[entry.label].add(g)
        reached[entry.label].add(sides[p])
    pictures = Counter(entry.label for entry in kept)
    notes = []
    for k in sorted(groups):
        missing = [side for side in sides if side not in reached[k]]
        if missing:
            what = counted(pictures[k], "picture")
            if len(groups[k]) != pictures[k]:
                paged = any("#page=" in entry.path for entry in kept if entry.label == k)
                same = "copies, or pages of one document," if paged else "copies"
                what += f" ({len(groups[k])} once {same} are counted as one)"
            notes.append(
                f"class {labels[k]!r} has {what}, too few for every part: none of it is in {' or '.join(missing)}, "
                "where nothing can be measured on it. Add pictures."
            )
    return notes


def _some(paths: Iterable[str], n: int = 3) -> str:
    listed = list(paths)
    return ", ".join(repr(p) for p in listed[:n]) + (f" and {len(listed) - n} more" if len(listed) > n else "")
