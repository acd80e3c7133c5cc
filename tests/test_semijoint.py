"""Semi-joint training: the net learns under a fixed guard, whose certificates stay what they were."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from openset.errors import TrainingError
from openset.heads import CertifiedGuard, fit_certified_guard, fit_semi_jointly
from test_joint import SIDE, K, noise, squares


def shuffled(n: int, seed: int) -> Tensor:
    """[n, 3, 8, 8]: the classes' pictures with their rows shuffled, of which a guard that learnt from noise lets many through."""
    return squares(n, seed)[0][:, :, [0, 4, 1, 5, 2, 6, 3, 7]]  # rows of the upper and the lower half in turn


@pytest.fixture(scope="module")
def start() -> tuple[nn.Module, CertifiedGuard]:
    """A net that is right and sure inside, and sure on shuffled ones too, under a guard that has seen noise only."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, K))
    x, y = squares(200, 0)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(100):
        optimiser.zero_grad()
        F.cross_entropy(net(x), torch.from_numpy(y)).backward()
        optimiser.step()
    return net.eval(), fit_certified_guard(x, noise(200, 1), eps=0.02, steps=400, width=4, lr=1e-2)


@pytest.fixture(scope="module")
def tuned(start: tuple[nn.Module, CertifiedGuard]) -> nn.Module:
    return fit_semi_jointly(*start, *squares(200, 2), shuffled(200, 3), steps=150, lr=5e-3)


def guarded(net: nn.Module, guard: CertifiedGuard, x: Tensor) -> Tensor:
    with torch.no_grad():
        return guard({"pixels": x, "logits": net(x)}).exp()


def test_confidence_outside_falls_and_inside_stays(start: tuple[nn.Module, CertifiedGuard], tuned: nn.Module) -> None:
    net, guard = start
    (x, y), z = squares(200, 4), shuffled(200, 5)
    before, after = (guarded(n, guard, z).amax(1).mean() for n in (net, tuned))
    assert before > 0.5  # the guard alone lets many through
    assert after < 0.4
    inside = guarded(tuned, guard, x)
    assert (inside.argmax(1).numpy() == y).mean() > 0.98
    assert inside.amax(1).mean() > 0.9


def test_the_certificates_are_the_guards_and_hold_for_the_tuned_net(
    start: tuple[nn.Module, CertifiedGuard], tuned: nn.Module
) -> None:
    guard, eps = start[1], 0.02
    z = torch.cat([noise(40, 6), shuffled(20, 7)])
    before = guard.certify(z, eps, K)
    again = copy.deepcopy(guard)
    fit_semi_jointly(tuned, again, *squares(20, 2), shuffled(20, 3), steps=3)
    np.testing.assert_array_equal(again.certify(z, eps, K), before)
    assert not any(p.requires_grad for p in again.parameters())
    assert np.median(before[:40]) < 0.6  # not vacuous
    g = torch.Generator().manual_seed(8)
    for _ in range(20):
        moved = (z + eps * (2 * torch.randint(2, z.shape, generator=g) - 1)).clamp(0, 1)
        assert (guarded(tuned, guard, moved).amax(1).numpy() <= before + 1e-6).all()


def test_the_net_given_and_the_guard_are_left_as_they_are(start: tuple[nn.Module, CertifiedGuard]) -> None:
    before = copy.deepcopy([m.state_dict() for m in start])
    made = fit_semi_jointly(*start, *squares(20, 2), shuffled(20, 3), steps=2, lr=0.1)
    for module, state in zip(start, before, strict=True):
        assert not module.training
        assert all(torch.equal(v, state[name]) for name, v in module.state_dict().items())
    assert not made.training
    assert any(not torch.equal(v, before[0][name]) for name, v in made.state_dict().items())


def test_with_a_class_that_refuses_the_net_learns_to_give_it(start: tuple[nn.Module, CertifiedGuard]) -> None:
    net, guard = start
    asked = CertifiedGuard(guard.layers, len(guard.weight), refuse=0)
    asked.load_state_dict(guard.state_dict())
    x, y = squares(200, 2)
    made = fit_semi_jointly(net, asked, x, y, shuffled(200, 3), steps=150, lr=5e-3)
    before, after = (guarded(n, asked, shuffled(200, 5))[:, 1:].sum(1).mean() for n in (net, made))
    assert after < 0.2 < before


def test_the_loss_is_the_papers_and_a_step_lowers_it(start: tuple[nn.Module, CertifiedGuard]) -> None:
    """Cross entropy on s P + (1 - s) / K, written out in probabilities: the class inside, all classes evenly outside."""
    net, guard = start
    (x, y), z = squares(1, 9), shuffled(1, 9)

    def loss(n: nn.Module) -> float:
        total = 0.0
        for picture, part in ((x, [int(y[0])]), (z, range(K))):
            with torch.no_grad():
                s = torch.sigmoid(guard.score(picture).double())
                p = s * n(picture).double().softmax(1)[0] + (1 - s) / K
            total -= sum(float(p[k].log()) for k in part) / len(part)
        return total

    told: list[float] = []
    moved = fit_semi_jointly(
        net, guard, x, y, z, steps=1, batch=1, lr=1e-4, tell=lambda _step, _steps, value: told.append(value)
    )
    assert told == pytest.approx([loss(net)], abs=1e-5)
    assert loss(moved) < loss(net)


def test_the_seed_is_the_only_chance_in_it_dropout_included(start: tuple[nn.Module, CertifiedGuard]) -> None:
    net, guard = nn.Sequential(start[0], nn.Dropout(0.5)), start[1]
    made = []
    for before, seed in ((1, 0), (2, 0), (2, 1)):
        torch.manual_seed(before)  # what the program drew earlier
        made.append(fit_semi_jointly(net, guard, *squares(20, 2), shuffled(20, 3), steps=3, batch=8, seed=seed))
        after = torch.rand(2)
        torch.manual_seed(before)
        assert torch.equal(torch.rand(2), after)  # and what it draws later is as if nothing had been trained
    same, other = (
        [torch.equal(*pair) for pair in zip(made[0].parameters(), m.parameters(), strict=True)] for m in made[1:]
    )
    assert all(same)
    assert not any(other)


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_it_learns_the_same_where_gradients_are_off(start: tuple[nn.Module, CertifiedGuard], off: Any) -> None:
    (x, y), z = squares(20, 2), shuffled(20, 3)
    expected = fit_semi_jointly(*start, x, y, z, steps=3, batch=8)
    with off():
        made = fit_semi_jointly(*start, x * 1, y, z * 1, steps=3, batch=8)
    for name, value in expected.state_dict().items():
        assert torch.equal(made.state_dict()[name], value)
        assert not made.state_dict()[name].is_inference()


def test_what_cannot_be_trained_is_an_error(start: tuple[nn.Module, CertifiedGuard]) -> None:
    x, y = squares(8, 0)
    with pytest.raises(ValueError, match="not one-hot"):
        fit_semi_jointly(*start, x, np.eye(K)[y], noise(8, 1))
    with pytest.raises(ValueError, match="one shape"):
        fit_semi_jointly(*start, x, y, torch.zeros(8, 1, SIDE, SIDE))
    with pytest.raises(ValueError, match="steps 0"):
        fit_semi_jointly(*start, x, y, noise(8, 1), steps=0)
    with pytest.raises(ValueError, match="no weights of the net can learn"):
        fit_semi_jointly(copy.deepcopy(start[0]).requires_grad_(False), start[1], x, y, noise(8, 1))
    with pytest.raises(TrainingError, match="lower lr"):
        fit_semi_jointly(*start, x, y, noise(8, 1), lr=1e30, steps=5)
