"""The judge file's score: how far a guard believes the net, from the file's own numbers; without a guard the largest probability."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from openset import open_judge
from openset.export import export
from openset.heads import (
    fit_certified_guard,
    fit_certified_guards,
    fit_density_guard,
    fit_mahalanobis,
    fit_neighbours,
)
from openset.types import JudgeInfo, Preprocess

LABELS = ("a", "b", "no")
SIDE, NO = 12, 2


class Net(nn.Module):
    """Sure on every picture: by the mean colour, as a user's net may be."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(3, 3)
        with torch.no_grad():
            self.last.weight.copy_(12 * torch.eye(3))

    def features(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))

    def classify(self, features: Tensor) -> Tensor:
        return self.last(features)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x))


def drawn(n: int, seed: int, low: float, high: float, blue: float = 1.0) -> Tensor:
    """Even pictures with a little noise, mean colours from low to high, the blue less."""
    g = torch.Generator().manual_seed(seed)
    colours = low + (high - low) * torch.rand((n, 3, 1, 1), generator=g)
    colours[:, 2] *= blue
    return (colours + 0.02 * torch.randn((n, 3, SIDE, SIDE), generator=g)).clamp(0, 1)


INSIDE, OUTSIDE = drawn(160, 0, 0.1, 0.3, blue=0.2), drawn(160, 1, 0.6, 1.0)
COLOUR = Net().features


def by_mahalanobis() -> nn.Module:
    return fit_mahalanobis(COLOUR(INSIDE[:80]), np.arange(80) % 2, COLOUR(INSIDE[80:]), COLOUR(OUTSIDE))


def by_neighbours() -> nn.Module:
    return fit_neighbours(COLOUR(INSIDE[:80]), COLOUR(INSIDE[80:]), COLOUR(OUTSIDE), k=3)


def by_density() -> nn.Module:
    return fit_density_guard(INSIDE, OUTSIDE, side=3, centres=4, steps=5)


def by_certificate(refuse: int | None = None) -> nn.Module:
    return fit_certified_guard(INSIDE, OUTSIDE, steps=60, lr=1e-2, width=4, refuse=refuse)


def by_refusal() -> nn.Module:
    return by_certificate(NO)


def by_members() -> nn.Module:
    return fit_certified_guards(INSIDE, [OUTSIDE, drawn(160, 6, 0.0, 0.1)], steps=60, lr=1e-2, width=4)


def judged(head: nn.Module, path: Path, pixels: Tensor) -> dict[str, NDArray[np.float64]]:
    torch.manual_seed(0)
    export(Net(), path, JudgeInfo(LABELS, Preprocess("stretch", SIDE)), head=head)
    return {key: value.astype(np.float64) for key, value in open_judge(path, threads=1).outputs(pixels.numpy()).items()}


@pytest.mark.parametrize("fit", [by_density, by_certificate, by_members, by_refusal, by_mahalanobis, by_neighbours])
def test_the_score_of_a_guard_is_the_share_by_which_it_believes_the_net(
    tmp_path: Path, fit: Callable[[], nn.Module]
) -> None:
    """From the file's own logits: p = s softmax(logits) + (1 - s) / K, or what is not believed all to the class that refuses."""
    pixels = torch.cat((drawn(20, 2, 0.1, 0.3, blue=0.2), drawn(20, 3, 0.25, 0.65, blue=0.5), drawn(20, 4, 0.6, 1.0)))
    made = judged(fit(), tmp_path / "judge.onnx", pixels)
    score, raised = made["score"], np.exp(made["logits"] - made["logits"].max(1, keepdims=True))
    share = np.full(3, 1 / 3) if fit is not by_refusal else np.eye(3)[NO]
    expected = score[:, None] * raised / raised.sum(1, keepdims=True) + (1 - score[:, None]) * share
    np.testing.assert_allclose(made["probabilities"], expected, atol=2e-5)
    assert score.min() >= 0
    assert score.max() <= 1
    assert score[:20].min() > score[40:].max()  # higher is surer, also where what is strange is surely refused


def test_where_the_strange_is_surely_refused_the_decision_says_how_little_was_believed(tmp_path: Path) -> None:
    """The largest probability, which once stood for the score, is near 1 there: upside down."""
    strange = drawn(3, 5, 0.6, 1.0)
    made = judged(by_refusal(), tmp_path / "judge.onnx", strange)
    assert made["probabilities"][:, NO].min() > 0.9
    picture = (strange[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    decision = open_judge(tmp_path / "judge.onnx")(picture)
    assert decision.best == "no"
    assert decision.score is not None
    assert decision.score < 0.1
