"""The pictures of docs/rays.md: confidence along one ray with its exact breakpoints, and two moons, plain, CEDA, ACET.

    python scripts/ray_pictures.py        # about a minute; writes docs/images/ray.png and docs/images/two-moons.png

A two-layer net of 100 units on two moons. Out-points are uniform on a box of +-3; ACET moves each to where the net is
surest inside an l_inf ball of 1, 20 sign-gradient steps. Needs matplotlib, which nothing else here does.
"""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from openset.audit import first_alpha, limits, pieces

matplotlib.use("Agg")
import matplotlib.pyplot as plt

IMAGES = Path(__file__).parents[1] / "docs" / "images"
BOX, EPS, STEPS = 3.0, 1.0, 20


def moons(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """n points [n, 2] around the origin, and their moon, 0 or 1."""
    angle = math.pi * torch.rand(n, generator=generator)
    label = (torch.arange(n) % 2).long()
    upper = torch.stack((angle.cos() - 0.5, angle.sin() - 0.25), 1)
    lower = torch.stack((0.5 - angle.cos(), 0.25 - angle.sin()), 1)
    points = torch.where(label[:, None] == 0, upper, lower)
    return points + 0.08 * torch.randn(n, 2, generator=generator), label


def surest(net: nn.Module, z: Tensor) -> Tensor:
    """Each z moved inside its ball to where the largest log-probability is highest."""
    x = z.clone()
    for _ in range(STEPS):
        x.requires_grad_(True)
        (grad,) = torch.autograd.grad(net(x).log_softmax(1).amax(1).sum(), x)
        x = (z + (x.detach() + EPS / 8 * grad.sign() - z).clamp(-EPS, EPS)).detach()
    return x


def trained(scheme: str, steps: int = 1500) -> nn.Sequential:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    net = nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 2))
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(steps):
        x, y = moons(128, generator)
        loss = F.cross_entropy(net(x), y)
        if scheme != "plain":
            z = BOX * (2 * torch.rand(128, 2, generator=generator) - 1)
            z = z[torch.cdist(z, x).amin(1) > 0.3]  # a point on a moon is no out-point
            z = surest(net, z) if scheme == "ACET" else z
            z = z[torch.cdist(z, x).amin(1) > 0.3]
            loss = (loss + net(z).log_softmax(1).amax(1).mean()) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net.eval()


def two_moons(nets: dict[str, nn.Sequential]) -> None:
    side = torch.linspace(-8, 8, 300)
    grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1).reshape(-1, 2)
    points, label = moons(300, torch.Generator().manual_seed(2))
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    for axis, (name, net) in zip(axes, nets.items(), strict=True):
        with torch.no_grad():
            sure = net(grid).softmax(1).amax(1).reshape(300, 300)
        shown = axis.imshow(sure, extent=(-8, 8, -8, 8), origin="lower", vmin=0.5, vmax=1, cmap="viridis")
        axis.scatter(*points.T, c=label, s=3, cmap="coolwarm")
        around = torch.stack(
            [torch.tensor((math.cos(a), math.sin(a))) for a in torch.linspace(0, 2 * math.pi, 361)[:-1]]
        )
        ends = (limits(net, around).confidence > 0.999).float().mean()
        axis.set_title(f"{name}: {ends:.0%} of directions end above .999", fontsize=10)
    figure.colorbar(shown, ax=axes, label="confidence")
    figure.savefig(IMAGES / "two-moons.png", dpi=90)


def along(nets: dict[str, nn.Sequential]) -> None:
    x = torch.tensor((0.6, 0.8))
    figure, axes = plt.subplots(3, 1, figsize=(8, 7), sharex=True, layout="constrained")
    for axis, (name, net) in zip(axes, nets.items(), strict=True):
        knots = torch.cat([p.alpha[1:] for p in pieces(net, x, start=0.01)])[:-1]
        alphas = torch.logspace(-2, 4, 2000)
        with torch.no_grad():
            axis.plot(alphas, net(alphas[:, None] * x).softmax(1).amax(1), lw=1.5)
        axis.vlines(knots, 0.44, 0.48, lw=0.5, color="gray")
        first = first_alpha(net, x, t=0.999, start=0.01).alpha
        if first is not None:
            axis.axvline(first, color="crimson", lw=1)
        reached = "never .999" if first is None else f".999 first at {first:.4g}"
        axis.set(xscale="log", xlim=(0.01, 1e4), ylim=(0.43, 1.03), ylabel="confidence")
        axis.set_title(f"{name}: {reached}; {len(knots)} breakpoints (gray)", fontsize=10)
    axes[-1].set_xlabel("alpha")
    figure.savefig(IMAGES / "ray.png", dpi=90)


if __name__ == "__main__":
    torch.set_num_threads(1)
    made = {scheme: trained(scheme) for scheme in ("plain", "CEDA", "ACET")}
    two_moons(made)
    along(made)
