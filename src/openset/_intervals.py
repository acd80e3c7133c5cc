"""Intervals for shares, means, medians and the AUROC: exact where they can be, and what each rests on."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ._scores import area, below, floats, pair

Convention = Literal["in-positive", "out-positive"]
HUGE = 1e290  # a sum of so large numbers may overflow
COUNTED = (
    10**12
)  # pictures: at 10**14 scipy's Beta quantiles have lost three digits of the width, at 10**17 they are NaN


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval for a share of which `k` of `n` were seen (Clopper and Pearson 1934)."""
    if not (0 <= k <= n < math.inf and n >= 1 and k == int(k) and n == int(n) and 0 < level < 1):
        raise ValueError(f"{k} of {n} at level {level}: give whole numbers 0 <= k <= n, n >= 1, and 0 < level < 1.")
    if int(n) > COUNTED:
        raise ValueError(f"n is too large; give at most {COUNTED:,}: beyond it scipy's quantiles are not exact.")
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return low, high


def mean_interval(values: ArrayLike, level: float = 0.95, draws: int = 2000) -> tuple[float, tuple[float, float]]:
    """The mean of finite values [N] and its interval: percentiles of `draws` bootstrap means, seed 0. Approximate.

    Where all values are equal the interval has no width: a bootstrap cannot say more than it has seen.
    """
    x = floats(values, "values")
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

    x = np.sort(floats(values, "values"))
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a number above 0 and below 1.")
    n = len(x)
    k = int(binom.ppf((1 - level) / 2, n, 0.5))  # the largest k with P(fewer than k below) <= (1 - level) / 2
    ends = (float(x[k - 1]), float(x[n - k])) if k >= 1 else (-math.inf, math.inf)
    return float(x[(n - 1) // 2]), ends


def fpr_interval(
    inside: ArrayLike,
    outside: ArrayLike,
    *,
    tpr: float = 0.95,
    convention: Convention = "in-positive",
    level: float = 0.95,
) -> tuple[float, float]:
    """An interval for the population's `fpr_at_tpr`, for scores drawn one by one from any two distributions.

    Half of 1 - level goes to the threshold, between two order statistics of the positive side (the number of its scores
    beyond the population's quantile is binomial), half to the share of the other side at either of them (Clopper and
    Pearson). So it holds with probability at least `level`, and is wider than need be.
    """
    from scipy.stats import binom

    a, b = pair(inside, outside)
    if not 0 < tpr <= 1 or not 0 < level < 1:
        raise ValueError(f"tpr is {tpr} and level {level}; give 0 < tpr <= 1 and 0 < level < 1.")
    if convention == "in-positive":
        ranked = np.sort(a)
    elif convention == "out-positive":
        ranked = np.sort(b)[::-1]
    else:
        raise ValueError(f'convention is {convention!r}; give "in-positive" or "out-positive".')
    lost, tail = float(1 - Fraction(str(float(tpr)))), (1 - level) / 4
    mild, strict = (int(binom.ppf(p, len(ranked), lost)) for p in (tail, 1 - tail))

    def ends(threshold: Any) -> tuple[float, float]:
        accepted = b >= threshold if convention == "in-positive" else a <= threshold
        return clopper_pearson(int(accepted.sum()), len(accepted), (1 + level) / 2)

    return (
        ends(ranked[strict])[0] if strict < len(ranked) else 0.0,
        ends(ranked[mild - 1])[1] if mild >= 1 else 1.0,
    )


def auroc_interval(inside: ArrayLike, outside: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """An interval for the AUROC of the population: DeLong's variance (DeLong et al. 1988) on the logit scale.

    Approximate, for scores drawn one by one. Where that variance is 0 or not to be had (perfect separation, constant
    scores, a side of one score) it is Newcombe's method 5 (2006, Statistics in Medicine 25:559), which has a width
    there: all t with |auroc - t| <= z * sqrt(V(t)), V after Hanley and McNeil.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a number above 0 and below 1.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    a, b = pair(inside, outside)
    low, high = below(a, b)
    won = (low + high) / (2 * len(b))  # each inside score's share of outside scores below it, ties half
    low, high = below(b, a)
    lost = 1 - (low + high) / (2 * len(a))
    value = area(a, b)
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
