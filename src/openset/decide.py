"""Thresholds that keep a promised precision, and the decisions made with them. numpy; scipy is loaded to fit only.

The promise of `fit_threshold`: with probability at least 1 - delta over the draw of the calibration pictures, a picture
to come that is accepted as `label` is right with probability at least `precision`. No assumption is made on the
confidences: they may be overconfident, discrete, all equal, or fall where the judge is right more often.

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
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import CalibrationError
from .types import Decision, JudgeInfo, Threshold

ASSUMPTION = "pictures to come are drawn like the calibration pictures, each on its own"
RATE_RANKS = 20  # ranks at which the share of the class accepted is bounded below, all at once (prevalence)
RATE_STARTS = 5  # starting points that share the level for the others' rate (prevalence)
SUM_SLACK = 1e-3  # a row of probabilities sums to 1 within this

Floats = NDArray[np.float64]


def lower_bound(n_right: int, n: int, delta: float) -> float:
    """The exact one-sided lower bound of a share: `n_right` of `n` seen, wrong with probability at most `delta`.

    Clopper and Pearson 1934. In [0, 1]; 0 for n_right = 0. Raises ValueError unless 0 <= n_right <= n, n >= 1 and
    0 < delta < 1.
    """
    if not (0 <= n_right <= n and n >= 1 and 0 < delta < 1):
        raise ValueError(f"{n_right} right of {n} at delta {delta}: give 0 <= n_right <= n, n >= 1, 0 < delta < 1.")
    from scipy.special import betaincinv

    return float(betaincinv(n_right, n - n_right + 1, delta)) if n_right else 0.0


def needed(precision: float, delta: float) -> int:
    """The fewest answers, all right, that show `precision` with probability 1 - delta: precision ** n <= delta.

    59 for .95 and .05; 299 for .99 and .05. Raises CalibrationError unless both lie strictly between 0 and 1.
    """
    _check_rates(precision, delta, None)
    n = max(1, math.ceil(math.log(delta) / math.log(precision)) - 1)
    return n if precision**n <= delta else n + 1


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

    prevalence None: the pictures are drawn like those to come, the share of the class included. The proof is in this
    module's docstring. prevalence P: the class's pictures are drawn like the class's to come and the others' like the
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
    _check_rates(precision, delta, prevalence)
    c, right, answered = _checked(confidence, correct, is_label)
    fit = _fit_plain if prevalence is None else _fit_prevalence
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
    prevalence: label -> its share in the field, all of them or None. Raises ValueError on a wrong shape.
    """
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
        shown, limit = _apart(confidence, value)
        why = f"confidence {shown} {'reaches' if accepted else 'is below'} the threshold {limit} for {label!r}"
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
    """Both numbers with two decimals, or as many more as tell them apart."""
    for digits in range(2, 17):
        first, second = f"{a:.{digits}f}", f"{b:.{digits}f}"
        if first != second or a == b:
            return first, second
    return repr(a), repr(b)


def _check_rates(precision: float, delta: float, prevalence: float | None) -> None:
    for name, value in (("precision", precision), ("delta", delta), ("prevalence", prevalence)):
        if value is not None and not 0 < value < 1:
            raise CalibrationError(f"{name} is {value}; give a number above 0 and below 1.")


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


def _fit_plain(
    c: Floats, right: Any, answered: Any, label: str, precision: float, delta: float, _: float
) -> tuple[float, float]:
    """(threshold, its lower bound) where the pictures given are drawn like those to come."""
    from scipy.special import betainc

    m, least = int(answered.sum()), needed(precision, delta)
    if m < least:
        raise CalibrationError(
            f"Too few pictures to calibrate {label!r}: {m} of the {len(c)} pictures are answered {label!r}, and at "
            f"least {least} such answers, all right, are needed for precision {precision} with delta {delta}. "
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

    The first rank is the smallest that can succeed, each next one is twice as far, the last is m. With few pictures
    there is one start, m: all of delta is spent where the most is seen.
    """
    rank = needed(precision, delta / 3)
    if m < 2 * rank:
        return [m], [delta]
    ranks, shares, left = [], [], delta
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
    text = (
        f"No threshold for {label!r} could be shown to have precision {precision} with delta {delta}: at the best cut "
        f"{k - int(hits[cut])} of the {k} surest answers {label!r} are wrong. "
    )
    if share <= precision:
        return CalibrationError(
            text + "More pictures will hardly help: train a better judge, or ask for less precision."
        )
    n = k
    while n < 10**9 and lower_bound(math.floor(share * n), n, delta / 3) < precision:
        n = math.ceil(1.1 * n)
    return CalibrationError(text + f"With that share of errors about {n} such answers are needed, not {k}.", needed=n)


def _fit_prevalence(
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
    if not n_in or n_out < least or not len(cuts):
        raise CalibrationError(
            f"Too few pictures to calibrate {label!r} for prevalence {prevalence}: {n_in} pictures of {label!r} "
            f"({int((right & answered).sum())} of them answered so) and {n_out} of others were given. For precision "
            f"{precision} with delta {delta} at least {least} others are needed, none of them accepted, beside "
            f"{max(n_in, 1)} of {label!r}, all accepted. Give more pictures, or ask for a lower precision.",
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
            f"{prevalence}: at the best cut {int(seen[best])} of {n_in} pictures of {label!r} and {int(others[best])} "
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
