"""Negatives of the line and picture kind: what each picture promises, and what a user without a network gets."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("resvg_py", reason="the synthetic negatives need openset[sheetmusic]")

from openset.sheetmusic import assets, pictures
from openset.sheetmusic.lines import LINES, UNSEEN_LINES
from openset.sheetmusic.sketch import Page


@pytest.mark.parametrize("name", sorted(LINES))
def test_a_family_is_a_function_of_its_generator(name: str) -> None:
    first, again = (LINES[name](np.random.default_rng(7)) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.ndim == 2 or (first.ndim == 3 and first.shape[2] == 3)
    assert 880 <= max(first.shape[:2]) <= 1320
    assert min(first.shape[:2]) >= 400
    np.testing.assert_array_equal(first, again)
    if name != "flat":
        assert first.min() < first.max()


def test_about_a_third_of_the_families_is_never_trained_on() -> None:
    assert set(LINES) >= UNSEEN_LINES
    assert 0.25 <= len(UNSEEN_LINES) / len(LINES) <= 0.4


def _runs(column: np.ndarray) -> int:
    """How many dark stretches a column of pixels crosses."""
    dark = column < 128
    return int(dark[0]) + int(np.count_nonzero(dark[1:] & ~dark[:-1]))


def test_a_line_keeps_its_place_and_its_width() -> None:
    page = Page(np.random.default_rng(0), (40, 30))
    page.across(10, 0, 40, 2.0)
    page.across(20.5, 5, 35, 1.0)
    drawn = page.done()
    assert drawn[:, 20].tolist() == [255] * 9 + [0, 0] + [255] * 9 + [0] + [255] * 9
    assert drawn[20].tolist() == [255] * 5 + [0] * 30 + [255] * 5


def test_stripes_with_marks_never_stand_in_fives() -> None:
    """At the left margin, where no mark is yet, groups of lines show their count: 3, 4, 6 and more, never 5."""
    for family in ("stripes_marks", "wrong_count"):
        for seed in range(3):
            picture = LINES[family](np.random.default_rng(seed))
            picture = 255 - picture if np.median(picture) < 128 else picture
            ink = np.flatnonzero(np.diff((picture < 200).mean(1) > 0.6, prepend=False) == 1)
            tops = ink[::2]
            gaps = np.diff(tops)
            if len(gaps) < 2:
                continue
            groups = np.split(tops, np.flatnonzero(gaps > 1.7 * gaps.min()) + 1)
            assert all(len(group) != 5 for group in groups), (family, seed)


def test_bare_manuscript_paper_has_staves_of_five() -> None:
    for seed in range(40):
        picture = LINES["manuscript_paper"](np.random.default_rng(seed))
        column = picture[:, picture.shape[1] // 2]
        if picture.max() == 255 and column.min() < 60:
            assert _runs(column) >= 5
            return
    raise AssertionError("no page with dark lines among 40")


def test_without_a_network_the_packaged_photographs_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without apt and npm: every package is said to be missing, nothing is raised, families still come."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    said: list[str] = []
    folder = assets.fetch(tmp_path / "cache", said.append)
    assert sum("goes on without" in line for line in said) >= len(assets.PACKAGES) - 10
    families = pictures.families(folder)
    assert {"photo", "collage", "captioned", "photo_cover", "line_engraving", "outline"} == set(families)
    for draw in families.values():
        picture = draw(np.random.default_rng(3))
        assert picture.dtype == np.uint8
        assert 850 <= max(picture.shape[:2]) <= 1320


def _fill(folder: Path, kind: str, count: int) -> None:
    rng, home = np.random.default_rng(0), folder / kind / "made"
    home.mkdir(parents=True)
    for n in range(count):
        Image.fromarray(rng.integers(0, 256, (60, 80, 4), np.uint8)).save(home / f"{n}.png")


def test_held_out_files_are_never_drawn_in_training(tmp_path: Path) -> None:
    _fill(tmp_path, "stamp", 60)
    trained = pictures.families(tmp_path)["clipart"].keywords["files"]  # type: ignore[attr-defined]
    held = pictures.families(tmp_path, held_out=True)["clipart"].keywords["files"]  # type: ignore[attr-defined]
    assert set(trained).isdisjoint(held)
    assert len(trained) + len(held) == 60
    assert 5 <= len(held) <= 26


@pytest.mark.parametrize(
    ("name", "musical"),
    [
        ("recreation/music/oboe.png", True),
        ("signs/treble_clef_01.png", True),
        ("img/google/64/1f3bc.png", True),
        ("img/google/64/1f600.png", False),
        ("animals/cat_01.png", False),
        ("latex/amsmath/amsldoc.pdf", False),
        ("latex/songs/songs.pdf", True),
    ],
)
def test_names_of_music_are_left_out(name: str, musical: bool) -> None:
    assert assets.musical(name) is musical


def test_a_package_is_sorted_copies_and_music_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local .deb with a picture, its copy at half the size, a broken file and a picture of a clef: one is kept."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not here: Debian's packages cannot be opened on this machine")
    root = tmp_path / "package"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text("Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n")
    rng = np.random.default_rng(1)
    picture = Image.fromarray(rng.integers(0, 256, (8, 9, 3), np.uint8)).resize((1080, 720), Image.Resampling.NEAREST)
    picture.save(root / "a.png")
    picture.reduce(2).save(root / "b.png")
    picture.save(root / "clef.png")
    (root / "c.png").write_bytes((root / "a.png").read_bytes()[:500])
    (tmp_path / "bin").mkdir()
    subprocess.run(["dpkg-deb", "-b", str(root), str(tmp_path / "x.deb")], check=True, capture_output=True)
    apt = tmp_path / "bin/apt-get"
    apt.write_text(f"#!/bin/sh\ncp {tmp_path}/x.deb .\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=":")
    said: list[str] = []
    folder = assets.fetch(tmp_path / "cache", said.append, {"x": "photo"})
    assert len(assets.found(folder)["photo"]) == 1
    assert "1 left out as perhaps musical" in said[0]
    again: list[str] = []
    assets.fetch(tmp_path / "cache", again.append, {"x": "photo"})
    assert "already there" in again[0]
