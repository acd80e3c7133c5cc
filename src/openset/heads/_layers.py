"""Layers with intervals: what a convolution or a dense layer makes of pictures, of bounds of them, and of their sizes."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn
from torch.nn import functional as F

from .front import Interval


def through(layer: nn.Module, low: Tensor, high: Tensor) -> Interval:
    """The interval behind a layer and a ReLU: its centre goes through the weights, its radius through their sizes."""
    middle, spread = applied(layer, (low + high) / 2), sized(layer, (high - low) / 2)
    return F.relu(middle - spread), F.relu(middle + spread)


def bounded(layers: Iterable[nn.Module]) -> None:
    """Raises ValueError for a layer that `sized` does not bound: neither a dense one nor a convolution padded with zeros, or one of
    a class of its own or with hooks, that may do other things with its weights."""
    for layer in layers:
        known = type(layer) is nn.Linear or (type(layer) is nn.Conv2d and layer.padding_mode == "zeros")
        if not known or layer._forward_hooks or layer._forward_pre_hooks:
            raise ValueError(
                f"{layer} has no interval bounds: give nn.Linear, or nn.Conv2d with zeros as padding, themselves and without hooks"
            )


def applied(layer: nn.Module, x: Tensor) -> Tensor:
    out: Tensor = layer(x.flatten(1) if isinstance(layer, nn.Linear) else x)
    return out


def sized(layer: nn.Module, sizes: Tensor, *, offset: bool = False) -> Tensor:
    """The layer with the sizes of its weights; offset: and of its bias, which is left out otherwise."""
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    bias = layer.bias.abs() if offset and layer.bias is not None else None
    if isinstance(layer, nn.Linear):
        return F.linear(sizes.flatten(1), layer.weight.abs(), bias)
    return F.conv2d(sizes, layer.weight.abs(), bias, layer.stride, layer.padding, layer.dilation, layer.groups)
