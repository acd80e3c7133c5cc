"""Verovio in a process of its own, so that a hang or a crash in C++ costs one page and never the run.

A score's text and options go in, one page of SVG comes out, as JSON lines over pipes (about 1 ms beside the engraving's
30). The child is started on first use, again after a fork, after a death, and every `RENEW` pages.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

from ..errors import DataError, MissingExtraError

FONTS = ("Leipzig", "Bravura", "Gootville", "Leland", "Petaluma")
RENEW = 400
SECONDS = 20.0

CHILD = """
import json, os, sys
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
import verovio
verovio.enableLog(verovio.LOG_OFF)
for line in sys.stdin:
    ask = json.loads(line)
    toolkit = verovio.toolkit()
    toolkit.setOptions(ask["options"])
    svg, pages = "", 0
    if toolkit.loadData(ask["data"]):
        pages = toolkit.getPageCount()
        if pages:
            svg = toolkit.renderToSVG(1 + min(pages - 1, int(ask["page"] * pages)))
    answers.write(json.dumps({"pages": pages, "svg": svg}) + "\\n")
    answers.flush()
"""


class RefusedError(DataError):
    """Verovio cannot make a page of this text."""


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    owner: int
    used: int = 0
    pending: bytes = b""


_child: _Child | None = None


def engrave(data: str, options: Mapping[str, Any], page: float = 0.0, *, seconds: float = SECONDS) -> str:
    """One page of the score as SVG; `page` in [0, 1) picks which. Same input, same SVG.

    Raises RefusedError when Verovio cannot load the score or crashes on it, DataError when it needs more than `seconds`.
    """
    child = _running()
    ask = {"data": data, "options": {"xmlIdSeed": 1, "smuflTextFont": "none", **options}, "page": page}
    try:
        answer = json.loads(_exchange(child, (json.dumps(ask) + "\n").encode(), seconds))
    except (OSError, EOFError) as error:  # TimeoutError is an OSError
        close()
        kind = DataError if isinstance(error, TimeoutError) else RefusedError
        raise kind(f"Verovio gave no page: {error}") from error
    child.used += 1
    if not answer["svg"]:
        raise RefusedError("Verovio cannot load this score")
    return str(answer["svg"])


def close() -> None:
    """End the child process, if there is one of ours."""
    global _child
    child, _child = _child, None
    if child is not None and child.owner == os.getpid():
        child.process.kill()
        child.process.wait()
        for pipe in (child.process.stdin, child.process.stdout):
            if pipe is not None:
                pipe.close()


atexit.register(close)


def _running() -> _Child:
    global _child
    if _child is not None and (_child.owner != os.getpid() or _child.used >= RENEW):
        close()
    if _child is None:
        _font_file("Leipzig")
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        _child = _Child(process, os.getpid())
    return _child


def _exchange(child: _Child, message: bytes, seconds: float) -> bytes:
    """Write the question and read the line that answers it, within `seconds`."""
    give, take = _pipe(child.process.stdin), _pipe(child.process.stdout)
    os.set_blocking(give.fileno(), False)
    until = time.monotonic() + seconds
    sent = 0
    while b"\n" not in child.pending:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer within {seconds:g} s")
        ready, writable, _ = select.select([take], [give] if sent < len(message) else [], [], left)
        if writable:
            sent += os.write(give.fileno(), message[sent : sent + 65536])
        if ready:
            chunk = os.read(take.fileno(), 1 << 20)
            if not chunk:
                raise EOFError("the engraver's process died")
            child.pending += chunk
    line, _, child.pending = child.pending.partition(b"\n")
    return line


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise EOFError("the engraver's process has no pipe")
    return pipe


def _font_file(font: str) -> Path:
    import importlib.util

    spec = importlib.util.find_spec("verovio")
    if spec is None or spec.origin is None:
        raise MissingExtraError("Engraving sheet music", "verovio", "sheetmusic")
    return Path(spec.origin).parent / "data" / f"{font}.xml"


@functools.cache
def glyph_centres(font: str) -> dict[str, tuple[float, float]]:
    """Centre (x, y up) of every glyph of a music font by its code point, in the SVG's units before scaling."""
    centres: dict[str, tuple[float, float]] = {}
    for name in ("Leipzig", font):
        for glyph in ElementTree.parse(_font_file(name)).getroot().iter("g"):
            x, y, w, h = (float(glyph.get(key, "0")) for key in "xywh")
            centres[glyph.get("c", "")] = (x + w / 2, y + h / 2)
    return centres
