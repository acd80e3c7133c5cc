"""The lowest threshold whose precision reaches a target with probability 1 - delta: the exact tests and their order.

How. Sort the m pictures answered `label` by confidence, surest first, ties in an order drawn without looking at the
truth. Rank k stands for every threshold in the gap (c[k+1], c[k]]. The ranks, the order of testing (strictest first)
and the level of each test follow from m alone. Rank k is tested by the exact binomial tail (Clopper and Pearson 1934)
of its number of right answers, and testing goes on while it succeeds: fixed-sequence testing, as in Learn then Test
(Angelopoulos et al. 2021, arXiv 2110.01052, section 3). The few surest pictures can show little, and one error among
them would end the sequence, so there are several starting ranks that share delta, and a run of successes carries its
level along (the fallback procedure, Wiens 2003). A grid of ranks adapts to where the confidences lie; a grid of
values would have to be guessed, and its first points would accept too few pictures to show anything.

Why that is exact although the thresholds are random. Let u be the share of such answers (in the whole population,
ties broken as above) that lie above a cut, and R(u) the share that lie there and are right. A cut is bad where
R(u) < precision * u; R is continuous, so the line is met exactly at both ends of each interval of bad cuts. A rank is
bad if a cut of its gap is. Condition on how many pictures lie between any two of these ends. Then it is settled which
ranks are bad, and how many pictures of each interval lie above a bad rank. These are right at exactly the rate
`precision` in each whole interval, and less often in the upper part of the bad interval that the rank cuts. So the
number of right answers among its k is at most Binomial(k, precision) in stochastic order: its p-value is valid given
the condition, and fixed-sequence and fallback testing keep the chance of accepting any bad rank at delta or less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._words import counted
from .errors import CalibrationError

CLOSEST = 1e-12  # that a rate may come to 0 and to 1; further out the tests leave what a float holds
RATE_RANKS = 20  # ranks at which the share of the class accepted is bounded below, all at once (prevalence)
RATE_STARTS = 5  # starting points that share the level for the others' rate (prevalence)

Floats = NDArray[np.float64]


def lower_bound(n_right: int, n: int, delta: float) -> float:
    """The exact one-sided lower bound of a share: `n_right` of `n` seen, wrong with probability at most `delta`.

    Clopper and Pearson 1934. In [0, 1]; 0 for n_right = 0. Raises ValueError unless 0 <= n_right <= n, n >= 1 and
    0 < delta < 1.

    >>> round(lower_bound(59, 59, 0.05), 4)
    0.9505
    """
    if not (0 <= n_right <= n and n >= 1 and 0 < delta < 1):
        raise ValueError(f"{n_right} right of {n} at delta {delta}: give 0 <= n_right <= n, n >= 1, 0 < delta < 1.")
    from scipy.special import betaincinv

    return float(betaincinv(n_right, n - n_right + 1, delta)) if n_right else 0.0


def needed(precision: float, delta: float) -> int:
    """The fewest answers, all right, that show `precision` with probability 1 - delta: precision ** n <= delta.

    Raises CalibrationError as `check_rates` does.

    >>> needed(0.95, 0.05), needed(0.99, 0.05)
    (59, 299)
    """
    check_rates(precision, delta, None)
    n = max(1, math.ceil(math.log(delta) / math.log(precision)) - 1)
    return n if precision**n <= delta else n + 1


def check_rates(precision: float, delta: float, prevalence: float | None) -> None:
    """Raises CalibrationError unless each lies strictly between 0 and 1, and CLOSEST away from both."""
    for name, value in (("precision", precision), ("delta", delta), ("prevalence", prevalence)):
        if value is not None:
            check_rate(name, value)


def check_rate(name: str, value: float) -> None:
    """Raises CalibrationError, as check_rates, for one of them; `name` stands in the message."""
    if not CLOSEST <= value <= 1 - CLOSEST:
        raise CalibrationError(
            f"{name} is {value}; give a number above 0 and below 1, at least {CLOSEST} away from both."
        )


def fit_plain(
    c: Floats, right: Any, answered: Any, label: str, precision: float, delta: float, _: float
) -> tuple[float, float]:
    """(threshold, its lower bound) where the pictures given are drawn like those to come."""
    from scipy.special import betainc

    m, least = int(answered.sum()), needed(precision, delta)
    if m < least:
        raise CalibrationError(
            f"Too few pictures to calibrate {label!r}: the answer {label!r} was given to {m} of {counted(len(c), 'picture')}, and at "
            f"least {counted(least, 'such answer')}, all right, {'is' if least == 1 else 'are'} needed for precision "
            f"{precision} with delta {delta}. "
            "Give more pictures, or ask for a lower precision or a larger delta.",
            needed=least,
        )
    ties = np.random.default_rng(0).permutation(m)  # never the order of the files, which may follow the classes
    order = np.lexsort((ties, -c[answered]))
    sure, hits = c[answered][order], np.cumsum(right[answered][order])
    k = np.arange(1, m + 1)
    p = np.where(hits > 0, betainc(np.maximum(hits, 1), k - hits + 1, precision), 1.0)
    level = _walk(p, *_starts(m, precision, delta))
    real = np.append(sure[:-1] > sure[1:], True)  # a cut between two equal confidences is no threshold
    shown = np.flatnonzero((level > 0) & real)
    if not len(shown):
        raise _not_shown(label, precision, delta, p, hits, real)
    last = int(shown[-1])
    return float(sure[last]), lower_bound(int(hits[last]), last + 1, float(level[last]))


def _starts(m: int, precision: float, delta: float) -> tuple[list[int], list[float]]:
    """The starting ranks and their shares of delta: each but the last takes a third of what is left.

    The first rank is the smallest that can succeed, each next one is twice as far, the last is m. Pictures too few
    for a first rank are tested once, all together, with all of delta.
    """
    rank = needed(precision, delta / 3)
    ranks: list[int] = []
    shares: list[float] = []
    left = delta
    while rank < m:
        ranks.append(rank)
        shares.append(left / 3)
        left -= left / 3
        rank *= 2
    return [*ranks, m], [*shares, left]


def _walk(p: Floats, starts: Sequence[int], shares: Sequence[float]) -> Floats:
    """The level at which each of the tests succeeds in turn, 0 where it does not. starts count from 1, rising."""
    level, carried = np.zeros(len(p)), 0.0
    for start, end, share in zip(starts, [*starts[1:], len(p) + 1], shares, strict=True):
        carried += share
        failed = np.flatnonzero(p[start - 1 : end - 1] > carried)
        stop = start - 1 + int(failed[0]) if len(failed) else end - 1
        level[start - 1 : stop] = carried
        if len(failed):
            carried = 0.0
    return level


def _not_shown(label: str, precision: float, delta: float, p: Floats, hits: Any, real: Any) -> CalibrationError:
    """Enough pictures, but no threshold: says what was seen at the likeliest cut and how many such would do."""
    cut = int(np.where(real, p, 2.0).argmin())
    k, share = cut + 1, float(hits[cut]) / (cut + 1)
    wrong = k - int(hits[cut])
    if k == 1:
        seen = f"{'even' if wrong else 'only'} the surest answer {label!r} is {'wrong' if wrong else 'right'}"
    else:
        seen = f"{wrong:,} of the {k:,} surest answers {label!r} {'is' if wrong == 1 else 'are'} wrong"
    text = (
        f"No threshold for {label!r} could be shown to have precision {precision} with delta {delta}: at the best cut "
        f"{seen}. "
    )
    if share <= precision:
        return CalibrationError(
            text + "More pictures will hardly help: train a better judge, or ask for less precision."
        )
    n = k + 1
    while n < 10**9 and lower_bound(math.floor(share * n), n, delta / 3) < precision:
        n = math.ceil(1.1 * n)
    return CalibrationError(
        text + f"With that share of errors about {n:,} such answers are needed, not {k:,}.", needed=n
    )


def fit_prevalence(
    c: Floats, right: Any, answered: Any, label: str, precision: float, delta: float, prevalence: float
) -> tuple[float, float]:
    """(threshold, its lower bound) for a share `prevalence` of the class in the field."""
    from scipy.special import bdtr, betaincinv

    n_in, n_out = int(right.sum()), int((~right).sum())
    odds = prevalence / (1 - prevalence)
    q = odds * (1 - precision) / precision
    ranks = np.unique(np.ceil(np.arange(1, RATE_RANKS + 1) * n_in / RATE_RANKS)).astype(int) if n_in else np.array([1])
    bounds = betaincinv(ranks, max(n_in, 1) - ranks + 1, delta / 2 / RATE_RANKS)
    cuts = np.unique(c[right & answered])[::-1]
    seen = _at_or_above(c[right & answered], cuts)
    tpr = np.append(0.0, bounds)[np.searchsorted(ranks, seen, side="right")]
    others = _at_or_above(c[~right & answered], cuts)
    limit = np.minimum(1.0, q * tpr)
    best_limit = min(1.0, q * float(bounds[-1]))
    least = math.ceil(math.log(delta / 2) / math.log1p(-best_limit)) if best_limit < 1 else 1
    if n_in and not len(cuts):
        raise CalibrationError(
            f"No threshold for {label!r}: the judge answers {label!r} to none of its {counted(n_in, 'picture')}. "
            "More pictures will hardly help: train a better judge."
        )
    if not n_in or n_out < least:
        raise CalibrationError(
            f"Too few pictures to calibrate {label!r} for prevalence {prevalence}: {counted(n_in, 'picture')} of {label!r} "
            f"({int((right & answered).sum())} of them answered so) and {counted(n_out, 'other')} were given. Precision "
            f"{precision} with delta {delta} takes at least {counted(least, 'other')}, none of them accepted, beside "
            f"{max(n_in, 1):,} of {label!r}, all accepted. Give more pictures, or ask for a lower precision.",
            needed=least,
        )
    p = np.where(limit < 1, bdtr(others, n_out, limit), 0.0)
    starts = _rate_starts(limit, n_out, delta / 2)
    level = _walk(p, starts, [delta / 2 / len(starts)] * len(starts))
    shown = np.flatnonzero(level > 0)
    if not len(shown):
        best = int(p.argmin())
        raise CalibrationError(
            f"No threshold for {label!r} could be shown to have precision {precision} with delta {delta} at prevalence "
            f"{prevalence}: at the best cut {int(seen[best])} of {counted(n_in, 'picture')} of {label!r} and {int(others[best])} "
            f"of {n_out} others are accepted, and the others' rate must be shown to be at most {limit[best]:.2g}. "
            "Give more pictures, train a better judge, or ask for less.",
        )
    last = int(shown[-1])
    fpr = 1.0 - lower_bound(n_out - int(others[last]), n_out, float(level[last]))
    return float(cuts[last]), float(odds * tpr[last] / (odds * tpr[last] + fpr))


def _at_or_above(values: Floats, cuts: Floats) -> NDArray[np.int64]:
    """How many of the values are at or above each cut."""
    return np.searchsorted(np.sort(-values), -cuts, side="right")


def _rate_starts(limit: Floats, n_out: int, delta: float) -> list[int]:
    """Starting points, evenly spaced over the cuts that would succeed with no other accepted; the last cut always."""
    with np.errstate(divide="ignore"):
        able = np.flatnonzero(n_out * np.log1p(-limit) <= math.log(delta / RATE_STARTS))
    if not len(able):
        return [len(limit)]
    return sorted({int(x) + 1 for x in np.linspace(able[0], len(limit) - 1, RATE_STARTS)})
