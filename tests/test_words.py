"""Messages count in words: one file, two files."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from openset._words import counted, shown


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


@pytest.mark.parametrize(
    ("confidence", "said"),
    [
        (0.9999999, "0.999"),
        (1.0, "1.000"),
        (0.0, "0.000"),
        (1e-12, "0.000"),
        (0.57, "0.570"),
        (np.float64(0.29), "0.290"),
    ],
)
def test_a_confidence_is_cut_off_after_three_decimals(confidence: float, said: str) -> None:
    assert shown(confidence) == said


def test_what_is_shown_is_never_more_than_the_confidence_and_less_by_under_a_thousandth() -> None:
    for confidence in np.random.default_rng(0).random(1000).tolist():
        left = Fraction(repr(confidence)) - Fraction(shown(confidence))
        assert 0 <= left < Fraction(1, 1000)
