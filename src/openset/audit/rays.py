"""One ray: where it ends (one pass) and the first alpha where confidence >= t (by a sweep); proved, but for rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import AuditError
from ..types import Kind
from ._cross import first_in
from ._judged import crosses
from ._limit import Limits, limits
from ._sweep import FAULT, pieces
from ._trace import PiecewiseNet, trace


@dataclass(frozen=True)
class First:
    """The first alpha >= start with confidence >= t, or None if there is none.

    kind 'proved': alpha is what float64 makes of it (below 1 to some 1e-16, not to 16 digits), and (1 - confidence) /
    confidence is known there to a tenth, all rounding counted; or there is none up to infinity. 'measured': the same, but
    not known so well, or beyond `Limits.decided`, where signs hang on rounding, or none though the limit has it.
    'searched': the sweep was stopped after `regions` pieces; none below `swept_to` (that part is as if swept whole), and
    alpha is the next hit on a grid, so an upper bound (None: no hit up to 1e30). label: the class that gets there.
    swept_to: alpha up to which the sweep came.
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
    end, regions, reached = limits(lines, x[None]), 0, start
    decided, point = float(end.decided[0]), x.detach().to("cpu", torch.float64)
    for part in pieces(lines, x, start=start, workers=workers):
        if label is not None and not 0 <= label < part.scaled.shape[1]:
            raise AuditError(f"there is no class {label}: this net has classes 0 to {part.scaled.shape[1] - 1}")
        hit = first_in(part, t, label)
        if hit is not None:
            alpha, who, piece = hit
            first = alpha <= start * (1 + 1e-12)
            known = alpha <= decided and crosses(lines, point, alpha, first, who, math.log((1 - t) / t))
            return First(alpha, who, "proved" if known else "measured", regions + piece, alpha)
        regions, reached = regions + len(part.q) - 1, float(part.alpha[-1])
        if most_regions is not None and regions >= most_regions and math.isfinite(reached):
            return _searched(lines, x, t, label, regions, reached)
    if math.isfinite(reached):
        raise AuditError(f"the sweep stopped at alpha = {reached}: {FAULT}")
    missed = float(end.confidence[0]) > t + 1e-12 and label in (None, int(end.classes[0]))  # beyond all float64, say
    return First(None, None, "proved" if math.isinf(decided) and not missed else "measured", regions, math.inf)


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
