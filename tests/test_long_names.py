"""A name as long as the file system allows is written to as any other: a draft's name does not grow with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from openset import onnxbytes, report, runfile

LONGEST = 255  # bytes of a name on Linux and macOS


@pytest.mark.parametrize("name", ["楽" * 83 + ".onnx", "x" * (LONGEST - 5) + ".html", "é" * 120])
def test_files_with_long_names_are_written_and_leave_nothing_beside(tmp_path: Path, name: str) -> None:
    assert len(name.encode()) <= LONGEST
    path = tmp_path / name
    onnxbytes.write_atomic(path, b"a judge")
    assert path.read_bytes() == b"a judge"
    runfile.write_atomic(path, b"a state")
    assert path.read_bytes() == b"a state"
    page = report.render("A title", "A lead", [])
    report.write(path, page)
    assert path.read_text(encoding="utf-8") == page
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_page_that_cannot_be_put_leaves_nothing_beside(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OSError, match=r"directory"):
        report.write(tmp_path / "page.html", report.render("A title", "A lead", []))
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
