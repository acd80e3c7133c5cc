"""ACET's inner step, mended: where the noise is surest, looked for without gradients first.

The paper's inner step climbs the gradient from random starts, and its nets learn to hide peaks from it (the last ReLUs
are dead around noise, the gradient is zero). Here the starts are patterns and, what was measured to matter most, clean
pictures of the batch moved into the ball around the noise; then a few sign steps with gradients let through dead ReLUs.
Only families of `attack.FAMILIES_TRAINED` are used. A search from below: it proves nothing, and it knows no objects.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._ball import Best, check, evaluating, uniform
from ._climb import let_through
from ._patterns import PATTERNS, TRAINED
from .losses import log_max_prob

PATTERNS_TRIED, PICTURES_TRIED, STEPS = 3, 3, 2


def mended_points(
    net: nn.Module,
    z: Tensor,
    images: Tensor,
    *,
    eps: float,
    generator: torch.Generator,
    patterns: int = PATTERNS_TRIED,
    pictures: int = PICTURES_TRIED,
    steps: int = STEPS,
) -> Tensor:
    """Points of the l_inf ball around z inside [0, 1] at which the log of the largest probability is as large as found.

    z: [B, C, H, W] in [0, 1]; images: [N, C, H, W] in [0, 1] of z's shape, clean pictures of the net's own classes.
    For each image: z itself, `patterns` structured points and `pictures` projected pictures by forward passes; from the
    best of them `steps` sign steps of eps / 2, eps / 4, ... with gradients let through. The best point met is given, so
    never worse than z. Modes, batch-norm and parameter gradients stay as they were. Raises ValueError as `attack`.
    """
    check(z, eps, patterns=patterns, pictures=pictures, steps=steps)
    with torch.inference_mode(False), evaluating(net):
        best = Best(net, z, eps, log_max_prob)
        if eps == 0 or not len(z):
            return best.x
        for i in range(patterns):
            draws = PATTERNS[TRAINED[i % len(TRAINED)]]
            u = float(uniform((1,), z, generator))
            best.look(best.centre + eps * draws[min(int(u * len(draws)), len(draws) - 1)](best.centre, generator))
        for _ in range(pictures if len(images) else 0):
            u = uniform((len(z),), best.centre, generator)
            best.look(images[(u * len(images)).long().clamp(max=len(images) - 1)])
        x = best.x
        for i in range(steps):
            x = x.detach().requires_grad_(True)
            with let_through():
                value = log_max_prob(net(x))
                (gradient,) = torch.autograd.grad(value.sum(), x)
            best.take(x, value)
            x = best.project(x.detach() + eps * 0.5 ** (i + 1) * gradient.sign())
        if steps:
            best.look(x)
        return best.x
