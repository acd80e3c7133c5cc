"""What people see of `openset predict` and `openset check` on terminals of any width. The judge: that of test_cli.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from openset.cli import app
from openset.judgefile import with_info
from test_judge import graph, info


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is worked in: a judge, a picture of each of its colours and a broken one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "colours.onnx").write_bytes(with_info(graph().SerializeToString(), info()))
    for name, colour in (("red", (255, 0, 0)), ("a rather dull green", (120, 128, 120))):
        Image.new("RGB", (20, 20), colour).save(f"{name}.png")
    Path("torn.png").write_bytes(Path("red.png").read_bytes()[:-20])
    return tmp_path


def seen(columns: int, *words: str) -> list[str]:
    """What a terminal of this width shows."""
    done = CliRunner().invoke(app, words, env={"COLUMNS": str(columns)})
    assert not done.exception or isinstance(done.exception, SystemExit)
    lines = done.stdout.splitlines()
    assert max(map(len, lines[:-1])) <= columns  # the last is a sentence, which the terminal wraps
    return lines


def test_a_narrow_terminal_shows_a_block_for_each_picture() -> None:
    lines = seen(40, "predict", "colours.onnx", "red.png", "a rather dull green.png", "torn.png")
    assert lines[:8] == [
        "red.png",
        "  accepted  red  0.999",
        "  confidence 0.999 reaches the threshold",
        "  0.900 for 'red'",
        "a rather dull green.png",
        "  unknown  0.406",
        "  confidence 0.406 is below the",
        "  threshold 0.900 for 'green'",
    ]
    assert lines[8:10] == ["torn.png", "  error"]
    assert lines[-1] == "1 accepted, 1 unknown, 1 error"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_wider_one_shows_the_same_confidence_in_both_columns_of_a_table(columns: int) -> None:
    lines = seen(columns, "predict", "colours.onnx", "red.png")
    text = " ".join(" ".join(lines).split())
    assert "picture decision label confidence why" in text
    assert "red.png accepted red 0.999 confidence 0.999" in text


def test_a_name_longer_than_the_terminal_goes_on_in_the_next_line() -> None:
    name = "a" * 70 + ".png"
    os.rename("red.png", name)
    lines = seen(40, "predict", "colours.onnx", name)
    assert lines[0] + lines[1] == name


def test_what_is_wrong_with_a_folder_is_readable_on_a_narrow_terminal(here: Path) -> None:
    for label, level in (("dark", 60), ("light", 200)):
        (here / "data" / label).mkdir(parents=True)
        for n in range(25):
            Image.effect_noise((16, 16), level).save(here / "data" / label / f"{n}.png")
    (here / "torn.png").rename(here / "data" / "dark" / "torn.png")
    lines = seen(40, "check", "data")
    start = lines.index("warning: unreadable")
    assert lines[start + 1] == "  1 file that cannot be read"
    assert lines[start + 2].startswith("  such as data/dark/torn.png: ")
    assert "  Repair, replace or remove them." in lines
    assert "severity" not in " ".join(lines)
    assert "severity" in " ".join(seen(80, "check", "data"))
