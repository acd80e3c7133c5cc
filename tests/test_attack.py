"""maximise_confidence: theorems of its contract, and an independent numpy version on a small net."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import nn

from openset.attack import evaluating, maximise_confidence, project, random_start
from openset.losses import log_max_prob


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_net(norm: bool = True) -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 3, padding=1)]
    if norm:
        layers += [nn.BatchNorm2d(8), nn.Dropout(0.5)]
    net = nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)).double()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.5)
    return net


def batch(b: int = 5) -> torch.Tensor:
    return torch.rand((b, 3, 6, 6), generator=source(7), dtype=torch.float64)


def value(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad(), evaluating(net):
        return log_max_prob(net(x))


@pytest.mark.parametrize("eps", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("step", [None, 0.5])
def test_stays_in_the_ball_and_the_box_and_never_falls_below_the_start(eps: float, step: float | None) -> None:
    net, z = small_net(), batch()
    x = maximise_confidence(net, z, eps=eps, steps=5, step=step, generator=source())
    assert x.min() >= 0
    assert x.max() <= 1
    assert (x - z).abs().max() <= eps + 1e-15
    assert bool((value(net, x) >= value(net, z)).all())
    assert not x.requires_grad


def test_it_really_raises_confidence_and_more_steps_never_give_less_from_one_start() -> None:
    net, z = small_net(), batch()
    found = [
        value(net, maximise_confidence(net, z, eps=0.2, steps=n, step=0.05, generator=source())) for n in (0, 1, 3, 9)
    ]
    assert all(bool((b >= a).all()) for a, b in pairwise(found))
    assert bool((found[-1] > value(net, z)).any())


def test_equals_a_numpy_version_on_a_one_layer_net() -> None:
    torch.manual_seed(1)
    net, z = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).double(), torch.rand(4, 3, 2, 2, dtype=torch.float64)
    w, b = (t.detach().numpy() for t in net[1].parameters())
    eps, steps, step = 0.25, 6, 0.07

    def logp(x: np.ndarray) -> np.ndarray:
        logits = x @ w.T + b
        return logits - logsumexp(logits, axis=1, keepdims=True)

    centre = z.flatten(1).numpy()
    x, best, top = centre.copy(), centre.copy(), logp(centre).max(1)
    for i in range(steps + 1):
        now = logp(x).max(1)
        better = now > top
        best[better], top[better] = x[better], now[better]
        if i < steps:
            k = logp(x).argmax(1)
            gradient = w[k] - np.exp(logp(x)) @ w  # of log p_k
            x = np.clip(np.clip(x + step * np.sign(gradient), centre - eps, centre + eps), 0, 1)
    ours = maximise_confidence(net, z, eps=eps, steps=steps, step=step, start=z)
    np.testing.assert_allclose(ours.flatten(1), best, atol=1e-12)


def test_a_batch_of_one_equals_the_row_of_a_batch() -> None:
    net, z = small_net(), batch()
    whole = maximise_confidence(net, z, eps=0.1, steps=4, start=z)
    rows = [maximise_confidence(net, z[i : i + 1], eps=0.1, steps=4, start=z[i : i + 1]) for i in range(len(z))]
    torch.testing.assert_close(whole, torch.cat(rows), rtol=0, atol=1e-12)


def test_leaves_modes_statistics_and_gradients_as_they_were() -> None:
    net = small_net()
    net.train()
    net[1].eval()  # a frozen batch-norm in a net that trains
    before = {k: v.clone() for k, v in net.state_dict().items()}
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    maximise_confidence(net, batch(), eps=0.1, steps=2, generator=source())
    assert [m.training for m in net.modules()] == [True, True, False, True, True, True, True]
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(p.grad is not None and bool((p.grad == 1).all()) for p in net.parameters())


def test_modes_are_restored_when_the_net_fails() -> None:
    net = small_net()
    net.train()
    with pytest.raises(RuntimeError):
        maximise_confidence(net, torch.rand(1, 3, 5, 5, dtype=torch.float64), eps=0.1, steps=1)
    assert net.training


def test_works_inside_no_grad_and_inference_mode() -> None:
    net, z = small_net(), batch()
    expected = maximise_confidence(net, z, eps=0.1, steps=3, start=z)
    with torch.no_grad():
        assert torch.equal(maximise_confidence(net, z, eps=0.1, steps=3, start=z), expected)
    with torch.inference_mode():
        assert torch.equal(maximise_confidence(net, z.clone(), eps=0.1, steps=3, start=z.clone()), expected)


def test_the_start_is_the_papers_one_radius_an_image() -> None:
    z = torch.full((200, 3, 8, 8), 0.5)
    reach = (random_start(z, 0.3, source()) - z).abs().amax((1, 2, 3)) / 0.3
    assert reach.max() <= 1
    assert 0.4 < reach.mean() < 0.55  # u ~ U(0, 1), the largest of 192 draws is just below u
    assert reach.min() < 0.05
    assert torch.equal(random_start(z, 0.3, source(1)), random_start(z, 0.3, source(1)))


def test_project_is_idempotent_and_nearest() -> None:
    z, far = batch(), batch() * 6 - 3
    x = project(far, z, 0.2)
    assert torch.equal(project(x, z, 0.2), x)
    centre = z.numpy()
    nearest = np.clip(far.numpy(), np.clip(centre - 0.2, 0, 1), np.clip(centre + 0.2, 0, 1))
    np.testing.assert_allclose(x, nearest)


def test_other_objectives() -> None:
    net, z = small_net(), batch()
    x = maximise_confidence(net, z, eps=0.2, steps=5, start=z, objective=lambda logits: -logits[:, 0])
    with torch.no_grad(), evaluating(net):
        assert bool((net(x)[:, 0] < net(z)[:, 0]).all())


@pytest.mark.parametrize(("eps", "steps", "scale"), [(-0.1, 1, 1), (0.1, -1, 1), (0.1, 1, 255)])
def test_what_cannot_be_is_refused(eps: float, steps: int, scale: int) -> None:
    with pytest.raises(ValueError, match=r"must"):
        maximise_confidence(small_net(), batch() * scale, eps=eps, steps=steps)


def test_an_empty_batch_stays_empty() -> None:
    assert maximise_confidence(small_net(), batch(0), eps=0.1, steps=2).shape == (0, 3, 6, 6)
