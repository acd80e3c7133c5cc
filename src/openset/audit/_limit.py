"""The end of a ray in one pass: pairs (slope, offset), the sign at infinity by slope first and offset on a tie.

Theorem 3.1 of Hein et al. 2019 (arXiv 1812.05720): f(alpha x) = alpha V x + a for all large alpha. This computes V x and a.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import AuditError
from ..types import Kind
from ._rounding import NOISE, judged, leads
from ._steps import Rows
from ._trace import PiecewiseNet, trace

TIE = 1e-13  # top slopes closer than this, relative to the largest, count as equal


@dataclass(frozen=True)
class Limits:
    """Where B rays alpha * x end, alpha -> infinity. All tensors have length B first.

    classes: int64, the limit class (on a tie of slopes the one with the largest offset). confidence: its softmax in
    the limit: 1, or the softmax of the offsets over the m tied classes (all K where every slope is 0). tied: bool
    [B, K], the classes with the top slope. last_alpha: for every alpha above it no unit switches any more; 0 where none
    ever does. slope, offset: [B, K], the logits are alpha * slope + offset for alpha > last_alpha. margin: no slope
    that decides a sign or a class is smaller, over the magnitude of what was summed into it: below 1e-12 rounding may
    have decided. decided: up to this alpha it decided none; inf where the margin suffices.

    It is NOT a statement about pictures: alpha * x leaves [0, 1].
    """

    classes: Tensor
    confidence: Tensor
    tied: Tensor
    margin: Tensor
    last_alpha: Tensor
    slope: Tensor
    offset: Tensor
    decided: Tensor

    @property
    def kind(self) -> Kind:
        """'proved' (float64) where every ray's signs are beyond rounding, else 'measured'."""
        return "proved" if bool((self.margin >= NOISE).all()) else "measured"

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
    """Signs at infinity, and what was met on the way. margin: a lower bound, by the net's gains."""

    def __init__(self, x: Tensor, gains: tuple[Tensor, ...]) -> None:
        self.margin = x.new_full((len(x),), torch.inf)
        self.last = x.new_zeros(len(x))
        self.gains = iter(gains)
        self.largest = x.flatten(1).abs().amax(1)  # |slope| at the ReLUs so far, and in x

    def __call__(self, name: str, rows: Rows) -> Tensor:
        value = rows.values[name]
        slope, offset = value.chunk(2)
        size, gain = slope.abs(), next(self.gains)
        largest = size.flatten(1).amax(1)
        mask, switch = slope > 0, torch.div(offset, slope)
        flat = size == 0
        size.div_(gain)
        if flat.any():
            mask |= flat & (offset > 0)
            switch.masked_fill_(flat, 0.0)
            size.masked_fill_(flat & ((offset == 0) | (gain == 0)), torch.inf)
        self.margin = torch.fmin(self.margin, size.flatten(1).amin(1) / self.largest)  # 0 / 0 where x is 0
        self.last = torch.maximum(self.last, switch.flatten(1).amin(1).neg())
        if name != "_d":
            self.largest = torch.maximum(self.largest, largest)
        return torch.cat((mask, mask))


def _limits(lines: PiecewiseNet, x: Tensor) -> tuple[Tensor, ...]:
    n = len(x)
    met = _AtInfinity(x, lines.gains)
    weight = torch.cat((x.new_zeros(n), x.new_ones(n)))
    slope, offset = lines.run(Rows(weight), torch.cat((x, torch.zeros_like(x))), met).chunk(2)
    top = slope.amax(1, keepdim=True)
    tied = slope >= top - TIE * slope.abs().amax(1, keepdim=True)
    confidence, classes = offset.masked_fill(~tied, -float("inf")).softmax(1).max(1)
    margin = torch.fmin(met.margin, leads(slope, lines.gains[-1] * met.largest[:, None])[0].amin(1))
    decided = torch.full_like(margin, torch.inf)
    close = (margin < NOISE).nonzero()[:, 0]
    for some in close.split(-(-n // 2)) if len(close) else ():  # twice the rows
        margin[some], decided[some] = judged(lines, x[some])
    return classes, confidence, tied, margin, met.last, slope.clone(), offset.clone(), decided
