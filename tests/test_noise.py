"""The paper's noise: its blur against scipy, its parts against their definitions, its edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from openset.data.noise import low_pass, paper_noise, permuted, stretch


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(b: int = 6, h: int = 12, w: int = 9) -> torch.Tensor:
    return torch.rand((b, 3, h, w), generator=source(1))


@pytest.mark.parametrize("shape", [(32, 32), (5, 40), (1, 1), (3, 2)])
@pytest.mark.parametrize("sigma", [1.0, 2.5])
def test_low_pass_is_scipys_gaussian_of_radius_7_with_edges_repeated(shape: tuple[int, int], sigma: float) -> None:
    x = np.random.default_rng(0).random((2, 3, *shape))
    expected = x
    for axis in (2, 3):
        expected = gaussian_filter1d(expected, sigma, axis=axis, mode="reflect", radius=7)
    np.testing.assert_allclose(low_pass(torch.from_numpy(x), sigma), expected, atol=1e-12)


def test_a_permuted_picture_holds_the_same_pixels_with_their_channels_together() -> None:
    x = pictures()
    moved = permuted(x, source())
    for before, after in zip(x, moved, strict=True):
        triples = [{tuple(p) for p in t.flatten(1).T.tolist()} for t in (before, after)]
        assert triples[0] == triples[1]
        assert not torch.equal(before, after)
    same = x[:1].expand(2, -1, -1, -1)
    first, second = permuted(same, source())
    assert not torch.equal(first, second)  # an order of its own each


def test_permuted_gray_stays_gray_and_uniform_noise_does_not() -> None:
    gray = pictures()[:, :1].expand(-1, 3, -1, -1)
    z = paper_noise(gray, source())
    is_gray = ((z - z.mean(1, keepdim=True)).abs().amax((1, 2, 3)) < 1e-5).tolist()
    assert is_gray == [False] * 3 + [True] * 3


def test_every_picture_reaches_0_and_1_and_keeps_its_shape() -> None:
    z = paper_noise(pictures(), source())
    assert z.shape == pictures().shape
    assert z.dtype == torch.float32
    assert torch.equal(z.amin((1, 2, 3)), torch.zeros(6))
    assert torch.equal(z.amax((1, 2, 3)), torch.ones(6))


def test_noise_is_low_passed_neighbours_agree_far_better_than_in_uniform_noise() -> None:
    x = torch.rand((64, 3, 32, 32), generator=source(2))

    def roughness(t: torch.Tensor) -> float:
        return ((t[..., 1:] - t[..., :-1]).pow(2).mean() / t.var()).item()

    assert roughness(x) == pytest.approx(2, abs=0.05)  # independent neighbours
    assert roughness(paper_noise(x, source())) < 0.6  # exp(-1/4) correlated at the least blur: 2 - 2 * .78 = .44


def blurs(z: torch.Tensor) -> list[float]:
    """The stds of the blurs of pictures that were one white pixel on black: blurred and stretched, it falls to exp(-1 / (2 s^2))
    beside it. Where the pixel lies near an edge it is mirrored, and left out here."""
    found = []
    for picture in z:
        row, column = divmod(int(picture[0].argmax()), 41)
        if 15 <= row < 26 and 15 <= column < 26:
            beside = (picture[0, row, column + 1] / picture[0, row, column]).item()
            found.append((-1 / (2 * np.log(beside))) ** 0.5)
    return found


def dots(n: int) -> torch.Tensor:
    x = torch.zeros(n, 3, 41, 41, dtype=torch.float64)
    x[..., 20, 20] = 1
    return x


@pytest.mark.parametrize("own", [False, True])
def test_the_blur_is_uniform_from_1_to_2_5_one_a_batch_or_one_a_picture(own: bool) -> None:
    drawn = []
    for seed in range(300):
        found = blurs(paper_noise(dots(8), source(seed), 0.0, own_blurs=own))  # permuted: the pixel lies anywhere
        if len(found) > 1:
            assert (max(found) - min(found) > 1e-3) == own
        drawn += found if own else found[:1]
    assert len(drawn) > 100
    assert min(drawn) >= 1
    assert max(drawn) <= 2.5
    assert np.mean(drawn) == pytest.approx(1.75, abs=4 * 1.5 / (12 * len(drawn)) ** 0.5)
    assert np.std(drawn) == pytest.approx(1.5 / 12**0.5, abs=0.06)


def test_own_blurs_change_the_blur_and_nothing_else() -> None:
    one, own = (paper_noise(pictures(), source(5), own_blurs=which) for which in (False, True))
    assert one.shape == own.shape
    assert own.amin((1, 2, 3)).max() == 0
    assert own.amax((1, 2, 3)).min() == 1
    assert not torch.equal(one, own)
    for which in (False, True):
        assert paper_noise(torch.zeros(0, 3, 8, 8), source(), own_blurs=which).shape == (0, 3, 8, 8)
        kinds = paper_noise(torch.zeros(6, 3, 8, 8), source(), 0.5, own_blurs=which).amax((1, 2, 3))
        assert kinds.tolist() == [1, 1, 1, 0, 0, 0]  # black permuted stays black


def test_constant_pictures_and_batches_of_one_and_none_stay_finite() -> None:
    for value in (0.0, 0.37, 1.0):
        z = paper_noise(torch.full((4, 3, 8, 8), value), source())
        assert torch.isfinite(z).all()
        torch.testing.assert_close(z[2:], torch.full((2, 3, 8, 8), value))
    kinds = {paper_noise(torch.zeros(1, 3, 8, 8), source(s)).amax().item() for s in range(20)}
    assert kinds == {0.0, 1.0}  # a batch of one is permuted (black stays black) or uniform (stretched to 1)
    assert paper_noise(torch.zeros(0, 3, 8, 8), source()).shape == (0, 3, 8, 8)
    shares = [
        float((paper_noise(torch.zeros(6, 3, 8, 8), source(s), 0.25).amax((1, 2, 3)) == 1).sum()) for s in range(40)
    ]
    assert set(shares) == {1.0, 2.0}  # a quarter of six, rounded by a coin
    assert paper_noise(torch.zeros(6, 3, 8, 8), source(), 0.0).amax() == 0  # all permuted, black as the pictures are
    assert paper_noise(torch.zeros(6, 3, 8, 8), source(), 1.0).amax((1, 2, 3)).min() == 1
    assert torch.isfinite(paper_noise(torch.rand(3, 3, 1, 1), source())).all()


def test_stretch_is_affine() -> None:
    x = pictures() * 0.2 + 0.3
    z = stretch(x)
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    torch.testing.assert_close(low + z * (high - low), x)


def test_the_same_generator_state_gives_the_same_noise() -> None:
    assert torch.equal(paper_noise(pictures(), source(3)), paper_noise(pictures(), source(3)))
    assert not torch.equal(paper_noise(pictures(), source(3)), paper_noise(pictures(), source(4)))
