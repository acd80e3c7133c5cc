"""Decoders that a file can crash or keep busy for ever: one error for that file, in time, and the next file is read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from openset import _apart, _decode, images
from openset.errors import ImageError
from picture_bombs import heif_with_item, heifs_that_crash, nested_heif, nested_pdf
from picture_samples import PICTURES, samples

SAMPLES = samples()
HEIC = PICTURES / "quadrants.heic"
CHILD = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def reason(source: str | Path | bytes, seconds: float = 20.0) -> str:
    with pytest.raises(ImageError) as caught:
        images.load(source, limits=images.Limits(max_seconds=seconds))
    assert caught.value.remedy
    return caught.value.reason


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """No worker is left from before, none is left to what comes after."""
    _apart._end_all()
    yield
    _apart._end_all()


# ---- files that never end


@pytest.mark.parametrize("name", ["grid", "iovl", "pdf"])
def test_a_file_that_would_never_end_is_one_error_in_time_and_the_next_is_read(name: str, tmp_path: Path) -> None:
    """Each level doubles the work of the one below; 5 KB would take years."""
    make = nested_pdf if name == "pdf" else lambda levels: nested_heif(levels, name.encode())
    assert len(make(40)) < 7000
    assert images.load(make(3)).max() > 0
    path = tmp_path / "endless"
    path.write_bytes(make(40))
    begun = time.monotonic()
    kind = "PDF" if name == "pdf" else "HEIF"
    assert reason(path, 0.5) == f"decoding this {kind} took more than 0.5 s"
    assert time.monotonic() - begun < 60  # a new worker's start included, on a machine as busy as may be
    assert (images.load(HEIC) == images.load(SAMPLES["heic"])).all()


def test_an_endless_page_holds_up_nobody_but_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_apart, "MOST", 2)
    monkeypatch.setattr(_apart, "_turns", _apart._fresh())
    path = tmp_path / "endless.pdf"
    path.write_bytes(nested_pdf(40))
    assert list(images.find(tmp_path)) == [str(path)]  # counting its pages draws none
    with ThreadPoolExecutor(1) as pool:
        endless = pool.submit(reason, path, 1000)
        for _ in range(3):
            assert images.load(SAMPLES["pdf"]).shape == (1500, 2000, 3)
        assert not endless.done()
        for worker in list(_apart._workers):
            worker.process.kill()
        assert "(SIGKILL)" in endless.result()


# ---- files that crash


def without_guard(monkeypatch: pytest.MonkeyPatch, instead: str) -> None:
    """Workers started from now on look at a HEIF's items in another way."""
    begin = _apart._BEGIN.replace(
        "serve()", f"import os; from openset import _heif; _heif.item_types = {instead}; serve()"
    )
    monkeypatch.setattr(_apart, "_BEGIN", begin)


def test_a_file_that_crashes_its_decoder_is_one_error_and_the_next_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        without_guard(patch, "lambda data: os.kill(os.getpid(), 11) or ()")
        with pytest.raises(ImageError) as caught:
            images.load(HEIC)
    assert caught.value.path == str(HEIC)
    assert (
        caught.value.reason == "its decoder crashed on this HEIF (SIGSEGV): it is damaged, made to do so, or too large"
    )
    assert caught.value.remedy == "Convert it to PNG, JPEG or TIFF, or leave it out"
    assert images.load(HEIC).shape == (48, 64, 3)


@pytest.mark.parametrize("name", ["64-bit", "long name"])
def test_no_way_to_write_an_item_hides_a_type_that_is_no_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both crash pi_heif 1.4.0. They are refused before, and if they were not, the process that ends is not this one."""
    data = heifs_that_crash()[name]
    said = {"64-bit": "the type of an item is no text", "long name": "the name of an item does not end"}
    assert reason(data) == f"the HEIF is damaged ({said[name]})"
    assert images.load(heif_with_item(b"\0\0\0\x15infe\2\0\0\0\0\2\0\0Exif\0")).shape == (64, 48, 3)
    _apart._end_all()
    without_guard(monkeypatch, "lambda data: ()")
    assert reason(data)
    monkeypatch.undo()
    assert images.load(HEIC).shape == (48, 64, 3)


def test_what_a_worker_says_that_makes_no_sense_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        without_guard(patch, "lambda data: (os.write(4, bytes(12)), ())[1]")
        assert "(it said what nobody understands)" in reason(HEIC)
    assert images.load(HEIC).shape == (48, 64, 3)


# ---- what must not change


@pytest.mark.parametrize("kind", _decode.APART)
def test_apart_and_here_give_the_same_pixels(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a program frozen into one file, whose `sys.executable` is no Python, decodes here."""
    data = SAMPLES[{"HEIF": "heic", "AVIF": "avif", "PDF": "pdf"}[kind]]
    apart, remark = images.read(data)
    assert len(_apart._workers) == 1
    _apart._end_all()
    for name, value in (("frozen", True), ("executable", "")):
        with monkeypatch.context() as patch:
            patch.setattr(sys, name, value, raising=False)
            array, same = images.read(data)
        assert (array == apart).all()
        assert same == remark
    assert array.dtype == apart.dtype == np.uint8
    assert apart.flags.writeable
    assert apart.flags.c_contiguous
    assert not _apart._workers


def test_pages_are_counted_by_a_frozen_program_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "two.pdf").write_bytes(SAMPLES["pdf"])
    apart = list(images.find(tmp_path))
    assert len(apart) == 2
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert list(images.find(tmp_path)) == apart


def test_a_worker_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for program, why in (("/nonexistent/python", "No such file or directory"), ("/bin/false", "exit code 1")):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", program)
            assert reason(HEIC) == f"the process that decodes HEIF could not be started ({why})"
    with monkeypatch.context() as patch:
        patch.setattr(_apart, "_BEGIN", "import time; time.sleep(60)")
        patch.setattr(_apart, "START", 0.2)
        assert "could not be started (SIGKILL)" in reason(HEIC)
    assert images.load(HEIC).shape == (48, 64, 3)


def test_a_worker_that_somebody_ended_between_two_files_is_replaced() -> None:
    images.load(HEIC)
    (worker,) = _apart._workers
    worker.process.kill()
    worker.process.wait()
    assert images.load(HEIC).shape == (48, 64, 3)
    (other,) = _apart._workers
    assert other is not worker


def test_the_time_runs_from_when_the_work_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the wait for a turn nor the start of a worker is a file's."""
    events: list[object] = []
    turns, receive = _apart._fresh(), _apart.receive

    class Timer(threading.Timer):
        def start(self) -> None:
            events.append(self.interval)
            super().start()

    def get() -> object:
        events.append("turn")
        return None

    def heard(pipe: object) -> object:
        header, body = receive(pipe)  # type: ignore[arg-type]
        events.append("done" if header else "begun")
        return header, body

    monkeypatch.setattr(turns, "get", get)
    monkeypatch.setattr(_apart, "_turns", turns)
    monkeypatch.setattr(_apart, "receive", heard)
    monkeypatch.setattr(threading, "Timer", Timer)
    images.load(HEIC, limits=images.Limits(max_seconds=33))
    assert events == ["turn", _apart.START, "begun", 33, "done"]
    assert images.load(HEIC, limits=images.Limits(max_seconds=float("inf"))).shape == (48, 64, 3)


def test_many_threads_share_a_few_workers() -> None:
    names = ["heic", "avif", "pdf", "png"] * 4
    alone = {name: images.load(SAMPLES[name]) for name in set(names)}
    with ThreadPoolExecutor(8) as pool:
        for name, array in zip(names, pool.map(lambda name: images.load(SAMPLES[name]), names), strict=True):
            assert (array == alone[name]).all(), name
    assert 1 <= len(_apart._workers) <= _apart.MOST


# ---- whole programs


def told(program: str, *options: str, **more: object) -> list[str]:
    """What a program prints; it must end well and with nothing on its error output."""
    run = [sys.executable, "-X", "dev", "-W", "error", *options, "-c", program, str(HEIC)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300, env=CHILD, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def gone(pid: int) -> bool:
    """Has the process ended, within seconds?"""
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


SHOW = "import sys; from openset import images; print(*images.load(sys.argv[1]).shape); "


def test_workers_end_with_the_program_and_leave_no_word() -> None:
    """Without a main guard, which scripts lack."""
    pids = "from openset import _apart; print(*(w.process.pid for w in _apart._workers)); "
    *shape, pid = told(SHOW + pids)
    assert shape == ["48", "64", "3"]
    assert gone(int(pid))
    *_, pid = told(SHOW + pids + "sys.stdout.flush(); import os; os._exit(0)")  # no farewell: its input ends
    assert gone(int(pid))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_starts_workers_of_its_own() -> None:
    program = (
        "import os; from openset import _apart\n"
        "sys.stdout.flush()  # or both would print what waits\n"
        "mine = {w.process.pid for w in _apart._workers}\n"
        "child = os.fork()\n"
        "print(*images.load(sys.argv[1]).shape, flush=True)\n"
        "others = {w.process.pid for w in _apart._workers}\n"
        "assert (others == mine) == bool(child), (mine, others)\n"
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
    )
    assert told(SHOW + "\n" + program) == ["48", "64", "3"] * 3


def test_an_isolated_python_and_one_that_has_moved_find_the_same_modules(tmp_path: Path) -> None:
    """Nothing is imported from the folder where a program happens to stand: strangers' files may lie there."""
    (tmp_path / "json.py").write_text("raise SystemExit('imported')")
    (tmp_path / "numpy.py").write_text("raise SystemExit('imported')")
    found = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n"
    assert told(found + SHOW, "-I", cwd=tmp_path) == ["48", "64", "3"]
    moved = f"import os; os.chdir({str(tmp_path)!r}); "
    assert told("import sys; sys.path.remove(''); " + moved + SHOW) == ["48", "64", "3"]


def test_ctrl_c_is_for_the_program_alone() -> None:
    images.load(HEIC)
    (worker,) = _apart._workers
    os.kill(worker.process.pid, signal.SIGINT)
    assert images.load(HEIC).shape == (48, 64, 3)
    assert _apart._workers == {worker}


def test_other_formats_start_nothing(tmp_path: Path) -> None:
    for name, data in SAMPLES.items():
        if name not in ("heic", "avif", "pdf"):
            (tmp_path / name).write_bytes(data)
    program = (
        "import sys; from openset import images\n"
        f"for name in images.os.listdir({str(tmp_path)!r}): images.load({str(tmp_path)!r} + '/' + name)\n"
        "print('openset._apart' in sys.modules)\n"
    )
    assert told(program) == ["False"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep this limit")
def test_a_workers_memory_is_bounded() -> None:
    program = (
        "from openset._worker import _bound\n"
        "_bound('RLIMIT_DATA', 1 << 28)\n"
        "bytearray(1 << 26)\n"
        "try: bytearray(1 << 28)\n"
        "except MemoryError: print('bounded')\n"
        "_bound('RLIMIT_DATA', float('inf'))\n"
        "_bound('RLIMIT_NONE', 1)\n"
        "print(len(bytearray(1 << 28)))\n"
    )
    assert told(program) == ["bounded", str(1 << 28)]


def test_a_worker_ends_by_itself_where_nobody_keeps_its_deadline() -> None:
    """As after the end of a program that was killed while it waited."""
    begin = _apart._BEGIN.replace("serve()", "from openset import _worker; _worker.GRACE = 0.1; serve()")
    run = [sys.executable, "-I", "-c", begin, _apart.json.dumps(sys.path)]
    job = {"do": "decode", "kind": "HEIF", "size_hint": None, "max_pixels": 1e6, "max_seconds": 0.1, "page": 0}
    with subprocess.Popen(run, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        _apart.send(process.stdin, job, nested_heif(40))  # type: ignore[arg-type]
        assert _apart.receive(process.stdout)[0] == {}  # type: ignore[arg-type]
        with pytest.raises(EOFError):
            _apart.receive(process.stdout)  # type: ignore[arg-type]
        assert process.wait(60) == 1
