"""The demo from end to end with few pictures, and its errors."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from openset import demo
from openset._demodata import write_digits, write_outside
from openset.errors import DataError


def test_a_small_demo_end_to_end_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = demo.main(tmp_path / "out", per_class=40, each=6, epochs=2)
    said = capsys.readouterr().out
    assert str(page.resolve()) in said
    for line in (
        "score-photographed.jpg",
        "truncated.jpg",
        "accuracy on",
        "mean max confidence outside",
        "under attack",
    ):
        assert line in said
    assert "  noise (6)" in said
    assert "\n  mean max confidence on noise under attack (6), searched" in said  # no part of those above it
    root = ElementTree.fromstring(page.read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>\n"))
    headings = [e.text for e in root.iter("h2")]
    assert headings == [
        "The shipped judge: sheet music, or not?",
        "Plain beside ACET",
        "How sure, and where",
        "Pictures outside, and what both judges say",
    ]
    assert len(list(root.iter("figure"))) == 2
    assert (
        demo.main(tmp_path / "out", per_class=40, each=6, epochs=2) == page
    )  # the finished runs are taken as they are
    again = capsys.readouterr().out
    assert again.split("mean max confidence")[1:] == said.split("mean max confidence")[1:]


def test_smaller_numbers_leave_no_picture_of_an_earlier_run(tmp_path: Path) -> None:
    pages = sorted((Path(demo.__file__).parent / "examples").iterdir())
    for digits, each in ((4, 5), (2, 3)):
        (tmp_path / "digits" / "3").mkdir(parents=True, exist_ok=True)
        (tmp_path / "digits" / "3" / "mine.png").touch()
        wrote = write_digits(tmp_path / "digits", digits, lambda _: None)
        beside = write_outside(tmp_path / "outside", each, pages, 0, lambda _: None)
        assert len(list((tmp_path / "digits").rglob("*.png"))) == wrote + 1 == 10 * digits + 1
        assert len(list((tmp_path / "outside").rglob("*.png"))) == beside


def test_a_judge_of_other_digits_is_not_measured_on_these(tmp_path: Path) -> None:
    """It may have learned from what would now be tested on."""
    demo.main(tmp_path / "out", per_class=14, each=2, epochs=1)
    with pytest.raises(DataError, match=r"plain' was trained on other digits: remove it, or .* --output"):
        demo.main(tmp_path / "out", per_class=10, each=2, epochs=1)


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="give another folder with --output"):
        demo.main(tmp_path / "file")


def test_ctrl_c_says_that_the_same_command_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("openset.training.train", stopped)
    with pytest.raises(KeyboardInterrupt, match="the same command goes on in"):
        demo.main(tmp_path / "out", per_class=2, each=1, epochs=1)
