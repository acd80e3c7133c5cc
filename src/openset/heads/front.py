"""A front end for certified guards on thin lines: what is darker or lighter than all around it, with tight interval bounds.

A closing (Serra 1982, Image Analysis and Mathematical Morphology) fills what is dark and narrower than its square window; the picture taken from it
leaves the narrow dark lines (the black top-hat), and the same upside down the light ones. Minima and maxima over windows rise with every pixel, so
their bounds over a ball are attained: closing(x + eps) = closing(x) + eps inside the box. A steep ramp then says for
each threshold whether a pixel's contrast is above it. An interval of contrast that lies on one side of the ramp becomes a point, so a
ball smaller than the lines are strong leaves most pixels exactly known, where a convolution of pixels adds up every width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Interval = tuple[Tensor, Tensor]
STEPS = 16  # roundings from a pixel to what comes out, at most


class TopHats(nn.Module):
    """Pixels [B, C, H, W] in [0, 1] -> [B, 2 * windows * thresholds, H / 2, W / 2] in [0, 1], gray first, 2 x 2 averaged last.

    windows: sides in pixels, odd and above 1. thresholds: contrasts at which a ramp of width `ramp` begins. Raises ValueError otherwise.
    """

    def __init__(
        self, windows: Sequence[int] = (5, 13), thresholds: Sequence[float] = (0.06, 0.2), ramp: float = 0.08
    ) -> None:
        super().__init__()
        if not windows or any(side < 3 or side % 2 == 0 for side in windows):
            raise ValueError(f"windows {tuple(windows)} must be odd numbers of pixels, 3 or more")
        if not thresholds or not all(0 <= t < 1 for t in thresholds) or not 0 < ramp <= 1:
            raise ValueError(f"thresholds {tuple(thresholds)} must lie in [0, 1) and ramp {ramp} in (0, 1]")
        self.windows, self.thresholds, self.ramp = tuple(windows), tuple(thresholds), ramp

    def forward(self, pixels: Tensor) -> Tensor:
        x, hats = pixels.mean(1, keepdim=True), []
        for side in self.windows:
            hats += [closing(x, side) - x, x + closing(-x, side)]
        return self._ramps(torch.cat(hats, 1))

    def interval(self, low: Tensor, high: Tensor) -> Interval:
        """Bounds of what comes out, for all pixels between low and high."""
        low, high = low.mean(1, keepdim=True), high.mean(1, keepdim=True)
        lows, highs = [], []
        for side in self.windows:
            closed = (closing(low, side), closing(high, side))
            opened = (-closing(-low, side), -closing(-high, side))
            lows += [closed[0] - high, low - opened[1]]
            highs += [closed[1] - low, high - opened[0]]
        return self._ramps(torch.cat(lows, 1)), self._ramps(torch.cat(highs, 1))

    def _ramps(self, contrast: Tensor) -> Tensor:
        ramps = [((contrast - t) / self.ramp).clamp(0, 1) for t in self.thresholds]
        return F.avg_pool2d(torch.cat(ramps, 1), 2)

    def sizes(self, pixels: Tensor) -> Tensor:
        """What comes out with all signs dropped and nothing clamped: rounding errs by at most STEPS units in its last place."""
        largest = (2 * pixels.abs().amax() + max(self.thresholds)) / self.ramp
        return torch.ones_like(self(pixels)) * largest


def closing(x: Tensor, side: int) -> Tensor:
    """[B, 1, H, W]: the least, over the windows of side x side that hold a pixel, of the largest in the window; windows end at the edges."""
    return -_largest(-_largest(x, side), side)


def _largest(x: Tensor, side: int) -> Tensor:
    for dim in (-1, -2):
        reach = (side // 2, side // 2)
        x = F.pad(x, reach if dim == -1 else (0, 0, *reach), value=-math.inf)
        done = 1
        while done < side:  # each element is the largest of `done` that begin with it
            step = min(done, side - done)
            n = x.shape[dim] - step
            x = torch.maximum(x.narrow(dim, 0, n), x.narrow(dim, step, n))
            done += step
    return x
