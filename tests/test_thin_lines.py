"""benchmarks/thin_lines.py: bounds that hold, and the whole command on a made corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import beta, norm

import thin_lines
from linear_bounds import LinearBounds
from made_corpus import corpora
from openset.heads import CertifiedGuard, TopHats, fit_certified_guard


@pytest.mark.parametrize(("front", "hidden"), [(None, 0), (TopHats(), 0), (TopHats(), 8)])
def test_linear_bounds_hold_and_are_tighter_than_intervals(front: TopHats | None, hidden: int) -> None:
    g = torch.Generator().manual_seed(0)
    x, z = 0.5 * torch.rand((100, 1, 16, 16), generator=g), torch.rand((100, 1, 16, 16), generator=g)
    guard = fit_certified_guard(
        x, z, eps=0.05, steps=60, width=4, hidden=hidden, front=front, kind=LinearBounds
    ).double()
    assert isinstance(guard, LinearBounds)
    low, high = (z[:20].double() - 0.05).clamp(0, 1), (z[:20].double() + 0.05).clamp(0, 1)
    linear, interval = guard.upper(low, high), CertifiedGuard.upper(guard, low, high)
    assert (linear < interval - 0.01).all()
    for _ in range(300):  # corners of the box, where a score is highest
        corner = torch.where(torch.rand(low.shape, generator=g) < 0.5, low, high)
        assert (guard.score(corner) <= linear + 1e-12).all()
    point = z[:5].double()
    torch.testing.assert_close(guard.upper(point, point), guard.score(point))


def test_votes_bound_the_smoothed_net_as_in_the_paper() -> None:
    most = beta.ppf(0.999, 71, 30)  # Clopper and Pearson, one side, 70 of 100
    assert thin_lines.votes_bound(np.array([70]), 100, 0.01) == pytest.approx(norm.ppf(most) + 0.01 * 64 / 0.5)
    assert thin_lines.votes_bound(np.array([100]), 100, 0.0) == np.inf
    g = np.random.default_rng(0)
    bounds = thin_lines.votes_bound(g.binomial(100, 0.7, 2000), 100, 0.0)  # no more than 1 in 1,000 draws fails
    assert (bounds < norm.ppf(0.7)).mean() <= 0.003


def test_every_idea_is_tried_once_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--data", str(corpora(tmp_path)), "--runs", str(tmp_path / "runs"), "--quick"]
    thin_lines.main([*words, "--table", str(tmp_path / "table.md")])
    table = (tmp_path / "table.md").read_text().splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in table[2:]] == list(thin_lines.IDEAS)
    capsys.readouterr()
    thin_lines.main(words)
    assert capsys.readouterr().out.splitlines() == table  # read, not measured again
