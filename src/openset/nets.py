"""Nets that take pixels in [0, 1] and give logits: gray conversion and normalisation happen inside.

"lenet" and "resnet-small" are the paper's two (Hein, Andriushchenko, Bitterwolf 2019, arXiv 1812.05720, as
released: no input normalisation, TensorFlow's SAME padding; initial weights and the pace of batch-norm's averages are
torch's). "docnet" is a small fully convolutional net for
pages of any shape; white padding at the right and bottom does not change its answer. Any other name is timm's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .errors import TrainingError
from .types import Preprocess

GRAY = (0.299, 0.587, 0.114)


class Net(nn.Module, ABC):
    """A classifier: x, float32 [B, 3, H, W] in [0, 1], to logits [B, classes]. `preprocess` says how a picture becomes x.

    Where it has `features` and `classify`, `forward(x) == classify(features(x))`, features [B, D]: all of ours have them.
    """

    def __init__(self, name: str, classes: int, preprocess: Preprocess) -> None:
        super().__init__()
        self.name, self.classes, self.preprocess = name, classes, preprocess

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...


class FeatureNet(Net):
    """A net with features [B, D]. Subclasses define `features` and the last layer `head`."""

    def __init__(self, name: str, classes: int, preprocess: Preprocess) -> None:
        super().__init__(name, classes, preprocess)
        self.head: nn.Module = nn.Identity()  # first, since the optimiser's tensors in a run's state go by this order

    @abstractmethod
    def features(self, x: Tensor) -> Tensor: ...

    def classify(self, features: Tensor) -> Tensor:
        return self.head(features)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x))


def gray(x: Tensor) -> Tensor:
    """[B, 3, H, W] -> [B, 1, H, W], the luma of ITU-R BT.601; white stays exactly 1 up to float rounding."""
    weights = torch.tensor(GRAY, dtype=x.dtype, device=x.device).view(1, 3, 1, 1)
    return (x * weights).sum(1, keepdim=True)


class LeNet(FeatureNet):
    """The paper's MNIST net on gray 28 x 28: conv5-32, pool, conv5-64, pool, fc-1024, linear. 3.27 M parameters."""

    def __init__(self, classes: int) -> None:
        super().__init__("lenet", classes, Preprocess(mode="stretch", size=28))
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 5, padding=2), nn.Conv2d(32, 64, 5, padding=2)
        self.fc = nn.Linear(7 * 7 * 64, 1024)
        self.head = nn.Linear(1024, classes)

    def features(self, x: Tensor) -> Tensor:
        h = F.max_pool2d(F.relu(self.conv1(gray(x))), 2)
        h = F.max_pool2d(F.relu(self.conv2(h)), 2)
        return F.relu(self.fc(h.flatten(1)))


class SameConv(nn.Conv2d):
    """3 x 3 convolution without bias, padded as TensorFlow's SAME: with stride 2 on even sides, right and bottom."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, 3, stride=stride, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        s = self.stride[0]
        rows, cols = ((-(-n // s) - 1) * s + 3 - n for n in input.shape[-2:])
        padded = F.pad(input, (cols // 2, cols - cols // 2, rows // 2, rows - rows // 2))
        return self._conv_forward(padded, self.weight, self.bias)


class PreBlock(nn.Module):
    """Pre-activation basic block. `shared`: the first batch-norm and ReLU also feed the shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, shared: bool) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs, eps=1e-5), SameConv(inputs, outputs, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs, eps=1e-5), SameConv(outputs, outputs, 1)
        self.stride, self.shared, self.extra = stride, shared, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x))
        shortcut = active if self.shared else x
        if self.stride > 1:  # an odd side keeps its last row and column, averaged over what is there
            shortcut = F.avg_pool2d(shortcut, self.stride, ceil_mode=True, count_include_pad=False)
        if self.extra:
            half = self.extra // 2
            shortcut = F.pad(shortcut, (0, 0, 0, 0, half, self.extra - half))
        return shortcut + self.conv2(F.relu(self.bn2(self.conv1(active))))


class ResNetSmall(FeatureNet):
    """The paper's net for 32 x 32 colour: 3x3 conv to 16; three groups (16, 32, 64) of three pre-activation blocks.

    The first block of every group shares its activation with its shortcut, as in the released nets.
    """

    def __init__(self, classes: int) -> None:
        super().__init__("resnet-small", classes, Preprocess(mode="stretch", size=32))
        self.conv = SameConv(3, 16, 1)
        widths = ((16, 16, 1), (16, 32, 2), (32, 64, 2))
        self.blocks = nn.Sequential(
            *(
                PreBlock(a if i == 0 else b, b, stride if i == 0 else 1, shared=i == 0)
                for a, b, stride in widths
                for i in range(3)
            )
        )
        self.bn = nn.BatchNorm2d(64, eps=1e-5)
        self.head = nn.Linear(64, classes)

    def features(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.blocks(self.conv(x)))).mean((2, 3))


class MaskedBlock(nn.Module):
    """Two 3x3 convolutions with batch-norm and a shortcut; cells outside the page stay exactly 0."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x))) * mask
        return F.relu(self.bn2(self.conv2(h)) + self.skip(x)) * mask


class DocNet(FeatureNet):
    """A page of any shape -> logits; gray, ink = 1 - gray, four halvings, mean and learned-attention pooling.

    The page is the rectangle from the top left corner to the last row and column that are not pure white (above
    254.5 / 255). Every layer is 0 outside it and the pooling counts only its cells, so white padding at the right
    and bottom changes nothing (up to float rounding), whatever the batch pads to. 0.52 M parameters.
    """

    def __init__(self, classes: int) -> None:
        super().__init__("docnet", classes, Preprocess(mode="fit", size=256, multiple=16))
        self.stem = nn.Conv2d(1, 16, 5, stride=2, padding=2, bias=False)
        self.bn = nn.BatchNorm2d(16)
        widths = (16, 32, 64, 128)
        self.blocks = nn.ModuleList(MaskedBlock(a, b, 2) for a, b in pairwise(widths))
        self.last = MaskedBlock(128, 128, 1)
        self.attention = nn.Conv2d(128, 1, 1)
        self.head = nn.Linear(256, classes)
        for module in self.modules():  # He et al. 2015: variances near 1, where batch-norm's statistics start
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def features(self, x: Tensor) -> Tensor:
        ink = 1 - gray(x)
        mask = page_mask(ink)
        mask = F.max_pool2d(mask, 2, ceil_mode=True)  # a convolution of stride 2 keeps the last row of an odd side
        h = F.relu(self.bn(self.stem(ink))) * mask
        for block in self.blocks:
            mask = F.max_pool2d(mask, 2, ceil_mode=True)
            h = block(h, mask)
        h = self.last(h, mask)
        score = self.attention(h).tanh() * 4  # bounded: exp needs no maximum, so no cell outside the page matters
        weight = score.exp() * mask
        mean = (h * mask).sum((2, 3)) / mask.sum((2, 3))
        attended = (h * weight).sum((2, 3)) / weight.sum((2, 3))
        return torch.cat((mean, attended), 1)


def page_mask(ink: Tensor) -> Tensor:
    """[B, 1, H, W] ink (0 is white) -> 1 inside the page's rectangle, else 0; a blank page keeps its first cell."""
    mask = (ink.detach() > 0.5 / 255).to(ink.dtype)
    rows, cols = mask.amax(3, keepdim=True), mask.amax(2, keepdim=True)
    down = torch.arange(1, ink.shape[2] + 1, dtype=ink.dtype, device=ink.device).view(1, 1, -1, 1)
    along = torch.arange(1, ink.shape[3] + 1, dtype=ink.dtype, device=ink.device).view(1, 1, 1, -1)
    height = (rows * down).amax(2, keepdim=True).clamp(min=1)
    width = (cols * along).amax(3, keepdim=True).clamp(min=1)
    return (down <= height).to(ink.dtype) * (along <= width).to(ink.dtype)


OWN: dict[str, Callable[[int], FeatureNet]] = {"docnet": DocNet, "lenet": LeNet, "resnet-small": ResNetSmall}


def check_name(name: str, *, pretrained: bool = False) -> None:
    """Raises TrainingError for a name that `build` does not know, or pretrained weights of a net that has none; builds nothing."""
    if name not in OWN:
        from ._weights import check_timm  # timm takes seconds to import: only where it is used

        check_timm(name.removeprefix("timm:"))
    elif pretrained:
        raise TrainingError(
            f"there are no pretrained weights for {name!r}: leave pretrained out, give weights=FILE, or name a timm net"
        )


def build(
    name: str, classes: int, *, size: int | None = None, pretrained: bool = False, weights: str | None = None
) -> Net:
    """The net called `name` ("docnet", "lenet", "resnet-small", "timm:<name>" or a bare timm name), `classes` logits.

    size: the side of its pictures, for those of timm's nets that are made for one. pretrained: timm's own weights, fetched or found in the local cache. weights: a safetensors or torch file (read
    with `weights_only=True`); a classifier of another class count is left at its random start, and said aloud.
    Raises TrainingError for an unknown name, weights that cannot be had, or a file that does not fit.
    """
    if classes < 2:
        raise TrainingError(f"a net needs at least 2 classes, got {classes}: add a class folder or --out folders")
    from ._weights import load_weights, timm_net  # timm takes seconds to import: only where it is used

    check_name(name, pretrained=pretrained)
    if name in OWN:
        net: Net = OWN[name](classes)
    else:
        net = timm_net(name.removeprefix("timm:"), classes, pretrained, size)
    if weights is not None:
        load_weights(net, weights)
    return net
