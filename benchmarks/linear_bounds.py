"""A certified guard whose bounds are linear ones, tighter than intervals, for more work: to try out what tightness buys.

Intervals lose what two layers do together. A ReLU of z in [l, u], l < 0 < u, lies below the line through (l, 0) and (u, u) and above 0 or z;
with these lines in place of the ReLUs the score is bounded by one linear function of the pixels, found from the last layer backwards,
whose largest value in the box is plain (CROWN, Zhang et al. 2018; with interval bounds of the z, as in CROWN-IBP, Zhang et al. 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from openset.heads import CertifiedGuard
from openset.heads._layers import applied, sized


class LinearBounds(CertifiedGuard):
    """`upper` is the lower of both bounds; all else is the guard's."""

    def upper(self, low: Tensor, high: Tensor) -> Tensor:
        """[B]: no pixels between low and high [B, 3, H, W] have a larger score, but for rounding."""
        boxes, sums = [(low, high) if self.front is None else self.front.interval(low, high)], []
        for layer in self.layers:
            least, most = boxes[-1]
            middle, spread = applied(layer, (least + most) / 2), sized(layer, (most - least) / 2)
            sums.append((middle - spread, middle + spread))
            boxes.append((F.relu(middle - spread), F.relu(middle + spread)))
        a = self.last().expand(len(low), -1)
        total = (self.bias + self.shift).expand(len(low))
        for layer, (least, most), (before, _) in zip(
            reversed(self.layers), reversed(sums), reversed(boxes[:-1]), strict=True
        ):
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            a = a.view_as(least)
            under, over = least.clamp(max=0), most.clamp(min=0)
            steep = over / (over - under).clamp(min=1e-12)
            up, down = a.clamp(min=0), a.clamp(max=0)
            total = total - (up * steep * under).flatten(1).sum(1)
            a = up * steep + down * (most > -least)
            if isinstance(layer, nn.Linear):
                total, a = total + a @ layer.bias, a @ layer.weight
            else:
                assert layer.bias is not None
                total = total + a.sum((2, 3)) @ layer.bias
                a = conv2d_input(list(before.shape), layer.weight, a, layer.stride, layer.padding)
        a = a.view_as(boxes[0][0])
        total = total + (a.clamp(min=0) * boxes[0][1] + a.clamp(max=0) * boxes[0][0]).flatten(1).sum(1)
        outside = (F.relu(low - 1) + F.relu(-high)).flatten(1).sum(1)
        return torch.minimum(total - outside, super().upper(low, high))
