"""Attacks that raise a net's confidence inside an l_inf ball: ACET's inner step, and what may be called robust.

One contract: `attack(net, z, *, eps, generator, objective=log_max_prob, ...)` gives points of the ball around z inside
[0, 1], one an image, never worse than z; the net's modes, batch-norm statistics and gradients stay as they were.
ACET's nets hide peaks from gradients, so a single weak attack proves nothing: `worst` takes the worst over gradient,
gradient-free and structured families, and says how often the gradient vanished. All of it is 'searched': from below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ._ball import Best, Objective, ask, check, evaluating, gradient_of, project, random_start
from ._climb import apgd, let_through, log_prob_of, margin, uniform_start
from ._combine import chain, targeted, transfer
from ._patterns import HELD_OUT, PATTERNS, TRAINED
from ._search import projected, squares, structured
from ._vanish import GradientReport, gradient_report
from .losses import log_max_prob

__all__ = [
    "FAMILIES_HELD_OUT",
    "FAMILIES_TRAINED",
    "PATTERNS",
    "Attacked",
    "GradientReport",
    "Objective",
    "apgd",
    "chain",
    "evaluating",
    "gradient_report",
    "let_through",
    "log_prob_of",
    "margin",
    "maximise_confidence",
    "project",
    "projected",
    "random_start",
    "squares",
    "structured",
    "targeted",
    "transfer",
    "uniform_start",
    "worst",
]

FAMILIES_TRAINED = ("noise", "pgd", *TRAINED, "projected", "squares", "let-through")
FAMILIES_HELD_OUT = (*HELD_OUT, "apgd", "apgd-margin", "targeted", "transfer", "chain")


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

    The paper's projected gradient ascent (Hein et al. 2019, arXiv 1812.05720, section 4.1, as released) for the inner problem of
    ACET, max over u in [0, 1]^d with |u - z|_inf <= eps of max_k log p(k | u):
    u <- project( u + step * sign( gradient of the objective at u ) ).
    z: [B, ...] in [0, 1]. eps >= 0 in the same unit. steps: sign-gradient steps of size `step` (default
    eps / steps; the paper trains with eps .3 and 40 steps, and evaluates with 80 steps of .0075). start: where to
    begin, projected into the ball; default `random_start(z, eps, generator)`. objective: logits [B, K] -> [B],
    default the log of the largest class probability.

    Gives a detached tensor like z. For every image the best iterate is kept and z itself counts, so the objective is
    never lower than at z. The net's modes, batch-norm statistics and parameter gradients are left as they were.
    Raises ValueError for eps or pixels outside [0, 1], negative steps, a start of another shape, logits that are not
    [B, K] with K >= 2; TypeError for what is no net, no tensor, or below float32. Not a bound: a search from below.
    """
    check(net, z, eps, start=start, steps=steps)
    with torch.inference_mode(False), evaluating(net):
        best = Best(net, z, eps, objective)
        if eps == 0 or not len(z):
            return best.x
        x = random_start(best.centre, eps, generator) if start is None else best.project(start.detach().clone())
        size = eps / max(steps, 1) if step is None else step
        for i in range(steps + 1):
            last = i == steps
            with torch.set_grad_enabled(not last):
                x.requires_grad_(not last)
                current = objective(ask(net, x))
            best.take(x, current)
            if not last:
                x = best.project(x.detach() + size * gradient_of(current, x).sign())
        return best.x


@dataclass(frozen=True)
class Attacked:
    """What `worst` found for each image of z.

    points: [B, ...], the worst point met; confidence: [B], the net's there. by: family -> [B], the confidence at that
    family's own best point (`FAMILIES_TRAINED` and `FAMILIES_HELD_OUT` name which of them the repaired ACET learns
    from). vanished: where -> share of images whose gradient is exactly zero there; "logits equal the bias" at z.
    """

    points: Tensor
    confidence: Tensor
    by: Mapping[str, Tensor]
    vanished: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of each family a budget buys, in steps or tries."""

    pgd: int
    patterns: int
    pictures: int
    squares: int
    apgd: int
    restarts: int
    classes: int


PLANS = {
    "quick": Plan(pgd=20, patterns=6, pictures=8, squares=60, apgd=12, restarts=1, classes=2),
    "audit": Plan(pgd=80, patterns=24, pictures=32, squares=250, apgd=50, restarts=1, classes=4),
    "long": Plan(pgd=80, patterns=96, pictures=128, squares=1000, apgd=100, restarts=3, classes=10),
}


def worst(
    net: nn.Module,
    z: Tensor,
    *,
    eps: float,
    generator: torch.Generator,
    budget: Literal["quick", "audit", "long"] = "audit",
    images: Tensor | None = None,
    others: Sequence[nn.Module] = (),
    batch: int = 64,
) -> Attacked:
    """The largest confidence that any family finds in the ball of eps around each image: call nothing less robust.

    z: [B, C, H, W] in [0, 1]. images: clean pictures of z's shape to project into the ball (give those of the net's
    own classes: they were measured to matter most). others: nets whose weak points are tried on this one. budget: a
    larger one runs the smaller ones too, with the same draws, so it never finds less. batch: images attacked side by
    side. One number is drawn from `generator`; every family has a stream of its own, made from it. A confidence
    is NaN only where every point met gave NaN. Raises as `maximise_confidence`, and for images that do not fit z, an
    unknown budget, a batch below 1. 'searched', from below: never an upper bound.
    """
    check(net, z, eps, dims=4, generator=generator, others=others, images=images)
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    if budget not in PLANS:
        raise ValueError(f"budget must be one of {', '.join(PLANS)}, got {budget!r}")
    seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device).item())
    levels = list(PLANS)[: list(PLANS).index(budget) + 1]
    parts = []
    with torch.inference_mode(False), evaluating(net):
        for first in range(0, max(len(z), 1), batch):
            part = z[first : first + batch].detach().clone()
            rounds = [
                _round(net, part, eps, PLANS[level], images, others, _streams(generator.device, seed, first, level))
                for level in levels
            ]
            by = {name: reduce(torch.fmax, [values[name] for _, values in rounds]).exp() for name in rounds[0][1]}
            best = Best(net, part, eps, log_max_prob)
            for found, _ in rounds:
                best.take(found.x, found.value)
            parts.append((best.x, best.value.exp(), by))
        points = torch.cat([x for x, _, _ in parts])
        ball = uniform_start(z.detach().clone(), eps, _streams(generator.device, seed, "vanished")("ball"))
        at_z, at_random, at_worst = (_reported(net, x, batch) for x in (z, ball, points))
        vanished = {
            "at z": at_z.share,
            "at random points of the ball": at_random.share,
            "at the worst points": at_worst.share,
            "logits equal the output bias at z": at_z.share_constant,
        }
    by = {name: torch.cat([values[name] for _, _, values in parts]) for name in parts[0][2]}
    return Attacked(points, torch.cat([confidence for _, confidence, _ in parts]), by, vanished)


def _reported(net: nn.Module, x: Tensor, batch: int) -> GradientReport:
    """Of all images, `batch` at a time; without the shares by layer."""
    parts = [gradient_report(net, part) for part in x.split(batch)]
    return GradientReport(torch.cat([part.zero for part in parts]), torch.cat([part.constant for part in parts]), ())


def _streams(device: torch.device, *seed: object) -> Callable[[str], torch.Generator]:
    """A generator for each name, a function of the seed and the name alone."""

    def stream(name: str) -> torch.Generator:
        digest = hashlib.sha256("/".join(map(str, (*seed, name))).encode()).digest()
        return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)

    return stream


def _round(
    net: nn.Module,
    z: Tensor,
    eps: float,
    plan: Plan,
    images: Tensor | None,
    others: Sequence[nn.Module],
    stream: Callable[[str], torch.Generator],
) -> tuple[Best, dict[str, Tensor]]:
    """Every family once. Gives the best over all, and family -> log-confidence [B] at its own best points."""
    best, by = Best(net, z, eps, log_max_prob), dict[str, Tensor]()

    def note(name: str, points: Tensor) -> None:
        by[name] = torch.fmax(best.values(points), by["noise"]) if by else best.value
        best.take(points, by[name])

    def common(name: str) -> dict[str, Any]:
        return {"eps": eps, "generator": stream(name)}

    note("noise", z)
    for name in PATTERNS:
        note(name, structured(net, z, families=(name,), tries=plan.patterns, **common(name)))
    if images is not None:
        note("projected", projected(net, z, images, tries=plan.pictures, **common("projected")))
    start = best.x
    note("squares", squares(net, z, steps=plan.squares, **common("squares")))
    note("pgd", maximise_confidence(net, z, steps=plan.pgd, step=eps / min(40, plan.pgd), **common("pgd")))
    steps, restarts = plan.apgd, plan.restarts
    note("apgd", apgd(net, z, steps=steps, restarts=restarts, **common("apgd")))
    note("apgd-margin", apgd(net, z, loss=margin, steps=steps, restarts=restarts, **common("apgd-margin")))
    with let_through():
        points = maximise_confidence(net, z, steps=steps, step=eps / 10, start=start, **common("let-through"))
    note("let-through", points)
    note("targeted", targeted(net, z, classes=plan.classes, steps=steps, start=start, **common("targeted")))
    if others:
        note("transfer", transfer(net, z, others, steps=steps, **common("transfer")))
    tries, search = plan.patterns, plan.squares
    note("chain", chain(net, z, images=images, tries=tries, search=search, steps=steps, **common("chain")))
    return best, by
