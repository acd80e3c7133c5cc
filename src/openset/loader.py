"""Training pictures: decoded once to uint8 at training size, augmented lightly, stacked into batches.

A batch is a function of (pictures, indices, seed, epoch, step) and of nothing else, whatever the threads do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .types import Preprocess

Augment = Literal["none", "light", "flip", "crop", "crop-flip"]
Pixels = NDArray[np.uint8]
T = TypeVar("T")


class Pictures(Protocol):
    """Anything with a length that gives uint8 [3, h, w] at training size by number: a list of arrays will do."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Pixels: ...


@dataclass(frozen=True, slots=True)
class Split:
    """Pictures and their class numbers, int64 [N]."""

    pictures: Pictures
    targets: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Material:
    """All that a run learns and is judged from. `out*`: out-distribution pictures, empty where there are none.

    copies: [N], of the test pictures and then those of `out_test` the ones that equal one before them; none where it is shorter.
    """

    labels: tuple[str, ...]
    preprocess: Preprocess
    train: Split
    val: Split
    test: Split
    out: Pictures = ()
    out_val: Pictures = ()
    out_test: Pictures = ()
    copies: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def once(self) -> NDArray[np.bool_]:
        """[n_test + n_out_test]: the pictures that a promise counts, copies of one picture once."""
        counts = np.ones(len(self.test.targets) + len(self.out_test), bool)
        counts[: len(self.copies)] &= ~self.copies
        return counts


class Decoded:
    """Pictures of files, kept in memory as uint8 while `keep` bytes last; the rest are decoded again when asked for."""

    def __init__(self, paths: Sequence[str], read: Callable[[str], Pixels], kept: dict[int, Pixels]) -> None:
        self.paths, self._read, self._kept = tuple(paths), read, kept

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Pixels:
        kept = self._kept.get(index)
        return self._read(self.paths[index]) if kept is None else kept


@dataclass
class Budget:
    """Bytes of decoded pictures that may still be kept in memory; `refused` counts pictures that found no room."""

    left: int
    refused: int = 0

    def take(self, size: int) -> bool:
        if size > self.left:
            self.refused += 1
            return False
        self.left -= size
        return True


def decode_all(
    paths: Sequence[str],
    read: Callable[[str], Pixels | Exception],
    budget: Budget,
    workers: int,
    tick: Callable[[], None],
) -> tuple[dict[int, Pixels], dict[int, Exception]]:
    """Read every file once, in order: what is kept, by number, and what could not be read. `tick` after each file."""
    kept: dict[int, Pixels] = {}
    failed: dict[int, Exception] = {}
    with ThreadPoolExecutor(workers) as pool:
        for i, result in enumerate(_ahead(pool, read, paths, 4 * workers)):
            if isinstance(result, Exception):
                failed[i] = result
            elif budget.take(result.nbytes):
                kept[i] = result
            tick()
    return kept, failed


def _ahead(pool: ThreadPoolExecutor, work: Callable[[str], T], items: Sequence[str], ahead: int) -> Iterator[T]:
    """`map`, but never more than `ahead` results waiting: memory stays bounded."""
    waiting = [pool.submit(work, item) for item in items[:ahead]]
    for item in items[ahead:]:
        yield waiting.pop(0).result()
        waiting.append(pool.submit(work, item))
    for future in waiting:
        yield future.result()


def stack(arrays: Sequence[Pixels]) -> Tensor:
    """uint8 [C, h, w] each -> float32 [B, C, H, W] in [0, 1]; smaller ones are padded right and bottom with white."""
    height, width = (max(a.shape[axis] for a in arrays) for axis in (1, 2))
    batch = np.full((len(arrays), arrays[0].shape[0], height, width), 255, np.uint8)
    for row, array in zip(batch, arrays, strict=True):
        row[:, : array.shape[1], : array.shape[2]] = array
    return torch.from_numpy(batch).float().div_(255)


def pad_to(x: Tensor, height: int, width: int) -> Tensor:
    """[B, 3, h, w] padded right and bottom with white."""
    return torch.nn.functional.pad(x, (0, width - x.shape[3], 0, height - x.shape[2]), value=1.0)


def join(a: Tensor, b: Tensor) -> Tensor:
    """Two batches as one, both padded with white to the larger sides."""
    height, width = max(a.shape[2], b.shape[2]), max(a.shape[3], b.shape[3])
    return torch.cat((pad_to(a, height, width), pad_to(b, height, width)))


def augmented(array: Pixels, how: Augment, mode: str, rng: np.random.Generator) -> Pixels:
    """One picture changed as training changes it. array: uint8 [C, h, w]; the shape stays.

    "none": as it is. "light": moved by up to 1/8 of each side (1/16 and white filled in for mode "fit", else the edge
    repeated), contrast times U(.8, 1.2) around mid gray (around white for "fit", so that paper and padding stay
    white). "flip": light, and mirrored left to right by a fair coin; not the default, since a mirrored text, score or
    digit is another thing. "crop", "crop-flip": moved by up to 4 pixels, black filled in, and mirrored by a fair coin, as
    the code of Hein et al. 2019 (arXiv 1812.05720) does with SVHN and CIFAR.
    """
    if how == "none":
        return array
    if how in ("crop", "crop-flip"):
        dy, dx = (int(rng.integers(0, 9)) for _ in range(2))
        height, width = array.shape[1:]
        moved = np.pad(array, ((0, 0), (4, 4), (4, 4)))[:, dy : dy + height, dx : dx + width]
        return np.ascontiguousarray(moved[:, :, ::-1] if how == "crop-flip" and rng.random() < 0.5 else moved)
    page = mode == "fit"
    height, width = array.shape[1:]
    reach = 16 if page else 8
    dy, dx = (int(rng.integers(-(n // reach), n // reach + 1)) for n in (height, width))
    rows, cols = np.arange(height) + dy, np.arange(width) + dx
    moved = array[:, rows.clip(0, height - 1)][:, :, cols.clip(0, width - 1)]
    pivot, contrast = 255.0 if page else 127.5, rng.uniform(0.8, 1.2)
    table = np.rint((np.arange(256) - pivot) * contrast + pivot).clip(0, 255).astype(np.uint8)
    moved = table[moved]
    if page:
        moved[:, (rows < 0) | (rows >= height)] = 255
        moved[:, :, (cols < 0) | (cols >= width)] = 255
    if how == "flip" and rng.random() < 0.5:
        moved = moved[:, :, ::-1]
    return np.ascontiguousarray(moved)


def prefetched(work: Callable[[int], T], steps: range) -> Iterator[T]:
    """`work(step)` for every step in order, the next one made in a thread while the caller uses this one."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for step in steps:
            current = waiting or pool.submit(work, step)
            waiting = pool.submit(work, step + 1) if step + 1 in steps else None
            yield current.result()
