"""Certified guards trained: one on one kind of out-pictures, or a member for each kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypedDict, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import TrainingError
from ._pictures import check_plan, in_the_box, seeded
from .certified import CertifiedGuard
from .front import TopHats
from .members import CertifiedGuards

QUIET, WHOLE = 0.15, 0.6  # the balls grow between these shares of the steps
CLEAN, CLIP = 0.5, 1.0  # weight of the loss at the out-pictures themselves; the most that a gradient's norm may be


def fit_certified_guard(
    inside: Tensor,
    outside: Tensor,
    *,
    eps: float = 0.1,
    steps: int = 1000,
    batch: int = 64,
    width: int = 16,
    hidden: int = 0,
    lr: float = 3e-3,
    keep: float = 0.995,
    refuse: int | None = None,
    front: TopHats | None = None,
    kind: type[CertifiedGuard] = CertifiedGuard,
    seed: int = 0,
    tell: Callable[[int, int, float], None] = lambda *_: None,
) -> CertifiedGuard:
    """Train the guard on pictures [N, 3, H, W] of the classes and [M, 3, H, W] that are none, all in [0, 1].

    Loss: softplus(-g(in)) + softplus(upper bound of g on a ball around out) + CLEAN softplus(g(out)). The ball's radius is eps for half of the
    out-pictures, and anything below it for the others; it grows from 0 between the shares QUIET and WHOLE of the steps. Without the last
    term, and without small balls, what is hard to tell from the classes is given up: once every unit is off in the lower bound there,
    no gradient is left. For the same reason the gradient's norm is clipped at CLIP.
    hidden: units of a dense layer behind the convolutions, for evidence that may lie anywhere in the picture; 0: none.
    front: a front end, such as `TopHats()` for thin lines; pictures then have even sides of at least 4 pixels. kind: what is
    trained, such as a subclass with tighter bounds.
    A guard trained at a small eps was found to certify nothing at a larger one: .1 is the default. keep: the shift is the
    smallest with a mean s of at least this on `inside`. tell(step, steps, loss). Raises ValueError for shapes, pixels outside [0, 1], keep, eps, widths, and steps or
    batch below 1, TrainingError where the loss is not finite.
    """
    if inside.dim() != 4 or inside.shape[1:] != outside.shape[1:] or min(len(inside), len(outside)) < 2:
        raise ValueError(
            f"give pictures of one shape [N, 3, H, W], at least 2 of each, got {list(inside.shape)} and {list(outside.shape)}"
        )
    for pictures in (inside, outside):
        in_the_box(pictures)
        if pictures.dtype != torch.float32:
            raise ValueError(f"the pictures are {pictures.dtype}: give float32 ones")
    if not 0 < keep < 1 or not eps >= 0:
        raise ValueError(f"keep {keep} must lie between 0 and 1, eps {eps} be at least 0")
    if width < 1 or hidden < 0:
        raise ValueError(f"width {width} must be at least 1 and hidden {hidden} at least 0")
    check_plan(steps, batch)
    with torch.no_grad():
        h = inside[:1] if front is None else front(inside[:1])
        channels, stride = h.shape[1], 2 if front is None else 1  # a front end has halved the picture already
    with torch.inference_mode(False), torch.enable_grad(), seeded(seed):  # callers may have switched gradients off
        layers = nn.ModuleList(
            [
                nn.Conv2d(channels, width, 3, padding=1, stride=stride),
                nn.Conv2d(width, 2 * width, 3, padding=1, stride=2),
                nn.Conv2d(2 * width, 4 * width, 3, padding=1, stride=2 if hidden else 1),
            ]
        )
        with torch.no_grad():
            for layer in layers:
                h = layer(h)
        if hidden:
            layers.append(nn.Linear(h.numel(), hidden))
            h = h.new_zeros((1, hidden))
        guard = kind(layers, h.numel(), refuse, front)
        if front is not None:
            nn.init.uniform_(guard.weight, -(h.numel() ** -0.5), h.numel() ** -0.5)
        g = torch.Generator().manual_seed(seed)
        optimiser = torch.optim.Adam(guard.parameters(), lr=lr)
        for step in range(steps):
            x, z = (part[torch.randint(len(part), (batch,), generator=g)] for part in (inside, outside))
            grown = min(1.0, max(0.0, (step / steps - QUIET) / (WHOLE - QUIET)))
            radius = eps * grown * (2 * torch.rand((len(z), 1, 1, 1), generator=g)).clamp(max=1)
            high = guard.upper((z - radius).clamp(min=0), (z + radius).clamp(max=1))
            loss = (
                F.softplus(-guard.score(x)).mean() + F.softplus(high).mean() + CLEAN * F.softplus(guard.score(z)).mean()
            )
            for group in optimiser.param_groups:
                group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(guard.parameters(), CLIP)
            optimiser.step()
            tell(step + 1, steps, loss.item())
    if not math.isfinite(loss.item()):
        raise TrainingError(f"the guard's loss is {loss.item()}: train with a lower lr (it was {lr:g})")
    with torch.no_grad():
        scores = torch.cat([guard.score(part) for part in inside.split(256)]).double()
        guard.shift.fill_(_shift_for(scores, keep))
    return guard.requires_grad_(False).eval()


def _shift_for(scores: Tensor, keep: float) -> float:
    """The smallest shift >= 0 with a mean sigmoid(score + shift) of at least `keep`, by bisection."""
    low, high = 0.0, 50.0 - float(scores.min())
    if float(torch.sigmoid(scores).mean()) >= keep:
        return 0.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if float(torch.sigmoid(scores + middle).mean()) >= keep else (middle, high)
    return high


class MemberOptions(TypedDict, total=False):
    """What `fit_certified_guard` takes for each member alike, with its defaults."""

    eps: float
    steps: int
    batch: int
    width: int
    hidden: int
    lr: float
    refuse: int | None
    front: TopHats | None
    kind: type[CertifiedGuard]


def fit_certified_guards(
    inside: Tensor,
    outsides: Sequence[Tensor],
    *,
    keep: float = 0.995,
    seed: int = 0,
    tell: Callable[[int, int, float], None] = lambda *_: None,
    **options: Unpack[MemberOptions],
) -> CertifiedGuards:
    """A member for each kind of out-pictures in `outsides`, each as `fit_certified_guard` fits it, by seeds that follow `seed`.

    keep: the mean share inside is at least this: each of n members keeps 1 - (1 - keep) / n. tell(step, steps, loss) counts the
    steps of all members. The other options are those of a member. Raises what `fit_certified_guard` raises, and ValueError
    where there is no kind.
    """
    if not outsides:
        raise ValueError("there are no out-pictures: give at least one kind of them")
    n, members = len(outsides), []
    for i, outside in enumerate(outsides):

        def told(step: int, of: int, loss: float, i: int = i) -> None:
            tell(i * of + step, n * of, loss)

        kept = 1 - (1 - keep) / n
        members.append(fit_certified_guard(inside, outside, keep=kept, seed=seed + i, tell=told, **options))
    return CertifiedGuards(members).eval()
