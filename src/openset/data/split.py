"""A seeded split, stratified by class, in which no group of pictures is divided.

Each group's part is drawn by sha256(seed, name), and given to the part that lacks most only where the drawn one is full
(larger groups are served first): the result depends on the seed and the names alone, not on the file system's order,
and a picture added moves few others.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def split_groups(
    label: Sequence[int], group: Sequence[int], keys: Sequence[str], shares: Sequence[float], seed: int
) -> NDArray[np.intp]:
    """[N]: the part (0 .. len(shares) - 1) each picture belongs to.

    label: class of each picture, 0 .. K-1. group: pictures with equal numbers stay together, across classes too.
    keys: the pictures' names, distinct. shares: what part of each class each part should get; all > 0.

    Each part gets at least one group of every class that has as many groups; a class with fewer fills the parts in
    order, the first part first. (Groups that span classes may prevent both: one group cannot serve two parts.)
    """
    members: dict[int, list[int]] = defaultdict(list)
    for n, g in enumerate(group):
        members[g].append(n)

    def order(group_members: list[int]) -> tuple[int, bytes]:
        name = min(keys[n] for n in group_members)
        return -len(group_members), hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogateescape")).digest()

    classes, parts = max(label, default=-1) + 1, len(shares)
    have = np.zeros((classes, parts))
    want = np.bincount(np.asarray(label, np.intp), minlength=classes)[:, None] * np.asarray(shares)[None]
    left = np.zeros(classes, np.intp)  # groups of each class not yet given away
    for m in members.values():
        left[list({label[n] for n in m})] += 1

    part_of = np.zeros(len(label), np.intp)
    bounds = np.cumsum(shares)[:-1]
    for (_, digest), m in sorted((order(m), m) for m in members.values()):
        inside, count = np.unique([label[n] for n in m], return_counts=True)
        empty = have[inside] == 0
        urgent = left[inside] <= empty.sum(axis=1)  # each group left must open a part
        need = empty[urgent].any(axis=0)
        lack = ((want - have)[inside] * count[:, None]).sum(axis=0)
        part = int(np.searchsorted(bounds, int.from_bytes(digest[:6], "big") / 2**48, side="right"))
        if need.any():
            part = int(np.argmax(need))
        elif lack[part] < (count**2).sum() / 2:  # less than half of the group has room
            part = int(np.argmax(lack))
        have[inside, part] += count
        left[inside] -= 1
        part_of[m] = part
    return part_of
