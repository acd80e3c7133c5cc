"""Small files in the real formats of MNIST, CIFAR and SVHN, written byte by byte from their published descriptions."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from scipy.io import savemat

PARTS = {"train": 60, "test": 24}
PREFIX = {"train": "train", "test": "t10k"}


def pictures(n: int, channels: int, side: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Dim noise with one bright row whose place tells the class: [n, C, H, W], and [n]."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.integers(0, 60, (n, channels, side, side), np.uint8)
    x[np.arange(n), :, 2 + 2 * y % (side - 2)] = 255
    return x, y.astype(np.int64)


def idx(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_mnist(home: Path, *, packed: bool = False, seed: int = 0) -> None:
    home.mkdir(parents=True, exist_ok=True)
    for part, n in PARTS.items():
        x, y = pictures(n, 1, 28, 10, seed + n)
        for name, content in (("images-idx3", idx(x[:, 0])), ("labels-idx1", idx(y.astype(np.uint8)))):
            file = home / f"{PREFIX[part]}-{name}-ubyte{'.gz' if packed else ''}"
            file.write_bytes(gzip.compress(content) if packed else content)


def write_cifar(home: Path, coarse: bool) -> None:
    folder = home / ("cifar-100-binary" if coarse else "cifar-10-batches-bin")
    folder.mkdir(parents=True)
    for part, n in PARTS.items():
        x, y = pictures(n, 3, 32, 100 if coarse else 10, n)
        head = np.stack([y // 5, y], 1) if coarse else y[:, None]
        records = np.concatenate([head.astype(np.uint8), x.reshape(n, -1)], 1)
        if coarse:
            (folder / f"{part}.bin").write_bytes(records.tobytes())
        elif part == "test":
            (folder / "test_batch.bin").write_bytes(records.tobytes())
        else:
            for k, rows in enumerate(np.split(records, 5), 1):
                (folder / f"data_batch_{k}.bin").write_bytes(rows.tobytes())


def write_svhn(home: Path) -> None:
    home.mkdir(parents=True)
    for part, n in PARTS.items():
        x, y = pictures(n, 3, 32, 10, n)
        named = np.where(y == 0, 10, y).astype(np.uint8)[:, None]
        savemat(home / f"{part}_32x32.mat", {"X": x.transpose(2, 3, 1, 0), "y": named}, do_compression=True)
