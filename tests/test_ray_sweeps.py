"""Two ways to sweep a ray, by changes of slope and by values at knots, find the same regions; memory stays bounded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from openset.audit import Pieces, PiecewiseNet, _hinges, _patches, _sweep, first_alpha, pieces, trace
from openset.audit._hinges import stretch, suits
from openset.audit._patches import Patches, conv, convs, pad
from openset.audit._steps import Rows
from openset.audit._sweep import by_changes, by_rows
from openset.errors import AuditError
from openset.nets import build


class Shortcuts(nn.Module):
    """What windows have to pass: strides of either parity, SAME padding, a 1x1 stride, pools, leaky units, both kinds
    of shortcut, and a concatenation, at which they become whole rows: 2 x 12 x 12 -> 3 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, bias=False)
        self.bn, self.c = nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.d, self.e = nn.Conv2d(4, 6, 1, stride=2), nn.Conv2d(6, 6, 5, padding=2)
        self.f, self.head = nn.Conv2d(12, 4, 3, padding=1), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.a(x))
        h = F.leaky_relu(self.bn(h + self.b(F.pad(h, (1, 1, 2, 0)))), 0.1)
        h = F.relu(self.c(h) + self.d(h))
        h = F.relu(
            F.pad(F.avg_pool2d(self.e(h), 2), (0, 0, 0, 0, 3, 3)) + F.pad(F.avg_pool2d(h, 2), (0, 0, 0, 0, 2, 4))
        )
        h = F.avg_pool2d(F.relu(self.f(h)), 2, ceil_mode=True, count_include_pad=False)
        return self.head(torch.cat((h, -0.5 * h), 1)[:, 2:6].flatten(1))


@cache
def shortcuts(seed: int) -> tuple[PiecewiseNet, Tensor]:
    torch.manual_seed(seed)
    net = Shortcuts()
    net.bn.running_mean.normal_()
    net.bn.running_var.uniform_(0.5, 2)
    return trace(net.eval(), (2, 12, 12)), torch.rand(2, 12, 12, dtype=torch.float64) - 0.3


@cache
def small_resnet(seed: int) -> tuple[PiecewiseNet, Tensor]:
    torch.manual_seed(seed)
    net = build("resnet-small", 4)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.uniform_(-0.3, 0.3)
            m.running_var.uniform_(0.5, 2.0)
    return trace(net.eval(), (3, 16, 16)), torch.rand(3, 16, 16, dtype=torch.float64)


def joined(parts: Iterator[Pieces]) -> tuple[Tensor, Tensor]:
    held = list(parts)
    q = torch.cat([held[0].q[:1], *(p.q[1:] for p in held)])
    return q, torch.cat([held[0].scaled[:1], *(p.scaled[1:] for p in held)])


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("make", "ends"), [(shortcuts, (0.5, 0.3)), (small_resnet, (0.5, 0.49))])
def test_changes_of_slope_and_values_at_knots_give_the_same_regions(
    make: Callable[[int], tuple[PiecewiseNet, Tensor]], ends: tuple[float, float], seed: int
) -> None:
    lines, x = make(seed)
    q, scaled = joined(by_changes(lines, x, *ends))
    wanted, there = joined(by_rows(lines, x, *ends))
    assert len(q) == len(wanted) > 60
    torch.testing.assert_close(q, wanted, rtol=0, atol=1e-12)
    torch.testing.assert_close(scaled, there, rtol=0, atol=1e-12 * float(there.abs().max()))


def test_two_workers_sweep_what_one_sweeps() -> None:
    lines, x = small_resnet(1)
    one, there = joined(pieces(lines, x, start=1.0, stop=1.1))
    two, here = joined(pieces(lines, x, start=1.0, stop=1.1, workers=2))
    assert (two.diff() < 0).all()
    edges = torch.linspace(0.5, 1 / 2.1, 2 * _sweep.RANGES + 1, dtype=torch.float64)
    inner = (two[:, None] - edges).abs().amin(1) > 1e-12  # the ends of ranges and segments are knots too
    away = (two[inner][:, None] - one).abs().amin(1)
    assert float(away.max()) < 1e-12
    assert float((one[:, None] - two).abs().amin(1).sort().values[:-8].max()) < 1e-12
    torch.testing.assert_close(here[-1], there[-1], rtol=1e-12, atol=1e-12)
    sure = float(one[len(one) // 2])  # a confidence that is met on the way
    t = float((there[len(one) // 2] / sure).softmax(0).amax())
    alone, shared = (first_alpha(lines, x, t=t, workers=n) for n in (1, 2))
    assert alone.kind == shared.kind == "proved"
    assert alone.label == shared.label
    assert alone.alpha is not None
    assert shared.alpha == pytest.approx(alone.alpha, rel=1e-9)
    with pytest.raises(AuditError, match="at least one worker, got 0"):
        pieces(lines, x, workers=0)


@pytest.mark.parametrize("edge", [(0, 0), (1, 1), (0, 2)])
@pytest.mark.parametrize(
    ("kernel", "padding", "stride"), [((3, 3), 1, 1), ((3, 3), 0, 2), ((1, 1), 0, 2), ((5, 2), (2, 1), (2, 1))]
)
def test_whole_pictures_with_units_off_are_convolved_as_torch_does(
    edge: tuple[int, int], kernel: tuple[int, int], padding: Any, stride: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    g = torch.Generator().manual_seed(3)
    dense = torch.randn(30, 8, 9, 6, dtype=torch.float64, generator=g) * (torch.rand(8, 9, 6, generator=g) < 0.3)
    weight = torch.randn(7, 6, *kernel, dtype=torch.float64, generator=g)
    sides = (edge[1], edge[1], edge[0], edge[0])
    wanted = F.conv2d(F.pad(dense.permute(0, 3, 1, 2), sides), weight, None, stride, padding).permute(0, 2, 3, 1)

    def padded(rows: slice) -> Patches:
        v = dense[rows]
        zero = torch.zeros(len(v), dtype=torch.int64)
        out = pad(Patches(v, zero, zero, torch.arange(30)[rows], (0, 0)), sides)
        assert out is not None
        return out

    monkeypatch.setattr(_patches, "_shifted", None)  # what treats every unit is not to be asked
    monkeypatch.setattr(_patches, "_strided", None)
    parts = convs((padded(slice(0, 11)), padded(slice(11, 30))), weight, padding, stride, *wanted.shape[1:3])
    assert [p.row.tolist() for p in parts] == [list(range(11)), list(range(11, 30))]
    assert all(p.fixed == (0, 0) and not p.y.any() and not p.x.any() for p in parts)
    torch.testing.assert_close(torch.cat([p.v for p in parts]), wanted, rtol=1e-12, atol=1e-12)


def test_a_stretch_cut_short_stops_at_its_last_switch() -> None:
    lines, x = small_resnet(0)
    whole, _ = stretch(lines, x, 0.5, 0.49, 4096)
    cut, scaled = stretch(lines, x, 0.5, 0.49, 20)
    assert 16 <= len(cut) <= 21  # the start, 19 switches and the end
    torch.testing.assert_close(cut, whole[: len(cut)], rtol=0, atol=1e-12)
    at = cut[-1:]
    torch.testing.assert_close(
        scaled[-1:], lines.run(Rows(at), (1 - at).view(-1, 1, 1, 1) * x, lambda *_: None), rtol=0, atol=1e-12
    )


def test_a_segment_whose_sum_misses_the_net_is_swept_by_values(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, x = shortcuts(1)
    wanted, there = joined(by_rows(lines, x, 0.5, 0.4))
    true = _sweep.stretch

    def wrong(*args: Any) -> tuple[Tensor, Tensor]:
        q, scaled = true(*args)
        return q, scaled * (1 + 1e-8)

    monkeypatch.setattr(_sweep, "stretch", wrong)
    q, scaled = joined(by_changes(lines, x, 0.5, 0.4))
    assert len(q) == len(wanted)
    assert torch.equal(scaled[-1], there[-1])


def test_wide_nets_without_maxima_are_swept_by_changes() -> None:
    assert suits(trace(build("resnet-small", 4), (3, 32, 32)))
    assert not suits(trace(build("resnet-small", 4), (3, 8, 8)))  # small: rows are cheaper
    assert not suits(trace(build("lenet", 4), (3, 28, 28)))  # max-pool


def test_a_sweep_too_long_for_its_bound_says_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sweep, "CHANGES", 0)  # 16 knots a segment
    monkeypatch.setattr(_hinges, "WIDE", 0)
    lines, x = small_resnet(2)
    first = first_alpha(lines, x, t=0.999, most_regions=40)
    assert first.kind == "searched"
    assert 40 <= first.regions < 60
    assert first.alpha is not None
    assert 1 < first.swept_to < first.alpha
    assert float(direct_traced(lines, x, first.alpha).softmax(0).max()) >= 0.999
    assert float(direct_traced(lines, x, first.alpha / 1.1).softmax(0).max()) < 0.999


def direct_traced(lines: PiecewiseNet, x: Tensor, alpha: float) -> Tensor:
    return lines.logits(alpha * x[None])[0]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("side", [8, 9])
def test_a_convolution_of_windows_is_that_of_the_picture_they_stand_for(side: int, k: int, stride: int) -> None:
    torch.manual_seed(0)
    for h, padding in ((1, 0), (3, k // 2), (5, 0)):
        row = torch.arange(9)
        y, x = torch.randint(0, side - h + 1, (2, 9))
        windows = Patches(torch.randn(9, h, h, 3, dtype=torch.float64), y, x, row)
        weight = torch.randn(4, 3, k, k, dtype=torch.float64)
        for p in (windows, windows.whole(side, side)):
            sides = (1, 2, 0, 1)
            padded = pad(p, sides)
            assert padded is not None
            picture = F.pad(p.whole(side, side).v.permute(0, 3, 1, 2), sides)
            wanted = F.conv2d(picture, weight, None, stride, padding)
            out = conv(padded, weight, padding, stride, *wanted.shape[2:]).whole(*wanted.shape[2:])
            torch.testing.assert_close(out.v.permute(0, 3, 1, 2), wanted, rtol=1e-12, atol=1e-12)


WIDE = """
import json, torch
from torch import nn
from torchvision import models
from openset.audit import first_alpha
torch.manual_seed(0)
torch.set_num_threads(1)
net = models.get_model({name!r}, num_classes=4)
if hasattr(net, "features"):
    net = nn.Sequential(net.features, nn.Flatten(), nn.Linear(2048, 4))
for m in net.modules():
    if isinstance(m, nn.BatchNorm2d):
        m.running_mean.uniform_(-0.3, 0.3)
        m.running_var.uniform_(0.5, 2.0)
first = first_alpha(net, torch.rand(3, 64, 64), t=1 - 1e-12, most_regions=60)
with open("/proc/self/status") as status:  # getrusage would count what the process that started this one took
    (peak,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps(dict(kind=first.kind, regions=first.regions, peak_mb=peak / 1024)))
"""


@pytest.mark.long
@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn"])
def test_a_wide_net_is_swept_within_two_gigabytes(name: str) -> None:
    """Of the whole process, on 64 x 64; vgg11_bn without its fully connected layers, whose weights alone take 2."""
    code = WIDE.format(name=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=900)
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["kind"] == "searched"
    assert 60 <= said["regions"] < 120
    assert said["peak_mb"] < 2000
