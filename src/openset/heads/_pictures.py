"""What training of a net or a guard takes: pictures of one shape, class numbers, a copy of the net, and chance by a seed."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..errors import TrainingError


def checked(net: nn.Module, inside: Tensor, targets: ArrayLike, outside: Tensor) -> tuple[nn.Module, Tensor]:
    """A copy of the net, in eval mode, and the targets [N] as int64, where the pictures are. Raises ValueError for shapes, one-hot
    targets and a net that learns nothing."""
    y = np.asarray(targets)
    if inside.dim() != 4 or inside.shape[1:] != outside.shape[1:] or not min(len(inside), len(outside)):
        raise ValueError(f"give pictures of one shape [N, 3, H, W], got {list(inside.shape)} and {list(outside.shape)}")
    net = copy.deepcopy(net).eval()
    with torch.no_grad():
        classes = net(inside[:1]).shape[1]
    if y.shape != (len(inside),) or y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= classes:
        raise ValueError(
            f"targets {list(y.shape)} of {y.dtype}: give class numbers [{len(inside)}], 0 to {classes - 1}, not one-hot rows"
        )
    if not any(p.requires_grad for p in net.parameters()):
        raise ValueError("no weights of the net can learn: call its requires_grad_(True)")
    return net, torch.from_numpy(y.astype(np.int64)).to(inside.device)


def in_the_box(pixels: Tensor) -> None:
    """Raises ValueError for no pixels, and for some outside [0, 1] or NaN."""
    if not pixels.numel():
        raise ValueError(f"there are no pixels in {list(pixels.shape)}: give pictures [N, 3, H, W]")
    low, high = (float(x) for x in torch.aminmax(pixels.detach()))
    if not (low >= 0 and high <= 1):
        raise ValueError(f"give pixels in [0, 1], got [{low:g}, {high:g}]")


def check_plan(steps: int, batch: int, weight: float = 0.0) -> None:
    """Raises ValueError for steps or batch below 1, or a weight of the out-pictures below 0 or NaN."""
    if steps < 1 or batch < 1:
        raise ValueError(f"steps {steps} and batch {batch} must be at least 1")
    if not weight >= 0:
        raise ValueError(f"weight {weight} must be at least 0")


def check_loss(loss: Tensor, step: int, lr: float) -> None:
    """Raises TrainingError for a loss that is not finite. step: counted from 1."""
    if not math.isfinite(loss.item()):
        raise TrainingError(f"the loss is {loss.item()} at step {step}: train with a lower lr (it was {lr:g})")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's own random numbers (first weights, dropout) come from `seed`; after it they go on as if nothing was drawn."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
