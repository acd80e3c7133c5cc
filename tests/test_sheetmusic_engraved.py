"""Engraved pages do not depend on what was drawn before them, and a shard that came short is told and made again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("verovio")
pytest.importorskip("resvg_py")
pytest.importorskip("music21")

from openset.errors import DataError
from openset.sheetmusic import engrave, engravers, press, scores
from openset.sheetmusic.corpus import Corpus


@pytest.fixture(autouse=True, scope="module")
def _no_child_left() -> Iterator[None]:
    yield
    press.close()


def test_a_page_does_not_depend_on_what_was_drawn_before() -> None:
    """Of this tune Verovio takes some edits (seeds 4 to 6) and refuses others (1 to 3)."""
    tune = [s for s in scores.find_scores("train") if s.path.name == "reelsa-c.abc" and s.tune == 1]
    assert len(tune) == 1

    def page(seed: int) -> str | None:
        sheet = engrave.real_sheet(np.random.default_rng([9, seed]), tune)
        return sheet and hashlib.sha256(sheet.svg.encode()).hexdigest()

    before = [page(seed) for seed in (4, 5, 6)]
    assert None not in [page(seed) for seed in (1, 2, 3)]
    assert [page(seed) for seed in (4, 5, 6)] == before


def test_a_shard_that_came_short_is_told_and_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("abcm2ps"):
        pytest.skip("abcm2ps is not installed: apt-get install abcm2ps")
    out, tools, said = tmp_path / "pages", tmp_path / "bin", list[str]()
    tools.mkdir()
    (tools / "abcm2ps").write_text("#!/bin/sh\nexit 1\n")
    (tools / "abcm2ps").chmod(0o755)
    with monkeypatch.context() as broken:
        broken.setenv("PATH", str(tools))
        assert engravers.write(out, 1, 0, said.append) == 0
    assert said[0] == "abcm2ps: 0 of 1 pages, abcm2ps-000 came short"
    assert engravers.write(out, 1, 0, said.append) == 1
    assert "abcm2ps: 1 of 1 pages" in said
    before = (out / "abcm2ps-000.npz").stat().st_mtime_ns
    assert engravers.write(out, 1, 0, said.append) == 1
    assert (out / "abcm2ps-000.npz").stat().st_mtime_ns == before
    assert Corpus.open(out).family == ["abcm2ps"]
    with pytest.raises(DataError, match="seed: 0 there, 1 now"):
        engravers.write(out, 1, 1, said.append)
