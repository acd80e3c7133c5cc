"""What to say and do about groups of copies: within a class, across classes, across a split, and into out folders.

Which files a fix list names (deterministic, and written into the list's head):
1. an out picture that copies a class's picture: the out picture goes;
2. equal pictures in two classes: all of them go, since only their owner knows the right label; near-copies in two
   classes are shown, not listed;
3. copies on two sides of a given split: the one in test stays before val before train;
4. equal pictures on one side: the largest file stays, of equal ones the first by name. Near-copies on one side stay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .near import Indices

OUT = "out"
RANK = {"test": 0, "val": 1, "train": 2, "": 2, OUT: 3}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture lies: its path, class (None in an out folder), side of a given split ("" if none, "out")."""

    path: str
    label: str | None
    side: str
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Remark:
    """A file to take out, or to look at, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Copies:
    """Groups of places by what is wrong with them. exact, near: within one class and side; the others may share groups.

    take_out, look_at: sorted by path.
    """

    exact: tuple[tuple[Place, ...], ...]
    near: tuple[tuple[Place, ...], ...]
    across_classes: tuple[tuple[Place, ...], ...]
    across_sides: tuple[tuple[Place, ...], ...]
    with_out: tuple[tuple[Place, ...], ...]
    take_out: tuple[Remark, ...]
    look_at: tuple[Remark, ...]


def sort_copies(places: Sequence[Place], exact: Indices, near: Indices) -> Copies:
    """Sort groups of copies by their harm and decide which files to take out.

    exact, near: [N] group numbers of the places; exact groups lie within near ones.
    """
    exact_groups = [[places[k] for k in g] for g in _groups(exact) if len(g) > 1]
    near_groups = [g for g in _groups(near) if len(g) > 1]
    members = [[places[k] for k in g] for g in near_groups]
    inexact = [[places[k] for k in g] for g in near_groups if len({int(exact[k]) for k in g}) > 1]
    take: dict[str, str] = {}
    look: dict[str, str] = {}
    for group in members:
        _out_of_classes(group, take)
    for group in exact_groups:
        _conflict(group, take)
    for group in members:
        _near_conflict(group, take, look)
        _across_sides(group, take)
    for group in exact_groups:
        _same_side(group, take)
    return Copies(
        exact=tuple(tuple(g) for g in exact_groups if _homes(g) == 1),
        near=tuple(tuple(g) for g in inexact if _homes(g) == 1),
        across_classes=tuple(tuple(g) for g in members if len(_labels(g)) > 1),
        across_sides=tuple(tuple(g) for g in members if len({p.side for p in g if p.label is not None}) > 1),
        with_out=tuple(tuple(g) for g in members if any(p.label is None for p in g) and _labels(g)),
        take_out=_remarks(take),
        look_at=_remarks(look),
    )


def _groups(label: Indices) -> list[list[int]]:
    members: dict[int, list[int]] = defaultdict(list)
    for k, g in enumerate(label.tolist()):
        members[g].append(k)
    return list(members.values())


def _labels(group: Iterable[Place]) -> list[str]:
    return sorted({p.label for p in group if p.label is not None})


def _homes(group: Iterable[Place]) -> int:
    return len({(p.label, p.side) for p in group})


def _remarks(reasons: Mapping[str, str]) -> tuple[Remark, ...]:
    return tuple(Remark(path, reasons[path]) for path in sorted(reasons))


def _out_of_classes(group: Sequence[Place], take: dict[str, str]) -> None:
    inside = [p for p in group if p.label is not None]
    if inside:
        first = min(inside, key=lambda p: p.path)
        for p in group:
            if p.label is None:
                take[p.path] = f"out picture, but a copy of {first.path!r} of class {first.label!r}"


def _conflict(group: Sequence[Place], take: dict[str, str]) -> None:
    labels = _labels(group)
    if len(labels) > 1:
        for p in group:
            take.setdefault(p.path, f"the same picture lies in {' and '.join(map(repr, labels))}; keep the right one")


def _near_conflict(group: Sequence[Place], take: Mapping[str, str], look: dict[str, str]) -> None:
    left = [p for p in group if p.path not in take]
    labels = _labels(left)
    if len(labels) > 1:
        for p in left:
            look[p.path] = f"nearly the same picture lies in {' and '.join(map(repr, labels))}"


def _across_sides(group: Sequence[Place], take: dict[str, str]) -> None:
    left = [p for p in group if p.label is not None and p.path not in take]
    if len({p.side for p in left}) < 2 or len(_labels(left)) > 1:
        return
    kept = min(left, key=_best)
    for p in left:
        if RANK[p.side] > RANK[kept.side]:
            take[p.path] = f"in {p.side}, but a copy of {kept.path!r} in {kept.side}"


def _same_side(group: Sequence[Place], take: dict[str, str]) -> None:
    left = [p for p in group if p.path not in take]
    if _homes(left) == 1:
        kept = min(left, key=_best)
        for p in left:
            if p is not kept:
                take[p.path] = f"the same picture as {kept.path!r}"


def _best(p: Place) -> tuple[int, int, str]:
    return RANK[p.side], -p.bytes, p.path
