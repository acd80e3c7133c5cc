"""One ray: where it ends (proved, one pass) and the first alpha where confidence >= t (proved, by a sweep)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import AuditError
from ..types import Kind
from ._cross import first_in
from ._limit import Limits, limits
from ._sweep import pieces
from ._trace import PiecewiseNet, trace


@dataclass(frozen=True)
class First:
    """The first alpha >= start with confidence >= t, or None if there is none.

    kind 'proved': alpha is exact to float64, or there is none up to infinity. 'searched': the sweep was stopped after
    `regions` pieces; none below `swept_to` (that part is proved), and alpha is the next hit on a grid, so an upper
    bound (None: no hit up to 1e30). label: the class that gets there. swept_to: alpha up to which the sweep came.
    """

    alpha: float | None
    label: int | None
    kind: Kind
    regions: int
    swept_to: float


@dataclass(frozen=True)
class Ray:
    """A ray alpha * x, audited. limit: its end (a batch of one). first: the first alpha with confidence >= t."""

    limit: Limits
    first: First
    t: float


def ray(
    net: nn.Module | PiecewiseNet,
    x: Tensor,
    *,
    t: float = 0.999,
    label: int | None = None,
    start: float = 1.0,
    most_regions: int | None = None,
    workers: int = 1,
) -> Ray:
    """Audit the ray through x (one input, [C, H, W] or any shape the net takes). Raises AuditError; see `first_alpha`."""
    lines = trace(net, tuple(x.shape))
    return Ray(
        limits(lines, x[None]),
        first_alpha(lines, x, t=t, label=label, start=start, most_regions=most_regions, workers=workers),
        t,
    )


def first_alpha(
    net: nn.Module | PiecewiseNet,
    x: Tensor,
    *,
    t: float = 0.999,
    label: int | None = None,
    start: float = 1.0,
    most_regions: int | None = None,
    workers: int = 1,
) -> First:
    """The first alpha >= start >= 0 where net(alpha x) has confidence >= t, 0 < t < 1: exact, by a sweep.

    label: of this class; None: of any. most_regions: stop the sweep after so many pieces and search on
    (kind 'searched'); None: sweep to the end. workers: as `pieces`. Raises AuditError for layers that are not piecewise affine, bad t,
    start, label.
    """
    if not 0 < t < 1 or not (math.isfinite(start) and start >= 0):
        raise AuditError(f"first_alpha needs 0 < t < 1 and a finite start >= 0, got t = {t} and start = {start}")
    lines = trace(net, tuple(x.shape))
    regions, reached = 0, start
    for part in pieces(lines, x, start=start, workers=workers):
        if label is not None and not 0 <= label < part.scaled.shape[1]:
            raise AuditError(f"there is no class {label}: this net has classes 0 to {part.scaled.shape[1] - 1}")
        hit = first_in(part, t, label)
        if hit is not None:
            alpha, who, piece = hit
            return First(alpha, who, "proved", regions + piece, alpha)
        regions, reached = regions + len(part.q) - 1, float(part.alpha[-1])
        if most_regions is not None and regions >= most_regions and math.isfinite(reached):
            return _searched(lines, x, t, label, regions, reached)
    return First(None, None, "proved", regions, math.inf)


def _searched(lines: PiecewiseNet, x: Tensor, t: float, label: int | None, regions: int, reached: float) -> First:
    """The next hit on a grid of factor 1.1 from where the sweep was stopped."""
    alpha, point = reached, x.detach().to("cpu", torch.float64)[None]
    while (alpha := 1.1 * alpha) < 1e30:
        with torch.no_grad():
            chances = lines.logits(alpha * point).softmax(1)[0]
        who = int(chances.argmax()) if label is None else label
        if chances[who] >= t:
            return First(alpha, who, "searched", regions, reached)
    return First(None, None, "searched", regions, reached)
