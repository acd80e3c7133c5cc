"""What `choosing.py` measures with: pictures of the classes, out-pictures that teach, sets never seen; how many of each; and the nets.

`Task` is MNIST or Fashion-MNIST with the paper's LeNet; `choosing_sheets.Sheets` is sheet music, with the same properties.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from costs import Setup, paper_setup
from openset._schedule import Scheme
from openset.data.noise import paper_noise
from openset.nets import Net
from openset.reproduce.datasets import as_inputs, read
from openset.reproduce.material import photograph_files, seeded
from openset.reproduce.trained import SCHEDULES, Schedule, Step, home_of, shortened, trained
from outside import OTHER, SIDE, TAUGHT, photographs, teachers

MIX = "noise+photographs+letters+scribbles"
CALIBRATING = 5  # every fifth picture of the test part calibrates heads and measures nothing


@dataclass(frozen=True)
class Sizes:
    """How many pictures, at most, and steps. train, test: of the sheet music, whose pictures are drawn; epochs: None for the task's own."""

    attacked: int = 32  # noise pictures, the same for every seed
    seen: int = 2_000  # of each unseen set
    taught: int = 40_000  # out-pictures that teach
    held: int = 2_000  # more of them, that calibrate
    features: int = 20_000  # training pictures of the heads on features
    density: int = 10_000  # pictures of a side of the density guard
    centres: int = 100
    guard_steps: int = 4_000  # of a member
    guard_width: int = 16
    rays: int = 200
    balls: int = 500  # of a set
    repeats: int = 15  # of the timing
    budget: Literal["quick", "audit", "long"] = "audit"
    train: int = 40_000
    test: int = 5_000
    epochs: int | None = None


QUICK = Sizes(4, 12, 80, 20, 60, 60, 4, 40, 4, 6, 6, 3, "quick", 256, 40, 1)


def loud_from(classes: int) -> float:
    """What counts as sure of noise: .15 above the uniform, so the .25 that ten classes are audited at."""
    return 1 / classes + 0.15


class Task:
    """MNIST or Fashion-MNIST, made when asked for. All pictures: float32 [N, 1, 28, 28] in [0, 1].

    The seed draws what teaches and calibrates; what measures is the same for every seed.
    """

    classes, side, default = 10, SIDE, Sizes()
    balls: tuple[str, ...]  # unseen sets around whose pictures bounds are taken

    def __init__(self, name: str, data: Path, seed: int, sizes: Sizes) -> None:
        self.name, self.data, self.seed, self.sizes = name, data, seed, sizes
        x, y = read(name, "test", data)
        self._split(as_inputs(x, (1, SIDE, SIDE)), y)
        self.balls = (OTHER[name], "noise", "photographs")

    def _split(self, images: Tensor, y: np.ndarray) -> None:
        calibrating = np.arange(len(y)) % CALIBRATING == 0
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

    @property
    def kinds(self) -> tuple[Tensor, ...]:
        """`taught` by kind, for the members of the certified guard: noise and photographs; letters and scribbles."""
        return self.taught.chunk(2)

    @cached_property
    def held_taught(self) -> Tensor:
        """Out-pictures of the same kinds that taught nothing: they calibrate."""
        return self._teachers(self.sizes.held, 10_000 + self.seed)

    def taught_bytes(self) -> np.ndarray:
        """`taught` as uint8 [N, 1, H, W], for outlier exposure."""
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
            "raw noise": torch.rand((n, 1, self.side, self.side), generator=seeded("choosing", "raw")),
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

    @property
    def schedule(self) -> Schedule:
        return shortened(SCHEDULES["short"], self.sizes.epochs)

    def settings(self) -> dict[str, Any]:
        """What decides a cell's numbers, beside its name."""
        made = {"schedule": self.schedule.name, **dataclasses.asdict(self.sizes)}
        return {name: value for name, value in made.items() if name not in ("repeats", "train", "test", "epochs")}

    def setup(self) -> Setup:
        """Its training, to be timed."""
        return paper_setup(self.name, self.data)

    def home(self, runs: Path, scheme: Scheme) -> Path:
        """Where the net is kept."""
        return home_of(runs, self.name, scheme, self.schedule, self.seed)

    def net(self, scheme: Scheme, runs: Path, threads: int, tell: Step) -> Net:
        """Trained, or loaded where it was trained before. Raises DataError, TrainingError, KeyboardInterrupt with the state saved."""
        outside = self.taught_bytes() if scheme == "oe" else None
        return trained(
            self.name, scheme, self.schedule, data=self.data, runs=runs, seed=self.seed, threads=threads, tell=tell,
            outside=outside,
        )  # fmt: skip


def some(x: Tensor, n: int) -> Tensor:
    """At most n of them, evenly spaced."""
    return x[torch.linspace(0, len(x) - 1, min(n, len(x))).round().long()]
