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


HEAD = 256  # bytes that tell every picture's kind
HEADS = (b"\xff\xd8\xff", b"RIFF", b"GIF8", b"II", b"MM", b"BM", b"%PDF-", b"\0\0")  # \0\0: HEIF and AVIF
MARK = b"\xef\xbb\xbf"  # UTF-8's, with which Windows begins a text
PNG = b"\x89PNG\r\n\x1a\n"  # the one that has ends of lines in it


def meant(files: Iterable[str], separator: bytes) -> Iterator[str | bytes | None]:
    """The pictures meant, one by one; None where those to come must be waited for.

    A folder without any, and files of a folder that are passed over, are told of.
    """
    from ..images import SUFFIXES, find

    for name in files:
        for given in _from_stdin(separator) if name == "-" else [name]:
            if not isinstance(given, str):
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
                    f"passed over in {given!r}, hidden or without a picture's ending: {kinds}. "
                    "Name a file outright to have it judged"
                )


def _count(others: Counter[str], path: str) -> None:
    """Count a file that is passed over by its ending; of what is hidden, what ends as a picture does, and folders."""
    from ..images import SUFFIXES, is_hidden

    name = os.path.basename(path)
    suffix = os.path.splitext(name)[1].lower()
    if not is_hidden(name):
        others[suffix or "without an ending"] += 1
    elif suffix in SUFFIXES or os.path.isdir(path):
        others["hidden"] += 1


def _from_stdin(separator: bytes) -> Iterator[str | bytes | None]:
    """Names from standard input, as they come, of any bytes, and None before each wait; or the one picture that it is."""
    from .._formats import looks_like, sniff
    from ..images import Limits

    if sys.stdin is None:
        raise DataError("- reads standard input, which is closed. Give the names of pictures, or pipe a list of them.")
    source = cast("io.BufferedReader", sys.stdin.buffer)
    block, waiting, first = source.read1(1 << 16), b"", True
    while separator == b"\n" and _too_short_to_tell(block) and (more := source.read1(1 << 16)):
        block += more
    if separator == b"\n" and (kind := sniff(block)) and (kind == "PDF" or b"\0" in block[:64]):
        if kind == "PDF":
            raise DataError("standard input is a PDF, whose pages are judged one by one: save it to a file first.")
        yield block + source.read(Limits().max_bytes)
        return
    if not block:
        remark("standard input is empty: there is no name in it, and no picture")
    while block:
        if separator == b"\n" and b"\0" in block:
            raise DataError(
                f"standard input is {looks_like(block)[0]}, no picture and no list of names, one a line. Pipe one of these; "
                "for names that end in zero bytes (find -print0) give --null."
            )
        *whole, waiting = (waiting + block).split(separator)
        if whole and first:
            whole[0], first = _unmarked(whole[0]), False
        yield from filter(None, (_name(line, separator) for line in whole))
        yield None
        block = source.read1(1 << 16)
    yield from filter(None, [_name(_unmarked(waiting) if first else waiting, separator)])


def _too_short_to_tell(block: bytes) -> bool:
    """May these first bytes be the beginning of a picture, whose kind does not show yet? A whole line is a name."""
    if not block or len(block) >= HEAD:
        return False
    if PNG.startswith(block[: len(PNG)]):
        return True
    return not block.endswith(b"\n") and any(head.startswith(block[: len(head)]) for head in HEADS)


def _unmarked(line: bytes) -> bytes:
    """A list's first line without the mark that a text may begin with, unless a file has it in its name."""
    return line if os.path.lexists(os.fsdecode(line)) else line.removeprefix(MARK)


def _name(line: bytes, separator: bytes) -> str:
    """A line's name, without the carriage return with which Windows ends lines, unless a file has it in its name."""
    name = os.fsdecode(line)
    ended = separator == b"\n" and name.endswith("\r") and not os.path.lexists(name)
    return name[:-1] if ended else name
