"""`openset outliers`: pictures that are no class, the same for the same seed, and of use to `openset train --scheme oe`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import openset
from openset.cli import app
from openset.data.outliers import MAKERS, letters, make_outliers, patterns
from openset.errors import DataError

KINDS = {*MAKERS, "photographs"}


def pictures(folder: Path) -> dict[str, np.ndarray]:
    return {str(f.relative_to(folder)): np.asarray(Image.open(f)) for f in sorted(folder.rglob("*.png"))}


def test_each_kind_alike_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    made = make_outliers(tmp_path / "a", 23, size=32, tell=lambda done, of: told.append((done, of)))
    assert set(made) == KINDS
    assert sorted(made.values()) == [4, 4, 5, 5, 5]
    assert told == [(i, 23) for i in range(1, 24)]
    first = pictures(tmp_path / "a")
    assert {name.split("/")[0] for name in first} == KINDS
    assert {picture.shape for picture in first.values()} == {(32, 32, 3)}
    make_outliers(tmp_path / "b", 23, size=32)
    again = pictures(tmp_path / "b")
    assert all(np.array_equal(first[name], again[name]) for name in first)
    make_outliers(tmp_path / "c", 23, size=32, seed=1)
    other = pictures(tmp_path / "c")
    assert not any(np.array_equal(first[name], other[name]) for name in first)


def test_gray_ones_have_no_colour_and_both_polarities(tmp_path: Path) -> None:
    make_outliers(tmp_path / "gray", 100, size=28, gray=True)
    found = pictures(tmp_path / "gray")
    assert {picture.shape for picture in found.values()} == {(28, 28)}
    drawn = [
        p[0, 0] > 127 for name, p in found.items() if name.startswith("letters")
    ]  # the paper that a letter lies on
    assert 0 < sum(drawn) < len(drawn)


def test_letters_fit_the_picture_at_any_size_and_patterns_vary() -> None:
    for side in (16, 28, 64):
        drawn = letters(20, np.random.default_rng(0), side)
        ink = (drawn > 127).mean((1, 2))
        assert (ink > 0.005).all()
        assert ink.max() < 0.6
    assert len({p.tobytes() for p in patterns(30, np.random.default_rng(0), 32)}) == 30


def test_fonts_without_letters_are_an_error_and_no_endless_search(tmp_path: Path) -> None:
    (tmp_path / "no.ttf").write_bytes(b"no font")
    with pytest.raises(DataError, match="none of 1 font shows a letter"):
        letters(3, np.random.default_rng(0), 28, [tmp_path / "no.ttf"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"count": 4}, "count 4 must be at least 5"),
        ({"count": -5}, "count -5 must be at least 5"),
        ({"size": 8}, "size 8"),
        ({"seed": -1}, "seed -1 cannot be"),
    ],
)
def test_too_few_or_too_small_is_an_error(tmp_path: Path, given: dict[str, int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        make_outliers(tmp_path / "x", **given)
    assert not (tmp_path / "x").exists()


def test_the_command_makes_what_outlier_exposure_learns_from(tmp_path: Path) -> None:
    for name, level in (("dark", 60), ("light", 190)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(12):
            noisy = np.random.default_rng([level, i]).integers(level - 40, level + 40, (32, 32, 3), np.uint8)
            Image.fromarray(noisy).save(tmp_path / "data" / name / f"{i}.png")
    strange = tmp_path / "stränge pictures"
    result = CliRunner().invoke(app, ["outliers", str(strange), "--count", "40", "--size", "32"])
    assert result.exit_code == 0
    assert "40 pictures" in result.output
    assert "8 photographs" in result.output
    again = CliRunner().invoke(app, ["outliers", str(strange)])
    assert again.exit_code == 1
    assert "not empty" in again.output
    run = openset.train(
        tmp_path / "data",
        scheme="oe",
        out=strange,
        net="lenet",
        size=28,
        epochs=1,
        output=tmp_path / "run",
        progress=False,
    )
    assert {"loss_out", "mmc_out"} <= set(run.history[0])  # learnt from, and others of them measured on
