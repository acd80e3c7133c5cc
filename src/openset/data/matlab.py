"""Numeric arrays of a Matlab 5 file ("MAT-File Format", sections 1 to 3 of level 5), each size checked before it is read.

scipy.io.loadmat was tried with spoilt bytes and ended the process by a segmentation fault; this reads less, and safely:
full real arrays, compressed or not. Structs, cells, texts, sparse and complex arrays are passed over.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MATRIX, COMPRESSED, HEAD = 14, 15, 128
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4"}


def arrays(raw: bytes, most: int) -> dict[str, NDArray[np.generic]]:
    """Name -> array. most: bytes of one variable, unpacked. Raises ValueError for what is damaged or no such file."""
    order = {b"IM": "<", b"MI": ">"}.get(raw[126:HEAD])
    if order is None:
        raise ValueError("it does not begin with the head of a Matlab 5 file")
    found = {}
    for kind, body in _elements(raw[HEAD:], order):
        if kind == COMPRESSED:
            body = _unpacked(body, most)
            ((kind, body), *_) = [*_elements(body, order), (0, b"")]
        if kind == MATRIX and (made := _array(body, order)) is not None:
            found[made[0]] = made[1]
    return found


def _elements(raw: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """(type, content) one after another; a tag of 8 bytes, or of 4 with up to 4 bytes of content behind it."""
    at = 0
    while at + 8 <= len(raw):
        kind, size = struct.unpack_from(f"{order}2I", raw, at)
        begin, end = at + 8, at + 8 + size
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            begin, end = at + 4, at + 4 + size
        if end > len(raw) or (begin == at + 4 and size > 4):
            raise ValueError("an element ends behind the end of the file")
        yield kind, raw[begin:end]
        at = end if kind == COMPRESSED else at + 8 if begin == at + 4 else end + -size % 8


def _unpacked(body: bytes, most: int) -> bytes:
    machine = zlib.decompressobj()
    try:
        content = machine.decompress(body, most)
    except zlib.error as error:
        raise ValueError(f"damaged compression ({error})") from error
    if not machine.eof:
        raise ValueError("compressed content is cut off, or too large")
    return content


def _array(body: bytes, order: str) -> tuple[str, NDArray[np.generic]] | None:
    """The name and the array of a matrix element, in Fortran's order; None where it is not full, real and numeric."""
    parts = list(_elements(body, order))
    if len(parts) < 4 or len(parts[0][1]) != 8 or len(parts[1][1]) % 4:
        return None
    (flags,) = struct.unpack(f"{order}I", parts[0][1][:4])
    (kind, content), made = parts[3], CLASSES.get(flags & 0xFF)
    if made is None or flags & 0x0800 or kind not in STORED:
        return None
    shape = np.frombuffer(parts[1][1], f"{order}i4").tolist()
    values = np.frombuffer(content, order + STORED[kind]) if len(content) % int(STORED[kind][1]) == 0 else None
    count = 1
    for n in shape:
        count *= n
    if values is None or min(shape, default=-1) < 0 or count != values.size:
        raise ValueError(f"an array of shape {shape} holds {len(content)} bytes")
    return parts[2][1].decode("latin-1"), values.astype(made).reshape(shape, order="F")
