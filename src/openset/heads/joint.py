"""Joint training of a net and its density guard (CCU): both mixtures learn along with the net, and every bound stays proved.

Meinke and Hein 2020 (arXiv 1909.12180), section 3: with p(k | x) the guarded probabilities, over pictures x of class y and
pictures z of none

    loss = mean -log p(y | x) + weight * mean over z and k of -log p(k | z)

Optional: `fit_density_guard` alone needs no training of a net. The metric and lambda stay as that fit left them; out-variances are
held at 1.5 times the largest in-variance or more at every step, so `ball_bound` and `far_bound` hold for the result. Pictures that
the guard refuses outright give no gradient, so start with one that was fitted well.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ._pictures import check_loss, check_plan, checked, seeded
from .density import WIDER, DensityGuard, Mixture


class _Free(nn.Module):
    """A mixture whose weights, centres and variances can be learnt."""

    def __init__(self, start: Mixture) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.from_numpy(start.log_weights).float())
        self.centres = nn.Parameter(torch.from_numpy(start.centres).float())
        self.log_variances = nn.Parameter(torch.from_numpy(np.log(start.variances)).float())

    def parts(self, least: Tensor | float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights [M], centres [M, D] and variances [M], none below `least`."""
        variances = self.log_variances.exp().clamp(min=least)
        return torch.log_softmax(self.weights, 0), self.centres, variances


def _buffers(inside: _Free, outside: _Free) -> dict[str, Tensor]:
    """What a DensityGuard of these mixtures holds."""
    made = {}
    parts = inside.parts()
    for name, (weights, centres, variances) in (("in", parts), ("out", outside.parts(WIDER * parts[2].max()))):
        made[f"centres_{name}"], made[f"variances_{name}"] = centres, variances
        made[f"heights_{name}"] = weights - 0.5 * centres.shape[1] * torch.log(2 * math.pi * variances)
    return made


@torch.inference_mode(False)  # callers may have switched gradients off
def fit_jointly(
    net: nn.Module,
    guard: DensityGuard,
    inside: Tensor,
    targets: ArrayLike,
    outside: Tensor,
    *,
    steps: int = 500,
    batch: int = 64,
    lr: float = 1e-3,
    weight: float = 1.0,
    seed: int = 0,
    tell: Callable[[int, int, float], None] = lambda *_: None,
) -> tuple[nn.Module, DensityGuard]:
    """Train copies of `net` and `guard` together by Adam; gives both, in eval mode. Those given are left as they are.

    net: pixels [B, 3, H, W] -> logits [B, K]. inside: [N, 3, H, W] with targets [N], 0 to K - 1; outside: [M, 3, H, W], no class.
    seed: of the batches and of the net's dropout. tell(step, steps, loss). Raises ValueError for shapes, one-hot targets, a net that is frozen, steps or
    batch below 1 or a weight below 0, TrainingError where the loss is not finite.
    """
    check_plan(steps, batch, weight)
    net, truth = checked(net, inside, targets, outside)
    net.train()
    free = _Free(guard.inside), _Free(guard.outside)
    optimiser = torch.optim.Adam([*net.parameters(), *free[0].parameters(), *free[1].parameters()], lr=lr)
    g = torch.Generator().manual_seed(seed)
    with seeded(seed), torch.enable_grad():
        for step in range(steps):
            rows, others = (torch.randint(len(part), (batch,), generator=g) for part in (inside, outside))
            pixels = torch.cat((inside[rows], outside[others]))
            outputs = {"pixels": pixels, "logits": net(pixels)}
            log_p = torch.func.functional_call(guard, _buffers(*free), (outputs,))
            right = log_p[:batch].gather(1, truth[rows][:, None])
            loss = -right.mean() - weight * log_p[batch:].mean()
            check_loss(loss, step + 1, lr)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            tell(step + 1, steps, loss.item())
    parts = free[0].parts()
    learnt = parts, free[1].parts(WIDER * parts[2].max())
    new_in, new_out = (Mixture(*(x.detach().double().numpy() for x in part)) for part in learnt)
    middle, whiten = guard.middle.double().numpy(), guard.whiten.double().numpy()
    return net.eval(), DensityGuard(guard.side, middle, whiten, new_in, new_out, float(guard.log_lambda)).eval()
