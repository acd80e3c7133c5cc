"""The front end of certified guards: top-hats against scipy's grey morphology, and intervals that hold and are tight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

from openset import open_judge
from openset.export import export
from openset.heads import CertifiedGuard, TopHats, fit_certified_guard
from openset.types import JudgeInfo, Preprocess

SIDE = 16


def source(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lines(n: int, seed: int, across: bool = False) -> Tensor:
    """Dark lines one pixel wide on light paper, across or down."""
    g = source(seed)
    x = 0.9 - 0.05 * torch.rand((n, 1, SIDE, SIDE), generator=g)
    for picture in x:
        start = int(torch.randint(4, (1,), generator=g))
        picture[0, start::4] -= 0.6
    x = x.transpose(2, 3) if across else x
    return x.contiguous()


def by_hand(x: np.ndarray, windows: tuple[int, ...], thresholds: tuple[float, ...], ramp: float) -> np.ndarray:
    """[H, W] float64 -> [channels, H / 2, W / 2]; scipy pads with what changes no minimum or maximum."""
    hats = []
    for side in windows:
        reach = {"size": side, "mode": "constant"}
        closed = ndimage.minimum_filter(ndimage.maximum_filter(x, cval=-np.inf, **reach), cval=np.inf, **reach)
        opened = ndimage.maximum_filter(ndimage.minimum_filter(x, cval=np.inf, **reach), cval=-np.inf, **reach)
        hats += [closed - x, x - opened]
    ramps = np.stack([np.clip((hat - t) / ramp, 0, 1) for t in thresholds for hat in hats])
    return ramps.reshape(len(ramps), SIDE // 2, 2, SIDE // 2, 2).mean((2, 4))


def test_it_is_the_top_hats_of_scipy() -> None:
    x = torch.rand((3, 3, SIDE, SIDE), generator=source(0), dtype=torch.float64)
    made = TopHats((3, 7), (0.1, 0.3, 0.5), 0.2)(x)
    assert made.shape == (3, 12, SIDE // 2, SIDE // 2)
    for picture, own in zip(x, made, strict=True):
        np.testing.assert_allclose(own, by_hand(picture.mean(0).numpy(), (3, 7), (0.1, 0.3, 0.5), 0.2), atol=1e-12)


def test_lines_one_pixel_wide_are_seen_in_either_polarity_and_paper_is_not() -> None:
    x = torch.full((1, 1, SIDE, SIDE), 0.9)
    x[:, :, 8] = 0.3
    dark = TopHats((5,), (0.2,))(x)
    assert dark[0, 0].amax(1).tolist() == [0, 0, 0, 0, 0.5, 0, 0, 0]  # one of two rows
    assert float(dark[:, 1].max()) == 0
    light = TopHats((5,), (0.2,))(1 - x)
    torch.testing.assert_close(light[:, 1], dark[:, 0])
    assert float(light[:, 0].max()) == 0
    assert float(TopHats()(torch.full((1, 1, SIDE, SIDE), 0.4)).max()) == 0


@pytest.mark.parametrize("eps", [0.0, 0.01, 0.1, 0.5])
def test_nothing_in_the_ball_leaves_the_interval(eps: float) -> None:
    front = TopHats((3, 5), (0.05, 0.2))
    x = torch.cat([torch.rand((2, 1, SIDE, SIDE), generator=source(2)), lines(2, 3)]).double()
    low, high = front.interval((x - eps).clamp(0, 1), (x + eps).clamp(0, 1))
    for seed in range(60):
        g = source(seed)
        step = 2 * torch.rand(x.shape, generator=g).double() - 1
        moved = (x + eps * (step.sign() if seed % 2 else step)).clamp(0, 1)
        made = front(moved)
        assert (made >= low - 1e-12).all()
        assert (made <= high + 1e-12).all()


def test_strong_lines_are_known_exactly_in_a_small_ball() -> None:
    x = lines(4, 4).double()
    low, high = TopHats((5,), (0.2,)).interval(x - 0.02, x + 0.02)
    assert torch.equal(low, high)
    assert sorted(set(low.flatten().tolist())) == [0, 0.5, 1]


@pytest.fixture(scope="module", params=[0, 8])
def guard(request: pytest.FixtureRequest) -> CertifiedGuard:
    return fit_certified_guard(
        lines(200, 5), lines(200, 6, across=True), eps=0.05, steps=200, width=4, hidden=request.param, lr=1e-2,
        front=TopHats((5,), (0.2,)),
    )  # fmt: skip


def test_a_guard_with_it_certifies_lines_that_run_the_other_way(guard: CertifiedGuard) -> None:
    with torch.no_grad():
        assert float(torch.sigmoid(guard.score(lines(50, 7))).mean()) > 0.98
    other = lines(50, 8, across=True)
    certified = guard.certify(other, 0.05, 4)
    assert np.median(certified) < 0.3
    for seed in range(40):
        moved = (other + 0.05 * (2 * torch.randint(2, other.shape, generator=source(seed)) - 1)).clamp(0, 1)
        with torch.no_grad():
            share = torch.sigmoid(guard.score(moved)).numpy()
        assert (share + (1 - share) / 4 <= certified + 1e-6).all()
    x = torch.rand((4, 1, SIDE, SIDE), generator=source(9))
    assert guard.ray_bound(x, 1e5, 4).max() < 0.2501
    assert guard.weight.max() > 0  # some evidence speaks for the picture: what bounds it is the front end's range
    with torch.no_grad():
        far = torch.sigmoid(torch.stack([guard.score(alpha * x) for alpha in (2.0, 3.0, 5.0, 30.0)])).amax(0).numpy()
    assert (far + (1 - far) / 4 <= guard.ray_bound(x, 2.0, 4) + 1e-6).all()
    off = guard.score(x).double() - guard.double().score(x.double())
    assert (off.abs() <= guard.float().rounding(x)).all()


class Net(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3))
        return 4 * means


def test_it_goes_into_the_judge_file(guard: CertifiedGuard, tmp_path: Path) -> None:
    export(Net(), tmp_path / "judge.onnx", JudgeInfo(("a", "b", "c"), Preprocess("stretch", SIDE)), head=guard)
    x = torch.cat([lines(3, 10), lines(3, 11, across=True)]).expand(-1, 3, -1, -1).contiguous()
    score = open_judge(tmp_path / "judge.onnx", threads=1).outputs(x.numpy())["score"]
    with torch.no_grad():
        np.testing.assert_allclose(score, torch.sigmoid(guard.score(x)), atol=1e-4)
    assert score[:3].min() > 0.9 > 0.1 > score[3:].max()


@pytest.mark.parametrize("wrong", [{"windows": (4,)}, {"windows": ()}, {"thresholds": (1.0,)}, {"ramp": 0.0}])
def test_settings_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"windows|thresholds"):
        TopHats(**wrong)  # type: ignore[arg-type]
