"""Decoders that may crash or never end work apart, in a process that is ended at the deadline.

pi_heif, libavif and pdfium are C code: a file can be made that crashes them or keeps them busy for ever, and nothing in
their own process can stop that. So a worker decodes: a Python that runs `_worker.serve`, started at first need, given
one job after another, ended and replaced where a job crashes it or is late. At most MOST work at once; other threads
wait for a turn. Workers end with this process; a forked process starts its own.

A message, either way: the lengths of a header and of a body, the header in JSON, the body. The worker answers a job
twice: when it begins, so that its start and the handing over are no time of the file's, and when it is done.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ._formats import CONVERT, UnreadableError

MOST = min(4, os.cpu_count() or 1)  # workers; each keeps about 40 MB
START = 120.0  # seconds until a job begins: Python may lie on a slow network drive
LONGEST = 1e6  # seconds that a timer can wait
_FRAME = struct.Struct(">IQ")
_BEGIN = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from openset._worker import serve; serve()"
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # numpy starts sooner; nothing is multiplied here


def possible() -> bool:
    """Is there a Python to start? Not where the program was frozen into one file: that file is no Python."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def ask(job: dict[str, Any], data: bytes, seconds: float) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """A worker's answer to a job (`_worker.answer`): its header and its body.

    Raises TimeoutError where the work took more than `seconds`, UnreadableError where it ended the worker or none
    could be started.
    """
    turns = _turns
    worker, kept = turns.get(), None
    try:
        if worker is None or worker.process.poll() is not None:
            worker = _replaced(worker, job["kind"])
        answer = worker.work(job, data, seconds)
        kept = worker
        return answer
    finally:
        if worker is not None and kept is None:
            worker.end()
        turns.put(kept)


class _Worker:
    """A process at work, for one thread at a time."""

    def __init__(self) -> None:
        home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        paths = [*(path for path in sys.path if isinstance(path, str)), home]
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BEGIN, json.dumps(paths)],  # -I: the modules are those of this process
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | _ONE_THREAD,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        _workers.add(self)

    @property
    def pipes(self) -> tuple[io.FileIO, io.FileIO]:
        """For writing to the worker, and for reading from it."""
        return cast(io.FileIO, self.process.stdin), cast(io.FileIO, self.process.stdout)

    def work(self, job: dict[str, Any], data: bytes, seconds: float) -> tuple[dict[str, Any], NDArray[np.uint8]]:
        to, back = self.pipes
        kind = job["kind"]
        try:
            with self._ended_after(START):
                send(to, job, data)
                receive(back)
        except (EOFError, OSError, ValueError) as error:
            raise _unstarted(kind, self._end_told()) from error
        try:
            with self._ended_after(seconds):
                return receive(back)
        except TimeoutError:
            raise
        except (EOFError, OSError, ValueError) as error:
            told = f"its decoder crashed on this {kind} ({self._end_told()})"
            raise UnreadableError(f"{told}: it is damaged, made to do so, or too large", CONVERT) from error

    @contextmanager
    def _ended_after(self, seconds: float) -> Iterator[None]:
        """Raises TimeoutError, the worker ended, where the work inside takes longer."""
        late = threading.Event()

        def end() -> None:
            late.set()
            self.process.kill()

        timer = threading.Timer(min(seconds, LONGEST), end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (EOFError, OSError) as error:
            if late.is_set():
                raise TimeoutError from error
            raise
        finally:
            timer.cancel()
            timer.join()
        if late.is_set():
            raise TimeoutError

    def _end_told(self) -> str:
        """How the process ended, in words; it is ended where it has not."""
        try:
            code = self.process.wait(1)
        except subprocess.TimeoutExpired:
            return "it said what nobody understands"
        try:
            return signal.Signals(-code).name if code < 0 else f"exit code {code}"
        except ValueError:
            return f"signal {-code}"

    def end(self) -> None:
        _workers.discard(self)
        self.process.kill()
        for pipe in self.pipes:
            with suppress(OSError):
                pipe.close()
        self.process.wait()

    def forget(self) -> None:
        """In a forked process: it is the other's worker, and no word of ours may reach it."""
        for pipe in self.pipes:
            with suppress(OSError):
                pipe.close()
        self.process.returncode = 0


def _replaced(old: _Worker | None, kind: str) -> _Worker:
    if old is not None:
        old.end()
    try:
        return _Worker()
    except OSError as error:
        raise _unstarted(kind, error.strerror or str(error)) from error


def _unstarted(kind: str, said: str) -> UnreadableError:
    remedy = f"See whether {sys.executable} runs, and how much memory and how many processes this program may use"
    return UnreadableError(f"the process that decodes {kind} could not be started ({said})", remedy)


def send(pipe: io.FileIO, header: dict[str, Any], body: bytes | memoryview = b"") -> None:
    """One message; a body is bytes, or memory of one axis of them."""
    head = json.dumps(header, default=float).encode()  # numpy's numbers
    for part in (_FRAME.pack(len(head), len(body)) + head, body):
        view = memoryview(part)
        while view:
            view = view[pipe.write(view) :]


def receive(pipe: io.FileIO) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """One message. Raises EOFError where the other side has ended, ValueError where it talks nonsense."""
    head, body = _FRAME.unpack(_exactly(pipe, _FRAME.size).data)
    return json.loads(_exactly(pipe, head).tobytes()), _exactly(pipe, body)


def _exactly(pipe: io.FileIO, size: int) -> NDArray[np.uint8]:
    data = np.empty(size, np.uint8)
    view = data.data
    while view:
        got = pipe.readinto(view)
        if not got:
            raise EOFError
        view = view[got:]
    return data


Turns = queue.LifoQueue["_Worker | None"]  # last in, first out: one that is warm before one to be started


def _fresh() -> Turns:
    turns: Turns = queue.LifoQueue()
    for _ in range(MOST):
        turns.put(None)
    return turns


_workers: set[_Worker] = set()
_turns = _fresh()


def _end_all() -> None:
    for worker in list(_workers):
        worker.end()


def _forget_all() -> None:
    global _turns
    for worker in _workers:
        worker.forget()
    _workers.clear()
    _turns = _fresh()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
