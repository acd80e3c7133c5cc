"""Library pages: made from nothing but the system's fonts they are pages of the right form, and repeatable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="cv2 is not installed: pip install 'openset[sheetmusic]'")
pytest.importorskip("skimage", reason="scikit-image is not installed: pip install 'openset[sheetmusic]'")

from openset.sheetmusic import fonts, library, library_stock
from openset.sheetmusic.library_pages import Leaf
from openset.sheetmusic.library_type import Case, draw_words


@pytest.fixture(scope="module")
def case() -> Case:
    fonts.use(fonts.read(fonts.installed()))
    text = library_stock.Text("kjv", "latin", tuple("in the beginning was the word and it was good".split() * 40))
    made = Case([text], [], [])
    made.turn(np.random.default_rng(0))
    return made


@pytest.mark.parametrize("name", library.KINDS)
def test_every_kind_draws_on_a_leaf(case: Case, name: str) -> None:
    leaf = Leaf(np.full((700, 500), 255, np.uint8), np.random.default_rng(1), case)
    library.KINDS[name][0](leaf)
    assert leaf.a.shape == (700, 500)
    assert leaf.a.min() < 128
    assert len(np.unique(leaf.a)) > 1


def test_a_page_is_gray_of_long_side_1024_without_notes(case: Case) -> None:
    for i in range(6):
        sample = library.make(np.random.default_rng(i), case)
        assert max(sample.image.shape) == 1024
        assert sample.image.dtype == np.uint8
        assert sample.image.ndim == 2
        assert (sample.sheet, len(sample.notes)) == (False, 0)
        assert sample.family.startswith("library_")


def test_the_same_chunk_twice_is_the_same(tmp_path: Path) -> None:
    once, again = (list(library.chunk(tmp_path, 7, 3, 4)) for _ in range(2))
    assert len(once) == 4
    for (_, a), (_, b) in zip(once, again, strict=True):
        assert a.family == b.family
        assert np.array_equal(a.image, b.image)


def test_streamed_pages_go_on_over_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "CHUNK", 2)
    streamed = [sample.image for sample in library.pages(tmp_path, 3, 7)]
    second = next(sample.image for _, sample in library.chunk(tmp_path, 7, 1))
    assert len(streamed) == 3
    assert np.array_equal(streamed[2], second)


def test_words_wider_than_the_line_stay_on_the_page(case: Case) -> None:
    galley = draw_words(["extraordinarily" * 20], fonts.choose(np.random.default_rng(0)), 20, "latin")
    leaf = Leaf(np.full((60, 100), 255, np.uint8), np.random.default_rng(0), case)
    assert leaf.line(galley, 20, 10, 60) == 60
    assert leaf.a[:, 80:].min() == 255


@pytest.mark.parametrize(
    ("text", "script"),
    [("the word", "latin"), ("Größe über dem Wort", "accented"), ("слово было", "cyrillic"), ("言葉は", "kana")],
)
def test_the_script_of_a_text(text: str, script: str) -> None:
    assert library_stock.script_of(text * 20) == script


def test_pages_that_speak_of_music_are_known() -> None:
    assert library_stock.speaks_of_music("typeset with LilyPond")
    assert library_stock.speaks_of_music("Musik und Tanz")
    assert not library_stock.speaks_of_music("a museum of clefts")
