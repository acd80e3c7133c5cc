"""From folders to a fitted head for a wrapped net: which heads there are, what each learns from, what was left out or lowered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ._words import counted
from .heads import (
    fit_certified_guard,
    fit_density_guard,
    fit_laplace,
    fit_mahalanobis,
    fit_neighbours,
    fit_temperature,
)
from .loader import Material, Pictures, Pixels, stack

if TYPE_CHECKING:
    from ._wrapped import Bare

HeadName = Literal["temperature", "laplace", "mahalanobis", "neighbours", "density", "certified"]
HEADS: tuple[HeadName, ...] = ("temperature", "laplace", "mahalanobis", "neighbours", "density", "certified")
NEED_OUT = ("mahalanobis", "neighbours", "density", "certified")
NEED_FEATURES = ("laplace", "mahalanobis", "neighbours")
BATCH = 32
CENTRES = 100  # of a mixture
NEAREST = 10  # which neighbour's distance is taken
MOST = 2_000  # pictures of a side that the guards on pixels are fitted on, evenly spaced


def fit_head(
    net: Bare, head: HeadName, material: Material, order: np.ndarray, refuse: int | None
) -> tuple[nn.Module, list[str]]:
    """The head, fitted on train and val, and notes on what was lowered or left out since the folders are small or large.

    order: [K], the net's class of each class of `material`. refuse: the class that the certified guard gives what is not believed.
    """
    parts = [logits_of(net, split.pictures) for split in (material.train, material.val)]
    logits, features = (torch.cat([part[i] for part in parts]) for i in (0, 1))
    targets = order[np.concatenate((material.train.targets, material.val.targets))]
    if head == "temperature":
        return fit_temperature(logits.double().numpy(), targets), []
    if head == "laplace":
        return fit_laplace(net.last, features, targets), []
    outside = all_of(material.out) + all_of(material.out_val)
    if head in ("density", "certified"):
        inside, notes = some(all_of(material.train.pictures) + all_of(material.val.pictures), "pictures")
        strange, more = some(outside, "out-pictures")
        notes += more
        if head == "certified":
            return fit_certified_guard(stack(inside), stack(strange), refuse=refuse), notes
        centres = max(1, min(CENTRES, len(inside) // 4, len(strange) // 4))
        if centres < CENTRES:
            notes.append(
                f"The density guard has {counted(centres, 'centre')} a side where {CENTRES} are usual: 4 pictures are "
                f"wanted for each, and there are {len(inside)} of the classes and {len(strange)} of none."
            )
        return fit_density_guard(stack(inside), stack(strange), centres=centres), notes
    away, cut = logits_of(net, outside)[1], len(material.train.targets)
    if head == "mahalanobis":
        return fit_mahalanobis(features[:cut], targets[:cut], features[cut:], away), []
    k = min(NEAREST, cut)
    few = f"The distance is that to neighbour {k} where {NEAREST} is usual: there are only {counted(cut, 'picture')} to learn from."
    return fit_neighbours(features[:cut], features[cut:], away, k=k), [few] * (k < NEAREST)


def logits_of(net: Bare, pictures: Pictures) -> tuple[Tensor, Tensor]:
    """Logits [N, K] and features [N, D] (D = 0 where there are none)."""
    rows, deep = [torch.zeros(0, net.whole.classes)], []
    with torch.no_grad():
        for first in range(0, len(pictures), BATCH):
            x = stack([pictures[i] for i in range(first, min(first + BATCH, len(pictures)))])
            features = net.features(x) if net.has_features else torch.zeros(len(x), 0)
            rows.append(net(x))
            deep.append(features)
    return torch.cat(rows), torch.cat(deep) if deep else torch.zeros(0, 0)


def probabilities_of(net: Bare, head: nn.Module, pictures: Sequence[Pixels], logits: Tensor) -> np.ndarray:
    """[N, K] in float64, by the head."""
    rows = [torch.zeros(0, net.whole.classes, dtype=torch.float64)]
    with torch.no_grad():
        for first in range(0, len(pictures), BATCH):
            x = stack(pictures[first : first + BATCH])
            outputs = {"pixels": x, "logits": logits[first : first + BATCH]}
            if net.has_features:
                outputs["features"] = net.features(x)
            rows.append(head(outputs).exp().double())
    return torch.cat(rows).numpy()


def all_of(pictures: Pictures) -> list[Pixels]:
    return [pictures[i] for i in range(len(pictures))]


def some(pictures: list[Pixels], what: str) -> tuple[list[Pixels], list[str]]:
    """At most MOST of them, evenly spaced, and what to say of it."""
    n = len(pictures)
    if n <= MOST:
        return pictures, []
    return [pictures[i * n // MOST] for i in range(MOST)], [f"The guard learns from {MOST:,} of {n:,} {what}."]
