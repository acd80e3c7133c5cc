"""The sheet-music net: one small fully convolutional backbone read at three scales, and a learned pooling.

A page of 1,024 pixels is read at 1, 1/2 and 1/4 of its size by the same 0.5 M-parameter backbone (stride 16), which
answers for every cell: sheet music, other, or neither (out-distribution). The page's answer is a small learned
function of how much evidence there is and how strong, at each scale; not the single best cell (max pooling lets one
bad cell decide). A second backbone, narrower and trained apart, reads the page as well, and it is sheet music as far as both say
so: they err on different pages.

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
SCALES = (1, 2, 4)  # the page is divided by
Widths = tuple[int, int, int, int]
WIDE: Widths = (12, 24, 48, 96)
NARROW: Widths = (8, 16, 32, 64)  # two fifths of the time
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

    def __init__(self, widths: Widths = WIDE) -> None:
        super().__init__()
        a, b, c, d = widths
        self.body = nn.Sequential(
            down(1, a), down(a, b), Block(b), down(b, c), Block(c), Block(c), down(c, d), Block(d), Block(d, 2)
        )
        self.head = nn.Conv2d(d, 3, 1)

    def forward(self, gray: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.body(2 * gray - 1)))


def ink(gray: Tensor) -> Tensor:
    """[B, 1, H, W] -> [B, H/16, W/16]: the spread (max - min) of the gray within 24 pixels of each cell's centre."""
    high = F.max_pool2d(gray, STRIDE, STRIDE)
    dark = F.max_pool2d(-gray, STRIDE, STRIDE)
    return (F.max_pool2d(high, 3, 1, 1) + F.max_pool2d(dark, 3, 1, 1)).squeeze(1)


FEATURES = 9


def evidence(logits: Tensor) -> Tensor:
    """[B, 3, h, w] -> [B, 1, h, w]: the log-odds of sheet music, clipped to 8."""
    return (logits[:, SHEET] - torch.logsumexp(logits[:, OTHER:], 1)).clamp(-8, 8).unsqueeze(1)


def inked(spread: Tensor) -> Tensor:
    """Ink [B, h, w] -> [B, h, w] in (0, 1): is there any?"""
    return torch.sigmoid(40 * (spread - 0.12))


def pooled(logits: Tensor, spread: Tensor) -> Tensor:
    """One scale's evidence, pooled: cell logits [B, 3, h, w] and ink [B, h, w] -> [B, 9].

    Evidence is the log-odds of sheet music, clipped to 8 and averaged over 3 x 3 cells, so that a lone cell counts for
    little. The nine: how many cells are likely, and very likely, sheet music (log), their share of the inked cells,
    the soft maximum of the evidence over 3 x 3 and over 5 x 5 cells, the inked cells' mean mass on neither and other, the
    evidence of the best inked cell, alone and over 3 x 3 cells.
    """
    odds = evidence(logits)
    near = F.avg_pool2d(odds, 3, 1, 1, count_include_pad=False).flatten(1)
    wide = F.avg_pool2d(odds, 5, 1, 2, count_include_pad=False).flatten(1)
    gate = inked(spread).flatten(1)
    cells = gate.sum(1) + 8
    likely = (gate * torch.sigmoid(2 * near)).sum(1)
    sure = (gate * torch.sigmoid(2 * (near - 3))).sum(1)
    where = torch.log(gate + 1e-6)
    top = (torch.softmax(near + where, 1) * near).sum(1)
    top_wide = (torch.softmax(wide + where, 1) * wide).sum(1)
    mass = torch.softmax(logits, 1).flatten(2)
    neither = (gate * mass[:, OUT]).sum(1) / cells
    other = (gate * mass[:, OTHER]).sum(1) / cells
    best = (gate * (torch.stack([odds.flatten(1), near]) + 8)).amax(2) - 8
    counts = [torch.log1p(likely), torch.log1p(sure), likely / cells]
    return torch.stack([*counts, top, top_wide, neither, other, *best], 1)


class Pooling(nn.Module):
    """The learned pooling: standardised features of all scales [B, 9 scales] -> inner log-probabilities [B, 3].

    The mean of the log-probabilities of several small nets that differ in their random start only.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, scales: int = len(SCALES), hidden: int = 24, members: int = 8) -> None:
        super().__init__()
        n = FEATURES * scales
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("std", torch.ones(n))
        self.members = nn.ModuleList(
            nn.Sequential(nn.Linear(n, hidden), nn.ReLU(), nn.Linear(hidden, 3)) for _ in range(members)
        )

    def looks(self, features: Tensor) -> list[Tensor]:
        """The one look's inner log-probabilities [B, 3]."""
        return [self(features)]

    def each(self, features: Tensor) -> list[Tensor]:
        """Every member's logits [B, 3]."""
        known = ((features - self.mean) / self.std).clamp(-5, 5)
        return [member(known) for member in self.members]

    def forward(self, features: Tensor) -> Tensor:
        return torch.stack([torch.log_softmax(logits, 1) for logits in self.each(features)]).mean(0)


class TwoLooks(nn.Module):
    """Both looks' features [B, 54] -> inner log-probabilities [B, 3].

    P(sheet) is the median of both looks' and 1/2: that of the less sure look where they agree, 1/2 where they do not. So the
    pages accepted at a threshold above 1/2 are those that each look accepts.
    """

    def __init__(self, first: Pooling | None = None, second: Pooling | None = None) -> None:
        super().__init__()
        self.first, self.second = first or Pooling(), second or Pooling()

    def looks(self, features: Tensor) -> list[Tensor]:
        """Each look's inner log-probabilities [B, 3]."""
        split = FEATURES * len(SCALES)
        return [self.first(features[:, :split]), self.second(features[:, split:])]

    def forward(self, features: Tensor) -> Tensor:
        inner = [torch.softmax(look, 1) for look in self.looks(features)]
        leaning = torch.stack([look[:, SHEET] - look[:, OTHER] for look in inner])  # 2 P(sheet) - 1
        agreed = leaning.amin(0).clamp(min=0) + leaning.amax(0).clamp(max=0)
        masses = torch.stack([agreed.clamp(min=0), (-agreed).clamp(min=0), 1 - agreed.abs()], 1)
        return torch.log(masses.clamp(min=1e-12))


class SheetNet(nn.Module):
    """Pixels [B, 3, H, W] in [0, 1], H and W multiples of 64 -> logits [B, 2] of LABELS. second: the second look's backbone;
    None: there is one look, and the pooling is a `Pooling`."""

    name, classes, preprocess = "sheet-music", 2, PREPROCESS

    def __init__(
        self,
        backbone: Backbone | None = None,
        pooling: Pooling | TwoLooks | None = None,
        second: Backbone | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone or Backbone()
        self.second = second
        self.pooling = pooling or (Pooling() if second is None else TwoLooks())

    def maps(self, pixels: Tensor) -> list[tuple[Tensor, Tensor]]:
        """At each scale the cells' logits [B, 3, h, w] and ink [B, h, w]; those of the second look come last."""
        weights = torch.tensor([0.299, 0.587, 0.114], dtype=pixels.dtype).view(1, 3, 1, 1)
        gray = (pixels * weights).sum(1, keepdim=True).clamp(0, 1)
        pages = [gray if scale == 1 else F.avg_pool2d(gray, scale) for scale in SCALES]
        spread = [ink(page) for page in pages]
        looks = [look for look in (self.backbone, self.second) if look is not None]
        return [(look(page), known) for look in looks for page, known in zip(pages, spread, strict=True)]

    def features(self, pixels: Tensor) -> Tensor:
        """[B, 9 a scale]: the evidence at each scale, pooled."""
        return torch.cat([pooled(*scale) for scale in self.maps(pixels)], 1)

    def outputs(self, pixels: Tensor) -> dict[str, Tensor]:
        """logits and probabilities [B, 2]; score [B]: the mass that is not "neither"."""
        inner = torch.softmax(self.pooling(self.features(pixels)), 1)
        probabilities = torch.stack([inner[:, SHEET] + inner[:, OUT] / 2, inner[:, OTHER] + inner[:, OUT] / 2], 1)
        return {
            "logits": torch.log(probabilities.clamp(min=1e-12)),
            "probabilities": probabilities,
            "score": 1 - inner[:, OUT],
        }

    def forward(self, pixels: Tensor) -> Tensor:
        return self.outputs(pixels)["logits"]
