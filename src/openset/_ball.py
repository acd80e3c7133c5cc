"""What every attack shares: the ball, the net in eval mode, and the best point met so far of each image.

The ball is l_inf of radius eps around z, intersected with [0, 1]; points are float32 or float64, for half floats round out
of it. The best iterate of each image is kept, z itself counted (Hein et al. 2019, arXiv 1812.05720, section 4.1, as
released), so an attack never gives a worse point than z, and a number is better than NaN. Nets get copies of the points:
some change their input in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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


def check_kinds(net: nn.Module, others: Sequence[nn.Module] | nn.ModuleList = (), **tensors: Tensor) -> None:
    """Raises TypeError for what is no net, no list of other nets, or no tensor."""
    if not isinstance(net, nn.Module):
        raise TypeError(f"net must be a torch.nn.Module, got {type(net).__name__}: load or wrap it first")
    if not isinstance(others, (Sequence, nn.ModuleList)) or not all(isinstance(one, nn.Module) for one in others):
        raise TypeError(f"others must be a list of torch.nn.Module, got {type(others).__name__}")
    for name, x in tensors.items():
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{name} must be a torch tensor, got {type(x).__name__}: torch.from_numpy makes one of an array"
            )


def check(
    net: nn.Module,
    z: Tensor,
    eps: float,
    *,
    dims: int | None = None,
    generator: object = ...,
    others: Sequence[nn.Module] = (),
    images: Tensor | None = None,
    start: Tensor | None = None,
    **counts: int,
) -> None:
    """What every attack asks of what it is given before it runs the net. generator: left out where none is needed.

    Raises TypeError as `check_kinds`, for no generator and for z below float32; ValueError for eps outside [0, 1], a
    negative count, pixels of z or `images` outside [0, 1], z that has not `dims` dimensions (None: at least 2), images
    or a start that do not fit z. No images at all are fine.
    """
    given = {"z": z} | {name: x for name, x in (("images", images), ("start", start)) if x is not None}
    check_kinds(net, others, **given)
    if generator is not ... and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {type(generator).__name__}: attacks are seeded")
    bad = [f"{name}={value}" for name, value in {"eps": eps, **counts}.items() if not value >= 0]
    if bad:
        raise ValueError(f"{' and '.join(['eps', *counts])} must be >= 0, got {', '.join(bad)}")
    if eps > 1:
        raise ValueError(f"eps={eps!r} cannot be: it must be in [0, 1], the unit of pixels")
    for name, x in given.items():
        if name != "start" and x.numel() and not (x.min() >= 0 and x.max() <= 1):
            raise ValueError(
                f"{name} must lie in [0, 1], got [{x.min().item()}, {x.max().item()}]: divide pixels by 255"
            )
    if z.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"z is {z.dtype}, whose rounding leaves the ball: give float32 pixels; let the net cast inside")
    if z.dim() != dims if dims else z.dim() < 2:
        shape = "[B, C, H, W]" if dims else "[B, ...]"
        raise ValueError(f"z must be a batch {shape}, got {list(z.shape)}: one picture alone is z[None]")
    if images is not None and len(images) and images.shape[1:] != z.shape[1:]:
        raise ValueError(f"images must be [N, ...] of z's pictures {list(z.shape[1:])}, got {list(images.shape)}")
    if start is not None and start.shape != z.shape:
        raise ValueError(f"start must have z's shape {list(z.shape)}, got {list(start.shape)}")


def ask(net: nn.Module, x: Tensor) -> Tensor:
    """The net's logits at x. It gets a copy: some nets change their input in place."""
    return net(x.clone())


def better(new: Tensor, old: Tensor) -> Tensor:
    """Where `new` is larger, or a number where `old` is NaN."""
    return (new > old) | (old.isnan() & ~new.isnan())


def gradient_of(value: Tensor, x: Tensor) -> Tensor:
    """The gradient of the sum of `value` [B] at x, zero where x does not reach it: a net may cut the graph."""
    if not value.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(value.sum(), x, allow_unused=True)
    return torch.zeros_like(x) if gradient is None else gradient


class Best:
    """The best point so far of each image and its value, from z on. Use inside `evaluating(net)`.

    Raises ValueError where the objective does not give one number an image.
    """

    def __init__(self, net: nn.Module, z: Tensor, eps: float, objective: Objective) -> None:
        self.net, self.eps, self.objective = net, eps, objective
        self.centre = z.detach().clone()
        self.x = self.centre.clone()
        self.value = self.values(self.x)

    def values(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            values = self.objective(ask(self.net, x))
        if values.shape != (len(x),):
            raise ValueError(f"objective must give one number an image, [{len(x)}], got {list(values.shape)}")
        return values

    def project(self, x: Tensor, rows: Tensor | slice = slice(None)) -> Tensor:
        return project(x, self.centre[rows], self.eps)

    def take(self, x: Tensor, value: Tensor) -> None:
        """Keep those of x that are better."""
        rises = better(value, self.value)
        self.x = torch.where(spread(rises, x), x.detach(), self.x)
        self.value = torch.where(rises, value.detach(), self.value)

    def look(self, x: Tensor) -> None:
        """Evaluate the projection of x and keep what is better. x: [B, ...]."""
        x = self.project(x.detach())
        self.take(x, self.values(x))
