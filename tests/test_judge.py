"""The judge at work, on a graph whose answer is known: the logits are ten times the picture's mean red, green, blue."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from openset import images
from openset.errors import ImageError, JudgeFileError
from openset.judge import SHIPPED, Judge, judge_of, open_judge
from openset.judgefile import with_info
from openset.types import JudgeInfo, Preprocess, Threshold

LABELS = ("red", "green", "blue")
STRETCH = Preprocess(mode="stretch", size=8, min_side=4)
FIT = Preprocess(mode="fit", size=32, multiple=8, min_side=4)


def threshold(label: str, value: float) -> Threshold:
    return Threshold(label, value, 0.9, 0.05, 100, 90, 1, 0.9, 0.91, None, "pictures like these")


def graph(side: Any = ("height", "width"), **changes: Any) -> onnx.ModelProto:
    """mean over H, W -> times 10 -> logits; softmax; max. `changes`: inputs or outputs other than a judge's."""
    first = changes.pop("first", [helper.make_node("Identity", ["pixels"], ["seen"])])
    nodes = [
        *first,
        helper.make_node("ReduceMean", ["seen", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "ten"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ReduceMax", ["probabilities", "last"], ["score"], keepdims=0),
        *changes.pop("more_nodes", []),
    ]
    constants = [
        numpy_helper.from_array(np.array([2, 3], dtype=np.int64), "axes"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "last"),
        numpy_helper.from_array(np.array(changes.pop("gain", 10.0), dtype=np.float32), "ten"),
        *changes.pop("constants", []),
    ]
    shapes = {
        "pixels": ["batch", 3, *side],
        "logits": ["batch", 3],
        "probabilities": ["batch", 3],
        "score": ["batch"],
    } | changes
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
        if shape is not None
    }
    outputs = [value for name, value in values.items() if name != "pixels"]
    made = helper.make_graph(nodes, "g", [values["pixels"]], outputs, initializer=constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def info(preprocess: Preprocess = STRETCH, labels: tuple[str, ...] = LABELS) -> JudgeInfo:
    known = {label: threshold(label, 0.9) for label in labels[:2]}
    return JudgeInfo(labels=labels, preprocess=preprocess, thresholds=known, name="colours")


def judge_with(preprocess: Preprocess = STRETCH, **changes: Any) -> Judge:
    return judge_of(with_info(graph(**changes).SerializeToString(), info(preprocess)), "colours", threads=1)


def plain(colour: tuple[int, int, int], height: int = 20, width: int = 30) -> NDArray[np.uint8]:
    return np.full((height, width, 3), colour, dtype=np.uint8)


def softmax(x: NDArray[Any]) -> NDArray[Any]:
    e = np.exp(x - x.max())
    return e / e.sum()


@pytest.fixture(scope="module")
def judge() -> Judge:
    return judge_with()


@pytest.fixture(scope="module")
def fitting() -> Judge:
    return judge_with(FIT)


def test_a_picture_gets_the_softmax_of_ten_times_its_mean_colour(judge: Judge) -> None:
    made = judge(plain((255, 0, 51)))
    expected = softmax(np.array([10.0, 0.0, 2.0]))
    assert list(made.probabilities) == list(LABELS)
    np.testing.assert_allclose(list(made.probabilities.values()), expected, atol=1e-6)
    assert (made.outcome, made.label, made.best, made.threshold) == ("accepted", "red", "red", 0.9)
    assert made.confidence == pytest.approx(expected[0], abs=1e-6)
    assert made.score == pytest.approx(expected[0], abs=1e-6)


def test_below_the_threshold_is_unknown_and_still_names_the_best(judge: Judge) -> None:
    made = judge(plain((128, 120, 100)))
    assert (made.outcome, made.label, made.best) == ("unknown", None, "red")
    assert judge(plain((128, 120, 100)), threshold=0.3).label == "red"


def test_path_bytes_and_array_of_one_picture_are_decided_alike(judge: Judge, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    path = tmp_path / "a b\nü.png"
    path.write_bytes(buffer.getvalue())
    made = judge([array, buffer.getvalue(), path, str(path)])
    assert [d.path for d in made] == ["<array>", "<bytes>", str(path), str(path)]
    assert len({tuple(d.probabilities.values()) for d in made}) == 1
    assert made[3] == judge(str(path))
    assert judge([]) == []


def test_outputs_are_the_formula_on_any_pixels(fitting: Judge) -> None:
    pixels = np.random.default_rng(1).normal(0, 100, (3, 3, 16, 24)).astype(np.float32)
    made = fitting.outputs(pixels)
    logits = 10 * pixels.astype(np.float64).mean((2, 3))
    np.testing.assert_allclose(made["logits"], logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(made["probabilities"], [softmax(row) for row in logits], atol=1e-4)
    np.testing.assert_allclose(made["score"], made["probabilities"].max(1))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 3, 8, 8)),
        np.zeros((3, 8, 8), np.float32),
        np.zeros((1, 1, 8, 8), np.float32),
        np.zeros((0, 3, 8, 8), np.float32),
        np.zeros((1, 3, 8, 9), np.float32),
    ],
)
def test_outputs_refuse_other_pixels_and_name_what_they_got(judge: Judge, pixels: NDArray[Any]) -> None:
    with pytest.raises(ImageError, match=r"pixels are float.*Give float32 \[B, 3, 8, 8\]"):
        judge.outputs(pixels)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((8, 8, 3), np.float32), r"float32 \[8, 8, 3\]"),
        (np.zeros((8, 8), np.uint8), r"uint8 \[8, 8\]"),
        (np.zeros((8, 8, 4), np.uint8), r"uint8 \[8, 8, 4\]"),
        (np.zeros((0, 8, 3), np.uint8), r"uint8 \[0, 8, 3\]"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"uint8 \[2, 8, 8, 3\]"),
        ([[1, 2]], "given as list"),
        ([None], "given as NoneType"),
        (None, "given as NoneType"),
        (iter(["a.png"]), "given as list_iterator"),
    ],
)
def test_what_is_no_picture_is_named(judge: Judge, x: Any, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        judge(x)


def folder(root: Path) -> list[str]:
    """Files of several shapes, good, broken, missing and too small, in an order that mixes them."""
    rng = np.random.default_rng(2)
    paths = []
    for i in range(30):
        path = root / f"{i:02}.png"
        height, width = [(40, 60), (60, 40), (33, 90), (3, 2)][i % 4]
        if i % 7 == 5:
            path.write_bytes(b"\x89PNG\r\n\x1a\n" + rng.bytes(40))
        elif i % 7 != 6:
            Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
        paths.append(str(path))
    return [*paths, str(root), "no\0name", *paths[:5]]


def test_a_stream_keeps_order_and_drops_nothing(fitting: Judge, tmp_path: Path) -> None:
    paths = folder(tmp_path)
    made = list(fitting.stream(iter(paths), batch=3))
    assert [d.path for d in made] == paths
    for decision, one in zip(made, map(fitting, paths), strict=True):
        assert (decision.outcome, decision.best, decision.why, decision.error) == (
            one.outcome,
            one.best,
            one.why,
            one.error,
        )
        np.testing.assert_allclose(list(decision.probabilities.values()), list(one.probabilities.values()), atol=1e-6)
    outcomes = [d.outcome for d in made]
    bad = sum(i % 7 in (5, 6) for i in range(30)) + 2
    assert outcomes.count("error") == bad
    assert all((d.error is not None) == (d.outcome == "error") for d in made)


def test_a_bad_file_carries_the_reason_and_the_remedy(judge: Judge, tmp_path: Path) -> None:
    path = str(tmp_path / "missing.png")
    with pytest.raises(ImageError) as caught:
        images.load(path)
    made = judge(path)
    assert made.outcome == "error"
    assert made.error == f"{caught.value.reason}. {caught.value.remedy}"
    assert caught.value.reason in made.why
    assert (made.confidence, made.label, made.best, made.probabilities) == (None, None, None, {})


def test_a_picture_too_small_to_judge_is_unknown_with_the_reason(judge: Judge) -> None:
    made = judge(plain((255, 0, 0), height=3, width=2))
    assert (made.outcome, made.label, made.error) == ("unknown", None, None)
    assert made.why == "too small: 2 x 3 pixels, this judge needs a longer side of at least 4"
    assert judge(plain((255, 0, 0), height=1, width=4)).outcome == "accepted"


def test_a_stream_of_any_length_is_read_only_a_few_batches_ahead(judge: Judge) -> None:
    array, read = plain((0, 255, 0)), 0

    def endless() -> Iterator[NDArray[np.uint8]]:
        nonlocal read
        while True:
            read += 1
            yield array

    stream = judge.stream(endless(), batch=5)  # type: ignore[arg-type]
    for given in range(1, 201):
        assert next(stream).label == "green"
        assert read - given <= 4 * 5
    stream.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("preprocess", "most"),
    [
        (Preprocess(mode="fit", size=1, multiple=1000, min_side=4), 4),  # padded to a million pixels each
        (Preprocess(mode="fit", size=1001, multiple=1000, min_side=4), 1),
        (Preprocess(mode="stretch", size=8, multiple=1000, min_side=4), 9),
    ],
)
def test_a_batch_is_cut_to_its_pictures_as_padded(
    preprocess: Preprocess, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    padding, seen = judge_with(preprocess), []

    def watched(pixels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        seen.append(len(pixels))
        return Judge.outputs(padding, pixels)

    monkeypatch.setattr(padding, "outputs", watched)
    assert len(list(padding.stream([plain((0, 255, 0))] * 9))) == 9
    assert (max(seen), sum(seen)) == (most, 9)


def test_what_was_named_before_the_source_failed_is_decided_first(judge: Judge) -> None:
    def source() -> Iterator[NDArray[np.uint8]]:
        for _ in range(7):
            yield plain((0, 255, 0))
        raise OSError("the network is gone")

    for batch in (1, 2, 3, 16):
        stream, made = judge.stream(source(), batch=batch), []
        with pytest.raises(OSError, match="the network is gone"):
            made.extend(decision.label for decision in stream)
        assert made == ["green"] * 7


def test_one_path_one_files_bytes_or_one_array_is_one_picture(judge: Judge, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(plain((0, 255, 0))).save(path)
    for one in (path, str(path), path.read_bytes(), plain((0, 255, 0))):
        assert list(judge.stream(one)) == [judge(one)]
    gray = plain((0, 255, 0))[:, :, 0]
    assert [d.outcome for d in judge.stream(gray)] == ["error"], (
        "an array that is no picture is one error, not one a row"
    )


def test_why_says_that_only_a_first_page_was_read(judge: Judge, tmp_path: Path) -> None:
    first, second = Image.fromarray(plain((255, 0, 0))), Image.fromarray(plain((0, 255, 0)))
    first.save(tmp_path / "two.tif", save_all=True, append_images=[second])
    made = judge(tmp_path / "two.tif")
    assert made.label == "red"
    assert made.why.endswith(" for 'red'; only the first of its 2 pages was read")
    Image.new("L", (2, 2)).save(tmp_path / "tiny.tif", save_all=True, append_images=[second])
    assert judge(tmp_path / "tiny.tif").why.endswith("at least 4; only the first of its 2 pages was read")


def test_closing_a_stream_ends_its_threads(judge: Judge) -> None:
    stream = judge.stream([plain((0, 0, 255))] * 50, batch=2)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name.startswith("openset-read"):
            thread.join(10)
            assert not thread.is_alive()


def test_one_judge_serves_many_threads(fitting: Judge) -> None:
    rng = np.random.default_rng(3)
    arrays = [rng.integers(0, 256, (10 + i, 40 - i, 3), dtype=np.uint8) for i in range(24)]
    alone = [fitting(array) for array in arrays]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fitting, arrays)) == alone


@pytest.mark.parametrize(("batch", "limit", "said"), [(0, None, "batch is 0"), (4, 1.5, "threshold is 1.5")])
def test_wrong_options_are_refused_before_anything_is_read(
    judge: Judge, batch: int, limit: float | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        judge.stream(["a.png"], batch=batch, threshold=limit)


def test_numbers_that_are_no_probabilities_are_an_error_not_an_answer() -> None:
    broken = judge_with(gain=float("nan"))
    made = broken([plain((255, 0, 0)), plain((0, 0, 0))])
    assert [d.outcome for d in made] == ["error", "error"]


def test_a_graph_that_fails_on_one_shape_spoils_only_that_shape() -> None:
    only = numpy_helper.from_array(np.array([0, 3, 32, 16], dtype=np.int64), "only")
    judge = judge_with(FIT, first=[helper.make_node("Reshape", ["pixels", "only"], ["seen"])], constants=[only])
    tall, wide = plain((255, 0, 0), 32, 16), plain((255, 0, 0), 24, 32)
    decisions = judge([tall, wide, tall])
    assert [d.outcome for d in decisions] == ["accepted", "error", "accepted"]
    assert "The judge failed on pixels" in str(decisions[1].error)


@pytest.mark.parametrize(
    ("changes", "preprocess", "said"),
    [
        ({"probabilities": None}, STRETCH, "outputs logits .*, score .* where .*probabilities"),
        ({"extra": ["batch"], "more_nodes": [helper.make_node("Identity", ["score"], ["extra"])]}, STRETCH, "extra"),
        ({"side": (9, 9)}, STRETCH, r"inputs pixels tensor\(float\) \[batch, 3, 9, 9\] .*\[B, 3, 8, 8\]"),
        ({"side": (32, 32)}, FIT, r"\[batch, 3, 32, 32\] .*\[B, 3, H, W\]"),
        ({"pixels": [1, 3, 8, 8]}, STRETCH, r"\[1, 3, 8, 8\]"),
    ],
)
def test_a_graph_that_is_no_judges_is_refused(changes: dict[str, Any], preprocess: Preprocess, said: str) -> None:
    with pytest.raises(JudgeFileError, match=said):
        judge_with(preprocess, **changes)


def test_a_graph_with_another_number_of_classes_is_refused() -> None:
    with pytest.raises(JudgeFileError, match=r"logits .*\[batch, 3\].*\[B, 2\].*2 labels"):
        judge_of(with_info(graph().SerializeToString(), info(labels=("a", "b"))), "x", threads=1)


def test_a_graph_onnxruntime_cannot_run_is_refused_in_one_line() -> None:
    foreign = graph(more_nodes=[helper.make_node("Magic", ["score"], ["m"], domain="nowhere")])
    with pytest.raises(JudgeFileError, match="onnxruntime refuses its graph") as caught:
        judge_of(with_info(foreign.SerializeToString(), info()), "x", threads=1)
    assert "\n" not in str(caught.value)


def test_a_broken_judge_leaves_standard_output_to_what_was_asked_for(tmp_path: Path) -> None:
    broken = with_info(graph().SerializeToString(), info()).replace(
        b"Softmax", b"Soft\xd7ax"
    )  # no UTF-8: a ValueError inside
    (tmp_path / "broken.onnx").write_bytes(broken)
    Image.fromarray(plain((255, 0, 0))).save(tmp_path / "x.png")
    made = subprocess.run(
        [sys.executable, "-m", "openset", "predict", "broken.onnx", "x.png", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert (made.returncode, made.stdout) == (1, "")
    assert "onnxruntime refuses its graph" in " ".join(made.stderr.split())


def test_a_missing_file_lists_the_shipped_judges(tmp_path: Path) -> None:
    with pytest.raises(JudgeFileError, match=r"no judge file .*sheet-music") as caught:
        open_judge(tmp_path / "none.onnx")
    assert "none.onnx" in str(caught.value)
    with pytest.raises(JudgeFileError, match=", ".join(SHIPPED)):
        open_judge("sheet-musik")


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "", "x.onnx/y.onnx"])
def test_a_path_that_cannot_be_is_a_judge_file_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.onnx").write_bytes(b"")
    with pytest.raises(JudgeFileError, match=r"cannot be read|no judge file"):
        open_judge(name)


@pytest.mark.parametrize("threads", [0, -1, 1025, 3_000_000_000])
def test_threads_that_cannot_be_are_refused(threads: int, tmp_path: Path) -> None:
    with pytest.raises(JudgeFileError, match=f"threads is {threads}; .* from 1 to 1024"):
        open_judge(tmp_path / "x.onnx", threads=threads)


def test_opening_a_file_gives_the_same_judge(judge: Judge, tmp_path: Path) -> None:
    path = tmp_path / "colours.onnx"
    path.write_bytes(with_info(graph().SerializeToString(), info()))
    opened = open_judge(path)
    assert opened.info == judge.info
    assert opened.labels == LABELS
    assert opened(plain((9, 99, 199))) == judge(plain((9, 99, 199)))


@pytest.mark.parametrize("mode", ["fit", "stretch", "crop"])
def test_reading_a_jpeg_at_the_hinted_scale_keeps_the_pixels(mode: Any, tmp_path: Path) -> None:
    """The scaled decode differs from the full one by less than JPEG's own loss at quality 90."""
    coarse = np.random.default_rng(4).integers(0, 256, (30, 45, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((1800, 1200), Image.Resampling.BICUBIC)
    path = tmp_path / "large.jpg"
    picture.save(path, quality=90)
    pre = Preprocess(mode=mode, size=64, multiple=8)
    hinted = images.load(path, size_hint=pre.size_hint)
    assert max(hinted.shape) < 1800
    full = images.resize(images.load(path), pre)
    loss = abs(full - images.resize(np.asarray(picture), pre)).mean()
    assert abs(images.resize(hinted, pre) - full).mean() < max(loss, 1 / 255)


def test_judging_imports_neither_torch_nor_onnx(tmp_path: Path) -> None:
    path = tmp_path / "colours.onnx"
    path.write_bytes(with_info(graph().SerializeToString(), info()))
    Image.fromarray(plain((255, 0, 0))).save(tmp_path / "red.png")
    code = (
        "import sys, openset, openset.judge\n"
        "assert 'onnxruntime' not in sys.modules\n"
        f"print(openset.open_judge({str(path)!r})({str(tmp_path / 'red.png')!r}).label)\n"
        "heavy = {'torch', 'onnx', 'scipy', 'timm', 'pandas', 'google.protobuf'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout == "red\n"
