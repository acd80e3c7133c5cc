"""The files of the standard data sets, as their authors publish them: MNIST's IDX, CIFAR's binary version, SVHN's .mat.

Each reader gives uint8 pictures [N, C, H, W] and int64 labels [N], checks every size against the file's own header, and
unpickles nothing: CIFAR's "python version" is a pickle and is not read. Gzipped IDX files are read as they are.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from . import matlab

Bytes = NDArray[np.uint8]
Labelled = tuple[Bytes, NDArray[np.int64]]
MOST = 1 << 30  # bytes of one file, unpacked: the largest of these sets, SVHN's training part, has 226 MB


def read_idx(path: Path) -> Bytes:
    """An IDX file of unsigned bytes (magic 0, 0, 8, dimensions), plain or gzipped. Raises DataError."""
    raw = _bytes(path)
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08" or not 1 <= raw[3] <= 4 or len(raw) < 4 + 4 * raw[3]:
        raise DataError(
            f"{path}: no IDX file of bytes (it begins with {raw[:4].hex() or 'nothing'}); download it again"
        )
    shape = struct.unpack(f">{raw[3]}I", raw[4 : 4 + 4 * raw[3]])
    body = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
    if body.size != _product(shape):
        raise DataError(f"{path}: its header says {shape} and {body.size} bytes follow; download it again")
    return body.reshape(shape)


def read_mnist(images: Path, labels: Path) -> Labelled:
    """MNIST, Fashion-MNIST and what shares their format: [N, 1, H, W] and [N]. Raises DataError."""
    x, y = read_idx(images), read_idx(labels)
    if x.ndim != 3 or y.ndim != 1 or len(x) != len(y):
        raise DataError(f"{images} has shape {x.shape} and {labels} {y.shape}: give pictures [N, H, W] and labels [N]")
    return x[:, None], y.astype(np.int64)


def read_cifar(files: Sequence[Path], *, coarse: bool) -> Labelled:
    """CIFAR's binary version: [N, 3, 32, 32]. coarse: CIFAR-100, whose records hold a coarse and then the fine label.

    Gives the fine labels. Raises DataError.
    """
    head = 2 if coarse else 1
    parts = []
    for path in files:
        raw = np.frombuffer(_bytes(path), np.uint8)
        if not raw.size or raw.size % (head + 3072):
            raise DataError(
                f"{path}: {raw.size} bytes are no whole number of records of {head + 3072} bytes; download it again"
            )
        parts.append(raw.reshape(-1, head + 3072))
    records = np.concatenate(parts)
    labels = records[:, head - 1].astype(np.int64)
    if labels.max() >= (100 if coarse else 10):
        raise DataError(f"{files[0]}: label {labels.max()} is none of this set's; is it CIFAR-{10 if coarse else 100}?")
    return records[:, head:].reshape(-1, 3, 32, 32), labels


def read_svhn(path: Path) -> Labelled:
    """SVHN's cropped digits (Matlab 5): X [32, 32, 3, N] and y [N, 1] with 10 for the digit 0. Raises DataError."""
    _size(path)
    try:
        held = matlab.arrays(path.read_bytes(), MOST)
        x, y = held["X"], held["y"].reshape(-1)
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: not a Matlab 5 file with X and y ({error}); download it again") from error
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[:3] != (32, 32, 3) or x.shape[3] != len(y):
        raise DataError(f"{path}: X has shape {x.shape} and y {y.shape}: expected [32, 32, 3, N] and [N, 1]")
    if not len(y) or not np.isin(y, np.arange(11)).all():
        raise DataError(f"{path}: its labels are not the digits 1 to 10 (10 for 0)")
    return np.ascontiguousarray(x.transpose(3, 2, 0, 1)), (y.astype(np.int64) % 10)


def _size(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path} is not there: check the folder")
    if path.stat().st_size > MOST:
        raise DataError(
            f"{path} has {path.stat().st_size:,} bytes, more than any file of these sets: is it another file?"
        )


def _bytes(path: Path) -> bytes:
    """The file's content, unpacked where it is gzipped; never more than MOST bytes."""
    _size(path)
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if not packed:
        return path.read_bytes()
    try:
        with gzip.open(path) as stream:
            content = stream.read(MOST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: a damaged gzip file ({error}); download it again") from error
    if len(content) > MOST:
        raise DataError(f"{path} unpacks to more than {MOST:,} bytes: it is none of these sets' files")
    return content


def _product(shape: Sequence[int]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total
