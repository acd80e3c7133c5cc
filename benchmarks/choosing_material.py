"""What `choosing.py` measures with: pictures of the classes, out-pictures that teach, sets never seen; and how many of each.

A data set of another kind (pages, say) is another class with the properties of `Task`; nothing else knows MNIST.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from openset.data.noise import paper_noise
from openset.reproduce.datasets import as_inputs, read
from openset.reproduce.material import photograph_files, seeded
from outside import OTHER, SIDE, TAUGHT, photographs, teachers

MIX = "noise+photographs+letters+scribbles"
CALIBRATING = 5  # every fifth picture of the test part calibrates heads and measures nothing


@dataclass(frozen=True)
class Sizes:
    """How many pictures, at most, and steps."""

    attacked: int = 32  # noise pictures, the same for every seed
    seen: int = 2_000  # of each unseen set
    taught: int = 40_000  # out-pictures that teach
    held: int = 2_000  # more of them, that calibrate
    features: int = 20_000  # training pictures of the heads on features
    density: int = 10_000  # pictures of a side of the density guard
    centres: int = 100
    guard_steps: int = 4_000
    guard_width: int = 16
    rays: int = 200
    balls: int = 500  # of a set
    repeats: int = 15  # of the timing
    budget: Literal["quick", "audit", "long"] = "audit"


QUICK = Sizes(4, 12, 80, 20, 60, 60, 4, 40, 4, 6, 6, 3, "quick")


class Task:
    """MNIST or Fashion-MNIST, made when asked for. All pictures: float32 [N, 1, 28, 28] in [0, 1].

    The seed draws what teaches and calibrates; what measures is the same for every seed.
    """

    classes = 10

    def __init__(self, name: str, data: Path, seed: int, sizes: Sizes) -> None:
        self.name, self.data, self.seed, self.sizes = name, data, seed, sizes
        x, y = read(name, "test", data)
        calibrating = np.arange(len(y)) % CALIBRATING == 0
        images = as_inputs(x, (1, SIDE, SIDE))
        self.held, self.held_targets = images[calibrating], y[calibrating]
        self.test, self.test_targets = images[~calibrating], y[~calibrating]

    @cached_property
    def inside(self) -> tuple[Tensor, np.ndarray]:
        """The training pictures and their classes."""
        x, y = read(self.name, "train", self.data)
        return as_inputs(x, (1, SIDE, SIDE)), y

    @cached_property
    def taught(self) -> Tensor:
        return self._teachers(self.sizes.taught, self.seed)

    @cached_property
    def held_taught(self) -> Tensor:
        """Out-pictures of the same kinds that taught nothing: they calibrate."""
        return self._teachers(self.sizes.held, 10_000 + self.seed)

    def taught_bytes(self) -> np.ndarray:
        """`taught` as uint8 [N, 1, 28, 28], for outlier exposure."""
        return (255 * self.taught).round().byte().numpy()

    @cached_property
    def unseen(self) -> Mapping[str, Tensor]:
        """Set -> pictures that are no class; none of them teaches."""
        n = self.sizes.seen
        other = as_inputs(read(OTHER[self.name], "test", self.data)[0][:n], (1, SIDE, SIDE))
        return {
            OTHER[self.name]: other,
            "photographs": photographs(n, photograph_files()[TAUGHT:], np.random.default_rng(7)),
            "noise": self._noise(n, "unseen"),
            "raw noise": torch.rand((n, 1, SIDE, SIDE), generator=seeded("choosing", "raw")),
        }

    @cached_property
    def centres(self) -> Tensor:
        """Noise pictures that are attacked."""
        return self._noise(self.sizes.attacked, "attacked")

    @cached_property
    def rays(self) -> Tensor:
        return self._noise(self.sizes.rays, "rays")

    def _noise(self, n: int, what: str) -> Tensor:
        """The paper's, each with a blur of its own; half of it is uniform, half permuted."""
        g = seeded("choosing", what, self.name)
        return paper_noise(self.test[torch.randint(len(self.test), (n,), generator=g)], g, own_blurs=True)

    def _teachers(self, n: int, seed: int) -> Tensor:
        return teachers(MIX, self.inside[0], n, seed)


def some(x: Tensor, n: int) -> Tensor:
    """At most n of them, evenly spaced."""
    return x[torch.linspace(0, len(x) - 1, min(n, len(x))).round().long()]
