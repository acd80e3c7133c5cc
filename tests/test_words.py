"""Messages count in words: one file, two files."""

from __future__ import annotations

import pytest

from openset._words import counted


@pytest.mark.parametrize(
    ("n", "words", "said"),
    [
        (0, ("file",), "0 files"),
        (1, ("file",), "1 file"),
        (2, ("class", "classes"), "2 classes"),
        (1, ("class", "classes"), "1 class"),
        (1_234_567, ("picture",), "1,234,567 pictures"),
    ],
)
def test_a_number_and_its_noun(n: int, words: tuple[str, ...], said: str) -> None:
    assert counted(n, *words) == said
