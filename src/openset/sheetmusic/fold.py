"""Batch-norm folded into the convolution before it: the same function in eval mode, with less to compute."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from .net import Backbone, Block

N = TypeVar("N", bound=nn.Module)


def folded(net: N) -> N:
    """A copy in eval mode of a net of blocks; its batch-norms are the identity. Of a folded net it is a plain copy."""
    made = copy.deepcopy(net).eval()
    pairs = [(conv, norm) for conv, norm in _joined(made) if isinstance(norm, nn.BatchNorm2d)]
    for conv, norm in pairs:
        conv.bias = nn.Parameter(torch.zeros(conv.out_channels))
        _fold(conv, conv, norm)
    for module in made.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    return made


def refold(made: Backbone, net: Backbone) -> None:
    """Give `made`, which was `folded(net)`, the weights and statistics that `net` has now."""
    for (to, _), (conv, norm) in zip(_joined(made), _joined(net), strict=True):
        assert isinstance(norm, nn.BatchNorm2d)
        _fold(to, conv, norm)
    made.head.load_state_dict(net.head.state_dict())


def _joined(net: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.Module]]:
    """Each convolution and what stands where its batch-norm was."""
    for module in net.modules():
        if isinstance(module, Block):
            yield from ((module.conv1, module.norm1), (module.conv2, module.norm2))
        elif isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[0], nn.Conv2d):
            yield module[0], module[1]


def _fold(to: nn.Conv2d, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        conv.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    with torch.no_grad():
        to.weight.copy_(weight)
        assert to.bias is not None
        to.bias.copy_(bias)
