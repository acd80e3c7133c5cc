"""Fingerprints of pictures: what is kept of each to find its copies, about 1.6 KB a picture.

sha256 of the file's bytes and of the decoded pixels, a 32 x 32 gray thumbnail, 8 x 8 colours, and two 64-bit hashes of
the thumbnail: dHash (Krawetz 2013, "Kind of Like That") and pHash (Zauner 2010, ch. 3). Each picture is read once, in a
few threads, and its pixels are let go at once.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import ImageError
from ..images import load

Progress = Callable[[int, int], None]  # (done, total), called after each picture

BLANK_STD = 2.0  # levels of 255 over the gray thumbnail
CONSTANT_RANGE = 8  # levels of 255: JPEG noise on a blank page stays below
SIZE_HINT = 128
SIDE = 32

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Prints:
    """Fingerprints of N pictures, in columns. Where `error` is not None, the other columns say nothing.

    file_digest, pixel_digest: sha256, of the bytes and of the pixels as decoded (a JPEG at a reduced scale).
    dhash, phash: uint64 [N]. thumb: uint8 [N, 32, 32] gray. colour: int16 [N, 128], R - G and B - G of 8 x 8 cells.
    blank: the thumbnail holds no structure. constant: no channel varies by more than CONSTANT_RANGE.
    long_side: of the picture as decoded, in pixels (exact below SIZE_HINT). bytes: file size. error: why unreadable.
    """

    paths: tuple[str, ...]
    file_digest: tuple[bytes, ...]
    pixel_digest: tuple[bytes, ...]
    dhash: Hashes
    phash: Hashes
    thumb: NDArray[np.uint8]
    colour: NDArray[np.int16]
    blank: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    long_side: NDArray[np.int64]
    bytes: NDArray[np.int64]
    error: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.paths)


def _dct_rows() -> NDArray[np.float64]:
    """The 8 lowest rows of the orthonormal DCT-II matrix of length SIDE."""
    k, x = np.arange(8)[:, None], np.arange(SIDE)[None]
    rows = np.cos(np.pi * (2 * x + 1) * k / (2 * SIDE)) * np.sqrt(2 / SIDE)
    rows[0] /= np.sqrt(2)
    return rows


def _box_weights(cells: int) -> NDArray[np.int64]:
    """Integer weights [cells, SIDE]: sums of SIDE samples over `cells` equal boxes, times `cells`, edges shared."""
    edges, x = np.arange(cells + 1) * SIDE, np.arange(SIDE) * cells
    overlap = np.minimum(edges[1:, None], x + cells) - np.maximum(edges[:-1, None], x)
    return np.clip(overlap, 0, None)


_DCT, _ROWS, _COLUMNS = _dct_rows(), _box_weights(8), _box_weights(9)


def _pack(bits: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(bits.reshape(-1)).tobytes(), "big")


def dhash(thumb: NDArray[np.uint8]) -> int:
    """64 bits of a gray thumbnail [32, 32]: of 8 rows of 9 cells, is a cell brighter than its left neighbour?

    Unchanged by brightness and contrast.
    """
    cells = _ROWS @ thumb.astype(np.int64) @ _COLUMNS.T
    return _pack(cells[:, 1:] > cells[:, :-1])


def phash(thumb: NDArray[np.uint8]) -> int:
    """64 bits of a gray thumbnail [32, 32]: which of the 8 x 8 lowest DCT coefficients exceed their median?

    The first (the mean gray) is left out of the median and its bit is 0, so brightness changes nothing.
    """
    low = (_DCT @ thumb.astype(np.float64) @ _DCT.T).reshape(-1).round(6)  # no bits made of rounding errors
    bits = low > np.median(low[1:])
    bits[0] = False
    return _pack(bits)


def split_page(path: str) -> tuple[str, str]:
    """("file", "#page=N" or "") of a picture's name: pages of a PDF are named `file.pdf#page=N`."""
    if "#page=" in path and not os.path.lexists(path):
        file, mark, number = path.rpartition("#page=")
        return file, mark + number
    return path, ""


@dataclass(frozen=True, slots=True)
class _Print:
    file_digest: bytes = b""
    pixel_digest: bytes = b""
    thumb: NDArray[np.uint8] | None = None
    colour: NDArray[np.int16] | None = None
    constant: bool = False
    long_side: int = 0
    bytes: int = 0
    error: str | None = None


Seen = dict[str, _Print]  # what was read, by path


def _pixels_digest(pixels: NDArray[np.uint8]) -> bytes:
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def _read(path: str) -> _Print:
    try:
        pixels = load(path, size_hint=SIZE_HINT)
        file, page = split_page(path)
        with open(file, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
        digest.update(page.encode())
        size = os.path.getsize(file)
    except ImageError as e:
        return _Print(error=f"{e.reason}. {e.remedy}")
    except OSError as e:
        return _Print(error=f"it could not be read ({e.strerror or e}). Check that the file exists and may be read.")
    picture = Image.fromarray(pixels)
    thumb = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR).convert("L"))
    cells = np.asarray(picture.resize((8, 8), Image.Resampling.BILINEAR)).astype(np.int16)
    spread = pixels.max(axis=(0, 1)).astype(int) - pixels.min(axis=(0, 1))
    return _Print(
        file_digest=digest.digest(),
        pixel_digest=_pixels_digest(pixels),
        thumb=thumb,
        colour=(cells[..., [0, 2]] - cells[..., [1]]).reshape(-1),
        constant=bool(spread.max() <= CONSTANT_RANGE),
        long_side=max(pixels.shape[:2]),
        bytes=size,
    )


def _read_all(paths: Sequence[str], threads: int, read: Callable[[str], _Print] = _read) -> Iterator[_Print]:
    """Prints in order; at most 4 pictures a thread wait or are held at a time."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fingerprint")
    waiting: deque[Future[_Print]] = deque()
    try:
        for path in paths:
            waiting.append(pool.submit(read, path))
            if len(waiting) >= 4 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def fingerprint(
    paths: Sequence[str], *, threads: int | None = None, progress: Progress | None = None, seen: Seen | None = None
) -> Prints:
    """Read every picture once and keep what is needed to find its copies.

    paths: as `openset.images.load` takes them. threads: at most 4 when None. progress: called with (done, total).
    seen: kept between calls, it spares reading a picture again: what is in it is not read, what is read is put into it.
    An unreadable picture raises nothing: its `error` says why.
    """
    n = len(paths)
    threads = max(1, threads or min(4, os.cpu_count() or 1))
    thumb, colour = np.zeros((n, SIDE, SIDE), np.uint8), np.zeros((n, 128), np.int16)
    dhashes, phashes = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
    constant, long_side, size = np.zeros(n, bool), np.zeros(n, np.int64), np.zeros(n, np.int64)
    files, pixels = [b""] * n, [b""] * n
    errors: list[str | None] = [None] * n

    def read(path: str) -> _Print:
        return _read(path) if seen is None else seen.get(path) or seen.setdefault(path, _read(path))

    for i, one in enumerate(_read_all(paths, threads, read)):
        files[i], pixels[i], errors[i] = one.file_digest, one.pixel_digest, one.error
        constant[i], long_side[i], size[i] = one.constant, one.long_side, one.bytes
        if one.thumb is not None and one.colour is not None:
            thumb[i], colour[i] = one.thumb, one.colour
            dhashes[i], phashes[i] = dhash(one.thumb), phash(one.thumb)
        if progress is not None:
            progress(i + 1, n)
    blank = thumb.reshape(n, -1).std(axis=1, dtype=np.float32) < BLANK_STD if n else np.zeros(0, bool)
    return Prints(
        paths=tuple(paths),
        file_digest=tuple(files),
        pixel_digest=tuple(pixels),
        dhash=dhashes,
        phash=phashes,
        thumb=thumb,
        colour=colour,
        blank=blank,
        constant=constant,
        long_side=long_side,
        bytes=size,
        error=tuple(errors),
    )
