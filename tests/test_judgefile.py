"""The judge file: what is written is read back, the onnx package agrees, and what is foreign or hostile is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from openset import onnxbytes
from openset.errors import JudgeFileError
from openset.judgefile import (
    KEY,
    SCHEMA,
    info_from_json,
    info_of,
    info_to_json,
    read_info,
    with_info,
    write_info,
)
from openset.types import Finding, JudgeInfo, Preprocess, Threshold

THRESHOLD = Threshold(
    label="cat",
    value=0.75,
    precision=0.95,
    delta=0.05,
    n=500,
    accepted=400,
    wrong=3,
    coverage=0.8,
    lower_bound=0.96,
    prevalence=0.1,
    assumption="pictures like those given",
)
INFO = JudgeInfo(
    labels=("cat", "dög \n"),
    preprocess=Preprocess(mode="fit", size=96, multiple=8, min_side=5),
    thresholds={"cat": THRESHOLD},
    facts={"epochs": 3, "loss": [0.5, 0.25], "note": None, "nested": {"seed": 2**40, "ok": True}},
    audit=(
        Finding("MMC", 0.3, "measured", n=10, interval=(0.2, 0.4), detail="noise"),
        Finding("limit", None, "proved"),
    ),
    name="pets",
)


def model(weight: onnx.TensorProto | None = None) -> onnx.ModelProto:
    """pixels -> pixels + weight."""
    weight = weight or numpy_helper.from_array(np.arange(4, dtype=np.float32), "w")
    node = helper.make_node("Add", ["pixels", "w"], ["logits"])
    pixels, logits = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [4]) for n in ("pixels", "logits"))
    graph = helper.make_graph([node], "g", [pixels], [logits], initializer=[weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def judge_bytes(info: JudgeInfo = INFO) -> bytes:
    return with_info(model().SerializeToString(), info)


def changed(key: str, value: Any) -> str:
    """INFO's JSON with the field at the dotted path `key` set to `value`."""
    whole = json.loads(info_to_json(INFO))
    *path, last = key.split(".")
    at = whole
    for part in path:
        at = at[int(part) if isinstance(at, list) else part]
    at[int(last) if isinstance(at, list) else last] = value
    return json.dumps(whole)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    source, target = tmp_path / "in put.onnx", tmp_path / "out.onnx"
    source.write_bytes(model().SerializeToString())
    write_info(source, target, INFO)
    assert read_info(target) == INFO
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in put.onnx", "out.onnx"]


def test_the_onnx_package_reads_the_entry_and_everything_else_is_as_before() -> None:
    before = model()
    helper.set_model_props(before, {"other": "kept", KEY: "old", "more": "kept too"})
    after = onnx.load_model_from_string(with_info(before.SerializeToString(), INFO))
    entries = {entry.key: entry.value for entry in after.metadata_props}
    assert entries == {"other": "kept", "more": "kept too", KEY: info_to_json(INFO)}
    del before.metadata_props[:], after.metadata_props[:]
    assert after == before


def test_writing_in_place_replaces_the_entry_keeps_links_and_permissions(tmp_path: Path) -> None:
    path, link = tmp_path / "judge.onnx", tmp_path / "link.onnx"
    path.write_bytes(judge_bytes())
    path.chmod(0o640)
    link.symlink_to(path)
    renamed = dataclasses.replace(INFO, name="renamed")
    write_info(link, link, renamed)
    assert link.is_symlink()
    assert read_info(path) == renamed
    assert path.stat().st_mode & 0o777 == 0o640
    assert len(path.read_bytes()) == len(judge_bytes()) + len("renamed") - len("pets")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "judge.onnx"
    path.write_bytes(judge_bytes())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(JudgeFileError, match=r"No space left on device.*disk has room"):
        write_info(path, path, dataclasses.replace(INFO, name="new"))
    assert read_info(path) == INFO
    assert list(tmp_path.iterdir()) == [path]


def test_writing_where_no_folder_is_says_so(tmp_path: Path) -> None:
    path = tmp_path / "judge.onnx"
    path.write_bytes(judge_bytes())
    with pytest.raises(JudgeFileError, match=r"cannot be written.*folder exists"):
        write_info(path, tmp_path / "none" / "judge.onnx", INFO)


def test_numpy_numbers_and_tuples_among_the_facts_become_json() -> None:
    info = dataclasses.replace(INFO, facts={"a": np.float32(0.5), "b": np.int64(7), "c": (1, 2)})
    assert info_from_json(info_to_json(info)).facts == {"a": 0.5, "b": 7, "c": [1, 2]}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Path("x"), {1: 2}, np.zeros(2)])
def test_a_fact_that_json_cannot_hold_is_refused_by_name(value: Any) -> None:
    with pytest.raises(JudgeFileError, match=r"field 'facts\.loss\.1' cannot be stored"):
        info_to_json(dataclasses.replace(INFO, facts={"loss": [0.5, value]}))


def test_newer_schema_names_both_versions_and_the_upgrade() -> None:
    with pytest.raises(
        JudgeFileError, match=rf"schema version {SCHEMA + 1} .*version {SCHEMA}.*pip install -U openset .*git pull"
    ):
        info_from_json(json.dumps({"schema": SCHEMA + 1, "not known": "yet"}))


def test_older_schema_says_what_to_do() -> None:
    with pytest.raises(JudgeFileError, match=rf"schema version 0 .*version {SCHEMA}.*openset export RUN"):
        info_from_json(json.dumps({"schema": 0}))


def test_info_of_another_schema_is_not_written() -> None:
    with pytest.raises(JudgeFileError, match="schema version 2"):
        info_to_json(dataclasses.replace(INFO, schema=2))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "1"),
        ("schema", True),
        ("name", None),
        ("labels", ["a"]),
        ("labels", ["a", "a"]),
        ("labels", ["a", ""]),
        ("labels", ["a", 3]),
        ("labels", "ab"),
        ("preprocess", []),
        ("preprocess.mode", "zoom"),
        ("preprocess.mode", ["fit"]),
        ("preprocess.size", 0),
        ("preprocess.size", 10**9),
        ("preprocess.size", 64.0),
        ("preprocess.multiple", True),
        ("preprocess.min_side", -1),
        ("preprocess.sise", 3),
        ("thresholds", None),
        ("thresholds.bird", {}),
        ("thresholds.cat.label", "dog"),
        ("thresholds.cat.value", "0.5"),
        ("thresholds.cat.value", 1.5),
        ("thresholds.cat.precision", None),
        ("thresholds.cat.delta", -0.1),
        ("thresholds.cat.n", 1.5),
        ("thresholds.cat.accepted", 501),
        ("thresholds.cat.wrong", 401),
        ("thresholds.cat.coverage", 10**400),
        ("thresholds.cat.prevalence", 2),
        ("thresholds.cat.assumption", 0),
        ("thresholds.cat.kind", "guessed"),
        ("facts", [1]),
        ("audit", {}),
        ("audit.0", 1),
        ("audit.0.value", "high"),
        ("audit.0.interval", [1]),
        ("audit.0.interval", [0, "1"]),
        ("audit.1.n", -1),
    ],
)
def test_a_wrong_field_is_named(key: str, value: Any) -> None:
    with pytest.raises(JudgeFileError, match=f"field '{key}") as caught:
        info_from_json(changed(key, value), "x.onnx")
    assert "'x.onnx'" in str(caught.value)


@pytest.mark.parametrize("key", ["name", "labels", "preprocess", "thresholds", "facts", "audit", "schema"])
def test_a_missing_field_is_named(key: str) -> None:
    whole = json.loads(info_to_json(INFO))
    del whole[key]
    with pytest.raises(JudgeFileError, match=f"field '{key}' should be there"):
        info_from_json(json.dumps(whole))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, '{"schema": NaN}', '{"schema": 1e999}', '{"a": 1, "a": 1}', "1" * 5000, "[]", "null"],
)
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(JudgeFileError):
        info_from_json(text)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not an ONNX model"),
        (b"PK\x03\x04" + bytes(100), "looks like a PyTorch checkpoint"),
        (b"ORTM" * 30, "not an ONNX model"),
        (b"\x08\x0a", "0 fields for the graph"),
        (b"\x3a\x00", "0 fields for the format version"),
        (b"\x08\x0a\x3a\x00\x3a\x00", "2 fields for the graph"),
        (b"\x08" + b"\xff" * 11, "longer than 64 bits"),
        (b"\x08\x0a\x3a\x7f", "past its end"),
        (b"\x08\x0a\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "past its end"),
        (b"\x08\x0a\x3a\x00\x08", "ends inside a number"),
        (b"\x0a\x01a\x3a\x00", "not what ONNX has there"),
        (b"\x08\x0a\x3a\x00", "not a judge file"),
    ],
)
def test_foreign_bytes_are_refused(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(data)
    with pytest.raises(JudgeFileError, match=reason) as caught:
        read_info(path)
    assert str(path) in str(caught.value)


def test_two_entries_and_text_that_is_not_utf8_are_refused() -> None:
    twice = model()
    for _ in range(2):
        entry = twice.metadata_props.add()
        entry.key, entry.value = KEY, info_to_json(INFO)
    with pytest.raises(JudgeFileError, match="one metadata entry"):
        info_of(twice.SerializeToString())
    with pytest.raises(JudgeFileError, match="UTF-8"):
        info_of(onnxbytes.with_entry(model().SerializeToString(), KEY, b"\xff\xfe", "x"))


def external_weight() -> onnx.TensorProto:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value="../../etc/passwd")
    return weight


def inside(kind: str) -> onnx.ModelProto:
    """A model whose only external tensor lies in the place `kind`."""
    if kind == "initializer":
        return model(external_weight())
    made = model()
    constant = helper.make_node("Constant", [], ["c"])
    attribute = constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
    attribute.t.CopyFrom(external_weight())
    if kind == "node":
        made.graph.node.append(constant)
    elif kind == "branch":
        graph = helper.make_graph([constant], "then", [], [])
        made.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=graph))
    elif kind == "function":
        made.functions.append(helper.make_function("d", "f", [], ["c"], [constant], []))
    elif kind == "sparse":
        sparse = made.graph.sparse_initializer.add()
        sparse.values.CopyFrom(external_weight())
    elif kind == "training":
        made.training_info.add().algorithm.initializer.append(external_weight())
    return made


@pytest.mark.parametrize("kind", ["initializer", "node", "branch", "function", "sparse", "training"])
def test_data_outside_the_file_are_refused_wherever_they_hide(kind: str) -> None:
    data = inside(kind).SerializeToString()
    with pytest.raises(JudgeFileError, match="weights lie outside the file"):
        with_info(data, INFO)
    with pytest.raises(JudgeFileError, match="weights lie outside the file"):
        info_of(onnxbytes.with_entry(data, KEY, info_to_json(INFO).encode(), "x"))


def test_every_way_to_a_tensor_in_the_onnx_format_is_walked() -> None:
    """The walker's table equals the one that follows from onnx's own description of its format."""
    inner: dict[str, dict[int, str]] = {}
    pending = [onnx.ModelProto.DESCRIPTOR]
    while pending:
        at = pending.pop()
        if at.name not in inner:
            parts = [f for f in at.fields if f.message_type is not None]
            inner[at.name] = {f.number: f.message_type.name for f in parts}
            pending += [f.message_type for f in parts]
    holding = {"TensorProto"}  # grows to all messages that hold a tensor, directly or inside others
    while more := {name for name, parts in inner.items() if holding & set(parts.values())} - holding:
        holding |= more
    ways = {n: {f: m for f, m in inner[n].items() if m in holding} for n in holding - {"TensorProto"}}
    assert ways == onnxbytes.NESTED
    numbers = TensorProto.DESCRIPTOR.fields_by_name
    assert numbers["external_data"].number == onnxbytes.EXTERNAL_DATA
    assert numbers["data_location"].number == onnxbytes.DATA_LOCATION


def test_a_graph_nested_without_end_is_refused() -> None:
    inner = b""
    for _ in range(200):  # node { attribute { g { ... } } }
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            inner = tag + onnxbytes._framed(inner)
    with pytest.raises(JudgeFileError, match="nested deeper"):
        with_info(b"\x08\x0a\x3a" + onnxbytes._framed(inner), INFO)


def test_over_two_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)  # a sparse file: takes no room
    with pytest.raises(JudgeFileError, match="more than 2 GB"):
        read_info(path)


@pytest.mark.parametrize("kind", ["folder", "pipe", "missing", "nul"])
def test_what_is_no_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("x\0y" if kind == "nul" else "x")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(JudgeFileError):
        read_info(path)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutated_judge_files_are_read_or_refused_never_worse(data: st.DataObject) -> None:
    raw = bytearray(judge_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        if data.draw(st.booleans()):
            raw[at] = data.draw(st.integers(0, 255))
        else:
            del raw[at : at + data.draw(st.integers(1, 20))]
    with contextlib.suppress(JudgeFileError):
        assert info_of(bytes(raw)).schema == SCHEMA


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(JudgeFileError):
        info_of(raw)


LABEL = st.text(min_size=1, max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(LABEL, min_size=2, max_size=6, unique=True), st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_any_labels_and_facts_survive_the_file(labels: list[str], facts: dict[str, Any]) -> None:
    info = JudgeInfo(labels=tuple(labels), preprocess=Preprocess(), facts=facts)
    assert info_of(with_info(model().SerializeToString(), info)) == info


@pytest.mark.parametrize("label", [os.fsdecode(b"caf\xe9"), "a\ud83d", "\udfff"])
def test_a_label_that_is_no_text_is_neither_written_nor_read(label: str) -> None:
    """A lone surrogate can be printed on no terminal and put into no CSV."""
    with pytest.raises(JudgeFileError, match="field 'labels' should be a list of names in valid Unicode"):
        info_to_json(JudgeInfo(labels=(label, "other"), preprocess=Preprocess()))
    text = info_to_json(JudgeInfo(labels=("a", "other"), preprocess=Preprocess()))
    with pytest.raises(JudgeFileError, match="field 'labels'"):
        info_from_json(text.replace('"a"', json.dumps(label)))


def test_a_number_that_no_float_holds_is_refused_wherever_it_stands() -> None:
    for number in ("1e999", "-1e999", "Infinity", "NaN"):
        text = changed("facts.loss", [0.5]).replace("[0.5]", f"[{number}]")
        with pytest.raises(JudgeFileError, match="is not a number that a float holds"):
            info_from_json(text)


@pytest.mark.parametrize("depth", [20, 62, 63, 300, 970])
def test_facts_are_as_deep_when_read_as_when_written(depth: int) -> None:
    """What is read can be written again; nesting is counted in the whole, of which facts are the second level."""
    inner = "[" * depth + "]" * depth
    text = changed("facts.loss", "here").replace('"here"', inner)
    nested: Any = []
    for _ in range(depth - 1):
        nested = [nested]
    written = dataclasses.replace(INFO, facts={**INFO.facts, "loss": nested})
    if depth <= onnxbytes.MAX_DEPTH - 2:
        assert json.loads(info_to_json(info_from_json(text))) == json.loads(text)
        assert info_from_json(info_to_json(written)) == written
    else:
        with pytest.raises(
            JudgeFileError, match=rf"its metadata are (nested {depth + 2} deep|not JSON .maximum recursion)"
        ):
            info_from_json(text)
        with pytest.raises(JudgeFileError, match=r"field 'facts\.loss.* cannot be stored"):
            info_to_json(written)
