"""Rays where nothing is in general position: flat pictures, tied classes, slopes that cancel. What is proved is true there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from openset.audit import (
    Pieces,
    PiecewiseNet,
    _hinges,
    _sweep,
    first_alpha_on_grid,
    pieces,
    ray,
    trace,
)
from openset.audit._steps import Rows
from openset.audit._sweep import joined
from openset.errors import AuditError


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
