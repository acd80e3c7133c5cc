"""Rays where nothing is in general position: flat pictures, tied classes, slopes that cancel. What is proved is true there."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from openset.audit import (
    Pieces,
    PiecewiseNet,
    _hinges,
    _sweep,
    first_alpha_on_grid,
    limits,
    pieces,
    ray,
    trace,
)
from openset.audit._cross import first_in
from openset.audit._steps import Rows
from openset.audit._sweep import joined
from openset.errors import AuditError
from openset.nets import build


class Layer(nn.Module):
    def __init__(self, what: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> Tensor:
        return self.what(x)


def linear(weight: list[list[float]], bias: list[float]) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight)).double()
    layer.weight.data, layer.bias.data = (torch.tensor(v, dtype=torch.float64) for v in (weight, bias))
    return layer


# --- many units switch at once --------------------------------------------------------------------------------------


def flat_net(side: int, pool: int) -> nn.Sequential:
    body = (nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU())
    return nn.Sequential(*body, nn.AvgPool2d(pool), nn.Flatten(), nn.Linear(8 * (side // 2 // pool) ** 2, 3))


def test_a_flat_picture_whose_units_switch_together_is_swept_to_the_first_crossing() -> None:
    torch.manual_seed(104)
    net, x = flat_net(64, 8), torch.full((1, 64, 64), 0.2)  # 4,096 units a channel switch at one alpha
    first = ray(net, x).first
    grid = float(first_alpha_on_grid(net, x[None], 0.999)[0])
    assert first.alpha is not None
    assert grid / 1.1 < first.alpha <= grid
    with torch.no_grad():
        there = net.double()(torch.tensor([1 - 1e-6, 1.0], dtype=torch.float64).view(2, 1, 1, 1) * first.alpha * x)
    below, at = there.softmax(1).amax(1).tolist()
    assert below < 0.999 <= at + 1e-12


def check_sweep(lines: PiecewiseNet, x: Tensor, start: float) -> None:
    """From `start` to infinity without a gap, and between two knots what the net itself gives."""
    parts = list(pieces(lines, x, start=start))
    assert float(parts[0].alpha[0]) == pytest.approx(start)
    assert [float(a.q[-1]) for a in parts[:-1]] == pytest.approx([float(b.q[0]) for b in parts[1:]], rel=1e-12)
    assert float(parts[-1].q[-1]) == 0
    for part in parts:
        for a, b, f, g in zip(part.q[:-1], part.q[1:], part.scaled[:-1], part.scaled[1:], strict=True):
            q = (a + b) / 2
            there = lines.run(Rows(q[None]), ((1 - q) * x)[None], lambda *_: None)[0]
            torch.testing.assert_close((f + g) / 2, there, rtol=0, atol=1e-12 * float(1 + there.abs().max()))


def test_a_sweep_of_a_flat_picture_has_no_gap_between_its_ranges_of_alpha() -> None:
    torch.manual_seed(155)
    net, x = flat_net(64, 8), torch.full((1, 64, 64), 0.2).double()
    net[2].bias.data *= 1e6  # its units switch in several ranges
    check_sweep(trace(net, (1, 64, 64)), x, 1.0)


def test_segments_of_sixteen_switches_pass_places_of_a_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hinges, "WIDE", 0)
    monkeypatch.setattr(_sweep, "CHANGES", 0)
    monkeypatch.setattr(_sweep, "BYTES", 0)
    torch.manual_seed(1)
    check_sweep(trace(flat_net(12, 3).double(), (1, 12, 12)), torch.full((1, 12, 12), 0.37).double(), 0.5)


def test_parts_that_do_not_join_are_never_a_whole_sweep() -> None:
    def part(a: float, b: float) -> Pieces:
        return Pieces(torch.tensor([a, b]).double(), torch.zeros(2, 3).double())

    whole = [part(1.0, 0.5), part(0.5, 0.0)]
    assert list(joined(iter(whole), 1.0, 0.0)) == whole
    for broken in (whole[:1], whole[1:], [part(1.0, 0.6), *whole[1:]], [part(1.0, 1.0), *whole], []):
        with pytest.raises(AuditError, match="fault of ours"):
            list(joined(iter(broken), 1.0, 0.0))


# --- tied classes ---------------------------------------------------------------------------------------------------


def test_classes_tied_at_infinity_are_told_apart_by_their_offsets() -> None:
    net = nn.Sequential(linear([[1.0]], [0.0]), nn.ReLU(), linear([[0.0], [0.0], [-1.0]], [10.0, 0.0, 12.0]))
    first = ray(net, torch.ones(1), t=0.999).first
    # class 0 against e^-10 and e^(2 - alpha): .999 where their sum is 1 / 999
    assert first.alpha == pytest.approx(2 - math.log(1 / 999 - math.exp(-10)), rel=1e-12)
    assert (first.label, first.kind) == (0, "proved")
    assert ray(net, torch.ones(1), t=0.99996).first.alpha is None  # more than 1 / (1 + e^-10)


WHOLE = st.integers(-3, 3).map(float)


@given(
    st.lists(st.tuples(WHOLE, WHOLE, WHOLE), min_size=2, max_size=4),
    st.sampled_from([0.4, 0.6, 0.9]),
    st.sampled_from([None, 0, 1]),
)
@settings(max_examples=400, deadline=None, derandomize=True, phases=[Phase.generate])
def test_on_pieces_of_whole_numbers_a_dense_scan_finds_no_earlier_crossing(
    scaled: list[tuple[float, ...]], t: float, label: int | None
) -> None:
    """Knots at alpha = 0, 1, ..., the last at infinity: slopes, offsets and classes tie there often."""
    knots = torch.tensor([1 / (1 + i) for i in range(len(scaled) - 1)] + [0.0], dtype=torch.float64)
    part = Pieces(knots, torch.tensor(scaled).double())
    alpha = torch.cat((torch.linspace(0, 12, 1201), torch.logspace(1.1, 6, 300))).double()
    q = 1 / (1 + alpha)
    i = (torch.searchsorted(-knots, -q).clamp(1, len(knots) - 1)) - 1
    share = ((knots[i] - q) / (knots[i] - knots[i + 1]))[:, None]
    p = (torch.lerp(part.scaled[i], part.scaled[i + 1], share) / q[:, None]).softmax(1)
    sure = p.amax(1) if label is None else p[:, label]
    hit = first_in(part, t, label)
    if hit is None:
        assert not (sure > t + 1e-9).any()
    else:
        assert not (sure[alpha < hit[0] * (1 - 1e-9) - 1e-9] > t + 1e-9).any()
        at = int((alpha - hit[0]).abs().argmin())
        assert hit[0] > 1e5 or float(sure[max(at - 1, 0) : at + 2].amax()) > t - 0.05  # the scan's step is .01


@given(st.data(), st.sampled_from([0.5, 0.7, 0.95]))
@settings(max_examples=20, deadline=None, derandomize=True, phases=[Phase.generate])
def test_nets_of_small_whole_numbers_cross_where_a_dense_scan_does(data: st.DataObject, t: float) -> None:
    def drawn(n: int, m: int, most: int) -> list[list[float]]:
        return [[float(data.draw(st.integers(-most, most))) for _ in range(m)] for _ in range(n)]

    net = nn.Sequential(linear([[1.0]], drawn(1, 1, 2)[0]), nn.ReLU(), linear(drawn(3, 1, 1), drawn(1, 3, 6)[0]))
    done = ray(net, torch.ones(1), t=t)
    first = math.inf if done.first.alpha is None else done.first.alpha
    alpha = torch.cat((torch.linspace(1, 40, 3901), torch.logspace(1.7, 8, 400))).double()
    with torch.no_grad():
        sure = net(alpha[:, None]).softmax(1).amax(1)
        assert not (sure[alpha < first * (1 - 1e-9)] > t + 1e-9).any()
        if math.isinf(first):
            assert float(done.limit.confidence[0]) <= t + 1e-9
        else:
            assert float(net(torch.tensor([[first]], dtype=torch.float64)).softmax(1).amax()) >= t - 1e-9


# --- slopes that cancel ---------------------------------------------------------------------------------------------


class Standardised(nn.Module):
    """Filters whose weights sum to 0: on a flat picture every slope is 0, or what rounding leaves of it."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.h = nn.Conv2d(1, 8, 3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        w = self.c.weight - self.c.weight.mean((1, 2, 3), keepdim=True)
        return self.h(F.conv2d(x, w, self.c.bias).relu().mean((2, 3)))


@pytest.mark.parametrize("brightness", [0.3, 1.0])
def test_a_limit_made_of_rounding_alone_is_not_called_proved(brightness: float) -> None:
    torch.manual_seed(0)
    net = Standardised().double()
    done = ray(net, torch.full((1, 8, 8), brightness).double())
    assert done.limit.kind == done.first.kind == "measured"
    assert float(done.limit.margin) < 1
    noisy = ray(net, torch.rand((1, 8, 8), generator=torch.Generator().manual_seed(0)).double())
    assert noisy.limit.kind == noisy.first.kind == "proved"
    # what lies before signs hang on rounding is proved on the flat picture too
    low = ray(net, torch.full((1, 8, 8), brightness).double(), t=0.4).first
    assert (low.alpha, low.kind) == (1.0, "proved")


def centred(x: Tensor) -> Tensor:
    return x - x.mean(1, keepdim=True)


CANCELS: dict[str, nn.Module] = {
    "sub": Layer(lambda x: x - 0.1 * x - 0.9 * x),
    "rsub": Layer(lambda x: torch.rsub(0.1 * x, 0.1 * x + 1)),
    "neg": Layer(lambda x: x * 3 + 1 + -(x + x + x)),
    "sub with alpha": Layer(lambda x: torch.sub(x, x / -3, alpha=-3)),
    "mean": Layer(centred),
    "weights": linear([[0.1, 0.2, -0.3], [0.7, -0.3, -0.4], [1.1, -1.3, 0.2]], [1.0, 2.0, -1.0]),
    "concatenated": nn.Sequential(Layer(lambda x: torch.cat((x, -x), 1)), linear([[0.1] * 6] * 3, [1.0] * 3)),
    "batch-norm between": nn.Sequential(
        linear([[0.1, 0.2, -0.3], [0.7, -0.3, -0.4], [1.1, -1.3, 0.2]], [1.0, 2.0, -1.0]), nn.BatchNorm1d(3)
    ),
}


@pytest.mark.parametrize("name", CANCELS)
def test_a_slope_that_cancels_is_seen_through_every_affine_layer(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(CANCELS[name], Layer(lambda x: x + 0.5), nn.ReLU(), nn.Linear(3, 3)).double().eval()
    end = limits(net, torch.full((1, 3), 0.7))
    assert end.kind == "measured"
    assert float(end.margin) < 1


@pytest.mark.parametrize("paper", [0.0, 1.0])
def test_flat_paper_around_a_drawing_is_proved_as_noise_is(paper: float) -> None:
    """Maxima of equal values, and units that see nothing: their zeros are no rounding."""
    torch.manual_seed(3)
    page = torch.full((3, 28, 28), paper)
    page[:, 9:17, 5:22] = torch.rand((8, 17), generator=torch.Generator().manual_seed(0))
    end = limits(build("lenet", 4).eval(), page[None])
    assert end.kind == "proved"
    assert math.isinf(float(end.decided))


def test_judging_one_ray_of_a_batch_leaves_the_others_as_they_are() -> None:
    torch.manual_seed(0)
    net = Standardised().double()
    x = torch.rand((4, 1, 8, 8), generator=torch.Generator().manual_seed(1)).double()
    x[2] = 0.3
    end = limits(net, x)
    assert (end.margin < 1).tolist() == [False, False, True, False]
    assert torch.isinf(end.decided).tolist() == [True, True, False, True]
    assert end.kind == "measured"
    assert limits(net, x[:2]).kind == "proved"
