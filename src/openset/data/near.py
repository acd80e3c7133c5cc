"""Pictures that are copies of one another: exactly (sha256) or nearly (perceptual hashes, then a comparison).

Candidates are pairs of fingerprints whose dHash or pHash differ in at most RADIUS bits, found without comparing all
pairs by multi-index hashing (Norouzi, Punjani and Fleet 2012, sec. 2): of four 16-bit bands of two codes that differ
in at most 7 bits, one differs in at most 1. A candidate is a near-duplicate if the other hash is within FAR bits, the
thumbnails correlate by at least CORRELATION and the colours agree; this is what keeps different pages of text, digits
and icons apart.

The constants were chosen on scikit-image's photographs against JPEG (quality 15 up), resizing (to 64 pixels up),
brightness, contrast, saturation and gamma changes and noise (all but 2 of 459 copies found, none linked wrongly), and
against different photographs, crops, pages of text and of staves (no link) and 5,000 MNIST digits (180 linked, at
most 29 in a group: ones look alike). `benchmarks/near.py` prints the tables.

What is NOT found: mirrored, rotated or inverted copies, many crops of 1 % a side and most larger ones, some copies
shrunk to less than 32 pixels on the short side, and gray copies of coloured pictures (colour may be the class).
Near-blank pictures are linked only when their bytes or pixels are equal: their hashes are noise.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..images import load
from .prints import SIDE, Hashes, Prints

RADIUS = 7  # bits: what four 16-bit bands, each searched within one bit, are sure to find
FAR = 16  # bits: the other hash
CORRELATION = 0.97
COLOUR_RMS, COLOUR_SHARE = 12.0, 0.4  # levels of 255; share of the stronger of the two pictures' colour
BANDS, BAND_BITS = 4, 16
CHUNK = 1 << 20  # pairs looked at together: bounds memory

Indices = NDArray[np.intp]


def hamming(a: Hashes, b: Hashes) -> NDArray[np.int64]:
    """Number of differing bits, elementwise; uint64 arrays that broadcast."""
    x = np.bitwise_xor(a, b)
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return ((x * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.int64)


def close_pairs(codes: Hashes) -> Iterator[tuple[Indices, Indices]]:
    """Every pair of codes (uint64 [N]) that differ in at most RADIUS bits, once, in chunks of indices (i, j).

    Multi-index hashing: work grows with the pairs that share a 16-bit band within one bit, about N^2 / 1000 of
    random codes, not with all pairs; memory with N and CHUNK.
    """
    masks = [0, *(1 << bit for bit in range(BAND_BITS))]
    bands = [((codes >> np.uint64(BAND_BITS * b)) & np.uint64(0xFFFF)).astype(np.int64) for b in range(BANDS)]
    for band, keys in enumerate(bands):
        order = np.argsort(keys, kind="stable")
        ends = np.searchsorted(keys[order], np.arange((1 << BAND_BITS) + 1))
        place = np.arange(len(codes))
        for mask in masks:
            other = keys[order] ^ mask
            # each unordered pair once: later in the same bucket, or in the bucket with the larger key
            first = place + 1 if mask == 0 else np.where(other > keys[order], ends[other], 0)
            last = ends[other + 1] if mask == 0 else np.where(other > keys[order], ends[other + 1], 0)
            for i, j in _ranges(first, last):
                i, j = order[i], order[j]
                near = hamming(codes[i], codes[j]) <= RADIUS
                i, j = i[near], j[near]
                for earlier in bands[:band]:  # an earlier band has given this pair
                    apart = (earlier[i] ^ earlier[j]).astype(np.uint64)
                    fresh = (apart & (apart - np.uint64(1))) != 0  # two bits or more
                    i, j = i[fresh], j[fresh]
                if len(i):
                    yield i, j


def _ranges(first: Indices, last: Indices) -> Iterator[tuple[Indices, Indices]]:
    """All (i, j) with first[i] <= j < last[i], about CHUNK pairs at a time."""
    lengths = last - first
    rows = np.flatnonzero(lengths > 0)
    lengths, first = lengths[rows], first[rows]
    total = np.cumsum(lengths)
    start = 0
    while start < len(rows):
        before = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, before + CHUNK, side="right")))
        count = lengths[start:stop]
        i = np.repeat(rows[start:stop], count)
        within = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
        yield i, np.repeat(first[start:stop], count) + within
        start = stop


def alike(prints: Prints, i: Indices, j: Indices) -> NDArray[np.bool_]:
    """[M]: are pictures i[k] and j[k] near-duplicates? Hashes, thumbnails, colours must agree; blank ones never do."""
    same = ~(prints.blank[i] | prints.blank[j])
    d, p = hamming(prints.dhash[i], prints.dhash[j]), hamming(prints.phash[i], prints.phash[j])
    same &= (np.minimum(d, p) <= RADIUS) & (np.maximum(d, p) <= FAR)
    for start in range(0, len(i), 4096):
        at = start + np.flatnonzero(same[start : start + 4096])
        same[at] = _correlation(prints.thumb[i[at]], prints.thumb[j[at]]) >= CORRELATION
        at = at[same[at]]
        same[at] = _same_colour(prints.colour[i[at]], prints.colour[j[at]])
    return same


def _correlation(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pearson correlation of thumbnails [M, 32, 32], pair by pair."""
    x, y = (t.reshape(len(t), SIDE * SIDE).astype(np.float32) for t in (a, b))
    x -= x.mean(axis=1, keepdims=True)
    y -= y.mean(axis=1, keepdims=True)
    norm = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    return (x * y).sum(axis=1) / np.maximum(norm, 1e-6)


def _same_colour(a: NDArray[np.int16], b: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Colour differences [M, 128] agree: little apart, or apart by a small share (saturation, brightness)."""
    x, y = a.astype(np.float32), b.astype(np.float32)
    apart = np.sqrt(((x - y) ** 2).mean(axis=1))
    strength = np.sqrt(np.maximum((x * x).mean(axis=1), (y * y).mean(axis=1)))
    return (apart <= COLOUR_RMS) | (apart <= COLOUR_SHARE * strength)


def join(label: Indices, i: Indices, j: Indices) -> Indices:
    """Clusters with the links (i[k], j[k]) added.

    label: [N], each node's smallest companion (`np.arange(N)`: every node alone). The result has the same form.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(label)
    if n == 0:
        return label
    ends = np.concatenate([np.arange(n), i]), np.concatenate([label, j])
    _, component = connected_components(
        coo_matrix((np.ones(len(ends[0]), np.int8), ends), shape=(n, n)), directed=False
    )
    smallest = np.full(component.max() + 1, n, np.intp)
    np.minimum.at(smallest, component, np.arange(n))
    return smallest[component]


def exact(prints: Prints) -> Indices:
    """[N]: for each picture, the first with the same bytes or the same pixels (itself if none, or if unreadable).

    Pixels are compared again at full size where a JPEG was decoded at a reduced scale.
    """
    seen: dict[tuple[str, bytes], int] = {}
    i: list[int] = []
    j: list[int] = []
    for k, error in enumerate(prints.error):
        if error is None:
            first = seen.setdefault(("file", prints.file_digest[k]), k)
            twin = seen.setdefault(("pixels", prints.pixel_digest[k]), k)
            if first != k or (twin != k and _same_pixels(prints.paths[k], prints.paths[twin])):
                i.append(k)
                j.append(first if first != k else twin)
    return join(np.arange(len(prints)), np.array(i, np.intp), np.array(j, np.intp))


def _same_pixels(a: str, b: str) -> bool:
    try:
        return bool(np.array_equal(load(a), load(b)))
    except ImageError:
        return False


def clusters(prints: Prints) -> Indices:
    """[N]: for each picture, the first of its exact and near-duplicates, links of links included.

    The sets do not depend on the order of the pictures.
    """
    n = len(prints)
    label = exact(prints)
    unique = np.unique(label)
    usable = unique[[prints.error[k] is None and not prints.blank[k] for k in unique]] if n else unique
    for codes in (prints.dhash, prints.phash):
        for i, j in close_pairs(codes[usable]):
            i, j = usable[i], usable[j]
            same = alike(prints, i, j)
            if same.any():
                label = join(label, i[same], j[same])
    return label
