"""`openset.wrap`: a classifier that is already trained gets heads, thresholds and a judge file, without retraining.

Users' own nets, torchvision's, timm's: anything from pixels to one row of logits a picture. What is usually wrong with such a net
in use is looked for first (`Wrapped.checks`): a batch-norm left in training mode, probabilities where logits are meant, a net
that is not deterministic or mixes the pictures of a batch, a gray net. Nothing of the given net is changed: a copy is wrapped.
"""

from __future__ import annotations

import os
import unicodedata
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
    shapes_check,
)
from ._wrapfit import HEADS, HeadName
from ._wrapped import How, Wrapped
from .errors import TrainingError
from .export import parity_shapes
from .types import MAX_SIDE, Preprocess, ResizeMode

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

    labels: the K names, in the order of the logits; kept in Unicode's composed form (NFC), as class folders' are. mean, std:
    what training subtracted from pixels in [0, 1] and divided by, one number or one a channel; default: nothing. size, mode: how pictures become pixels (`openset.types.Preprocess`). weights: a state dict
    loaded first, safetensors or torch's without pickled code. Raises TrainingError, by name,
    for what cannot be a judge: another number of outputs, four-channel nets, batch-norm without running statistics, outputs that
    are not finite, are decisions, differ between two calls, or depend on the other pictures of a batch or on its size; with mode "fit" nets
    that fail on pictures of other shapes.
    """
    try:
        given = tuple(labels)
    except TypeError:  # such as their number
        given = (labels,)  # type: ignore[assignment]
    names = tuple(unicodedata.normalize("NFC", n) if isinstance(n, str) else n for n in given)
    if (
        isinstance(labels, str)
        or not all(isinstance(n, str) and n for n in names)
        or len(set(names)) != len(names)
        or len(names) < 2
    ):
        raise TrainingError(
            f"labels={list(names)!r} cannot be: give at least two different names, as logits are ordered"
        )
    whole = isinstance(size, int | np.integer) and not isinstance(size, bool)
    if not whole or not 1 <= size <= MAX_SIDE or mode not in get_args(ResizeMode):
        raise TrainingError(
            f"size={size!r}, mode={mode!r} cannot be: size is one whole number, the side in pixels, at most {MAX_SIDE:,}; mode "
            f"one of {', '.join(get_args(ResizeMode))}"
        )
    if weights is not None and not isinstance(weights, str | os.PathLike):
        raise TrainingError(
            f"weights is of type {type(weights).__name__}: give the path of a file, or load them with model.load_state_dict first"
        )
    with torch.inference_mode(False):  # callers may have switched gradients off
        return _looked_at(model, names, Preprocess(mode=mode, size=int(size)), mean, std, weights)


def _looked_at(
    model: nn.Module, names: tuple[str, ...], preprocess: Preprocess, mean: Sequence[float] | float | None,
    std: Sequence[float] | float | None, weights: str | os.PathLike[str] | None,
) -> Wrapped:  # fmt: skip
    """A copy, wrapped, with what the checks found. Raises TrainingError."""
    body, checks, size = copied(model), [], preprocess.size
    if weights is not None:
        load_state(body, os.fspath(weights), type(model).__name__)
    checks.append(mode_check(body))
    body.eval()
    pixels = torch.rand((4, 3, size, size), generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    channels = channels_of(body, pixels)
    how = How(channels, numbers("mean", mean, channels, 0.0), numbers("std", std, channels, 1.0))
    if min(how.std) <= 0:
        raise TrainingError(f"std={list(how.std)} cannot be: it divides the pixels, so it must be above 0")
    wrapped = Wrapped(body, names, preprocess, how)
    outputs, probabilities = output_check(wrapped, pixels, len(names))
    with torch.no_grad():
        wrapped.is_cast = wrapped(pixels[:2]).dtype != torch.float32
    wrapped.is_probability = probabilities
    shapes_check(wrapped, parity_shapes(preprocess)[1:], len(names))
    checks.append(outputs)
    if not probabilities:
        wrapped.last_name = last_linear(body, wrapped.inputs(pixels), len(names))
    checks.append(range_check(how.mean, how.std, given=mean is not None or std is not None))
    checks.append(gradient_check(wrapped, pixels))
    if channels == 1:
        checks.append(Check("channels", True, "a gray net: pictures are turned to luma"))
    wrapped.checks = tuple(checks)
    return wrapped.eval()
