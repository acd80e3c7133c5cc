"""Joint training of a net and its density guard: it learns what the fit alone cannot, and the bounds stay proved."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from openset.errors import TrainingError
from openset.heads import DensityGuard, fit_density_guard, fit_jointly

K, SIDE = 4, 8


def squares(n: int, seed: int) -> tuple[Tensor, np.ndarray]:
    """[n, 3, 8, 8]: a bright quarter, which is the class, on a noisy ground."""
    g = torch.Generator().manual_seed(seed)
    x, y = 0.2 + 0.2 * torch.rand((n, 3, SIDE, SIDE), generator=g), torch.randint(K, (n,), generator=g)
    for i, place in enumerate(y.tolist()):
        row, column = divmod(place, 2)
        x[i, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 0.4
    return x, y.numpy()


def noise(n: int, seed: int) -> Tensor:
    return torch.rand((n, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def start() -> tuple[nn.Module, DensityGuard]:
    """A net of random weights, and a guard that holds out-pictures so likely a priori that it believes half of the others."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, K))
    x = squares(200, 0)[0]
    fair = fit_density_guard(x, noise(100, 1), side=4, centres=4, steps=0)
    z = fair.place(x)
    odds = (fair.log_density(z, "in") - fair.log_density(z, "out")).median()
    return net.eval(), fit_density_guard(x, noise(100, 1), side=4, centres=4, steps=0, weight=float(odds.exp()))


@pytest.fixture(scope="module")
def trained(start: tuple[nn.Module, DensityGuard]) -> tuple[nn.Module, DensityGuard]:
    x, y = squares(200, 2)
    before = copy.deepcopy([m.state_dict() for m in start])
    made = fit_jointly(*start, x, y, noise(200, 3), steps=200, lr=2e-2)
    assert not start[0].training
    for module, state in zip(start, before, strict=True):  # those given are as they were
        assert all(torch.equal(v, state[name]) for name, v in module.state_dict().items())
    return made


def loss(net: nn.Module, guard: DensityGuard) -> float:
    """The paper's, on pictures that nobody learnt from, in its own terms."""
    (x, y), z = squares(200, 4), noise(200, 5)
    with torch.no_grad():
        p, q = (guard({"pixels": part, "logits": net(part)}).double() for part in (x, z))
    return float(F.nll_loss(p, torch.from_numpy(y)) - q.mean())


def test_the_net_and_the_mixtures_both_learn(start: tuple[nn.Module, DensityGuard], trained: tuple) -> None:
    net, guard = trained
    assert loss(net, guard) < loss(net, start[1]) - 0.1  # the mixtures did
    assert loss(net, guard) < loss(start[0], guard) - 0.1  # the net did
    assert loss(net, guard) < math.log(K) + 0.1  # the least there is: log K on what is no class, 0 inside
    (x, y), z = squares(200, 4), noise(200, 5)
    with torch.no_grad():
        inside, outside = (guard({"pixels": part, "logits": net(part)}).exp() for part in (x, z))
    assert (inside.argmax(1).numpy() == y).mean() == 1
    assert inside.amax(1).mean() > 0.95
    assert outside.amax(1).max() < 1 / K + 0.02


def test_the_bounds_hold_after_joint_training(trained: tuple[nn.Module, DensityGuard]) -> None:
    guard, g = trained[1], torch.Generator().manual_seed(6)
    assert guard.outside.variances.min() > 1.4999 * guard.inside.variances.max()

    def sure(x: Tensor) -> np.ndarray:
        logits = torch.zeros(len(x), K)
        logits[:, 1] = 1e4
        return guard({"pixels": x, "logits": logits}).exp().amax(1).numpy()

    centres = torch.cat([squares(10, 7)[0], noise(10, 8), 0.5 * squares(10, 9)[0] + 0.25])
    for radius in (0.1, 0.5, 2.0):
        bounds = guard.ball_bound(centres, radius, K)
        for _ in range(20):
            step = torch.randn(centres.shape, generator=g)
            moved = centres + step * (radius / step.flatten(1).norm(dim=1))[:, None, None, None]
            assert (sure(moved) <= bounds + 1e-5).all()
    for alpha in (1.0, 2.0, 10.0, 1e3):
        far = [guard.far_bound(float(d), K) for d in guard.distance(alpha * centres)]
        assert (sure(alpha * centres) <= np.array(far) + 1e-5).all()
    assert guard.far_bound(1e6, K) == pytest.approx(1 / K)


def test_the_seed_is_the_only_chance_in_it_dropout_included(start: tuple[nn.Module, DensityGuard]) -> None:
    net, guard = nn.Sequential(start[0], nn.Dropout(0.5)), start[1]
    made = []
    for before, seed in ((1, 0), (2, 0), (2, 1)):
        torch.manual_seed(before)  # what the program drew earlier
        made.append(fit_jointly(net, guard, *squares(20, 2), noise(20, 3), steps=3, batch=8, seed=seed)[0])
        after = torch.rand(2)
        torch.manual_seed(before)
        assert torch.equal(torch.rand(2), after)  # and what it draws later is as if nothing had been trained
    same, other = (
        [torch.equal(*pair) for pair in zip(made[0].parameters(), m.parameters(), strict=True)] for m in made[1:]
    )
    assert all(same)
    assert not any(other)


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_it_learns_the_same_where_gradients_are_off(start: tuple[nn.Module, DensityGuard], off: Any) -> None:
    x, y = squares(20, 0)
    expected = fit_jointly(*start, x, y, noise(20, 1), steps=3, batch=8)
    with off():
        made = fit_jointly(*start, x * 1, y, noise(20, 1), steps=3, batch=8)
    for module, other in zip(made, expected, strict=True):
        for name, value in other.state_dict().items():
            assert torch.equal(module.state_dict()[name], value)
            assert not module.state_dict()[name].is_inference()


def test_what_cannot_be_trained_jointly_is_an_error(start: tuple[nn.Module, DensityGuard]) -> None:
    x, y = squares(8, 0)
    with pytest.raises(ValueError, match="not one-hot"):
        fit_jointly(*start, x, np.eye(K)[y], noise(8, 1))
    with pytest.raises(ValueError, match="0 to 3"):
        fit_jointly(*start, x, y + 1 + K, noise(8, 1))
    with pytest.raises(ValueError, match="one shape"):
        fit_jointly(*start, x, y, torch.zeros(8, 1, SIDE, SIDE))
    with pytest.raises(ValueError, match="batch 0 must be at least 1"):
        fit_jointly(*start, x, y, noise(8, 1), batch=0)
    with pytest.raises(ValueError, match="weight nan must be at least 0"):
        fit_jointly(*start, x, y, noise(8, 1), weight=float("nan"))
    with pytest.raises(ValueError, match="no weights of the net can learn"):
        fit_jointly(copy.deepcopy(start[0]).requires_grad_(False), start[1], x, y, noise(8, 1))
    with pytest.raises(TrainingError, match="lower lr"):
        fit_jointly(*start, x, y, noise(8, 1), lr=1e30, steps=5)
