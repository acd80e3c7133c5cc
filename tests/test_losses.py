"""The losses against independent float64 formulas, and where they are smallest."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from openset.attack import log_prob_of, margin
from openset.losses import cross_entropy_in, log_max_prob, out_uniform, total


def some_logits(rows: int = 7, classes: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 4, (rows, classes))


def log_p(logits: np.ndarray) -> np.ndarray:
    return logits - logsumexp(logits, axis=1, keepdims=True)


def test_each_loss_is_its_formula() -> None:
    logits = some_logits()
    y = np.arange(7) % 5
    t = torch.from_numpy(logits)
    np.testing.assert_allclose(cross_entropy_in(t, torch.from_numpy(y)), -log_p(logits)[np.arange(7), y], rtol=1e-12)
    np.testing.assert_allclose(log_max_prob(t), log_p(logits).max(1), rtol=1e-12)
    np.testing.assert_allclose(out_uniform(t), -log_p(logits).mean(1), rtol=1e-12)


def test_both_out_losses_are_smallest_exactly_at_the_uniform_prediction() -> None:
    flat, other = torch.full((1, 5), 3.0, dtype=torch.float64), torch.from_numpy(some_logits(200))
    assert log_max_prob(flat).item() == pytest.approx(-math.log(5))
    assert out_uniform(flat).item() == pytest.approx(math.log(5))
    assert bool((log_max_prob(other) > -math.log(5)).all())
    assert bool((out_uniform(other) > math.log(5)).all())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.zeros(4, 1), r"got \[4, 1\]: wrap the net so that it gives \(0, f\) for a single logit f"),
        (torch.zeros(4), r"got \[4\]"),
        (torch.zeros(4, 3, 2, 2), r"got \[4, 3, 2, 2\]"),
        ((torch.zeros(4, 3),), "got tuple"),
    ],
)
def test_what_is_not_one_row_of_two_or_more_logits_an_image_is_refused(given: torch.Tensor, said: str) -> None:
    y = torch.zeros(4, dtype=torch.int64)
    for loss in (log_max_prob, out_uniform, margin, log_prob_of(y), lambda logits: cross_entropy_in(logits, y)):
        with pytest.raises(ValueError, match=said):
            loss(given)


def test_the_remedy_for_one_logit_gives_its_sigmoid() -> None:
    f = torch.linspace(-30, 30, 13, dtype=torch.float64)
    two = torch.stack((torch.zeros_like(f), f), 1)
    np.testing.assert_allclose(log_max_prob(two).exp(), 1 / (1 + np.exp(-f.abs().numpy())), rtol=1e-12)


def test_extreme_logits_stay_finite_in_float32() -> None:
    t = torch.tensor([[1e4, -1e4, 0.0]])
    assert torch.isfinite(torch.stack((log_max_prob(t), out_uniform(t), cross_entropy_in(t, torch.tensor([1]))))).all()


def test_total_divides_both_sums_by_both_counts() -> None:
    inside, outside = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([-1.0])
    assert total(inside, outside, 0.5).item() == pytest.approx((6 - 0.5) / 4)
    assert total(inside).item() == pytest.approx(2)
    assert total(inside, outside, 0.0).item() == pytest.approx(6 / 4)  # the out-pictures still count
