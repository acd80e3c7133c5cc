"""The other side of `_apart.py`: a process that decodes one file after another and says what came out.

It ends when its standard input does, and by itself some seconds after a deadline that nobody was there to keep. Its
memory is bounded where the system can (Linux). Nothing that a decoder prints reaches the user's terminal.
"""

from __future__ import annotations

import faulthandler
import importlib
import io
import os
import signal
from contextlib import suppress
from typing import Any

from . import _decode, _pdf
from ._apart import LONGEST, receive, send
from ._formats import UnreadableError

GRACE = 5.0  # seconds after the deadline, at which the other side should have ended this process
BASE, A_PIXEL = 1 << 30, 24  # bytes of memory; a HEIF of 178 million pixels was measured to take 1.8 GB in all
DECODERS = {"HEIF": "pi_heif", "AVIF": "PIL.AvifImagePlugin", "PDF": "pypdfium2"}


def serve() -> None:
    """Answer jobs from standard input on standard output until there are no more. Never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other side
    _bound("RLIMIT_CORE", 0)
    jobs, answers = io.FileIO(os.dup(0), "rb"), io.FileIO(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    with suppress(EOFError, OSError):
        while True:
            job, data = receive(jobs)
            with suppress(ImportError):  # which the job itself then tells
                importlib.import_module(DECODERS[job["kind"]])
            _bound("RLIMIT_DATA", BASE + A_PIXEL * job["max_pixels"])
            send(answers, {})
            faulthandler.dump_traceback_later(min(job["max_seconds"] + GRACE, LONGEST), exit=True, file=null)
            header, body = answer(job, data.tobytes())
            faulthandler.cancel_dump_traceback_later()
            send(answers, header, body)
    os._exit(0)


def answer(job: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes | memoryview]:
    """job: kind, max_pixels, max_seconds, and do: "count" the pages of a PDF, or "decode" with size_hint and page.

    Gives {"pages"}; {"shape", "pages"} and the pixels in one axis; or {"reason", "remedy"} of an UnreadableError.
    """
    if job.pop("do") == "count":
        return {"pages": _pdf.count(data)}, b""
    try:
        pixels, pages = _decode.here(data=data, **job)
    except UnreadableError as error:
        return {"reason": error.reason, "remedy": error.remedy}, b""
    return {"shape": pixels.shape, "pages": pages}, pixels.reshape(-1).data


def _bound(what: str, most: float) -> None:
    """The soft limit of what the system counts, never above the hard one; nothing where it has no such limit."""
    with suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        kind = getattr(resource, what)
        hard = resource.getrlimit(kind)[1]
        soft = int(min(most, 2**62))
        resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
