"""A net of the user's behind our contract: pixels in [0, 1] to logits, a head fitted on folders, a judge file, an audit of rays."""

from __future__ import annotations

import copy
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from . import _material
from ._field import shares
from ._runfacts import HELD_ASSUMPTION
from ._wrapchecks import Check, without
from ._wrapfit import NEED_OUT, HeadName, apart, check_asked, check_taught, fit_head, probabilities_of
from .data.listing import list_pictures
from .decide import fit_thresholds
from .errors import AuditError, TrainingError
from .nets import gray
from .types import Finding, JudgeInfo, Preprocess, Threshold

if TYPE_CHECKING:
    from .judge import Judge

SURE = 1 - 1e-6


@dataclass(frozen=True)
class How:
    """How pixels are given to the net, and what it gives."""

    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    probabilities: bool = False


class Wrapped(nn.Module):
    """Pixels [B, 3, H, W] in [0, 1] -> logits [B, K], the given net's own normalisation inside. Made by `wrap`.

    checks: what was looked at. `features` and `classify` are there where the net ends in a linear layer. After `fit`, `head` is what
    `export` bakes in, and `held` holds what thresholds are chosen from.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, labels: tuple[str, ...], preprocess: Preprocess, how: How) -> None:
        super().__init__()
        self.name, self.classes, self.labels, self.preprocess = "wrapped", len(labels), labels, preprocess
        self.body, self.is_gray, self.is_probability = body, how.channels == 1, how.probabilities
        self.register_buffer("mean", torch.tensor(how.mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(how.std, dtype=torch.float32).view(1, -1, 1, 1))
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
        self, head: HeadName, data: str | os.PathLike[str], *, out: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (), refuse: str | None = None, seed: int = 0,
    ) -> Wrapped:  # fmt: skip
        """Fit `head` on the pictures in data/<label>/..., best ones that the net was not trained on; gives self.

        Folders must be named as the labels. They are split as for training: the head is fitted on train and val, `held` is the test
        part. out: folders of pictures that are no class; the guards need them. With one class folder they are the class "other", and a
        guard takes those of the folder for known and these for strange. refuse: the label that means "no", such as "other":
        the certified guard gives it what is not believed; None: all labels share that. Raises TrainingError, DataError.
        """
        refuse = unicodedata.normalize("NFC", refuse) if isinstance(refuse, str) else refuse  # as the labels are
        places = [os.fspath(folder) for folder in ([out] if isinstance(out, str | os.PathLike) else out)]
        check_asked(self, head, refuse, has_out=bool(places))
        listing = list_pictures(os.fspath(data), places, scheme="plain", seed=seed, tell=lambda *_: None)
        if set(listing.labels) != set(self.labels):
            remedy = "name the folders as the labels"
            if listing.alone:
                remedy += f"; with one class folder the pictures of the out folders are the class {listing.labels[1]!r}, so call the net's other label that"
            raise TrainingError(
                f"the folders in '{os.fspath(data)}' are {', '.join(listing.labels)}, the net's labels "
                f"{', '.join(self.labels)}: {remedy}"
            )
        material, notes = _material.decode(
            listing, self.preprocess, memory=2_000_000_000, workers=2, tell=lambda *_: None
        )
        order = np.array([self.labels.index(label) for label in listing.labels])
        taught, told = apart(material, refuse) if listing.alone and head in NEED_OUT else (material, [])
        if head in NEED_OUT:
            check_taught(head, taught, places)
        truth = np.concatenate((order[material.test.targets], np.full(len(material.out_test), -1, np.int64)))
        with torch.inference_mode(False):  # callers may have switched gradients off
            net = Bare(copy.deepcopy(self)).eval()  # a copy, so that our own mode stays what it is
            fitted, lowered = fit_head(net, head, taught, order, None if refuse is None else self.labels.index(refuse))
            said, once = probabilities_of(net, fitted, material.test.pictures, material.out_test), material.once()
        self.held = (said[once], truth[once])
        self.head = fitted
        self.facts = {"head": head, "refuse": refuse, "seed": seed, "notes": [*listing.notes, *notes, *told, *lowered]}
        return self

    def export(
        self, path: str | os.PathLike[str], *, precision: float = 0.95, delta: float = 0.05,
        prevalence: float | Mapping[str, float] | None = None,
    ) -> Judge:  # fmt: skip
        """Write the judge file, head baked in, with the thresholds that the held-out pictures suffice for, and open it.

        A net that was not fitted has no thresholds: everything is "unknown" until `openset calibrate` is given pictures.
        prevalence: each label's share in the field, as in `openset.calibrate`. Raises DataError or CalibrationError for other
        shares, and what `openset.export` raises.
        """
        from .export import export
        from .judge import open_judge

        field = shares(self.labels, prevalence)
        thresholds: dict[str, Threshold] = {}
        without: dict[str, str] = {}
        if self.held is not None:
            thresholds, without = fit_thresholds(
                *self.held, self.labels, precision=precision, delta=delta, prevalence=field,
                assumption=HELD_ASSUMPTION,
            )  # fmt: skip
        said = {check.name: check.said for check in self.checks if not check.ok}
        facts = {"scheme": "wrapped", "checks": said, "no_threshold": without, **self.facts}
        info = JudgeInfo(self.labels, self.preprocess, thresholds, facts, self.findings, name=Path(path).stem)
        export(Bare(self), path, info, head=self.head)
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
        x = torch.rand((rays, 3, side, side), generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
        try:
            ends = limits(self, x)
            share = float((ends.confidence > SURE).double().mean())
            found = Finding(name, share, ends.kind, n=rays, detail="of the net alone, without a head")
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


class Bare(nn.Module):
    """A wrapped net as `openset.export` takes it: forward, and features and classify where its last layer, `last`, is linear."""

    last: nn.Linear

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
