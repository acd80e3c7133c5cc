"""`openset.wrap`: a classifier that is already trained gets heads, thresholds and a judge file, without retraining.

Users' own nets, torchvision's, timm's: anything from pixels to one row of logits a picture. What is usually wrong with such a net
in use is looked for first (`Wrapped.checks`): a batch-norm left in training mode, probabilities where logits are meant, a net
that is not deterministic or mixes the pictures of a batch, a gray net. Nothing of the given net is changed: a copy is wrapped.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import get_args

import numpy as np
import torch
from torch import nn

from ._weights import load_state
from ._wrapchecks import (
    Check,
    channels_of,
    copied,
    gradient_check,
    last_linear,
    mode_check,
    numbers,
    output_check,
    range_check,
)
from ._wrapfit import HEADS, HeadName
from ._wrapped import How, Wrapped
from .errors import TrainingError
from .types import Preprocess, ResizeMode

__all__ = ["HEADS", "HeadName", "Wrapped", "wrap"]


def wrap(
    model: nn.Module,
    *,
    labels: Sequence[str],
    size: int,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    mode: ResizeMode = "stretch",
    weights: str | os.PathLike[str] | None = None,
) -> Wrapped:
    """Wrap a trained classifier. model: normalised pixels [B, C, H, W] -> logits [B, K]; C is 3, or 1 (gray, by luma).

    labels: the K names, in the order of the logits. mean, std: what training subtracted from pixels in [0, 1] and divided by, one number or
    one a channel; default: nothing. size, mode: how pictures become pixels (`openset.types.Preprocess`). weights: a state dict
    loaded first, safetensors or torch's without pickled code. Raises TrainingError, by name,
    for what cannot be a judge: another number of outputs, four-channel nets, batch-norm without running statistics, outputs that
    are not finite, are decisions, differ between two calls, or depend on the other pictures of a batch or on its size.
    """
    names = () if labels is None else tuple(labels)
    if (
        isinstance(labels, str)
        or not all(isinstance(n, str) and n for n in names)
        or len(set(names)) != len(names)
        or len(names) < 2
    ):
        raise TrainingError(
            f"labels={list(names)!r} cannot be: give at least two different names, as logits are ordered"
        )
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1 or mode not in get_args(ResizeMode):
        raise TrainingError(
            f"size={size!r}, mode={mode!r} cannot be: size is one whole number, the side in pixels; mode one of "
            f"{', '.join(get_args(ResizeMode))}"
        )
    size = int(size)
    body, checks = copied(model), []
    if weights is not None:
        load_state(body, os.fspath(weights), type(model).__name__)
    checks.append(mode_check(body))
    body.eval()
    pixels = torch.rand((4, 3, size, size), generator=torch.Generator().manual_seed(0))
    channels = channels_of(body, pixels)
    how = How(channels, numbers("mean", mean, channels, 0.0), numbers("std", std, channels, 1.0))
    if min(how.std) <= 0:
        raise TrainingError(f"std={list(how.std)} cannot be: it divides the pixels, so it must be above 0")
    wrapped = Wrapped(body, names, Preprocess(mode=mode, size=size), how)
    outputs, probabilities = output_check(wrapped, pixels, len(names))
    with torch.no_grad():
        wrapped.is_cast = wrapped(pixels[:2]).dtype != torch.float32
    wrapped.is_probability = probabilities
    checks.append(outputs)
    if not probabilities:
        wrapped.last_name = last_linear(body, wrapped.inputs(pixels), len(names))
    checks.append(range_check(how.mean, how.std, given=mean is not None or std is not None))
    checks.append(gradient_check(wrapped, pixels))
    if channels == 1:
        checks.append(Check("channels", True, "a gray net: pictures are turned to luma"))
    wrapped.checks = tuple(checks)
    return wrapped.eval()
