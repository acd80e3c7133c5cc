"""Attacks that follow gradients, and what to do where there are none.

`apgd` is Auto-PGD (Croce & Hein 2020, arXiv 2003.01690, section 4): momentum, a step that halves where it no longer
helps, restarts, and a loss of one's choice. `let_through` makes dead ReLUs pass a gradient in the backward pass only,
so that a net whose last ReLU layer is dead (exactly zero gradient: a mask, not quiet) still shows a direction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ._ball import Best, Objective, ask, better, check, evaluating, gradient_of, project, spread, uniform
from .losses import log_max_prob, rows

MOMENTUM, RISING = 0.75, 0.75


def margin(logits: Tensor) -> Tensor:
    """The largest logit minus the second largest. [B, K] -> [B]; never flat where the softmax is."""
    top = rows(logits).topk(2, 1).values
    return top[:, 0] - top[:, 1]


def log_prob_of(classes: Tensor) -> Objective:
    """The log-probability of a class of each image's own. classes: int64 [B]."""

    def loss(logits: Tensor) -> Tensor:
        return rows(logits).log_softmax(1).gather(1, classes[:, None])[:, 0]

    return loss


def targets(logits: Tensor, many: int, generator: torch.Generator) -> Tensor:
    """Different classes to aim at for each image, int64 [min(many, K), B]: the likelier half, then random others."""
    b, k = rows(logits).shape
    rank = logits.argsort(stable=True, dim=1, descending=True).argsort(1)
    half = -(-min(many, k) // 2)
    order = torch.where(rank < half, rank, half + k * uniform((b, k), logits, generator)).argsort(1)
    return order[:, :many].T.contiguous()


def uniform_start(z: Tensor, eps: float, generator: torch.Generator) -> Tensor:
    """A uniform point of the l_inf ball, projected into [0, 1]."""
    return project(z + eps * (2 * uniform(z.shape, z, generator) - 1), z, eps)


def apgd(
    net: nn.Module,
    z: Tensor,
    *,
    eps: float,
    generator: torch.Generator,
    objective: Objective = log_max_prob,
    loss: Objective | None = None,
    steps: int = 100,
    restarts: int = 1,
    start: Tensor | None = None,
) -> Tensor:
    """Auto-PGD: the point of the ball with the largest `objective` met while climbing `loss` (default the objective).

    z: [B, ...] in [0, 1]. loss: logits [B, K] -> [B], for instance `margin` or `log_prob_of(classes)`. restarts: runs
    of `steps` steps, the first from `start` if one is given, all others from uniform points. Gives a detached tensor
    like z in the ball, never worse than z. Raises as `maximise_confidence`, and for negative restarts. Not a bound,
    and worth nothing where `gradient_report` finds zero gradients.
    """
    check(net, z, eps, generator=generator, start=start, steps=steps, restarts=restarts)
    with torch.inference_mode(False), evaluating(net):
        best = Best(net, z, eps, objective)
        if eps > 0 and len(z):
            for i in range(restarts):
                first = start if start is not None and i == 0 else uniform_start(best.centre, eps, generator)
                _run(best, best.project(first.detach().clone()), objective if loss is None else loss, steps)
        return best.x


def _gradient(best: Best, x: Tensor, loss: Objective) -> tuple[Tensor, Tensor]:
    """Loss and its gradient at x, both detached; what is better at x is kept."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        logits = ask(best.net, x)
        value = loss(logits)
        gradient = gradient_of(value, x)
    best.take(x.detach(), best.objective(logits.detach()))
    return value.detach(), gradient


def checkpoints(steps: int) -> set[int]:
    """Steps after which the step size is looked at: at .22 of them, then at gaps .03 shorter each, at least .06."""
    marks, gap, at = set(), 22, 22
    while at <= 100:
        marks.add(-(-at * steps // 100))
        gap = max(gap - 3, 6)
        at += gap
    return marks


def _run(best: Best, x: Tensor, loss: Objective, steps: int) -> None:
    """One run from x, all images side by side, each with its own step size."""
    value, gradient = _gradient(best, x, loss)
    size, before, marks, since = torch.full_like(value, 2 * best.eps), x, checkpoints(steps), 0
    top, top_x, top_gradient = value, x, gradient
    rises, size_then, top_then = torch.zeros_like(value), size, top
    for i in range(steps):
        ahead = best.project(x + spread(size, x) * gradient.sign())
        share = MOMENTUM if i else 1.0
        before, x = x, best.project(x + share * (ahead - x) + (1 - share) * (x - before))
        now, gradient = _gradient(best, x, loss)
        rises, value = rises + (now > value), now
        new_top = better(value, top)
        top = torch.where(new_top, value, top)
        top_x, top_gradient = (
            torch.where(spread(new_top, x), new, old) for new, old in ((x, top_x), (gradient, top_gradient))
        )
        if i + 1 in marks:
            halve = (rises < RISING * (i + 1 - since)) | ((size == size_then) & (top == top_then))
            size_then, top_then, since, rises = size, top, i + 1, torch.zeros_like(rises)
            size = torch.where(halve, size / 2, size)
            x, gradient = (torch.where(spread(halve, x), a, b) for a, b in ((top_x, x), (top_gradient, gradient)))


class _LetThrough(torch.autograd.Function):
    """max(x, 0) forward; backward 1 where x > 0, else `slope`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(x > 0)
        ctx.slope = slope
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (alive,) = ctx.saved_tensors
        return torch.where(alive, gradient, gradient * ctx.slope), None


RELUS = (F.relu, torch.relu, Tensor.relu)
RELUS_IN_PLACE = (F.relu_, torch.relu_, Tensor.relu_)


class ReluMode(TorchFunctionMode):
    """Every ReLU called inside, as a module, a function, a method or in place, becomes `relu(input)`."""

    def __init__(self, relu: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.relu = relu

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in RELUS and func not in RELUS_IN_PLACE:
            return func(*args, **kwargs)
        x = args[0] if args else kwargs["input"]
        place = func in RELUS_IN_PLACE or (args[1] if len(args) > 1 else kwargs.get("inplace", False))
        return x.copy_(self.relu(x)) if place else self.relu(x)


@contextmanager
def let_through(slope: float = 0.1) -> Iterator[None]:
    """Inside the block a ReLU that is off passes `slope` times its gradient back; forward values do not change.

    For nn.ReLU, F.relu, torch.relu and the in-place forms. Other activations, and scripted or compiled nets, are
    left as they are. The gradient is then not that of the net: good for attacks, for nothing else.
    """
    with ReluMode(lambda x: _LetThrough.apply(x, slope)):
        yield
