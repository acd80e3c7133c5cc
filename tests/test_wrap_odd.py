"""`openset.wrap` on odd nets and in odd moods: training mode, gradients off, other shapes, old norms, answers of another kind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import openset
from drawn import reds_and_blues
from openset import _wrapfit
from openset.cli import app
from openset.errors import DataError, MissingExtraError, TrainingError
from openset.export import export
from openset.types import JudgeInfo, Preprocess

SIDE = 16
ODD = "rose\u0301"  # its accent decomposed
OFF = pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])


def colour(channels: int = 3, classes: int = 2) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, classes),
    )  # fmt: skip


def wrapped(net: nn.Module, **given: Any) -> Any:
    return openset.wrap(net, **({"labels": ("red", "blue"), "size": SIDE, "mean": 0.5, "std": 0.25} | given))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reds_and_blues(tmp_path_factory.mktemp("odd"), 24, SIDE)


class Given(nn.Module):
    """A net whose forward is `said(layer, pixels)`."""

    def __init__(self, said: Callable[[nn.Module, Tensor], Any], layer: nn.Module) -> None:
        super().__init__()
        self.said, self.layer = said, layer

    def forward(self, x: Tensor) -> Any:
        return self.said(self.layer, x)


def test_fitting_in_training_mode_leaves_the_net_as_it_is_and_fits_the_same_head(places: Path) -> None:
    """Its batch-norms once took the statistics of the held-out pictures, and every later answer was another."""
    made, other = wrapped(colour()), wrapped(colour())
    x = torch.rand((3, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    before = made(x)
    made.train().fit("neighbours", places / "data", out=[places / "out"])
    assert all(module.training for module in made.modules())
    torch.testing.assert_close(made.eval()(x), before, rtol=0, atol=0)
    np.testing.assert_array_equal(made.held[0], other.fit("neighbours", places / "data", out=[places / "out"]).held[0])


def flat() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 2))


def pooled() -> nn.Module:
    return nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (flat(), "16, 11"),
        (pooled(), "16, 1"),
        (Given(lambda net, x: net((x - x.mean(3, keepdim=True)) / x.std(3, keepdim=True)), colour()), "16, 1"),
    ],
)
def test_a_net_of_one_shape_is_refused_for_many_by_name(net: nn.Module, shape: str) -> None:
    wrapped(net)
    with pytest.raises(TrainingError, match=rf'pixels \[1, 3, {shape}\].*"stretch" or "crop"'):
        wrapped(net, mode="fit")


def test_a_net_that_fails_on_a_shape_of_the_parity_check_is_an_error_of_ours(tmp_path: Path) -> None:
    """The graph is made, for its trace has a picture that is large enough; a judge would fail on line-thin ones."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    info = JudgeInfo(("a", "b"), Preprocess(mode="fit", size=SIDE))
    with pytest.raises(TrainingError, match=r'shape \[3, 3, 16, 1\].*mode "fit" meets: use mode "stretch" or "crop"'):
        export(net, tmp_path / "judge.onnx", info)
    assert not list(tmp_path.iterdir())


@OFF
def test_where_gradients_are_switched_off_the_net_is_judged_and_fitted_all_the_same(
    places: Path, tmp_path: Path, off: Any
) -> None:
    pytest.importorskip("laplace")
    with off():
        made = wrapped(colour())
        assert {check.name: check.ok for check in made.checks}["gradient"]
        made.fit("laplace", places / "data")
    expected = wrapped(colour()).fit("laplace", places / "data")
    np.testing.assert_array_equal(made.held[0], expected.held[0])
    x = torch.rand((1, 3, SIDE, SIDE)).requires_grad_()  # its tensors take part in gradients
    outputs = {"logits": made(x), "features": x.mean((2, 3)).repeat(1, 2)[:, :4]}
    assert torch.isfinite(torch.autograd.grad(made.head(outputs).sum(), x)[0]).all()
    with off():
        judge = made.export(tmp_path / "judge.onnx")
    pixels = x.detach().numpy()
    np.testing.assert_allclose(judge.outputs(pixels)["logits"], made(x).detach().numpy(), atol=1e-4)


def test_an_old_spectral_norm_is_refused_until_it_is_removed() -> None:
    """Its export failed, since the first call had left a weight that cannot be copied."""
    net = colour()
    net[0] = nn.utils.spectral_norm(nn.Conv2d(3, 4, 3, padding=1))
    with pytest.raises(TrainingError, match=r"in '0'.*remove_spectral_norm"):
        wrapped(net)
    nn.utils.remove_spectral_norm(net[0])
    assert wrapped(net).last_name == "5"


def test_a_last_layer_called_by_keyword_gives_features(tmp_path: Path) -> None:
    net = Given(lambda layer, x: layer(input=x.mean((2, 3))), nn.Linear(3, 2))
    made = wrapped(net)
    assert made.last_name == "layer"
    x = torch.rand(2, 3, SIDE, SIDE)
    with torch.no_grad():
        expected = net.layer(((x - 0.5) / 0.25).mean((2, 3)))  # type: ignore[operator]
    judge = made.export(tmp_path / "judge.onnx")
    np.testing.assert_allclose(judge.outputs(x.numpy())["logits"], expected.numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("net", "given", "said"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 2)), {}, r"gray ones \[4, 1, 16, 16\].*4x256 and 784x2"),
        (colour(classes=1), {}, r"gives \[4, 1\].*torch\.cat\(\(0 \* z, z\), 1\)"),
        (Given(lambda net, x: net(x)[:, 0], colour()), {}, r"gives \[4\].*torch\.cat\(\(0 \* z, z\), 1\)"),
        (Given(lambda net, x: {"logits": net(x)}, colour()), {}, r"gives dict .* its \.logits"),
        (colour(), {"size": 8193}, r"size=8193.*at most 8,192"),
        (colour(), {"size": 10**9}, r"size=1000000000.*at most 8,192"),
        (colour(), {"labels": 2}, r"labels=\[2\] cannot be"),
        (colour(), {"weights": 3}, "weights is of type int: give the path"),
        (colour(), {"weights": {"a": 1}}, r"weights is of type dict.*load_state_dict"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(net: nn.Module, given: dict[str, Any], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        wrapped(net, **given)


def test_a_net_that_writes_into_its_pixels_has_its_features(tmp_path: Path) -> None:
    net = Given(lambda layer, x: layer(x.sub_(0.5).div_(0.25)), colour())
    made = wrapped(net, mean=None, std=None)
    assert made.last_name == "layer.5"
    x = torch.rand(3, 3, SIDE, SIDE)
    with torch.no_grad():
        expected = net.layer.eval()((x - 0.5) / 0.25)  # type: ignore[operator]
    judge = made.export(tmp_path / "judge.onnx")
    np.testing.assert_allclose(judge.outputs(x.numpy())["logits"], expected.numpy(), atol=1e-4)


def test_a_softmax_that_is_sure_of_noise_is_no_argmax() -> None:
    """Logits 104 apart are 0 and 1 exactly in float32: just what a net that needs a judge's "unknown" says of noise."""
    red = nn.Linear(3, 2, bias=False)
    red.weight.data = torch.tensor([[2000.0, 0, 0], [-2000.0, 0, 0]])
    net = Given(lambda layer, x: layer(x[:, :, 3, 3] - 0.5).softmax(1), red)
    x = torch.rand((4, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    assert set(net(x).unique().tolist()) == {0.0, 1.0}
    assert wrapped(net, mean=None, std=None).is_probability
    always = Given(lambda layer, x: layer(x[:, :, 3, 3] + 1).softmax(1), red)  # of even gray too: as an argmax is
    with pytest.raises(TrainingError, match="so sure that it rounds: wrap it without its argmax or softmax"):
        wrapped(always, mean=None, std=None)


def test_a_default_dtype_of_float64_changes_nothing() -> None:
    net = colour().eval()
    x = torch.rand(3, 3, SIDE, SIDE)
    expected = wrapped(net)(x)
    torch.set_default_dtype(torch.float64)
    try:
        made = wrapped(net)
    finally:
        torch.set_default_dtype(torch.float32)
    assert made.mean.dtype == torch.float32
    torch.testing.assert_close(made(x), expected, rtol=0, atol=0)


def test_one_out_folder_may_be_given_alone(places: Path) -> None:
    net = wrapped(colour(), mean=None, std=None)
    expected = net.fit("density", places / "data", out=[places / "out"]).held
    for alone in (places / "out", str(places / "out")):
        np.testing.assert_array_equal(net.fit("density", places / "data", out=alone).held[0], expected[0])


def test_with_one_class_folder_it_is_said_what_the_other_label_must_be(places: Path, tmp_path: Path) -> None:
    (tmp_path / "red").symlink_to(places / "data" / "red")
    with pytest.raises(TrainingError, match="are the class 'other', so call the net's other label that"):
        wrapped(colour(), labels=("red", "no red")).fit("certified", tmp_path, out=places / "out")


def test_guards_learn_from_as_many_pictures_as_there_is_room_for(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wrapfit, "ROOM", 9 * 4 * 3 * SIDE * SIDE)
    net = wrapped(colour(), mean=None, std=None).fit("density", places / "data", out=places / "out")
    assert any(note.startswith("The guard learns from 9 of ") for note in net.facts["notes"])
    assert len(net.head.centres_in) <= 2  # 4 pictures a centre


def test_a_head_whose_package_is_missing_is_refused_before_a_picture_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "laplace", None)
    with pytest.raises(MissingExtraError, match="laplace"):
        wrapped(colour()).fit("laplace", "nowhere")


def test_the_remedy_for_one_output_is_one() -> None:
    """torch.cat((0 * z, z), 1) has the softmax (1 - sigmoid(z), sigmoid(z))."""
    net = colour(classes=1).eval()
    made = wrapped(Given(lambda net, x: torch.cat((0 * net(x), net(x)), 1), net))
    x = torch.rand(3, 3, SIDE, SIDE)
    with torch.no_grad():
        torch.testing.assert_close(made(x).softmax(1)[:, 1:], net((x - 0.5) / 0.25).sigmoid())


def test_names_with_decomposed_accents_are_the_labels(places: Path, tmp_path: Path) -> None:
    made = wrapped(colour(), labels=(ODD, "b"))
    with pytest.raises(DataError, match="nowhere"):  # and not that refuse is no label
        made.fit("certified", tmp_path / "nowhere", out=[places / "out"], refuse=ODD)
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=400)
    made.held = (np.where(np.arange(2) == truth[:, None], 0.9, 0.1), truth)
    judge = made.export(tmp_path / "judge.onnx", precision=0.6, delta=0.2, prevalence={ODD: 0.3, "b": 0.4})
    assert {label: t.prevalence for label, t in judge.info.thresholds.items()} == {"ros\u00e9": 0.3, "b": 0.4}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"zebra": 0.5, "b": 0.5}, "not known: zebra"),
        ({ODD: 0.5}, "missing: b"),
        ({ODD: 0.2, "ros\u00e9": 0.2, "b": 0.2}, "two names are both"),
        ({ODD: 0.7, "b": 0.5}, r"add up to 1\.2 "),
        (0.6, r"add up to 1\.2 "),
    ],
)
def test_shares_that_are_none_of_the_labels_are_refused(tmp_path: Path, wrong: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        wrapped(colour(), labels=(ODD, "b")).export(tmp_path / "judge.onnx", prevalence=wrong)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--head", "temperature", "--data", "nowhere", "-o", "nodir/j.onnx"], 1, "nodir/j.onnx' cannot be written"),
        (
            ["--head", "temperature", "--data", "nowhere", "--prevalence", "zebra=.5", "--prevalence", "x=.1"],
            1,
            "zebra",
        ),
        (["--out", "nowhere"], 2, "--out goes with --head"),
    ],
)
def test_the_command_refuses_what_cannot_end_well_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, said: str
) -> None:
    """The folder of pictures is not there either: what is said first was looked at first."""
    (tmp_path / "odd_nets.py").write_text(
        "from torch import nn\n"
        "def mean(): return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    line = ["wrap", "odd_nets:mean", "--labels", "red,blue", "--size", "16", "--rays", "0", *words]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == code
    assert said in " ".join(done.output.split())
    assert [path.name for path in tmp_path.glob("*.onnx")] == []
