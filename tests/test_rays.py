"""Rays: three independent computations agree on random nets; ties, dead units, edge sizes; refusals by name."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from openset.audit import (
    first_alpha,
    first_alpha_by_bisection,
    first_alpha_on_grid,
    limits,
    pieces,
    ray,
    trace,
)
from openset.errors import AuditError
from openset.nets import DocNet, build

SEEDS = st.integers(0, 2**31 - 1)
few = settings(max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate])  # reading a graph takes .2 s


class Mixed(nn.Module):
    """Convolutions, batch-norm, max-pool, leaky ReLU, a shortcut, a concatenation: 2 x 6 x 6 -> 3 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.bn = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.b = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2)
        self.c, self.head = nn.Conv2d(8, 3, 3, stride=2), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn(self.a(1 - x)))
        h = h + F.leaky_relu(self.b(h), 0.1)
        h = torch.cat((h, F.pad(F.max_pool2d(h, 3, 1), (1, 1, 1, 1), value=0.3)), 1)
        h = F.max_pool2d(F.relu(self.c(h)), 3, 2, padding=1, ceil_mode=True)
        return self.head(F.dropout(h, 0.5, self.training).flatten(1)[:, :12])


def mlp(seed: int, *widths: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    for p in net.parameters():
        nn.init.normal_(p, std=0.8)
    return net


def mixed(seed: int) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(seed)
    net = Mixed()
    net.bn.running_mean.normal_()
    net.bn.running_var.uniform_(0.5, 2)
    return net.eval(), torch.rand(2, 6, 6, dtype=torch.float64) - 0.3


def direct(net: nn.Module, x: Tensor, alpha: float) -> Tensor:
    with torch.no_grad():
        return copy.deepcopy(net).double().eval()(alpha * x.double()[None])[0]


def all_pieces(net: nn.Module, x: Tensor, start: float = 0.0) -> tuple[Tensor, Tensor]:
    parts = list(pieces(net, x, start=start))
    q = torch.cat([parts[0].q[:1], *(p.q[1:] for p in parts)])
    return q, torch.cat([parts[0].scaled[:1], *(p.scaled[1:] for p in parts)])


def stepped(net: nn.Sequential, x: np.ndarray, start: float) -> list[float]:
    """The breakpoints of a ray of an MLP in numpy, one by one: in each region the next unit to reach zero."""
    layers = [m for m in net if isinstance(m, nn.Linear)]
    weights = [(m.weight.detach().double().numpy(), m.bias.detach().double().numpy()) for m in layers]
    alpha, found = start, []
    while True:
        probe = alpha * (1 + 1e-9) + 1e-12
        slope, offset, after = x, np.zeros_like(x), []
        for w, b in weights[:-1]:
            slope, offset = w @ slope, w @ offset + b
            with np.errstate(divide="ignore", invalid="ignore"):
                zeros = -offset / slope
            after += [z for z in zeros if np.isfinite(z) and z > probe]
            on = slope * probe + offset > 0
            slope, offset = slope * on, offset * on
        if not after:
            return found
        alpha = min(after)
        found.append(alpha)


# --- the end of a ray ----------------------------------------------------------------------------------------------


@few
@given(SEEDS)
def test_beyond_the_last_switch_the_logits_are_alpha_slope_plus_offset(seed: int) -> None:
    for net, x in (mixed(seed), (mlp(seed, 5, 9, 9, 3), torch.randn(5))):
        end = limits(net, x[None])
        for times in (1.01, 7.0):
            alpha = max(float(end.last_alpha[0]), 1.0) * times
            there = direct(net, x, alpha)
            wanted = alpha * end.slope[0] + end.offset[0]
            assert torch.allclose(there, wanted, rtol=1e-8, atol=1e-8 * float(there.abs().max()))


@few
@given(SEEDS)
def test_the_last_switch_is_the_last_breakpoint(seed: int) -> None:
    net, x = mlp(seed, 5, 9, 9, 3), torch.randn(5)
    q, _ = all_pieces(net, x)
    last = float(limits(net, x[None]).last_alpha[0])
    before = float((1 - q[-2]) / q[-2])
    assert before == pytest.approx(last, rel=1e-9, abs=1e-12)


def test_a_batch_gives_what_each_ray_alone_gives() -> None:
    net, _ = mixed(3)
    x = torch.randn(5, 2, 6, 6)
    together = limits(net, x, batch=2)
    for i in range(5):
        alone = limits(net, x[i : i + 1])
        assert int(alone.classes[0]) == int(together.classes[i])
        torch.testing.assert_close(alone.slope[0], together.slope[i], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(alone.last_alpha[0], together.last_alpha[i], rtol=1e-9, atol=0)


def head(weight: list[list[float]], bias: list[float]) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight))
    layer.weight.data, layer.bias.data = torch.tensor(weight), torch.tensor(bias)
    return layer


def test_ties_of_the_top_slope_are_reported_and_offsets_decide() -> None:
    end = limits(head([[1.0], [1.0], [0.5]], [0.0, math.log(3.0), 9.0]), torch.ones(1, 1))
    assert end.tied.tolist() == [[True, True, False]]
    assert int(end.classes[0]) == 1
    assert float(end.confidence[0]) == pytest.approx(0.75, abs=1e-7)  # float32 holds log 3 to 1e-8
    end = limits(head([[1.0], [1.0], [0.5]], [2.0, 2.0, 9.0]), torch.ones(1, 1))
    assert float(end.confidence[0]) == 0.5  # 1 / m


def test_where_no_slope_is_left_the_offsets_softmax_is_the_limit() -> None:
    net = nn.Sequential(head([[-1.0]], [0.5]), nn.ReLU(), head([[3.0], [1.0]], [0.0, math.log(4.0)]))
    end = limits(net, torch.ones(1, 1))  # the unit dies at alpha = .5
    assert end.tied.all()
    assert float(end.confidence[0]) == pytest.approx(0.8, abs=1e-7)
    assert float(end.last_alpha[0]) == 0.5
    assert limits(net, torch.zeros(1, 1)).last_alpha.tolist() == [0.0]  # x = 0: the ray is one point


def test_a_zero_slope_goes_by_its_offset() -> None:
    # the unit has slope 0 and offset +1: it is on, and lifts class 1
    net = nn.Sequential(head([[0.0], [0.0]], [1.0, -1.0]), nn.ReLU(), head([[0.0, 9.0], [1.0, 0.0]], [0.0, 0.0]))
    assert limits(net, torch.ones(1, 1)).offset.tolist() == [[0.0, 1.0]]


def test_max_pool_at_infinity_is_lexicographic() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.MaxPool2d(2), nn.Flatten(), head([[1.0], [0.0]], [0.0, 0.0])).eval()
    net[0].weight.data.fill_(1.0)
    net[0].bias.data.fill_(5.0)
    end = limits(net, torch.tensor([[[[1.0, 2.0], [2.0, -3.0]]]]))
    assert end.slope[0, 0] == 2
    assert end.offset[0, 0] == 5


# --- breakpoints ---------------------------------------------------------------------------------------------------


@few
@given(SEEDS, st.sampled_from([0.0, 0.3, 1.0]))
def test_the_sweep_finds_the_breakpoints_that_stepping_finds(seed: int, start: float) -> None:
    net, x = mlp(seed, 4, 12, 10, 3), torch.randn(4, dtype=torch.float64)
    q, _ = all_pieces(net, x, start)
    found = ((1 - q) / q)[1:-1].numpy()
    np.testing.assert_allclose(found, stepped(net, x.numpy(), start), rtol=1e-7)


@few
@given(SEEDS)
def test_between_knots_the_logits_are_affine_and_equal_the_net(seed: int) -> None:
    net, x = mixed(seed)
    q, scaled = all_pieces(net, x)
    for i in np.linspace(0, len(q) - 2, 12).astype(int):
        for share in (0.1, 0.5, 0.9):
            at = float(torch.lerp(q[i], q[i + 1], share))
            wanted = torch.lerp(scaled[i], scaled[i + 1], share) / at
            there = direct(net, x, (1 - at) / at)
            assert torch.allclose(wanted, there, rtol=1e-9, atol=1e-9 * float(there.abs().max() + 1))


def test_a_sweep_in_short_segments_is_the_sweep_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = mlp(5, 6, 40, 40, 3), torch.randn(6)
    whole, _ = all_pieces(net, x)
    monkeypatch.setattr("openset.audit._sweep.BYTES", 0)  # 16 knots a segment
    cut, _ = all_pieces(net, x)
    assert len(whole) > 40
    away = (cut[:, None] - whole).abs().amin(0)  # the ends of segments are knots too: `cut` may have more
    assert float(away.max()) < 1e-12
    assert len(whole) <= len(cut) <= len(whole) + len(cut) / 8


# --- the first crossing --------------------------------------------------------------------------------------------


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@few
@given(SEEDS, st.sampled_from([0.4, 0.6, 0.9, 0.999]), st.sampled_from([None, 0, 2]))
def test_the_first_crossing_is_the_one_a_fine_grid_brackets(seed: int, t: float, label: int | None) -> None:
    net, x = mlp(seed, 4, 10, 10, 3), torch.randn(4, dtype=torch.float64)
    first = first_alpha(net, x, t=t, label=label, start=0.0)
    alphas = np.linspace(0, 60, 60_001)
    with torch.no_grad():
        out = softmax(copy.deepcopy(net).double()(torch.from_numpy(alphas)[:, None] * x).numpy())
    sure = out.max(1) if label is None else out[:, label]
    hits = np.flatnonzero(sure >= t)
    assert first.kind == "proved"
    if first.alpha is None:
        assert not len(hits)
        return
    here = softmax(direct(net, x, first.alpha).numpy())
    assert (here.max() if label is None else here[label]) == pytest.approx(
        max(t, sure[0]) if first.alpha == 0 else t, rel=1e-7
    )
    if len(hits):
        assert first.alpha <= alphas[hits[0]] + 1e-9
    assert not len(hits) or alphas[hits[0]] - first.alpha <= 1e-3 + 1e-9 or first.alpha < alphas[hits[0]]
    assert not (sure[alphas < first.alpha - 1e-9] >= t).any()


def test_a_bump_inside_a_piece_is_not_missed() -> None:
    # three classes on one affine piece: the middle one is surest at alpha = 2 only, with e^1 / (e^1 + 2)
    net = head([[1.0], [0.0], [-1.0]], [-2.0 - 1.0, 0.0, 2.0 - 1.0])
    peak = math.e / (math.e + 2)
    first = first_alpha(net, torch.ones(1), t=peak - 1e-3, label=1, start=0.0)
    assert first.alpha is not None
    assert 1.7 < first.alpha < 2
    assert first_alpha(net, torch.ones(1), t=peak + 1e-3, label=1, start=0.0).alpha is None


def test_a_net_that_never_gets_there_is_proved_never() -> None:
    first = first_alpha(head([[0.0], [0.0]], [0.0, 0.0]), torch.ones(1), t=0.9)
    assert (first.alpha, first.kind, first.swept_to) == (None, "proved", math.inf)
    assert first_alpha(head([[0.0], [0.0]], [0.0, 0.0]), torch.ones(1), t=0.5).alpha == 1.0


def test_a_logistic_crossing_is_exact() -> None:
    first = first_alpha(head([[2.0], [0.0]], [-10.0, 0.0]), torch.ones(1), t=0.99, label=0)
    assert first.alpha == pytest.approx((math.log(99) + 10) / 2, rel=1e-14)


def test_a_stopped_sweep_says_searched_and_gives_an_upper_bound() -> None:
    net, x = mlp(2, 6, 40, 40, 3), torch.randn(6)
    whole = first_alpha(net, x, t=1 - 1e-9)
    assert whole.alpha is not None
    stopped = first_alpha(net, x, t=1 - 1e-9, start=1e-3, most_regions=1)
    assert stopped.alpha is not None
    assert stopped.alpha >= first_alpha(net, x, t=1 - 1e-9, start=1e-3).alpha  # type: ignore[operator]


def test_searches_bound_the_first_alpha_from_above() -> None:
    net = mlp(8, 4, 10, 10, 3)
    x = torch.randn(6, 4)
    grid = first_alpha_on_grid(net, x, 0.99)
    halved = first_alpha_by_bisection(net, x, 0.99)
    for i in range(6):
        exact = first_alpha(net, x[i], t=0.99).alpha
        assert exact is not None
        assert exact <= float(grid[i]) * (1 + 1e-12)
        assert exact <= float(halved[i]) * (1 + 1e-9)
        n = math.log(float(grid[i]), 1.1)
        assert n == pytest.approx(round(n), abs=1e-6)
    assert first_alpha_on_grid(head([[0.0], [0.0]], [0.0, 0.0]), torch.ones(1, 1), 0.9).tolist() == [math.inf]


# --- nets ----------------------------------------------------------------------------------------------------------


def test_the_users_net_is_left_as_it_is() -> None:
    net = build("resnet-small", 4).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    audited = ray(net, torch.rand(3, 8, 8), t=0.3)
    assert audited.first.alpha is not None
    assert net.training
    assert all(m.training for m in net.modules())
    assert all(torch.equal(v, before[k]) and v.dtype == before[k].dtype for k, v in net.state_dict().items())


@pytest.mark.parametrize(("name", "side"), [("lenet", 28), ("resnet-small", 15)])
def test_our_nets_end_as_the_theorem_says(name: str, side: int) -> None:
    torch.manual_seed(1)
    net, x = build(name, 5).eval(), torch.rand(3, side, side)
    end = limits(net, x[None])
    alpha = 2 * max(1.0, float(end.last_alpha[0]))
    there = direct(net, x, alpha)
    torch.testing.assert_close(
        alpha * end.slope[0] + end.offset[0], there, rtol=1e-9, atol=1e-9 * float(there.abs().max())
    )


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn"])
def test_torchvisions_nets_are_read(name: str) -> None:
    import torchvision

    torch.manual_seed(0)
    net = getattr(torchvision.models, name)(num_classes=4).eval()
    x = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        wanted = copy.deepcopy(net).double()(x)
    torch.testing.assert_close(trace(net, (3, 32, 32)).logits(x), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.Softmax(1), "softmax"),
        (nn.Sigmoid(), "sigmoid"),
        (nn.GELU(), "gelu"),
        (nn.LayerNorm(4), "layer_norm"),
        (nn.ReLU6(), "hardtanh"),
    ],
)
def test_a_layer_that_is_not_piecewise_affine_is_refused_by_name(layer: nn.Module, said: str) -> None:
    with pytest.raises(AuditError, match=rf"{said}'.*layer '1'"):
        limits(nn.Sequential(nn.Linear(4, 4), layer), torch.ones(1, 4))


def test_docnet_and_branches_on_pixels_are_refused() -> None:
    class Branches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(AuditError, match="first_alpha_on_grid"):
        limits(DocNet(3), torch.rand(1, 3, 32, 32))
    with pytest.raises(AuditError, match="branch on pixels"):
        limits(Branches(), torch.ones(1, 4))


def test_what_cannot_be_asked_is_said() -> None:
    net = mlp(0, 4, 5, 3)
    with pytest.raises(AuditError, match="finite inputs"):
        limits(net, torch.full((1, 4), math.nan))
    with pytest.raises(AuditError, match="t = 1"):
        first_alpha(net, torch.ones(4), t=1.0)
    with pytest.raises(AuditError, match="classes 0 to 2"):
        first_alpha(net, torch.ones(4), label=3)
    with pytest.raises(AuditError, match="start"):
        list(pieces(net, torch.ones(4), start=2.0, stop=1.0))
