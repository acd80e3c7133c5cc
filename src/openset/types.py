"""The frozen parcels that walk through the house. Nothing here imports anything of ours.

Confidence is a probability in [0, 1], higher = surer, everywhere. Images are float32 [B, 3, H, W] in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["proved", "searched", "measured"]
Outcome = Literal["accepted", "unknown", "error"]
ResizeMode = Literal["fit", "stretch", "crop"]
MAX_SIDE = 8_192  # of a judge's pictures: one takes 800 MB as pixels


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How an RGB picture becomes the pixels a judge takes. Stored in the judge file.

    mode: "fit"     keep the aspect; long side becomes `size` pixels (up or down); pad right and bottom with
                    white (1.0) so that both sides are multiples of `multiple`. The batch has variable H, W.
          "stretch" both sides become `size` pixels, aspect ignored.
          "crop"    short side becomes `size` pixels, aspect kept, then the centred `size` x `size` square.
    min_side: a picture whose longer side is below this many pixels is not judged ("too small").
    """

    mode: ResizeMode = "stretch"
    size: int = 64
    multiple: int = 1
    min_side: int = 8

    @property
    def size_hint(self) -> int:
        """The long side, in pixels, to which a JPEG may be decoded without the quality of the pixels suffering.

        Training and judging both pass it to `images.load`, so that both see the same pixels. "fit": twice the size,
        so that the last reduction still averages. "stretch", "crop": four times, so that the short side too keeps
        twice the size in pictures up to 2 : 1, and the size itself up to 4 : 1.
        """
        return max(self.min_side, (2 if self.mode == "fit" else 4) * self.size)


@dataclass(frozen=True, slots=True)
class Threshold:
    """The lowest confidence at which `label` is accepted, with what is guaranteed for it.

    With probability at least 1 - delta over the draw of the calibration pictures, pictures accepted as `label` are
    right with probability >= precision, if pictures to come are drawn like those given (`assumption`).
    n: calibration pictures; accepted, wrong: of these, accepted as `label` and wrongly so. coverage: share of the
    label's own calibration pictures accepted. prevalence: the share of the class in the field for which the
    precision is stated, or None for the share in the calibration pictures. lower_bound: the proved lower bound.
    """

    label: str
    value: float
    precision: float
    delta: float
    n: int
    accepted: int
    wrong: int
    coverage: float
    lower_bound: float
    prevalence: float | None
    assumption: str
    kind: Kind = "proved"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a judge says of one picture.

    outcome "accepted": `label` is the answer. "unknown": `label` is None; `best` names the likeliest class all the
    same. "error": the picture could not be read; `error` says why and what to do. `why` is one sentence for people.
    probabilities: label -> probability, empty on error. confidence: the largest, None on error.
    score: the judge's guard score (higher = surer; without a guard the largest probability), None where unread.
    threshold: the one applied, None if none.
    """

    path: str
    outcome: Outcome
    label: str | None
    best: str | None
    confidence: float | None
    probabilities: Mapping[str, float]
    threshold: float | None
    why: str
    error: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check, an audit or a measurement, with its kind.

    name: what was measured; value: the number (or None); interval: a 95 % interval where there is one; n: on how many.
    """

    name: str
    value: float | None
    kind: Kind
    n: int | None = None
    interval: tuple[float, float] | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class JudgeInfo:
    """All a judge file says of itself: its metadata, parsed. schema is the file format's version."""

    labels: tuple[str, ...]
    preprocess: Preprocess
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    audit: tuple[Finding, ...] = ()
    name: str = ""
    schema: int = 1
