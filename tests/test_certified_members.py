"""Several certified guards of which all must believe: what the least of their shares promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from openset import attack
from openset.audit import limits
from openset.heads import CertifiedGuard, CertifiedGuards, fit_certified_guard, fit_certified_guards
from test_certified import Believed, Score

K, EPS, KEEP = 4, 0.05, 0.99


def source(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def even(n: int, seed: int) -> Tensor:
    """The classes: even gray pictures from .3 to .7, a little rough."""
    g = source(seed)
    gray = 0.3 + 0.4 * torch.rand((n, 1, 1, 1), generator=g)
    return (gray + 0.01 * torch.randn((n, 3, 12, 12), generator=g)).clamp(0, 1)


def dark(n: int, seed: int) -> Tensor:
    return 0.1 * torch.rand((n, 3, 12, 12), generator=source(seed))


def noise(n: int, seed: int) -> Tensor:
    return torch.rand((n, 3, 12, 12), generator=source(seed))


def share(guard: CertifiedGuard, x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.sigmoid(guard.score(x))


@pytest.fixture(scope="module")
def guard() -> CertifiedGuards:
    return fit_certified_guards(
        even(300, 0), [noise(300, 1), dark(300, 2)], eps=EPS, steps=300, width=4, lr=1e-2, keep=KEEP
    )


def test_each_kind_is_certified_by_the_member_that_learnt_it(guard: CertifiedGuards) -> None:
    by_noise, by_dark = guard.members
    rough, black = noise(60, 3), dark(60, 4)
    assert np.median(by_dark.certify(rough, EPS, K)) > 0.9  # neither would do alone
    assert np.median(by_noise.certify(black, EPS, K)) > 0.9
    for z in (rough, black):
        certified = guard.certify(z, EPS, K)
        assert np.median(certified) < 0.4
        both = [member.certify(z, EPS, K) for member in guard.members]
        np.testing.assert_allclose(certified, np.minimum(*both), atol=1e-4)
        assert (certified >= np.minimum(*both) - 1e-12).all()


def test_no_attack_of_the_family_passes_a_certificate(guard: CertifiedGuards) -> None:
    z = torch.cat([noise(4, 5), dark(4, 6), 0.5 * even(4, 7) + 0.5 * noise(4, 8), even(2, 9)])
    certified = guard.certify(z, EPS, K)
    found = attack.worst(Score(guard, K), z, eps=EPS, generator=source(0), budget="quick", images=even(8, 10))
    for name, values in found.by.items():
        assert (values.numpy() <= certified + 1e-6).all(), name


def test_what_is_kept_inside_is_kept_by_all_of_them_together(guard: CertifiedGuards) -> None:
    inside = even(300, 0)
    assert float(share(guard, inside).mean()) >= KEEP - 1e-6
    least = torch.minimum(*(share(member, inside) for member in guard.members))
    torch.testing.assert_close(share(guard, inside), least)


def test_every_ray_ends_at_the_uniform_prediction(guard: CertifiedGuards) -> None:
    x = torch.cat([even(3, 11), noise(3, 12)])
    for member in guard.members:  # followed exactly: each ends at "not believed", and the least share is no larger
        ends = limits(Believed(member), x)
        assert (ends.kind, ends.classes.tolist(), ends.confidence.tolist()) == ("proved", [1] * len(x), [1.0] * len(x))
    bounds = guard.ray_bound(x, 1e4, K)
    np.testing.assert_array_equal(bounds, np.minimum(*(member.ray_bound(x, 1e4, K) for member in guard.members)))
    assert bounds.max() < 1 / K + 1e-3
    with torch.no_grad():
        for alpha in (1e4, 1e5, 1e6):
            assert (Score(guard, K)(alpha * x).exp().amax(1).numpy() <= bounds + 1e-6).all()


def test_members_are_fitted_as_one_is_and_the_steps_of_all_are_told() -> None:
    told: list[tuple[int, int]] = []
    kinds = [noise(20, 1), dark(20, 2)]
    made = fit_certified_guards(
        even(20, 0),
        kinds,
        steps=3,
        width=2,
        seed=5,
        refuse=1,
        keep=0.9,
        tell=lambda step, of, _: told.append((step, of)),
    )
    assert told == [(step, 6) for step in range(1, 7)]
    assert made.refuse == 1
    assert not made.training
    assert [name for name, p in made.named_parameters() if p.requires_grad] == []
    for i, member in enumerate(made.members):
        alone = fit_certified_guard(even(20, 0), kinds[i], steps=3, width=2, seed=5 + i, refuse=1, keep=0.95)
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(member.state_dict()[name], value)


def test_no_kind_and_members_that_refuse_differently_are_errors() -> None:
    with pytest.raises(ValueError, match="no out-pictures"):
        fit_certified_guards(even(20, 0), [])
    with pytest.raises(ValueError, match="at least one member"):
        CertifiedGuards([])
    one, other = (fit_certified_guard(even(20, 0), noise(20, 1), steps=1, width=2, refuse=r) for r in (None, 1))
    with pytest.raises(ValueError, match="same refuse"):
        CertifiedGuards([one, other])
