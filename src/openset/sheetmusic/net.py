"""The sheet-music net: one small fully convolutional backbone read at three scales, and a learned pooling.

A page of 1,024 pixels is read at 1, 1/2 and 1/4 of its size by the same 0.5 M-parameter backbone (stride 16), which
answers for every cell: sheet music, other, or neither (out-distribution). The page's answer is a small learned function of
how much evidence there is and how strong, at each scale; not the single best cell (max pooling lets one bad cell decide).

Three inner classes, two labels: the mass of "neither" is shared out evenly, P(sheet) = q_sheet + q_out / 2. A shared
background class and outlier exposure to the uniform have the same optimum (Bitterwolf et al. 2022, arXiv 2206.09880).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..types import Preprocess

LABELS = ("sheet_music", "other")
SHEET, OTHER, OUT = 0, 1, 2
STRIDE = 16
SCALES = (1, 2, 4)
PREPROCESS = Preprocess(mode="fit", size=1024, multiple=64, min_side=64)


class Block(nn.Module):
    """Two 3 x 3 convolutions with batch-norm around a shortcut."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


def down(inside: int, outside: int) -> nn.Sequential:
    """Halve the picture."""
    conv = nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside), nn.ReLU())


class Backbone(nn.Module):
    """Gray [B, 1, H, W], 0 ink and 1 paper -> logits of the cells [B, 3, H/16, W/16]. Sees about 300 pixels a cell."""

    def __init__(self, widths: tuple[int, int, int, int] = (12, 24, 48, 96)) -> None:
        super().__init__()
        a, b, c, d = widths
        self.body = nn.Sequential(
            down(1, a), down(a, b), Block(b), down(b, c), Block(c), Block(c), down(c, d), Block(d), Block(d, 2)
        )
        self.head = nn.Conv2d(d, 3, 1)

    def forward(self, gray: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.body(2 * gray - 1)))
