"""Bytes of an ONNX model: read whole, checked by message framing alone, written in one step. No onnx, no protobuf.

Only framing is walked (https://protobuf.dev/programming-guides/encoding, numbers from onnx/onnx.proto); weights are
skipped, never decoded. Refused: more than 2 GB, what is no ONNX model, and data outside the file.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from typing import NamedTuple, NoReturn

from ._words import counted
from .errors import JudgeFileError

MAX_BYTES = 2**31 - 1  # protobuf's own limit for one message
MAX_FIELDS = 5_000_000  # a 100-layer net has about 10,000
MAX_DEPTH = 64

_VARINT, _BYTES = 0, 2
_METADATA, _GRAPH, _IR_VERSION = 14, 7, 1
_WIRE = {1: _VARINT, 5: _VARINT} | dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), _BYTES)
# message -> {field number: the message inside it}; all ways from a model to a tensor
NESTED: Mapping[str, Mapping[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
}
EXTERNAL_DATA, DATA_LOCATION = 13, 14  # of TensorProto


def read_model(path: str | os.PathLike[str]) -> bytes:
    """The file's bytes, if it is a regular file of at most 2 GB. Raises JudgeFileError."""
    name = os.fspath(path)
    try:
        found = os.stat(name)
        if not stat.S_ISREG(found.st_mode):
            refuse(name, "it is not a file", "Give the path of a judge file (*.onnx).")
        if found.st_size > MAX_BYTES:
            refuse(name, f"it has {found.st_size:,} bytes, more than 2 GB", "A judge file is at most 2 GB.")
        with open(name, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise JudgeFileError(f"{name!r} cannot be read: {reason}. Check the path and the permissions.") from error


def check_target(path: str | os.PathLike[str]) -> None:
    """Raises JudgeFileError where write_atomic could not make the file `path`: to be known before long work."""
    target = os.path.realpath(os.fspath(path))
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        reason = "it is a folder"
    elif not os.path.isdir(folder):
        reason = f"there is no folder {folder!r}"
    elif not os.access(folder, os.W_OK | os.X_OK):
        reason = f"the folder {folder!r} may not be written to"
    else:
        return
    raise JudgeFileError(f"{os.fspath(path)!r} cannot be written: {reason}. Give a file in a folder that is there.")


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` beside `path`, then move it there in one step. Raises JudgeFileError; leaves no half file."""
    target = os.path.realpath(os.fspath(path))
    # of a length of its own: a name may be as long as the file system allows
    draft = os.path.join(os.path.dirname(target), f".{secrets.token_hex(6)}.part")
    try:
        with open(draft, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            os.chmod(draft, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(draft, target)
    except OSError as error:
        raise JudgeFileError(
            f"{os.fspath(path)!r} cannot be written ({len(data):,} bytes): {error.strerror or error}. "
            "Check that the folder exists, that you may write there and that the disk has room."
        ) from error
    finally:
        if os.path.lexists(draft):
            os.unlink(draft)


def refuse(name: str, reason: str, remedy: str) -> NoReturn:
    """Raise the JudgeFileError for the file `name`."""
    raise JudgeFileError(f"{name!r} cannot be used as a judge file: {reason}. {remedy}")


class _Field(NamedTuple):
    """One field of a message: its number, wire type, where it starts, where its value starts, where it ends."""

    number: int
    wire: int
    start: int
    value: int
    end: int


class MalformedError(Exception):
    """The bytes are no protobuf message. The message says what was found."""


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The base-128 number at `at`, and where it ends."""
    if at < end and data[at] < 0x80:  # nearly all of them
        return data[at], at + 1
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise MalformedError(f"it ends inside a number at byte {at}")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, at
    raise MalformedError(f"a number at byte {at} is longer than 64 bits")


def _walk(data: bytes, start: int, end: int) -> Iterator[_Field]:
    """The fields of the message in data[start:end], in order. Raises MalformedError."""
    at = start
    while at < end:
        begin = at
        tag, at = _varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if not 1 <= number < 2**29:
            raise MalformedError(f"field number {number} at byte {begin}")
        value = at
        if wire == _VARINT:
            _, at = _varint(data, at, end)
        elif wire == _BYTES:
            size, value = _varint(data, at, end)
            at = value + size
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise MalformedError(f"wire type {wire} at byte {begin}")
        if at > end:
            raise MalformedError(f"field {number} at byte {begin} reaches {at - end:,} bytes past its end")
        yield _Field(number, wire, begin, value, at)


def entries(model: bytes, key: str, name: str) -> list[bytes]:
    """The values of the model's metadata entries named `key`. Raises JudgeFileError if it is no ONNX model."""
    return [value for found, value, _ in _metadata(model, name) if found == key.encode()]


def with_entry(model: bytes, key: str, value: bytes, name: str) -> bytes:
    """The same model, other fields byte for byte, with one metadata entry `key` in place of any there were."""
    kept, at = [], 0
    for found, _, field in _metadata(model, name):
        if found == key.encode():
            kept.append(model[at : field.start])
            at = field.end
    entry = b"\x0a" + _framed(key.encode()) + b"\x12" + _framed(value)
    made = b"".join([*kept, model[at:], bytes([_METADATA << 3 | _BYTES]), _framed(entry)])
    if len(made) > MAX_BYTES:
        refuse(name, f"it would have {len(made):,} bytes, more than 2 GB", "Use a smaller net.")
    return made


def _metadata(model: bytes, name: str) -> list[tuple[bytes, bytes, _Field]]:
    """The metadata entries (key, value, field) of an ONNX model. Raises JudgeFileError if it is none."""
    found, seen = [], dict.fromkeys((_IR_VERSION, _GRAPH), 0)
    try:
        for count, field in enumerate(_walk(model, 0, len(model))):
            if field.wire != _WIRE.get(field.number, field.wire) or count > MAX_FIELDS:
                raise MalformedError(f"field {field.number} at byte {field.start} is not what ONNX has there")
            if field.number in seen:
                seen[field.number] += 1
            elif field.number == _METADATA:
                parts = {f.number: model[f.value : f.end] for f in _walk(model, field.value, field.end)}
                found.append((parts.get(1, b""), parts.get(2, b""), field))
        for number, what in ((_IR_VERSION, "format version"), (_GRAPH, "graph")):
            if seen[number] != 1:
                raise MalformedError(f"it has {counted(seen[number], 'field')} for the {what} where one belongs")
    except MalformedError as error:
        hint = "the file is empty" if not model else str(error)
        if model[:4] == b"PK\x03\x04" or model[:1] == b"\x80":
            hint = "it looks like a PyTorch checkpoint"
        refuse(name, f"it is not an ONNX model ({hint})", "Give a judge file, as `openset export` writes it.")
    return found


def refuse_external(model: bytes, name: str) -> None:
    """Walk to every tensor and refuse data that lie outside the file (or in another process's memory)."""
    pending, count = [("ModelProto", 0, len(model), 0)], 0
    try:
        while pending:
            message, start, end, depth = pending.pop()
            for field in _walk(model, start, end):
                count += 1
                if count > MAX_FIELDS or depth > MAX_DEPTH:
                    raise MalformedError(f"more than {MAX_FIELDS:,} fields, or nested deeper than {MAX_DEPTH}")
                inner = NESTED.get(message, {}).get(field.number)
                if inner is not None:
                    if field.wire != _BYTES:
                        raise MalformedError(f"{message} field {field.number} is not a message")
                    pending.append((inner, field.value, field.end, depth + 1))
                elif message == "TensorProto" and _is_external(model, field):
                    refuse(
                        name,
                        "its weights lie outside the file (ONNX external data)",
                        "A judge file holds all its weights; export it again with `openset export`.",
                    )
    except MalformedError as error:
        refuse(name, f"its graph is broken ({error})", "Export it or copy it again.")


def _is_external(model: bytes, field: _Field) -> bool:
    at_location = field.number == DATA_LOCATION and _varint(model, field.value, field.end)[0] != 0
    return field.number == EXTERNAL_DATA or at_location


def _framed(data: bytes) -> bytes:
    """`data` behind its length as a base-128 number."""
    size, head = len(data), bytearray()
    while size >= 0x80:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + data
