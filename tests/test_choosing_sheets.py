"""The sheet-music task of benchmarks/choosing.py on a made corpus of four kinds of page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import choosing
import choosing_sheets
from choosing_material import QUICK
from choosing_sheets import Sheets, apart, crops
from made_corpus import NONE, corpora
from openset.sheetmusic.corpus import Corpus, write_shard
from openset.sheetmusic.sample import Sample


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return corpora(tmp_path)


def test_crops_show_what_their_class_says_and_are_told_apart(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = Sheets("sheet-music", cache, 0, QUICK)
    x, y = task.inside
    assert x.shape == (256, 1, 64, 64)
    assert y.tolist() == [0, 1] * 128
    assert len(task.held) == 8
    assert len(task.test) == 32
    assert x.flatten(1).std(1).min() > 0.02  # the blank halves were not taken
    assert np.array_equal(
        x.numpy(), Sheets("sheet-music", cache, 1, QUICK).inside[0].numpy()
    )  # the seed draws teachers
    assert not np.array_equal(task.taught.numpy(), Sheets("sheet-music", cache, 1, QUICK).taught.numpy())
    assert {name: tuple(z.shape) for name, z in task.unseen.items()} == dict.fromkeys(
        ("unseen families", "taught families", "noise", "raw noise"), (12, 1, 64, 64)
    )
    again = [
        "sheet-music",
        "--data",
        str(cache),
        "--runs",
        str(cache / "runs"),
        "--results",
        str(cache / "cells"),
        "--quick",
    ]
    again += ["--seeds", "0", "--schemes", "oe", "--heads", "none,density"]
    choosing.main(again)
    told = capsys.readouterr().out
    assert "| oe | density |" in told
    assert "above 0.65" in told
    cell = json.loads((cache / "cells" / "quick" / "sheet-music-oe-none-0.json").read_text())
    assert cell["far"] is None  # no exact ray goes through docnet's attention
    assert 0.5 <= cell["attacked"]["mean"] <= 1
    assert (cell["n"], cell["training"]["ratio"] > 1) == (32, True)
    kept = {file: file.stat().st_mtime_ns for file in cache.rglob("*") if file.is_file()}
    choosing.main(again)
    assert {file: file.stat().st_mtime_ns for file in cache.rglob("*") if file.is_file()} == kept


def test_no_page_both_calibrates_and_measures_or_teaches(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = np.random.default_rng(0).permutation(23)
    sides = [set(apart(pages, calibrating).tolist()) for calibrating in (True, False)]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == set(apart(pages, None).tolist()) == set(range(23))
    assert [len(side) for side in sides] == [5, 18]
    drawn: list[set[int]] = []

    def recorded(corpus: Corpus, members: np.ndarray, n: int, seed: int) -> np.ndarray:
        drawn.append(set(members.tolist()))
        return crops(corpus, members, n, seed)

    monkeypatch.setattr(choosing_sheets, "crops", recorded)
    task = Sheets("sheet-music", cache, 0, QUICK)
    (other, score), (other_too, score_too) = drawn[:2], drawn[2:]
    assert not other & other_too
    assert not score & score_too
    drawn.clear()
    assert len(task.taught) + len(task.held_taught) == QUICK.taught + QUICK.held
    teaching, calibrating = (
        side for side in drawn if len(side) < 6
    )  # beside them, the classes' pictures for the noise
    assert not teaching & calibrating


def test_cells_of_another_corpus_are_not_mixed_with_these(cache: Path) -> None:
    before = Sheets("sheet-music", cache, 0, QUICK).settings()
    assert before == Sheets("sheet-music", cache, 1, QUICK).settings()
    write_shard(cache / "corpus" / "unseen" / "00001", [Sample(np.zeros((90, 90), np.uint8), "contours", False, *NONE)])
    after = Sheets("sheet-music", cache, 0, QUICK).settings()
    assert [part for part in before["corpora"] if before["corpora"][part] != after["corpora"][part]] == ["unseen"]


def test_a_corpus_with_nothing_to_show_is_an_error_and_no_endless_search(cache: Path) -> None:
    write_shard(cache / "blank", [Sample(np.full((90, 90), 255, np.uint8), "contours", False, *NONE)] * 2)
    folder = cache / "dull"
    folder.mkdir()
    for end in (".npz", ".raw"):
        (cache / f"blank{end}").rename(folder / f"blank{end}")
    with pytest.raises(ValueError, match="none of 2 pictures"):
        crops(Corpus.open(folder), np.arange(2), 3, 0)
