"""What training by each scheme costs, its steps side by side in one process: CPU time, so that a busy machine counts less."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from openset._loop import _step as one_step
from openset._mended import LIFE
from openset._schedule import Config, Scheme, eps_at, make_optimiser
from openset.nets import Net, build
from openset.reproduce.datasets import as_inputs, read
from openset.reproduce.trained import BATCH, SCHEDULES, config_of
from outside import SIDE


@dataclass(frozen=True)
class Setup:
    """One batch [B, C, H, W] of a task with its classes, its net at a random start, how each scheme trains it on how many pictures,
    and which scheme's weights a scheme starts from."""

    images: Tensor
    targets: Tensor
    net: Callable[[], Net]
    config: Callable[[Scheme], Config]
    pictures: int
    before: Callable[[Scheme], Scheme | None] = lambda _: None


def paper_setup(dataset: str, data: Path) -> Setup:
    """The paper's LeNet and the short schedule on MNIST or Fashion-MNIST."""
    x, y = read(dataset, "train", data)
    short = SCHEDULES["short"]
    return Setup(
        as_inputs(x[:BATCH], (1, SIDE, SIDE)),
        torch.from_numpy(y[:BATCH]),
        lambda: build("lenet", 10),
        lambda name: config_of(name, short, dataset, 0),
        len(y),
        lambda name: "ceda" if name == "acet" and short.warm else None,
    )


def step_seconds(setup: Setup, names: Sequence[Scheme], rounds: int = 25, epoch: int | None = None) -> dict[str, float]:
    """Median CPU seconds of one step of each scheme, the schemes taken in turns.

    epoch: the step is one of this epoch; None: of the last, with eps whole.
    """
    strange = torch.rand(setup.images.shape, generator=torch.Generator().manual_seed(0))
    configs = {name: setup.config(name) for name in names}
    nets = {name: setup.net() for name in names}
    optimisers = {name: make_optimiser(nets[name], configs[name]) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    chains: dict[str, Any] = dict.fromkeys(names)
    for _ in range(LIFE + rounds):  # acet-mended's chains are as many as they get after LIFE steps
        for name in names:
            batch = setup.images, setup.targets, strange if name == "oe" else None
            began, at = time.process_time(), (configs[name].epochs - 1 if epoch is None else epoch, 0, 1)
            _, chains[name] = one_step(
                nets[name], optimisers[name], batch, configs[name], torch.device("cpu"), at, chains[name]
            )
            seconds[name].append(time.process_time() - began)
    return {name: float(np.median(values[LIFE:])) for name, values in seconds.items()}


def training_seconds(setup: Setup, names: Sequence[Scheme], rounds: int = 25) -> dict[str, float]:
    """CPU seconds of the whole training: each epoch's steps, without and with an attack, and those of the scheme that it starts
    from, which `names` must hold."""
    quiet, attacked = (step_seconds(setup, names, rounds, epoch) for epoch in (0, None))

    def whole(name: Scheme) -> float:
        config, before = setup.config(name), setup.before(name)
        steps = [attacked[name] if eps_at(config, epoch) else quiet[name] for epoch in range(config.epochs)]
        return -(-setup.pictures // len(setup.images)) * sum(steps) + (whole(before) if before else 0.0)

    return {name: whole(name) for name in names}


def training_ratios(setup: Setup, names: Sequence[Scheme]) -> dict[str, float]:
    """`training_seconds`, plain = 1."""
    seconds = training_seconds(setup, names)
    return {name: whole / seconds["plain"] for name, whole in seconds.items()}
