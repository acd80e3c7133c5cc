"""What is called proved of a ray is true: against exact rational arithmetic, on nets made so that their sums cancel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from openset.audit import PiecewiseNet, first_alpha, limits, trace
from openset.audit._judged import Ends
from openset.audit._rounding import U, followed
from openset.audit._trace import Ref, Step
from test_ray_ties import Layer

Pair = tuple[Fraction, Fraction]  # (slope, offset), or (weight of x, 0)


def linear(weight: Sequence[Sequence[float]], bias: Sequence[float] | None = None) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight), bias=bias is not None).double()
    layer.weight.data = torch.tensor(weight, dtype=torch.float64)
    if bias is not None:
        layer.bias.data = torch.tensor(bias, dtype=torch.float64)
    return layer


def row(*numbers: float) -> Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


# --- classes told apart or not ---------------------------------------------------------------------------------------


def test_a_very_negative_class_does_not_tie_two_that_differ() -> None:
    net = linear([[1.0], [1 - 1e-10], [-1e6]])
    end, first = limits(net, row(1.0)), first_alpha(net, row(1.0)[0], t=0.999)
    assert (end.classes.tolist(), end.confidence.tolist(), end.kind) == ([0], [1.0], "proved")
    assert end.tied.tolist() == [[True, False, False]]
    assert first.alpha == pytest.approx(math.log(999) / 1e-10, rel=1e-5)  # 1e-10 holds six digits of 1 - 1e-10
    assert first.kind == "proved"


def test_slopes_equal_by_rounding_are_no_proved_tie() -> None:
    net = linear([[1.0, 2.0**-60], [1.0, 0.0]])
    end, first = limits(net, row(1.0, 1.0)), first_alpha(net, row(1.0, 1.0)[0], t=0.999)
    assert (end.kind, first.kind) == ("measured", "measured")
    assert float(end.margin) == 0


@pytest.mark.parametrize(
    ("bias", "kind"), [([0.0, 1.0], "proved"), ([2.0, 2.0], "proved"), ([1e15, 1e15 + 1], "measured")]
)
def test_equal_rows_of_the_last_layer_tie_by_proof_if_their_offsets_are_known(bias: list[float], kind: str) -> None:
    end = limits(nn.Sequential(linear([[0.1, 0.7]]), nn.ReLU(), linear([[0.3], [0.3]], bias)), row(0.3, 0.9))
    assert end.kind == kind
    assert end.tied.all()
    assert float(end.confidence) == pytest.approx(1 / (1 + math.exp(bias[0] - bias[1])), abs=1e-9)


# --- what was lost is carried ----------------------------------------------------------------------------------------


def thrice_summed(x: Tensor) -> Tensor:
    a = x[:, 0:1] + x[:, 1:2]
    a = a + x[:, 2:3]
    return torch.relu(torch.cat((a + x[:, 3:4], x[:, 4:5]), 1))


def test_a_sum_that_cancelled_before_a_relu_is_not_exact_behind_it() -> None:
    x = row(1, 2.0**-54, 2.0**-54, -1 + 2.0**-36, 2.0**-36 + 2.0**-54)
    there = [Fraction(v) for v in x[0].tolist()]
    assert sum(there[:4]) > there[4]  # class 0, but what float64 adds up says 1
    end, first = limits(Layer(thrice_summed), x), first_alpha(Layer(thrice_summed), x[0])
    assert (end.classes.tolist(), end.kind, first.kind) == ([1], "measured", "measured")


def filters(seed: int) -> tuple[Tensor, Tensor]:
    """A float32 filter of 27 weights that sum to 0, or what rounding left of it, above 0; and the same in another order."""
    g = torch.Generator().manual_seed(seed)
    w = torch.randn(27, generator=g)
    w -= w.mean()
    w = -w if float(w.double().sum()) < 0 else w
    return w, w[torch.randperm(27, generator=g)]


def test_a_difference_of_two_centred_filters_on_a_flat_picture_is_noise() -> None:
    wrong = 0
    head = (linear([[1.0, -1.0]], [-1.0]), linear([[1.0], [0.0]], [0.0, 3.0]))
    for seed in range(40):
        pair = torch.stack(filters(seed)).double().tolist()
        lines = _lines([linear(pair), *head])
        end = limits(lines, row(*[0.3] * 27))  # truth: class 1 with 1 / (1 + e^-3), for both sums are the same
        found = (int(end.classes), float(end.confidence) > 0.99)
        wrong += found == (0, True)
        assert end.kind == "measured" or found == (1, False)
    assert wrong > 3


def test_bounds_are_summed_over_all_layers() -> None:
    torch.manual_seed(0)
    x, net = torch.randn(3).double(), nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    w, v = net[0].weight.detach(), net[2].weight.detach()
    hidden = w @ x
    first = 5 * U * w.abs() @ x.abs()  # three products, and two more roundings
    bound = v.abs() @ (first * (hidden > 0) + 7 * U * hidden.relu())
    slope, end = v @ hidden.relu(), limits(net, x[None])
    top = int(slope.argmax())
    lead = [float((slope[top] - slope[k]) / (bound[top] + bound[k])) for k in range(3) if k != top]
    assert float(end.margin) == pytest.approx(min(lead), rel=1e-12)
    assert math.isinf(float(end.decided))


class EveryStep(nn.Module):
    """Batch-norm, both kinds of maxima, leaky ReLU, pads, pools, a shortcut and constants, all of whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.bn, self.b = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4, eps=0.0), nn.Conv2d(4, 4, 3)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.bn(self.a(1 - 2 * x)))
        h = nn.functional.leaky_relu(self.b(nn.functional.pad(h, (1, 1, 1, 1), value=1.0)) + h, 0.25)
        h = torch.maximum(nn.functional.max_pool2d(h, 2), -nn.functional.avg_pool2d(h, 2))
        return self.head(torch.cat((h.mean((2, 3)), h.sum((2, 3)) / 4), 1))


@pytest.mark.parametrize("seed", range(6))
def test_bounds_hold_for_every_kind_of_step(seed: int) -> None:
    """Whole numbers, and the same moved within 1e-9: many slopes and differences are 0 there, so that signs are in doubt."""
    torch.manual_seed(seed)
    net = EveryStep().double().eval().requires_grad_(False)
    for p in net.parameters():
        p.copy_(torch.randint(-4, 5, p.shape))
    lines = trace(net, (2, 4, 4))
    x = torch.randint(-3, 4, (1, 2, 4, 4)).double()
    weight = torch.tensor([0.0, 1.0], dtype=torch.float64)
    pairs = torch.cat((x, 0 * x))
    values, bounds = followed(lines, weight, pairs, 0 * pairs, Ends(1))
    moved = pairs * (1 + 1e-9 * (2 * torch.rand_like(pairs) - 1))
    there, wide = followed(lines, weight, moved, 1e-9 * pairs.abs(), Ends(1))
    assert bool(((there - values).abs() <= wide).all())
    assert bool((bounds[0] < 1e-4 * wide[0]).all())
    assert float(wide[0].max()) < 1e-3


@pytest.mark.parametrize("scale", [1e-300, 5e-324, 1e308])
def test_slopes_beyond_or_below_what_floats_hold_are_measured(scale: float) -> None:
    end = limits(linear([[10.0, -10.0], [1.0, 0.0]]), scale * row(1.0, 1.0))
    assert end.kind == "measured"
    assert float(end.decided) < math.inf


# --- small nets whose sums cancel, in exact rational arithmetic ------------------------------------------------------


def _lines(layers: Sequence[nn.Linear]) -> PiecewiseNet:
    """Linear layers with ReLUs between, as `trace` would read them."""
    steps, name = [], "x"
    for i, layer in enumerate(layers):
        bias = None if layer.bias is None else layer.bias.detach()
        steps.append(Step(f"h{i}", "linear", (Ref(name), layer.weight.detach(), bias), {}, (name,)))
        name = f"h{i}"
        if i < len(layers) - 1:
            steps.append(Step(f"r{i}", "relu", (Ref(name),), {}, (name,)))
            name = f"r{i}"
    width = max(layer.out_features for layer in layers)
    return PiecewiseNet(tuple(steps), (layers[0].in_features,), "x", name, width)


def exact(layers: Sequence[nn.Linear], x: Sequence[Fraction], at: Fraction | None = None) -> list[Pair]:
    """Slopes and offsets at infinity; with `at`: (0, logits) at alpha = at."""
    zero = Fraction(0)
    values: list[Pair] = [(v, zero) if at is None else (zero, at * v) for v in x]
    for i, layer in enumerate(layers):
        weight = [[Fraction(w) for w in line] for line in layer.weight.tolist()]
        bias = [Fraction(b) for b in layer.bias.tolist()] if layer.bias is not None else [zero] * len(weight)
        values = [
            (sum((w * s for w, (s, _) in zip(line, values, strict=True)), zero),
             sum((w * o for w, (_, o) in zip(line, values, strict=True)), b))
            for line, b in zip(weight, bias, strict=True)
        ]  # fmt: skip
        if i < len(layers) - 1:
            values = [max(v, (zero, zero)) for v in values]  # by slope first
    return values


def softmax_of(numbers: Sequence[Fraction], k: int) -> float:
    most = max(numbers)
    e = [math.exp(max(-800.0, float(v - most))) for v in numbers]
    return e[k] / sum(e)


def drawn(rng: Random) -> tuple[list[nn.Linear], list[float]]:
    """Weights of few bits, powers of two far apart, and rows that are nearly, or wholly, those of others."""

    def number() -> float:
        sign, low = rng.choice((-1.0, 1.0)), 2.0 ** -rng.choice((1, 10, 20, 30, 36, 44, 50, 54, 60))
        return sign * rng.choice((0.0, 1.0, 1.0, 0.1, 0.3, low, 1 + low, 1 - low, 1 / 3, 2.0**20))

    def line(n: int) -> list[float]:
        w = [number() for _ in range(n)]
        if rng.random() < 0.5 and n > 1:  # sums to little
            w[-1] = -sum(w[:-1]) + rng.choice((0.0, 2.0**-30, 2.0**-48))
        return w

    widths = [rng.randint(1, 4) for _ in range(rng.randint(1, 4))] + [rng.randint(2, 3)]
    layers = []
    for n, m in pairwise(widths):
        weight = [line(n) for _ in range(m)]
        for i in range(1, m):
            if rng.random() < 0.4:
                weight[i] = list(weight[i - 1])
                if rng.random() < 0.5:
                    rng.shuffle(weight[i])
                if rng.random() < 0.5:
                    weight[i][rng.randrange(n)] += rng.choice((1.0, -1.0)) * 2.0 ** -rng.choice((20, 34, 44, 52))
        bias = [rng.choice((0.0, 0.0, 1.0, -1.0, 0.1, number())) for _ in range(m)]
        layers.append(linear(weight, bias if rng.random() < 0.7 else None))
    return layers, line(widths[0]) if rng.random() < 0.5 else [rng.choice((1.0, 0.3))] * widths[0]


def check_limit(layers: Sequence[nn.Linear], lines: PiecewiseNet, x: list[float]) -> bool:
    """Is the limit proved? Then it is true."""
    end = limits(lines, row(*x))
    if end.kind != "proved":
        return False
    there = exact(layers, [Fraction(v) for v in x])
    top = max(s for s, _ in there)
    tied = [s == top for s, _ in there]
    offsets = [o for s, o in there if s == top]
    k = int(end.classes)
    assert end.tied[0].tolist() == tied
    assert there[k][0] == top
    assert float(max(offsets) - there[k][1]) < 1e-9
    assert float(end.confidence) == pytest.approx(softmax_of(offsets, offsets.index(max(offsets))), abs=1e-6)
    return True


def check_first(layers: Sequence[nn.Linear], lines: PiecewiseNet, x: list[float], t: float) -> bool:
    """Is the first alpha, or never, proved? Then confidence gets to t there, and at no alpha of a grid before."""
    first = first_alpha(lines, row(*x)[0], t=t)
    if first.kind != "proved":
        return False
    whole = [Fraction(v) for v in x]

    def odds(alpha: float) -> float:
        """The least log of (1 - confidence) / confidence."""
        said = [
            float(v - max(o for _, o in there)) for there in [exact(layers, whole, Fraction(alpha))] for _, v in there
        ]
        return min(
            torch.tensor([v - said[k] for i, v in enumerate(said) if i != k]).double().logsumexp(0).item()
            for k in range(len(said))
        )

    level = math.log((1 - t) / t)
    end = math.inf if first.alpha is None else first.alpha
    for alpha in (10.0 ** (i / 2) for i in range(60)):
        assert alpha >= end or odds(alpha) > level - 0.1
    if first.alpha is None:
        there = exact(layers, whole)
        offsets = [o for s, o in there if s == max(s for s, _ in there)]
        assert softmax_of(offsets, offsets.index(max(offsets))) <= t + 1e-6
    else:
        assert odds(first.alpha) <= level + 0.1
        assert first.alpha == 1 or odds(first.alpha) >= level - 0.1
    return True


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=600, deadline=None, derandomize=True, phases=[Phase.generate])
def test_no_proved_limit_of_a_net_whose_sums_cancel_is_wrong(seed: int) -> None:
    layers, x = drawn(Random(seed))
    check_limit(layers, _lines(layers), x)


@given(st.integers(0, 2**31 - 1), st.sampled_from([0.6, 0.999]))
@settings(max_examples=120, deadline=None, derandomize=True, phases=[Phase.generate])
def test_no_proved_first_alpha_of_a_net_whose_sums_cancel_is_wrong(seed: int, t: float) -> None:
    layers, x = drawn(Random(seed))
    check_first(layers, _lines(layers), x, t)


def test_such_nets_are_proved_often_enough_to_tell() -> None:
    proved = []
    for seed in range(100):
        layers, x = drawn(Random(seed))
        proved.append(check_limit(layers, _lines(layers), x))
    assert 20 < sum(proved) < 95
