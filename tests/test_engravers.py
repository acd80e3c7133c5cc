"""Two unseen engravers: their SVG is read right, and where they are installed their pages hold the notes of the piece."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("resvg_py", reason="resvg_py is not installed: pip install 'openset[sheetmusic]'")
pytest.importorskip("music21", reason="music21 is not installed: pip install 'openset[sheetmusic]'")

from openset.errors import DataError
from openset.sheetmusic import engravers
from openset.sheetmusic.engraver_music import METERS, abc_tune, rhythm

ABC = "X:1\nT:Three notes\nM:3/4\nL:1/4\nK:C\nC E G|\n"
LILYPOND_SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="50mm" height="100mm" viewBox="0 0 50 100">
<g class="staff">{lines}</g>
<g class="note"><g transform="translate(10, 20)"><path transform="scale(0.004, -0.004)" d="M0 0h9v9z"/></g></g>
</svg>"""


def test_lilyponds_svg_gives_notes_and_staves() -> None:
    line = '<g transform="translate(5, {y})"><line x1="0" x2="40" y1="0" y2="0" stroke="black"/></g>'
    svg = LILYPOND_SVG.format(lines="".join(line.format(y=y) for y in (20, 21, 22, 23, 24)))
    sample = engravers.draw(svg, 1000, "lilypond")
    assert sample.image.shape == (1000, 500)
    assert np.allclose(sample.notes, [[106.5, 200]])
    assert np.allclose(sample.staves, [[[50, 200], [450, 200], [450, 240], [50, 240]]])


def test_a_tablature_staff_of_six_lines_is_no_staff() -> None:
    line = '<g transform="translate(5, {y})"><line x1="0" x2="40" y1="0" y2="0" stroke="black"/></g>'
    svg = LILYPOND_SVG.format(lines="".join(line.format(y=y) for y in range(20, 26)))
    assert len(engravers.draw(svg, 1000, "lilypond").staves) == 0


@pytest.mark.parametrize("meter", METERS)
def test_a_measure_is_filled_exactly(meter: tuple[int, int]) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert sum(rhythm(rng, *meter, float(rng.random()))) == meter[0] * 64 // meter[1]


def test_abcm2ps_draws_the_three_notes(tmp_path: Path) -> None:
    if not shutil.which("abcm2ps"):
        pytest.skip("abcm2ps is not installed: apt-get install abcm2ps")
    (tmp_path / "x.abc").write_text(ABC)
    engravers._run(["abcm2ps", "-q", "-g", "-O", "x", "x.abc"], tmp_path, 60)
    sample = engravers.draw(next(tmp_path.glob("x*.svg")).read_text("utf-8"), 1000, "abcm2ps")
    assert len(sample.notes) == 3
    assert len(sample.staves) == 1
    space = (sample.staves[0, 3, 1] - sample.staves[0, 0, 1]) / 4
    steps = (sample.staves[0, 3, 1] - sample.notes[:, 1]) / space
    assert np.allclose(steps, [-1, 0, 1], atol=0.05)  # C below the staff, E on its first line, G on its second
    for x, y in sample.notes.astype(int):
        assert sample.image[y, x] < 100


def test_random_tunes_are_abc_that_abcm2ps_takes(tmp_path: Path) -> None:
    if not shutil.which("abcm2ps"):
        pytest.skip("abcm2ps is not installed: apt-get install abcm2ps")
    page = next(engravers.abcm2ps_pages(np.random.default_rng(0), 1))
    assert page.sheet
    assert len(page.notes) >= 8
    (tmp_path / "x.abc").write_text(abc_tune(np.random.default_rng(2)))
    engravers._run(["abcm2ps", "-q", "-v", "-O", "x", "x.abc"], tmp_path, 60)
    assert len(engravers.read_svg(next(tmp_path.glob("x*.svg")).read_text("utf-8"))[1]) > 8


def test_a_missing_engraver_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert engravers.missing() == ["lilypond", "abcm2ps"]
    with pytest.raises(DataError, match="apt-get install lilypond"):
        next(engravers.lilypond_pages(np.random.default_rng(0), 1))
    said: list[str] = []
    assert engravers.write(tmp_path / "out", 4, 0, said.append) == 0
    assert [line.split()[0] for line in said] == ["abcm2ps", "lilypond"]
