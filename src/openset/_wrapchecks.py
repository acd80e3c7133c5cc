"""What is usually wrong with a net that is put to use, looked for when it is wrapped; what cannot be a judge is refused by name."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from ._words import counted
from .errors import TrainingError


@dataclass(frozen=True)
class Check:
    """One thing looked at. ok: nothing to do. said: what was found, and what was done or is to do. kind: measured."""

    name: str
    ok: bool
    said: str
    kind: str = "measured"


def copied(model: nn.Module) -> nn.Module:
    """A copy on the CPU in float32. Raises TrainingError for what is no net, or cannot be copied."""
    model = getattr(model, "_orig_mod", model)  # what torch.compile was given
    if not isinstance(model, nn.Module):
        given = f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}"
        raise TrainingError(f"model is {given}: give a torch.nn.Module, made and trained")
    if isinstance(model, torch.jit.ScriptModule):
        raise TrainingError(
            "the net was compiled by torch.jit, which cannot be exported: give the net it was made from"
        )
    lazy = [name for name, p in (*model.named_parameters(), *model.named_buffers()) if nn.parameter.is_lazy(p)]
    if lazy:
        raise TrainingError(
            f"{lazy[0]!r} has no weights yet, the first call would draw them at random: run the net once and load its weights"
        )
    remedy = (
        "Give it real weights, no meta tensors; where it has an old weight_norm or spectral_norm, call "
        "torch.nn.utils.remove_weight_norm or remove_spectral_norm, or use those of nn.utils.parametrizations"
    )
    for name, module in model.named_modules():
        if any(isinstance(hook, SpectralNorm | WeightNorm) for hook in module._forward_pre_hooks.values()):
            raise TrainingError(
                f"the net cannot be copied after a call (an old norm of the weights in {name!r}). {remedy}"
            )
    try:
        return copy.deepcopy(model).cpu().float()
    except (RuntimeError, TypeError) as error:  # meta tensors: a kind of RuntimeError
        raise TrainingError(f"the net cannot be copied ({str(error)[:200]}). {remedy}") from error


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
        f"{counted(len(on), 'layer')} left in training mode ({', '.join(on[:3])}{', ...' * (len(on) > 3)}): the copy is in eval mode",
    )


def channels_of(body: nn.Module, pixels: Tensor) -> int:
    """How many channels the net takes: 3, or 1. Raises TrainingError for others and for nets that fail."""
    errors = {}
    for channels, x in ((3, pixels), (1, pixels[:, :1]), (4, torch.cat((pixels, pixels[:, :1]), 1))):
        try:
            with torch.no_grad():
                body(x.clone())  # which it may write into
        except Exception as error:  # whatever a stranger's net raises
            errors[channels] = error
            continue
        if channels == 4:
            raise TrainingError(
                "the net takes four channels: a judge sees red, green and blue. Wrap a net of three, or of gray"
            )
        return channels
    n, _, height, width = pixels.shape
    raise TrainingError(
        f"the net fails on pixels {list(pixels.shape)}: {str(errors[3])[:300]}; and on gray ones {[n, 1, height, width]}: "
        f"{str(errors[1])[:300]}. Check --size and what its forward takes"
    ) from errors[3]


def numbers(name: str, given: Sequence[float] | float | None, channels: int, default: float) -> tuple[float, ...]:
    try:
        array = np.asarray(default if given is None else given, np.float64)
    except (TypeError, ValueError):
        array = np.full((1, 1), np.nan)
    if array.ndim > 1 or not np.isfinite(array).all():
        raise TrainingError(f"{name}={given!r} cannot be: give one finite number, or one a channel")
    values = tuple(array.reshape(-1).tolist())
    if len(values) not in (1, channels):
        wanted = f"give 1 or {channels}, one a channel" if channels > 1 else "the net is gray: give 1"
        raise TrainingError(f"{name}={list(values)} has {counted(len(values), 'number')}: {wanted}")
    return values * channels if len(values) == 1 else values


def range_check(mean: Sequence[float], std: Sequence[float], given: bool) -> Check:
    """Do mean and std belong to pixels in [0, 1]? What training did is not known; numbers of pixels up to 255 are seen."""
    if max(mean) > 1 or max(std) > 1:
        said = f"mean {list(mean)}, std {list(std)} are no mean and std of pixels in [0, 1]: were they up to 255? Divide by 255"
        return Check("range", False, said)
    if not given:
        said = "pixels are given as they are, in [0, 1]: if training normalised them, give its mean and std"
        return Check("range", False, said)
    return Check("range", True, f"mean {list(mean)}, std {list(std)}")


def output_check(net: nn.Module, pixels: Tensor, classes: int) -> tuple[Check, bool]:
    """Are these the logits of a judge? Gives the check, and whether they are probabilities. Raises TrainingError by name."""
    with torch.no_grad():
        said, again = net(pixels), net(pixels)
    if not isinstance(said, Tensor) or said.shape != (len(pixels), classes):
        shape = list(said.shape) if isinstance(said, Tensor) else type(said).__name__
        remedy = ""
        if not isinstance(said, Tensor):
            remedy = ". Wrap a net whose forward gives the logits alone, such as its .logits"
        elif classes == 2 and said.numel() == len(pixels):
            remedy = (
                ". It has one output z, made for a sigmoid: wrap a net that gives torch.cat((0 * z, z), 1), z before the sigmoid "
                "and [B, 1], the second label being what a large z means"
            )
        raise TrainingError(
            f"the net gives {shape} for {len(pixels)} pictures and there are {classes} labels: expected "
            f"[{len(pixels)}, {classes}]{remedy}"
        )
    if not torch.isfinite(said).all():
        raise TrainingError(
            "the net gives numbers that are not finite on pixels in [0, 1]: check its weights, mean and std"
        )
    if _decided(said) and _decided(_quiet(net, pixels)):
        raise TrainingError(
            "the net gives decisions (one-hot rows), no confidence, or a softmax so sure that it rounds: wrap it without its "
            "argmax or softmax"
        )
    if not torch.equal(said, again):
        raise TrainingError(
            "two calls with the same pixels differ: a judge must be deterministic; remove what draws at random"
        )
    try:
        with torch.no_grad():
            alone = net(pixels[:1])
    except Exception as error:  # whatever a stranger's net raises
        raise TrainingError(
            f"the net fails on a batch of one picture: {str(error)[:300]}. A judge must answer for each alone"
        ) from error
    if alone.shape != (1, classes):
        raise TrainingError(
            f"for one picture alone the net gives {list(alone.shape)}, expected [1, {classes}]: does its forward squeeze()? "
            "Use flatten(1)"
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
    if bool(((said >= 0) & (said <= 1)).all()):
        return Check(
            "logits", False, "all outputs lie in [0, 1]: if it ends in sigmoids, wrap it without them; softmax of these is never sure"
        ), False  # fmt: skip
    return Check("logits", True, "the outputs are logits, as expected"), False


def _decided(said: Tensor) -> bool:
    return bool(((said == 0) | (said == 1)).all()) and bool((said.sum(1) == 1).all())


def _quiet(net: nn.Module, pixels: Tensor) -> Tensor:
    """What the net says of the pixels ever nearer to an even gray, where a softmax that is too sure of noise shows its numbers."""
    with torch.no_grad():
        return torch.cat([net(0.5 + share * (pixels - 0.5)) for share in (0.1, 0.01, 0.0)])


def shapes_check(net: nn.Module, shapes: Sequence[tuple[int, int]], classes: int) -> None:
    """Raises TrainingError where a net for mode "fit" has no answer to a picture of one of the shapes (height, width)."""
    g = torch.Generator().manual_seed(0)
    for height, width in shapes:
        try:
            with torch.no_grad():
                said = net(torch.rand((1, 3, height, width), generator=g, dtype=torch.float32))
            good, why = said.shape == (1, classes) and bool(torch.isfinite(said).all()), "no finite row of logits"
        except Exception as error:  # whatever a stranger's net raises
            good, why = False, str(error)[:300]
        if not good:
            raise TrainingError(
                f'the net fails on pixels [1, 3, {height}, {width}], and mode "fit" gives it pictures of many shapes: wrap it '
                f'with mode "stretch" or "crop". {why}'
            )


def last_linear(body: nn.Module, inputs: Tensor, classes: int) -> str | None:
    """The name of the linear layer whose output, untouched, is what the net gives for `inputs`; None where there is none.

    With an identity in its place the net must give that layer's inputs, rows [B, D]: then these are the net's features.
    """
    met: list[tuple[str, Tensor, Tensor, int]] = []  # how often what it made was written into, too

    def meet(name: str, given: Tensor, made: Tensor) -> None:
        met.append((name, given.clone(), made, made._version))

    hooks = [
        module.register_forward_hook(
            lambda _, given, named, made, name=name: meet(name, given[0] if given else named["input"], made),
            with_kwargs=True,
        )
        for name, module in body.named_modules()
        if name and isinstance(module, nn.Linear) and module.out_features == classes
    ]
    try:
        with torch.no_grad():
            said = body(inputs.clone())
    finally:
        for hook in hooks:
            hook.remove()
    found = [(n, given) for n, given, made, was in met if made is said and made._version == was and given.dim() == 2]
    if not found or [name for name, *_ in met].count(found[0][0]) != 1:
        return None
    name, features = found[0]
    try:
        with torch.no_grad():
            return name if torch.equal(without(body, name)(inputs.clone()), features) else None
    except Exception:  # it looks at the layer's weights
        return None


def without(body: nn.Module, name: str) -> nn.Module:
    """A copy with an identity in the place of one layer."""
    made = copy.deepcopy(body)
    parent, _, last = name.rpartition(".")
    setattr(made.get_submodule(parent), last, nn.Identity())
    return made


def gradient_check(net: nn.Module, pixels: Tensor) -> Check:
    x = pixels.clone().requires_grad_(True)
    try:
        with torch.enable_grad():  # callers may have switched gradients off
            (slope,) = torch.autograd.grad(net(x).logsumexp(1).sum(), x)
        seen = bool(torch.isfinite(slope).all() and slope.abs().max() > 0)
    except RuntimeError:
        seen = False
    return Check(
        "gradient", seen,
        "gradients reach the pixels" if seen else "no gradient reaches the pixels: gradient attacks will say nothing of this net",
    )  # fmt: skip
