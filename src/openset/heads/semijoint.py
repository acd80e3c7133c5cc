"""Semi-joint training (ProoD): outlier exposure of the net under a certified guard that stays as it is.

Meinke, Bitterwolf, Hein 2022 (arXiv 2106.04260), section 3.3: with p(k | x) the guarded probabilities, over pictures x of class y
and pictures z of none, the guard fixed,

    loss = mean -log p(y | x) + weight * mean over z and k of -log p(k | z)

and only the net learns. Certificates are the guard's alone, so all of them stay. What the guard refuses anyway gives the net
next to no gradient: the net learns on those out-pictures that the guard lets through. With a class that refuses, the loss
outside is -log p(refuse | z).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from ._pictures import check_loss, check_plan, checked, seeded
from .certified import CertifiedGuard


@torch.inference_mode(False)  # callers may have switched gradients off
def fit_semi_jointly(
    net: nn.Module,
    guard: CertifiedGuard,
    inside: Tensor,
    targets: ArrayLike,
    outside: Tensor,
    *,
    steps: int = 500,
    batch: int = 64,
    lr: float = 1e-4,
    weight: float = 1.0,
    seed: int = 0,
    tell: Callable[[int, int, float], None] = lambda *_: None,
) -> nn.Module:
    """Fine-tune a copy of `net` under `guard` by Adam, lr falling to 0 as a cosine; gives the copy, in eval mode.

    net: pixels [B, 3, H, W] in [0, 1] -> logits [B, K]; it and the guard are left as they are. inside: [N, 3, H, W] with targets [N],
    0 to K - 1; outside: [M, 3, H, W], no class. seed: of the batches and of the net's dropout. tell(step, steps, loss). Raises
    ValueError for shapes, one-hot targets, a net that is frozen, steps or batch below 1 or a weight below 0, TrainingError where the loss is not finite.
    Not joint training: the guard learns nothing.
    """
    check_plan(steps, batch, weight)
    net, truth = checked(net, inside, targets, outside)
    optimiser = torch.optim.Adam(net.train().parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    g = torch.Generator().manual_seed(seed)
    with seeded(seed), torch.enable_grad():
        for step in range(steps):
            rows, others = (torch.randint(len(part), (batch,), generator=g) for part in (inside, outside))
            pixels = torch.cat((inside[rows], outside[others]))
            with torch.no_grad():
                odds = guard.score(pixels)
            log_p = guard.believing(net(pixels), odds)
            away = log_p[batch:]
            out = away.mean() if guard.refuse is None else away[:, guard.refuse].mean()
            loss = F.nll_loss(log_p[:batch], truth[rows]) - weight * out
            check_loss(loss, step + 1, lr)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            tell(step + 1, steps, loss.item())
    return net.eval()
