"""`Wrapped.fit` on folders: pages of many shapes, one class folder, and folders or nets that give too little to fit on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

import openset
from openset.cli import app
from openset.errors import DataError, TrainingError
from openset.heads import fit_temperature

SIDE = 16
SHAPES = ((4, SIDE), (SIDE, 4), (SIDE, SIDE))
RED, GREEN, GRAY = (190, 60, 60), (60, 190, 60), (128, 128, 128)
GUARDS = ("density", "certified", "mahalanobis", "neighbours")
NETS = """
from torch import nn
def of_colour():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
"""


def pictures(
    folder: Path, colour: tuple[int, int, int], n: int, *, seed: int, spread: float = 60.0, shapes: object = SHAPES
) -> None:
    """n noisy PNG of about one colour, each a shade of its own, in `shapes` by turns."""
    folder.mkdir(parents=True)
    rng, sizes = np.random.default_rng(seed), list(shapes)  # type: ignore[call-overload]
    for i in range(n):
        shade = np.array(colour) + rng.normal(0, spread, 3)
        pixels = (shade + rng.normal(0, 20, (*sizes[i % len(sizes)], 3))).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")


def of_colour() -> nn.Sequential:
    """Red or gray (or green), by the mean colour over the whole picture, whatever its shape; too sure, so at times wrong."""
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    linear = net[2]
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[20.0, -20.0, 0.0], [-20.0, 20.0, 0.0]]))
        linear.bias.zero_()
    return net


def pixels_of(path: Path) -> NDArray[np.float32]:
    """[1, 3, H, W] of a picture whose long side is SIDE: mode "fit" leaves it as it is."""
    return np.asarray(Image.open(path), np.float32).transpose(2, 0, 1)[None] / 255


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """given/{train,val,test}/{red,green}/ and out/: narrow, flat and square pages."""
    home = tmp_path_factory.mktemp("pages")
    for k, (side, n) in enumerate((("train", 40), ("val", 20), ("test", 40))):
        pictures(home / "given" / side / "red", RED, n, seed=10 + k)
        pictures(home / "given" / side / "green", GREEN, n, seed=20 + k)
    pictures(home / "out", (90, 90, 230), 30, seed=30)
    return home


@pytest.mark.parametrize("head", ["temperature", "laplace", "mahalanobis", "neighbours"])
def test_in_mode_fit_what_thresholds_come_from_is_what_the_judge_says(pages: Path, tmp_path: Path, head: str) -> None:
    """Pages were once padded with white to the largest of their batch, which a judge never does: other logits, other answers."""
    net = openset.wrap(of_colour(), labels=("red", "green"), size=SIDE, mode="fit")
    judge = net.fit(head, pages / "given", out=[pages / "out"]).export(tmp_path / "judge.onnx")  # type: ignore[arg-type]
    assert net.held is not None
    p, truth = net.held
    for k, label in enumerate(judge.labels):
        tested = judge(sorted((pages / "given" / "test" / label).iterdir()))  # type: ignore[arg-type]
        expected = np.array([[d.probabilities[name] for name in judge.labels] for d in tested])  # type: ignore[attr-defined]
        np.testing.assert_allclose(p[truth == k], expected, atol=1e-5)
    assert (truth < 0).any()  # out-pictures are held out too


def test_in_mode_fit_the_temperature_is_that_of_the_judges_logits(pages: Path, tmp_path: Path) -> None:
    net = openset.wrap(of_colour(), labels=("red", "green"), size=SIDE, mode="fit")
    judge = net.export(tmp_path / "plain.onnx")
    files = [p for side in ("train", "val") for p in sorted((pages / "given" / side).rglob("*.png"))]
    logits = np.concatenate([judge.outputs(pixels_of(p))["logits"] for p in files])
    expected = fit_temperature(logits, np.array([judge.labels.index(p.parent.name) for p in files]))
    net.fit("temperature", pages / "given")
    assert net.head is not None
    assert float(net.head.temperature) == pytest.approx(float(expected.temperature), rel=1e-4)  # type: ignore[arg-type]


@pytest.mark.parametrize("head", ["density", "certified"])
def test_heads_for_pictures_of_one_size_are_refused_in_mode_fit_before_anything_is_read(head: str) -> None:
    net = openset.wrap(of_colour(), labels=("red", "green"), size=SIDE, mode="fit")
    with pytest.raises(TrainingError, match=f'"{head}" looks at pictures of one size.*"stretch" or "crop"'):
        net.fit(head, "nowhere", out=["nowhere"])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """one/red/ and others/, gray: "is it this, or not?" """
    home = tmp_path_factory.mktemp("one")
    pictures(home / "one" / "red", RED, 60, seed=1, spread=8, shapes=[(SIDE, SIDE)])
    pictures(home / "others", GRAY, 60, seed=2, spread=8, shapes=[(SIDE, SIDE)])
    return home


def always_red() -> nn.Sequential:
    """It sees colour, and is sure of red whatever it sees."""
    net = of_colour()
    with torch.no_grad():
        net[2].bias[0] = 200.0  # type: ignore[union-attr,operator,index]
    return net


@pytest.mark.parametrize("head", ["density", "mahalanobis", "neighbours"])
def test_with_one_class_folder_a_guard_learns_from_the_out_folders_what_is_strange(
    one: Path, tmp_path: Path, head: str
) -> None:
    net = openset.wrap(always_red(), labels=("red", "other"), size=SIDE)
    judge = net.fit(head, one / "one", out=[one / "others"]).export(tmp_path / "judge.onnx")  # type: ignore[arg-type]
    assert net.held is not None
    assert set(net.held[1]) == {0, 1}  # what is held out of the out folders is the class "other"
    assert any("refuse='other'" in note for note in judge.info.facts["notes"])
    known, strange = (
        [d.probabilities["red"] for d in judge(sorted(folder.iterdir()))]  # type: ignore[arg-type,attr-defined]
        for folder in (one / "one" / "red", one / "others")
    )
    assert np.mean(known) > 0.9
    assert np.mean(strange) < 0.7  # the net says 1 of all; 1/2 is what a guard that believes nothing leaves


def test_is_it_this_or_not_on_the_command_line(one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mynets_of_colour.py").write_text(NETS)
    torch.save(always_red().state_dict(), tmp_path / "weights.pt")
    monkeypatch.chdir(tmp_path)
    words = ["wrap", "mynets_of_colour:of_colour", "--labels", "red,other", "--size", str(SIDE), "--rays", "0"]
    words += ["--weights", "weights.pt", "--head", "certified", "--precision", "0.7", "--delta", "0.2"]
    words += ["--data", str(one / "one"), "--out", str(one / "others")]
    done = CliRunner().invoke(app, [*words, "--refuse", "other"])
    assert done.exit_code == 0, done.output
    judge = openset.open_judge("judge.onnx")
    for folder, label in ((one / "one" / "red", "red"), (one / "others", "other")):
        answers = [judge(path) for path in folder.iterdir()]
        assert {d.best for d in answers} == {label}  # the net alone says red of all
        assert sum(d.label == label for d in answers) > 0.8 * len(answers)
    wrong = CliRunner().invoke(app, [*words, "--refuse", "red"])
    assert wrong.exit_code == 1
    assert "Give refuse='other'" in wrong.output


@pytest.mark.parametrize("head", GUARDS)
@pytest.mark.parametrize("readable", [0, 1])
def test_too_few_readable_out_pictures_are_one_message_that_names_the_folder(
    pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str, readable: int
) -> None:
    (tmp_path / "scraps").mkdir()
    for i in range(3):
        (tmp_path / "scraps" / f"{i}.png").write_bytes(b"no picture")
    for path in sorted((pages / "out").iterdir())[:readable]:
        shutil.copy(path, tmp_path / "scraps")
    (tmp_path / "mynets_of_colour.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    words = ["wrap", "mynets_of_colour:of_colour", "--labels", "red,green", "--size", str(SIDE), "--rays", "0"]
    done = CliRunner().invoke(app, [*words, "--head", head, "--data", str(pages / "given"), "--out", "scraps"])
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    told = "at least 2 pictures that are no class" if readable else "no picture of the out folder 'scraps' can be used"
    assert told in done.output
    assert "'scraps'" in done.output
    assert not (tmp_path / "judge.onnx").exists()


def test_one_class_whose_pictures_are_too_small_is_named(one: Path, tmp_path: Path) -> None:
    for side, size in (("train", SIDE), ("val", 4), ("test", SIDE)):
        pictures(tmp_path / "small" / side / "red", RED, 5, seed=size, shapes=[(size, size)])
    net = openset.wrap(of_colour(), labels=("red", "other"), size=SIDE)
    with pytest.raises(DataError, match=r"'red' has no readable picture left to validate with.*small"):
        net.fit("mahalanobis", tmp_path / "small", out=[one / "others"])


class Broken(nn.Module):
    """Not a number on pictures that `fails` of; else the net by colour."""

    def __init__(self, fails: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.fails = of_colour(), fails

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3))
        mean = torch.where(self.fails(mean)[:, None], torch.nan, mean)
        return self.net(mean[:, :, None, None])


@pytest.mark.parametrize("head", ["temperature", "laplace", "mahalanobis", "neighbours"])
def test_a_net_that_fails_on_some_pictures_is_an_error_of_ours(pages: Path, head: str) -> None:
    broken = Broken(lambda mean: mean[:, 0] - mean[:, 1] > 0.3)  # of the reddest; the noise of wrap's checks is even
    net = openset.wrap(broken, labels=("red", "green"), size=SIDE)
    with pytest.raises(TrainingError, match=f'"{head}" cannot be fitted with this net and these pictures.*finite'):
        net.fit(head, pages / "given", out=[pages / "out"])  # type: ignore[arg-type]


def test_a_net_that_fails_on_held_out_pictures_is_an_error_before_the_export(pages: Path, tmp_path: Path) -> None:
    pictures(tmp_path / "white", (240, 240, 240), 12, seed=5, spread=2)
    net = openset.wrap(Broken(lambda mean: mean.amin(1) > 0.8), labels=("red", "green"), size=SIDE)
    with pytest.raises(TrainingError, match="held-out pictures the net gives numbers that are not finite"):
        net.fit("temperature", pages / "given", out=[tmp_path / "white"])
    assert net.held is None
