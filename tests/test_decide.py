"""The promise of a threshold holds in at least 1 - delta of 2,000 draws, and is not bought by refusing everything.

Each model is a discrete population (2,000 confidences, or few, or one) whose true precision at every threshold is a
finite sum, so that whether a promise was kept is known exactly.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from openset.decide import decide, fit_threshold, fit_thresholds, lower_bound, needed
from openset.errors import CalibrationError
from openset.types import JudgeInfo, Preprocess, Threshold

DRAWS, DELTA = 2_000, 0.05
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Answers `label`: confidence value[i] occurs with `share[i]` and is then right with `rate[i]`; value falls."""

    value: Floats
    share: Floats
    rate: Floats

    def precision(self) -> Floats:
        """At each value, taken as the threshold."""
        return np.cumsum(self.share * self.rate) / np.cumsum(self.share)

    def oracle(self, precision: float, n: int) -> float:
        """What an oracle accepts that knows the true precision at every threshold, picks one before the draw, and has
        to show it by one exact test with all of delta: the largest share for which that succeeds in 80 % of draws."""
        mass = np.cumsum(self.share)
        accepted = np.maximum(1, np.round(n * mass))
        right = binom.isf(DELTA, accepted, precision) + 1
        return float(max(mass[binom.sf(right - 1, accepted, self.precision()) >= 0.8]))


def fine(rate: Floats, points: int = 2_000) -> Population:
    """Practically without ties; `rate` is given from the surest to the least sure."""
    return Population(np.linspace(1, 0.5, points), np.full(points, 1 / points), rate)


U = (np.arange(2_000) + 0.5) / 2_000
POPULATIONS = {
    "calibrated": fine(0.5 + 0.5 * (1 - U) ** 0.2),
    "overconfident": fine(np.where(U < 0.3, 0.98, 0.7)),
    "just too low everywhere": fine(np.full(2_000, 0.9499)),
    "wrong where surest": fine(np.where(U < 0.01, 0.5, np.where(U < 0.7, 0.995, 0.5))),
    "waves about the target": fine(0.949 + 0.05 * np.sign(np.sin(9 * np.log(U)))),
    "five values": Population(
        np.array([0.99, 0.9, 0.8, 0.7, 0.6]), np.full(5, 0.2), np.array([0.99, 0.97, 0.95, 0.88, 0.5])
    ),
    "five values, surest wrong": Population(
        np.array([1.0, 0.9, 0.8, 0.7, 0.6]), np.array([0.1, 0.3, 0.3, 0.2, 0.1]), np.array([0.8, 0.95, 0.99, 0.98, 0.4])
    ),
    "all equal, too low": Population(np.array([0.9]), np.array([1.0]), np.array([0.9499])),
    "all equal, high": Population(np.array([0.9]), np.array([1.0]), np.array([0.985])),
}


def draw(population: Population, n: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    at = rng.choice(len(population.value), n, p=population.share)
    return population.value[at], rng.random(n) < population.rate[at]


@cache
def kept(name: str, n: int, draws: int = DRAWS, precision: float = 0.95) -> tuple[float, float]:
    """(share of the draws in which the promise was broken, mean share accepted)."""
    population, rng, broken, accepted = POPULATIONS[name], np.random.default_rng(0), 0, 0.0
    true, mass = population.precision(), np.cumsum(population.share)
    everything = np.ones(n, dtype=bool)
    for _ in range(draws):
        confidence, correct = draw(population, n, rng)
        try:
            fitted = fit_threshold(confidence, correct, everything, label="cat", precision=precision, delta=DELTA)
        except CalibrationError:
            continue
        last = np.flatnonzero(population.value >= fitted.value)[-1]
        broken += true[last] < precision
        accepted += mass[last]
    return broken / draws, accepted / draws


@pytest.mark.parametrize("name", POPULATIONS)
def test_the_promise_is_kept_in_95_of_100_draws(name: str) -> None:
    broken, _ = kept(name, 400)
    assert broken <= DELTA


@pytest.mark.parametrize("name", ["just too low everywhere", "waves about the target"])
def test_the_promise_is_no_more_cautious_than_it_must_be(name: str) -> None:
    """Where a bad threshold is as hard to tell as can be, it is taken about as often as delta allows."""
    broken, _ = kept(name, 400)
    assert broken >= 0.2 * DELTA


@pytest.mark.parametrize("n", [1_000, 4_000])
@pytest.mark.parametrize("name", ["calibrated", "wrong where surest", "five values", "all equal, high"])
def test_the_threshold_accepts_nearly_what_an_oracle_accepts(name: str, n: int) -> None:
    _, accepted = kept(name, n, draws=150)
    assert accepted >= 0.85 * POPULATIONS[name].oracle(0.95, n)


def test_taking_the_best_of_all_thresholds_would_break_the_promise() -> None:
    """So the order of testing is what keeps it: the simulation can tell a right procedure from a wrong one."""
    rng, broken = np.random.default_rng(0), 0
    for _ in range(500):
        confidence, correct = draw(POPULATIONS["just too low everywhere"], 400, rng)
        hits = np.cumsum(correct[np.argsort(-confidence)])
        broken += bool((binom.sf(hits - 1, np.arange(1, 401), 0.95) <= DELTA).any())
    assert broken / 500 > 3 * DELTA


@dataclass(frozen=True)
class Field:
    """A class and the others: confidences (falling) of those answered `label`, and how many are answered so."""

    inside: Floats
    outside: Floats
    answered: tuple[float, float]
    prevalence: float

    def rates(self) -> tuple[Floats, Floats]:
        return self.answered[0] * np.cumsum(self.inside), self.answered[1] * np.cumsum(self.outside)

    def precision(self) -> Floats:
        tpr, fpr = self.rates()
        return self.prevalence * tpr / (self.prevalence * tpr + (1 - self.prevalence) * fpr)


def shares(x: Floats) -> Floats:
    return x / x.sum()


V = np.linspace(1, 0.5, 1_000)
FIELDS = {
    "a good judge, rarer class": Field(shares(V**12), shares((1.5 - V) ** 9), (0.98, 0.2), 0.2),
    "a good judge, common class": Field(shares(V**12), shares((1.5 - V) ** 9), (0.98, 0.2), 0.5),
    "no judge at all, just too bad": Field(shares(V**0), shares(V**0), (0.95, 0.0051), 0.0925),
    "the others are surer": Field(shares(V**4), shares(V**30), (0.98, 0.004), 0.1),
    "two values": Field(shares((V > 0.7) * (V % 0.25 < 1)), shares((V > 0.9) * 1.0), (0.99, 0.0052), 0.09),
}


@pytest.mark.parametrize("name", FIELDS)
def test_the_promise_for_a_prevalence_is_kept(name: str) -> None:
    field, rng, broken, accepted = FIELDS[name], np.random.default_rng(1), 0, 0.0
    n_in, n_out = 300, 2_000
    values, true, tpr = V, field.precision(), field.rates()[0]
    correct = np.arange(n_in + n_out) < n_in
    for _ in range(DRAWS):
        inside = rng.choice(len(V), n_in, p=field.inside)
        n_answered = rng.binomial(n_out, field.answered[1])
        outside = np.append(
            rng.choice(len(V), n_answered, p=field.outside), np.zeros(n_out - n_answered, dtype=np.int64)
        )
        is_label = np.append(rng.random(n_in) < field.answered[0], np.arange(n_out) < n_answered)
        confidence = V[np.append(inside, outside)]
        try:
            fitted = fit_threshold(
                confidence, correct, is_label, label="cat", precision=0.95, delta=DELTA, prevalence=field.prevalence
            )
        except CalibrationError:
            continue
        last = np.flatnonzero(values >= fitted.value)[-1]
        broken += true[last] < 0.95
        accepted += tpr[last]
    assert broken / DRAWS <= DELTA
    if name.startswith("a good judge"):
        assert accepted / DRAWS >= 0.9 * max(tpr[true >= 0.95])


@given(st.integers(1, 400), st.data(), st.floats(0.001, 0.5))
@settings(max_examples=60, deadline=None)
def test_lower_bound_is_the_share_at_which_so_many_right_have_probability_delta(
    n: int, data: st.DataObject, delta: float
) -> None:
    n_right = data.draw(st.integers(0, n))
    bound = lower_bound(n_right, n, delta)
    if n_right == 0:
        assert bound == 0
    else:
        assert binom.sf(n_right - 1, n, bound) == pytest.approx(delta, rel=1e-6)


@pytest.mark.parametrize(
    ("precision", "delta", "n"), [(0.95, 0.05, 59), (0.99, 0.05, 299), (0.5, 0.5, 1), (0.5, 0.25, 2), (0.9, 0.99, 1)]
)
def test_needed_is_the_fewest_that_suffice(precision: float, delta: float, n: int) -> None:
    assert needed(precision, delta) == n
    assert precision**n <= delta
    assert n == 1 or precision ** (n - 1) > delta


def test_as_many_as_needed_suffice_and_one_fewer_do_not() -> None:
    for n, ok in ((59, True), (58, False)):
        every = np.ones(n, dtype=bool)
        if ok:
            fitted = fit_threshold(np.linspace(0.6, 1, n), every, every, label="cat", precision=0.95, delta=0.05)
            assert (fitted.value, fitted.accepted, fitted.wrong, fitted.coverage) == (0.6, 59, 0, 1.0)
            assert fitted.lower_bound == pytest.approx(0.05 ** (1 / 59))
        else:
            with pytest.raises(CalibrationError, match=r"58 of 58 .* at least 59 ") as caught:
                fit_threshold(np.full(n, 0.9), every, every, label="cat", precision=0.95, delta=0.05)
            assert caught.value.needed == 59


@pytest.mark.parametrize("n", [59, 81, 82, 83, 100, 164, 165, 1_000])
def test_pictures_that_are_all_right_are_all_accepted(n: int) -> None:
    every = np.ones(n, dtype=bool)
    fitted = fit_threshold(np.linspace(0.6, 1, n), every, every, label="cat", precision=0.95, delta=0.05)
    assert fitted.value == 0.6
    assert fitted.lower_bound >= 0.95


def test_errors_below_a_confidence_put_the_threshold_above_it() -> None:
    """A user's story: 300 cats at .8 and more are right; 100 answers below .8 are dogs; 50 cats were missed."""
    confidence = np.concatenate([np.linspace(0.8, 1, 300), np.linspace(0.5, 0.79, 100), np.full(50, 0.9)])
    correct = np.concatenate([np.ones(300), np.zeros(100), np.ones(50)]).astype(bool)
    is_label = np.concatenate([np.ones(400), np.zeros(50)]).astype(bool)
    fitted = fit_threshold(confidence, correct, is_label, label="cat", precision=0.95, delta=0.05)
    assert 0.75 < fitted.value <= 0.8
    assert fitted.wrong == fitted.accepted - 300
    assert fitted.coverage == pytest.approx(300 / 350)
    assert fitted.n == 450
    assert fitted.lower_bound >= 0.95


def test_a_tail_of_wrong_answers_does_not_spoil_few_right_ones() -> None:
    """110 answers are right, and below them lie 40 pictures of no class: the common case of a small calibration."""
    confidence, correct = np.linspace(1, 0.5, 150), np.arange(150) < 110
    fitted = fit_threshold(confidence, correct, confidence > 0, label="cat", precision=0.95, delta=0.05)
    assert (fitted.accepted, fitted.wrong) in {(110, 0), (111, 1)}


def test_enough_pictures_but_too_many_errors_says_what_would_do() -> None:
    n = 400
    correct = np.arange(n) % 100 >= 3  # 97 % right whatever the confidence
    every = np.ones(n, dtype=bool)
    with pytest.raises(CalibrationError, match=r"12 of the 400 surest answers 'cat' are wrong. With that") as caught:
        fit_threshold(np.full(n, 0.9), correct, every, label="cat", precision=0.96, delta=0.05)
    assert caught.value.needed is not None
    assert 1_000 < caught.value.needed < 5_000
    with pytest.raises(CalibrationError, match="train a better judge"):
        fit_threshold(np.full(n, 0.9), correct, every, label="cat", precision=0.98, delta=0.05)


@pytest.mark.parametrize(
    ("right", "said"),
    [
        ((), "even the surest answer 'cat' is wrong. More pictures will hardly help"),
        ((0,), "only the surest answer 'cat' is right. With that share"),
        ((1, 2, 3), "1 of the 4 surest answers 'cat' is wrong. With that share"),
    ],
)
def test_the_best_cut_is_told_in_words_that_fit_the_number(right: tuple[int, ...], said: str) -> None:
    correct = np.isin(np.arange(60), right)
    with pytest.raises(CalibrationError, match=said):
        fit_threshold(np.linspace(1, 0.5, 60), correct, np.ones(60, bool), label="cat", precision=0.5, delta=0.05)


def test_few_others_for_a_rare_class_says_how_many_are_needed() -> None:
    correct = np.arange(600) < 300
    with pytest.raises(CalibrationError, match="and 300 others were given") as caught:
        fit_threshold(np.full(600, 0.9), correct, correct, label="cat", precision=0.95, delta=0.05, prevalence=0.001)
    assert caught.value.needed is not None
    assert f"takes at least {caught.value.needed:,} others, none" in str(caught.value)
    n = caught.value.needed
    correct = np.arange(300 + n) < 300
    fitted = fit_threshold(
        np.full(300 + n, 0.9), correct, correct, label="cat", precision=0.95, delta=0.05, prevalence=0.001
    )
    assert fitted.prevalence == 0.001
    assert fitted.lower_bound >= 0.95


def test_a_label_that_is_never_answered_is_not_said_to_need_pictures() -> None:
    """A user's story: 200 cats and 5,000 others were given, and the judge takes every cat for something else."""
    cats, none = np.arange(5200) < 200, np.zeros(5200, dtype=bool)
    said = "^No threshold for 'cat': the judge answers 'cat' to none of its 200 pictures. .*: train a better judge.$"
    for answered in (none, ~cats):  # to nothing at all, or to others only
        with pytest.raises(CalibrationError, match=said) as caught:
            fit_threshold(np.full(5200, 0.9), cats, answered, label="cat", precision=0.9, delta=0.1, prevalence=0.3)
        assert caught.value.needed is None


def test_too_few_is_counted_in_words() -> None:
    cats = np.array([True, True, False])
    with pytest.raises(CalibrationError, match=r"2 pictures of 'cat' \(1 of them answered so\) and 1 other were given"):
        fit_threshold(
            np.full(3, 0.9), cats, [True, False, False], label="cat", precision=0.9, delta=0.1, prevalence=0.5
        )
    with pytest.raises(CalibrationError, match=r"at least 1 other, none of them accepted, beside 1 of 'cat'"):
        fit_threshold([0.9], [True], [True], label="cat", precision=1e-3, delta=0.5, prevalence=0.99)
    with pytest.raises(CalibrationError, match="at least 1 such answer, all right, is needed"):
        fit_threshold([0.9], [False], [False], label="cat", precision=0.5, delta=0.5)


@pytest.mark.parametrize("prevalence", [None, 0.2])
def test_no_pictures_is_too_few(prevalence: float | None) -> None:
    for n in (0, 500):
        none = np.zeros(n, dtype=bool)
        with pytest.raises(CalibrationError, match="Too few"):
            fit_threshold(np.full(n, 0.9), none, none, label="c", precision=0.95, delta=0.05, prevalence=prevalence)


@pytest.mark.parametrize(
    ("precision", "delta", "prevalence"),
    [
        *((1, 0.05, None), (0, 0.05, None), (0.9, 0, None), (0.9, 0.05, 1), (math.nan, 0.05, None)),
        # so far out that logarithms and odds of them are 0 or not finite
        *((0.9, 1e-323, None), (5e-324, 0.05, None), (0.9, 0.05, 1e-310), (5e-324, 0.05, 0.5), (0.9, 1e-323, 0.5)),
        *((1 - 1e-16, 0.05, None), (0.9, 1 - 1e-15, 0.5), (0.9, 0.05, 1 - 1e-16)),
    ],
)
def test_a_promise_that_cannot_be_made_is_refused(precision: float, delta: float, prevalence: float | None) -> None:
    one = np.ones(1, dtype=bool)
    with pytest.raises(CalibrationError, match="above 0 and below 1"):
        fit_threshold(np.ones(1), one, one, label="cat", precision=precision, delta=delta, prevalence=prevalence)


@pytest.mark.parametrize("prevalence", [None, 1e-12, 0.5, 1 - 1e-12])
def test_every_promise_that_is_not_refused_is_kept_or_said_to_need_more(prevalence: float | None) -> None:
    cats = np.arange(330) < 30
    for precision, delta in itertools.product((1e-12, 0.5, 1 - 1e-12), repeat=2):
        asked = {"precision": precision, "delta": delta, "prevalence": prevalence}
        for answered in (cats, cats | True, ~cats):
            try:
                made = fit_threshold(np.where(cats, 0.9, 0.4), cats, answered, label="cat", **asked)
            except CalibrationError as error:
                assert error.needed is None or error.needed > 0  # noqa: PT017
            else:
                assert made.lower_bound >= precision * (1 - 1e-9)


def test_arrays_that_break_the_contract_are_refused() -> None:
    yes = np.ones(2, dtype=bool)
    for confidence, correct in (([0.5, math.nan], yes), ([0.5, 1.5], yes), ([0.5], yes), ([0.5, 0.5], [1, 0])):
        with pytest.raises(ValueError, match=r"confidence|correct"):
            fit_threshold(confidence, correct, yes, label="cat", precision=0.9, delta=0.1)
    with pytest.raises(ValueError, match="3 labels"):
        fit_thresholds(np.ones((4, 2)) / 2, np.zeros(4, dtype=int), ["a", "b", "c"], precision=0.9, delta=0.1)


def test_thresholds_of_all_labels_come_from_probabilities_and_truth() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(-1, 2, 900)  # -1: no class at all
    first = np.where(truth == 0, 0.9, np.where(truth == 1, 0.2, 0.55)) + rng.uniform(-0.04, 0.04, 900)
    made, skipped = fit_thresholds(np.stack([first, 1 - first], 1), truth, ["cat", "dog"], precision=0.95, delta=0.05)
    assert skipped == {}
    assert 0.55 < made["cat"].value <= 0.95
    assert made["cat"].coverage == 1
    assert made["dog"].wrong == 0
    few = truth != 1
    made, skipped = fit_thresholds(
        np.stack([first, 1 - first], 1)[few], truth[few], ["cat", "dog"], precision=0.95, delta=0.05
    )
    assert list(made) == ["cat"]
    assert "Too few pictures to calibrate 'dog'" in skipped["dog"]


def judge_info(**values: float) -> JudgeInfo:
    made = {
        label: Threshold(label, value, 0.95, 0.05, 100, 90, 0, 0.9, 0.96, None, "alike")
        for label, value in values.items()
    }
    return JudgeInfo(("cat", "dog"), Preprocess(), made)


def test_decisions_say_why() -> None:
    rows = [[0.95, 0.05], [0.71, 0.29], [0.1, 0.9]]
    sure, unsure, unset = decide(rows, judge_info(cat=0.93), ["a", "b", "c"], score=[0.9, 0.5, 0.1])
    assert (sure.outcome, sure.label, sure.best, sure.threshold, sure.score) == ("accepted", "cat", "cat", 0.93, 0.9)
    assert sure.why == "confidence 0.950 reaches the threshold 0.930 for 'cat'"
    assert (unsure.outcome, unsure.label, unsure.best, unsure.confidence) == ("unknown", None, "cat", 0.71)
    assert unsure.why == "confidence 0.710 is below the threshold 0.930 for 'cat'"
    assert (unset.outcome, unset.threshold, unset.probabilities) == ("unknown", None, {"cat": 0.1, "dog": 0.9})
    assert unset.why == "no threshold is stored for 'dog': run openset calibrate"


def test_numbers_that_differ_are_shown_apart() -> None:
    near, sure = decide([[0.99991, 0.00009], [0.99996, 0.00004]], judge_info(cat=0.99995), ["a", "b"])
    assert near.why == "confidence 0.99991 is below the threshold 0.99995 for 'cat'"
    assert sure.why == "confidence 0.999 reaches the threshold 0.999 for 'cat'"


def test_a_threshold_of_ones_own_goes_before_and_promises_nothing() -> None:
    low, high = decide([[0.6, 0.4], [0.4, 0.6]], judge_info(cat=0.93), ["a", "b"], threshold=0.6)
    assert (low.outcome, high.outcome, low.threshold) == ("accepted", "accepted", 0.6)
    assert "carries no guarantee" in low.why
    with pytest.raises(ValueError, match="from 0 to 1"):
        decide([[0.6, 0.4]], judge_info(), ["a"], threshold=math.nan)


@pytest.mark.parametrize("row", [[math.nan, 1], [math.inf, 0], [-0.2, 1.2], [0.7, 0.7], [0, 0]])
def test_a_row_that_is_no_probabilities_is_an_error_and_stops_nothing(row: list[float]) -> None:
    broken, fine_one = decide([row, [1, 0]], judge_info(cat=0.9), ["a", "b"])
    assert (broken.outcome, broken.label, broken.best, broken.confidence) == ("error", None, None, None)
    assert broken.error is not None
    assert fine_one.outcome == "accepted"
    (unscored,) = decide([[1, 0]], judge_info(cat=0.9), ["a"], score=[math.nan])
    assert unscored.outcome == "error"


def test_edges_of_a_decision() -> None:
    assert decide(np.zeros((0, 2)), judge_info(), []) == []
    tie, rounded = decide(np.array([[0.5, 0.5], [1.0000001, 0]], dtype=np.float32), judge_info(cat=0.5), ["a", "b"])
    assert (tie.label, rounded.confidence) == ("cat", 1.0)
    with pytest.raises(ValueError, match=r"\[1, 2\] belongs"):
        decide([[0.5, 0.2, 0.3]], judge_info(), ["a"])
    with pytest.raises(ValueError, match="score"):
        decide([[0.5, 0.5]], judge_info(), ["a"], score=[0.5, 0.5])
