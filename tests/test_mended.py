"""The mended inner step: never worse than its start, inside the ball, and not fooled by a net whose gradient is zero."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from openset._mended import climbed
from openset.attack import maximise_confidence
from openset.losses import log_max_prob
from openset.nets import build

EPS = 0.3


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int = 8, side: int = 12) -> Tensor:
    return 0.3 + 0.4 * torch.rand((n, 1, side, side), generator=source(1))


class Hidden(nn.Module):
    """Sure of class 1 only where the picture agrees with `picture` by more than `least`; flat, so without gradient, elsewhere."""

    def __init__(self, picture: Tensor, least: float) -> None:
        super().__init__()
        self.register_buffer("direction", picture - picture.mean())
        self.least = least

    def forward(self, x: Tensor) -> Tensor:
        agreed = ((x - x.mean((1, 2, 3), keepdim=True)) * self.direction).sum((1, 2, 3))
        return torch.stack([torch.zeros_like(agreed), 4 * F.relu(agreed - self.least)], 1)


def test_it_finds_the_peak_that_a_gradient_attack_cannot_see() -> None:
    picture = (torch.rand((1, 1, 12, 12), generator=source(2)) > 0.5).float()
    z = noise()
    inside = torch.minimum(torch.maximum(picture, z - EPS), z + EPS).clamp(0, 1)  # the picture moved into the balls
    reach = Hidden(picture, 0.0)(inside)[:, 1] / 4
    net = Hidden(picture, 0.9 * float(reach.min()))
    blind = maximise_confidence(net, z, eps=EPS, steps=20, generator=source())
    assert net(blind).softmax(1).amax(1).max() == 0.5  # the paper's attack sees nothing
    seen = climbed(net, None, z, picture, eps=EPS, generator=source())[0]
    assert net(seen).softmax(1)[:, 1].min() > 0.8


def test_points_stay_in_the_ball_and_are_never_worse_than_where_they_start() -> None:
    torch.manual_seed(0)
    net = build("resnet-small", 4).train()
    z, images = noise(6, 16).expand(-1, 3, -1, -1).contiguous(), torch.rand((5, 3, 16, 16), generator=source(3))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found, _ = climbed(net, None, z, images, eps=EPS, generator=source())
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert (found - z).abs().max() <= EPS + 1e-6
    assert found.min() >= 0
    assert found.max() <= 1
    with torch.no_grad():
        net.eval()
        assert (log_max_prob(net(found)) >= log_max_prob(net(z))).all()
        assert (log_max_prob(net(found)) > log_max_prob(net(z))).any()
    assert torch.equal(found, climbed(net, None, z, images, eps=EPS, generator=source())[0])


def test_edges() -> None:
    net, z = build("lenet", 2), torch.rand((2, 1, 28, 28), generator=source())
    assert torch.equal(climbed(net, None, z, z, eps=0.0, generator=source())[0], z)
    assert climbed(net, None, z[:0], z, eps=EPS, generator=source())[0].shape == (0, 1, 28, 28)
    assert climbed(net, None, z, z[:0], eps=EPS, generator=source())[0].shape == z.shape
    with pytest.raises(ValueError, match="eps"):
        climbed(net, None, z, z, eps=-0.1, generator=source())


def test_chains_go_on_where_they_stood_and_the_quietest_end() -> None:
    """What a chain found in one call is where it begins in the next: never lower for the same net, if it climbs the surest class."""
    torch.manual_seed(0)
    net = build("resnet-small", 4).eval()
    z = noise(2, 16).expand(-1, 3, -1, -1).contiguous()
    images = torch.rand((5, 3, 16, 16), generator=source(3))
    new = {"eps": EPS, "patterns": 0, "pictures": 0, "steps": 2, "life": 3}
    found, chains = climbed(net, None, z, images, generator=source(), **new)
    assert torch.equal(chains.z, z)
    first, surest = log_max_prob(net(found)), chains.aim >= 0.5
    assert bool(surest.any())
    for i in range(3):
        more = torch.rand((2, 3, 16, 16), generator=source(10 + i))
        held = torch.cat((chains.z, more))
        found, chains = climbed(net, chains, more, images, generator=source(i), **new)
        values = log_max_prob(net(found))
        if i == 0:
            assert (values[:2][surest] > first[surest]).all()
        assert len(found) == len(held) == min(6, 4 + 2 * i)
        assert (found - held).abs().max() <= EPS + 1e-6
        assert torch.equal(chains.z, held[values >= values.sort().values[-4]])  # four go on, in the order they came
