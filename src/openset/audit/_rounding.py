"""Where rounding may have decided a sign at infinity: each slope against the magnitude of what was summed into it.

Beside each row runs its size: the same sums since the last ReLU with |weight| and |value|, which cannot cancel. A slope
below NOISE of its size may be rounding alone. At a ReLU the size begins anew with the value, but where that is noise. The
sign of noise matters where the offset is none: there alpha * slope + offset switches at some alpha, or never.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ._steps import AFFINE, KINKS, Rows

if TYPE_CHECKING:
    from ._trace import PiecewiseNet, Step

NOISE = 1e-12
RUN = {**AFFINE, **KINKS}
NUMBERS = ("add", "sub", "rsub", "mul", "div", "leaky_relu")  # numbers are weights there, else axes and sides
PADS = ("pad", "constant_pad_nd")


def gains(lines: PiecewiseNet) -> tuple[Tensor, ...]:
    """For each kink met, then the logits: its size if all values at the last ReLUs were 1, the largest of each channel.

    So no size there is larger than gain times the largest |value| at the ReLUs before and in the input.
    """
    rows, found = Rows(torch.zeros(1, dtype=torch.float64)), []

    def see(name: str, under_way: Rows) -> None:
        found.append(_channels(_size(name, under_way)))

    rows.values = {lines.source: torch.ones((1, *lines.shape), dtype=torch.float64)}
    with torch.no_grad():
        for step in lines.steps:
            run, args, kwargs = _sized(step)
            out = run(rows, see, *args, **kwargs)
            if step.target in ("relu", "leaky_relu"):
                numbers = (v for v in (*args[1:], *kwargs.values()) if isinstance(v, float | int))
                out = torch.full_like(out, max((1.0, *numbers)))
            _forget(rows, step)
            rows.values[step.out] = out
    return (*found, rows.values[lines.output])


def judged(lines: PiecewiseNet, x: Tensor) -> tuple[Tensor, Tensor]:
    """float64 x [B, *shape] -> (margin, decided), both [B], as `Limits` has them, exactly; some four plain passes."""
    n = len(x)
    weight = torch.cat((x.new_zeros(n), x.new_ones(n)))
    rows, sizes, found = Rows(weight), Rows(weight), _Found(n)
    rows.values = {lines.source: torch.cat((x, torch.zeros_like(x)))}
    sizes.values = {lines.source: rows.values[lines.source].abs()}
    for step in lines.steps:
        run, args, kwargs = _sized(step)
        out = RUN[step.target](rows, found.positive, *step.args, **step.kwargs)
        size = run(sizes, found.passes, *args, **kwargs)
        if step.target in KINKS:
            size = torch.where(out.abs() < NOISE * size, size, out.abs())
        for held, value in ((rows, out), (sizes, size)):
            _forget(held, step)
            held.values[step.out] = value
    found.take(*leads(rows.values[lines.output][:n], sizes.values[lines.output][:n]))
    return found.margin, found.decided


class _Found:
    def __init__(self, n: int) -> None:
        self.margin = torch.full((n,), torch.inf, dtype=torch.float64)
        self.decided = self.margin.clone()
        self.met: list[tuple[Tensor, Tensor]] = []

    def positive(self, name: str, rows: Rows) -> Tensor:
        value = rows.values[name]
        mask = at_infinity(*value.chunk(2))
        self.met.append((value, torch.cat((mask, mask))))
        return self.met[-1][1]

    def passes(self, name: str, sizes: Rows) -> Tensor:
        """Whose size goes on: what is above 0, and at a ReLU noise of either sign."""
        value, mask = self.met.pop(0)
        size = _size(name, sizes)
        noise = value.abs() < NOISE * size
        slope, offset = value.flatten(1).abs().chunk(2)
        s, o = size.flatten(1).chunk(2)
        self.take(torch.where(offset > NOISE * o, slope / s, torch.inf), offset / (NOISE * s))
        return mask if name == "_d" else mask | noise

    def take(self, ratio: Tensor, alpha: Tensor) -> None:
        ratio = ratio.nan_to_num(nan=torch.inf, posinf=torch.inf)  # 0 / 0: nothing was summed, so nothing was rounded
        self.margin = torch.minimum(self.margin, ratio.amin(1))
        self.decided = torch.minimum(self.decided, torch.where(ratio < NOISE, alpha, torch.inf).amin(1))


def leads(slope: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Logits' slopes [B, K] and their sizes -> the top slope's lead over each class, in what was summed into both (where
    the two are equal, the slope in that), and the alpha at which noise of that size is worth 1."""
    top, winner = slope.max(1, keepdim=True)
    both = size + size.gather(1, winner)
    lead = torch.where(slope < top, top - slope, slope.abs()) / both
    return torch.where(torch.arange(slope.shape[1]) == winner, torch.inf, lead), 1 / (NOISE * both)


def at_infinity(slope: Tensor, offset: Tensor) -> Tensor:
    """Is alpha * slope + offset above 0 for all large alpha?"""
    return (slope > 0) | ((slope == 0) & (offset > 0))


def _size(name: str, sizes: Rows) -> Tensor:
    return sizes.values["_a"] + sizes.values["_b"] if name == "_d" else sizes.values[name]


def _channels(size: Tensor) -> Tensor:
    return size.amax(tuple(range(2, size.dim())), keepdim=True) if size.dim() > 2 else size


def _forget(rows: Rows, step: Step) -> None:
    for name in step.last:
        rows.values.pop(name, None)


def _sized(step: Step) -> tuple[Callable[..., Tensor], tuple[Any, ...], Mapping[str, Any]]:
    """What a step does to sizes: the same with magnitudes for weights, so that nothing cancels."""
    target, args, kwargs = step.target, step.args, dict(step.kwargs)
    if target == "neg":
        return RUN["alias"], args, {}
    if target == "_native_batch_norm_legit_no_training":
        x, weight, bias, mean, *rest = (_magnitude(v, False) for v in args)
        return RUN[target], (x, weight, bias, -mean, *rest), kwargs
    fixed = 2 if target in PADS else 0  # the picture and its sides
    weights = target in (*NUMBERS, *PADS)
    args = (*args[:fixed], *(_magnitude(v, weights) for v in args[fixed:]))
    kwargs = {key: _magnitude(v, weights) for key, v in kwargs.items()}
    if target in ("sub", "rsub"):
        kwargs["alpha"] = -kwargs.get("alpha", 1)
    return RUN[target], args, kwargs


def _magnitude(value: Any, number: bool) -> Any:
    if isinstance(value, Tensor):
        return value if value.dtype == torch.bool else value.abs()
    if isinstance(value, tuple):
        return tuple(_magnitude(v, number) for v in value)
    return abs(value) if number and isinstance(value, float | int) else value
