"""What decides a run's numbers: its configuration, where it stands, and its rates as functions of the epoch."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Literal

import torch

from .loader import Augment
from .nets import Net

Scheme = Literal["plain", "ceda", "acet", "acet-mended", "oe"]
Optimiser = Literal["adamw", "sgd"]
WARM, RAMP = 0.2, 0.4  # ACET: share of the epochs as CEDA, then share over which eps grows to its full size


@dataclass(frozen=True, slots=True)
class Config:
    """What decides a run's numbers, apart from its pictures. Documented at `openset.train`.

    ramp: ACET's eps grows as `eps_at` says; False: it is whole from the first step, as in the paper.
    """

    scheme: Scheme
    epochs: int
    batch_size: int
    lr: float
    optimiser: Optimiser
    weight_decay: float
    out_weight: float
    eps: float
    attack_steps: int
    patience: int
    augment: Augment
    seed: int
    ramp: bool = True


@dataclass
class State:
    """Where a run stands: `step` batches of `epoch` are done. Kept as JSON beside the tensors."""

    epoch: int = 0
    step: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    best: float | None = None
    best_epoch: int | None = None
    worse: int = 0
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


class Stop:
    """Set by the first Ctrl-C; the loop ends after the current step. A second Ctrl-C interrupts at once."""

    requested = False


@contextmanager
def first_ctrl_c() -> Iterator[Stop]:
    """The first SIGINT inside the block sets the flag given; outside the main thread nothing is caught."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def note(_signal: int, _frame: FrameType | None) -> None:
        stop.requested = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def reproducible(device: torch.device, threads: int) -> Iterator[None]:
    """Deterministic algorithms and a fixed thread count inside; the caller's settings and random states after."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=warn)


def learning_rate(config: Config, at: float) -> float:
    """The rate when the share `at` in [0, 1) of all steps is done.

    sgd: the paper's course, a tenth at 50, 75 and 90 %. adamw: rises over the first 5 %, then half a cosine down to 0.
    """
    if config.optimiser == "sgd":
        return config.lr * 0.1 ** sum(at >= mark for mark in (0.5, 0.75, 0.9))
    return config.lr * min(1.0, (at + 1e-3) / 0.05) * 0.5 * (1 + math.cos(math.pi * at))


def eps_at(config: Config, epoch: int) -> float:
    """ACET's radius in an epoch: 0 (that is CEDA) for the first fifth, growing over two fifths, then whole."""
    if config.scheme not in ("acet", "acet-mended"):
        return 0.0
    if not config.ramp:
        return config.eps
    warm, ramp = int(WARM * config.epochs), max(1, int(RAMP * config.epochs))
    return config.eps * min(1.0, max(0.0, (epoch + 1 - warm) / ramp))


def make_optimiser(net: Net, config: Config) -> torch.optim.Optimizer:
    """AdamW, or SGD with momentum .9 as in the paper; weights decay, biases and batch-norm do not.

    weight_decay is torch's, which adds weight_decay * w to SGD's gradient. It is not the released code's lambda, which
    stands before sum of w^2 and adds 2 * lambda * w, to the biases of convolutions and linear layers as well.
    """
    wide = [p for p in net.parameters() if p.dim() > 1]
    thin = [p for p in net.parameters() if p.dim() <= 1]
    groups = [{"params": wide, "weight_decay": config.weight_decay}, {"params": thin, "weight_decay": 0.0}]
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=0.9)
    return torch.optim.AdamW(groups, lr=config.lr)
