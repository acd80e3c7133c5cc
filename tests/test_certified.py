"""The certified guard: no attack passes a certificate, every ray ends at 1 / K, and the net keeps its answers inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from openset import attack, open_judge
from openset.audit import limits
from openset.export import TOLERANCE, export
from openset.heads import CertifiedGuard, fit_certified_guard
from openset.nets import build
from openset.types import JudgeInfo
from test_export import real_difference
from test_heads import blobs

K, EPS = 10, 0.1


def source(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int, seed: int) -> Tensor:
    return torch.rand((n, 3, 12, 12), generator=source(seed))


@pytest.fixture(scope="module")
def guard() -> CertifiedGuard:
    return fit_certified_guard(blobs(300, 0), noise(300, 1), eps=EPS, steps=500, width=8, lr=1e-2, seed=0)


class Score(nn.Module):
    """What `attack` raises: the guarded confidence of a net that is certain everywhere, as logits."""

    def __init__(self, guard: CertifiedGuard) -> None:
        super().__init__()
        self.guard = guard

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.zeros(len(x), K)
        logits[:, 3] = 1e4
        made: Tensor = self.guard({"pixels": x, "logits": logits})
        return made


class Believed(nn.Module):
    """The score as a net of two classes, believed and not: piecewise affine, so its rays are audited exactly."""

    def __init__(self, guard: CertifiedGuard) -> None:
        super().__init__()
        self.guard = guard

    def forward(self, x: Tensor) -> Tensor:
        score = self.guard.score(x).reshape(-1, 1)
        return torch.cat([score, 0 * score], 1)


def sure(guard: CertifiedGuard, x: Tensor) -> np.ndarray:
    with torch.no_grad():
        return Score(guard)(x).exp().amax(1).numpy()


def test_it_is_frozen_as_the_other_heads_are(guard: CertifiedGuard) -> None:
    assert not guard.training
    assert [name for name, p in guard.named_parameters() if p.requires_grad] == []
    assert not guard({"pixels": noise(2, 0), "logits": torch.zeros(2, K)}).requires_grad


def test_it_believes_the_net_inside_and_certifies_noise(guard: CertifiedGuard) -> None:
    assert sure(guard, blobs(200, 2)).mean() > 0.98
    certified = guard.certify(noise(100, 3), EPS, K)
    assert np.median(certified) < 0.2  # not vacuous: below what an in-picture gets
    assert sure(guard, noise(100, 3)).max() < 0.3


@pytest.mark.parametrize("eps", [0.01, 0.05, 0.1, 0.3])
def test_no_attack_of_the_family_passes_a_certificate(guard: CertifiedGuard, eps: float) -> None:
    z = torch.cat([noise(6, 4), blobs(2, 5), 0.5 * blobs(4, 6) + 0.5 * noise(4, 7)])
    certified = guard.certify(z, eps, K)
    found = attack.worst(Score(guard), z, eps=eps, generator=source(0), budget="quick", images=blobs(8, 8))
    for name, values in found.by.items():
        assert (values.numpy() <= certified + 1e-6).all(), name
    for seed in range(20):
        corners = (z + eps * (2 * torch.randint(2, z.shape, generator=source(seed)) - 1)).clamp(0, 1)
        assert (sure(guard, corners) <= certified + 1e-6).all()
    assert (certified >= sure(guard, z) - 1e-6).all()


def test_certificates_grow_with_the_ball(guard: CertifiedGuard) -> None:
    z = noise(20, 9)
    rows = np.stack([guard.certify(z, eps, K) for eps in (0, 0.02, 0.1, 0.4)])
    assert (np.diff(rows, axis=0) >= -1e-12).all()
    np.testing.assert_allclose(rows[0], sure(guard, z), atol=1e-5)  # a ball of one point: the confidence itself


def test_every_ray_ends_at_the_uniform_prediction(guard: CertifiedGuard) -> None:
    x = torch.cat([blobs(6, 10), noise(6, 11), torch.randn((6, 3, 12, 12), generator=source(12))])

    end = limits(Believed(guard), x)
    assert end.classes.tolist() == [1] * len(x)  # "not believed" wins, at confidence 1: proved by the exact audit
    assert float(end.confidence.min()) == 1
    for alpha in (1.0, 3.0, 30.0, 1e3):
        bounds = guard.ray_bound(x, alpha, K)
        for more in (1.0, 1.3, 7.0):
            assert (sure(guard, more * alpha * x) <= bounds + 1e-6).all()
    assert guard.ray_bound(x, 1e4, K) == pytest.approx(np.full(len(x), 1 / K))


def test_the_published_guard_without_the_box_term_believes_some_rays_for_ever() -> None:
    """Why the term is there: one dead feature, and sigmoid(b) stays along the ray."""
    conv = nn.Conv2d(3, 1, 1)
    with torch.no_grad():
        conv.weight.fill_(-1.0)
        conv.bias.zero_()  # type: ignore[union-attr]
    guard = CertifiedGuard(nn.ModuleList([conv]), 4)
    with torch.no_grad():
        guard.bias.fill_(5.0)
    x = torch.full((1, 3, 2, 2), 0.5)
    with torch.no_grad():
        assert float(torch.relu(conv(1e6 * x)).max()) == 0  # published: g = b - 0, s = .993, for every alpha
        assert float(torch.sigmoid(guard.score(1e3 * x))) < 1e-9
        assert float(guard.score(x)) == 5  # inside the box nothing changed


def test_yes_or_no_pulls_to_no(guard: CertifiedGuard) -> None:
    asked = CertifiedGuard(guard.layers, len(guard.weight), refuse=1)
    asked.load_state_dict(guard.state_dict())
    logits = torch.tensor([[3.0, 0.0]]).repeat(20, 1)
    p = asked({"pixels": noise(20, 13), "logits": logits}).exp()
    assert p[:, 0].max() < 0.3
    torch.testing.assert_close(p.sum(1), torch.ones(20))
    assert (p[:, 0].detach().numpy() <= asked.certify(noise(20, 13), 0.05, 2)).all()


def test_it_goes_into_a_judge_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = build("lenet", 4)
    x = torch.nn.functional.interpolate(blobs(60, 0), 28)
    outside = torch.rand((60, 3, 28, 28), generator=source(1))
    guard = fit_certified_guard(x, outside, steps=20, width=4)
    export(net, tmp_path / "guarded.onnx", JudgeInfo(("a", "b", "c", "d"), net.preprocess), head=guard)
    judge = open_judge(tmp_path / "guarded.onnx")
    assert real_difference(net, judge, guard) < TOLERANCE
    made = judge.outputs(outside[:3].numpy())["probabilities"]
    with torch.no_grad():
        expected = guard({"pixels": outside[:3], "logits": net(outside[:3])}).exp()
    np.testing.assert_allclose(made, expected.numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"outside": torch.zeros(9, 1, 12, 12)}, "one shape"),
        ({"keep": 1.0}, "between 0 and 1"),
        ({"inside": torch.zeros(1, 3, 12, 12)}, "at least 2"),
    ],
)
def test_what_cannot_be_fitted_is_an_error(given: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_certified_guard(**({"inside": blobs(9, 0), "outside": noise(9, 0), "steps": 2} | given))


def test_certify_refuses_what_is_no_picture(guard: CertifiedGuard) -> None:
    with pytest.raises(ValueError, match="eps -1"):
        guard.certify(noise(1, 0), -1.0, K)
    with pytest.raises(ValueError, match=r"pixels in \[0, 1\]"):
        guard.certify(2 * noise(1, 0), 0.1, K)
