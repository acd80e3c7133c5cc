"""The sheet-music task of benchmarks/choosing.py on a made corpus of four kinds of page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from openset.sheetmusic.corpus import write_shard
from openset.sheetmusic.sample import Sample

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NONE = np.zeros((0, 2), np.float32), np.zeros((0, 4, 2), np.float32)


def score(rng: np.random.Generator) -> Sample:
    """One staff of 8-pixel spaces across the page, a note every 20 pixels."""
    page = np.full((200, 400), 255, np.uint8)
    top = int(rng.integers(60, 100))
    page[top : top + 33 : 8] = 0
    notes = np.array([[x, top + int(rng.integers(0, 33))] for x in range(20, 390, 20)], np.float32)
    for x, y in notes.astype(int):
        page[y - 3 : y + 4, x - 4 : x + 5] = 0
    corners = np.array([[[0, top], [399, top], [399, top + 32], [0, top + 32]]], np.float32)
    return Sample(page, "verovio", True, notes, corners)


def other(family: str, rng: np.random.Generator) -> Sample:
    """Dots for what is ordinary, diagonals for what is strange; its first half is blank."""
    page = np.full((200, 400), 255, np.uint8)
    if family == "prose_page":
        page[:, 200:][rng.random((200, 200)) < 0.3] = 0
    else:
        y, x = np.mgrid[:200, :200]
        page[:, 200:][(x + y) % 11 < 3] = 0
    return Sample(page, family, False, *NONE)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    for part in ("train", "real", "calibration", "test", "unseen"):
        (tmp_path / "corpus" / part).mkdir(parents=True)
        rng = np.random.default_rng([len(part), 1])
        pages = [other(family, rng) for family in ("prose_page", "contours") for _ in range(6)]
        if part not in ("unseen", "real"):
            pages += [score(rng) for _ in range(6)]
        write_shard(tmp_path / "corpus" / part / "00000", pages)
    return tmp_path


def test_crops_show_what_their_class_says_and_are_told_apart(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import choosing
    from choosing_material import QUICK
    from choosing_sheets import Sheets

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


def test_a_corpus_with_nothing_to_show_is_an_error_and_no_endless_search(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from choosing_sheets import crops
    from openset.sheetmusic.corpus import Corpus

    write_shard(cache / "blank", [Sample(np.full((90, 90), 255, np.uint8), "contours", False, *NONE)] * 2)
    folder = cache / "dull"
    folder.mkdir()
    for end in (".npz", ".raw"):
        (cache / f"blank{end}").rename(folder / f"blank{end}")
    with pytest.raises(ValueError, match="none of 2 pictures"):
        crops(Corpus.open(folder), np.arange(2), 3, 0)
