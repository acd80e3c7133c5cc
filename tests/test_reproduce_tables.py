"""`openset reproduce table1`, `table2`: whole commands on tiny files in the real formats, and the figures themselves."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from openset import metrics
from openset._schedule import eps_at, learning_rate, make_optimiser
from openset.cli import app
from openset.nets import build
from openset.reproduce import tables
from openset.reproduce.papers import ADVERSARIAL, ATTACKED, NOISE
from openset.reproduce.trained import SCHEDULES, config_of, home_of, shortened, trained
from openset.runfile import write_tensors
from standard_files import write_cifar, write_mnist, write_svhn

FEW = ("--images", "8", "--attacked", "3", "--threads", "1", "--epochs", "1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_mnist(tmp_path / "data" / "mnist")
    write_mnist(tmp_path / "data" / "fashion-mnist", packed=True, seed=7)
    write_svhn(tmp_path / "data" / "svhn")
    write_cifar(tmp_path / "data" / "cifar10", coarse=False)
    return tmp_path / "data"


def command(table: str, dataset: str, data: Path, *more: str) -> tuple[int, str]:
    words = ["reproduce", table, "--dataset", dataset, "--data", str(data), "--runs", str(data / "runs"), *more]
    done = CliRunner().invoke(app, words)
    assert not isinstance(done.exception, (AttributeError, TypeError, RuntimeError)), done.exception
    return done.exit_code, done.output


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_table1_is_trained_once_measured_once_and_printed(data: Path) -> None:
    code, text = command("table1", "mnist", data, *FEW, "--json")
    assert code == 0, text
    found = rows(text)
    assert [row["scheme"] for row in found] == ["plain", "ceda", "acet"]
    for row in found:
        assert (row["schedule"], row["epochs"], row["seed"]) == ("short1", 1, 0)
        assert [out["set"] for out in row["out"]] == [
            "fashion-mnist",
            "svhn",
            "cifar10",
            NOISE,
            ATTACKED,
            ADVERSARIAL,
        ]
        sets = {out["set"]: out for out in row["out"]}
        assert (sets["svhn"]["n"], sets[ATTACKED]["n"]) == (8, 3)
        assert sets[ATTACKED]["kind"] == "searched"
        assert row["test_error"]["n"] == 8
        assert row["resisted"]["n"] == 3
        low, high = row["test_error"]["interval"]
        assert low <= row["test_error"]["value"] <= high
    kept = {path: path.stat().st_mtime_ns for path in (data / "runs").rglob("*") if path.is_file()}
    assert command("table1", "mnist", data, *FEW, "--json") == (0, text)
    assert {path: path.stat().st_mtime_ns for path in (data / "runs").rglob("*") if path.is_file()} == kept
    code, shown = command("table1", "mnist", data, *FEW)
    assert code == 0
    assert "schedule short1" in shown
    assert "ACET 1 epochs with" in shown
    assert "from CEDA's weights" in shown
    assert "| fashion-mnist: FPR@95, in positive (the paper's) |" in shown
    assert "FPR@95, out positive (OpenOOD's)" in shown


def test_colour_sets_take_the_resnet_and_the_papers_figures_stand_beside(data: Path) -> None:
    code, text = command("table1", "svhn", data, *FEW, "--attacked", "1", "--schemes", "plain", "--json")
    assert code == 0, text
    (row,) = rows(text)
    assert row["test_error"]["paper"] == 0.0353
    sets = {out["set"]: out for out in row["out"]}
    assert sets["cifar10"]["fpr95_in_positive"]["paper"] == 0.348
    assert sets[ATTACKED]["auroc"]["paper"] == 0.004
    assert sets["mnist"]["auroc"]["paper"] is None


def test_table2_gives_the_median_alpha_and_the_clipped_share(data: Path) -> None:
    more = ("--rays", "5", "--clipped", "3", "--threads", "1", "--epochs", "1", "--schemes", "plain")
    code, text = command("table2", "fashion-mnist", data, *more, "--json")
    assert code == 0, text
    (row,) = rows(text)
    assert row["median_alpha"]["n"] == 5
    assert row["median_alpha"]["kind"] == "searched"
    exponent = np.log(row["median_alpha"]["value"]) / np.log(1.1)
    assert exponent == pytest.approx(round(exponent))
    assert row["clipped_above_95"]["n"] == 3
    assert "median first alpha" in command("table2", "fashion-mnist", data, *more)[1]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--schemes", "plain,ccu"), 2, "'ccu'"),
        (("--dataset", "cifar100"), 1, "cs.toronto.edu"),
        (("--dataset", "emnist"), 2, "emnist"),
    ],
)
def test_wrong_words_and_missing_data_are_told_in_one_line(
    data: Path, more: tuple[str, ...], code: int, said: str
) -> None:
    got, text = command("table1", "mnist", data, *FEW, *more)
    assert got == code
    assert said in text
    assert "Traceback" not in text


def test_a_run_of_other_settings_is_not_taken_for_this_one(data: Path) -> None:
    more = ("--epochs", "1", "--schemes", "plain", "--rays", "2", "--clipped", "1", "--threads", "1")
    assert command("table2", "mnist", data, *more)[0] == 0
    note = home_of(data / "runs", "mnist", "plain", shortened(SCHEDULES["short"], 1), 0) / "asked.json"
    note.write_text(note.read_text().replace('"epochs": 1', '"epochs": 2'))
    code, text = command("table2", "mnist", data, *more)
    assert code == 1
    assert "other settings" in text


def test_a_broken_set_is_told_before_anything_is_trained(data: Path) -> None:
    for path, name in (
        (data / "svhn" / "test_32x32.mat", "test_32x32.mat"),
        (data / "mnist" / "t10k-labels-idx1-ubyte", "t10k"),
    ):
        kept = path.read_bytes()
        path.write_bytes(kept[: len(kept) // 2])
        code, text = command("table1", "mnist", data, *FEW)
        path.write_bytes(kept)
        assert code == 1
        assert name in text
        assert not (data / "runs").exists()


def test_a_spoilt_note_of_a_run_is_not_taken_for_this_one(data: Path) -> None:
    home = home_of(data / "runs", "mnist", "plain", shortened(SCHEDULES["short"], 1), 0)
    home.mkdir(parents=True)
    (home / "asked.json").write_text('{"config": {"sch')
    code, text = command("table2", "mnist", data, "--epochs", "1", "--schemes", "plain", "--threads", "1")
    assert code == 1
    assert "other settings" in text


def test_training_that_was_killed_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist")
    schedule = dataclasses.replace(shortened(SCHEDULES["short"], 2), attack_steps=2)

    def acet(runs: str, tell: Any) -> bytes:
        trained("mnist", "acet", schedule, data=tmp_path, runs=tmp_path / runs, seed=3, threads=1, tell=tell)
        return (home_of(tmp_path / runs, "mnist", "acet", schedule, 3) / "state.safetensors").read_bytes()

    def power_cut(what: str, done: int, _total: int) -> None:
        if what == "mnist acet" and done == 2:
            raise OSError("power cut")

    with pytest.raises(OSError, match="power cut"):
        acet("cut", power_cut)
    assert acet("cut", lambda *_: None) == acet("whole", lambda *_: None)


def test_the_papers_schedule_has_the_papers_numbers() -> None:
    paper = SCHEDULES["paper"]
    for dataset in ("mnist", "fashion-mnist", "svhn", "cifar10", "cifar100"):
        config = config_of("acet", paper, dataset, 0)
        assert (config.epochs, config.lr, config.optimiser, config.weight_decay) == (100, 0.1, "sgd", 5e-4)
        assert (config.eps, config.attack_steps, config.out_weight) == (0.3, 40, 1.0)
        assert eps_at(config, 0) == 0.3  # whole from the first batch on
        rates = [learning_rate(config, at) for at in (0.0, 0.499, 0.5, 0.75, 0.9)]
        assert rates == pytest.approx([0.1, 0.1, 0.01, 1e-3, 1e-4])
    assert not paper.warm
    short = config_of("acet", SCHEDULES["short"], "mnist", 0)
    assert short.eps == 0.3  # only the training is shorter: the ball is the paper's


@pytest.mark.parametrize("dataset", ["mnist", "svhn"])
def test_where_the_papers_schedule_is_not_the_released_codes_is_as_its_docstring_tells(dataset: str) -> None:
    torch.manual_seed(0)
    config = config_of("plain", SCHEDULES["paper"], dataset, 0)
    net = build("lenet" if dataset == "mnist" else "resnet-small", 10)
    weights = net.head.weight.detach().double().requires_grad_()
    (released,) = torch.autograd.grad(config.weight_decay * weights.square().sum(), weights)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    make_optimiser(net, config).step()
    moved = {name: (before[name] - p.detach()) / config.lr for name, p in net.named_parameters()}
    torch.testing.assert_close(moved["head.weight"].double(), released / 2, rtol=1e-2, atol=1e-7)
    assert all(not moved[name].any() for name, p in net.named_parameters() if p.dim() == 1)
    assert {m.momentum for m in net.modules() if isinstance(m, nn.BatchNorm2d)} <= {0.1}
    assert (config.augment, config.optimiser) == ({"mnist": "none", "svhn": "crop"}[dataset], "sgd")


def place(tmp_path: Path, dataset: str = "svhn") -> tables.Place:
    return tables.Place(dataset, "acet", SCHEDULES["paper"], 0, tmp_path, tmp_path)


def test_a_rows_figures_are_those_of_independent_formulas(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inside, outside = rng.uniform(0.4, 1, 400), rng.uniform(0.1, 0.8, 300)
    scores: Mapping[str, Tensor] = {
        "in": torch.from_numpy(inside),
        "right": torch.tensor([1.0] * 390 + [0.0] * 10),
        "cifar10": torch.from_numpy(outside),
        ADVERSARIAL: torch.zeros(0),
        "resisted": torch.tensor([1.0, 1.0]),
    }
    row = tables.table1_row(place(tmp_path), scores)
    assert row["test_error"]["value"] == 0.025
    assert row["test_error"]["interval"] == pytest.approx(
        [0.01205, 0.04548], abs=2e-5
    )  # Clopper and Pearson, 10 of 400
    assert row["mmc_in"]["value"] == pytest.approx(inside.mean())
    out = row["out"][0]
    pairs = (inside[:, None] > outside[None]).mean()
    assert out["auroc"]["value"] == pytest.approx(pairs)
    threshold = np.sort(inside)[20]  # 380 of 400 are at or above it
    assert out["fpr95_in_positive"]["value"] == pytest.approx((outside >= threshold).mean())
    below = np.sort(outside)[284]  # 285 of 300 are at or below it
    assert out["fpr95_out_positive"]["value"] == pytest.approx((inside <= below).mean())
    assert (out["fpr95_in_positive"]["n"], out["fpr95_out_positive"]["n"]) == (300, 400)
    for key, convention in (("fpr95_in_positive", "in-positive"), ("fpr95_out_positive", "out-positive")):
        wanted = metrics.fpr_interval(inside, outside, convention=convention)  # type: ignore[arg-type]
        assert out[key]["interval"] == list(wanted)
    assert out["auroc"]["interval"] == list(metrics.auroc_interval(inside, outside))
    assert out["mmc"]["paper"] == 0.435
    assert row["out"][1] == {"set": ADVERSARIAL, "n": 0, "kind": "searched"}  # no attack came through
    assert row["resisted"]["value"] == 1


def test_an_attacked_picture_is_resisted_only_by_a_net_that_says_something() -> None:
    logits = torch.tensor([[5.0, 0, 0], [0, 5.0, 0], [0, 0, 0], [0.001, 0, 0]])
    assert tables.wrong(logits, torch.tensor([0, 0, 0, 0])).tolist() == [False, True, True, True]


@pytest.mark.parametrize("few", [1, 3, 64, 65, 192, 300, 500, 1_000])
@pytest.mark.parametrize("images", [3, 500, 1_000])
def test_attacked_noise_is_of_both_kinds_alike(images: int, few: int) -> None:
    x = torch.zeros(images, 1, 8, 8)  # black: its permuted pictures are black too, uniform noise is not
    few = min(few, images)
    chosen = tables.mixture(images, few)
    assert len(chosen.unique()) == few == len(chosen)
    uniform = int((tables.noise(x)[chosen].amax((1, 2, 3)) > 0).sum())
    assert abs(2 * uniform - few) <= max(2, few / 20)


def test_five_hundred_of_ten_thousand_are_the_first_as_ever() -> None:
    assert tables.mixture(10_000, 500).tolist() == list(range(500))


def test_confidences_of_other_noise_are_not_taken_for_these(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist")
    where, net = place(tmp_path, "mnist"), Bright(0.5)
    scores = {
        n: tables.table1_scores(net, where, tables.Sizes(images=n, attacked=6), lambda *_: None)[ATTACKED]
        for n in (20, 6)
    }
    assert not torch.equal(scores[20], scores[6])
    fresh = dataclasses.replace(where, runs=tmp_path / "fresh")
    again = tables.table1_scores(net, fresh, tables.Sizes(images=6, attacked=6), lambda *_: None)[ATTACKED]
    assert torch.equal(again, scores[6])


def test_confidences_of_another_set_of_as_many_pictures_are_not_taken_for_these(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist")
    where, net, sizes = place(tmp_path, "mnist"), Bright(0.3), tables.Sizes(images=6, attacked=2)

    def others(seed: int) -> Tensor:
        write_mnist(tmp_path / "fashion-mnist", seed=seed)
        scores = tables.table1_scores(net, where, sizes, lambda *_: None)["fashion-mnist"]
        bright = tables.inputs(where, "fashion-mnist", 6)[0].double().mean((1, 2, 3))
        torch.testing.assert_close(scores, torch.sigmoid(20 * (bright - 0.3).abs()), atol=1e-5, rtol=0)
        return scores

    def times() -> dict[str, int]:
        return {file.name: file.stat().st_mtime_ns for file in (where.home / "scores").iterdir()}

    first = others(7)
    kept = times()
    assert torch.equal(others(7), first)
    assert times() == kept
    assert not torch.equal(others(8), first)
    now = times()
    assert {name for name in now if now[name] != kept[name]} == {"fashion-mnist-6.safetensors"}
    file = where.home / "scores" / "fashion-mnist-6.safetensors"
    write_tensors(
        file, {"fashion-mnist": torch.zeros(6)}, {"set": "fashion-mnist", "n": 6}
    )  # by a release without digests
    others(8)


class Bright(nn.Module):
    """Class 0 for pictures darker than `centre`, class 1 for brighter ones; eight more that are never likely."""

    def __init__(self, centre: float) -> None:
        super().__init__()
        self.centre = nn.Parameter(torch.tensor(centre))

    def forward(self, x: Tensor) -> Tensor:
        logit = 10 * (x.mean((1, 2, 3)) - self.centre)
        return torch.stack([-logit, logit, *[torch.full_like(logit, -99.0)] * 8], 1)


@pytest.mark.parametrize("centre", [0.3, 0.5])
def test_attacked_test_pictures_go_to_the_wrong_class_and_noise_to_the_surest(tmp_path: Path, centre: float) -> None:
    write_mnist(tmp_path / "mnist")
    where = place(tmp_path, "mnist")
    scores = tables.table1_scores(Bright(centre), where, tables.Sizes(images=20, attacked=20), lambda *_: None)
    x, y = tables.inputs(where, "mnist", 20)

    def sure(images: Tensor) -> Tensor:
        return torch.sigmoid(20 * (images.double().mean((1, 2, 3)) - centre).abs())

    torch.testing.assert_close(scores["in"], sure(x), atol=1e-5, rtol=0)
    assert scores["right"].tolist() == [float(label == 0) for label in y]  # all pictures are dark
    brightest = (x.double() + 0.3).clamp(0, 1)
    crosses = bool((brightest.mean((1, 2, 3)) > centre).all())  # .45 > .3, but not > .5
    assert crosses == (centre == 0.3)
    assert scores["resisted"].tolist() == [float(label == 0 and not crosses) for label in y]
    if crosses:  # label 0 goes to the brightest point, the others to the darkest or the brightest
        torch.testing.assert_close(scores[ADVERSARIAL][y == 0], sure(brightest)[y == 0], atol=1e-4, rtol=0)
    z = tables.noise(x)
    reachable = torch.maximum(sure((z - 0.3).clamp(0, 1)), sure((z + 0.3).clamp(0, 1)))
    assert bool((scores[ATTACKED] <= reachable + 1e-5).all())
    assert bool((scores[ATTACKED] >= scores[NOISE] - 1e-6).all())
    assert bool((scores[ATTACKED] > 0.98).all())
