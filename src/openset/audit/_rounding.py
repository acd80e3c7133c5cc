"""How far rounding can have moved each value of a net: a bound beside each value, carried through every layer.

A sum of n products rounds by U n |w| |v| at most (Higham 2002, Accuracy and Stability of Numerical Algorithms, section
3.1), and hands on |w| times the bounds of what it sums:

    bound = |w| (bound_v + U n |v|)

So nothing is forgotten: a value that cancelled keeps the bound of what it was. A kink hands on the bound of the side taken;
where its sign is in doubt, that of either side and what lies between them. It is a proof for what float64 sums in any order,
fused or not; products below 1e-308, which go under, are 0 here. A batch-norm's scale is taken as rounded from its statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from ._steps import AFFINE, KINKS, Rows

if TYPE_CHECKING:
    from ._trace import PiecewiseNet, Step

U = 1.2e-16  # 2^-53, and what is rounded in the bounds themselves
TINY = 1e-290  # beside numbers that are not 0: what may have gone under
RUN = {**AFFINE, **KINKS}
RELUS = ("relu", "leaky_relu")
NUMBERS = ("add", "sub", "rsub", "mul", "div", "leaky_relu")  # numbers are weights there, else axes and sides
PADS = ("pad", "constant_pad_nd")
BATCH_NORM = "_native_batch_norm_legit_no_training"
WEIGHED = {"linear": 0, "conv2d": 0, "addmm": -1, "mm": -1, "matmul": -1}  # the weight's axis of outputs
SUMS = ("sum", "mean", "avg_pool2d", "adaptive_avg_pool2d")
ROUNDINGS = {BATCH_NORM: 8, "leaky_relu": 1} | dict.fromkeys((*WEIGHED, *SUMS, "add", "sub", "rsub", "mul", "div"), 2)


class Kinks(Protocol):
    """The signs of a pass, and which of them are in doubt. met: of the last ReLU (doubt, |value|, bound)."""

    met: tuple[Tensor, Tensor, Tensor]

    def positive(self, name: str, rows: Rows) -> Tensor: ...

    def passes(self, name: str, bounds: Rows) -> Tensor: ...


def followed(lines: PiecewiseNet, weight: Tensor, z: Tensor, bound: Tensor, kinks: Kinks) -> tuple[Tensor, Tensor]:
    """Rows z [R, *shape], known to `bound`, with constants weighed by weight [R] -> (logits, bounds), [R, K]; two passes."""
    rows, bounds = Rows(weight, {lines.source: z}), {lines.source: bound}
    for step in lines.steps:
        names = [name for name in _inputs((*step.args, *step.kwargs.values())) if name in bounds]
        u = U * _terms(step, max(rows.values[name][0].numel() for name in names))
        given = {name: rounded(bounds[name], rows.values[name], u) for name in names}
        out = RUN[step.target](rows, kinks.positive, *step.args, **step.kwargs)
        args, kwargs = _magnitudes(step)
        target = "alias" if step.target == "neg" else step.target
        wrong = RUN[target](Rows(u * weight, given), kinks.passes, *args, **kwargs)
        if step.target in RELUS:
            (doubt, size, before), steepest = kinks.met, _steepest(step)
            wrong = torch.where(doubt, (1 + steepest) * size + steepest * before, wrong)
        for name in step.last:
            rows.values.pop(name, None)
            bounds.pop(name, None)
        rows.values[step.out], bounds[step.out] = out, wrong
    return rows.values[lines.output], bounds[lines.output]


def rounded(bound: Tensor, value: Tensor, u: float) -> Tensor:
    """The bound of a value that is rounded to a relative u; the same for u = 0."""
    return torch.where(value == 0, bound, bound + u * value.abs() + TINY) if u else bound


def _terms(step: Step, given: int) -> int:
    """How often a product is rounded on its way through a step that is given so many numbers; 0 where it only moves them."""
    n = ROUNDINGS.get(step.target, 0)
    if step.target in WEIGHED:
        weights = [v for v in (*step.args, *step.kwargs.values()) if isinstance(v, Tensor) and v.dim() > 1]
        n += max((w.numel() // w.shape[WEIGHED[step.target]] for w in weights), default=given)
    elif step.target in SUMS:  # no more than all of a picture
        n += given
    return n


def _inputs(value: Any) -> set[str]:
    if isinstance(value, tuple | list):
        return set().union(*map(_inputs, value))
    name = None if isinstance(value, Tensor) else getattr(value, "name", None)
    return set() if name is None else {name}


def _steepest(step: Step) -> float:
    numbers = (v for v in (*step.args[1:], *step.kwargs.values()) if isinstance(v, float | int))
    return max((1.0, *map(abs, numbers)))


def _magnitudes(step: Step) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """The step's arguments with magnitudes for weights, so that nothing cancels."""
    target, args, kwargs = step.target, step.args, dict(step.kwargs)
    if target == BATCH_NORM:
        x, weight, bias, mean, *rest = (_magnitude(v, False) for v in args)
        return (x, weight, bias, -mean, *rest), kwargs
    fixed = 2 if target in PADS else 0  # the picture and its sides
    numbers = target in (*NUMBERS, *PADS)
    args = (*args[:fixed], *(_magnitude(v, numbers) for v in args[fixed:]))
    kwargs = {key: _magnitude(v, numbers) for key, v in kwargs.items()}
    if target in ("sub", "rsub"):
        kwargs["alpha"] = -kwargs.get("alpha", 1)
    return args, kwargs


def _magnitude(value: Any, number: bool) -> Any:
    if isinstance(value, Tensor):
        return value if value.dtype == torch.bool else value.abs()
    if isinstance(value, tuple):
        return tuple(_magnitude(v, number) for v in value)
    return abs(value) if number and isinstance(value, float | int) else value
