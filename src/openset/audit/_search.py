"""The two searches of the literature for the first alpha of a ray with confidence >= t. Any net; 'searched'.

A hit on a grid is a true upper bound of the first alpha. Bisection supposes that confidence rises along the ray, which
is false: it can return an alpha several times the first one. Neither proves that there is none below.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..errors import AuditError
from ._limit import check_rays
from ._refusals import check_logits, copied


def first_alpha_on_grid(
    net: nn.Module,
    x: Tensor,
    t: float,
    *,
    factor: float = 1.1,
    start: float = 1.0,
    most: float = 1e30,
    dtype: torch.dtype = torch.float64,
    batch: int = 256,
) -> Tensor:
    """For each of x [B, ...] the first alpha of start, start * factor, ... <= most with confidence >= t; else inf.

    float64 [B]. Confidence is the largest softmax of net(alpha x), which gives logits. With factor 1.1 and start 1 the
    search that Table 2 of Hein et al. 2019 (arXiv 1812.05720) was most probably made with. Raises AuditError.
    """
    _check(x, t, start, batch)
    if not (factor > 1 and most >= start and math.isfinite(most / start * factor)):
        raise AuditError(f"a grid needs a finite factor > 1 and a finite most >= start, got {factor}, {most}, {start}")
    sure = _confidence(net, dtype, batch)
    found = torch.full((len(x),), float("inf"), dtype=torch.float64)
    open_, n = torch.arange(len(x)), 0
    while len(open_) and (alpha := start * factor**n) <= most:
        hit = sure(x[open_], torch.full((len(open_),), alpha, dtype=torch.float64)) >= t
        found[open_[hit]] = alpha
        open_, n = open_[~hit], n + 1
    return found


def first_alpha_by_bisection(
    net: nn.Module,
    x: Tensor,
    t: float,
    *,
    start: float = 1.0,
    most: float = 1e30,
    steps: int = 50,
    dtype: torch.dtype = torch.float64,
    batch: int = 256,
) -> Tensor:
    """For each of x [B, ...]: double alpha from `start` to the first hit, then halve the last bracket `steps` times.

    float64 [B], inf where no doubling up to `most` hits; the alpha given always hits. It is the first alpha only where
    confidence rises along the ray. Raises AuditError.
    """
    high = first_alpha_on_grid(net, x, t, factor=2.0, start=start, most=most, dtype=dtype, batch=batch)
    sure = _confidence(net, dtype, batch)
    low = torch.where(high > start, high / 2, high)
    some = (torch.isfinite(high) & (high > start)).nonzero()[:, 0]
    for _ in range(steps if len(some) else 0):
        middle = (low[some] + high[some]) / 2
        hit = sure(x[some], middle) >= t
        high[some] = torch.where(hit, middle, high[some])
        low[some] = torch.where(hit, low[some], middle)
    return high


def _check(x: Tensor, t: float, start: float, batch: int) -> None:
    if not 0 < t < 1 or not (math.isfinite(start) and start > 0):
        raise AuditError(f"a search needs 0 < t < 1 and a start above 0, got t = {t} and start = {start}")
    check_rays(x, batch)


def _confidence(net: nn.Module, dtype: torch.dtype, batch: int) -> Callable[[Tensor, Tensor], Tensor]:
    """(x, alpha [B]) -> largest softmax of net(alpha x), [B]; on a copy of the net in `dtype`, in eval mode."""
    own = copied(net).to(dtype=dtype)

    @torch.no_grad()
    def sure(x: Tensor, alpha: Tensor) -> Tensor:
        parts = zip(x.split(batch), alpha.split(batch), strict=True)
        view = (-1, *[1] * (x.dim() - 1))
        logits = [own(a.to(x.device, dtype).view(view) * z.to(dtype)) for z, a in parts]
        check_logits(type(net).__name__, logits[0], min(batch, len(x)))
        return torch.cat([out.double().softmax(1).amax(1) for out in logits]).cpu()

    return sure
