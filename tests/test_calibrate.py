"""Calibrating a judge file on folders: a judge whose answer is known, red or blue by the picture's mean colour."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from openset._cli.info import lines
from openset._field import shares
from openset.calibrate import CalibrationReport, calibrate
from openset.errors import CalibrationError, DataError, JudgeFileError
from openset.judge import open_judge
from openset.judgefile import read_info, with_info
from openset.types import JudgeInfo, Preprocess, Threshold


def write_judge(path: Path, labels: tuple[str, str] = ("red", "blue"), old: Mapping[str, float] | None = None) -> Path:
    """probabilities = softmax(6 * [mean red, mean blue])."""
    weights = np.array([[6, 0], [0, 0], [0, 6]], dtype=np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ReduceMax", ["probabilities", "last"], ["score"], keepdims=0),
    ]
    constants = [
        numpy_helper.from_array(np.array([2, 3], dtype=np.int64), "axes"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "last"),
        numpy_helper.from_array(weights, "weights"),
    ]
    shapes = {"pixels": ["b", 3, 8, 8], "logits": ["b", 2], "probabilities": ["b", 2], "score": ["b"]}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], initializer=constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    stored = {
        label: Threshold(label, value, 0.9, 0.1, 9, 9, 0, 1.0, 0.9, None, "of old")
        for label, value in (old or {}).items()
    }
    info = JudgeInfo(labels, Preprocess(size=8, min_side=4), stored, {"epochs": 3}, name="colours")
    path.write_bytes(with_info(model.SerializeToString(), info))
    return path


def draw(folder: Path, n: int, red: tuple[int, int], blue: tuple[int, int], seed: int = 0) -> None:
    """n plain pictures with colours from the two ranges."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        colour = (int(rng.integers(*red)), 40, int(rng.integers(*blue)))
        Image.new("RGB", (9, 9), colour).save(folder / f"{i:03}.png")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draw(tmp_path / "data/red", 120, (150, 256), (0, 120))
    draw(tmp_path / "data/blue/deep/down", 120, (0, 120), (150, 256))
    return tmp_path / "data"


def test_a_users_story(tmp_path: Path, data: Path) -> None:
    """Purple pictures are no class; two files are broken; afterwards the judge says unknown to purple."""
    draw(tmp_path / "purple", 40, (180, 230), (150, 200), seed=1)
    (data / "red" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbut no more")
    (data / "red" / "empty.jpg").write_bytes(b"")
    (data / "red" / "notes.txt").write_text("not a picture")
    (tmp_path / "purple" / "scan.jp2").write_bytes(b"a kind not read here")
    judge = write_judge(tmp_path / "judge.onnx", old={"red": 0.1, "blue": 0.1})

    report = calibrate(judge, data, precision=0.95, delta=0.05, out=[tmp_path / "purple"])

    assert set(report.thresholds) == {"red", "blue"}
    assert report.n == 280
    assert [Path(path).name for path, _ in report.unreadable] == ["broken.png", "empty.jpg"]
    assert any(".txt" in note for note in report.notes)
    assert any(".jp2" in note and "purple" in note for note in report.notes)
    info = read_info(judge)
    assert info.thresholds == report.thresholds
    assert info.facts == {"epochs": 3, "no_threshold": {}}
    red = info.thresholds["red"]
    assert red.lower_bound >= red.precision == 0.95
    assert red.assumption == (
        "pictures to come are drawn like those in 'data', 'purple', the shares of the classes included, each on its own, "
        "the 2 copies among them too"  # colours drawn twice
    )
    opened = open_judge(judge)
    at_work = {
        name: list(opened.stream(sorted(map(str, folder.rglob("[0-9]*.png")))))
        for name, folder in {"red": data / "red", "blue": data / "blue", "purple": tmp_path / "purple"}.items()
    }
    accepted = {name: [d for d in made if d.label == "red"] for name, made in at_work.items()}
    assert len(accepted["red"]) == round(red.coverage * 120) == red.accepted - red.wrong
    assert len(accepted["blue"]) + len(accepted["purple"]) == red.wrong
    assert len(accepted["red"]) > 80
    assert sum(d.outcome == "unknown" for d in at_work["purple"]) > 30

    text = "\n".join(report.lines())
    for part in ("red: threshold", "at least 0.95", "This holds if pictures to come are drawn like", "broken.png"):
        assert part in text
    assert "280 pictures judged, 2 unreadable" in text


def test_output_leaves_the_judge_as_it_was(tmp_path: Path, data: Path) -> None:
    judge = write_judge(tmp_path / "judge.onnx")
    before = judge.read_bytes()
    report = calibrate(judge, data, precision=0.9, delta=0.1, output=tmp_path / "new.onnx", progress=True)
    assert judge.read_bytes() == before
    assert read_info(tmp_path / "new.onnx").thresholds == report.thresholds
    assert report.output == str(tmp_path / "new.onnx")


def test_too_few_pictures_change_nothing(tmp_path: Path, data: Path) -> None:
    judge = write_judge(tmp_path / "judge.onnx", old={"red": 0.5})
    before = judge.read_bytes()
    with pytest.raises(CalibrationError, match=r"120 of 240 .* at least 299 .*\n.*'blue'"):
        calibrate(judge, data, precision=0.99, delta=0.05)
    assert judge.read_bytes() == before


def test_a_label_without_enough_pictures_loses_the_threshold_it_had(tmp_path: Path) -> None:
    draw(tmp_path / "data/red", 100, (150, 256), (0, 120))
    draw(tmp_path / "data/blue", 20, (0, 120), (150, 256))
    judge = write_judge(tmp_path / "judge.onnx", old={"red": 0.1, "blue": 0.1})
    report = calibrate(judge, tmp_path / "data", precision=0.95, delta=0.05)
    assert "the answer 'blue' was given to 20 of 120 pictures, and at least 59" in report.skipped["blue"]
    info = read_info(judge)
    assert set(info.thresholds) == {"red"}
    assert info.facts["no_threshold"] == report.skipped
    assert any(line.startswith("blue: no threshold") for line in report.lines())


def test_pictures_too_small_to_judge_count_as_not_accepted(tmp_path: Path, data: Path) -> None:
    for i in range(30):
        Image.new("RGB", (3, 3), (255, 0, 0)).save(data / "red" / f"small{i}.png")
    judge = write_judge(tmp_path / "judge.onnx")
    report = calibrate(judge, data, precision=0.95, delta=0.05)
    assert report.n == 270
    assert report.thresholds["red"].coverage == pytest.approx(120 / 150)


def test_a_picture_given_twice_is_no_second_draw(tmp_path: Path, data: Path) -> None:
    """The same folder twice, one inside another, a link to a folder or to a picture, a class's picture as no class."""
    judge = write_judge(tmp_path / "judge.onnx")
    before = judge.read_bytes()
    draw(tmp_path / "out/in", 5, (180, 230), (150, 200), seed=1)
    (tmp_path / "link").symlink_to(tmp_path / "out")
    for outs in (["out", "out"], ["out", "out/in"], ["link", "out"], ["data/red"], ["out/in", "out/../out/in"]):
        with pytest.raises(DataError, match=r"\.png' (is given twice|and '.*\.png' are one picture), and"):
            calibrate(judge, data, precision=0.9, delta=0.1, out=[tmp_path / name for name in outs])
    (data / "red" / "again.png").symlink_to(data / "red" / "007.png")
    with pytest.raises(DataError, match=r"007\.png' and '.*again\.png' are one picture"):
        calibrate(judge, data, precision=0.9, delta=0.1)
    assert judge.read_bytes() == before


def test_copies_of_one_picture_promise_nothing(tmp_path: Path, data: Path) -> None:
    """Files of the same bytes are hardly draws of their own: a few are told with the promise, and most of a class are refused."""
    judge = write_judge(tmp_path / "judge.onnx")
    before = judge.read_bytes()
    for k in range(130):
        shutil.copy(data / "red" / "007.png", data / "red" / f"copy{k}.png")
    with pytest.raises(DataError, match=r"13\d of the 250 pictures of 'red' are copies of others, such as '.*png'"):
        calibrate(judge, data, precision=0.9, delta=0.1)
    assert judge.read_bytes() == before
    for k in range(1, 130):
        (data / "red" / f"copy{k}.png").unlink()
    known = len(list(data.rglob("*.png"))) - len({file.read_bytes() for file in data.rglob("*.png")})
    report = calibrate(judge, data, precision=0.9, delta=0.1)
    assert report.assumption.endswith(f"each on its own, the {known} copies among them too")
    assert read_info(judge).thresholds["red"].assumption == report.assumption


def test_pages_of_one_pdf_are_not_one_picture(tmp_path: Path, data: Path) -> None:
    judge = write_judge(tmp_path / "judge.onnx")
    (tmp_path / "out").mkdir()
    pages = [Image.new("RGB", (9, 9), (200, 0, shade)) for shade in (150, 200)]
    pages[0].save(tmp_path / "out" / "two.pdf", save_all=True, append_images=pages[1:])
    assert calibrate(judge, data, precision=0.9, delta=0.1, out=tmp_path / "out").n == 242


def test_copies_of_a_pdf_are_copies_of_each_of_its_pages(tmp_path: Path, data: Path) -> None:
    """Another document of the same size and one of the same pages in another order are none."""
    judge = write_judge(tmp_path / "judge.onnx")
    out = tmp_path / "out"
    out.mkdir()

    def book(name: str, *shades: int) -> None:
        pages = [Image.new("RGB", (9, 9), (200, 0, shade)) for shade in shades]
        pages[0].save(out / name, save_all=True, append_images=pages[1:])

    book("one.pdf", 150, 160, 170)
    book("two.pdf", 170, 160, 150)
    known = calibrate(judge, data, precision=0.9, delta=0.1, out=out)
    shutil.copy(out / "one.pdf", out / "again.pdf")
    report = calibrate(judge, data, precision=0.9, delta=0.1, out=out)
    assert (known.n, report.n) == (246, 249)
    copies = [int(re.search(r"the (\d+) cop", said.assumption)[1]) for said in (known, report)]  # type: ignore[index]
    assert copies[1] == copies[0] + 3
    for k in range(2):
        shutil.copy(out / "one.pdf", out / f"again{k}.pdf")
    shutil.copy(out / "two.pdf", out / "and again.pdf")
    with pytest.raises(DataError, match=r"12 of the 18 pictures of no class are copies .*\.pdf#page="):
        calibrate(judge, data, precision=0.9, delta=0.1, out=out)


def test_a_label_with_decomposed_accents_is_its_class_folder(tmp_path: Path, data: Path) -> None:
    """macOS writes folders' names decomposed, and so may a judge's label be; shares are given as they are typed."""
    composed, decomposed = (unicodedata.normalize(form, "rosé") for form in ("NFC", "NFD"))
    (data / "red").rename(data / composed)
    judge = write_judge(tmp_path / "judge.onnx", labels=(decomposed, "blue"))
    report = calibrate(judge, data, precision=0.9, delta=0.1, prevalence={composed: 0.6, "blue": 0.4})
    assert set(report.thresholds) == {decomposed, "blue"}
    assert read_info(judge).thresholds[decomposed].prevalence == 0.6
    assert open_judge(judge)(data / composed / "007.png").label == decomposed
    (data / composed).rename(data / decomposed)
    assert set(calibrate(judge, data, precision=0.9, delta=0.1).thresholds) == {decomposed, "blue"}
    both = write_judge(tmp_path / "both.onnx", labels=(decomposed, composed))
    with pytest.raises(DataError, match=f"two names are both '{composed}'.*rename one"):
        calibrate(both, data, precision=0.9, delta=0.1)


def test_what_cannot_be_written_is_said_before_a_picture_is_judged(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("pictures are judged")

    monkeypatch.setattr("openset.calibrate._judged", never)
    judge = write_judge(tmp_path / "judge.onnx")
    for target, said in ((tmp_path / "none" / "c.onnx", "there is no folder '.*none'"), (tmp_path, "it is a folder")):
        with pytest.raises(JudgeFileError, match=f"cannot be written: {said}"):
            calibrate(judge, data, precision=0.9, delta=0.1, output=target)


def test_no_guarantee_is_rounded_up() -> None:
    """What is printed for people, by calibrate and by info, holds the numbers as they are."""
    for precision, delta, share in ((0.99999, 0.00001, 0.99999), (0.95, 1e-5, 0.123456), (0.9, 0.05, None)):
        made = Threshold("red", 0.5, precision, delta, 10**6, 9 * 10**5, 0, 1.0, 0.999995, share, "of ours")
        report = CalibrationReport({"red": made}, {}, 10**6, (), (), "of ours", "x.onnx")
        field = "" if share is None else f" where it makes up {share} of the pictures"
        said = f"at least {precision}{field}, but for a chance of {delta}"
        assert said in "\n".join(report.lines())
        known = JudgeInfo(("red", "blue"), Preprocess(), {"red": made}, name="colours")
        assert said in "\n".join(lines(known))


def test_folders_and_labels_must_match(tmp_path: Path, data: Path) -> None:
    judge = write_judge(tmp_path / "judge.onnx")
    (data / "blue").rename(data / "Blue")
    with pytest.raises(DataError, match=r"labels are red, blue \(missing: blue; not known: Blue\)"):
        calibrate(judge, data, precision=0.9, delta=0.1)
    (data / "Blue").rename(data / "blue")
    (data / "green").mkdir()
    with pytest.raises(DataError, match="not known: green"):
        calibrate(judge, data, precision=0.9, delta=0.1)
    (data / "green").rmdir()
    with pytest.raises(DataError, match=r"out folder .*nowhere.* is missing"):
        calibrate(judge, data, precision=0.9, delta=0.1, out=tmp_path / "nowhere")
    data.rename(tmp_path / "train")
    (tmp_path / "whole").mkdir()
    (tmp_path / "train").rename(tmp_path / "whole/train")
    with pytest.raises(DataError, match="not trained on: give"):
        calibrate(judge, tmp_path / "whole", precision=0.9, delta=0.1)


def test_one_class_against_the_rest(tmp_path: Path, data: Path) -> None:
    """For a judge of (red, other) the out folders are the pictures of "other"."""
    judge = write_judge(tmp_path / "judge.onnx", labels=("red", "other"))
    (data / "blue").rename(tmp_path / "rest")
    report = calibrate(judge, data, precision=0.9, delta=0.1, out=tmp_path / "rest", prevalence=0.3)
    assert report.thresholds["other"].coverage > 0.9
    assert report.thresholds["other"].wrong == 0
    assert report.thresholds["red"].prevalence == 0.3
    assert report.thresholds["other"].prevalence == 0.7
    assert "others like the others" in report.assumption
    assert any("makes up 0.3 of the pictures" in line for line in report.lines())


def test_shares_in_the_field() -> None:
    assert shares(("red", "blue"), None) is None
    assert shares(("red", "blue"), 0.2) == {"red": 0.2, "blue": 0.2}
    assert shares(("other", "red"), 0.25) == {"other": 0.75, "red": 0.25}
    assert shares(("red", "blue"), {"red": 0.3, "blue": 0.1}) == {"red": 0.3, "blue": 0.1}
    with pytest.raises(DataError, match=r"missing: blue; not known: green\)\. Give a share for each label\.$"):
        shares(("red", "blue"), {"red": 0.3, "green": 0.1})
    assert shares(("red", "blue"), 0.5) == {"red": 0.5, "blue": 0.5}
    assert shares(tuple("abc"), 1 / 3) == dict.fromkeys("abc", 1 / 3)
    assert shares(tuple("abcdefghij"), dict.fromkeys("abcdefghij", 0.1)) == dict.fromkeys("abcdefghij", 0.1)
    for tenth in range(1, 10):
        assert shares(("red", "other"), tenth / 10) == {"red": tenth / 10, "other": (10 - tenth) / 10}


def test_shares_that_cannot_be_of_one_field_are_refused_in_the_users_own_numbers() -> None:
    with pytest.raises(DataError, match=r"^prevalence 0\.9 is each .* add up to 1\.8 for the 2 labels red, blue: .*=P"):
        shares(("red", "blue"), 0.9)
    with pytest.raises(DataError, match=r"^the prevalences add up to 1\.0001 for the 2 labels red, blue: .*at most 1:"):
        shares(("red", "blue"), {"red": 0.9, "blue": 0.1001})
    with pytest.raises(DataError, match=r"add up to 1\.2 for the 3 labels"):
        shares(("red", "blue", "other"), 0.4)
    with pytest.raises(CalibrationError, match=r"^prevalence is 1\.5; give a number above 0"):
        shares(("other", "red"), 1.5)
    with pytest.raises(CalibrationError, match=r"^prevalence is -0\.2; give a number above 0"):
        shares(("other", "red"), -0.2)
    with pytest.raises(CalibrationError, match=r"^the prevalence of 'blue' is 0; give a number above 0"):
        shares(("red", "blue"), {"red": 0.9, "blue": 0})


def test_what_cannot_be_promised_is_refused_before_a_picture_is_read(tmp_path: Path) -> None:
    judge = write_judge(tmp_path / "judge.onnx")
    for rates in ({"precision": 1.0, "delta": 0.05}, {"precision": 0.9, "delta": 0.05, "prevalence": 0.0}):
        with pytest.raises(CalibrationError, match="above 0 and below 1"):
            calibrate(judge, tmp_path / "nowhere", **rates)
    with pytest.raises(JudgeFileError, match=r"not changed in place.*--output FILE"):
        calibrate("sheet-music", tmp_path, precision=0.9, delta=0.1)
