"""The family of attacks: one contract for all, closed forms on linear nets, and nets that hide from gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from openset import attack as a
from openset._climb import checkpoints, targets
from openset._search import square_side
from openset.losses import log_max_prob

Attack = Callable[..., Tensor]


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def value(net: nn.Module, x: Tensor, objective: a.Objective = log_max_prob) -> Tensor:
    with torch.no_grad(), a.evaluating(net):
        return objective(net(x))


def small_net(channels: int, side: int = 6) -> nn.Module:
    torch.manual_seed(channels)
    net = nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Dropout(0.5), nn.ReLU(), nn.Flatten(),
        nn.Linear(6 * side * side, 4),
    ).double()  # fmt: skip
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    return net


ATTACKS: dict[str, Attack] = {
    "pgd": lambda net, z, **k: a.maximise_confidence(net, z, steps=4, **k),
    "structured": lambda net, z, **k: a.structured(net, z, tries=6, **k),
    "projected": lambda net, z, **k: a.projected(net, z, picture(z), tries=3, **k),
    "squares": lambda net, z, **k: a.squares(net, z, steps=12, **k),
    "apgd": lambda net, z, **k: a.apgd(net, z, steps=6, restarts=2, **k),
    "apgd-margin": lambda net, z, **k: a.apgd(net, z, steps=6, loss=a.margin, **k),
    "targeted": lambda net, z, **k: a.targeted(net, z, classes=2, steps=4, **k),
    "transfer": lambda net, z, **k: a.transfer(net, z, [small_net(z.shape[1], z.shape[2])], steps=3, **k),
    "chain": lambda net, z, **k: a.chain(net, z, images=picture(z), tries=2, search=5, steps=3, **k),
    "worst": lambda net, z, **k: (
        a.worst(net, z, budget="quick", images=picture(z), **k).points if k.pop("objective", None) is None else z
    ),
}


def picture(z: Tensor) -> Tensor:
    return torch.rand((7, *z.shape[1:]), generator=source(5), dtype=z.dtype)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize(("channels", "b", "eps"), [(1, 1, 0.3), (2, 3, 0.0), (3, 3, 0.1), (5, 2, 1.0), (3, 0, 0.3)])
def test_one_contract(name: str, channels: int, b: int, eps: float) -> None:
    net = small_net(channels)
    net.train()
    net[0].eval()
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    z = torch.rand((b, channels, 6, 6), generator=source(7), dtype=torch.float64)
    z[:1] = 0.5  # a constant image
    kept = z.clone()
    x = ATTACKS[name](net, z, eps=eps, generator=source())
    assert x.shape == z.shape
    assert torch.equal(z, kept)
    assert not x.requires_grad
    assert bool(((x >= 0) & (x <= 1) & ((x - z).abs() <= eps + 1e-12)).all())
    assert bool((value(net, x) >= value(net, z) - 1e-12).all())
    if eps == 0:
        assert torch.equal(x, z)
    elif b and name != "projected":
        assert bool((value(net, x) > value(net, z)).any())
    assert torch.equal(x, ATTACKS[name](net, z, eps=eps, generator=source()))  # a function of the seed
    assert [m.training for m in net.modules()] == [True, False, True, True, True, True, True]
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(p.grad is not None and bool((p.grad == 1).all()) for p in net.parameters())


@pytest.mark.parametrize("name", [n for n in ATTACKS if n not in ("worst", "pgd")])
def test_pixels_that_are_not_in_the_unit_box_and_a_negative_eps_are_refused(name: str) -> None:
    z = torch.rand((1, 3, 6, 6), dtype=torch.float64)
    with pytest.raises(ValueError, match="divide pixels by 255"):
        ATTACKS[name](small_net(3), z * 255, eps=0.1, generator=source())
    with pytest.raises(ValueError, match=r"must be >= 0, got eps=-0.1"):
        ATTACKS[name](small_net(3), z, eps=-0.1, generator=source())


def linear_problem() -> tuple[nn.Module, Tensor, Any]:
    """A two-class linear net, images partly at the edge of the box, and the exact maximum of each log-probability."""
    rng = np.random.default_rng(0)
    w, b, eps = rng.normal(size=(2, 2 * 4 * 4)) / 6, rng.normal(size=2) / 3, 0.3
    z = np.clip(rng.uniform(-0.2, 1.2, size=(6, 32)), 0, 1)
    exact = []
    for k in (0, 1):
        slope = w[k] - w[1 - k]
        corner = np.where(slope > 0, np.minimum(z + eps, 1), np.maximum(z - eps, 0))
        exact.append(-np.log1p(np.exp(-(corner @ slope + b[k] - b[1 - k]))))
    net = nn.Sequential(nn.Flatten(), nn.Linear(32, 2)).double()
    net[1].weight.data, net[1].bias.data = torch.from_numpy(w), torch.from_numpy(b)
    return net, torch.from_numpy(z.reshape(6, 2, 4, 4)), exact


LINEAR: dict[str, Attack] = {
    "pgd": lambda net, z, **k: a.maximise_confidence(net, z, steps=80, step=0.0125, **k),
    "apgd": lambda net, z, **k: a.apgd(net, z, steps=60, **k),
    "squares": lambda net, z, **k: a.squares(net, z, steps=1500, **k),
    "chain": lambda net, z, **k: a.chain(net, z, steps=30, **k),
}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("k", [0, 1])
def test_the_exact_maximum_over_the_box_is_reached_on_a_linear_net(name: str, k: int) -> None:
    net, z, exact = linear_problem()
    objective = a.log_prob_of(torch.full((6,), k))
    x = LINEAR[name](net, z, eps=0.3, generator=source(), objective=objective)
    np.testing.assert_allclose(value(net, x, objective), exact[k], atol=1e-9)


def test_aiming_at_both_classes_reaches_the_maximum_of_the_confidence() -> None:
    net, z, exact = linear_problem()
    top = np.maximum(*exact)
    x = a.targeted(net, z, eps=0.3, generator=source(), classes=2, steps=40)
    np.testing.assert_allclose(value(net, x), top, atol=1e-9)
    found = a.worst(net, z, eps=0.3, generator=source(), budget="quick")
    np.testing.assert_allclose(found.confidence, np.exp(top), atol=1e-9)
    assert found.by["pgd"].max() <= np.exp(top).max() + 1e-12


def hidden(pattern: Tensor, share: float, slope: float = 200) -> nn.Module:
    """Logits equal the bias unless (x - .5) is correlated with the pattern (of +-1) by more than share * .3."""
    n = pattern.numel()
    net = nn.Sequential(nn.Flatten(), nn.Linear(n, 1), nn.ReLU(), nn.Linear(1, 3)).double()
    net[1].weight.data = pattern.flatten()[None] / n
    net[1].bias.data = -(0.5 * pattern.mean() + share * 0.3)[None]
    net[3].weight.data, net[3].bias.data = (
        torch.tensor([[slope], [0], [0]]).double(),
        torch.tensor([0.01, 0, 0]).double(),
    )
    return net


def flat_noise(b: int = 6) -> Tensor:
    return 0.45 + 0.1 * torch.rand((b, 3, 16, 16), generator=source(3), dtype=torch.float64)


def test_a_dead_net_blinds_gradients_but_not_patterns_and_says_so() -> None:
    cells = torch.arange(16) // 4
    board = (1 - 2 * ((cells[:, None] + cells[None]) % 2)).double().expand(3, 16, 16)
    net, z = hidden(board, 0.25), flat_noise()
    report = a.gradient_report(net, z)
    assert (report.share, report.share_constant, report.dead) == (1.0, 1.0, (1.0,))
    for blind in (a.maximise_confidence(net, z, eps=0.3, steps=20, generator=source()),
                  a.apgd(net, z, eps=0.3, steps=20, restarts=2, loss=a.margin, generator=source())):  # fmt: skip
        np.testing.assert_allclose(value(net, blind), value(net, z))
    seen = a.structured(net, z, eps=0.3, generator=source(), families=("checkers",), tries=150)
    assert value(net, seen).exp().min() > 0.99
    with a.let_through():
        felt = a.maximise_confidence(net, z, eps=0.3, steps=20, generator=source())
    assert value(net, felt).exp().min() > 0.99
    found = a.worst(net, z, eps=0.3, generator=source(), budget="quick")
    assert found.confidence.min() > 0.99
    assert found.by["pgd"].max() < 0.34
    assert found.vanished["at z"] == found.vanished["logits equal the output bias at z"] == 1
    assert found.vanished["at the worst points"] == 0  # confidence 1.0, yet not flat: the margin still grows


def test_squares_find_what_is_hidden_from_gradients() -> None:
    net, z = hidden(torch.ones(3, 16, 16).double(), 0.4), flat_noise()
    assert value(net, a.apgd(net, z, eps=0.3, steps=20, generator=source())).exp().max() < 0.34
    x = a.squares(net, z, eps=0.3, steps=150, generator=source())
    assert value(net, x).exp().min() > 0.99


def test_projected_pictures_find_what_only_pictures_know() -> None:
    image = torch.rand((1, 3, 16, 16), generator=source(1), dtype=torch.float64).round()
    net, z = hidden(2 * image[0] - 1, 0.8), flat_noise()
    assert value(net, a.structured(net, z, eps=0.3, tries=20, generator=source())).exp().max() < 0.34
    x = a.projected(net, z, image, eps=0.3, tries=1, generator=source())
    assert value(net, x).exp().min() > 0.99
    np.testing.assert_array_equal(x, np.clip(image.numpy(), z.numpy() - 0.3, z.numpy() + 0.3))


def test_points_of_another_net_transfer() -> None:
    board = torch.ones(3, 16, 16).double()
    net, other, z = hidden(board, 0.9), hidden(board, 0.1, slope=9), flat_noise()
    assert value(net, a.transfer(net, z, [], eps=0.3, generator=source())).exp().max() < 0.34
    assert value(net, a.transfer(net, z, [other], eps=0.3, generator=source())).exp().min() > 0.99


def test_the_worst_is_the_maximum_over_the_families_and_more_budget_never_finds_less() -> None:
    net = small_net(3)
    z = torch.rand((2, 3, 6, 6), generator=source(7), dtype=torch.float64)
    options: dict[str, Any] = {"eps": 0.05, "images": picture(z), "others": [small_net(3)]}
    quick = a.worst(net, z, generator=source(), budget="quick", **options)
    audit = a.worst(net, z, generator=source(), budget="audit", **options)
    again = a.worst(net, z, generator=source(), budget="quick", **options)
    assert set(quick.by) == {*a.FAMILIES_TRAINED, *a.FAMILIES_HELD_OUT}
    assert not set(a.FAMILIES_TRAINED) & set(a.FAMILIES_HELD_OUT)
    for found in (quick, audit):
        np.testing.assert_array_equal(found.confidence, np.max([v.numpy() for v in found.by.values()], axis=0))
        np.testing.assert_allclose(found.confidence, value(net, found.points).exp(), atol=1e-12)
        assert all(bool((v >= found.by["noise"]).all()) for v in found.by.values())
    assert all(bool((audit.by[name] >= quick.by[name]).all()) for name in quick.by)
    assert torch.equal(quick.points, again.points)
    assert {k: v.tolist() for k, v in quick.by.items()} == {k: v.tolist() for k, v in again.by.items()}
    parts = a.worst(net, z, generator=source(), budget="quick", batch=1, **options)
    np.testing.assert_allclose(parts.by["noise"], quick.by["noise"])
    assert parts.points.shape == z.shape


def test_without_pictures_and_other_nets_their_families_are_left_out() -> None:
    found = a.worst(small_net(1), torch.rand((1, 1, 6, 6)).double(), eps=0.1, generator=source(), budget="quick")
    assert {*a.FAMILIES_TRAINED, *a.FAMILIES_HELD_OUT} - set(found.by) == {"projected", "transfer"}


class Forms(nn.Module):
    """Every way to write a ReLU, one after another on its own slice."""

    def __init__(self) -> None:
        super().__init__()
        self.plain, self.placed = nn.ReLU(), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        h = [x[:, i] * 1 for i in range(7)]
        F.relu_(h[5])
        h[6].relu_()
        return torch.stack(
            (self.plain(h[0]), self.placed(h[1]), F.relu(h[2]), torch.relu(h[3]), h[4].relu(), h[5], h[6]), 1
        )


def test_let_through_changes_the_backward_pass_only_and_only_inside() -> None:
    x = torch.randn((5, 7), generator=source(), dtype=torch.float64, requires_grad=True)
    positive, weight = x.detach().numpy() > 0, np.arange(35).reshape(5, 7) - 17.0

    def gradient() -> tuple[Any, Any]:
        out = Forms()(x)
        (g,) = torch.autograd.grad((out * torch.from_numpy(weight)).sum(), x)
        return out.detach().numpy(), g.numpy()

    with a.let_through(0.2):
        out, inside = gradient()
    np.testing.assert_array_equal(out, x.detach().clamp(min=0))
    np.testing.assert_allclose(inside, weight * np.where(positive, 1, 0.2))
    np.testing.assert_allclose(gradient()[1], weight * positive)


def test_the_report_tells_dead_images_and_layers_apart() -> None:
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 3)).double()
    net[0].weight.data, net[0].bias.data = torch.tensor([[1.0], [1.0]]).double(), torch.tensor([-0.2, -0.2]).double()
    net[2].weight.data, net[2].bias.data = torch.eye(2).double(), torch.tensor([-0.3, -0.3]).double()
    report = a.gradient_report(net, torch.tensor([[0.1], [0.4], [0.6], [0.9]]).double())
    assert report.zero.tolist() == report.constant.tolist() == [True, True, False, False]
    assert report.dead == (0.25, 0.5)
    net.append(nn.Softplus())
    assert not a.gradient_report(net, torch.tensor([[0.1]]).double()).constant.any()


def test_a_net_that_cuts_the_graph_is_searched_without_gradients_and_told_to_have_none() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small_net(3)

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                return self.net(x)

    z = torch.rand((2, 3, 6, 6), generator=source(7), dtype=torch.float64)
    for net in (Cut(), nn.Sequential(Cut(), nn.Linear(4, 4).double())):
        assert a.gradient_report(net, z).share == 1
        found = a.worst(net, z, eps=0.3, generator=source(), budget="quick")
        assert found.vanished["at z"] == found.vanished["at the worst points"] == 1
        assert bool((found.confidence > value(net, z).exp()).all())


def test_an_unknown_budget_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"quick, audit, long, got 'all'"):
        a.worst(small_net(1), torch.rand((1, 1, 6, 6)).double(), eps=0.1, generator=source(), budget="all")  # type: ignore[arg-type]


def test_checkpoints_are_the_papers() -> None:
    assert checkpoints(100) == {22, 41, 57, 70, 80, 87, 93, 99}
    assert max(checkpoints(7)) <= 7


def test_targets_are_different_classes_the_likelier_half_first() -> None:
    logits = torch.tensor([[0.0, 5, 1, 4, 2, 3], [9, 0, 8, 0, 0, 0]])
    aims = targets(logits, 4, source())
    assert aims.shape == (4, 2)
    assert aims[:2].tolist() == [[1, 0], [3, 2]]
    assert all(len(set(column)) == 4 for column in aims.T.tolist())
    assert sorted(targets(logits, 99, source())[:, 0].tolist()) == [0, 1, 2, 3, 4, 5]


def test_squares_shrink_evenly_from_nearly_everything_to_a_sixteenth() -> None:
    sides = [square_side(i / 100, 320) for i in range(101)]
    assert (sides[0], sides[-1]) == (288, 20)
    np.testing.assert_allclose(sides, np.geomspace(288, 20, 101), atol=0.51)
    assert square_side(0.99, 4) == 1


def test_margin_in_numpy() -> None:
    logits = torch.randn((20, 5), generator=source())
    two = np.sort(logits.numpy(), 1)[:, -2:]
    np.testing.assert_allclose(a.margin(logits), two[:, 1] - two[:, 0], rtol=1e-6)


@pytest.mark.parametrize("shape", [(4, 3, 9, 7), (1, 1, 1, 1), (2, 5, 16, 33)])
@pytest.mark.parametrize("name", a.PATTERNS)
def test_patterns_are_directions_of_any_shape_drawn_from_the_seed(name: str, shape: tuple[int, ...]) -> None:
    z = torch.zeros(shape)
    for draw in a.PATTERNS[name]:
        d = draw(z, source(1)) + z
        assert d.shape == z.shape
        assert d.abs().max() <= 1
        assert torch.equal(d, draw(z, source(1)) + z)
        if name not in ("ramps", "waves", "fields"):
            assert bool((d.abs() == 1).all())


def test_what_the_patterns_are() -> None:
    z, g = torch.zeros(40, 3, 24, 24, dtype=torch.float64), source(2)
    board = a.PATTERNS["checkers"][2](z, g)  # cells of 4
    assert torch.equal(board[:, :, 4:], -board[:, :, :-4])
    assert torch.equal(board[..., 4:], -board[..., :-4])
    bars = a.PATTERNS["stripes"][1](z, g)  # bars of 2, in 4 directions
    kinds = [(torch.equal(b[:, 2:], -b[:, :-2]), torch.equal(b[..., 2:], -b[..., :-2])) for b in bars]
    assert set(kinds) == {(True, False), (False, True), (True, True)}
    squares = a.PATTERNS["blocks"][3](z, g)  # cells of 8, one offset a batch
    edges = (squares[..., 1:] != squares[..., :-1]).any(0).any(0).any(0).nonzero()[:, 0]
    assert set((edges % 8).tolist()) == {int(edges[0]) % 8}
    ramp = a.PATTERNS["ramps"][0](z, g)
    np.testing.assert_allclose(ramp[..., 2:] - 2 * ramp[..., 1:-1] + ramp[..., :-2], 0, atol=1e-12)
    np.testing.assert_allclose(ramp.abs().amax((2, 3)), 1)
    wave = a.PATTERNS["waves"][0](z, g)[0, 0]
    turn = (wave[2:] + wave[:-2]) / wave[1:-1]  # f(i + 1) + f(i - 1) = 2 cos(w) f(i) for a sinusoid
    np.testing.assert_allclose(turn, float(turn[0, 0]), atol=1e-6)
