"""Which nets an exact ray can pass: every layer listed, against the net itself; what is no net of logits, refused."""

from __future__ import annotations

import copy
import logging
import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from openset.audit import first_alpha, first_alpha_by_bisection, first_alpha_on_grid, limits, pieces, trace
from openset.errors import AuditError


class Layer(nn.Module):
    def __init__(self, what: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> Any:
        return self.what(x)


def conv(**options: Any) -> nn.Conv2d:
    return nn.Conv2d(3, 6, (3, 2), **options)


def place_channel(x: Tensor) -> Tensor:
    """A constant made as often as there are pictures."""
    rows = torch.linspace(0, 1, 8, dtype=x.dtype).view(1, 1, 8, 1)
    return torch.cat((x, rows.expand(x.shape[0], 1, 8, 8)), 1)


LISTED: dict[str, tuple[nn.Module, ...]] = {
    "stride, groups": (conv(stride=(2, 1), padding=(1, 0), groups=3), nn.LeakyReLU(2.0)),
    "reflected edges": (conv(padding=1, padding_mode="reflect"), nn.LeakyReLU(-1.0)),
    "circular edges, dilation": (conv(padding=1, padding_mode="circular", dilation=2), nn.LeakyReLU(0.0)),
    "same": (nn.Conv2d(3, 6, 3, padding="same"), nn.BatchNorm2d(6, affine=False), nn.ReLU(inplace=True)),
    "dilated max": (conv(), nn.MaxPool2d((2, 3), (2, 1), padding=1, dilation=(1, 2), ceil_mode=True)),
    "means of what is there": (conv(), nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), nn.ReLU()),
    "adaptive": (conv(), nn.ReLU(), nn.AdaptiveAvgPool2d((3, 2))),
    "pads": (nn.ConstantPad2d((1, 2, 0, -1), 0.7), nn.ReflectionPad2d(2), conv(), nn.ReLU()),
    "a channel that tells the place": (Layer(place_channel), nn.Conv2d(4, 6, 3), nn.ReLU()),
}


@pytest.mark.parametrize("name", LISTED)
def test_a_listed_layer_is_followed_to_the_end_and_at_every_piece(name: str) -> None:
    torch.manual_seed(1)
    body = nn.Sequential(*copy.deepcopy(LISTED[name]), nn.Flatten()).double().eval()
    x = torch.rand((3, 8, 8), dtype=torch.float64) - 0.2
    net = nn.Sequential(body, nn.Linear(body(x[None]).shape[1], 5), nn.ReLU(), nn.Linear(5, 3)).double().eval()
    lines = trace(net, (3, 8, 8))
    end = limits(lines, x[None])
    assert float(end.margin[0]) > 1
    alpha = 2 * max(1.0, float(end.last_alpha[0]))
    with torch.no_grad():
        there = net(alpha * x[None])[0]
        torch.testing.assert_close(alpha * end.slope[0] + end.offset[0], there, rtol=1e-9, atol=1e-9)
        for part in pieces(lines, x, start=0.0):
            for i in range(0, len(part.q) - 1, 9):
                q, scaled = (torch.lerp(v[i], v[i + 1], 0.37) for v in (part.q, part.scaled))
                torch.testing.assert_close(scaled / q, net((1 - q) / q * x[None])[0], rtol=1e-9, atol=1e-9)


def test_a_constant_of_more_channels_than_a_swept_map_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openset.audit._hinges.WIDE", 0)  # swept by changes of slope
    torch.manual_seed(0)
    add = Layer(lambda h: h + torch.tensor([0.1, -0.5, 0.2], dtype=h.dtype).view(3, 1, 1))
    front = (nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), add, nn.Conv2d(3, 4, 3), nn.ReLU())
    net, x = nn.Sequential(*front, nn.Flatten(), nn.Linear(144, 3)).double(), torch.rand(1, 8, 8).double() - 0.2
    for part in pieces(net, x, start=0.0):
        torch.testing.assert_close(part.logits()[:-1], net(part.alpha[:-1, None, None, None] * x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("far", [1e10, 3e15, 1e25])
def test_the_first_alpha_is_exact_however_far_out_it_lies(far: float) -> None:
    # one unit, on from alpha = far; logits 0 and alpha / far - 1: .999 at far (1 + log 999)
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2)).double()
    net[0].weight.data.fill_(1 / far)
    net[0].bias.data.fill_(-1.0)
    net[2].weight.data, net[2].bias.data = torch.tensor([[0.0], [1.0]]).double(), torch.zeros(2).double()
    first = first_alpha(net, torch.ones(1), t=0.999)
    assert first.kind == "proved"
    assert first.alpha == pytest.approx(far * (1 + math.log(999)), rel=1e-12)


def broken() -> nn.Linear:
    layer = nn.Linear(4, 3)
    layer.weight.data[0, 0] = math.nan
    return layer


@pytest.mark.parametrize(
    ("net", "shape", "said"),
    [
        (nn.Sequential(nn.Linear(4, 1), Layer(lambda x: x.squeeze(1))), (4,), r"gives \[2\] .*not logits \[2, K\]"),
        (nn.Conv2d(1, 3, 1), (1, 4, 4), r"gives \[2, 3, 4, 4\] .*not logits"),
        (Layer(lambda x: {"logits": x}), (4,), "gives dict"),
        (broken(), (4,), "not finite .*check its weights"),
        (Layer(lambda x: x.view(x.size(0) * 2, 2).sum(1).view(-1, 2)), (4,), "searches"),
        (Layer(lambda x: x.reshape(-1, 2).mean(1).view(-1, 2)), (4,), "searches"),
        (nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()), (3, 4, 4), "adaptive_max.*max-pool of fixed kernel"),
        (nn.BatchNorm1d(4, track_running_stats=False), (4,), "batch_norm.*running statistics"),
        (nn.Linear(4, 1), (4,), r"one logit .*always 1: give two, torch.cat\(\[0 \* z, z\], 1\)"),
    ],
)
def test_what_gives_no_logits_or_mixes_pictures_is_refused_with_the_remedy(
    net: nn.Module, shape: tuple[int, ...], said: str
) -> None:
    with pytest.raises(AuditError, match=said):
        limits(net, torch.ones(1, *shape))


def test_a_shape_that_does_not_fit_is_told_once_and_torchs_log_stays_silent() -> None:
    seen: list[logging.LogRecord] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    log, keeps = logging.getLogger("torch._subclasses.fake_tensor"), Keeps()
    log.addHandler(keeps)
    try:
        with pytest.raises(AuditError, match="the shape must fit"):
            limits(nn.Linear(4, 3), torch.ones(1, 5))
    finally:
        log.removeHandler(keeps)
    assert not seen
    assert not log.disabled


def old_norms() -> dict[str, nn.Module]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch calls it old itself
        weight = nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 3)))
    spectral = nn.Sequential(nn.utils.spectral_norm(nn.Linear(4, 3)))
    spectral(torch.ones(1, 4))  # from its first use on it holds what cannot be copied
    return {"weight_norm": weight, "spectral_norm": spectral}


@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm"])
def test_a_net_under_an_old_norm_is_told_how_to_be_audited(name: str) -> None:
    net = old_norms()[name]
    for audit in (lambda: limits(net, torch.ones(1, 4)), lambda: first_alpha_on_grid(net, torch.ones(1, 4), 0.9)):
        with pytest.raises(AuditError, match=rf"cannot be copied .*remove_{name}.*parametrizations"):
            audit()
    getattr(nn.utils, f"remove_{name}")(net[0])
    assert limits(net, torch.ones(1, 4)).kind == "proved"


def test_a_shape_too_large_for_memory_is_told() -> None:
    for side in (2**22, 2**40):
        with pytest.raises(AuditError, match="no memory for two inputs"):
            trace(nn.Conv2d(3, 2, 1), (3, side, side))


@pytest.mark.parametrize("search", [first_alpha_on_grid, first_alpha_by_bisection])
def test_searches_refuse_one_logit_and_a_grid_without_an_end(search: Callable[..., Tensor]) -> None:
    with pytest.raises(AuditError, match="one logit"):
        search(nn.Linear(4, 1), torch.ones(1, 4), 0.9)
    flat = nn.Linear(4, 2, bias=False)
    nn.init.zeros_(flat.weight)
    for most, start in ((math.inf, 1.0), (1e300, 1e-300)):
        with pytest.raises(AuditError, match="finite most"):
            search(flat, torch.ones(1, 4), 0.9, most=most, start=start)
    assert search(flat, torch.ones(1, 4), 0.9, most=1e300).tolist() == [math.inf]


def test_searches_refuse_what_is_not_finite() -> None:
    for search in (first_alpha_on_grid, first_alpha_by_bisection):
        with pytest.raises(AuditError, match="finite"):
            search(nn.Linear(4, 3), torch.full((1, 4), math.nan), 0.9)
        with pytest.raises(AuditError, match="batch = 0"):
            search(nn.Linear(4, 3), torch.ones(1, 4), 0.9, batch=0)
