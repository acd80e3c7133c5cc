"""Heads: temperature against a brute search, and the density guard's bounds against pictures drawn to break them."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from openset import open_judge
from openset.errors import TrainingError
from openset.export import TOLERANCE, export
from openset.heads import DensityGuard, Temperature, fit_density_guard, fit_temperature
from openset.heads.density import fit_mixture
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


def test_a_temperature_is_fitted_on_whatever_holds_the_numbers() -> None:
    logits, targets = drawn(300, 2.0)
    expected = float(fit_temperature(logits, targets).temperature)
    tensor = torch.from_numpy(logits).requires_grad_(True)
    for x, y in (
        (tensor, torch.from_numpy(targets)),
        (logits.astype(">f8"), targets.astype(">i2")),
        (logits.tolist(), targets),
    ):
        assert float(fit_temperature(x, y).temperature) == expected


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
    assert torch.equal(kept, p.amax(1))  # far out too, where all are near 1 / K
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
    np.testing.assert_allclose(guard.odds_bound(centres, 0.0), guard.odds({"pixels": centres}), rtol=1e-4, atol=1e-3)
    for radius in (0.1, 0.5, 2.0):
        bounds = guard.ball_bound(centres, radius, K)
        odds = guard.odds_bound(centres, radius)
        q = np.exp(np.minimum(odds, 700))
        np.testing.assert_allclose(bounds, (q + 1 / K) / (q + 1))
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


def climbed(guard: DensityGuard, x: Tensor, keep: Callable[[Tensor], Tensor]) -> Tensor:
    """x after 60 steps up the gradient of log(p(in) / p(out)), each followed by `keep`."""
    for step in range(60):
        x = x.detach().requires_grad_(True)
        z = guard.place(x)
        (slope,) = torch.autograd.grad((guard.log_density(z, "in") - guard.log_density(z, "out")).sum(), x)
        norm = slope.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None, None]
        x = keep((x + 0.5 * 0.93**step * slope / norm).detach())
    return x


def test_no_gradient_ascent_climbs_over_the_bounds(guard: DensityGuard) -> None:
    """In double precision; from noise, from pictures, from halfway, and from far out."""
    exact = copy.deepcopy(guard).double()
    g = torch.Generator().manual_seed(11)
    start = torch.cat([torch.rand((8, 3, 12, 12), generator=g), blobs(8, 12), 0.5 * blobs(8, 13) + 0.3]).double()
    logits = torch.zeros(24, K, dtype=torch.float64)
    logits[:, 3] = 1e4

    def reached(x: Tensor) -> np.ndarray:
        return exact({"pixels": x, "logits": logits}).exp().amax(1).numpy()

    for radius in (0.2, 1.0, 4.0):

        def in_ball(x: Tensor, radius: float = radius) -> Tensor:
            step = x - start
            return start + step * (radius / step.flatten(1).norm(dim=1)).clamp(max=1)[:, None, None, None]

        begun = in_ball(start + torch.randn(start.shape, generator=g))
        for x in (climbed(exact, start, in_ball), climbed(exact, begun, in_ball)):
            assert (reached(x) <= guard.ball_bound(start, radius, K) + 1e-6).all()
    bounds = [guard.ball_bound(start, r, K) for r in (0.0, 4.0)]
    assert (bounds[1] > bounds[0] + 0.01).any()  # the ascent had room
    for distance in (2.0, 5.0, 20.0):  # stay so far from every in-centre: a step that comes nearer is taken back
        step, held = 0.05 * torch.randn(start.shape, generator=g), start.clone()
        while (near := torch.from_numpy(exact.distance(held) < distance)).any():
            step[near] *= 1.1
            held = start + step
        begun = exact.distance(held)

        def outside(x: Tensor, held: Tensor = held, distance: float = distance) -> Tensor:
            held[:] = torch.where(torch.from_numpy(exact.distance(x) >= distance)[:, None, None, None], x, held)
            return held.clone()

        for _ in range(3):
            climbed(exact, held.clone(), outside)
        assert (exact.distance(held) < begun - 1e-3).any()  # the ascent had room
        assert (reached(held) <= guard.far_bound(distance, K) + 1e-9).all()


@pytest.mark.parametrize("alpha", [1e3, 1e15, 1e18, 1e25, 1e33])
def test_the_guard_is_quiet_however_far_out_in_single_precision(guard: DensityGuard, alpha: float) -> None:
    """The squares of such pixels overflow float32: the answer was NaN."""
    assert sure(guard, alpha * blobs(5, 1)) == pytest.approx(1 / K, abs=1e-6)
    assert guard.far_bound(alpha, K) == pytest.approx(1 / K, abs=1e-12)


def test_bounds_of_what_is_no_distance_or_endless() -> None:
    guard = fit_density_guard(blobs(40, 0), torch.rand(40, 3, 12, 12), side=6, centres=4, steps=2)
    for distance in (1e160, 1e308, math.inf):
        assert guard.far_bound(distance, K) == 1 / K
        assert guard.ball_bound(blobs(2, 1), distance, K) == pytest.approx([1, 1])
    for nothing in (-1.0, math.nan):
        with pytest.raises(ValueError, match="at least 0"):
            guard.far_bound(nothing, K)
        with pytest.raises(ValueError, match="at least 0"):
            guard.ball_bound(blobs(2, 1), nothing, K)
    with pytest.raises(ValueError, match="finite"):
        guard.ball_bound(torch.full((1, 3, 12, 12), math.nan), 0.1, K)
    pixels = blobs(2, 1)
    expected = guard.ball_bound(pixels, 0.1, K), guard.distance(pixels)
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            np.testing.assert_array_equal((guard.ball_bound(pixels, 0.1, K), guard.distance(pixels)), expected)
    pixels.requires_grad_(True)
    np.testing.assert_array_equal((guard.ball_bound(pixels, 0.1, K), guard.distance(pixels)), expected)


def test_each_step_of_the_fit_makes_the_pictures_likelier_and_out_is_wider_than_in() -> None:
    """EM never lowers the likelihood, floors of the variances included; 0 steps are k-means."""
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(m, s, (60, 3)) for m, s in ((0, 1), (3, 0.3), (-2, 2))])
    for least in (0.0, 1.5):
        means = []
        for steps in range(12):
            m = fit_mixture(z, 5, 0, steps, least=least)
            squares = ((z[:, None] - m.centres) ** 2).sum(2)
            parts = np.exp(m.log_weights - 1.5 * np.log(2 * math.pi * m.variances) - squares / (2 * m.variances))
            means.append(np.log(parts.sum(1)).mean())
            assert np.exp(m.log_weights).sum() == pytest.approx(1)
            assert m.variances.min() >= least
        assert (np.diff(means) >= -1e-9).all()
        assert means[-1] > means[0] + 0.01
    for outside in (torch.rand(60, 3, 12, 12), torch.full((60, 3, 12, 12), 0.5), blobs(60, 3)):
        guard = fit_density_guard(blobs(60, 0), outside, side=6, centres=3, steps=3)
        assert guard.outside.variances.min() >= 1.5 * guard.inside.variances.max() * (1 - 2.0**-22)  # float32
    with pytest.raises(ValueError, match="every out-variance must be larger"):
        DensityGuard(6, np.zeros(108), np.eye(108), guard.outside, guard.inside, 0.0)
    wider = dataclasses.replace(guard.inside, variances=guard.inside.variances.max() * (1 + 1e-10) * np.ones(3))
    with pytest.raises(ValueError, match="every out-variance must be larger"):  # not any more in float32
        DensityGuard(6, np.zeros(108), np.eye(108), guard.inside, wider, 0.0)


def test_bounds_are_of_the_weights_that_the_head_has_now(guard: DensityGuard) -> None:
    """Loaded into another guard, they give the bounds of the first; loaded without room between the variances, none."""
    other = fit_density_guard(torch.rand(100, 3, 12, 12), blobs(100, 5), side=6, centres=len(guard.centres_in), steps=2)
    pixels = blobs(20, 1)
    before = other.ball_bound(pixels, 0.1, K)
    other.load_state_dict(guard.state_dict())
    np.testing.assert_array_equal(other.ball_bound(pixels, 0.1, K), guard.ball_bound(pixels, 0.1, K))
    assert other.far_bound(3.0, K) == guard.far_bound(3.0, K)
    assert np.abs(before - guard.ball_bound(pixels, 0.1, K)).max() > 0.1
    other.load_state_dict(guard.state_dict() | {"variances_out": guard.variances_in})
    for asked in (lambda: other.ball_bound(pixels, 0.1, K), lambda: other.far_bound(3.0, K)):
        with pytest.raises(ValueError, match="every out-variance must be larger"):
            asked()


@pytest.mark.parametrize("classes", [0, 1, -3, 2.5])
def test_a_bound_is_asked_for_a_number_of_classes(guard: DensityGuard, classes: int) -> None:
    for asked in (lambda: guard.ball_bound(blobs(1, 1), 0.1, classes), lambda: guard.far_bound(3.0, classes)):
        with pytest.raises(ValueError, match="at least 2"):
            asked()


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
        ({"inside": blobs(10, 0)}, TrainingError, "at least 16 pictures are needed there, got 10"),
        ({"inside": torch.full((40, 3, 12, 12), 0.5)}, TrainingError, "alike"),
        ({"inside": torch.rand(1, 3, 12, 12).expand(40, -1, -1, -1), "side": 5}, TrainingError, "alike"),
        ({"outside": torch.zeros(40, 1, 12, 12)}, ValueError, "one shape"),
        ({"outside": torch.full((40, 3, 12, 12), math.nan)}, ValueError, "not finite"),
        ({"weight": 0.0}, ValueError, "above 0"),
    ],
)
def test_a_guard_that_cannot_be_fitted_is_an_error(change: dict, error: type[Exception], said: str) -> None:
    given = {"inside": blobs(40, 0), "outside": torch.rand(40, 3, 12, 12), "side": 6, "centres": 8, "steps": 2} | change
    with pytest.raises(error, match=said):
        fit_density_guard(**given)
