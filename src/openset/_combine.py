"""Attacks made of others: aiming at several classes, points that fool other nets, and chains.

A chain (best structured start, then squares, then APGD through dead ReLUs) climbs where each part alone stays on a
plateau: the first two need no gradient, the last one finishes what they found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ._ball import Best, Objective, ask, check, evaluating
from ._climb import apgd, let_through, log_prob_of, targets
from ._patterns import PATTERNS
from ._search import projected, squares, structured
from .losses import log_max_prob


def targeted(
    net: nn.Module,
    z: Tensor,
    *,
    eps: float,
    generator: torch.Generator,
    objective: Objective = log_max_prob,
    classes: int = 5,
    steps: int = 50,
    start: Tensor | None = None,
    slope: float = 0.1,
) -> Tensor:
    """APGD on the log-probability of up to `classes` classes of each image in turn, through dead ReLUs; the best.

    The likelier half of the classes at the start, then others at random (Croce & Hein 2020 aim at the likeliest ones).
    slope: see `let_through`; 0 takes the net's own gradient. start: default uniform points of the ball. Gives a tensor
    like z in the ball, never worse than z; raises as `apgd`. Not a bound.
    """
    check(net, z, eps, generator=generator, start=start, classes=classes, steps=steps)
    with torch.inference_mode(False), evaluating(net):
        best = Best(net, z, eps, objective)
        if eps == 0 or not len(z):
            return best.x
        with torch.no_grad():
            logits = ask(net, best.centre if start is None else best.project(start))
        with let_through(slope):
            for aim in targets(logits, classes, generator):
                loss = log_prob_of(aim)
                best.look(
                    apgd(net, best.centre, eps=eps, generator=generator, objective=loss, steps=steps, start=start)
                )
        return best.x


def transfer(
    net: nn.Module,
    z: Tensor,
    others: Sequence[nn.Module],
    *,
    eps: float,
    generator: torch.Generator,
    objective: Objective = log_max_prob,
    steps: int = 50,
) -> Tensor:
    """The best for `net` of the points that a short chain finds on each of `others`; they need z's shape only.

    Otherwise as `apgd`. With no other nets z is given back.
    """
    check(net, z, eps, dims=4, generator=generator, others=others, steps=steps)
    with torch.inference_mode(False), evaluating(net):
        best = Best(net, z, eps, objective)
        for other in others:
            best.look(chain(other, best.centre, eps=eps, generator=generator, tries=6, search=0, steps=steps))
        return best.x


def chain(
    net: nn.Module,
    z: Tensor,
    *,
    eps: float,
    generator: torch.Generator,
    objective: Objective = log_max_prob,
    families: Sequence[str] = tuple(PATTERNS),
    images: Tensor | None = None,
    tries: int = 12,
    search: int = 100,
    steps: int = 50,
    slope: float = 0.1,
) -> Tensor:
    """Best structured start (and projected picture, where `images` are given) -> squares -> APGD through dead ReLUs.

    tries: patterns of each family, and pictures; search: steps over squares; steps: of APGD. Otherwise as `apgd`.
    """
    check(net, z, eps, dims=4, generator=generator, images=images, tries=tries, search=search, steps=steps)
    with torch.inference_mode(False):
        common: Any = {"eps": eps, "generator": generator, "objective": objective}
        z = z.detach().clone()
        with evaluating(net):
            best = Best(net, z, eps, objective)
            best.look(structured(net, z, families=families, tries=tries, **common))
            if images is not None:
                best.look(projected(net, z, images, tries=tries, **common))
            best.look(squares(net, z, steps=search, start=best.x, **common))
            with let_through(slope):
                best.look(apgd(net, z, steps=steps, start=best.x, **common))
        return best.x
