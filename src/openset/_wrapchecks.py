"""What is usually wrong with a net that is put to use, looked for when it is wrapped; what cannot be a judge is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .errors import TrainingError


@dataclass(frozen=True)
class Check:
    """One thing looked at. ok: nothing to do. said: what was found, and what was done or is to do. kind: measured."""

    name: str
    ok: bool
    said: str
    kind: str = "measured"


def mode_check(body: nn.Module) -> Check:
    norms = [(n, m) for n, m in body.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    without = [name for name, module in norms if module.running_mean is None]
    if without:
        raise TrainingError(
            f"batch-norm {without[0]!r} keeps no running statistics, so answers depend on the batch: train it with them"
        )
    on = [name for name, module in body.named_modules() if name and module.training and not list(module.children())]
    if not on:
        return Check("eval mode", True, "all layers are in eval mode")
    return Check(
        "eval mode",
        False,
        f"{len(on)} layers were left in training mode ({', '.join(on[:3])}): the copy is in eval mode",
    )


def channels_of(body: nn.Module, pixels: Tensor) -> int:
    """How many channels the net takes: 3, or 1. Raises TrainingError for others and for nets that fail."""
    errors = {}
    for channels, x in ((3, pixels), (1, pixels[:, :1]), (4, torch.cat((pixels, pixels[:, :1]), 1))):
        try:
            with torch.no_grad():
                body(x)
        except Exception as error:  # whatever a stranger's net raises
            errors[channels] = error
            continue
        if channels == 4:
            raise TrainingError(
                "the net takes four channels: a judge sees red, green and blue. Wrap a net of three, or of gray"
            )
        return channels
    raise TrainingError(
        f"the net fails on pixels {list(pixels.shape)}: {str(errors[3])[:300]}. Check --size and what its forward takes"
    ) from errors[3]


def numbers(name: str, given: Sequence[float] | None, channels: int, default: float) -> tuple[float, ...]:
    values = (default,) if given is None else tuple(float(v) for v in given)
    if len(values) not in (1, channels):
        raise TrainingError(f"{name}={list(values)} has {len(values)} numbers: give 1 or {channels}, one a channel")
    return values * channels if len(values) == 1 else values


def output_check(net: nn.Module, pixels: Tensor, classes: int) -> tuple[Check, bool]:
    """Are these the logits of a judge? Gives the check, and whether they are probabilities. Raises TrainingError by name."""
    with torch.no_grad():
        said, again, alone = net(pixels), net(pixels), net(pixels[:1])
    if not isinstance(said, Tensor) or said.shape != (len(pixels), classes):
        shape = list(said.shape) if isinstance(said, Tensor) else type(said).__name__
        raise TrainingError(
            f"the net gives {shape} for 4 pictures and there are {classes} labels: expected [4, {classes}]"
        )
    if not torch.isfinite(said).all():
        raise TrainingError(
            "the net gives numbers that are not finite on pixels in [0, 1]: check its weights, mean and std"
        )
    if not torch.equal(said, again):
        raise TrainingError(
            "two calls with the same pixels differ: a judge must be deterministic; remove what draws at random"
        )
    if not torch.allclose(said[:1], alone, rtol=1e-3, atol=1e-4):
        raise TrainingError(
            "a picture's logits depend on the other pictures of its batch: a judge must answer for each alone"
        )
    sums = said.sum(1)
    if bool((said >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-4):
        return Check(
            "logits", False, "it gives probabilities, not logits: their logarithm is used, of which softmax is the same"
        ), True
    return Check("logits", True, "rows are not probabilities"), False


def gradient_check(net: nn.Module, pixels: Tensor) -> Check:
    x = pixels.clone().requires_grad_(True)
    try:
        (slope,) = torch.autograd.grad(net(x).logsumexp(1).sum(), x)
        seen = bool(torch.isfinite(slope).all() and slope.abs().max() > 0)
    except RuntimeError:
        seen = False
    return Check(
        "gradient", seen,
        "gradients reach the pixels" if seen else "no gradient reaches the pixels: gradient attacks will say nothing of this net",
    )  # fmt: skip
