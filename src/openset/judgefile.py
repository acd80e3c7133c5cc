"""Reads and writes what a judge file says of itself, with neither onnx nor torch.

A judge file is one ONNX file, a protobuf ModelProto. Its `metadata_props` (field 14) hold one entry with the key
"openset"; the value is one JSON object: schema, name, labels, preprocess, thresholds, facts, audit. A file from
a stranger is refused when it is over 2 GB, points to data outside itself, or holds a field that is not what it
should be; the message names the field.
"""

from __future__ import annotations

import hashlib
import json
import math
import numbers
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, NoReturn, get_args

from .errors import JudgeFileError
from .onnxbytes import MAX_DEPTH, entries, read_model, refuse, refuse_external, with_entry, write_atomic
from .types import MAX_SIDE, Finding, JudgeInfo, Kind, Preprocess, ResizeMode, Threshold

SCHEMA = 1
KEY = "openset"
MAX_JSON = 64 * 2**20


def read_info(path: str | os.PathLike[str]) -> JudgeInfo:
    """What the judge file `path` says of itself. Raises JudgeFileError, which names the file and the remedy."""
    return info_of(read_model(path), os.fspath(path))


def write_info(src: str | os.PathLike[str], dst: str | os.PathLike[str], info: JudgeInfo) -> None:
    """Copy the ONNX file `src` to `dst` with `info` as its metadata; `src` and `dst` may be the same file.

    `dst` is replaced in one step: after a crash or a full disk it is the old file or the new one, never half of it.
    All else in the file is copied byte for byte. Raises JudgeFileError.
    """
    write_atomic(dst, with_info(read_model(src), info, os.fspath(src)))


def info_of(model: bytes, name: str = "judge file") -> JudgeInfo:
    """The JudgeInfo in a judge file's bytes; also refuses data outside the file. Raises JudgeFileError."""
    found = entries(model, KEY, name)
    if not found:
        refuse(
            name,
            f"it is an ONNX model but not a judge file (no metadata entry {KEY!r})",
            "Make a judge file with `openset train` and `openset export`.",
        )
    if len(found) > 1 or len(found[0]) > MAX_JSON:
        sizes = ", ".join(f"{len(value):,} bytes" for value in found)
        refuse(name, f"one metadata entry {KEY!r} of at most 64 MB belongs there, not {sizes}", "Export it again.")
    refuse_external(model, name)
    try:
        text = found[0].decode("utf-8")
    except UnicodeDecodeError:
        refuse(name, f"its metadata entry {KEY!r} is not UTF-8 text", "Export it again.")
    return info_from_json(text, name)


def with_info(model: bytes, info: JudgeInfo, name: str = "model") -> bytes:
    """The same ONNX model with `info` in its metadata, in place of what was there. Raises JudgeFileError."""
    made = with_entry(model, KEY, info_to_json(info).encode(), name)
    refuse_external(made, name)
    return made


def graph_digest(model: bytes) -> str:
    """sha256 of a judge file but for what it says of itself: judges of one graph and weights share it. Raises JudgeFileError."""
    return hashlib.sha256(with_entry(model, KEY, b"", "model")).hexdigest()


def info_to_json(info: JudgeInfo) -> str:
    """`info` as one JSON object (ASCII). Raises JudgeFileError naming the field that cannot be stored."""
    value = _plain(
        {
            "schema": info.schema,
            "name": info.name,
            "labels": info.labels,
            "preprocess": asdict(info.preprocess),
            "thresholds": {label: asdict(threshold) for label, threshold in info.thresholds.items()},
            "facts": info.facts,
            "audit": [asdict(finding) for finding in info.audit],
        },
        "",
    )
    _parse(value, "the judge to be written")
    return json.dumps(value)


def info_from_json(text: str, name: str = "judge file") -> JudgeInfo:
    """The inverse of info_to_json, every field checked. `name` stands in messages. Raises JudgeFileError."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        refuse(name, f"its metadata are not JSON ({error})", "Export it again.")
    if (depth := _depth(value)) > MAX_DEPTH:
        refuse(name, f"its metadata are nested {depth} deep, and {MAX_DEPTH} are allowed", "Export it again.")
    return _parse(value, name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError(f"a name stands twice in an object with {', '.join(map(repr, made))[:100]}")
    return made


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word[:40]} is not a number that a float holds")


def _finite(word: str) -> float:
    value = float(word)
    return value if math.isfinite(value) else _no_constant(word)


def _plain(value: Any, where: str) -> Any:
    """`value` as dicts, lists, strings, finite numbers, booleans and None; anything else is refused by name."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    if where.count(".") < MAX_DEPTH:
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [_plain(item, f"{where}.{i}") for i, item in enumerate(value)]
    raise JudgeFileError(
        f"field {where.lstrip('.')!r} cannot be stored in a judge file: {_short(value)} ({type(value).__name__}). "
        "Give text, finite numbers, true, false, None, or lists and dicts of these."
    )


def _depth(value: Any) -> int:
    """How many lists and objects lie in one another, level by level: no nesting is too deep to be counted."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, list | dict)]:
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
        depth += 1
    return depth


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        return "nested too deep to be shown"
    return text if len(text) <= 60 else text[:57] + "..."


class _Reader:
    """Takes named fields out of one JSON object and says by name what is missing, wrong or not known."""

    def __init__(self, value: Any, where: str, name: str) -> None:
        self.where, self.name = where, name
        if not isinstance(value, dict):
            self.fail("", "an object", value)
        self.value: dict[str, Any] = value

    def fail(self, key: str, wanted: str, got: Any) -> NoReturn:
        field = ".".join(part for part in (self.where, key) if part) or "the whole"
        refuse(self.name, f"metadata field {field!r} should be {wanted}, but is {_short(got)}", "Export it again.")

    def known(self, keys: tuple[str, ...]) -> None:
        """Exactly these fields must be there: in one schema a field more or less is a mistake."""
        for key in keys:
            if key not in self.value:
                self.fail(key, "there", "missing")
        for key in self.value:
            if key not in keys:
                self.fail(key, f"absent (schema {SCHEMA} has no such field)", self.value[key])

    def text(self, key: str) -> str:
        got = self.value[key]
        return got if isinstance(got, str) else self.fail(key, "text", got)

    def whole(self, key: str, low: int, high: int = 2**53) -> int:
        got = self.value[key]
        if isinstance(got, bool) or not isinstance(got, int) or not low <= got <= high:
            self.fail(key, f"a whole number from {low} to {high}", got)
        return got

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        got = self.value[key]
        # the comparison comes first: it is exact for whole numbers that no float can hold
        if isinstance(got, bool) or not isinstance(got, int | float) or not -1e308 <= got <= 1e308:
            self.fail(key, "a number", got)
        return float(got) if low <= got <= high else self.fail(key, f"a number from {low} to {high}", got)

    def choice(self, key: str, choices: tuple[str, ...]) -> Any:
        got = self.value[key]
        return got if got in choices else self.fail(key, "one of " + ", ".join(choices), got)

    def items(self, key: str) -> list[Any]:
        got = self.value[key]
        return got if isinstance(got, list) else self.fail(key, "a list", got)

    def inner(self, key: str) -> _Reader:
        return _Reader(self.value[key], f"{self.where}.{key}".lstrip("."), self.name)


def _names(parcel: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(parcel))


def _parse(value: Any, name: str) -> JudgeInfo:
    reader = _Reader(value, "", name)
    if "schema" not in reader.value:
        reader.fail("schema", "there", "missing")
    _check_schema(reader.whole("schema", 0), name)
    reader.known(_names(JudgeInfo))
    labels = reader.items("labels")
    if len(labels) < 2 or not all(isinstance(label, str) and label for label in labels):
        reader.fail("labels", "a list of at least two names", labels)
    if not all(map(_is_text, labels)):
        reader.fail("labels", "a list of names in valid Unicode", labels)
    if len(set(labels)) != len(labels):
        reader.fail("labels", "a list of different names", labels)
    thresholds = reader.inner("thresholds")
    for label in thresholds.value:
        if label not in labels:
            thresholds.fail(label, f"for one of the labels {_short(labels)}", thresholds.value[label])
    audit = [_Reader(item, f"audit.{i}", name) for i, item in enumerate(reader.items("audit"))]
    return JudgeInfo(
        labels=tuple(labels),
        preprocess=_preprocess(reader.inner("preprocess")),
        thresholds={label: _threshold(thresholds.inner(label), label) for label in thresholds.value},
        facts=reader.inner("facts").value,
        audit=tuple(_finding(item) for item in audit),
        name=reader.text("name"),
        schema=SCHEMA,
    )


def _is_text(label: str) -> bool:
    """Can it be written as UTF-8? A lone surrogate, such as Python puts for a byte that is no text, cannot."""
    return not any("\ud800" <= c <= "\udfff" for c in label)


def _check_schema(schema: int, name: str) -> None:
    if schema > SCHEMA:
        refuse(
            name,
            f"it has schema version {schema} and this release of openset reads version {SCHEMA}",
            "Get a newer release with:  pip install -U openset  (a clone: git pull, then pip install .)",
        )
    if schema < SCHEMA:
        refuse(
            name,
            f"it has schema version {schema} and this release of openset reads version {SCHEMA}",
            "Export it again from its training run:  openset export RUN",
        )


def _preprocess(reader: _Reader) -> Preprocess:
    reader.known(_names(Preprocess))
    return Preprocess(
        mode=reader.choice("mode", get_args(ResizeMode)),
        size=reader.whole("size", 1, MAX_SIDE),
        multiple=reader.whole("multiple", 1, MAX_SIDE),
        min_side=reader.whole("min_side", 0, MAX_SIDE),
    )


def _threshold(reader: _Reader, label: str) -> Threshold:
    reader.known(_names(Threshold))
    n = reader.whole("n", 0)
    accepted = reader.whole("accepted", 0, n)
    return Threshold(
        label=reader.choice("label", (label,)),
        value=reader.number("value", 0, 1),
        precision=reader.number("precision", 0, 1),
        delta=reader.number("delta", 0, 1),
        n=n,
        accepted=accepted,
        wrong=reader.whole("wrong", 0, accepted),
        coverage=reader.number("coverage", 0, 1),
        lower_bound=reader.number("lower_bound", 0, 1),
        prevalence=None if reader.value["prevalence"] is None else reader.number("prevalence", 0, 1),
        assumption=reader.text("assumption"),
        kind=reader.choice("kind", get_args(Kind)),
    )


def _finding(reader: _Reader) -> Finding:
    reader.known(_names(Finding))
    interval = None
    if reader.value["interval"] is not None:
        ends = reader.items("interval")
        if len(ends) != 2:
            reader.fail("interval", "two numbers or null", ends)
        both = _Reader({"0": ends[0], "1": ends[1]}, f"{reader.where}.interval", reader.name)
        interval = (both.number("0"), both.number("1"))
    return Finding(
        name=reader.text("name"),
        value=None if reader.value["value"] is None else reader.number("value"),
        kind=reader.choice("kind", get_args(Kind)),
        n=None if reader.value["n"] is None else reader.whole("n", 0),
        interval=interval,
        detail=reader.text("detail"),
    )
