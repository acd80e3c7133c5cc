"""Document-like negatives: every family keeps its contract, and none shows five lines with notes on them."""

from __future__ import annotations

import numpy as np
import pytest

from openset.sheetmusic import fonts, words
from openset.sheetmusic.documents import DOCUMENTS
from openset.sheetmusic.hand import smooth
from openset.sheetmusic.typeset import blend, face, lines_of


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_family_draws_a_page_with_ink_and_the_same_page_for_the_same_seed(name: str) -> None:
    first, again, other = (DOCUMENTS[name](np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert first.dtype == np.uint8
    assert first.ndim == 2 or first.shape[2:] == (3,)
    assert 900 <= max(first.shape[:2]) <= 1300
    assert min(first.shape[:2]) >= 250
    assert np.ptp(first) > 20  # something is drawn
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_a_family_leaves_numpys_global_generator_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    DOCUMENTS["ruled_notes"](np.random.default_rng(0))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("family", ["Noto Sans", "Liberation Serif", "Amiri", "Purisa", "ＭＳ 明朝", ""])
def test_a_font_family_is_in_one_part_only_whatever_its_weight(family: str) -> None:
    styles = [
        fonts.Font("x.ttf", 0, f"{family}{style}", "sans") for style in ("", " Light", " Condensed", " Bold Italic")
    ]
    train, test = fonts.split(styles, "train"), fonts.split(styles, "test")
    assert sorted(map(str, train + test)) == sorted(map(str, styles))
    assert not train or not test


def test_about_a_quarter_of_families_is_held_out_and_always_the_same() -> None:
    made = [fonts.Font("x.ttf", 0, f"family{i}", "sans") for i in range(2000)]
    held = fonts.split(made, "test")
    assert abs(len(held) / 2000 - fonts.HELD_OUT) < 4 * np.sqrt(0.25 * 0.75 / 2000)
    assert [f.family for f in held[:5]] == ["family3", "family13", "family14", "family19", "family20"]


def test_a_wrong_part_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'valid'.*'train' or 'test'"):
        fonts.split([], "valid")  # type: ignore[arg-type]


def test_packages_that_cannot_be_had_are_named_and_the_rest_goes_on(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")  # no apt-get on this machine
    (tmp_path / "fonts-there").mkdir()
    (tmp_path / "fonts-there" / "a.ttf").write_bytes(b"")
    found = fonts.fetch_fonts(tmp_path, ("fonts-absent", "fonts-there"))
    assert found == [tmp_path / "fonts-there" / "a.ttf"]
    assert "fonts-absent not to be had" in capsys.readouterr().err


def test_files_that_are_no_fonts_are_left_out(tmp_path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    assert fonts.read([tmp_path / "broken.ttf", tmp_path / "missing.otf"]) == []


def test_a_script_is_covered_only_by_fonts_with_its_letters() -> None:
    for script in fonts.scripts():
        for group in fonts.by(script, None):
            face = fonts.sized(group[0], 30)
            drawn = {bytes(face.getmask(letter)) for letter in words.probe(script)}
            assert len(drawn) == len(words.probe(script)), (script, group[0].family)


@pytest.mark.parametrize("script", sorted(words.SCRIPTS))
def test_pseudo_words_use_the_letters_of_their_script(script: str) -> None:
    made = words.words(np.random.default_rng(3), 200, script)
    assert len(made) == 200
    assert all(made)
    if script not in ("latin", "accented"):
        assert set("".join(made)) <= set("".join(words.SCRIPTS[script]))


def test_lines_hold_every_word_in_order_and_none_is_wider_than_the_column() -> None:
    rng = np.random.default_rng(5)
    font, text = face(rng, 14), words.prose(rng, 300)
    lines = lines_of(text, font, 240.0, first=30.0)
    assert [word for line in lines for _, word in line] == text
    for i, line in enumerate(lines):
        room = 240.0 - (30.0 if i == 0 else 0.0)
        assert len(line) == 1 or sum(long for long, _ in line) + font.gap * (len(line) - 1) <= room + 1e-6


def test_a_smooth_curve_passes_through_its_points_and_keeps_a_straight_line_straight() -> None:
    points = np.array(((0.0, 0.0), (1.0, 2.0), (3.0, 1.0), (4.0, 5.0)))
    np.testing.assert_allclose(smooth(points, 6)[::6], points, atol=1e-12)
    line = np.column_stack((np.arange(5.0), 2 * np.arange(5.0)))
    curve = smooth(line, 4)
    np.testing.assert_allclose(curve[:, 1], 2 * curve[:, 0], atol=1e-12)


def test_blend_is_one_colour_at_1_the_other_at_0_and_their_mean_between() -> None:
    assert blend("#ff0080", "#000000", 1.0) == "#ff0080"
    assert blend("#ff0080", "#102030", 0.0) == "#102030"
    assert blend("#ffffff", "#000000", 0.5) == "#808080"


def test_groups_of_five_lines_bear_no_sketches_or_blobs() -> None:
    """`ruled_groups` writes letters at most on groups of five: with no writing at all its rows are rules or paper."""
    from openset.sheetmusic.papers import ruled
    from openset.sheetmusic.typeset import sheet

    five = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        page = sheet(rng)
        _, _, fives = ruled(rng, page, groups=True)
        rows = np.asarray(page.image.convert("L")).std(axis=1) > 0
        runs = np.flatnonzero(np.diff(rows.astype(int)) == 1)
        gaps = np.diff(runs)
        if fives and len(gaps) >= 9:
            five += 1
            assert gaps[4] > gaps[:4].max()  # the fifth gap parts two groups
    assert five > 2
