"""Heads fitted where gradients are off, on odd numbers, and peers that answer oddly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from openset.errors import TrainingError
from openset.heads import (
    Temperature,
    fit_certified_guard,
    fit_density_guard,
    fit_laplace,
    fit_mahalanobis,
    fit_neighbours,
    fit_temperature,
)

OFF = pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])


def drawn(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Logits in quarters, so exact in bfloat16, and classes drawn from their softmax."""
    rng = np.random.default_rng(0)
    logits = np.round(4 * rng.normal(0, 2, (n, 3))) / 4
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return logits, np.array([rng.choice(3, p=row) for row in shares])


@OFF
def test_laplace_is_the_same_where_gradients_are_off(off: Any) -> None:
    pytest.importorskip("laplace")
    g = torch.Generator().manual_seed(0)
    last, features, targets = nn.Linear(4, 3), torch.randn((60, 4), generator=g), np.arange(60) % 3
    expected = fit_laplace(last, features, targets)
    with off():
        made = fit_laplace(last, features.double() * 1, targets)
    for name, value in expected.named_buffers():
        torch.testing.assert_close(made.get_buffer(name), value, rtol=0, atol=0)
        assert not made.get_buffer(name).is_inference()


@OFF
def test_a_certified_guard_is_the_same_where_gradients_are_off(off: Any) -> None:
    g = torch.Generator().manual_seed(0)
    inside, outside = (torch.rand((8, 3, 8, 8), generator=g) for _ in range(2))
    options: dict[str, Any] = {"steps": 3, "batch": 4, "width": 4}
    expected = fit_certified_guard(inside, outside, **options)
    with off():
        made = fit_certified_guard(inside * 1, outside * 1, **options)
    assert expected.weight.abs().max() > 0
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(made.state_dict()[name], value, rtol=0, atol=0)


@OFF
def test_no_head_keeps_tensors_that_no_gradient_passes(off: Any) -> None:
    g = torch.Generator().manual_seed(0)
    near, away = (torch.randn((40, 4), generator=g) + 5 * torch.eye(4)[k] for k in range(2))
    inside, outside = (torch.rand((8, 3, 8, 8), generator=g) for _ in range(2))
    logits, targets = drawn()
    with off():
        heads: list[tuple[nn.Module, str]] = [
            (fit_neighbours(near[:20] * 1, near[20:] * 1, away * 1, k=3), "features"),
            (fit_mahalanobis(near[:20] * 1, np.arange(20) % 2, near[20:] * 1, away * 1), "features"),
            (fit_density_guard(inside * 1, outside * 1, side=2, centres=2), "pixels"),
            (fit_temperature(logits, targets), "logits"),
        ]
    for head, what in heads:
        given = {"logits": torch.randn((3, 3), generator=g), "features": near[:3], "pixels": inside[:3]}
        x = given[what].clone().requires_grad_()
        (slope,) = torch.autograd.grad(head(given | {what: x}).amax(1).sum(), x)
        assert slope.abs().max() > 0


def test_a_density_guard_takes_pixels_of_any_float() -> None:
    g = torch.Generator().manual_seed(0)
    inside, outside = (torch.rand((8, 3, 8, 8), generator=g) for _ in range(2))
    guard = fit_density_guard(inside, outside, side=2, centres=2)
    np.testing.assert_array_equal(guard.distance(inside.double()), guard.distance(inside))
    made = [guard({"pixels": x, "logits": torch.eye(3)}) for x in (inside[:3].double(), inside[:3])]
    torch.testing.assert_close(*made)


def test_a_temperature_is_fitted_on_bfloat16() -> None:
    logits, targets = drawn()
    expected = fit_temperature(logits, targets).temperature
    made = fit_temperature(torch.tensor(logits).bfloat16().requires_grad_(), torch.tensor(targets)).temperature
    assert made == expected
    with pytest.raises(ValueError, match="class numbers"):
        fit_temperature(logits, torch.tensor(targets).bfloat16())


def test_constant_logits_tell_no_temperature_and_it_is_said_why() -> None:
    with pytest.raises(TrainingError, match="all the same, and no temperature changes"):
        fit_temperature(np.repeat([[0.0], [3.0], [-1.0]], 3, axis=1), [0, 1, 2])


@pytest.mark.parametrize("wrong", [1e-46, 0.0, -1.0, 1e39, math.inf, math.nan])
def test_a_temperature_that_float32_does_not_hold_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="above 0 and finite"):
        Temperature(wrong)


def test_a_peers_odd_answers_are_errors_with_its_name() -> None:
    detectors = pytest.importorskip("pytorch_ood.detector")
    from openset.heads import PeerDetector

    x = torch.rand(5, 3, 4, 4)

    class Fixed(detectors.MaxLogit):  # type: ignore[misc]
        def __init__(self, said: Any) -> None:
            super().__init__(nn.Flatten())
            self.said = said

        def predict(self, _: Any) -> Any:
            return self.said

    np.testing.assert_array_equal(PeerDetector(Fixed([[1], [2], [0], [-3], [4]])).confidence(x), [-1, -2, 0, 3, -4])
    elsewhere = torch.zeros(5, device="meta")  # a device whose numbers cannot be had
    for said, why in (
        (None, "failed"),
        (elsewhere, "failed"),
        ("text", "failed"),
        ([1, 2, 3], "no single"),
        (1, "no single"),
    ):
        with pytest.raises(TrainingError, match=f"Fixed .*{why}"):
            PeerDetector(Fixed(said)).confidence(x)
    for batch in (0, -1):
        with pytest.raises(ValueError, match=f"batch {batch} must be at least 1"):
            PeerDetector(Fixed([1])).confidence(x, batch=batch)
        with pytest.raises(ValueError, match=f"batch {batch} must be at least 1"):
            PeerDetector(Fixed([1])).fit(x, np.zeros(5, int), batch=batch)
