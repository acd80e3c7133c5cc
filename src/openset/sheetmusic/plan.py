"""How much of everything the shipped judge is built from: its corpora, trainings and thresholds."""

from __future__ import annotations

from dataclasses import dataclass

from .net import NARROW, WIDE, Widths
from .readings import EVERYTHING


@dataclass(frozen=True)
class Stage:
    """One training of a backbone: on which parts, how long, from the weights of which stage (none: random ones), and how noise is
    attacked meanwhile (eps 0: it is not); widths: of the backbone, the same as of its start; mined: of how many crops without music the
    worst is taken (0: none is looked for)."""

    name: str
    parts: tuple[str, ...]
    steps: int
    lr: float
    start: str = ""
    eps: float = 0.0
    attack_steps: int = 3
    rows: int = 4
    every: int = 1
    widths: Widths = WIDE
    mined: int = 0


STAGES = (
    Stage("plain", ("train", "real"), 5_000, 3e-3),
    Stage("long", EVERYTHING, 7_000, 2e-3, start="plain", eps=0.06, attack_steps=4, rows=3, every=2, mined=6),
    Stage("second", EVERYTHING, 14_000, 3e-3, eps=0.06, attack_steps=4, rows=3, every=2, widths=NARROW, mined=6),
    Stage("calm", EVERYTHING, 1_500, 1e-3, start="long", eps=0.06, attack_steps=4, rows=4),
)


@dataclass(frozen=True)
class Plan:
    """How much of everything. A judge file's facts hold the plan that it was built by."""

    seed: int = 11
    train: int = 9_000
    real: int = 2_000
    more: int = 3_000
    hard: int = 2_800
    test: int = 1_600
    unseen: int = 1_600
    calibration: int = 3_600
    pages: int = 3_000  # that the pooling learns from
    noise: int = 24  # and so many attacked noise pictures
    noise_rounds: int = 2
    ranges: int = 100  # pages that set the ranges of the integers
    stages: tuple[Stage, ...] = STAGES
    precision: float = 0.992  # an earlier judge's strictest of .990, .991, ... that kept .97 of the calibration scores
    delta: float = 0.05
    prevalence: float = 0.5
    prevalence_other: float = 0.7
