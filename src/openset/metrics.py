"""Measures of confidence and of telling inside from outside, right on every edge. numpy; scipy only for Beta quantiles.

Conventions, once: scores are confidences, higher = surer; `inside` are scores of pictures that are a class, `outside`
of pictures that are none. Ties count exactly. Any real dtype is taken, whole numbers of any size without rounding, and
torch's tensors with or without a gradient; infinite scores are ordered as such. NaN, an empty side, another shape than
[N], masked numbers and text are a ValueError. Nothing is passed through a sigmoid, thinned or interpolated: the numbers are shares of
pairs or of pictures.

Which side is positive differs between tools, so it is named here: in the papers on CEDA, ACET and CCU inside is
positive ("in-positive"); OpenOOD 1.5, pytorch-ood and torch-uncertainty take outside as positive ("out-positive").
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ._intervals import Convention, auroc_interval, clopper_pearson, fpr_interval, mean_interval, median_interval
from ._scores import area, array, below, bools, confidences, number, pair
from ._words import counted

__all__ = [
    "Convention",
    "accuracy",
    "aupr",
    "auroc",
    "auroc_interval",
    "clopper_pearson",
    "coverage",
    "ece",
    "fpr_at_tpr",
    "fpr_interval",
    "mean_interval",
    "median_interval",
    "mmc",
    "selective_accuracy",
]


def mmc(confidence: ArrayLike) -> float:
    """Mean max confidence: the mean of the largest probabilities [N], each in [0, 1].

    >>> mmc([0.5, 1.0])
    0.75
    """
    return float(confidences(confidence).mean())


def accuracy(predicted: ArrayLike, truth: ArrayLike) -> float:
    """The share of pictures whose predicted class [N] is the true one [N]: numbers on both sides, or names on both."""
    p, y = array(predicted), array(truth)
    if p.ndim != 1 or p.shape != y.shape or not len(p):
        raise ValueError(f"predicted {list(p.shape)} and truth {list(y.shape)}: give two of one length [N], N >= 1.")
    text = [x.dtype.kind in "US" or (x.dtype == object and all(isinstance(v, str) for v in x)) for x in (p, y)]
    if not any(text):
        p, y = pair(p, y, "predicted", "truth")
    elif not all(text) or ("S" in p.dtype.kind + y.dtype.kind and p.dtype.kind != y.dtype.kind):
        raise ValueError(
            f"predicted holds {p.dtype} and truth {y.dtype}, which are never equal: give numbers, or names, in both."
        )
    return float((p == y).mean())


def coverage(confidence: ArrayLike, threshold: float) -> float:
    """The share of pictures with confidence [N] >= threshold."""
    return float((confidences(confidence) >= number(threshold, "threshold")).mean())


def selective_accuracy(confidence: ArrayLike, correct: ArrayLike, threshold: float) -> float:
    """The share of right answers among those with confidence >= threshold. ValueError where none is."""
    c, right = confidences(confidence), bools(correct)
    if c.shape != right.shape:
        raise ValueError(f"confidence has {counted(len(c), 'number')} and correct {len(right)}; give as many of both.")
    accepted = c >= number(threshold, "threshold")
    if not accepted.any():
        raise ValueError(f"no confidence reaches the threshold {threshold} (the largest is {c.max()}): no accuracy.")
    return float(right[accepted].mean())


def ece(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error: sum over bins of share * |accuracy - mean confidence|.

    Bins of equal width, closed on the right, 0 in the first (Guo et al. 2017, arXiv 1706.04599, section 2).
    """
    c, right = confidences(confidence), bools(correct)
    if c.shape != right.shape or not 1 <= bins < math.inf or bins != int(bins):
        raise ValueError(f"{len(c)} confidences, {len(right)} correct, {bins} bins: give as many of both, bins >= 1.")
    bins = int(bins)
    ends = np.arange(1, bins + 1) / bins  # 0.07 ends the 7th of 100 bins, though 0.07 * 100 > 7 in float64
    at = np.searchsorted(ends, c, side="left")
    gaps = np.bincount(at, right - c, minlength=bins)
    return float(abs(gaps).sum() / len(c))


def auroc(inside: ArrayLike, outside: ArrayLike) -> float:
    """P(inside score > outside score) + P(equal) / 2 over all pairs. The same whichever side is called positive.

    >>> auroc([0.9, 0.8, 0.7], [0.1, 0.2, 0.8])
    0.8333333333333334
    """
    return area(*pair(inside, outside))


def aupr(inside: ArrayLike, outside: ArrayLike, *, positive: Literal["in", "out"]) -> float:
    """Average precision: sum over thresholds of precision * gain in recall; equal scores enter together.

    positive "in": inside is searched for by high scores. "out": outside is searched for by low scores. This is what
    scikit-learn calls average_precision_score; no line is drawn between the points.
    """
    a, b = pair(inside, outside)
    if positive == "in":
        wanted, other = len(a) - below(a, a)[0], len(b) - below(a, b)[0]
    elif positive == "out":
        wanted, other = below(b, b)[1], below(b, a)[1]
    else:
        raise ValueError(f'positive is {positive!r}; give "in" or "out".')
    # each wanted picture adds 1 / n of recall at the threshold of its own score, where `wanted` + `other` are found
    return float((wanted / (wanted + other)).mean())


def fpr_at_tpr(
    inside: ArrayLike, outside: ArrayLike, *, tpr: float = 0.95, convention: Convention = "in-positive"
) -> float:
    """The false positive rate at the strictest threshold whose true positive rate is at least `tpr`.

    "in-positive": the threshold keeps at least the share `tpr` of inside at or above it; the rate is the share of
    outside at or above it (the papers' FPR@95). "out-positive": at least `tpr` of outside is at or below the threshold;
    the rate is the share of inside at or below it (OpenOOD, pytorch-ood). Raises ValueError unless 0 < tpr <= 1.

    >>> inside, outside = [0.6, 0.9], [0.2, 0.3, 0.5, 0.7]
    >>> fpr_at_tpr(inside, outside), fpr_at_tpr(inside, outside, convention="out-positive")
    (0.25, 0.5)
    """
    a, b = pair(inside, outside)
    if not 0 < tpr <= 1:
        raise ValueError(f"tpr is {tpr}; give a number above 0 and at most 1.")
    share = Fraction(str(float(tpr)))  # 0.95 means 95 of 100, not its nearest binary fraction
    if convention == "in-positive":
        threshold = np.sort(a)[len(a) - math.ceil(share * len(a))]
        return float((b >= threshold).mean())
    if convention == "out-positive":
        threshold = np.sort(b)[math.ceil(share * len(b)) - 1]
        return float((a <= threshold).mean())
    raise ValueError(f'convention is {convention!r}; give "in-positive" or "out-positive".')
