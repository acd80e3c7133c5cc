"""`openset audit --rays` as a user meets it: noise, pictures, a net of one's own, and what is said where it cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from openset.cli import app

NET = """
import torch
from torch import nn

def made():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))

def gray():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))

def one():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 1))

class Prepares(nn.Sequential):
    def preprocess(self, x):
        return x

def prepares():
    return Prepares(*made())

def centred():
    torch.manual_seed(0)
    net = nn.Conv2d(3, 8, 3)
    net.weight.data.copy_(torch.tensor([1.0, -2.0, 1.0]).view(1, 1, 1, 3).expand(8, 3, 3, 3))
    return nn.Sequential(net, nn.ReLU(), nn.Flatten(), nn.Linear(288, 3))

def shy():
    torch.manual_seed(0)
    net = nn.Linear(192, 3).double()
    net.weight.data[:], net.bias.data[:] = 1e-300, -1e30
    return nn.Sequential(nn.Flatten(), net, nn.ReLU(), nn.Linear(3, 3))

def soft():
    return nn.Sequential(made(), nn.Softmax(1))

number = 3
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "raynet.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_net_of_ones_own_on_noise_and_pictures(here: Path) -> None:
    done = CliRunner().invoke(app, ["audit", "raynet:made", "--rays", "--size", "8", "--count", "2", "--json"])
    assert done.exit_code == 0, done.output
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["picture"] for r in records] == ["noise 0", "noise 1"]
    for r in records:
        assert r["limit_confidence"] == 1.0
        assert r["limit_kind"] == r["first_kind"] == "proved"
        assert r["first_alpha"] >= 1
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (20, 20, 3), np.uint8)).save(here / "x.png")
    done = CliRunner().invoke(app, ["audit", "raynet:made", "x.png", "--rays", "--size", "8"])
    assert done.exit_code == 0, done.output
    assert "x.png" in done.stdout
    assert "proved" in done.stdout


def test_a_net_of_gray_pictures_gets_gray_pictures(here: Path) -> None:
    """The limit is that of the picture's luma, computed here from its pixels (ITU-R BT.601)."""
    import raynet
    import torch

    from openset.audit import limits

    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(here / "x.png")
    luma = torch.from_numpy(pixels / 255 @ np.array([0.299, 0.587, 0.114]))[None, None]
    for words, name in ((["x.png"], "x.png"), ([], "noise 0")):
        done = CliRunner().invoke(
            app, ["audit", "raynet:gray", *words, "--rays", "--size", "8", "--count", "1", "--json"]
        )
        assert done.exit_code == 0, done.output
        record = json.loads(done.stdout)
        assert record["picture"] == name
        if words:
            assert record["last_alpha"] == pytest.approx(float(limits(raynet.gray(), luma).last_alpha[0]), rel=1e-4)


def test_a_flat_picture_under_centred_filters_is_measured_not_proved(here: Path) -> None:
    Image.new("RGB", (8, 8), (200, 200, 200)).save(here / "flat.png")
    words = ["audit", "raynet:centred", "flat.png", "--rays", "--size", "8"]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert (record["limit_kind"], record["margin"]) == ("measured", 0.0)
    done = CliRunner().invoke(app, words)
    assert done.stdout.splitlines()[1].split()[3] == "measured"


def test_an_alpha_beyond_all_numbers_is_null_in_json() -> None:
    done = CliRunner().invoke(app, ["audit", "raynet:shy", "--rays", "--size", "8", "--count", "1", "--json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["last_alpha"] is None
    assert (record["first_alpha"], record["first_kind"]) == (None, "measured")  # it is at 1e330: "never" is not proved


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["raynet:prepares", "--rays"], "--size PIXELS"),
        (["raynet:made", "--rays", "--size", str(2**22)], "no memory"),
        (["raynet:one", "--rays", "--size", "8"], "one logit"),
        (["raynet:soft", "--rays", "--size", "8"], "'softmax'"),
        (["raynet:made", "--rays"], "--size PIXELS"),
        (["raynet:none", "--rays"], "cannot be imported"),
        (["raynet:made", "empty", "--rays", "--size", "8"], "no pictures found"),
    ],
)
def test_what_cannot_be_done_is_one_line(here: Path, words: list[str], said: str) -> None:
    (here / "empty").mkdir()
    done = CliRunner().invoke(app, ["audit", *words])
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


def test_nothing_to_audit_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["audit", "raynet:made"]).exit_code == 2


@pytest.mark.parametrize("columns", [30, 60, 80, 120])
def test_the_table_of_rays_fits_the_terminal_and_tells_its_columns_apart(here: Path, columns: int) -> None:
    Image.new("RGB", (8, 8), (200, 30, 90)).save(here / f"{'a' * 60}-b.png")
    words = ["audit", "raynet:made", f"{'a' * 60}-b.png", "--rays", "--size", "8"]
    done = CliRunner().invoke(app, words, env={"COLUMNS": str(columns)})
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    if columns < 80:
        assert "".join(lines[: -(-66 // columns)]) == f"{'a' * 60}-b.png"
        assert "  limit" in done.stdout
    else:
        assert lines[0].split() == [
            "picture",
            "limit",
            "conf.",
            "limit",
            "kind",
            "first",
            "alpha",
            "first",
            "kind",
            "regions",
        ]
        assert lines[1].startswith("...aaa")
        assert "a-b.png " in lines[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mine.onnx", "'mine.onnx' is a judge file, and rays need the net: give the run's folder, or module:callable."),
        ("sheet-music", "'sheet-music' is a judge file, and rays need the net"),
        ("mynets", "'mynets' is no folder of a run: give the run's folder, or module:callable."),
    ],
)
def test_what_is_no_net_is_told_with_what_to_give(here: Path, given: str, said: str) -> None:
    (here / "mine.onnx").touch()
    done = CliRunner().invoke(app, ["audit", given, "--rays"])
    assert done.exit_code == 1
    assert said in done.output
