"""The nets: padding as TensorFlow's, docnet's theorem, weights from files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from openset.attack import evaluating
from openset.errors import TrainingError
from openset.export import Graph
from openset.heads import fit_mahalanobis
from openset.nets import build, gray, page_mask

TIMM = "timm:test_resnet.r160_in1k"


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def logits(net: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad(), evaluating(net):
        return net(x)


@pytest.mark.parametrize(("name", "shape"), [("lenet", (28, 28)), ("resnet-small", (32, 32)), ("docnet", (64, 48))])
def test_forward_is_classify_of_features(name: str, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = build(name, 5)
    x = torch.rand((2, 3, *shape), generator=source())
    with torch.no_grad(), evaluating(net):
        features = net.features(x)
        assert features.dim() == 2
        torch.testing.assert_close(net.classify(features), net(x))
    assert net(x).shape == (2, 5)
    assert (net.name, net.classes) == (name, 5)


def test_parameter_counts_are_the_papers() -> None:
    def count(net: nn.Module) -> int:
        return sum(p.numel() for p in net.parameters())

    assert count(build("lenet", 10)) == (25 * 32 + 32) + (25 * 32 * 64 + 64) + (7 * 7 * 64 * 1024 + 1024) + 10250
    groups = [(16, 16), (16, 32), (32, 64)]
    convs = 27 * 16 + sum(9 * a * b + 5 * 9 * b * b for a, b in groups)
    norms = sum(2 * (a + b) + 2 * 2 * 2 * b for a, b in groups) + 2 * 64
    assert count(build("resnet-small", 10)) == convs + norms + 650


def test_resnet_small_pads_stride_2_as_tensorflow_does() -> None:
    conv = build("resnet-small", 2).blocks[3].conv1
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, 1, 1] = 1.0  # the kernel's centre
    x = torch.arange(36.0).view(1, 1, 6, 6).expand(1, 16, 6, 6)
    # SAME with even sides and stride 2 pads only right and bottom: the first window is centred on row 1, column 1
    assert torch.equal(conv(x)[0, 0], torch.tensor([[7.0, 9, 11], [19, 21, 23], [31, 33, 35]]))
    assert logits(build("resnet-small", 3), torch.rand(1, 3, 33, 31)).shape == (1, 3)


def page(h: int = 40, w: int = 56) -> Tensor:
    x = torch.ones(2, 3, 96, 96)
    x[:, :, :h, :w] = torch.rand((2, 3, h, w), generator=source(2))
    return x


def test_docnet_does_not_see_white_padding_at_the_right_and_bottom() -> None:
    torch.manual_seed(0)
    net = build("docnet", 3)
    with torch.no_grad():  # biases and statistics that would show through a blank border
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.bias.fill_(0.7)
                module.running_mean.fill_(-0.4)
    x = page()
    expected = logits(net, x[:, :, :48, :64])
    for h, w in ((96, 96), (48, 96), (80, 64)):
        torch.testing.assert_close(logits(net, x[:, :, :h, :w]), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(logits(net, page(24, 56)), expected, atol=1e-3)  # it does see the page


@pytest.mark.parametrize(("h", "w"), [(33, 33), (40, 40), (100, 100), (1, 1), (17, 50), (1, 31), (47, 16)])
def test_docnet_takes_pages_of_any_shape_and_pads_none_of_them(h: int, w: int) -> None:
    torch.manual_seed(0)
    net = build("docnet", 3)
    x = torch.ones(2, 3, 112, 112)
    x[:, :, :h, :w] = 0.9 * torch.rand((2, 3, h, w), generator=source(4))
    alone = logits(net, x[:, :, :h, :w])
    assert alone.shape == (2, 3)
    torch.testing.assert_close(logits(net, x), alone, rtol=1e-4, atol=1e-5)


def test_docnet_on_blank_pages_of_every_size_is_one_finite_answer() -> None:
    net = build("docnet", 3)
    answers = [logits(net, torch.ones(1, 3, h, w)) for h, w in ((16, 16), (96, 64), (256, 256))]
    assert torch.isfinite(torch.cat(answers)).all()
    for answer in answers[1:]:
        torch.testing.assert_close(answer, answers[0])


def test_page_mask_is_the_rectangle_of_what_is_not_white() -> None:
    ink = torch.zeros(1, 1, 6, 5)
    ink[0, 0, 3, 1] = ink[0, 0, 1, 2] = 1 / 255
    expected = torch.zeros(1, 1, 6, 5)
    expected[0, 0, :4, :3] = 1
    assert torch.equal(page_mask(ink), expected)
    assert page_mask(1 - gray(torch.ones(1, 3, 9, 9))).sum() == 1


def test_a_timm_net_normalises_inside() -> None:
    torch.manual_seed(0)
    net = build(TIMM, 4)
    x = torch.rand((2, 3, 96, 96), generator=source())
    cfg = net.body.pretrained_cfg
    mean, std = (torch.tensor(cfg[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
    with torch.no_grad(), evaluating(net):
        torch.testing.assert_close(net(x), net.body((x - mean) / std), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(net.classify(net.features(x)), net(x))
    assert net.preprocess.size == cfg["input_size"][-1]
    assert build(TIMM.removeprefix("timm:"), 4).name == net.name


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("dla46x_c", 64),  # its classifier is a convolution
        ("deit_tiny_distilled_patch16_224", 32),  # it has two
        ("levit_128s", 64),
        ("efficientformerv2_s0", 64),
        ("efficientvit_m0", 64),  # a batch-norm stands before it
    ],
)
def test_a_timm_net_whose_classifier_does_not_take_the_features_alone_is_timms_and_has_none(
    name: str, side: int
) -> None:
    torch.manual_seed(0)
    net, x = build(name, 3, size=side), torch.rand((2, 3, side, side), generator=source())
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.fill_(0.3)  # so that leaving it out would show
    assert net.preprocess.size == side
    with torch.no_grad(), evaluating(net):
        assert torch.equal(net(x), net.body((x - net.mean) / net.std))
        assert not hasattr(net, "features")
        flat = torch.rand((20, 4), generator=source())
        head = fit_mahalanobis(flat, torch.arange(20) % 2, flat, flat + 9)
        with pytest.raises(TrainingError, match="a guard on features needs a net with features"):
            Graph(net, head)(x)


def test_a_net_with_two_classifiers_starts_both_anew_for_other_classes(tmp_path: Path) -> None:
    old = build("deit_tiny_distilled_patch16_224", 7, size=32)
    save_file(old.body.state_dict(), tmp_path / "w.safetensors")
    with pytest.warns(UserWarning, match="head.bias, head.weight, head_dist.bias, head_dist.weight"):
        new = build("deit_tiny_distilled_patch16_224", 3, size=32, weights=str(tmp_path / "w.safetensors"))
    assert all(torch.equal(a, b) for a, b in zip(new.parameters(), old.parameters(), strict=True) if a.shape == b.shape)


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
@pytest.mark.parametrize("name", ["docnet", TIMM])
def test_weights_of_another_class_count_load_all_but_the_classifier(tmp_path: Path, kind: str, name: str) -> None:
    torch.manual_seed(0)
    old = build(name, 7)
    inner = old.body if name == TIMM else old  # a file of timm's names, as users have it
    file = tmp_path / f"w.{kind}"
    if kind == "pt":
        torch.save(inner.state_dict(), file)
    else:
        save_file(inner.state_dict(), file)
    same = build(name, 7, weights=str(file))
    assert all(torch.equal(a, b) for a, b in zip(same.parameters(), old.parameters(), strict=True))
    with pytest.warns(UserWarning, match="starts at random"):
        new = build(name, 3, weights=str(file))
    differing = [a.shape != b.shape for a, b in zip(new.parameters(), old.parameters(), strict=True)]
    assert sum(differing) == 2  # weight and bias of the classifier
    assert all(torch.equal(a, b) for a, b in zip(new.parameters(), old.parameters(), strict=True) if a.shape == b.shape)


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("harm"),)  # type: ignore[return-value]


def test_a_file_that_would_run_code_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Harmful()}, "bad.pt")
    with pytest.raises(TrainingError, match="safetensors"):
        build("docnet", 2, weights="bad.pt")
    assert not Path("harm").exists()


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    cases = [
        (lambda: build("resnet19x", 2), "no net called 'resnet19x'"),
        (lambda: build("lenet", 1), "at least 2 classes, got 1"),
        (lambda: build("lenet", 2, pretrained=True), "no pretrained weights for 'lenet'"),
        (lambda: build("docnet", 2, weights=str(tmp_path / "none.pt")), "no weights file at"),
        (lambda: build("docnet", 2, weights=str(tmp_path / "x.safetensors")), "not those of 'docnet'"),
    ]
    for call, text in cases:
        with pytest.raises(TrainingError, match=text):
            call()


def test_pretrained_weights_that_cannot_be_had_are_said_with_the_way_round(tmp_path: Path) -> None:
    """Without a network, as the hub's own offline switch has it, and with an empty cache."""
    name = TIMM.removeprefix("timm:")
    code = f"from openset.nets import build; build({name!r}, 2, pretrained=True)"
    env = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "TORCH_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 1
    assert f"TrainingError: the pretrained weights of '{name}' cannot be had here" in done.stderr
    assert "give the file with --weights FILE" in done.stderr
