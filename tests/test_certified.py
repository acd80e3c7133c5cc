"""The certified guard: no attack passes a certificate, every ray ends at 1 / K, and the net keeps its answers inside."""

from __future__ import annotations

import copy
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from openset import attack, open_judge
from openset.audit import limits
from openset.export import TOLERANCE, export
from openset.heads import CertifiedGuard, TopHats, fit_certified_guard
from openset.heads._mixed import mixed
from openset.nets import build
from openset.types import JudgeInfo
from test_export import real_difference
from test_heads import blobs

K, EPS = 10, 0.1


def source(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int, seed: int) -> Tensor:
    return torch.rand((n, 3, 12, 12), generator=source(seed))


@pytest.fixture(scope="module")
def guard() -> CertifiedGuard:
    return fit_certified_guard(blobs(300, 0), noise(300, 1), eps=EPS, steps=500, width=8, lr=1e-2, seed=0)


class Score(nn.Module):
    """What `attack` raises: the guarded confidence of a net that is certain everywhere, as logits."""

    def __init__(self, guard: CertifiedGuard, classes: int = K) -> None:
        super().__init__()
        self.guard, self.classes = guard, classes

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.zeros(len(x), self.classes)
        logits[:, 1] = 1e4
        made: Tensor = self.guard({"pixels": x, "logits": logits})
        return made


class Believed(nn.Module):
    """The score as a net of two classes, believed and not: piecewise affine, so its rays are audited exactly."""

    def __init__(self, guard: CertifiedGuard) -> None:
        super().__init__()
        self.guard = guard

    def forward(self, x: Tensor) -> Tensor:
        score = self.guard.score(x).reshape(-1, 1)
        return torch.cat([score, 0 * score], 1)


class Published(Believed):
    """The same without the box term."""

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for layer in self.guard.layers:
            h = torch.relu(layer(h))
        left = self.guard.bias + self.guard.shift - nn.functional.linear(h.flatten(1), self.guard.weight.exp()[None])
        return torch.cat([left, 0 * left], 1)


def tiny(layer: nn.Conv2d, bias: float = 0.0, shift: float = 0.0) -> CertifiedGuard:
    """A guard of one layer on pictures of 2 x 2, its last weights all 1."""
    guard = CertifiedGuard(nn.ModuleList([layer]), 4 * layer.out_channels).requires_grad_(False)
    guard.weight.zero_()
    guard.bias.fill_(bias)
    guard.shift.fill_(shift)
    return guard


def exactly(guard: CertifiedGuard, pixels: Tensor) -> Fraction:
    """The score of one picture inside the box, in rational arithmetic; the layer is 1 x 1, and exp(0) = 1."""
    (layer,) = guard.layers
    weights, offsets = layer.weight[:, :, 0, 0].tolist(), layer.bias.tolist()
    score = Fraction(float(guard.bias)) + Fraction(float(guard.shift))
    for place in pixels[0].flatten(1).T.tolist():
        for row, offset in zip(weights, offsets, strict=True):
            made = sum((Fraction(w) * Fraction(x) for w, x in zip(row, place, strict=True)), Fraction(offset))
            score -= max(made, Fraction(0))
    return score


def sure(guard: CertifiedGuard, x: Tensor) -> np.ndarray:
    with torch.no_grad():
        return Score(guard)(x).exp().amax(1).numpy()


def test_it_is_frozen_as_the_other_heads_are(guard: CertifiedGuard) -> None:
    assert not guard.training
    assert [name for name, p in guard.named_parameters() if p.requires_grad] == []
    assert not guard({"pixels": noise(2, 0), "logits": torch.zeros(2, K)}).requires_grad


def test_it_believes_the_net_inside_and_certifies_noise(guard: CertifiedGuard) -> None:
    assert sure(guard, blobs(200, 2)).mean() > 0.98
    certified = guard.certify(noise(100, 3), EPS, K)
    assert np.median(certified) < 0.2  # not vacuous: below what an in-picture gets
    assert sure(guard, noise(100, 3)).max() < 0.3


@pytest.mark.parametrize("eps", [0.01, 0.05, 0.1, 0.3])
def test_no_attack_of_the_family_passes_a_certificate(guard: CertifiedGuard, eps: float) -> None:
    z = torch.cat([noise(6, 4), blobs(2, 5), 0.5 * blobs(4, 6) + 0.5 * noise(4, 7)])
    certified = guard.certify(z, eps, K)
    found = attack.worst(Score(guard), z, eps=eps, generator=source(0), budget="quick", images=blobs(8, 8))
    for name, values in found.by.items():
        assert (values.numpy() <= certified + 1e-6).all(), name
    for seed in range(20):
        corners = (z + eps * (2 * torch.randint(2, z.shape, generator=source(seed)) - 1)).clamp(0, 1)
        assert (sure(guard, corners) <= certified + 1e-6).all()
    assert (certified >= sure(guard, z) - 1e-6).all()


def test_certificates_grow_with_the_ball(guard: CertifiedGuard) -> None:
    z = noise(20, 9)
    rows = np.stack([guard.certify(z, eps, K) for eps in (0, 0.02, 0.1, 0.4)])
    assert (np.diff(rows, axis=0) >= -1e-12).all()
    np.testing.assert_allclose(rows[0], sure(guard, z), atol=1e-5)  # a ball of one point: the confidence itself


def test_every_ray_ends_at_the_uniform_prediction(guard: CertifiedGuard) -> None:
    x = torch.cat([blobs(6, 10), noise(6, 11), torch.randn((6, 3, 12, 12), generator=source(12))])

    end = limits(Believed(guard), x)
    assert end.classes.tolist() == [1] * len(x)  # "not believed" wins, at confidence 1: proved by the exact audit
    assert float(end.confidence.min()) == 1
    for alpha in (1.0, 3.0, 30.0, 1e3):
        bounds = guard.ray_bound(x, alpha, K)
        for more in (1.0, 1.3, 7.0):
            assert (sure(guard, more * alpha * x) <= bounds + 1e-6).all()
    assert guard.ray_bound(x, 1e4, K) == pytest.approx(np.full(len(x), 1 / K))


def test_the_published_guard_without_the_box_term_believes_some_rays_for_ever() -> None:
    """Why the term is there: one dead feature, and sigmoid(b) stays along the ray."""
    conv = nn.Conv2d(3, 1, 1)
    with torch.no_grad():
        conv.weight.fill_(-1.0)
        conv.bias.zero_()  # type: ignore[union-attr]
    guard = CertifiedGuard(nn.ModuleList([conv]), 4)
    with torch.no_grad():
        guard.bias.fill_(5.0)
    x = torch.full((1, 3, 2, 2), 0.5)
    end = limits(Published(guard), x)
    assert end.classes.tolist() == [0]  # believed
    assert float(end.confidence) == pytest.approx(1 / (1 + np.exp(-5)))  # s = .993, whatever alpha
    assert limits(Believed(guard), x).classes.tolist() == [1]
    assert float(limits(Believed(guard), x).confidence) == 1  # with the term: not believed in the end
    with torch.no_grad():
        assert float(torch.relu(conv(1e6 * x)).max()) == 0
        assert float(torch.sigmoid(guard.score(1e3 * x))) < 1e-9
        assert float(guard.score(x)) == 5  # inside the box nothing changed


def test_a_certificate_is_sound_where_rounding_is_far_larger_than_the_score() -> None:
    """Terms of 1e12 that cancel to 1e-2: float64 is off by 1e-4 there, and exact fractions are not."""
    off = []
    for seed in range(40):
        layer = nn.Conv2d(3, 2, 1).requires_grad_(False)
        layer.weight.copy_(1e12 * torch.randn(layer.weight.shape, generator=source(seed)))
        x = torch.rand((1, 3, 2, 2), generator=source(100 + seed))
        bias = float(torch.tensor(-float(exactly(tiny(layer), x)), dtype=torch.float32))
        shift = float(torch.tensor(-float(exactly(tiny(layer, bias), x)), dtype=torch.float32))
        guard = tiny(layer, bias, shift)
        score = exactly(guard, x)
        assert abs(score) < 0.1
        with torch.no_grad():
            off.append(abs(float(copy.deepcopy(guard).double().score(x.double())) - float(score)))
        assert guard.certify(x, 0.0, K)[0] >= (1 + (K - 1) / (1 + np.exp(-float(score)))) / K - 1e-15
        assert off[-1] <= float(guard.double().rounding(x.double()))
    assert max(off) > 1e-5  # more than the slack that is always there: the sizes were needed


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_rounding_in_float32_stays_within_its_bound(scale: float) -> None:
    torch.manual_seed(3)
    guard = CertifiedGuard(nn.ModuleList([nn.Conv2d(3, 8, 3, padding=1, stride=2), nn.Conv2d(8, 8, 3)]), 8 * 16)
    guard.requires_grad_(False)
    for p in guard.layers.parameters():
        p.mul_(scale)
    guard.bias.fill_(3.7 * scale)
    x = noise(50, 20)
    off = guard.score(x).double() - copy.deepcopy(guard).double().score(x.double())
    assert (off.abs() <= guard.rounding(x)).all()
    assert off.abs().max() > 0


def test_pixels_moved_in_float32_stay_in_the_certified_ball() -> None:
    """x + eps, rounded to float32, lies outside the exact ball by some 1e-8, and a steep guard sees it."""
    eps = 0.1
    layer = nn.Conv2d(3, 1, 1).requires_grad_(False)
    layer.weight.fill_(-1e5)
    layer.bias.fill_(1e5)  # type: ignore[union-attr]
    x = 0.1 + 0.1 * torch.rand((200, 3, 2, 2), generator=source(5))
    outside = 0
    for one in x.split(1):
        moved = one + eps
        outside += int((moved.double() > one.double() + eps).any())
        guard = tiny(layer)
        guard = tiny(layer, shift=-float(guard.double().score(moved.double())))
        share = 1 / (1 + np.exp(-float(exactly(guard, moved))))
        assert guard.certify(one, eps, K)[0] >= share + (1 - share) / K
    assert outside > 100


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_no_class_overtakes_the_one_the_net_found_likeliest(classes: int) -> None:
    """Exactly, not but for rounding: ties, logits a unit in the last place apart, tiny and huge ones; believed or not."""
    logits = torch.randn((600, classes), generator=source(classes))
    logits[:100, 1] = logits[:100, 0]
    logits[100:200] = logits[100:200].round()
    logits[200:300, 1] = torch.nextafter(logits[200:300, 0], torch.tensor(torch.inf))
    x, guard = torch.zeros(len(logits), 3, 2, 2), tiny(nn.Conv2d(3, 2, 1))
    for scale in (1e-7, 1.0, 30.0, 1e4, 1e37):
        given = scale * logits
        best = given.argmax(1, keepdim=True)
        for shift in (-200.0, -20.0, -1.0, 0.0, 1.0, 20.0):
            guard.shift.fill_(shift)
            log_p = guard({"pixels": x, "logits": given})
            assert (log_p.argmax(1) == best[:, 0]).all()
            assert (log_p.exp().argmax(1) == best[:, 0]).all()
            p = log_p.double().exp()
            s = torch.sigmoid(guard.score(x).double())[:, None]
            torch.testing.assert_close(p, s * given.double().softmax(1) + (1 - s) / classes, rtol=1e-5, atol=1e-7)
            torch.testing.assert_close(p.sum(1), torch.ones(len(p), dtype=torch.float64), rtol=0, atol=1e-5)


def test_logits_closer_than_rounding_do_not_change_places() -> None:
    """So close that float32 orders log-probabilities otherwise than logits in some of 20,000 rows, were nothing done."""
    logits, odds = torch.randn((20_000, 101), generator=source(0)), torch.linspace(-30, 3, 20_000)
    for scale in (1e-7, 1.0):
        log_p = mixed(scale * logits, odds)
        for said in (log_p, log_p.exp(), log_p.softmax(1)):
            assert (said.argmax(1) == logits.argmax(1)).all()


@pytest.mark.parametrize(("classes", "refuse"), [(2, 1), (2, 0), (4, 3)])
def test_no_class_but_the_refusing_one_overtakes(classes: int, refuse: int) -> None:
    """Logits a unit in the last place apart: a no stays a no, and a yes gives way to no class but the refusing one."""
    logits = torch.randn((20_000, classes), generator=source(classes))
    logits[:10_000, 1] = torch.nextafter(logits[:10_000, 0], torch.tensor(torch.inf))
    logits[10_000:, 0] = torch.nextafter(logits[10_000:, 1], torch.tensor(torch.inf))
    best, asked = logits.argmax(1), tiny(nn.Conv2d(3, 2, 1))
    asked.refuse = refuse
    for said in ((log_p := asked.believing(logits, torch.linspace(-60, 60, 20_000))), log_p.exp()):
        answer = said.argmax(1)
        assert ((answer == best) | (answer == refuse)).all()
        assert (answer[best == refuse] == refuse).all()
    assert (answer == best).float().mean() > 0.4


@pytest.mark.parametrize("refuse", [None, 3])
def test_the_judge_file_gives_the_class_that_the_net_found_likeliest(tmp_path: Path, refuse: int | None) -> None:
    """As far out as float32 tells classes apart by the protection alone; it must not be lost on the way into the file."""
    net = build("lenet", 4)
    with torch.no_grad():
        net.head.bias[0] -= 5.0  # the first class, which a tie would give, is never the net's
    layer = nn.Conv2d(3, 4, 3, stride=4)
    guard = CertifiedGuard(nn.ModuleList([layer]), 4 * 7 * 7, refuse=refuse).requires_grad_(False)
    guard.bias.fill_(-30.0)
    export(net, tmp_path / "judge.onnx", JudgeInfo(tuple("abcd"), net.preprocess), head=guard)
    made = open_judge(tmp_path / "judge.onnx").outputs(torch.rand((300, 3, 28, 28), generator=source(5)).numpy())
    best = made["logits"].argmax(1)
    assert 0 not in best
    wanted = best if refuse is None else np.full(300, refuse)
    assert (made["probabilities"].argmax(1) == wanted).all()


class Tenfold(nn.Conv2d):
    """Does other things with its weights than a convolution, as weight-standardised ones do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 10 * super().forward(x)


def test_layers_without_interval_bounds_are_refused() -> None:
    hooked = nn.Conv2d(3, 2, 1)
    hooked.register_forward_hook(lambda _layer, _given, made: 10 * made)
    for layer in (nn.Conv2d(3, 2, 3, padding=1, padding_mode="reflect"), nn.MaxPool2d(2), Tenfold(3, 2, 1), hooked):
        with pytest.raises(ValueError, match="has no interval bounds"):
            CertifiedGuard(nn.ModuleList([layer]), 4)
    guard = CertifiedGuard(nn.ModuleList([nn.Conv2d(3, 2, 1, bias=False)]), 8).requires_grad_(False)
    assert 1 / K <= guard.certify(torch.rand((1, 3, 2, 2), generator=source(1)), 0.1, K)[0] < 1
    with pytest.raises(ValueError, match="and some"):
        guard.ray_bound(torch.zeros((0, 3, 2, 2)), 1.0, K)


def test_pixels_as_large_as_float32_holds_are_believed_not_at_all() -> None:
    """By one layer of 1 x 1 (sums of many such pixels have no end in float32), and behind a front end, where infinities would meet."""
    x = torch.stack([torch.full((3, 16, 16), size) for size in (3e38, -3e38, 1e38)])
    x[2, :, ::2] *= -1
    front = CertifiedGuard(nn.ModuleList([nn.Linear(TopHats()(x[:1]).numel(), 4)]), 4, front=TopHats())
    for guard in (tiny(nn.Conv2d(3, 2, 1)), front.requires_grad_(False)):
        assert (
            (guard.score(x).sigmoid() == 0).all()
            if guard.front
            else (guard.score(x[:, :, :2, :2]).sigmoid() == 0).all()
        )


def test_yes_or_no_pulls_to_no(guard: CertifiedGuard) -> None:
    asked = CertifiedGuard(guard.layers, len(guard.weight), refuse=1)
    asked.load_state_dict(guard.state_dict())
    logits = torch.tensor([[3.0, 0.0]]).repeat(20, 1)
    p = asked({"pixels": noise(20, 13), "logits": logits}).exp()
    assert p[:, 0].max() < 0.3
    torch.testing.assert_close(p.sum(1), torch.ones(20))
    assert (p[:, 0].detach().numpy() <= asked.certify(noise(20, 13), 0.05, 2)).all()
    plain = torch.tensor([[-6.0, 0.0]]).repeat(20, 1)  # a net that says no itself is not raised to 1/2
    refused = asked({"pixels": noise(20, 13), "logits": plain}).exp()[:, 0]
    assert (refused <= plain.softmax(1)[:, 0]).all()
    assert (asked.ray_bound(noise(3, 14), 1e4, 2) < 1e-9).all()


def test_a_class_that_refuses_is_one_of_the_nets(guard: CertifiedGuard) -> None:
    asked = CertifiedGuard(guard.layers, len(guard.weight), refuse=2)
    with pytest.raises(ValueError, match="refuse is 2: give the number of one of the 2 classes"):
        asked({"pixels": noise(1, 0), "logits": torch.zeros(1, 2)})


def test_it_goes_into_a_judge_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = build("lenet", 4)
    x = torch.nn.functional.interpolate(blobs(60, 0), 28)
    outside = torch.rand((60, 3, 28, 28), generator=source(1))
    guard = fit_certified_guard(x, outside, steps=20, width=4)
    export(net, tmp_path / "guarded.onnx", JudgeInfo(("a", "b", "c", "d"), net.preprocess), head=guard)
    judge = open_judge(tmp_path / "guarded.onnx")
    assert real_difference(net, judge, guard) < TOLERANCE
    made = judge.outputs(outside[:3].numpy())["probabilities"]
    with torch.no_grad():
        expected = guard({"pixels": outside[:3], "logits": net(outside[:3])}).exp()
    np.testing.assert_allclose(made, expected.numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"outside": torch.zeros(9, 1, 12, 12)}, "one shape"),
        ({"keep": 1.0}, "between 0 and 1"),
        ({"inside": torch.zeros(1, 3, 12, 12)}, "at least 2"),
        ({"steps": 0}, "steps 0 and batch 64 must be at least 1"),
        ({"batch": 0}, "steps 2 and batch 0 must be at least 1"),
        ({"width": 0}, "width 0 must be at least 1"),
        ({"hidden": -1}, "hidden -1 at least 0"),
        ({"inside": torch.full((9, 3, 12, 12), torch.nan)}, r"give pixels in \[0, 1\], got \[nan, nan\]"),
        ({"outside": 255 * noise(9, 0)}, r"give pixels in \[0, 1\]"),
    ],
)
def test_what_cannot_be_fitted_is_an_error(given: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_certified_guard(**({"inside": blobs(9, 0), "outside": noise(9, 0), "steps": 2} | given))


def test_certify_refuses_what_is_no_picture(guard: CertifiedGuard) -> None:
    with pytest.raises(ValueError, match="eps -1"):
        guard.certify(noise(1, 0), -1.0, K)
    with pytest.raises(ValueError, match=r"pixels in \[0, 1\]"):
        guard.certify(2 * noise(1, 0), 0.1, K)
    with pytest.raises(ValueError, match=r"no bounds of pictures \[1, 3, 20, 20\]"):
        guard.certify(torch.zeros((1, 3, 20, 20)), 0.1, K)
    with pytest.raises(ValueError, match="nan"):
        guard.certify(torch.full((1, 3, 12, 12), torch.nan), 0.1, K)
    with pytest.raises(ValueError, match="no pixels"):
        guard.certify(noise(0, 0), 0.1, K)
    for classes in (1, 2.5):
        with pytest.raises(ValueError, match=f"classes is {classes}"):
            guard.certify(noise(1, 0), 0.1, classes)  # type: ignore[arg-type]
    asked = CertifiedGuard(guard.layers, len(guard.weight), refuse=2)
    with pytest.raises(ValueError, match="refuse is 2 and classes 2: it is none of them"):
        asked.certify(noise(1, 0), 0.1, 2)
    for pixels, alpha in ((noise(1, 0), -1.0), (noise(1, 0), np.inf), (torch.full((1, 3, 12, 12), torch.inf), 1.0)):
        with pytest.raises(ValueError, match="and finite"):
            guard.ray_bound(pixels, alpha, K)
