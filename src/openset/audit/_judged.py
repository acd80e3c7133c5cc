"""What rounding may have decided, by the bounds of `_rounding`: signs at infinity, the top class, a crossing at some alpha."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ._rounding import U, followed, rounded
from ._steps import Rows

if TYPE_CHECKING:
    from ._trace import PiecewiseNet

TIE = 1e-13  # slopes closer to the top than this, relative to the two, count as equal if no bound parts them
KNOWN = 1e-6  # the offsets of tied classes are known to this
ODDS = 0.1  # of a crossing, (1 - confidence) / confidence is known to this share


class _Signs:
    """The doubt about the signs of one pass, carried from the values to their bounds."""

    def __init__(self) -> None:
        self.signs: list[tuple[Tensor, Tensor]] = []
        self.met = (torch.zeros(0), torch.zeros(0), torch.zeros(0))

    def widened(self, name: str, bounds: Rows, value: Tensor, mask: Tensor, doubt: Tensor) -> Tensor:
        """The mask by which bounds go on. Where in doubt, a maximum is off by the larger bound and the difference of both
        sides; at a ReLU `followed` sees to it."""
        if name != "_d":
            self.met = (doubt, value.abs(), bounds.values[name])
            return mask | doubt
        either = torch.maximum(bounds.values["_a"], bounds.values["_b"]) + value.abs()
        for side in ("_a", "_b"):
            bounds.values[side] = torch.where(doubt, either, bounds.values[side])
        return mask


class Ends(_Signs):
    """Signs at infinity of pairs (slope, offset). decided: up to this alpha rounding decided none, inf if it never did;
    last: where the last unit switches. Both float64 [B]."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.decided = torch.full((n,), torch.inf, dtype=torch.float64)
        self.last = torch.zeros_like(self.decided)

    def positive(self, name: str, rows: Rows) -> Tensor:
        value = rows.values[name]
        slope, offset = value.chunk(2)
        mask = (slope > 0) | ((slope == 0) & (offset > 0))
        self.signs.append((value, torch.cat((mask, mask))))
        return self.signs[-1][1]

    def passes(self, name: str, bounds: Rows) -> Tensor:
        """A sign is known by a slope beyond its bound, or by the offset of a slope that is 0 and nothing but 0. Where neither
        is, it matters only with an offset: else the unit is rounding at every alpha, and goes on as such."""
        value, mask = self.signs.pop(0)
        slope, offset = (v.flatten(1) for v in value.chunk(2))
        s, o = slope.abs(), offset.abs()
        es, eo = (v.flatten(1) for v in _bound(name, bounds).chunk(2))
        known = (s > es) | ((s == 0) & (es == 0) & (o >= eo))
        plain = torch.isfinite(es) & torch.isfinite(eo)
        alpha = torch.where(plain, (o - eo) / (s + es), 0.0)
        matters = ~plain | (~known & (o > eo))
        self.decided = torch.minimum(self.decided, torch.where(matters, alpha, torch.inf).amin(1))
        switch = torch.where((s > 0) & (known | matters), -offset / slope, 0.0)
        self.last = torch.maximum(self.last, switch.nan_to_num(nan=math.inf, posinf=math.inf).amax(1))
        doubt = ~known.view(mask.chunk(2)[0].shape)
        return self.widened(name, bounds, value, mask, torch.cat((doubt, doubt)))


class _Points(_Signs):
    def positive(self, name: str, rows: Rows) -> Tensor:
        value = rows.values[name]
        self.signs.append((value, value > 0))
        return self.signs[-1][1]

    def passes(self, name: str, bounds: Rows) -> Tensor:
        value, mask = self.signs.pop(0)
        bound = _bound(name, bounds)
        return self.widened(name, bounds, value, mask, ~(value.abs() > bound) & (bound != 0))


def _bound(name: str, bounds: Rows) -> Tensor:
    return bounds.values["_a"] + bounds.values["_b"] if name == "_d" else bounds.values[name]


def settled(
    lines: PiecewiseNet, slope: Tensor, offset: Tensor, es: Tensor, eo: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits' slopes and offsets [B, K] and their bounds -> (tied [B, K], margin [B], decided [B]), as `Limits` has them."""
    top, winner = slope.max(1, keepdim=True)
    classes = torch.arange(slope.shape[1])
    same, all_same = _twins(lines, len(classes))
    lead, both = top - slope, es + es.gather(1, winner)
    exact = (classes == winner) | ((both == 0) & (lead == 0)) | same[winner[:, 0]]
    tied = exact | ((lead <= TIE * torch.maximum(top.abs(), slope.abs())) & (lead < both))
    ratio = (lead / both).masked_fill(exact, torch.inf)
    margin, decided = ratio.amin(1), torch.where(ratio < 1, 1 / both, torch.inf).amin(1)  # noise worth 1
    best = offset.masked_fill(~exact, -torch.inf).argmax(1, keepdim=True)
    apart = (offset.gather(1, best) - offset) / (eo + eo.gather(1, best))
    apart = apart.masked_fill((classes == best) | all_same[best[:, 0]], torch.inf)  # 0 / 0: equal, and not rounded
    told = torch.minimum(apart.nan_to_num(nan=torch.inf, posinf=torch.inf), KNOWN / eo)
    tie = exact & (exact.sum(1, keepdim=True) > 1)
    told = torch.where(tie, told, torch.inf).amin(1)
    plain = torch.isfinite(torch.cat((slope, offset, es), 1)).all(1)
    fit = plain & (told >= 1)
    return tied, torch.where(plain, torch.minimum(margin, told), 0.0), torch.where(fit, decided, 0.0)


@torch.no_grad()
def crosses(lines: PiecewiseNet, x: Tensor, alpha: float, first: bool, k: int, level: float) -> bool:
    """Is h = log sum_{j != k} exp(f_j - f_k) known to be `level` at alpha, to ODDS? first: or anything below. x: one input."""
    q = 2.0 ** -math.frexp(1 + alpha)[1]  # a power of 2, so that constants are not rounded
    z = (alpha * q) * x[None]
    values, bounds = followed(lines, z.new_tensor([q]), z, rounded(torch.zeros_like(z), z, U), _Points())
    rest = torch.arange(values.shape[1]) != k
    apart, noise = (values[0, rest] - values[0, k]) / q, (bounds[0, rest] + bounds[0, k]) / q
    least, most = float((apart - noise).logsumexp(0)), float((apart + noise).logsumexp(0))
    return most <= level + ODDS and (first or least >= level - ODDS)


def _twins(lines: PiecewiseNet, classes: int) -> tuple[Tensor, Tensor]:
    """[K, K] both: classes whose rows of the last layer are equal bit for bit, without and with their biases."""
    step, none = lines.steps[-1], torch.zeros(classes, classes, dtype=torch.bool)
    if step.out != lines.output or step.target not in ("linear", "addmm"):
        return none, none
    if step.target == "addmm":
        bias, weight = step.args[0], step.args[2].t()
    else:
        weight, bias = (*step.args[1:], None)[:2]
    same = (weight[:, None] == weight).all(2)
    bias = weight.new_zeros(classes) if bias is None else bias.expand(classes)
    return same, same & (bias[:, None] == bias)
