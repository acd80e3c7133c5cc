"""The end of a ray in one pass: pairs (slope, offset), the sign at infinity by slope first and offset on a tie.

Theorem 3.1 of Hein et al. 2019 (arXiv 1812.05720): f(alpha x) = alpha V x + a for all large alpha. This computes V x and a.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import AuditError
from ..types import Kind
from ._judged import Ends, settled
from ._rounding import followed
from ._trace import PiecewiseNet, trace


@dataclass(frozen=True)
class Limits:
    """Where B rays alpha * x end, alpha -> infinity. All tensors have length B first.

    classes: int64, the limit class (on a tie of slopes the one with the largest offset). confidence: its softmax in
    the limit: 1, or the softmax of the offsets over the m tied classes (all K where every slope is 0). tied: bool
    [B, K], the classes with the top slope. margin: the least lead of the top slope over one not tied, in bounds of what
    rounding can have done to both; where offsets decide, no larger than theirs. Below 1 rounding may have decided. slope,
    offset: [B, K], the logits are alpha * slope + offset for alpha > last_alpha, behind which no unit switches but those
    that are rounding alone at every alpha; 0 where none ever does. decided: up to this alpha rounding decided no sign of
    those that hold at infinity, nor the class; inf where it never did, and then last_alpha and offset are known too.

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
        """Of classes, confidence and tied: 'proved' where every ray's are beyond rounding, else 'measured'."""
        return "proved" if bool((self.margin >= 1).all()) else "measured"

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


def _limits(lines: PiecewiseNet, x: Tensor) -> tuple[Tensor, ...]:
    n, ends = len(x), Ends(len(x))
    pairs = torch.cat((x, torch.zeros_like(x)))
    weight = torch.cat((x.new_zeros(n), x.new_ones(n)))
    values, bounds = followed(lines, weight, pairs, torch.zeros_like(pairs), ends)
    (slope, offset), (es, eo) = values.chunk(2), bounds.chunk(2)
    tied, margin, decided = settled(lines, slope, offset, es, eo)
    confidence, classes = offset.masked_fill(~tied, -float("inf")).softmax(1).max(1)
    decided = torch.minimum(decided, ends.decided)
    return classes, confidence, tied, margin, ends.last, slope.clone(), offset.clone(), decided
