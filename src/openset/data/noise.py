"""Out-distribution noise: the mixture on which CEDA and ACET learn to be quiet.

Half uniform noise, half the given pictures with their pixels permuted; one Gaussian low-pass for the batch; each
picture stretched to [0, 1] (Hein et al. 2019, arXiv 1812.05720, section 5, in the released code's order). Raw noise
that is not low-passed is NOT covered: nets trained on this mixture by CEDA can be overconfident there again.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RADIUS = 7  # a 15 x 15 kernel
SIGMA = (1.0, 2.5)


def paper_noise(images: Tensor, generator: torch.Generator, uniform: float = 0.5, *, own_blurs: bool = False) -> Tensor:
    """As many out-pictures as `images` has. images: float [B, 3, H, W] in [0, 1]; gives the same shape and range.

    The first half (another share with `uniform`, in [0, 1]) is uniform noise, the rest the first pictures permuted; where
    the share is no whole number of pictures a coin drawn from `generator` rounds it, so a batch of one is either kind. One
    blur std ~ U(1.0, 2.5) a batch, as the paper trains; with own_blurs one a picture, for measuring: pictures that share a
    blur are alike, so an interval that takes them for independent is too narrow. Each picture by itself has the same
    distribution. A picture that is constant after the blur stays as it is: it cannot be stretched.
    """
    device = generator.device
    coin, u = torch.rand(2, generator=generator, device=device).tolist()
    wanted = uniform * len(images)
    raws = int(wanted) + (coin < wanted % 1)
    raw = torch.rand((raws, *images.shape[1:]), generator=generator, device=device, dtype=images.dtype)
    mixed = torch.cat((raw.to(images.device), permuted(images[: len(images) - raws], generator)))
    return blurred(mixed, generator) if own_blurs else stretch(low_pass(mixed, SIGMA[0] + (SIGMA[1] - SIGMA[0]) * u))


def blurred(images: Tensor, generator: torch.Generator) -> Tensor:
    """The low-pass with a std of each picture's own, ~ U(1.0, 2.5), then stretched. Shapes and range as `paper_noise`."""
    u = torch.rand(len(images), generator=generator, device=generator.device)
    widths = (SIGMA[0] + (SIGMA[1] - SIGMA[0]) * u).tolist()
    return stretch(torch.cat([images[:0], *(low_pass(x[None], w) for x, w in zip(images, widths, strict=True))]))


def permuted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture with its pixels in a random order of its own; the channels of a pixel move together."""
    b, c, h, w = images.shape
    keys = torch.rand((b, h * w), generator=generator, device=generator.device)
    order = keys.argsort(1).to(images.device)
    return images.flatten(2).gather(2, order[:, None].expand(b, c, h * w)).view(b, c, h, w)


def low_pass(images: Tensor, sigma: float) -> Tensor:
    """Convolution with g(i, j) ~ exp(-(i^2 + j^2) / (2 sigma^2)), |i|, |j| <= 7, scaled to the sum 1; sigma in pixels, > 0.

    Padding is symmetric: the edge pixel is repeated.
    """
    taps = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    kernel = torch.exp(-(taps**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).to(images.device, images.dtype)
    b, c, h, w = images.shape
    x = images.reshape(b * c, 1, h, w)
    x = F.conv2d(x[:, :, _mirror(h, x.device)], kernel.view(1, 1, -1, 1))
    x = F.conv2d(x[:, :, :, _mirror(w, x.device)], kernel.view(1, 1, 1, -1))
    return x.view(b, c, h, w)


def _mirror(n: int, device: torch.device) -> Tensor:
    """Positions -RADIUS .. n + RADIUS - 1 folded into 0 .. n - 1 with the edges repeated, for any n >= 1."""
    folded = torch.arange(-RADIUS, n + RADIUS, device=device) % (2 * n)
    return torch.where(folded < n, folded, 2 * n - 1 - folded)


def stretch(images: Tensor) -> Tensor:
    """(x - min x) / (max x - min x), minimum and maximum over all pixels of a picture; a constant one is left in [0, 1]."""
    if not len(images):
        return images
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    constant = high - low <= 1e-6  # the blur's float rounding is about 1e-7: never blow that up
    return torch.where(constant, images, (images - low) / (high - low + constant)).clamp(0, 1)
