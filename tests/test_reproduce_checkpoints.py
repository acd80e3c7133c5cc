"""`openset reproduce checkpoints`: figures against independent formulas, the second run, the wrong folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from openset.cli import app
from openset.reproduce import checkpoints as c
from openset.reproduce.material import KINDS, noise, photographs, seeded
from test_authors import drawn

FEW = ("--images", "4", "--attacked", "1", "--rays", "3", "--clipped", "2")


class Brightness(nn.Module):
    """Two classes; the logit of the first is `slope` times the mean pixel, minus 1."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, x: Tensor) -> Tensor:
        logit = self.slope * x.mean((1, 2, 3)) - 1
        return torch.stack([logit, torch.zeros_like(logit)], 1)


def test_clipped_hit_is_told_by_the_brightest_clipped_picture() -> None:
    x = torch.rand((6, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    # the mean pixel of clip(alpha x) rises to 1: sigmoid(slope - 1) > .95 needs slope > 1 + log 19 = 3.944
    assert c.clipped_hit(Brightness(4.0), x).tolist() == [True] * 6
    assert c.clipped_hit(Brightness(3.9), x).tolist() == [False] * 6
    dark = torch.zeros((1, 3, 8, 8))
    dark[0, :, :4] = 0.5  # clips to a mean of one half
    assert c.clipped_hit(Brightness(7.8), dark).tolist() == [False]
    assert c.clipped_hit(Brightness(8.0), dark).tolist() == [True]


def test_figures_are_the_mean_the_median_and_the_share_of_the_single_values() -> None:
    rng = np.random.default_rng(0)
    alphas = [*rng.uniform(1, 9, 98), np.inf, np.inf]
    values = {"noise": rng.uniform(size=400).tolist(), "attacked": [1.0] * 8, "clipped": [1.0] * 3 + [0.0] * 97}
    found = c.summary("svhn_acet", values | {"alpha": alphas, "alpha_bisected": [np.inf] * 5})
    assert found["noise_mmc"]["value"] == pytest.approx(np.mean(values["noise"]))
    low, high = found["noise_mmc"]["interval"]
    half = 1.96 * np.std(values["noise"]) / 20
    assert (low, high) == pytest.approx((np.mean(values["noise"]) - half, np.mean(values["noise"]) + half), abs=0.006)
    assert found["attacked_noise_mmc"]["interval"] == [1, 1]
    assert found["median_alpha_grid"]["value"] == np.sort(alphas)[49]
    assert found["median_alpha_grid"]["interval"] == [np.sort(alphas)[39], np.sort(alphas)[60]]  # 40th and 61st of 100
    assert found["median_alpha_bisection"]["value"] is None
    assert found["clipped_above_95"]["interval"] == pytest.approx([0.0062, 0.0852], abs=2e-4)  # Clopper and Pearson
    assert found["clipped_above_95"]["paper"] == 0.502


def test_the_command_measures_once_and_says_the_papers_figures(tmp_path: Path) -> None:
    np.savez(tmp_path / "cifar10_acet.npz", **drawn(10))  # type: ignore[arg-type]
    words = ["reproduce", "checkpoints", str(tmp_path), *FEW, "--cells", str(tmp_path / "cells")]
    first = CliRunner().invoke(app, words)
    assert first.exit_code == 0, first.output
    assert "| cifar10_acet |" in first.output
    assert "paper 45.3" in first.output
    cell = tmp_path / "cells" / "cifar10_acet.json"
    kept = cell.stat().st_mtime_ns
    again = CliRunner().invoke(app, [*words, "--json"])
    assert cell.stat().st_mtime_ns == kept
    row = json.loads(again.stdout)
    values = json.loads(cell.read_text())["values"]
    assert row["noise_mmc"]["value"] == pytest.approx(np.mean(values["noise"]))
    assert [len(v) for v in values.values()] == [4, 1, 3, 3, 2]
    (which,) = c.chosen(c.Sizes(noise=4, attacked=1)).tolist()
    assert row["attacked_noise_mmc"]["value"] >= values["noise"][which]  # the same picture, attacked
    other = CliRunner().invoke(app, [*words, "--images", "5", "--json"])
    assert json.loads(other.stdout)["noise_mmc"]["n"] == 5


def test_another_file_of_the_same_name_and_a_spoilt_cell_are_measured_anew(tmp_path: Path) -> None:
    def measured(folder: str) -> float:
        words = ["reproduce", "checkpoints", str(tmp_path / folder), *FEW, "--cells", str(tmp_path / "cells"), "--json"]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["noise_mmc"]["value"]

    arrays = drawn(10)
    for folder, head in (("a", arrays["logit|fc|weights"]), ("b", 0 * arrays["logit|fc|weights"])):
        (tmp_path / folder).mkdir()
        told = arrays | {"logit|fc|weights": head, "logit|fc|biases": 0 * arrays["logit|fc|biases"]}
        np.savez(tmp_path / folder / "svhn_plain.npz", **told)  # type: ignore[arg-type]
    first = measured("a")
    assert first > 0.2
    assert measured("b") == pytest.approx(0.1)  # all logits 0
    (tmp_path / "cells" / "svhn_plain.json").write_text('{"sizes": {"no')
    assert measured("a") == pytest.approx(first)


@pytest.mark.parametrize("few", [1, 2, 16, 20, 33, 48, 64, 100, 1024, 2000])
def test_attacked_noise_is_of_both_kinds_alike(few: int) -> None:
    for noise_ in (40, 64, 1024):
        which = c.chosen(c.Sizes(noise=noise_, attacked=few))
        n = min(few, noise_)
        assert len(which.unique()) == len(which) == n
        last = noise_ // 32 * 32
        half = torch.where(which >= last, (noise_ - last) // 2, 16)  # a batch of `mixture` is uniform first
        assert abs(2 * int((which % 32 < half).sum()) - n) <= max(1, n / 20)


def test_sixty_four_of_a_thousand_are_the_first_as_ever() -> None:
    assert c.chosen(c.Sizes()).tolist() == list(range(64))


def test_a_cell_whose_attacked_pictures_were_the_first_of_one_kind_is_measured_anew(tmp_path: Path) -> None:
    np.savez(tmp_path / "svhn_plain.npz", **drawn(10))  # type: ignore[arg-type]
    sizes = c.Sizes(noise=4, attacked=2, rays=2, clipped=2)
    first = c.run(tmp_path / "svhn_plain.npz", tmp_path, sizes)
    known = json.loads((tmp_path / "svhn_plain.json").read_text())
    assert known.pop("attacked") == [0, 2]
    known["values"]["attacked"] = [0.0, 0.0]
    (tmp_path / "svhn_plain.json").write_text(json.dumps(known))
    assert c.run(tmp_path / "svhn_plain.npz", tmp_path, sizes) == first


def test_a_broken_net_is_told_before_the_others_are_measured(tmp_path: Path) -> None:
    np.savez(tmp_path / "svhn_plain.npz", **drawn(10))  # type: ignore[arg-type]
    (tmp_path / "svhn_acet.npz").write_bytes((tmp_path / "svhn_plain.npz").read_bytes()[:9000])
    words = ["reproduce", "checkpoints", str(tmp_path), *FEW, "--cells", str(tmp_path / "cells")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    assert "svhn_acet.npz" in done.output
    assert not (tmp_path / "cells").exists()


@pytest.mark.parametrize(
    ("name", "said"), [(None, "is no folder"), ("empty", "holds no npz"), ("foreign", r"missing arrays")]
)
def test_a_wrong_folder_is_told_in_one_line(tmp_path: Path, name: str | None, said: str) -> None:
    if name:
        (tmp_path / "empty").mkdir()
        (tmp_path / "foreign").mkdir()
        np.savez(tmp_path / "foreign" / "svhn_plain.npz", weights=np.zeros(3))
    done = CliRunner().invoke(app, ["reproduce", "checkpoints", str(tmp_path / (name or "nowhere")), *FEW])
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(("kind", "n"), [("low-passed unifrom", 3), ("raw uniform", 0)])
def test_noise_of_no_kind_is_refused(kind: str, n: int) -> None:
    with pytest.raises(ValueError, match="it must be one of low-passed uniform, low-passed permuted, raw uniform"):
        noise(kind, n)


def test_noise_is_the_same_for_any_count_and_of_three_kinds() -> None:
    for kind in KINDS:
        images = noise(kind, 5)
        assert images.shape == (5, 3, 32, 32)
        assert bool(((images >= 0) & (images <= 1)).all())
        assert torch.equal(images[:2], noise(kind, 2))
    rough = [float((x[..., 1:] - x[..., :-1]).std()) for x in (noise(kind, 8) for kind in KINDS)]
    assert max(rough[:2]) < 0.5 * rough[2]
    assert torch.equal(photographs(3, seeded("a")), photographs(3, seeded("a")))
    assert not torch.equal(photographs(3, seeded("a")), photographs(3, seeded("b")))
