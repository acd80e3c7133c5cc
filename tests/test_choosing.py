"""benchmarks/choosing.py on tiny files: cells are made once, and hold what is computed here without it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import choosing
from choosing_heads import Guards
from choosing_material import QUICK, Task
from choosing_measures import Odds, Whole, balls, far
from choosing_table import figure, read_cells, t_interval, tables
from openset import metrics
from openset.attack import worst
from openset.errors import TrainingError
from openset.nets import Net, build
from openset.reproduce.datasets import as_inputs, read
from openset.reproduce.trained import SCHEDULES, config_of, home_of, shortened, trained
from openset.runfile import STATE, load_net, read_tensors
from standard_files import write_mnist

SHORT = shortened(SCHEDULES["short"], 1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_mnist(tmp_path / "data" / "mnist")
    write_mnist(tmp_path / "data" / "fashion-mnist", packed=True, seed=7)
    return tmp_path / "data"


def words(data: Path, *more: str) -> list[str]:
    home = data.parent
    given = ["mnist", "--data", str(data), "--runs", str(home / "runs"), "--results", str(home / "cells"), "--quick"]
    return [*given, "--seeds", "5", "--schemes", "plain", "--heads", "none,certified", *more]


def cell(data: Path, head: str) -> dict:
    return json.loads((data.parent / "cells" / "quick" / f"mnist-plain-{head}-5.json").read_text())


def softmax(net: Net, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        z = net(as_inputs(images, (1, 28, 28))).double().numpy()
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_cells_hold_what_is_computed_by_hand_and_are_made_once(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = data.parent / "page.md"
    page.write_text("before\n<!-- choosing-mnist:begin -->\nold\n<!-- choosing-mnist:end -->\nafter\n")
    short = data.parent / "short.md"
    choosing.main(words(data, "--table", str(page), "--summary", str(short)))
    capsys.readouterr()
    brief = short.read_text()
    short.unlink()
    kept = {f: f.stat().st_mtime_ns for f in data.parent.rglob("*") if f.is_file() and f != page}
    text = page.read_text()
    choosing.main(words(data, "--table", str(page)))
    assert {f: f.stat().st_mtime_ns for f in data.parent.rglob("*") if f.is_file() and f != page} == kept
    assert page.read_text() == text
    assert text.startswith("before\n<!-- choosing-mnist:begin -->\n**Accuracy")
    assert text.endswith("<!-- choosing-mnist:end -->\nafter\n")
    assert capsys.readouterr().out.strip() in text  # nothing was measured, so nothing else was printed

    net = build("lenet", 10).eval()
    load_net(net, read_tensors(home_of(data.parent / "runs", "mnist", "plain", SHORT, 5) / STATE)[0])
    x, y = read("mnist", "test", data)
    measures = np.arange(len(y)) % 5 != 0  # the others calibrate
    inside = softmax(net, x[measures])
    outside = softmax(net, read("fashion-mnist", "test", data)[0][:12]).max(1)
    none = cell(data, "none")
    assert none["error"] == pytest.approx((inside.argmax(1) != y[measures]).mean())
    assert none["n"] == measures.sum()
    assert none["mmc"] == pytest.approx(inside.max(1).mean(), abs=1e-6)
    told = none["unseen"]["fashion-mnist"]
    wins = inside.max(1)[:, None] - outside[None]
    assert told["auroc"] == pytest.approx((wins > 0).mean() + (wins == 0).mean() / 2, abs=1e-3)
    assert told["mmc"] == pytest.approx(outside.mean(), abs=1e-6)
    assert told["fpr_out"] == metrics.fpr_at_tpr(inside.max(1), outside, convention="out-positive")
    for head in ("none", "certified"):
        found = cell(data, head)["attacked"]
        assert found["n"] == 4
        assert found["mean"] >= max(found["by"].values()) - 1e-6
        assert found["highest"] >= found["mean"] >= found["noise"]
        assert found["by"][found["family"]] == max(found["by"].values())
    assert "transfer" in cell(data, "certified")["attacked"]["by"]
    guarded = cell(data, "certified")["attacked"]
    assert all(guarded["odds climbed"][name] >= guarded[name] for name in ("mean", "above", "highest"))
    assert "odds climbed" not in none["attacked"]
    assert (none["balls"], none["training"]["ratio"], none["inference"]) == (None, 1.0, 1.0)
    assert cell(data, "certified")["training"]["ratio"] > 1
    assert cell(data, "certified")["error"] == none["error"]  # a guard changes no answer
    error = 100 * none["error"]
    assert f"| plain | none | {error:.2f} | 0.00 | " in text
    found = cell(data, "none")["attacked"]
    assert set(found["by above"]) == set(found["by highest"]) == set(found["by"])
    assert max(found["by highest"].values()) == found["highest"]
    families = text.split("**Noise, family by family**")[1]
    assert f"<br>{found['by above']['pgd']:.3f}<br>{found['by highest']['pgd']:.3f} |" in families
    assert "| plain | none |" in families
    assert f"by chance {none['n'] / (none['n'] + 12):.2f}" in text
    name, told = min(none["unseen"].items(), key=lambda item: item[1]["auroc"])
    assert f"| plain | none | 1 | {error:.2f} | {none['mmc']:.3f} | {told['auroc']:.3f} ({name}) | " in brief
    bounds = {name: bound["0.05"] for name, bound in cell(data, "certified")["balls"].items()}
    near = max(bounds, key=lambda name: bounds[name])
    assert f" | {bounds[near]:.3f} ({near}) | " in brief.splitlines()[-2]

    with pytest.raises(TrainingError, match="other settings"):
        choosing.main(words(data, "--images", "3"))
    other = data.parent / "cells" / "quick" / "mnist-plain-none-6.json"
    other.write_text(json.dumps(none | {"seed": 6, "settings": none["settings"] | {"attacked": 3}}))
    with pytest.raises(TrainingError, match="different settings"):
        choosing.main(words(data, "--read"))


def test_odds_are_climbed_where_confidence_is_flat(data: Path) -> None:
    """Where float32 rounds a guard's share to 0 its confidence has no gradient; its odds have, and stand in the same order."""
    task = Task("mnist", data, 0, QUICK)
    net, (guard, _) = build("lenet", 10).eval(), Guards(task).density
    gray = torch.full_like(task.centres, 0.5)
    guard.log_lambda += float(guard.odds({"pixels": gray}).max()) + 200
    whole, x = Whole(net, guard), gray.clone().requires_grad_()
    assert torch.autograd.grad(whole(x).amax(1).sum(), x)[0].abs().max() == 0
    climb = Odds(net, guard)
    odds = climb(x)[:, 0]
    assert (torch.autograd.grad(odds.sum(), x)[0].flatten(1).abs().amax(1) > 0).all()
    pictures = torch.cat((task.test[:8], gray, task.centres))
    rising = climb(pictures)[:, 0][guard.odds({"pixels": pictures}).argsort()]
    assert rising.diff().min() > -1e-6  # what float32 rounds
    assert rising[-1] - rising[0] > 1


def test_bounds_of_the_guards_hold_under_attack(data: Path) -> None:
    class Loud(nn.Module):
        """Features and classes of a net that is sure of everything: the bounds must not rest on the net."""

        def __init__(self, head: nn.Module) -> None:
            super().__init__()
            self.head = head

        def forward(self, x: Tensor) -> Tensor:
            logits = 50 * x.flatten(2).mean(2) * torch.arange(10, dtype=x.dtype)
            return self.head({"pixels": x, "logits": logits})

    task = Task("mnist", data, 0, QUICK)
    guards = Guards(task)
    x, z = task.test[0], task.unseen["noise"][0]
    between = torch.stack(
        [x + share * (z - x) for share in torch.linspace(0, 1, 6)]
    )  # where confidence falls from 1 to .1
    task.unseen = {**task.unseen, "photographs": between}
    for head in (guards.certified[0], guards.density[0]):
        proved = balls(task, head)
        assert set(proved) == {"fashion-mnist", "noise", "photographs"}
        net = Loud(head).double()
        for name, bounds in proved.items():
            assert list(bounds.values()) == sorted(bounds.values())
            z = task.unseen[name][: QUICK.balls].double()
            for eps, bound in bounds.items():
                g = torch.Generator().manual_seed(0)
                found = worst(net, z, eps=float(eps), generator=g, budget="quick")
                assert float(found.confidence.mean()) <= bound + 1e-9
        limit = far(task, build("lenet", 10), head)["bound"]
        with torch.no_grad():
            there = [net(alpha * task.rays.double()).exp().amax(1).max() for alpha in (1e3, 1e4, 1e6)]
        assert max(map(float, there)) <= limit + 1e-9
        assert limit < 0.11


def test_out_pictures_go_with_outlier_exposure_and_asked_stays_as_it_was(data: Path) -> None:
    outside = np.random.default_rng(0).integers(0, 256, (40, 1, 28, 28), np.uint8)

    def run(scheme: str, outside: np.ndarray | None) -> Net:
        where = {"data": data, "runs": data.parent / "runs", "seed": 0, "threads": 1}
        return trained("mnist", scheme, SHORT, **where, tell=lambda *_: None, outside=outside)

    for scheme, given in (("oe", None), ("plain", outside)):
        with pytest.raises(TrainingError, match="out-pictures"):
            run(scheme, given)
    net = run("oe", outside)
    again = run("oe", outside)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
    with pytest.raises(TrainingError, match="other settings"):
        run("oe", outside[:-1])
    run("plain", None)
    assert (home_of(data.parent / "runs", "mnist", "plain", SHORT, 0) / "asked.json").read_text() == (
        '{"config": {"scheme": "plain", "epochs": 1, "batch_size": 128, "lr": 0.1, "optimiser": "sgd", '
        '"weight_decay": 0.0005, "out_weight": 1.0, "eps": 0.3, "attack_steps": 5, "patience": 1, "augment": "none", '
        '"seed": 0, "ramp": false}, "warm": true, "dataset": "mnist"}'
    )
    assert config_of("acet-mended", SCHEDULES["short"], "mnist", 0).ramp


def test_clocks_that_differ_give_a_scheme_and_a_head_one_cost_each(tmp_path: Path) -> None:
    """A guard once cost twice plain's training on one scheme's net and .7 on another's, by what else the machine did."""
    for scheme, own, clock in (("plain", 1, 1.0), ("oe", 2, 1.0), ("ceda", 2, 3.0)):
        for head, cost in (("none", 0.0), ("density", 0.5)):
            training = {"scheme": own * 10.0, "head": clock * cost * 10.0, "plain": 10.0, "ratio": 0.0}
            told = {"seed": 0, "failed": None, "settings": {}, "training": training}
            (tmp_path / f"mnist-{scheme}-{head}-0.json").write_text(json.dumps(told))
    ratios = {pair: cells[0]["training"]["ratio"] for pair, cells in read_cells(tmp_path, "mnist").items()}
    assert ratios == {
        ("plain", "none"): 1.0, ("plain", "density"): 1.5, ("ceda", "none"): 2.0, ("ceda", "density"): 2.5, ("oe", "none"): 2.0,
        ("oe", "density"): 2.5,
    }  # fmt: skip


def test_figures_carry_students_interval_from_three_seeds_on() -> None:
    mean, half = t_interval([1.0, 2.0, 3.0])
    assert (mean, half) == pytest.approx((2.0, 4.302653 / np.sqrt(3)), rel=1e-6)  # the .975 quantile, 2 degrees
    assert figure([1.0, 2.0, 3.0], 2) == "2.00 ±2.48"
    assert figure([0.25, 0.75], 2) == "0.50 (0.25 to 0.75)"
    assert figure([0.5]) == "0.500"
    assert tables(Path("nowhere"), "mnist") == "Not measured yet."
