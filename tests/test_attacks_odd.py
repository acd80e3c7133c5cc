"""Attacks on what is not as it should be: nets that write into their input, NaN, one logit, wrong shapes, half floats."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from openset import attack as a
from openset._mended import climbed
from test_attacks import ATTACKS, linear_problem, small_net, source, value


def pictures(b: int = 3) -> Tensor:
    return torch.rand((b, 3, 6, 6), generator=source(7), dtype=torch.float64)


class Centred(nn.Module):
    """A net on 2 x - 1, made in place or not."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.net, self.in_place = small_net(3), in_place

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.mul_(2).sub_(1) if self.in_place else 2 * x - 1)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_net_that_writes_into_its_input_is_attacked_like_one_that_does_not(name: str) -> None:
    z = pictures()
    kept = z.clone()
    found, wanted = (ATTACKS[name](Centred(writes), z, eps=0.1, generator=source()) for writes in (True, False))
    assert torch.equal(found, wanted)
    assert torch.equal(z, kept)
    assert (found - z).abs().max() <= 0.1 + 1e-12


def test_the_reports_and_the_mended_step_of_a_net_that_writes_into_its_input_are_those_of_one_that_does_not() -> None:
    z = pictures()
    reports = [a.gradient_report(Centred(writes), z) for writes in (True, False)]
    assert torch.equal(reports[0].zero, reports[1].zero)
    assert reports[0].dead == reports[1].dead
    steps = [climbed(Centred(writes), None, z, z, eps=0.1, generator=source()) for writes in (True, False)]
    assert torch.equal(steps[0][0], steps[1][0])
    assert torch.equal(steps[0][1].x, steps[1][1].x)


class NanAt(nn.Module):
    """The net, but NaN exactly at the pictures z."""

    def __init__(self, net: nn.Module, z: Tensor) -> None:
        super().__init__()
        self.net, self.z = net, z

    def forward(self, x: Tensor) -> Tensor:
        at_z = (x[:, None] == self.z[None]).flatten(2).all(2).any(1)
        return torch.where(at_z[:, None], torch.nan, self.net(x))


@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "worst"])
def test_a_number_met_anywhere_is_better_than_nan_at_z(name: str) -> None:
    z = pictures()
    net = NanAt(small_net(3), z)
    assert value(net, z).isnan().all()
    assert value(net, ATTACKS[name](net, z, eps=0.1, generator=source())).isfinite().all()


def test_the_worst_of_a_net_that_is_nan_at_z_is_the_exact_maximum_of_the_others() -> None:
    linear, z, exact = linear_problem()
    found = a.worst(NanAt(linear, z), z, eps=0.3, generator=source(), budget="quick")
    np.testing.assert_allclose(found.confidence, np.exp(np.maximum(*exact)), atol=1e-9)
    assert found.by["noise"].isnan().all()
    assert all(values.isfinite().all() for name, values in found.by.items() if name != "noise")
    nowhere = a.worst(NanAt(linear, z[:1]), z[:1], eps=0.0, generator=source(), budget="quick")
    assert nowhere.confidence.isnan().all()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_squares_on_one_class_for_each_image_leave_alone_those_above_the_ceiling_only(share: float) -> None:
    """An image that never gets above it is searched as with no ceiling; the others stop as soon as they are."""
    net, z, exact = linear_problem()
    classes = torch.arange(6) % 2
    objective = a.log_prob_of(classes)
    start = value(net, z, objective)
    most = torch.from_numpy(np.where(classes == 0, *exact))
    ceiling = float((start + share * (most - start)).median())
    options: dict[str, Any] = {"eps": 0.3, "steps": 60, "objective": objective}
    free = a.squares(net, z, generator=source(), **options)
    held = a.squares(net, z, generator=source(), ceiling=ceiling, **options)
    below = value(net, free, objective) < ceiling
    assert torch.equal(held[below], free[below])
    assert bool((value(net, held, objective)[~below] >= ceiling).all())


class Watched(nn.Module):
    """A net of which some pictures have no gradient; the largest batch it was asked about is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.most = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(108, 3)).double(), 0

    def forward(self, x: Tensor) -> Tensor:
        self.most = max(self.most, len(x))
        return self.net(x - 0.5)


def test_no_more_than_a_batch_is_run_at_once_and_the_shares_are_those_of_all() -> None:
    torch.manual_seed(0)
    net, z = Watched(), pictures(4)
    z[1:2] *= 0.3  # all below .5, and its ball of .1 too
    found = a.worst(net, z, eps=0.1, generator=source(), budget="quick", batch=3)
    assert net.most == 3
    whole = a.worst(net, z, eps=0.1, generator=source(), budget="quick", batch=4)
    assert net.most == 4
    assert found.vanished["at z"] == whole.vanished["at z"] == pytest.approx(0.25)
    assert found.vanished == whole.vanished


class Answers(nn.Module):
    """What `says` makes of the logits of a net."""

    def __init__(self, says: Any) -> None:
        super().__init__()
        self.net, self.says = small_net(3), says

    def forward(self, x: Tensor) -> Any:
        return self.says(self.net(x))


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize(
    ("says", "got"),
    [
        (lambda f: f[:, :1], r"\[3, 1\]"),
        (lambda f: (f, f), "tuple"),
        (lambda f: f[:, :, None, None].expand(-1, -1, 2, 2), r"\[3, 4, 2, 2\]"),
        (lambda f: f[0], r"\[4\]"),
    ],
)
def test_nets_that_give_no_rows_of_logits_are_refused_with_the_way_round(name: str, says: Any, got: str) -> None:
    with pytest.raises(ValueError, match=rf"\[B, K\] with K >= 2, got {got}: wrap the net so that it gives \(0, f\)"):
        ATTACKS[name](Answers(says), pictures(), eps=0.1, generator=source())


def test_an_objective_without_one_number_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"objective must give one number an image, \[3\], got \[3, 4\]"):
        a.maximise_confidence(small_net(3), pictures(), eps=0.1, steps=1, objective=lambda logits: logits)


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "a path": ({"net": "net.onnx"}, TypeError, "net must be a torch.nn.Module, got str"),
    "an array": ({"z": np.zeros((1, 3, 6, 6))}, TypeError, "z must be a torch tensor, got ndarray"),
    "bfloat16": ({"z": pictures().bfloat16()}, TypeError, "give float32 pixels; let the net cast inside"),
    "float16": ({"z": pictures().half()}, TypeError, "give float32 pixels"),
    "whole numbers": ({"z": torch.zeros(1, 3, 6, 6, dtype=torch.int64)}, TypeError, "z is torch.int64"),
    "255": ({"z": pictures() * 255}, ValueError, "z must lie in .*: divide pixels by 255"),
    "a wide ball": ({"eps": 8}, ValueError, r"eps=8 cannot be: it must be in \[0, 1\], the unit of pixels"),
    "no radius": ({"eps": float("nan")}, ValueError, "must be >= 0, got eps=nan"),
}


PUBLIC: dict[str, Any] = {
    "pgd": partial(a.maximise_confidence, steps=1),
    "structured": a.structured,
    "projected": partial(a.projected, images=pictures()),
    "squares": a.squares,
    "apgd": a.apgd,
    "targeted": a.targeted,
    "transfer": partial(a.transfer, others=[]),
    "chain": a.chain,
    "worst": a.worst,
    "mended": lambda net, z, **options: climbed(net, None, z, pictures(), **options),
}


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("what", WRONG)
def test_what_no_attack_can_use_is_told_before_the_net_is_run(name: str, what: str) -> None:
    given, error, said = WRONG[what]
    options: dict[str, Any] = {"net": small_net(3), "z": pictures(), "eps": 0.1, "generator": source()} | given
    net, z = options.pop("net"), options.pop("z")
    with pytest.raises(error, match=said):
        PUBLIC[name](net, z, **options)


@pytest.mark.parametrize("name", [n for n in PUBLIC if n not in ("pgd", "apgd", "targeted")])
@pytest.mark.parametrize("shape", [(3, 6, 6), (2, 108)])
def test_one_picture_alone_and_flat_ones_are_refused_where_pictures_are_asked(
    name: str, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"z must be a batch \[B, C, H, W\], got .*: one picture alone is z\[None\]"):
        PUBLIC[name](small_net(3), torch.zeros(shape).double(), eps=0.1, generator=source())


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.full((5, 3, 6, 6), 255.0), r"images must lie in \[0, 1\]"),
        (torch.full((5, 3, 6, 6), 255, dtype=torch.uint8), r"images must lie in \[0, 1\]"),
        (torch.zeros(5, 1, 6, 6), r"images must be \[N, ...\] of z's pictures \[3, 6, 6\], got \[5, 1, 6, 6\]"),
        (torch.zeros(3, 6, 6), "images must be"),
    ],
)
def test_images_that_do_not_fit_z_are_refused(images: Tensor, said: str) -> None:
    net, z, options = small_net(3), pictures(), {"eps": 0.1, "generator": source()}
    for attack in (
        partial(a.projected, images=images),
        partial(a.chain, images=images),
        partial(a.worst, images=images),
    ):
        with pytest.raises(ValueError, match=said):
            attack(net, z, **options)
    with pytest.raises(ValueError, match=said):
        climbed(net, None, z, images, **options)


def test_a_start_of_another_shape_is_refused() -> None:
    net, z, start = small_net(3), pictures(1), pictures(4)
    options: dict[str, Any] = {"eps": 0.1, "generator": source(), "start": start, "steps": 2}
    for attack in (a.maximise_confidence, a.apgd, a.squares, a.targeted):
        with pytest.raises(ValueError, match=r"start must have z's shape \[1, 3, 6, 6\], got \[4, 3, 6, 6\]"):
            attack(net, z, **options)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"batch": 0}, ValueError, "batch must be at least 1, got 0"),
        ({"generator": None}, TypeError, "generator must be a torch.Generator, got NoneType"),
        ({"others": small_net(3)}, TypeError, "others must be a list of torch.nn.Module, got Sequential"),
        ({"others": ["net.onnx"]}, TypeError, "others must be a list of torch.nn.Module, got list"),
    ],
)
def test_what_worst_cannot_use_is_told_by_name(given: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        a.worst(small_net(3), pictures(), **({"eps": 0.1, "generator": source()} | given))


def test_a_net_that_casts_inside_keeps_its_points_in_the_ball() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small_net(3).bfloat16()

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x.bfloat16()).float()

    z = pictures().float()
    found = a.worst(Half(), z, eps=0.01, generator=source(), budget="quick")
    assert (found.points.double() - z.double()).abs().max() <= 0.01 + 1e-7
    assert (found.points != z).any()
