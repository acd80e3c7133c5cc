"""Stories of people who check their folder before training: what is found, how bad it is, and what a fix list names."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

import openset
from drawn import fill, picture
from openset.data.check import CheckFinding, CheckReport, check, render
from openset.errors import DataError, OpensetError


def found(report: CheckReport, name: str) -> CheckFinding:
    (finding,) = [f for f in report.findings if f.name == name]
    return finding


def names(report: CheckReport) -> set[str]:
    return {f.name for f in report.findings}


def listed(report: CheckReport, root: Path) -> list[str]:
    return [os.path.relpath(r.path, root) for r in report.take_out]


def test_a_sound_folder_is_clean(tmp_path: Path) -> None:
    report = check(fill(tmp_path, cat=20, dog=20))
    assert report.findings == report.take_out == report.look_at == ()
    assert report.exit_code == 0
    assert report.counts == {"": {"cat": 20, "dog": 20}}
    assert render(report) == []


def test_an_empty_class_folder_is_counted(tmp_path: Path) -> None:
    fill(tmp_path, cat=20)
    (tmp_path / "dog").mkdir()
    report = check(tmp_path)
    assert report.counts == {"": {"cat": 20, "dog": 0}}
    assert report.exit_code == 2


def test_broken_files_are_found_and_listed(tmp_path: Path) -> None:
    fill(tmp_path, cat=20, dog=20)
    (tmp_path / "cat" / "cut.png").write_bytes((tmp_path / "cat" / "000.png").read_bytes()[:200])
    (tmp_path / "dog" / "empty.jpg").write_bytes(b"")
    os.symlink("nowhere", tmp_path / "dog" / "gone.png")
    report = check(tmp_path)
    finding = found(report, "unreadable")
    assert (finding.severity, finding.count, report.exit_code) == ("warning", 3, 1)
    assert [e.split(": ")[0] for e in finding.examples] == [r.path for r in report.take_out]
    assert listed(report, tmp_path) == ["cat/cut.png", "dog/empty.jpg", "dog/gone.png"]


def test_a_link_that_goes_round_in_a_circle_is_one_unreadable_file(tmp_path: Path) -> None:
    fill(tmp_path, cat=20, dog=20)
    for place in (tmp_path, tmp_path / "cat"):
        os.symlink("round.png", place / "round.png")
        os.symlink("round", place / "round")
    report = check(tmp_path)
    finding = found(report, "unreadable")
    assert (finding.count, report.exit_code) == (1, 1)
    assert "symbolic links go round in a circle" in finding.examples[0]
    assert listed(report, tmp_path) == ["cat/round.png"]
    assert "2 not pictures by their names" in "".join(f.what for f in report.findings)


def test_copies_within_a_class_harm_little_and_the_largest_file_stays(tmp_path: Path) -> None:
    fill(tmp_path, cat=20, dog=20)
    picture(1).save(tmp_path / "cat" / "a.png")
    picture(1).save(tmp_path / "cat" / "b.bmp")  # the same pixels in a larger file
    picture(1).resize((96, 96)).save(tmp_path / "cat" / "near.png")
    report = check(tmp_path)
    assert report.exit_code == 0
    assert found(report, "exact duplicates").examples == (f"{tmp_path}/cat/a.png = {tmp_path}/cat/b.bmp",)
    assert found(report, "near duplicates").count == 1
    assert listed(report, tmp_path) == ["cat/a.png"]
    assert report.take_out[0].reason == f"the same picture as '{tmp_path}/cat/b.bmp'"


def test_one_picture_in_two_classes(tmp_path: Path) -> None:
    """Equal: all go, since nobody but the owner knows the label. Nearly equal: shown, not listed."""
    fill(tmp_path, husky=20, wolf=20)
    for name in ("husky", "wolf"):
        picture(1).save(tmp_path / name / "equal.png")
        picture(2).resize((60 + 20 * len(name),) * 2).save(tmp_path / name / "nearly.png")
    report = check(tmp_path)
    assert names(report) == {"across classes"}
    finding = found(report, "across classes")
    assert (finding.severity, finding.count, report.exit_code) == ("warning", 2, 1)
    assert listed(report, tmp_path) == ["husky/equal.png", "wolf/equal.png"]
    assert [os.path.relpath(r.path, tmp_path) for r in report.look_at] == ["husky/nearly.png", "wolf/nearly.png"]


def test_copies_across_a_given_split_flatter_the_result(tmp_path: Path) -> None:
    for side in ("train", "val", "test"):
        fill(tmp_path / side, cat=20, dog=20)
    picture(1).save(tmp_path / "train" / "cat" / "x.png")
    picture(1).resize((80, 80)).save(tmp_path / "test" / "cat" / "x.jpg")
    picture(2).save(tmp_path / "train" / "dog" / "y.png")
    picture(2).save(tmp_path / "val" / "dog" / "y.png")
    report = check(tmp_path)
    finding = found(report, "across splits")
    assert (finding.severity, finding.count) == ("warning", 2)
    assert listed(report, tmp_path) == ["train/cat/x.png", "train/dog/y.png"]
    assert report.counts["val"] == {"cat": 20, "dog": 21}


def test_a_picture_of_a_class_in_an_out_folder(tmp_path: Path) -> None:
    data = fill(tmp_path / "data", cat=20)
    out = fill(tmp_path / "out", things=20)
    picture(1).save(data / "cat" / "tom.png")
    picture(1).resize((70, 70)).save(out / "tom.jpg", quality=80)
    report = check(data, out=[out])
    assert found(report, "copies in out").count == 1
    assert listed(report, tmp_path) == ["out/tom.jpg"]
    assert report.counts == {"": {"cat": 21}, "out": {"": 21}}


def test_tiny_and_unbalanced_classes(tmp_path: Path) -> None:
    fill(tmp_path, cat=40, dog=20, emu=1)
    for n in range(3):
        (tmp_path / "emu" / f"copy{n}.png").write_bytes((tmp_path / "emu" / "000.png").read_bytes())
    report = check(tmp_path)
    assert "'emu' 1" in found(report, "tiny class").what  # copies are counted as one
    assert found(report, "imbalance").what == "'cat' has 40 pictures, 'emu' 4"
    assert "class 'emu' has no picture to watch the training with" in found(report, "untrainable").what
    assert report.exit_code == 2


@pytest.mark.parametrize(
    ("layout", "out", "small", "told"),
    [
        ({"train/cat": 24, "train/dog": 24, "val/cat": 4}, {}, (), "class 'dog' has no picture to watch"),
        ({"cat": 24}, {"few": 1}, (), "class 'other' has no picture to watch"),
        ({"cat": 24, "dog": 2, "emu": 24}, {}, (), None),  # two suffice to learn and to watch
        ({"cat": 24, "dog": 1}, {}, (), "class 'dog' has no picture to watch"),
        ({"cat": 24, "dog": 24}, {}, ("dog",), "no picture of class 'dog' can be read"),
        ({"cat": 24, "dog": 24}, {"away": 5}, ("away",), "no picture of the out folder"),
    ],
)
def test_what_the_check_passes_can_be_trained_on_and_what_it_refuses_cannot(
    tmp_path: Path, layout: dict[str, int], out: dict[str, int], small: tuple[str, ...], told: str | None
) -> None:
    """small: folders whose pictures have 4 pixels a side."""
    fill(tmp_path / "data", **layout)
    fill(tmp_path, **out)
    for path in (p for name in small for p in tmp_path.rglob(f"{name}/*.png")):
        picture(1, 4).save(path)
    outs = [tmp_path / name for name in out]
    report = check(tmp_path / "data", out=outs)
    errors = [f for f in report.findings if f.severity == "error"]
    assert report.exit_code == 2 if told else report.exit_code < 2
    train = partial(openset.train, tmp_path / "data", out=outs, scheme="plain", net="lenet", epochs=1, progress=False)
    if told is None:
        assert errors == []
        train(output=tmp_path / "run")
        return
    assert told in errors[0].what
    with pytest.raises(OpensetError):
        train(output=tmp_path / "run")


def test_an_out_folder_of_copies_cannot_be_trained_with(tmp_path: Path) -> None:
    fill(tmp_path / "data", cat=24, dog=24)
    shutil.copytree(tmp_path / "data/cat", tmp_path / "out")
    report = check(tmp_path / "data", out=[tmp_path / "out"])
    assert "24 copied from pictures of a class" in found(report, "untrainable").what
    assert report.exit_code == 2


def test_one_pixel_and_constant_pictures(tmp_path: Path) -> None:
    fill(tmp_path, cat=20, dog=20)
    Image.new("RGB", (1, 1), "red").save(tmp_path / "cat" / "pixel.gif")
    Image.new("RGB", (7, 7), "red").save(tmp_path / "cat" / "seven.png")
    picture(1).resize((8, 2)).save(tmp_path / "cat" / "eight.png")
    Image.new("L", (50, 40), 255).save(tmp_path / "dog" / "blank.jpg")
    report = check(tmp_path)
    assert found(report, "too small").count == 2
    assert found(report, "constant").examples == (f"{tmp_path}/dog/blank.jpg",)
    assert listed(report, tmp_path) == ["cat/pixel.gif", "cat/seven.png"]


def test_blank_pages_in_an_out_folder_are_as_they_should_be(tmp_path: Path) -> None:
    fill(tmp_path / "data", cat=20)
    fill(tmp_path / "out", things=20)
    Image.new("L", (50, 40), 255).save(tmp_path / "out" / "blank.png")
    assert check(tmp_path / "data", out=[tmp_path / "out"]).findings == ()


def test_links_that_leave_the_folder_are_told(tmp_path: Path) -> None:
    data = fill(tmp_path / "data", cat=20, dog=20)
    fill(tmp_path / "disk", emu=20)
    os.symlink(tmp_path / "disk" / "emu", data / "emu")
    os.symlink(tmp_path / "disk" / "emu" / "000.png", data / "cat" / "link.png")
    os.symlink(data / "dog" / "000.png", data / "cat" / "inside.png")
    finding = found(check(data), "links")
    assert (finding.severity, set(finding.examples)) == ("info", {f"{data}/emu", f"{data}/cat/link.png"})


def test_what_cannot_be_used_is_an_error_and_never_a_traceback(tmp_path: Path) -> None:
    assert check(tmp_path / "missing").exit_code == 2
    (tmp_path / "flat").mkdir()
    picture(1).save(tmp_path / "flat" / "1.png")
    report = check(tmp_path / "flat")
    assert report.exit_code == 2
    assert "no class folders" in found(report, "layout").what
    alone = check(fill(tmp_path / "alone", cat=20))
    assert "nothing to tell it from" in found(alone, "one class").what
    assert alone.exit_code == 2
    assert check(tmp_path / "alone", out=[fill(tmp_path / "out", things=20)]).exit_code == 0
    (tmp_path / "none").mkdir()
    assert "no out pictures" in names(check(tmp_path / "alone", out=[tmp_path / "none"]))
    assert check(tmp_path / "alone", out=[tmp_path / "nowhere"]).exit_code == 2


def test_a_class_that_cannot_be_read_and_one_that_is_empty(tmp_path: Path) -> None:
    fill(tmp_path, cat=20, dog=20)
    (tmp_path / "emu").mkdir()
    (tmp_path / "emu" / "a.png").write_bytes(b"broken")
    (tmp_path / "fox").mkdir()
    report = check(tmp_path)
    assert "'emu'" in found(report, "dead class").what
    assert "'fox'" in found(report, "layout").what
    assert report.exit_code == 2
    assert report.findings[0].severity == "error"


def test_what_was_passed_over_is_an_info(tmp_path: Path) -> None:
    fill(tmp_path, cat=20, dog=20)
    (tmp_path / ".DS_Store").write_bytes(b"x")
    report = check(tmp_path)
    assert "1 hidden" in found(report, "folder").what
    assert report.exit_code == 0
    out = fill(tmp_path.parent / f"{tmp_path.name}-out", things=20)
    (out / "scan.jp2").write_bytes(b"x")
    outside = [f.what for f in check(tmp_path, out=[out]).findings if str(out) in f.what]
    assert [text.partition(" passed over: ")[2] for text in outside] == ["1 not pictures by their names (.jp2)."]


def test_many_examples_are_cut_and_still_counted(tmp_path: Path) -> None:
    fill(tmp_path, cat=20, dog=20)
    for n in range(9):
        (tmp_path / "cat" / f"bad{n}.png").write_bytes(b"no")
    finding = found(check(tmp_path), "unreadable")
    assert (finding.count, len(finding.examples)) == (9, 5)
    (row,) = render(check(tmp_path))
    assert row[:3] == ("warning", "unreadable", "9 files that cannot be read")
    assert len(row[3].splitlines()) == 5


def test_the_fix_list_names_files_and_deletes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "#data", cat=20, dog=20)
    (tmp_path / "#data" / "cat" / "bad one.png").write_bytes(b"no")
    (tmp_path / "#data" / "cat" / "bad\nname.png").write_bytes(b"no")
    (tmp_path / "#data" / "cat" / "scan.pdf").write_bytes(b"no")
    with open(os.fsencode(tmp_path / "#data" / "cat") + b"/bad\xff.png", "wb") as stream:
        stream.write(b"no")
    (tmp_path / "#data" / "dog" / "1.png").write_bytes((tmp_path / "#data" / "dog" / "001.png").read_bytes())
    before = sorted(p for p in tmp_path.rglob("*"))
    report = check("#data")
    assert report.write_fix_list("fix.txt") == 3
    assert [r.path for r in report.by_hand] == ["#data/cat/bad\nname.png"]
    assert [r.path for r in report.eyed] == ["#data/cat/scan.pdf"]
    assert sorted(p for p in tmp_path.rglob("*") if p.name != "fix.txt") == before
    content = Path("fix.txt").read_bytes()
    files = [line for line in content.splitlines() if not line.startswith(b"# ")]
    assert files == [b"./#data/cat/bad one.png", b"./#data/cat/bad\xff.png", b"./#data/dog/1.png"]
    assert all(os.path.isfile(f) for f in files)
    assert b"# take out by hand '#data/cat/bad\\nname.png'" in content
    assert b"scan.pdf" in content
    assert report.write_fix_list("fix.txt") == 3  # its own list may be written again
    assert Path("fix.txt").read_bytes() == content


def test_the_fix_list_names_a_picture_called_after_a_document(tmp_path: Path) -> None:
    """As tools name the pages that they cut out of a PDF."""
    fill(tmp_path / "data", cat=20, dog=20)
    (tmp_path / "data/cat/report.pdf-1.png").write_bytes(b"none")
    report = check(tmp_path / "data")
    assert [os.path.basename(r.path) for r in report.listed] == ["report.pdf-1.png"]
    assert report.write_fix_list(tmp_path / "list.txt") == 1


def test_the_fix_list_never_overwrites_a_picture(tmp_path: Path) -> None:
    report = check(fill(tmp_path, cat=20, dog=20))
    kept = (tmp_path / "cat" / "000.png").read_bytes()
    with pytest.raises(DataError, match="is not a list written by"):
        report.write_fix_list(tmp_path / "cat" / "000.png")
    assert (tmp_path / "cat" / "000.png").read_bytes() == kept
    with pytest.raises(DataError, match="cannot be written"):
        report.write_fix_list(tmp_path / "no such folder" / "fix.txt")


def list_of(path: str) -> list[str]:
    return [line for line in Path(path).read_text().splitlines() if not line.startswith("#")]


def test_after_the_listed_files_are_moved_away_the_check_is_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the line of shell that the list itself gives."""
    for side in ("train", "test"):
        fill(tmp_path / side, cat=20, dog=20)
    for n, (side, label) in enumerate([("train", "cat"), ("train", "dog"), ("test", "dog"), ("test", "dog")]):
        picture(1).save(tmp_path / side / label / f"z{n}.png")
        picture(10).resize((40 + 8 * n,) * 2).save(tmp_path / side / "cat" / f"y{n}.jpg", quality=90)
    (tmp_path / "train" / "cat" / "bad.png").write_bytes(b"")
    report = check(tmp_path)
    assert {"across classes", "across splits", "unreadable"} <= names(report)
    monkeypatch.chdir(tmp_path.parent)
    (tmp_path.parent / "fix.txt").unlink(missing_ok=True)
    assert report.write_fix_list("fix.txt") == len(report.take_out) == len(list_of("fix.txt"))
    shutil.rmtree("aside", ignore_errors=True)
    recipe = next(line for line in Path("fix.txt").read_text().splitlines() if "mkdir aside" in line)
    subprocess.run(["sh", "-c", recipe.lstrip("# ").replace("THIS_FILE", "fix.txt")], check=True)
    assert len(os.listdir("aside")) == len(report.take_out)  # equal names in two classes do not meet
    assert check(tmp_path).exit_code == 0
