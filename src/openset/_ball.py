"""What every attack shares: the ball, the net in eval mode, and the best point met so far of each image.

The ball is l_inf of radius eps around z, intersected with [0, 1]. The best iterate of each image is kept, z itself
counted (Hein et al. 2019, arXiv 1812.05720, section 4.1, as released), so an attack never gives a worse point than z.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

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


def uniform(shape: tuple[int, ...] | torch.Size, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """U(0, 1) numbers of `like`'s type on its device, drawn where the generator lives."""
    device = like.device if generator is None else generator.device
    return torch.rand(shape, generator=generator, device=device, dtype=like.dtype).to(like.device)


def signs(shape: tuple[int, ...] | torch.Size, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """-1 or 1, a fair coin each."""
    return (uniform(shape, like, generator) < 0.5).to(like.dtype) * 2 - 1


def random_start(z: Tensor, eps: float, generator: torch.Generator | None = None) -> Tensor:
    """The paper's start: project(z + u * U(-eps, eps)) with one u ~ U(0, 1) an image. z: [B, ...]."""
    u = uniform((len(z),), z, generator)
    noise = uniform(z.shape, z, generator) * 2 - 1
    return project(z + noise * spread(eps * u, z), z, eps)


def spread(per_image: Tensor, z: Tensor) -> Tensor:
    """[B] -> [B, 1, 1, ...] with as many dimensions as z."""
    return per_image.view(-1, *[1] * (z.dim() - 1))


def check(z: Tensor, eps: float, **counts: int) -> None:
    """Raises ValueError for a negative eps or count, or pixels outside [0, 1]."""
    bad = [f"{name}={value}" for name, value in {"eps": eps, **counts}.items() if not value >= 0]
    if bad:
        raise ValueError(f"{' and '.join(['eps', *counts])} must be >= 0, got {', '.join(bad)}")
    if len(z) and not (z.min() >= 0 and z.max() <= 1):
        raise ValueError(f"z must lie in [0, 1], got [{z.min().item()}, {z.max().item()}]: divide pixels by 255")


def gradient_of(value: Tensor, x: Tensor) -> Tensor:
    """The gradient of the sum of `value` [B] at x, zero where x does not reach it: a net may cut the graph."""
    if not value.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(value.sum(), x, allow_unused=True)
    return torch.zeros_like(x) if gradient is None else gradient


class Best:
    """The best point so far of each image and its value, from z on. Use inside `evaluating(net)`."""

    def __init__(self, net: nn.Module, z: Tensor, eps: float, objective: Objective) -> None:
        self.net, self.eps, self.objective = net, eps, objective
        self.centre = z.detach().clone()
        self.x = self.centre.clone()
        self.value = self.values(self.x)

    def values(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.objective(self.net(x))

    def project(self, x: Tensor, rows: Tensor | slice = slice(None)) -> Tensor:
        return project(x, self.centre[rows], self.eps)

    def take(self, x: Tensor, value: Tensor) -> None:
        """Keep those of x that are better."""
        better = value > self.value
        self.x = torch.where(spread(better, x), x.detach(), self.x)
        self.value = torch.where(better, value.detach(), self.value)

    def look(self, x: Tensor) -> None:
        """Evaluate the projection of x and keep what is better. x: [B, ...]."""
        x = self.project(x.detach())
        self.take(x, self.values(x))
