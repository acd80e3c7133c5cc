"""Which pictures a command line means: files, folders, and what comes on standard input."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from ..errors import DataError
from .guard import remark

if TYPE_CHECKING:
    import io


def meant(files: Iterable[str], separator: bytes) -> Iterator[str | bytes]:
    """The pictures meant, one by one; a folder without any, and files of a folder that are passed over, are told of."""
    from ..images import SUFFIXES, find

    for name in files:
        for given in _from_stdin(separator) if name == "-" else [name]:
            if isinstance(given, bytes):
                yield given
                continue
            any_found, others = False, Counter[str]()
            for path in find([given], passed_over=partial(_count, others)):
                any_found = True
                yield path
            kinds = ", ".join(f"{n} {kind}" for kind, n in others.most_common(4)) + ", ..." * (len(others) > 4)
            if not any_found:
                beside = f" but {kinds}" if kinds else ""
                remark(
                    f"no pictures found in {given!r}{beside}. Looked for names ending in {' '.join(sorted(SUFFIXES))}"
                )
            elif kinds:
                remark(
                    f"passed over in {given!r}, as their names do not end as a picture's do: {kinds}. "
                    "Name a file outright to have it judged"
                )


def _count(others: Counter[str], path: str) -> None:
    """Count a file that is passed over by its ending; what is hidden nobody means."""
    name = os.path.basename(path)
    if not name.startswith("."):
        others[os.path.splitext(name)[1].lower() or "without an ending"] += 1


def _from_stdin(separator: bytes) -> Iterator[str | bytes]:
    """Names from standard input, as they come, of any bytes; or the one picture that it is itself."""
    from .._formats import sniff
    from ..images import Limits

    if sys.stdin is None:
        raise DataError("- reads standard input, which is closed. Give the names of pictures, or pipe a list of them.")
    source = cast("io.BufferedReader", sys.stdin.buffer)
    block, waiting = source.read1(1 << 16), b""
    if separator == b"\n" and (kind := sniff(block)) and (kind == "PDF" or b"\0" in block[:64]):
        if kind == "PDF":
            raise DataError("standard input is a PDF, whose pages are judged one by one: save it to a file first.")
        yield block + source.read(Limits().max_bytes)
        return
    while block:
        *whole, waiting = (waiting + block).split(separator)
        yield from filter(None, (_name(line, separator) for line in whole))
        block = source.read1(1 << 16)
    yield from filter(None, [_name(waiting, separator)])


def _name(line: bytes, separator: bytes) -> str:
    """A line's name, without the carriage return with which Windows ends lines, unless a file has it in its name."""
    name = os.fsdecode(line)
    ended = separator == b"\n" and name.endswith("\r") and not os.path.lexists(name)
    return name[:-1] if ended else name
