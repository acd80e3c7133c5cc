"""Heads: temperature against a brute search, and the density guard's bounds against pictures drawn to break them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from openset import open_judge
from openset.errors import TrainingError
from openset.export import TOLERANCE, export
from openset.heads import DensityGuard, Temperature, fit_density_guard, fit_temperature
from openset.nets import build
from openset.types import JudgeInfo
from test_export import real_difference

K = 10


def drawn(n: int, scale: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of which softmax(logits / scale) is the truth that the targets are drawn from."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 2, (n, 5))
    p = np.exp(true) / np.exp(true).sum(1, keepdims=True)
    return scale * true, np.array([rng.choice(5, p=row) for row in p])


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_the_temperature_is_the_scale_by_which_the_net_is_too_sure(scale: float) -> None:
    logits, targets = drawn(4000, scale)
    head = fit_temperature(logits, targets)
    assert float(head.temperature) == pytest.approx(scale, rel=0.08)

    def loss(t: float) -> float:
        z = logits / t
        return float(
            (np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1) - z[np.arange(len(z)), targets]).mean()
        )

    best = min(np.geomspace(0.02, 50, 4001), key=loss)
    assert loss(float(head.temperature)) <= loss(best) + 1e-7


def test_the_temperature_changes_no_answer() -> None:
    logits = torch.from_numpy(drawn(50, 2.0)[0])
    assert torch.equal(Temperature(3.0)({"logits": logits}).argmax(1), logits.argmax(1))


@pytest.mark.parametrize(
    ("logits", "targets", "error", "said"),
    [
        (np.eye(5)[[0, 1, 2]] * 9, [0, 1, 2], TrainingError, "all answers right"),
        (np.eye(5)[[0, 1, 2]] * 9, [1, 2, 3], TrainingError, "no better than chance"),
        (np.eye(5), np.eye(5, dtype=int), ValueError, "not one-hot"),
        (np.eye(5), [0, 1, 2, 3, 5], ValueError, "classes are 0 to 4"),
        (np.full((2, 5), np.nan), [0, 1], ValueError, "finite"),
        (np.zeros((0, 5)), [], ValueError, "N >= 1"),
    ],
)
def test_a_temperature_that_is_not_to_be_had_is_an_error(
    logits: np.ndarray, targets: list[int], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        fit_temperature(logits, targets)


def blobs(n: int, seed: int) -> Tensor:
    """[n, 3, 12, 12]: a bright square at one of four places on a dim ground, with a little noise."""
    g = torch.Generator().manual_seed(seed)
    x = 0.2 + 0.05 * torch.rand((n, 3, 12, 12), generator=g)
    for i, place in enumerate(torch.randint(4, (n,), generator=g).tolist()):
        y, z = divmod(place, 2)
        x[i, :, 6 * y : 6 * y + 5, 6 * z : 6 * z + 5] += 0.6
    return x.clamp(0, 1)


@pytest.fixture(scope="module")
def guard() -> DensityGuard:
    noise = torch.rand((200, 3, 12, 12), generator=torch.Generator().manual_seed(9))
    return fit_density_guard(blobs(300, 0), noise, side=6, centres=8, steps=10)


def sure(guard: DensityGuard, x: Tensor) -> np.ndarray:
    """Confidence of the guarded net at x, for a net that is certain of class 3 everywhere."""
    logits = torch.zeros(len(x), K)
    logits[:, 3] = 1e4
    return guard({"pixels": x, "logits": logits}).exp().amax(1).numpy()


def test_the_guard_believes_the_net_inside_and_not_on_noise(guard: DensityGuard) -> None:
    assert sure(guard, blobs(100, 1)).mean() > 0.99
    noise = torch.rand((100, 3, 12, 12), generator=torch.Generator().manual_seed(8))
    assert sure(guard, noise).max() < 0.11


def test_probabilities_sum_to_one_and_keep_the_nets_order(guard: DensityGuard) -> None:
    g = torch.Generator().manual_seed(2)
    x, logits = torch.cat([blobs(20, 3), torch.rand((20, 3, 12, 12), generator=g)]), torch.randn((40, K), generator=g)
    p = guard({"pixels": x, "logits": logits}).double().exp()
    torch.testing.assert_close(p.sum(1), torch.ones(40, dtype=torch.float64), rtol=0, atol=1e-5)
    kept = p.gather(1, logits.argmax(1, keepdim=True))[:, 0]
    assert torch.equal(kept, p.amax(1))  # far out all classes may tie at 1 / K; none overtakes
    assert torch.equal(p[:20].argmax(1), logits[:20].argmax(1))
    assert p.min() >= 0


def test_the_formula_is_the_papers_in_float64(guard: DensityGuard) -> None:
    x, logits = blobs(6, 4) * 0.8, torch.randn((6, K), generator=torch.Generator().manual_seed(1))
    z = guard.place(x).double().numpy()

    def density(mixture: object) -> np.ndarray:
        m = vars(mixture)
        d = m["centres"].shape[1]
        squares = ((z[:, None] - m["centres"]) ** 2).sum(2)
        parts = (
            np.exp(m["log_weights"])
            * (2 * math.pi * m["variances"]) ** (-d / 2)
            * np.exp(-squares / (2 * m["variances"]))
        )
        return parts.sum(1)[:, None]

    inside, outside = density(guard.inside), density(guard.outside)
    p = logits.double().softmax(1).numpy()
    expected = (p * inside + outside / K) / (inside + outside)
    np.testing.assert_allclose(guard({"pixels": x, "logits": logits}).double().exp().numpy(), expected, atol=1e-4)


def test_no_picture_of_a_ball_is_surer_than_its_bound(guard: DensityGuard) -> None:
    g = torch.Generator().manual_seed(5)
    centres = torch.cat([blobs(6, 6), torch.rand((6, 3, 12, 12), generator=g), 0.5 * blobs(6, 7) + 0.25])
    towards = blobs(18, 8) - centres  # the direction in which the guard believes most
    for radius in (0.1, 0.5, 2.0):
        bounds = guard.ball_bound(centres, radius, K)
        assert (bounds >= sure(guard, centres) - 1e-5).all()
        for step in (towards, *(torch.randn(centres.shape, generator=g) for _ in range(20))):
            norm = step.flatten(1).norm(dim=1).clamp(min=1e-9)[:, None, None, None]
            moved = centres + step * torch.clamp(radius / norm, max=1.0 if step is towards else float("inf"))
            assert (sure(guard, moved) <= bounds + 1e-5).all()
    assert (np.diff([guard.ball_bound(centres, r, K) for r in (0, 0.3, 1, 3)], axis=0) >= -1e-12).all()
    assert guard.ball_bound(centres[6:12], 0.2, K).max() < 0.2  # and it says something: noise stays quiet in a ball


def test_no_picture_so_far_away_is_surer_than_the_far_bound(guard: DensityGuard) -> None:
    g = torch.Generator().manual_seed(6)
    for alpha in (1.0, 2.0, 5.0, 20.0, 1e3):
        x = alpha * torch.cat([blobs(30, 9), torch.randn((30, 3, 12, 12), generator=g)])
        far = guard.distance(x)
        bounds = np.array([guard.far_bound(float(d), K) for d in far])
        assert (sure(guard, x) <= bounds + 1e-5).all()
    falling = [guard.far_bound(d, K) for d in np.geomspace(0.1, 1e4, 60)]
    assert (np.diff(falling) <= 1e-12).all()
    assert falling[0] > 0.99
    assert falling[-1] == pytest.approx(1 / K, abs=1e-9)


def test_the_guard_goes_into_a_judge_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = build("lenet", 4)
    x = torch.nn.functional.interpolate(blobs(300, 0), 28)
    noise = torch.rand((200, 3, 28, 28), generator=torch.Generator().manual_seed(9))
    guard = fit_density_guard(x, noise, side=7, centres=8, steps=5)
    export(net, tmp_path / "guarded.onnx", JudgeInfo(("a", "b", "c", "d"), net.preprocess), head=guard)
    judge = open_judge(tmp_path / "guarded.onnx")
    assert judge.outputs(noise[:5].numpy())["probabilities"].max() == pytest.approx(0.25, abs=1e-3)
    assert real_difference(net, judge, guard) < TOLERANCE
    scaled = fit_temperature(*drawn(500, 2.0))
    net = build("lenet", 5)
    export(net, tmp_path / "scaled.onnx", JudgeInfo(tuple("abcde"), net.preprocess), head=scaled)
    assert real_difference(net, open_judge(tmp_path / "scaled.onnx"), scaled) < TOLERANCE


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"inside": blobs(10, 0)}, TrainingError, "at least 16 pictures on both sides, got 10"),
        ({"inside": torch.full((40, 3, 12, 12), 0.5)}, TrainingError, "alike"),
        ({"outside": torch.zeros(40, 1, 12, 12)}, ValueError, "one shape"),
        ({"weight": 0.0}, ValueError, "above 0"),
    ],
)
def test_a_guard_that_cannot_be_fitted_is_an_error(change: dict, error: type[Exception], said: str) -> None:
    given = {"inside": blobs(40, 0), "outside": torch.rand(40, 3, 12, 12), "side": 6, "centres": 8, "steps": 2} | change
    with pytest.raises(error, match=said):
        fit_density_guard(**given)
