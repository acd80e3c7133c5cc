"""Attacks that raise a net's confidence inside an l_inf ball: the inner step of ACET, and the audit's first family.

The paper's projected gradient ascent (Hein et al. 2019, arXiv 1812.05720, section 4.1, as released): the best
iterate of each image is kept, the unperturbed one counted, and batch-norm runs on its stored statistics. A weak
result is no proof of quiet: ACET's nets hide peaks from gradients (see the audit's gradient-free families).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .losses import log_max_prob

Objective = Callable[[Tensor], Tensor]


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """`net` in eval mode inside the block; every submodule's own mode is restored after it, errors included."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def project(x: Tensor, centre: Tensor, eps: float, lower: float = 0.0, upper: float = 1.0) -> Tensor:
    """The nearest point to x in the l_inf ball of radius eps around `centre`, intersected with [lower, upper]."""
    return torch.minimum(torch.maximum(x, centre - eps), centre + eps).clamp(lower, upper)


def random_start(z: Tensor, eps: float, generator: torch.Generator | None = None) -> Tensor:
    """The paper's start: project(z + u * U(-eps, eps)) with one u ~ U(0, 1) an image. z: [B, ...]."""
    device = z.device if generator is None else generator.device
    u = torch.rand(len(z), generator=generator, device=device, dtype=z.dtype)
    noise = torch.rand(z.shape, generator=generator, device=device, dtype=z.dtype) * 2 - 1
    shift = noise * (eps * u).view(-1, *[1] * (z.dim() - 1))
    return project(z + shift.to(z.device), z, eps)


def maximise_confidence(
    net: nn.Module,
    z: Tensor,
    *,
    eps: float,
    steps: int,
    step: float | None = None,
    generator: torch.Generator | None = None,
    start: Tensor | None = None,
    objective: Objective = log_max_prob,
) -> Tensor:
    """Points of the l_inf ball around z, inside [0, 1], at which `objective(net(x))` is as large as was found.

    z: [B, ...] in [0, 1]. eps >= 0 in the same unit. steps: sign-gradient steps of size `step` (default
    eps / steps; the paper trains with eps .3 and 40 steps, and evaluates with 80 steps of .0075). start: where to
    begin, projected into the ball; default `random_start(z, eps, generator)`. objective: logits [B, K] -> [B],
    default the log of the largest class probability.

    Gives a detached tensor like z. For every image the best iterate is kept and z itself counts, so the objective is
    never lower than at z. The net's modes, batch-norm statistics and parameter gradients are left as they were.
    Raises ValueError for a negative eps or steps, or pixels outside [0, 1]. Not a bound: a search from below.
    """
    if eps < 0 or steps < 0:
        raise ValueError(f"eps and steps must be >= 0, got eps={eps}, steps={steps}")
    if len(z) and not (z.min() >= 0 and z.max() <= 1):
        raise ValueError(f"z must lie in [0, 1], got [{z.min().item()}, {z.max().item()}]: divide pixels by 255")
    with torch.inference_mode(False), evaluating(net):
        best = z.detach().clone()
        if eps == 0 or not len(z):
            return best
        with torch.no_grad():
            value = objective(net(best))
        x = random_start(best, eps, generator) if start is None else project(start.detach().clone(), best, eps)
        centre, size = best.clone(), eps / max(steps, 1) if step is None else step
        for i in range(steps + 1):
            last = i == steps
            with torch.set_grad_enabled(not last):
                x.requires_grad_(not last)
                current = objective(net(x))
            raised = (current.detach() > value).view(-1, *[1] * (z.dim() - 1))
            best, value = torch.where(raised, x.detach(), best), torch.maximum(current.detach(), value)
            if not last:
                (gradient,) = torch.autograd.grad(current.sum(), x)
                x = project(x.detach() + size * gradient.sign(), centre, eps)
        return best
