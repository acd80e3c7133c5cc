"""ACET's inner step, mended: patterns and pictures tried first, then ascents that go on from one training step to the next.

The paper's inner step climbs the gradient from random starts, and its nets learn to hide peaks from it (the last ReLUs
are dead around noise, the gradient is zero). Here each out-picture starts at the best of patterns and, what was measured to
matter most, clean pictures of the batch moved into the ball around the noise; from there a few sign steps with gradients
let through dead ReLUs. Out-pictures and where they stand are kept between training steps, as persistent chains keep samples
between the updates of an energy model (Tieleman 2008), those where the net is surest for as long as it is: a step is
cheap, and yet the search stays where the net is not quiet. Three quarters of the noise are permuted pictures, for there
the audit found the peaks. Only families of `attack.FAMILIES_TRAINED` are used. A search from below: it proves nothing, and
it knows no objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ._ball import Best, ask, check, evaluating, spread, uniform
from ._climb import let_through
from ._patterns import PATTERNS, TRAINED
from .losses import log_max_prob

PATTERNS_TRIED, PICTURES_TRIED, STEPS, LIFE = 3, 3, 3, 4
UNIFORM = 0.25  # share of the noise that is uniform, the rest is permuted pictures
WEIGHT = 0.4  # of the out-loss beside the paper's: these points are harder, and the whole weight costs clean accuracy
RECIPE = (PATTERNS_TRIED, PICTURES_TRIED, STEPS, LIFE, UNIFORM, WEIGHT)  # a net trained by another is another net


@dataclass
class Chains:
    """Ascents that go on. z, x: [N, C, H, W], centres and where each stands. aim: [N] in [0, 1): below one
    half the chain climbs the log-probability of class floor(2 K aim), else that of the surest class."""

    z: Tensor
    x: Tensor
    aim: Tensor

    def tensors(self) -> dict[str, Tensor]:
        return {f"chains.{name}": getattr(self, name) for name in ("z", "x", "aim")}

    @classmethod
    def load(cls, tensors: Mapping[str, Tensor], device: torch.device) -> Chains | None:
        """What `tensors` gave, from among others; None where there were no chains."""
        if "chains.z" not in tensors:
            return None
        return cls(*(tensors[f"chains.{name}"].to(device) for name in ("z", "x", "aim")))


def climbed(
    net: nn.Module,
    chains: Chains | None,
    z: Tensor,
    images: Tensor,
    *,
    eps: float,
    generator: torch.Generator,
    patterns: int = PATTERNS_TRIED,
    pictures: int = PICTURES_TRIED,
    steps: int = STEPS,
    life: int = LIFE,
) -> tuple[Tensor, Chains]:
    """Points of l_inf balls inside [0, 1] at which the log of the largest probability is as large as found; and the chains.

    z: [B, C, H, W] in [0, 1], out-pictures that begin a chain; chains: those of the step before, of z's shape; images: [M, C, H, W] in [0, 1] of z's shape, clean pictures of
    the net's own classes. A new chain starts at the best of z, `patterns` structured points and `pictures` projected
    pictures, by forward passes. All chains then take `steps` sign steps of eps / 2, eps / 4, ... with gradients let
    through. Given: the best point that each chain met in this call, [N, C, H, W], and the chains that go on: the
    (life - 1) * B whose best points are surest. Modes, batch-norm and parameter gradients stay as they were. Raises
    as `attack.maximise_confidence`, and for images that do not fit z.
    """
    given: Any = {"dims": 4, "generator": generator, "images": images}
    check(net, z, eps, **given, patterns=patterns, pictures=pictures, steps=steps, life=life)
    with torch.inference_mode(False), evaluating(net):
        begun = _begun(net, z, images, eps, generator, patterns, pictures)
        if chains is not None:
            columns = ((chains.z, begun.z), (chains.x, begun.x), (chains.aim, begun.aim))
            begun = Chains(*(torch.cat(pair) for pair in columns))
        if not len(z):
            return z, begun
        best, x = _advanced(net, begun, eps, steps)
        surest = best.value.argsort(descending=True, stable=True)[: max(life - 1, 0) * len(z)].sort().values
        return best.x, Chains(begun.z[surest], x[surest], begun.aim[surest])


def _begun(
    net: nn.Module, z: Tensor, images: Tensor, eps: float, generator: torch.Generator, patterns: int, pictures: int
) -> Chains:
    best = Best(net, z, eps, log_max_prob)
    aim = uniform((len(z),), best.centre, generator)
    if eps == 0 or not len(z):
        return Chains(best.centre, best.x, aim)
    for i in range(patterns):
        draws = PATTERNS[TRAINED[i % len(TRAINED)]]
        u = float(uniform((1,), z, generator))
        best.look(best.centre + eps * draws[min(int(u * len(draws)), len(draws) - 1)](best.centre, generator))
    for _ in range(pictures if len(images) else 0):
        u = uniform((len(z),), best.centre, generator)
        best.look(images[(u * len(images)).long().clamp(max=len(images) - 1)])
    return Chains(best.centre, best.x, aim)


def _advanced(net: nn.Module, chains: Chains, eps: float, steps: int) -> tuple[Best, Tensor]:
    """All chains, `steps` further: the best point of each in this call, and where each stands."""
    best = Best(net, chains.z, eps, log_max_prob)
    x, aimed = best.project(chains.x), chains.aim < 0.5
    if eps == 0:
        return best, best.x
    for i in range(steps):
        x = x.detach().requires_grad_(True)
        with let_through():
            logs = ask(net, x).log_softmax(1)
            surest = logs.amax(1)
            rows = (2 * chains.aim * logs.shape[1]).long().clamp(max=logs.shape[1] - 1)
            value = torch.where(aimed, logs.gather(1, rows[:, None])[:, 0], surest)
            (gradient,) = torch.autograd.grad(value.sum(), x)
        best.take(x, surest)
        x = best.project(x.detach() + eps * 0.5 ** (i + 1) * gradient.sign())
    best.look(x)
    return best, torch.where(spread(aimed, x), x.detach(), best.x)
