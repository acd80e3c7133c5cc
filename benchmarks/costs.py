"""What training by each scheme costs, its steps side by side in one process: CPU time, so that a busy machine counts less."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from openset._loop import _step as one_step
from openset._mended import LIFE
from openset._schedule import eps_at, make_optimiser
from openset.nets import build
from openset.reproduce.datasets import as_inputs, read
from openset.reproduce.trained import BATCH, SCHEDULES, AnyScheme, config_of
from outside import SIDE


def step_seconds(
    dataset: str, data: Path, names: Sequence[AnyScheme], rounds: int = 25, epoch: int | None = None
) -> dict[str, float]:
    """Median CPU seconds of one step of the short schedule of each scheme, the schemes taken in turns.

    epoch: the step is one of this epoch; None: of the last, with eps whole.
    """
    x, y = (part[:BATCH] for part in read(dataset, "train", data))
    images = as_inputs(x, (1, SIDE, SIDE))
    strange = torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    configs = {name: config_of(name, SCHEDULES["short"], dataset, 0) for name in names}
    nets = {name: build("lenet", 10) for name in names}
    optimisers = {name: make_optimiser(nets[name], configs[name]) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    chains: dict[str, Any] = dict.fromkeys(names)
    for _ in range(LIFE + rounds):  # acet-mended's chains are as many as they get after LIFE steps
        for name in names:
            batch = images, torch.from_numpy(y), strange if name == "oe" else None
            began, at = time.process_time(), (configs[name].epochs - 1 if epoch is None else epoch, 0, 1)
            _, chains[name] = one_step(
                nets[name], optimisers[name], batch, configs[name], torch.device("cpu"), at, chains[name]
            )
            seconds[name].append(time.process_time() - began)
    return {name: float(np.median(values[LIFE:])) for name, values in seconds.items()}


def training_seconds(dataset: str, data: Path, names: Sequence[AnyScheme], rounds: int = 25) -> dict[str, float]:
    """CPU seconds of the whole training by the short schedule: each epoch's steps, without and with an attack, and for acet
    CEDA's epochs before its own. `names` holds ceda where it holds acet."""
    quiet, attacked = (step_seconds(dataset, data, names, rounds, epoch) for epoch in (0, None))
    each = -(-len(read(dataset, "train", data)[1]) // BATCH)

    def whole(name: AnyScheme) -> float:
        config = config_of(name, SCHEDULES["short"], dataset, 0)
        steps = [attacked[name] if eps_at(config, epoch) else quiet[name] for epoch in range(config.epochs)]
        return each * sum(steps) + (whole("ceda") if name == "acet" and SCHEDULES["short"].warm else 0)

    return {name: whole(name) for name in names}


def training_ratios(dataset: str, data: Path, names: Sequence[AnyScheme]) -> dict[str, float]:
    """`training_seconds`, plain = 1."""
    seconds = training_seconds(dataset, data, names)
    return {name: whole / seconds["plain"] for name, whole in seconds.items()}
