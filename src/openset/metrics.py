"""Measures of confidence and of telling inside from outside, right on every edge. numpy; scipy only for Beta quantiles.

Conventions, once: scores are confidences, higher = surer; `inside` are scores of pictures that are a class, `outside`
of pictures that are none. Ties count exactly. Any real dtype is taken, whole numbers of any size without rounding, and
torch's tensors with or without a gradient; infinite scores are ordered as such. NaN, an empty side, another shape than
[N], and text are a ValueError. Nothing is passed through a sigmoid, thinned or interpolated: the numbers are shares of
pairs or of pictures.

Which side is positive differs between tools, so it is named here: in the papers on CEDA, ACET and CCU inside is
positive ("in-positive"); OpenOOD 1.5, pytorch-ood and torch-uncertainty take outside as positive ("out-positive").
"""

from __future__ import annotations

import math
import numbers
from fractions import Fraction
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Convention = Literal["in-positive", "out-positive"]
Array = NDArray[Any]
EXACT = 2**53  # float64 holds every whole number up to this
HUGE = 1e290  # a sum of so large numbers may overflow


def mmc(confidence: ArrayLike) -> float:
    """Mean max confidence: the mean of the largest probabilities [N], each in [0, 1].

    >>> mmc([0.5, 1.0])
    0.75
    """
    return float(_confidences(confidence).mean())


def accuracy(predicted: ArrayLike, truth: ArrayLike) -> float:
    """The share of pictures whose predicted class [N] is the true one [N]: numbers on both sides, or names on both."""
    p, y = _array(predicted), _array(truth)
    if p.ndim != 1 or p.shape != y.shape or not len(p):
        raise ValueError(f"predicted {list(p.shape)} and truth {list(y.shape)}: give two of one length [N], N >= 1.")
    text = [x.dtype.kind in "US" or (x.dtype == object and all(isinstance(v, str) for v in x)) for x in (p, y)]
    if not any(text):
        p, y = _pair(p, y, "predicted", "truth")
    elif not all(text) or ("S" in p.dtype.kind + y.dtype.kind and p.dtype.kind != y.dtype.kind):
        raise ValueError(
            f"predicted holds {p.dtype} and truth {y.dtype}, which are never equal: give numbers, or names, in both."
        )
    return float((p == y).mean())


def coverage(confidence: ArrayLike, threshold: float) -> float:
    """The share of pictures with confidence [N] >= threshold."""
    return float((_confidences(confidence) >= _number(threshold, "threshold")).mean())


def selective_accuracy(confidence: ArrayLike, correct: ArrayLike, threshold: float) -> float:
    """The share of right answers among those with confidence >= threshold. ValueError where none is."""
    c, right = _confidences(confidence), _bools(correct)
    if c.shape != right.shape:
        raise ValueError(f"confidence has {len(c)} numbers and correct {len(right)}; give as many of both.")
    accepted = c >= _number(threshold, "threshold")
    if not accepted.any():
        raise ValueError(f"no confidence reaches the threshold {threshold} (the largest is {c.max()}): no accuracy.")
    return float(right[accepted].mean())


def ece(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error: sum over bins of share * |accuracy - mean confidence|.

    Bins of equal width, closed on the right, 0 in the first (Guo et al. 2017, arXiv 1706.04599, section 2).
    """
    c, right = _confidences(confidence), _bools(correct)
    if c.shape != right.shape or bins < 1 or bins != int(bins):
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
    a, b = _pair(inside, outside)
    low, high = _below(a, b)
    return (int(low.sum()) + int(high.sum())) / (2 * len(a) * len(b))


def aupr(inside: ArrayLike, outside: ArrayLike, *, positive: Literal["in", "out"]) -> float:
    """Average precision: sum over thresholds of precision * gain in recall; equal scores enter together.

    positive "in": inside is searched for by high scores. "out": outside is searched for by low scores. This is what
    scikit-learn calls average_precision_score; no line is drawn between the points.
    """
    a, b = _pair(inside, outside)
    if positive == "in":
        wanted, other = len(a) - _below(a, a)[0], len(b) - _below(a, b)[0]
    elif positive == "out":
        wanted, other = _below(b, b)[1], _below(b, a)[1]
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
    a, b = _pair(inside, outside)
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


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval for a share of which `k` of `n` were seen (Clopper and Pearson 1934)."""
    if not (0 <= k <= n < math.inf and n >= 1 and k == int(k) and n == int(n) and 0 < level < 1):
        raise ValueError(f"{k} of {n} at level {level}: give whole numbers 0 <= k <= n, n >= 1, and 0 < level < 1.")
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return low, high


def mean_interval(values: ArrayLike, level: float = 0.95, draws: int = 2000) -> tuple[float, tuple[float, float]]:
    """The mean of finite values [N] and its interval: percentiles of `draws` bootstrap means, seed 0. Approximate.

    Where all values are equal the interval has no width: a bootstrap cannot say more than it has seen.
    """
    x = _scores(values, "values").astype(np.float64)
    if not np.isfinite(x).all() or not 0 < level < 1 or draws < 1:
        raise ValueError(f"values at level {level}, {draws} draws: give finite numbers, 0 < level < 1 and draws >= 1.")
    rng, top = np.random.default_rng(0), float(abs(x).max())
    unit = top if top > HUGE else 1.0  # their sum would overflow
    x = x / unit
    means = [x[rng.integers(len(x), size=len(x))].mean() for _ in range(draws)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(x.mean()) * unit, (float(low) * unit, float(high) * unit)


def median_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, tuple[float, float]]:
    """The lower median of values [N], infinite ones included, and its exact interval: order statistics k and N + 1 - k.

    With probability at least `level` the population's median lies between them, for any distribution (the number of
    values below it is binomial, 1/2). Where N is too small for any k, -inf to inf.
    """
    from scipy.stats import binom

    x = np.sort(_scores(values, "values").astype(np.float64))
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a number above 0 and below 1.")
    n = len(x)
    k = int(binom.ppf((1 - level) / 2, n, 0.5))  # the largest k with P(fewer than k below) <= (1 - level) / 2
    ends = (float(x[k - 1]), float(x[n - k])) if k >= 1 else (-math.inf, math.inf)
    return float(x[(n - 1) // 2]), ends


def auroc_interval(inside: ArrayLike, outside: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """An interval for the AUROC of the population: DeLong's variance (DeLong et al. 1988) on the logit scale.

    Approximate, for scores drawn one by one. Where that variance is 0 or not to be had (perfect separation, constant
    scores, a side of one score) it is Newcombe's method 5 (2006, Statistics in Medicine 25:559), which has a width
    there: all t with |auroc - t| <= z * sqrt(V(t)), V after Hanley and McNeil.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a number above 0 and below 1.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    a, b = _pair(inside, outside)
    low, high = _below(a, b)
    won = (low + high) / (2 * len(b))  # each inside score's share of outside scores below it, ties half
    low, high = _below(b, a)
    lost = 1 - (low + high) / (2 * len(a))
    value = auroc(a, b)
    variance = (won.var(ddof=1) / len(a) + lost.var(ddof=1) / len(b)) if min(len(a), len(b)) > 1 else 0.0
    if not (0 < value < 1 and variance > 0):
        return _newcombe(value, len(a), len(b), z)
    middle, half = math.log(value / (1 - value)), z * math.sqrt(variance) / (value * (1 - value))
    return _logistic(middle - half), _logistic(middle + half)


def _newcombe(value: float, n: int, m: int, z: float) -> tuple[float, float]:
    """The ends of {t : |value - t| <= z sqrt(V(t))}, by bisection from `value` outwards."""
    half = (n + m) / 2 - 1

    def inside(t: float) -> bool:
        variance = t * (1 - t) / (n * m) * (1 + half * ((1 - t) / (2 - t) + t / (1 + t)))
        return (value - t) ** 2 <= z * z * variance

    def end(far: float) -> float:
        near = value
        for _ in range(60):
            middle = (near + far) / 2
            near, far = (middle, far) if inside(middle) else (near, middle)
        return near

    return end(0.0), end(1.0)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def _below(a: Array, b: Array) -> tuple[Array, Array]:
    """For each of a: how many of b are below it, and how many are at or below it."""
    b = np.sort(b)
    return np.searchsorted(b, a, side="left"), np.searchsorted(b, a, side="right")


def _pair(one: ArrayLike, other: ArrayLike, *names: str) -> tuple[Array, Array]:
    """Both sides in one dtype in which every comparison is exact."""
    a, b = (_scores(x, name) for x, name in zip((one, other), names or ("inside", "outside"), strict=True))
    common = np.result_type(a, b)
    if common.kind == "f" and not (_in_floats(a) and _in_floats(b)):
        common = np.dtype(object)
    return a.astype(common), b.astype(common)


def _in_floats(x: Array) -> bool:
    """Whether the floating dtype that numpy chooses for x and another array holds every number of x exactly."""
    if x.dtype.kind == "f":
        return True  # result_type never narrows, and holds every whole number of fewer than 64 bits
    return x.dtype.itemsize < 8 or (int(x.max()) <= EXACT and int(x.min()) >= -EXACT)


def _array(x: Any) -> Array:
    """What numpy makes of x. Of torch's tensors, known by their methods, the numbers: bfloat16 is no dtype of numpy's."""
    if callable(getattr(x, "detach", None)):
        x = x.detach().cpu()
        x = x.double() if x.is_floating_point() else x
    return np.asarray(x)


def _scores(x: ArrayLike, name: str) -> Array:
    s = _array(x)
    if s.ndim != 1 or not len(s):
        raise ValueError(f"{name} has the shape {list(s.shape)}; give scores [N], N >= 1: both sides are needed.")
    if s.dtype == object and all(isinstance(v, numbers.Real) for v in s):
        pass  # whole numbers too large for int64: Python compares them exactly
    elif s.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {s.dtype}; give real numbers.")
    if (s != s).any():
        raise ValueError(f"{name} holds NaN ({int((s != s).sum())} of {len(s)}); a score must be a number.")
    return s.astype(np.uint8) if s.dtype == np.bool_ else s


def _confidences(x: ArrayLike) -> NDArray[np.float64]:
    c = _scores(x, "confidence").astype(np.float64)
    if c.min() < 0 or c.max() > 1:
        raise ValueError(f"confidence reaches from {c.min()} to {c.max()}; give probabilities, from 0 to 1.")
    return c


def _bools(x: ArrayLike) -> NDArray[np.float64]:
    """True and False, or 1 and 0, as float64."""
    made = _scores(x, "correct").astype(np.float64)
    if not np.isin(made, (0, 1)).all():
        raise ValueError("correct holds other numbers than 0 and 1; give True where the answer is right.")
    return made


def _number(x: float, name: str) -> float:
    if math.isnan(x):
        raise ValueError(f"{name} is NaN; give a number.")
    return x
