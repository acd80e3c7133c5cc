"""Thresholds that keep a promised precision, and the decisions made with them. numpy; scipy is loaded to fit only.

The promise of `fit_threshold`: with probability at least 1 - delta over the draw of the calibration pictures, a picture
to come that is accepted as `label` is right with probability at least `precision`. No assumption is made on the
confidences: they may be overconfident, discrete, all equal, or fall where the judge is right more often. How the
thresholds are tested, and why that is exact, stands in bounds.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._words import shown
from .bounds import check_rates, fit_plain, fit_prevalence, lower_bound, needed
from .errors import CalibrationError
from .types import Decision, JudgeInfo, Threshold

ASSUMPTION = "pictures to come are drawn like the calibration pictures, each on its own"
__all__ = ["ASSUMPTION", "decide", "fit_threshold", "fit_thresholds", "lower_bound", "needed"]

SUM_SLACK = 1e-3  # a row of probabilities sums to 1 within this

Floats = NDArray[np.float64]


def fit_threshold(
    confidence: ArrayLike,
    correct: ArrayLike,
    is_label: ArrayLike,
    *,
    label: str,
    precision: float,
    delta: float,
    prevalence: float | None = None,
    assumption: str = ASSUMPTION,
) -> Threshold:
    """The lowest threshold for `label` whose precision is at least `precision` with probability 1 - delta.

    confidence [N] in [0, 1]: the judge's largest probability. correct [N] bool: `label` is the picture's true class
    (whatever was answered). is_label [N] bool: `label` is the judge's answer. So accepted and right is is_label and
    correct and confidence >= value; accepted and wrong is is_label and not correct and confidence >= value.

    prevalence None: the pictures are drawn like those to come, the share of the class included; the proof is in
    bounds.py. prevalence P: the class's pictures are drawn like the class's to come and the others' like the
    others' to come, but the share of the class is P. Then the precision at a threshold is
    P * tpr / (P * tpr + (1 - P) * fpr), and at least `precision` where
    fpr <= q * tpr with q = P (1 - precision) / ((1 - P) precision). delta is split in two. delta / 2: exact lower
    bounds for tpr at every twentieth of the class's pictures at once (each at delta / 40). delta / 2: the class's
    pictures settle the thresholds, their order and the bounds, and are independent of the others' pictures, whose
    number accepted is tested against q times the bound by its exact binomial tail; fixed sequence and fallback as
    above. A bound for prevalence P holds for every greater one.

    The returned lower_bound is the exact bound compared with `precision`, at the level of the successful test.
    Raises CalibrationError, which says how many pictures are needed; ValueError for arrays that break this contract.
    """
    check_rates(precision, delta, prevalence)
    c, right, answered = _checked(confidence, correct, is_label)
    fit = fit_plain if prevalence is None else fit_prevalence
    value, bound = fit(c, right, answered, label, precision, delta, prevalence or 0.0)
    accepted = answered & (c >= value)
    own = int(right.sum())
    return Threshold(
        label=label,
        value=value,
        precision=precision,
        delta=delta,
        n=len(c),
        accepted=int(accepted.sum()),
        wrong=int((accepted & ~right).sum()),
        coverage=int((accepted & right).sum()) / own if own else 0.0,
        lower_bound=bound,
        prevalence=prevalence,
        assumption=assumption,
    )


def fit_thresholds(
    probabilities: ArrayLike,
    truth: ArrayLike,
    labels: Sequence[str],
    *,
    precision: float,
    delta: float,
    prevalence: Mapping[str, float] | None = None,
    assumption: str = ASSUMPTION,
) -> tuple[dict[str, Threshold], dict[str, str]]:
    """fit_threshold for each label, from probabilities [N, K] and truth [N] int (-1: the picture is no class).

    Returns (label -> Threshold, label -> why it has none). Each threshold keeps its own promise with probability
    1 - delta; the promises are not joint. A row of zeros is a picture on which the judge gave no answer.
    prevalence: label -> its share in the field, all of them or None. Raises ValueError on a wrong shape,
    CalibrationError on a rate that is not between 0 and 1.
    """
    for share in prevalence.values() if prevalence else [None]:
        check_rates(precision, delta, share)
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(truth)
    if p.ndim != 2 or p.shape[1] != len(labels) or y.shape != p.shape[:1] or y.dtype.kind not in "iu":
        raise ValueError(
            f"probabilities {list(p.shape)}, truth {list(y.shape)} {y.dtype}, {len(labels)} labels: give "
            f"probabilities [N, {len(labels)}] and truth [N], whole numbers."
        )
    best, confidence = p.argmax(axis=1), np.minimum(p.max(axis=1), 1.0)
    made: dict[str, Threshold] = {}
    skipped: dict[str, str] = {}
    for k, label in enumerate(labels):
        try:
            made[label] = fit_threshold(
                confidence,
                y == k,
                (best == k) & (confidence > 0),
                label=label,
                precision=precision,
                delta=delta,
                prevalence=None if prevalence is None else prevalence[label],
                assumption=assumption,
            )
        except CalibrationError as error:
            skipped[label] = str(error)
    return made, skipped


def decide(
    probabilities: ArrayLike,
    info: JudgeInfo,
    paths: Sequence[str],
    *,
    score: ArrayLike | None = None,
    threshold: float | None = None,
) -> list[Decision]:
    """One Decision a picture, from probabilities [B, K] in the order of info.labels.

    The answer is the likeliest label (on a tie the first). It is accepted where its threshold exists and the
    confidence is at least that, else "unknown". threshold: the user's own, in [0, 1], used for every label instead of
    the judge's; it carries no guarantee, and `why` says so. score [B]: the guard's. A row that is no probabilities
    (NaN, negative, not summing to 1) or a score that is not finite gives outcome "error".
    Raises ValueError for wrong shapes or a threshold outside [0, 1].
    """
    p = np.asarray(probabilities, dtype=np.float64)
    s = None if score is None else np.asarray(score, dtype=np.float64)
    wanted = (len(paths), len(info.labels))
    if p.shape != wanted or (s is not None and s.shape != wanted[:1]):
        got = f"{list(p.shape)}" + ("" if s is None else f" and score {list(s.shape)}")
        raise ValueError(f"probabilities have the shape {got}; {list(wanted)} belongs to these paths and labels.")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"threshold is {threshold}; give a number from 0 to 1, or None for the judge's own.")
    sound = np.isfinite(p).all(axis=1) & (p >= 0).all(axis=1) & (abs(p.sum(axis=1) - 1) <= SUM_SLACK)
    if s is not None:
        sound &= np.isfinite(s)
    best = p.argmax(axis=1)
    return [
        _decision(path, p[i], int(best[i]), info, None if s is None else float(s[i]), threshold)
        if sound[i]
        else _no_numbers(path)
        for i, path in enumerate(paths)
    ]


def _decision(path: str, p: Floats, best: int, info: JudgeInfo, score: float | None, own: float | None) -> Decision:
    label = info.labels[best]
    confidence = min(1.0, float(p[best]))
    stored = info.thresholds.get(label)
    value = own if own is not None else stored.value if stored else None
    accepted = value is not None and confidence >= value
    if value is None:
        why = f"no threshold is stored for {label!r}: run openset calibrate"
    else:
        sure, limit = (shown(confidence), shown(value)) if accepted else _apart(confidence, value)
        why = f"confidence {sure} {'reaches' if accepted else 'is below'} the threshold {limit} for {label!r}"
        if own is not None:
            why += ", given by the user: it carries no guarantee"
    return Decision(
        path=path,
        outcome="accepted" if accepted else "unknown",
        label=label if accepted else None,
        best=label,
        confidence=confidence,
        probabilities=dict(zip(info.labels, p.tolist(), strict=True)),
        threshold=value,
        why=why,
        score=score,
    )


def _no_numbers(path: str) -> Decision:
    reason = "the judge's numbers for it are no probabilities"
    remedy = "Export the judge again, or report the picture."
    return Decision(path, "error", None, None, None, {}, None, f"not judged: {reason}", error=f"{reason}. {remedy}")


def _apart(a: float, b: float) -> tuple[str, str]:
    """Both numbers with three decimals, or as many more as tell them apart."""
    for digits in range(3, 17):
        first, second = shown(a, digits), shown(b, digits)
        if first != second or a == b:
            return first, second
    return repr(a), repr(b)


def _checked(confidence: ArrayLike, correct: ArrayLike, is_label: ArrayLike) -> tuple[Floats, Any, Any]:
    c, right, answered = np.asarray(confidence, dtype=np.float64), np.asarray(correct), np.asarray(is_label)
    if c.ndim != 1 or right.shape != c.shape or answered.shape != c.shape:
        shapes = f"{list(c.shape)}, {list(right.shape)}, {list(answered.shape)}"
        raise ValueError(f"confidence, correct and is_label have the shapes {shapes}; give three of one length [N].")
    if len(c) and (right.dtype != np.bool_ or answered.dtype != np.bool_):
        raise ValueError(f"correct is {right.dtype} and is_label {answered.dtype}; give True and False.")
    if not ((c >= 0) & (c <= 1)).all():
        raise ValueError("confidence holds NaN or numbers outside [0, 1]; give each picture's largest probability.")
    return c, right.astype(bool), answered.astype(bool)
