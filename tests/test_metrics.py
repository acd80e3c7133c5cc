"""Every measure against its definition, counted pair by pair or picture by picture, and the edges others got wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom
from sklearn.metrics import average_precision_score, roc_auc_score

from openset.metrics import (
    accuracy,
    aupr,
    auroc,
    auroc_interval,
    clopper_pearson,
    coverage,
    ece,
    fpr_at_tpr,
    fpr_interval,
    mean_interval,
    median_interval,
    mmc,
    selective_accuracy,
)

TIED = st.lists(st.integers(-3, 3), min_size=1, max_size=12)  # many ties
FREE = st.lists(st.floats(allow_nan=False), min_size=1, max_size=12)  # with infinities, subnormals, -0.0
HUGE = st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=8)
GAP = st.lists(  # numpy makes floats of these, and rounds: a uint64 beside a negative, a large whole number beside a float
    st.sampled_from([2**64 - 1, 2**63 + 1, 2**63, 2**63 - 1, 2**53 + 1, 2**53, -1, -(2**53) - 1, 0.5, 2.0**53, 2.0**63]),
    min_size=1, max_size=8,
)  # fmt: skip
SIDES = TIED | FREE | HUGE | GAP
UNIT = st.floats(0, 1)


def wins(inside: list[Any], outside: list[Any]) -> Fraction:
    twice = sum(2 * (a > b) + (a == b) for a in inside for b in outside)
    return Fraction(twice, 2 * len(inside) * len(outside))


@given(SIDES, SIDES)
@settings(max_examples=200, deadline=None)
def test_auroc_counts_pairs(inside: list[Any], outside: list[Any]) -> None:
    value = auroc(inside, outside)
    assert value == float(wins(inside, outside))
    assert value + auroc(outside, inside) == pytest.approx(1)


@given(st.sampled_from("?bBhHiIlLqQefdg"), st.sampled_from("?bBhHiIlLqQefdg"), st.data())
@settings(max_examples=150, deadline=None)
def test_auroc_counts_pairs_in_any_two_dtypes(one: str, two: str, data: st.DataObject) -> None:
    sides = []
    for code in (one, two):
        kind = np.dtype(code).kind
        if kind == "b":
            values = st.booleans()
        elif kind == "f":
            values = st.sampled_from([0.0, 0.5, 1.0, 127.0, -2.0, math.inf, -math.inf])  # type: ignore[assignment]
        else:
            limits = np.iinfo(code)
            values = st.integers(max(int(limits.max) - 2, 0), int(limits.max)) | st.integers(0, 2)  # type: ignore
        sides.append(np.array(data.draw(st.lists(values, min_size=1, max_size=8)), dtype=code))
    exact = [[x.item() if not isinstance(x, np.longdouble) else float(x) for x in side] for side in sides]
    assert auroc(*sides) == float(wins(*exact))


@given(SIDES, SIDES, st.sampled_from([0.01, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0]))
@settings(max_examples=150, deadline=None)
def test_fpr_is_that_of_the_strictest_threshold_with_the_true_positive_rate(
    inside: list[Any], outside: list[Any], tpr: float
) -> None:
    """Every threshold that can matter is tried; 0.95 of 20 is 19, whatever binary fractions say."""
    share = Fraction(str(tpr))
    keeping = [t for t in inside if Fraction(sum(a >= t for a in inside), len(inside)) >= share]
    false = sum(b >= max(keeping) for b in outside) / len(outside)
    assert fpr_at_tpr(inside, outside, tpr=tpr) == false
    finding = [t for t in outside if Fraction(sum(b <= t for b in outside), len(outside)) >= share]
    false = sum(a <= min(finding) for a in inside) / len(inside)
    assert fpr_at_tpr(inside, outside, tpr=tpr, convention="out-positive") == false


def average_precision(positive: list[Any], negative: list[Any], at_least: Callable[[Any, Any], bool]) -> float:
    """Recall gained at each distinct threshold, times the precision there."""
    total, found = 0.0, 0
    thresholds = list(dict.fromkeys(positive))
    for t in sorted(thresholds, key=lambda t: sum(at_least(p, t) for p in positive)):
        right, wrong = (sum(at_least(x, t) for x in side) for side in (positive, negative))
        total += (right - found) / len(positive) * right / (right + wrong)
        found = right
    return total


@given(SIDES, SIDES)
@settings(max_examples=150, deadline=None)
def test_aupr_sums_precision_over_gains_in_recall(inside: list[Any], outside: list[Any]) -> None:
    searched_in = average_precision(inside, outside, lambda x, t: bool(x >= t))
    searched_out = average_precision(outside, inside, lambda x, t: bool(x <= t))
    assert aupr(inside, outside, positive="in") == pytest.approx(searched_in)
    assert aupr(inside, outside, positive="out") == pytest.approx(searched_out)


@pytest.mark.parametrize("values", [8, 100_000])
def test_the_same_as_scikit_learn_on_many_scores(values: int) -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.integers(0, values, 3_000) + values // 3, rng.integers(0, values, 500)
    y, s = np.repeat([1, 0], [3_000, 500]), np.concatenate([inside, outside])
    assert auroc(inside, outside) == pytest.approx(roc_auc_score(y, s))
    assert aupr(inside, outside, positive="in") == pytest.approx(average_precision_score(y, s))
    assert aupr(inside, outside, positive="out") == pytest.approx(average_precision_score(1 - y, -s))


def test_auroc_where_others_squash_or_thin_the_scores() -> None:
    """The two tables of faults seen in other tools: 0.5 through a sigmoid, 0.906 on thinned thresholds."""
    assert auroc([30, 31, 32, 33], [20, 21, 22, 23]) == 1.0
    assert auroc([20, 21, 22, 23], [30, 31, 32, 33]) == 0.0
    assert auroc([5, 6, 7, 8], [1, 2, 3, 4]) == 1.0
    assert auroc([1e300, 1e301], [-1e300, 0]) == 1.0
    assert auroc([2**53 + 1], [2**53]) == 1.0
    assert auroc([2**53 + 1], np.array([2.0**53])) == 1.0
    assert auroc([2**64 - 1], [-1]) == 1.0
    assert auroc([0.5] * 3, [0.5] * 4) == 0.5


def test_the_two_conventions_differ_and_both_are_right() -> None:
    """20 pictures inside, one of them unsure; 20 outside, two of them surest."""
    inside, outside = [0.1] + [0.8] * 19, [0.5] * 18 + [0.9] * 2
    assert fpr_at_tpr(inside, outside) == 0.1  # threshold .8 keeps 19 of 20 inside, and 2 of 20 outside
    assert fpr_at_tpr(inside, outside, convention="out-positive") == 1.0  # .9 is needed to flag 19 of 20 outside
    assert fpr_at_tpr(inside, outside, tpr=0.9, convention="out-positive") == 0.05


def test_measures_of_one_picture_each() -> None:
    assert auroc([1], [0]) == 1.0
    assert fpr_at_tpr([1], [0]) == fpr_at_tpr([1], [0], convention="out-positive") == 0.0
    assert aupr([1], [0], positive="in") == aupr([1], [0], positive="out") == 1.0
    assert mmc([0.25]) == 0.25
    assert accuracy([3], [3]) == 1.0
    low, high = auroc_interval([1], [0])
    assert 0 <= low < 0.3
    assert high == 1.0


NAN = math.nan
WORDS: Any = ["1", "2"]
BROKEN: list[tuple[str, Callable[[], Any]]] = [
    ("NaN", lambda: auroc([0.1, NAN], [0.2])),
    ("NaN", lambda: auroc([0.1], np.array([NAN], dtype=np.float16))),
    ("both sides", lambda: auroc([], [0.2])),
    ("both sides", lambda: fpr_at_tpr([0.2], [])),
    ("both sides", lambda: aupr([0.2], [], positive="in")),
    ("both sides", lambda: auroc_interval([], [1])),
    ("shape", lambda: auroc([[0.1], [0.2]], [0.2])),
    ("real numbers", lambda: auroc(["a"], [0.2])),
    ("real numbers", lambda: auroc([1j], [0.2])),
    ("real numbers", lambda: auroc([None, 1], [0.2])),
    ("positive is 'inside'", lambda: aupr([1], [0], positive="inside")),  # type: ignore[arg-type]
    ("convention is 'ood'", lambda: fpr_at_tpr([1], [0], convention="ood")),  # type: ignore[arg-type]
    ("tpr is 95", lambda: fpr_at_tpr([1], [0], tpr=95)),
    ("tpr is nan", lambda: fpr_at_tpr([1], [0], tpr=NAN)),
    ("convention is 'ood'", lambda: fpr_interval([1], [0], convention="ood")),  # type: ignore[arg-type]
    ("tpr is 95", lambda: fpr_interval([1], [0], tpr=95)),
    ("level 95", lambda: fpr_interval([1], [0], level=95)),
    ("both sides", lambda: fpr_interval([1], [])),
    ("NaN", lambda: mmc([NAN])),
    ("from 0 to 1", lambda: mmc([1.1])),
    ("from 0 to 1", lambda: mmc([math.inf])),
    ("shape", lambda: mmc([])),
    ("one length", lambda: accuracy([1, 2], [1])),
    ("one length", lambda: accuracy([], [])),
    ("NaN", lambda: accuracy([NAN], [1])),
    ("NaN", lambda: accuracy(np.array([NAN], object), [1])),
    ("never equal", lambda: accuracy([1, 2], ["1", "2"])),
    ("never equal", lambda: accuracy([b"cat"], ["cat"])),
    ("no accuracy", lambda: selective_accuracy([0.5], [True], 0.6)),
    ("as many", lambda: selective_accuracy([0.5], [True, False], 0.2)),
    ("threshold is NaN", lambda: coverage([0.5], NAN)),
    ("other numbers", lambda: ece([0.5], [2])),
    ("bins", lambda: ece([0.5], [1], bins=0)),
    ("bins", lambda: ece([0.5], [1], bins=2.5)),  # type: ignore[arg-type]
    ("bins", lambda: ece([0.5], [1], bins=math.inf)),  # type: ignore[arg-type]
    ("inf bins|nan bins", lambda: ece([0.5], [1], bins=NAN)),  # type: ignore[arg-type]
    ("n is too large", lambda: clopper_pearson(10**400, 10**401)),
    ("n is too large", lambda: clopper_pearson(10**16, 10**17)),
    ("too large for float64", lambda: median_interval([10**400])),
    ("too large for float64", lambda: median_interval(np.array([np.longdouble("1e4000")]))),
    ("too large for float64", lambda: mean_interval([1, -(10**400)])),
    ("too large for float64", lambda: mmc([10**400])),
    ("too large for float64", lambda: ece([0.5], [10**400])),
    ("0 <= k <= n", lambda: clopper_pearson(3, 2)),
    ("0 <= k <= n", lambda: clopper_pearson(0, 0)),
    ("0 <= k <= n", lambda: clopper_pearson(2.5, 10)),  # type: ignore[arg-type]
    ("0 <= k <= n", lambda: clopper_pearson(2, math.inf)),  # type: ignore[arg-type]
    ("real numbers", lambda: mean_interval(WORDS)),
    ("real numbers", lambda: median_interval(WORDS)),
    ("real numbers", lambda: mean_interval(np.array([1j, 2]))),
    ("draws", lambda: mean_interval([1, 2], draws=0)),
    ("level is 95", lambda: median_interval([1, 2], level=95)),
    ("level", lambda: auroc_interval([1], [0], level=95)),
]


@pytest.mark.parametrize(("message", "call"), BROKEN)
def test_what_has_no_value_is_a_value_error(message: str, call: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@given(st.lists(st.tuples(UNIT, st.booleans()), min_size=1, max_size=30), UNIT, st.integers(1, 20))
@settings(max_examples=150, deadline=None)
def test_measures_of_confidence_count_pictures(rows: list[tuple[float, bool]], threshold: float, bins: int) -> None:
    confidence, correct = [c for c, _ in rows], [r for _, r in rows]
    accepted = [r for c, r in rows if c >= threshold]
    assert mmc(confidence) == pytest.approx(math.fsum(confidence) / len(rows))
    assert coverage(confidence, threshold) == pytest.approx(len(accepted) / len(rows))
    if accepted:
        assert selective_accuracy(confidence, correct, threshold) == pytest.approx(sum(accepted) / len(accepted))
    gap = 0.0
    for i in range(bins):  # the bin of c is (i, i + 1] / bins, and 0 lies in the first
        cell = [(c, r) for c, r in rows if i / bins < c <= (i + 1) / bins or (i == 0 and c == 0)]
        if cell:
            gap += len(cell) / len(rows) * abs(np.mean([r for _, r in cell]) - np.mean([c for c, _ in cell]))
    assert ece(confidence, correct, bins) == pytest.approx(gap, abs=1e-12)


def test_ece_of_known_tables() -> None:
    assert ece([0.8] * 10, [True] * 8 + [False] * 2) == pytest.approx(0)
    assert ece([1.0] * 4, [0, 0, 0, 1]) == pytest.approx(0.75)
    assert ece(np.ones(2, dtype=bool), [0, 1]) == 0.5
    assert ece([0.07, 0.065], [1, 0], bins=100) == pytest.approx(abs(0.135 - 1) / 2)  # one bin, (.06, .07]
    assert accuracy(["cat", "dog"], ["cat", "cat"]) == 0.5
    assert accuracy(np.array(["cat", "dog"], object), ["cat", "cat"]) == 0.5
    assert accuracy([2**53 + 1], [2.0**53]) == 0.0


def test_whole_numbers_in_a_list_are_not_rounded_by_their_neighbours() -> None:
    assert auroc([2**63 + 1, -1], [2**63]) == auroc((2**53 + 1, 0.5), [2**53]) == 0.5
    assert auroc([np.uint64(2**63 + 1), -1.0], [2**63]) == auroc(range(-1, 2**63 + 2, 2**63 + 2), [2**63]) == 0.5
    assert accuracy([2**63 + 1, -1], [2**63, -1]) == 0.5
    assert fpr_at_tpr([2**63, -1], [2**63 - 1], tpr=0.5) == 0.0


def test_a_list_of_torchs_tensors_is_their_numbers() -> None:
    torch = pytest.importorskip("torch")
    half, grad = torch.tensor(0.5, dtype=torch.bfloat16), torch.tensor(0.75, requires_grad=True)
    assert mmc([half, grad]) == 0.625
    assert auroc([half, torch.tensor(2**53 + 1)], [0.5, 2**53]) == 0.625  # wins: 0 + 1/2 and 1 + 1, of 4


def test_masked_numbers_are_refused_and_an_empty_mask_is_none() -> None:
    masked = np.ma.array([0.5, 0.9], mask=[False, True])
    for call in (lambda: mmc(masked), lambda: auroc([0.7], masked), lambda: accuracy(masked, [1, 2])):
        with pytest.raises(ValueError, match="masked"):
            call()
    assert mmc(np.ma.array([0.5, 1.0], mask=[False, False])) == 0.75
    assert mmc(masked.compressed()) == 0.5


def test_large_counts_and_scores_are_taken_while_they_are_exact() -> None:
    assert median_interval([10**300, 10**400 // 10**99, 2])[0] == 1e300
    half = 1.959963984540054 * math.sqrt(0.09 / 10**12)  # normal, but for terms of 1 / n
    assert clopper_pearson(10**11, 10**12) == pytest.approx((0.1 - half, 0.1 + half), abs=1e-11, rel=0)


@given(st.integers(1, 60), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_clopper_pearson_ends_where_the_tails_are_half_each(n: int, data: st.DataObject, level: float) -> None:
    k = data.draw(st.integers(0, n))
    low, high = clopper_pearson(k, n, level)
    tail = (1 - level) / 2
    assert low == 0 if k == 0 else binom.sf(k - 1, n, low) == pytest.approx(tail)
    assert high == 1 if k == n else binom.cdf(k, n, high) == pytest.approx(tail)
    if 0 < k < n:
        assert (low, high) == pytest.approx((beta.ppf(tail, k, n - k + 1), beta.ppf(1 - tail, k + 1, n - k)))


@pytest.mark.parametrize(("shift", "n", "m"), [(0.0, 40, 60), (1.0, 40, 60), (2.5, 200, 100)])
def test_auroc_interval_covers_the_true_value_about_as_often_as_it_says(shift: float, n: int, m: int) -> None:
    """Normal scores `shift` apart have AUROC Phi(shift / sqrt 2)."""
    rng, covered, draws = np.random.default_rng(0), 0, 500
    true = (1 + math.erf(shift / 2)) / 2
    for _ in range(draws):
        low, high = auroc_interval(rng.normal(shift, 1, n), rng.normal(0, 1, m))
        covered += low <= true <= high
    assert 0.92 <= covered / draws <= 0.98


@pytest.mark.parametrize("convention", ["in-positive", "out-positive"])
@pytest.mark.parametrize(("n", "m"), [(20, 30), (60, 400), (400, 60)])
@pytest.mark.parametrize("decimals", [1, 12])  # of the scores: one makes ties
def test_the_interval_of_the_fpr_covers_at_least_as_often_as_it_says(
    n: int, m: int, decimals: int, convention: Any
) -> None:
    """Few positive scores leave the threshold uncertain: the share's own interval there covers less than three in four."""
    rng, draws, covered, alone = np.random.default_rng(1), 400, 0, 0

    def drawn(inside: int, outside: int) -> tuple[np.ndarray, np.ndarray]:
        return (1 - rng.random(inside) ** 4).round(decimals), (rng.random(outside) ** 8).round(decimals)

    true = fpr_at_tpr(*drawn(1_000_000, 1_000_000), convention=convention)
    for _ in range(draws):
        a, b = drawn(n, m)
        value, (low, high) = fpr_at_tpr(a, b, convention=convention), fpr_interval(a, b, convention=convention)
        assert low <= value <= high
        covered += low <= true <= high
        rated = len(b) if convention == "in-positive" else len(a)
        low, high = clopper_pearson(round(value * rated), rated)
        alone += low <= true <= high
    assert covered >= 0.95 * draws
    if (n, m, convention, decimals) == (400, 60, "out-positive", 12):
        assert alone < 0.75 * draws


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.lists(st.integers(0, 9), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_the_fprs_interval_is_of_order_statistics_and_turns_round_with_the_sides(a: list[int], b: list[int]) -> None:
    low, high = fpr_interval(a, b)
    mirrored = fpr_interval([-y for y in b], [-x for x in a], convention="out-positive")
    assert mirrored == (low, high)
    assert low <= fpr_at_tpr(a, b) <= high
    assert high == 1  # .95^40 > .0125: of so few inside even the least may lie above the population's threshold
    wider = fpr_interval(a, b, level=0.99)
    assert wider[0] <= low
    assert wider[1] >= high


def test_auroc_interval_has_a_width_where_the_scores_are_apart() -> None:
    low, high = auroc_interval(range(100, 150), range(50))
    assert 0.9 < low < 0.99
    assert high == 1.0
    low, high = auroc_interval(range(50), range(100, 150))
    assert low == 0.0
    assert 0.01 < high < 0.1
    low, high = auroc_interval([1] * 50, [1] * 50)
    assert low < 0.5 < high
    narrow = auroc_interval(range(1_000, 2_000), range(1_000))
    assert narrow[0] > 0.99


@given(st.integers(6, 400), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_medians_interval_is_the_narrowest_pair_of_order_statistics_that_covers(n: int, level: float) -> None:
    order = np.random.default_rng(n).permutation(n).astype(float)
    value, (low, high) = median_interval(order, level)
    assert value == (n - 1) // 2
    if math.isinf(low):
        assert 2 * 0.5**n > 1 - level  # even the least and the largest do not cover
        return
    k = int(low) + 1
    assert (low, high) == (k - 1, n - k)
    assert 2 * binom.cdf(k - 1, n, 0.5) <= 1 - level + 1e-12  # misses: fewer than k of n fall below the median
    assert 2 * binom.cdf(k, n, 0.5) > 1 - level - 1e-12  # the next pair would miss too often


def test_the_means_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = [
        low <= 0.5 <= high for _, (low, high) in (mean_interval(rng.uniform(size=60), draws=400) for _ in range(300))
    ]
    assert binom.cdf(sum(held), 300, 0.95) > 1e-3  # a bootstrap of 60 covers a little less than 95 %
    assert binom.sf(sum(held) - 1, 300, 0.95) > 1e-3


def test_the_mean_of_numbers_whose_sum_overflows() -> None:
    value, (low, high) = mean_interval([1.5e308, 1e308, 1e308])
    small, (below, above) = mean_interval([1.5, 1.0, 1.0])
    assert (value, low, high) == pytest.approx((small * 1e308, below * 1e308, above * 1e308))
    assert mean_interval([-1e308] * 5) == (-1e308, (-1e308, -1e308))


@given(st.lists(st.integers(0, 4), min_size=2, max_size=9), st.lists(st.integers(0, 4), min_size=2, max_size=9))
@settings(max_examples=150, deadline=None)
def test_the_aurocs_interval_is_delongs_or_else_newcombes(inside: list[int], outside: list[int]) -> None:
    """DeLong et al. 1988, equations 4 to 6, pair by pair in fractions; Newcombe's ends solve his equation."""
    n, m, z, half = len(inside), len(outside), 1.959963984540054, Fraction(1, 2)
    psi = [[Fraction(a > b) + half * (a == b) for b in outside] for a in inside]
    value = sum(map(sum, psi), Fraction(0)) / (n * m)
    rows, columns = [sum(row) / m for row in psi], [sum(column) / n for column in zip(*psi, strict=True)]
    s10, s01 = sum((v - value) ** 2 for v in rows) / (n - 1), sum((v - value) ** 2 for v in columns) / (m - 1)
    error, t = math.sqrt(s10 / n + s01 / m), float(value)
    low, high = auroc_interval(inside, outside)
    assert 0 <= low <= t <= high <= 1
    if 0 < t < 1 and error > 0:
        middle, width = math.log(t / (1 - t)), z * error / (t * (1 - t))
        assert [math.log(x / (1 - x)) for x in (low, high)] == pytest.approx([middle - width, middle + width], abs=1e-6)
        return
    for end in {low, high} - {0.0, 1.0}:
        spread = 1 + ((n + m) / 2 - 1) * ((1 - end) / (2 - end) + end / (1 + end))
        assert (t - end) ** 2 == pytest.approx(z * z * end * (1 - end) / (n * m) * spread)


@given(TIED, TIED)
@settings(max_examples=60, deadline=None)
def test_however_the_numbers_lie_in_memory_the_measures_are_the_same(inside: list[int], outside: list[int]) -> None:
    """Big-endian, every other one, reversed, half precision; torch's, with a gradient or in bfloat16."""
    torch = pytest.importorskip("torch")
    forms: list[Callable[[list[int]], Any]] = [
        lambda x: np.array(x, ">f8"), lambda x: np.array(x, ">i2"), lambda x: np.repeat(x, 2)[::2],
        lambda x: np.array(x[::-1])[::-1], lambda x: np.array(x, np.float16), lambda x: torch.tensor(x),
        lambda x: torch.tensor(x, dtype=torch.bfloat16), lambda x: torch.tensor(x, dtype=torch.float32).requires_grad_(),
    ]  # fmt: skip

    def measured(a: Any, b: Any) -> list[Any]:
        both = [fpr_at_tpr(a, b), fpr_at_tpr(a, b, convention="out-positive")]
        return [auroc(a, b), aupr(a, b, positive="in"), aupr(a, b, positive="out"), auroc_interval(a, b), *both]

    expected = measured(inside, outside)
    for form in forms:
        assert measured(form(inside), form(outside)) == expected
    confidence = torch.tensor([0.5, 1.0], requires_grad=True)
    assert (mmc(confidence), ece(confidence, torch.tensor([True, False]))) == (0.75, 0.75)
    assert accuracy(torch.tensor([1, 2]), [1, 3]) == 0.5


@pytest.mark.parametrize("bad", [[], [[1.0]], [math.nan]])
def test_intervals_of_nothing_are_refused(bad: Any) -> None:
    for interval in (mean_interval, median_interval):
        with pytest.raises(ValueError, match=r"give|must be a number"):
            interval(bad)
    with pytest.raises(ValueError, match="finite"):
        mean_interval([math.inf])
