"""The sheet-music task of benchmarks/choosing.py on a made corpus of four kinds of page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import choosing
from choosing_material import QUICK
from choosing_sheets import Sheets, crops
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


def test_a_corpus_with_nothing_to_show_is_an_error_and_no_endless_search(cache: Path) -> None:
    write_shard(cache / "blank", [Sample(np.full((90, 90), 255, np.uint8), "contours", False, *NONE)] * 2)
    folder = cache / "dull"
    folder.mkdir()
    for end in (".npz", ".raw"):
        (cache / f"blank{end}").rename(folder / f"blank{end}")
    with pytest.raises(ValueError, match="none of 2 pictures"):
        crops(Corpus.open(folder), np.arange(2), 3, 0)
