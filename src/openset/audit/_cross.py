"""The first alpha of given pieces where a class has confidence >= t, exactly.

On a piece the logits are affine in alpha, so h(alpha) = log sum_{j != k} exp(f_j - f_k) is convex and class k has
confidence >= t exactly where h <= log((1 - t) / t): on an interval. So nothing between two knots is missed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ._sweep import Pieces

HALVINGS = 200  # the loops end before that, when the bracket is one step of float64 wide
GOLDEN = (math.sqrt(5) - 1) / 2


def first_in(part: Pieces, t: float, label: int | None) -> tuple[float, int, int] | None:
    """(alpha, class, piece) of the first alpha in `part` where class `label` (None: any) has confidence >= t."""
    level = math.log((1 - t) / t)
    best: tuple[float, int, int] | None = None
    for piece, k in _candidates(part, level, label):
        if best is not None and piece > best[2]:
            break
        alpha = _on_piece(part.scaled[piece : piece + 2], part.q[piece : piece + 2], k, level)
        if alpha is not None and (best is None or alpha < best[0]):
            best = (alpha, k, piece)
    return best


def _candidates(part: Pieces, level: float, label: int | None) -> list[tuple[int, int]]:
    """(piece, class) pairs, in order, that no bound excludes.

    h <= level needs f_j - f_k <= level for every j at one alpha, so each f_j - f_k - level, affine, must be <= 0 at
    one end. That is asked first of the top class at either end, then, for the pairs left, of all.
    """
    f, q = part.scaled, part.q
    left, right = f[:-1], f[1:]
    q0, q1 = q[:-1, None], q[1:, None]
    allowed = torch.ones(left.shape, dtype=torch.bool)
    if label is not None:
        allowed &= torch.arange(f.shape[1]) == label
    for tops in (left.argmax(1, keepdim=True), right.argmax(1, keepdim=True)):
        low = (left.gather(1, tops) - left <= level * q0) | (right.gather(1, tops) - right <= level * q1)
        allowed &= low | (torch.arange(f.shape[1]) == tops)
    piece, k = allowed.nonzero(as_tuple=True)
    own = torch.arange(f.shape[1]) == k[:, None]
    d0, d1 = (side[piece] - side[piece, k][:, None] for side in (left, right))
    q0, q1 = q0[piece], q1[piece]
    low = ((d0 <= level * q0) | (d1 <= level * q1) | own).all(1)
    d0, d1 = d0.masked_fill(own, -math.inf), d1.masked_fill(own, -math.inf)
    falls = (q1[:, 0] == 0) & (d1 <= 0).all(1)  # towards infinity, to a limit that slopes do not tell: `_any_hit` looks
    keep = low & (falls | _may_dip(d0, d1, q0, q1, level))
    return list(zip(piece[keep].tolist(), k[keep].tolist(), strict=True))


def _may_dip(d0: Tensor, d1: Tensor, q0: Tensor, q1: Tensor, level: float) -> Tensor:
    """Is h <= level at an end, or, being convex, falling at the left end and rising at the right one? [M]

    d0, d1: [M, K], f_j - f_k times q at the ends, -inf for j = k.
    """
    tiny = 1e-300  # stands for q = 0: the logits there are infinite or equal
    f0, f1 = d0 / q0, d1 / q1.clamp(min=tiny)
    at_end = (f0.logsumexp(1) <= level) | (f1.logsumexp(1) <= level)
    direction = torch.where(torch.isinf(d0), 0.0, d1 * q0 - d0 * q1)  # of f in alpha, up to a positive factor
    falling = (f0.softmax(1) * direction).sum(1) < 0
    last = torch.where(q1 > 0, (f1 - f1.amax(1, keepdim=True)).softmax(1), 0.0)
    at_infinity = direction.masked_fill(torch.isinf(d0), -math.inf).amax(1)
    rising = torch.where(q1[:, 0] > 0, (last * direction).sum(1), at_infinity) > 0
    return at_end | (falling & rising)


def _on_piece(scaled: Tensor, q: Tensor, k: int, level: float) -> float | None:
    """The first alpha of one piece with h <= level, to float64, or None. scaled: [2, K], q: [2]."""
    q0, q1 = q.tolist()
    if q0 <= q1:
        return None
    rest = torch.arange(scaled.shape[1]) != k
    d = scaled[:, rest] - scaled[:, k : k + 1]

    def h(alpha: float) -> float:
        c0 = (1 - (1 + alpha) * q1) / (q0 - q1)
        return float((c0 * d[0] + ((1 + alpha) - c0) * d[1]).logsumexp(0))

    low = (1 - q0) / q0
    if float((d[0] / q0).logsumexp(0)) <= level:
        return low
    hit = _any_hit(h, low, (1 - q1) / q1 if q1 > 0 else math.inf, level, falls=bool((d[1] <= 0).all()))
    return None if hit is None else _first_below(h, low, hit, level)


def _any_hit(h: Callable[[float], float], low: float, high: float, level: float, falls: bool) -> float | None:
    """Some alpha in [low, high] where the convex h <= level, or None. falls: if high is infinite, h never rises."""
    if math.isinf(high):
        high = max(2 * low, 1.0)
        before = h(low)
        while level < (now := h(high)) and (falls or now <= before) and high < 1e150:
            high, before = 2 * high, now
    if h(high) <= level:
        return high
    a, b = low, high  # golden section
    x, y = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
    hx, hy = h(x), h(y)
    for _ in range(HALVINGS):
        if min(hx, hy) <= level:
            return x if hx <= level else y
        if hx < hy:
            b, y, hy = y, x, hx
            x = b - GOLDEN * (b - a)
            hx = h(x)
        else:
            a, x, hx = x, y, hy
            y = a + GOLDEN * (b - a)
            hy = h(y)
        if not a < x < y < b:
            break
    return None


def _first_below(h: Callable[[float], float], low: float, high: float, level: float) -> float:
    """Bisection: h(low) > level >= h(high), and h <= level on an interval that holds `high`."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (low, middle) if h(middle) <= level else (middle, high)
    return high
