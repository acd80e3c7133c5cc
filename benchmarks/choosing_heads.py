"""The heads of `choosing.py`, fitted on a task and a net; the guards on pixels need no net and are fitted once for a task."""

from __future__ import annotations

import time
from functools import cached_property

import torch
from torch import Tensor, nn

from choosing_material import Task, some
from openset.heads import (
    CertifiedGuard,
    DensityGuard,
    fit_certified_guards,
    fit_density_guard,
    fit_laplace,
    fit_mahalanobis,
    fit_neighbours,
    fit_temperature,
)
from openset.nets import Net
from telling import teller

HEADS = ("none", "temperature", "laplace", "mahalanobis", "neighbours", "density", "certified")
Outputs = dict[str, Tensor]


def outputs(net: Net, x: Tensor) -> Outputs:
    """Pixels, features and logits, as a head takes them."""
    with torch.no_grad():
        features = torch.cat([net.features(part) for part in x.split(250)])
        return {"pixels": x, "features": features, "logits": net.classify(features)}


class Guards:
    """The two guards on pixels of a task, and the CPU seconds that they took."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @cached_property
    def density(self) -> tuple[DensityGuard, float]:
        task, sizes = self.task, self.task.sizes
        sides = [some(x, sizes.density) for x in (task.inside[0], task.taught)]
        began = time.process_time()  # drawing pictures is no cost of a head
        guard = fit_density_guard(*sides, centres=sizes.centres, seed=task.seed)
        return guard, time.process_time() - began

    @cached_property
    def certified(self) -> tuple[CertifiedGuard, float]:
        task, sizes = self.task, self.task.sizes
        inside, kinds = task.inside[0], task.kinds
        began = time.process_time()
        guard = fit_certified_guards(
            inside,
            kinds,
            eps=0.1,
            steps=sizes.guard_steps,
            width=sizes.guard_width,
            seed=task.seed,
            tell=teller(),
        )
        return guard, time.process_time() - began


class Fitting:
    """Heads for one net. What was learnt from is read once; each head's seconds count it."""

    def __init__(self, task: Task, net: Net, guards: Guards) -> None:
        self.task, self.net, self.guards = task, net, guards

    @cached_property
    def learnt(self) -> tuple[Outputs, torch.Tensor, float]:
        """What the net makes of training pictures, their classes, and the seconds."""
        x, y = self.task.inside
        n, began = self.task.sizes.features, time.process_time()
        return outputs(self.net, some(x, n)), some(torch.from_numpy(y), n), time.process_time() - began

    @cached_property
    def held(self) -> tuple[Outputs, Outputs, float]:
        """The same of held-out pictures of the classes, and of held-out out-pictures."""
        pictures = self.task.held, self.task.held_taught
        began = time.process_time()
        inside, outside = (outputs(self.net, x) for x in pictures)
        return inside, outside, time.process_time() - began

    def fit(self, name: str) -> tuple[nn.Module | None, float]:
        """The head (None for "none") and CPU seconds. Raises TrainingError where it cannot be had."""
        if name == "none":
            return None, 0.0
        if name == "density":
            return self.guards.density
        if name == "certified":
            return self.guards.certified
        inside, outside, read_held = self.held
        if name == "temperature":
            began = time.process_time()
            head: nn.Module = fit_temperature(inside["logits"].double().numpy(), self.task.held_targets)
            return head, time.process_time() - began + read_held
        features, targets, read_learnt = self.learnt
        began = time.process_time()
        if name == "laplace":
            last = self.net.head
            assert isinstance(last, nn.Linear)
            head, read_held = fit_laplace(last, features["features"], targets.numpy()), 0.0
        elif name == "mahalanobis":
            parts = (features["features"], targets.numpy(), inside["features"], outside["features"])
            head = fit_mahalanobis(*parts)
        elif name == "neighbours":
            head = fit_neighbours(features["features"], inside["features"], outside["features"])
        else:
            raise ValueError(f"there is no head {name!r}: give one of {', '.join(HEADS)}")
        return head, time.process_time() - began + read_learnt + read_held
