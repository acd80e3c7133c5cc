"""`openset.wrap`: a classifier that is already trained gets heads, thresholds and a judge file, without retraining.

Users' own nets, torchvision's, timm's: anything from pixels to one row of logits a picture. What is usually wrong with such a net
in use is looked for first (`Wrapped.checks`): a batch-norm left in training mode, probabilities where logits are meant, a net
that is not deterministic or mixes the pictures of a batch, a gray net. Nothing of the given net is changed: a copy is wrapped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from . import _material
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
    without,
)
from .decide import fit_thresholds
from .errors import AuditError, TrainingError
from .heads import (
    Temperature,
    fit_certified_guard,
    fit_density_guard,
    fit_laplace,
    fit_mahalanobis,
    fit_neighbours,
    fit_temperature,
)
from .loader import Material, Pictures, Pixels, stack
from .nets import gray
from .types import Finding, JudgeInfo, Preprocess, ResizeMode, Threshold

if TYPE_CHECKING:
    from .judge import Judge

HeadName = Literal["temperature", "laplace", "mahalanobis", "neighbours", "density", "certified"]
HEADS: tuple[HeadName, ...] = ("temperature", "laplace", "mahalanobis", "neighbours", "density", "certified")
NEED_OUT = ("mahalanobis", "neighbours", "density", "certified")
BATCH = 32
SURE = 1 - 1e-6
MOST = 2_000  # pictures of a side that the guards on pixels are fitted on, evenly spaced


class Wrapped(nn.Module):
    """Pixels [B, 3, H, W] in [0, 1] -> logits [B, K], the given net's own normalisation inside. Made by `wrap`.

    checks: what was looked at. `features` and `classify` are there where the net ends in a linear layer. After `fit`, `head` is what
    `export` bakes in, and `held` holds what thresholds are chosen from.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, labels: tuple[str, ...], preprocess: Preprocess, how: _How) -> None:
        super().__init__()
        self.name, self.classes, self.labels, self.preprocess = "wrapped", len(labels), labels, preprocess
        self.body, self.is_gray, self.is_probability = body, how.channels == 1, how.probabilities
        self.register_buffer("mean", torch.tensor(how.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(how.std).view(1, -1, 1, 1))
        self.checks: tuple[Check, ...] = ()
        self.findings: tuple[Finding, ...] = ()
        self.is_cast = False  # the net's answers are float16, float64 or whole numbers
        self.last_name: str | None = None
        self.head: nn.Module | None = None
        self.held: tuple[np.ndarray, np.ndarray] | None = None
        self.facts: dict[str, object] = {}

    def inputs(self, x: Tensor) -> Tensor:
        return ((gray(x) if self.is_gray else x) - self.mean) / self.std

    def forward(self, x: Tensor) -> Tensor:
        said: Tensor = self.body(self.inputs(x))
        said = said.float() if self.is_cast else said
        return said.clamp(min=1e-12).log() if self.is_probability else said

    def fit(
        self, head: HeadName, data: str | os.PathLike[str], *, out: Sequence[str | os.PathLike[str]] = (), seed: int = 0
    ) -> Wrapped:
        """Fit `head` on the pictures in data/<label>/..., best ones that the net was not trained on; gives self.

        Folders must be named as the labels. They are split as for training: the head is fitted on train and val, `held` is the test
        part. out: folders of pictures that are no class; the guards need them. Raises TrainingError, DataError.
        """
        if head not in HEADS:
            raise TrainingError(f"head={head!r} cannot be: it must be one of {', '.join(HEADS)}")
        if head in NEED_OUT and not out:
            raise TrainingError(f'the head "{head}" learns from pictures that are no class: give out folders')
        if head in ("laplace", "mahalanobis", "neighbours") and self.last is None:
            raise TrainingError(
                f'the head "{head}" needs a net that ends in a linear layer: use temperature or density'
            )
        places = [os.fspath(folder) for folder in out]
        listing = _material.list_pictures(os.fspath(data), places, scheme="plain", seed=seed, tell=lambda *_: None)
        if set(listing.labels) != set(self.labels):
            raise TrainingError(
                f"the folders in '{os.fspath(data)}' are {', '.join(listing.labels)}, the net's labels "
                f"{', '.join(self.labels)}: name the folders as the labels"
            )
        material, notes = _material.decode(
            listing, self.preprocess, memory=2_000_000_000, workers=2, tell=lambda *_: None
        )
        order = np.array([self.labels.index(label) for label in listing.labels])
        self.head = self._fitted(head, material, order)
        test, outside = (self._logits(part) for part in (material.test.pictures, material.out_test))
        logits, pixels = torch.cat((test[0], outside[0])), all_of(material.test.pictures) + all_of(material.out_test)
        truth = np.concatenate((order[material.test.targets], np.full(len(outside[0]), -1, np.int64)))
        self.held = (self._probabilities(pixels, logits), truth)
        self.facts = {"head": head, "seed": seed, "notes": [*listing.notes, *notes]}
        return self

    def export(
        self, path: str | os.PathLike[str], *, precision: float = 0.95, delta: float = 0.05,
        prevalence: Mapping[str, float] | None = None,
    ) -> Judge:  # fmt: skip
        """Write the judge file, head baked in, with the thresholds that the held-out pictures suffice for, and open it.

        A net that was not fitted has no thresholds: everything is "unknown" until `openset calibrate` is given pictures.
        """
        from .export import export
        from .judge import open_judge

        thresholds: dict[str, Threshold] = {}
        without = dict.fromkeys(self.labels, "not calibrated yet")
        if self.held is not None:
            thresholds, without = fit_thresholds(
                *self.held, self.labels, precision=precision, delta=delta, prevalence=prevalence,
                assumption="pictures to come are drawn like the held-out test pictures, each on its own",
            )  # fmt: skip
        said = {check.name: check.said for check in self.checks if not check.ok}
        facts = {"scheme": "wrapped", "checks": said, "no_threshold": without, **self.facts}
        info = JudgeInfo(self.labels, self.preprocess, thresholds, facts, self.findings, name=Path(path).stem)
        export(_Bare(self), path, info, head=self.head)
        return open_judge(path)

    def audit(self, *, rays: int = 4, seed: int = 0) -> Finding:
        """The share of rays alpha * noise that end at confidence 1, alpha -> infinity: exact (`openset.audit.limits`).

        Of the net's own answer, without a head; it goes into the judge file. Nets whose layers are not piecewise affine cannot be
        followed: no value then, and the layer is named. Raises TrainingError for fewer than 1 ray.
        """
        from .audit import limits

        if rays < 1:
            raise TrainingError(f"rays={rays} cannot be: give at least 1")
        name, side = "rays alpha * noise that end at confidence 1", self.preprocess.size
        x = torch.rand((rays, 3, side, side), generator=torch.Generator().manual_seed(seed))
        try:
            share = float((limits(self, x).confidence > SURE).double().mean())
            found = Finding(name, share, "proved", n=rays, detail="of the net alone, without a head")
        except (AuditError, RuntimeError) as error:
            found = Finding(name, None, "measured", n=0, detail=f"not followed: {str(error).splitlines()[0]}")
        self.findings = (found,)
        return found

    @property
    def last(self) -> tuple[str, nn.Linear] | None:
        """The linear layer whose output is the logits, with its name, or None."""
        if self.last_name is None:
            return None
        module = self.body.get_submodule(self.last_name)
        assert isinstance(module, nn.Linear)
        return self.last_name, module

    def _fitted(self, head: HeadName, material: Material, order: np.ndarray) -> nn.Module:
        parts = [self._logits(split.pictures) for split in (material.train, material.val)]
        logits, features = (torch.cat([part[i] for part in parts]) for i in (0, 1))
        targets = order[np.concatenate((material.train.targets, material.val.targets))]
        if head == "temperature":
            return fit_temperature(logits.double().numpy(), targets)
        if head == "laplace":
            found = self.last
            assert found is not None  # `fit` refused otherwise
            return fit_laplace(found[1], features, targets)
        outside = all_of(material.out) + all_of(material.out_val)
        if head in ("density", "certified"):
            inside = stack(some(all_of(material.train.pictures) + all_of(material.val.pictures)))
            strange = stack(some(outside))
            if head == "certified":
                return fit_certified_guard(inside, strange)
            return fit_density_guard(inside, strange, centres=max(1, min(100, len(inside) // 4, len(strange) // 4)))
        away, cut = self._logits(outside)[1], len(material.train.targets)
        if head == "mahalanobis":
            return fit_mahalanobis(features[:cut], targets[:cut], features[cut:], away)
        return fit_neighbours(features[:cut], features[cut:], away, k=min(10, cut))

    def _logits(self, pictures: Pictures) -> tuple[Tensor, Tensor]:
        """Logits [N, K] and features [N, D] (D = 0 where there are none)."""
        net = _Bare(self)
        rows, deep = [torch.zeros(0, self.classes)], []
        with torch.no_grad():
            for first in range(0, len(pictures), BATCH):
                x = stack([pictures[i] for i in range(first, min(first + BATCH, len(pictures)))])
                features = net.features(x) if net.has_features else torch.zeros(len(x), 0)
                rows.append(self(x))
                deep.append(features)
        return torch.cat(rows), torch.cat(deep) if deep else torch.zeros(0, 0)

    def _probabilities(self, pictures: Sequence[np.ndarray], logits: Tensor) -> np.ndarray:
        net, rows = _Bare(self), [torch.zeros(0, self.classes, dtype=torch.float64)]
        with torch.no_grad():
            for first in range(0, len(pictures), BATCH):
                x = stack(pictures[first : first + BATCH])
                outputs = {"pixels": x, "logits": logits[first : first + BATCH]}
                if net.has_features:
                    outputs["features"] = net.features(x)
                head = self.head or Temperature(1.0)
                rows.append(head(outputs).exp().double())
        return torch.cat(rows).numpy()


class _Bare(nn.Module):
    """A wrapped net as `openset.export` takes it: forward, and features and classify where its last layer is linear."""

    def __init__(self, wrapped: Wrapped) -> None:
        super().__init__()
        self.whole, found = wrapped, wrapped.last
        self.has_features = found is not None
        if found is not None:
            self.trunk, self.last = without(wrapped.body, found[0]), found[1]
            self.features = self._features
            self.classify = self.last.forward

    def _features(self, x: Tensor) -> Tensor:
        made: Tensor = self.trunk(self.whole.inputs(x))
        return made

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.whole(x)
        return made


def all_of(pictures: Pictures) -> list[Pixels]:
    return [pictures[i] for i in range(len(pictures))]


def some(pictures: list[Pixels]) -> list[Pixels]:
    """At most MOST of them, evenly spaced."""
    return [pictures[i * len(pictures) // MOST] for i in range(MOST)] if len(pictures) > MOST else pictures


@dataclass(frozen=True)
class _How:
    """How pixels are given to the net, and what it gives."""

    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    probabilities: bool = False


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
    names = tuple(labels)
    if (
        isinstance(labels, str)
        or not all(isinstance(n, str) and n for n in names)
        or len(set(names)) != len(names)
        or len(names) < 2
    ):
        raise TrainingError(
            f"labels={list(labels)!r} cannot be: give at least two different names, as logits are ordered"
        )
    if isinstance(size, bool) or not isinstance(size, int) or size < 1 or mode not in get_args(ResizeMode):
        raise TrainingError(
            f"size={size!r}, mode={mode!r} cannot be: size is one whole number, the side in pixels; mode one of "
            f"{', '.join(get_args(ResizeMode))}"
        )
    body, checks = copied(model), []
    if weights is not None:
        load_state(body, os.fspath(weights), type(model).__name__)
    checks.append(mode_check(body))
    body.eval()
    pixels = torch.rand((4, 3, size, size), generator=torch.Generator().manual_seed(0))
    channels = channels_of(body, pixels)
    how = _How(channels, numbers("mean", mean, channels, 0.0), numbers("std", std, channels, 1.0))
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
