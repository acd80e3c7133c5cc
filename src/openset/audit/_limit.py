"""The end of a ray in one pass: pairs (slope, offset), the sign at infinity by slope first and offset on a tie.

Theorem 3.1 of Hein et al. 2019 (arXiv 1812.05720): f(alpha x) = alpha V x + a for all large alpha. This computes V x and a.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import AuditError
from ..types import Kind
from ._steps import Rows
from ._trace import PiecewiseNet, trace

TIE = 1e-13  # top slopes closer than this, relative to the largest, count as equal


@dataclass(frozen=True)
class Limits:
    """Where B rays alpha * x end, alpha -> infinity. All tensors have length B first; kind 'proved' (float64).

    classes: int64, the limit class (on a tie of slopes the one with the largest offset). confidence: its softmax in
    the limit: 1, or the softmax of the offsets over the m tied classes (all K where every slope is 0). tied: bool
    [B, K], the classes with the top slope. margin: the smallest relative slope met, min over all units with a slope
    of |slope| / max |slope| of its layer: below 1e-12 rounding may have decided a sign. last_alpha: for every
    alpha above it no unit switches any more; 0 where none ever does. slope, offset: [B, K], the logits are
    alpha * slope + offset for alpha > last_alpha.

    It is NOT a statement about pictures: alpha * x leaves [0, 1].
    """

    classes: Tensor
    confidence: Tensor
    tied: Tensor
    margin: Tensor
    last_alpha: Tensor
    slope: Tensor
    offset: Tensor
    kind: Kind = "proved"

    def __len__(self) -> int:
        return len(self.classes)


def limits(net: nn.Module | PiecewiseNet, x: Tensor, *, batch: int = 16) -> Limits:
    """The ends of the rays through x [B, *shape], any float type; computed in float64, `batch` rays at once.

    Raises AuditError for a net with layers that are not piecewise affine, by name, or for x that is empty or not finite.
    """
    check_rays(x, batch)
    lines = trace(net, tuple(x.shape[1:]))
    with torch.no_grad():
        parts = [_limits(lines, part.to("cpu", torch.float64)) for part in x.detach().split(batch)]
    return Limits(*(torch.cat(column) for column in zip(*parts, strict=True)))


def check_rays(x: Tensor, batch: int) -> None:
    """Raises AuditError unless x is [B, ...] with B >= 1, all finite, and batch >= 1."""
    if x.dim() < 2 or not len(x) or not bool(torch.isfinite(x).all()):
        raise AuditError(
            f"rays need finite inputs [B, ...] with B >= 1, got shape {tuple(x.shape)}: check the pictures"
        )
    if batch < 1:
        raise AuditError(f"rays are computed at least one at a time, got batch = {batch}")


class _AtInfinity:
    """Signs at infinity, and what was met on the way."""

    def __init__(self, n: int) -> None:
        self.margin = torch.full((n,), float("inf"), dtype=torch.float64)
        self.last = torch.zeros(n, dtype=torch.float64)

    def __call__(self, name: str, rows: Rows) -> Tensor:
        value = rows.values[name]
        slope, offset = value.flatten(1).chunk(2)
        size = slope.abs()
        flat = size == 0
        smallest = size.masked_fill_(flat, float("inf")).amin(1)
        largest = torch.maximum(slope.amax(1), -slope.amin(1))
        self.margin = torch.where(largest > 0, torch.minimum(self.margin, smallest / largest), self.margin)
        switch = torch.div(offset, slope).masked_fill_(flat, 0.0).amin(1).neg()
        self.last = torch.maximum(self.last, switch)
        mask = (slope > 0) | (flat & (offset > 0))
        return torch.cat((mask, mask)).view(value.shape)


def _limits(lines: PiecewiseNet, x: Tensor) -> tuple[Tensor, ...]:
    n = len(x)
    met = _AtInfinity(n)
    weight = torch.cat((x.new_zeros(n), x.new_ones(n)))
    slope, offset = lines.run(Rows(weight), torch.cat((x, torch.zeros_like(x))), met).chunk(2)
    top = slope.amax(1, keepdim=True)
    tied = slope >= top - TIE * slope.abs().amax(1, keepdim=True)
    confidence, classes = offset.masked_fill(~tied, -float("inf")).softmax(1).max(1)
    return classes, confidence, tied, met.margin, met.last, slope.clone(), offset.clone()
