"""The command line as people and programs meet it. The judge: logits are ten times the mean red, green, blue."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

import openset
from openset import calibrate, training
from openset._cli.guard import printable
from openset._cli.names import meant
from openset.cli import main
from openset.judge import SHIPPED
from openset.judgefile import info_from_json, read_info, with_info
from test_judge import LABELS, graph, info

KEYS = {"path", "label", "decision", "confidence", "probabilities", "threshold", "error", "why", "score"}
ODD = os.fsdecode(b"b\xff\n\x1b[31m [red].png")  # not UTF-8, a line break, a terminal's command, rich's markup
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A judge file with the thresholds .9 for red and for green, none for blue."""
    path = tmp_path_factory.mktemp("judge") / "colours.onnx"
    path.write_bytes(with_info(graph().SerializeToString(), info()))
    return str(path)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is worked in: pics/ with five pictures."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pics" / "deep").mkdir(parents=True)
    paint("pics/a.png", (255, 0, 0))
    paint("pics/" + ODD, (0, 0, 255))
    paint("pics/deep/ä.png", (120, 128, 120))
    paint("pics/tiny.png", (255, 0, 0), 2)
    (tmp_path / "pics" / "wrong.jpg").write_text("This is no picture.")
    return tmp_path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line here: (exit code, standard output, standard error)."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def go(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["openset", *words])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capfd.readouterr()
        return int(end.value.code or 0), out, err

    return go


def paint(path: str, colour: tuple[int, int, int], side: int = 20) -> None:
    Image.new("RGB", (side, side), colour).save(path, "PNG")


def process(*words: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    """The command line in a process of its own."""
    how.setdefault("capture_output", True)
    return subprocess.run([sys.executable, "-m", "openset", *words], timeout=120, **how)


# --- predict -------------------------------------------------------------------------------------------------------


def test_a_line_of_json_for_each_picture_in_order(run: Run, judge: str) -> None:
    code, out, err = run("predict", judge, "pics", "missing.png", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (3, "")
    assert all(row.keys() == KEYS for row in rows)
    assert [row["path"] for row in rows] == [
        *("pics/a.png", "pics/" + ODD, "pics/deep/ä.png", "pics/tiny.png", "pics/wrong.jpg", "missing.png")
    ]
    assert [row["decision"] for row in rows] == ["accepted", "unknown", "unknown", "unknown", "error", "error"]
    assert [row["label"] for row in rows] == ["red", None, None, None, None, None]
    assert [row["threshold"] for row in rows] == [0.9, None, 0.9, None, None, None]
    expected = np.exp([0, -10, -10]) / np.exp([0, -10, -10]).sum()
    assert rows[0]["probabilities"] == pytest.approx(dict(zip(LABELS, expected, strict=True)), abs=1e-6)
    assert rows[0]["confidence"] == max(rows[0]["probabilities"].values())
    assert rows[3]["probabilities"] == {}
    assert "too small: 2 x 2 pixels" in rows[3]["why"]
    assert [row["error"] is None for row in rows] == [True] * 4 + [False] * 2
    assert "not a picture" in rows[4]["error"]
    assert "there is no such file" in rows[5]["error"]


def test_json_is_ascii_and_gives_back_the_bytes_of_any_name(judge: str) -> None:
    done = process("predict", judge, "pics", "--json", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    rows = [json.loads(line) for line in done.stdout.decode("ascii").splitlines()]
    assert {os.fsencode(row["path"]) for row in rows} == {
        os.fsencode(path) for path in map(str, Path("pics").rglob("*.*"))
    }


def test_csv_has_a_column_for_each_label_and_the_names_bytes(judge: str) -> None:
    done = process("predict", judge, "pics", "--csv", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode("utf-8", "surrogateescape"), newline="")))
    assert done.returncode == 3
    assert rows[1]["path"] == "pics/" + ODD
    assert rows[2]["path"] == "pics/deep/ä.png"
    assert [row["decision"] for row in rows] == ["accepted", "unknown", "unknown", "unknown", "error"]
    assert sum(float(rows[0][f"p({label})"]) for label in LABELS) == pytest.approx(1)
    assert rows[3]["confidence"] == rows[3]["p(red)"] == ""


def test_csv_quotes_whatever_ends_a_line(run: Run, judge: str) -> None:
    names = ["a\rb.png", "\r", "a\nb.png", 'a"b,c.png', "a\r\nb.png", "plain.png"]
    _, out, _ = run("predict", judge, *names, "--csv")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert [(row["path"], row["decision"]) for row in rows] == [(name, "error") for name in names]
    assert "\r\n" not in out.replace('"a\r\nb.png"', "")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "utf-16"])
def test_the_table_shows_every_name_in_one_line_on_any_terminal(judge: str, encoding: str) -> None:
    done = process("predict", judge, "pics", env=os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": ""})
    text = done.stdout.decode(encoding)
    assert (done.returncode, done.stderr) == (3, b"")
    assert "pics/b\\udcff\\n\\x1b[31m [red].png" in text
    assert ("pics/deep/\\xe4.png" if encoding == "ascii" else "pics/deep/ä.png") in text
    assert "\x1b" not in text
    row = next(line for line in text.splitlines() if "a.png" in line)
    assert "accepted" in row
    assert "confidence 0.999 reaches the threshold 0.900 for 'red'" in row
    assert "1 accepted, 3 unknown, 1 error" in text


def test_names_come_from_standard_input_ended_by_newline_or_nul(judge: str) -> None:
    lines = process("predict", judge, "-", "--json", input=b"pics/a.png\n\npics/deep\nno.png")
    assert [json.loads(x)["path"] for x in lines.stdout.splitlines()] == ["pics/a.png", "pics/deep/ä.png", "no.png"]
    null = process("predict", judge, "-", "-0", "--json", input=os.fsencode("pics/" + ODD) + b"\0pics/a.png\0")
    assert [json.loads(x)["path"] for x in null.stdout.splitlines()] == ["pics/" + ODD, "pics/a.png"]
    empty = process("predict", judge, "-", input=b"")
    assert (empty.returncode, b"standard input is empty" in empty.stderr) == (1, True)


def test_a_list_made_on_windows_and_a_picture_itself_come_from_standard_input(judge: str) -> None:
    Path("odd.png\r").write_bytes(Path("pics/a.png").read_bytes())
    lines = process("predict", judge, "-", "--json", input=b"pics/a.png\r\npics/deep\r\n\r\nodd.png\r\nGIF89a.gif\r")
    rows = [json.loads(x) for x in lines.stdout.splitlines()]
    assert [row["path"] for row in rows] == ["pics/a.png", "pics/deep/ä.png", "odd.png\r", "GIF89a.gif"]
    assert [row["label"] for row in rows] == ["red", None, "red", None]
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        file = io.BytesIO()
        Image.new("RGB", (600, 500), (255, 0, 0)).save(file, kind)
        done = process("predict", judge, "-", "pics/deep", "--json", input=file.getvalue())
        rows = [json.loads(x) for x in done.stdout.splitlines()]
        assert [(row["path"], row["label"]) for row in rows] == [("-", "red"), ("pics/deep/ä.png", None)]


class Drip(io.RawIOBase):
    """A pipe whose writer writes `blocks`, one at a time."""

    def __init__(self, *blocks: bytes) -> None:
        self.blocks = [block for block in blocks if block]

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        block = self.blocks.pop(0) if self.blocks else b""
        now, later = block[: len(room)], block[len(room) :]
        self.blocks[:0] = [later] if later else []
        room[: len(now)] = now
        return len(now)


def drip(monkeypatch: pytest.MonkeyPatch, *blocks: bytes, separator: bytes = b"\n") -> list[str | bytes | None]:
    """What standard input means that comes in these blocks."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Drip(*blocks))))
    return list(meant(["-"], separator))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_a_picture_on_standard_input_is_known_however_it_comes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO()
    Image.new("RGB", (30, 20), (255, 0, 0)).save(data, kind)
    whole = data.getvalue()
    for cut in range(1, 70):
        assert drip(monkeypatch, whole[:cut], whole[cut:]) == [whole], cut
    assert drip(monkeypatch, *(bytes([byte]) for byte in whole)) == [whole]


@pytest.mark.parametrize("separator", [b"\n", b"\0"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(separator: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = b"\xef\xbb\xbf"

    def names(*blocks: bytes) -> list[str | bytes]:
        return [x for x in drip(monkeypatch, *blocks, separator=separator) if x is not None]

    whole = separator.join([mark + b"good.png", mark + b"b.png", b""])  # the second is part of a name
    assert names(whole) == names(*(bytes([byte]) for byte in whole)) == ["good.png", "\ufeffb.png"]
    assert names(mark + b"good.png") == ["good.png"]
    assert names(mark) == names(mark + separator) == []
    Path("\ufeffgood.png").touch()
    assert names(mark + b"good.png" + separator) == ["\ufeffgood.png"]


def test_a_list_with_a_byte_order_mark_is_judged_whole(judge: str) -> None:
    done = process("predict", judge, "-", "--json", input=b"\xef\xbb\xbfpics/a.png\r\npics/deep\r\n")
    assert [json.loads(x)["path"] for x in done.stdout.splitlines()] == ["pics/a.png", "pics/deep/ä.png"]
    assert done.returncode == 0


def test_only_the_picture_on_standard_input_is_named_so(judge: str) -> None:
    """A file may be called as the judge calls bytes."""
    paint("<bytes>", (255, 0, 0))
    done = process(
        "predict", judge, "<bytes>", "-", "<bytes>", "no.png", "--json", input=Path("pics/a.png").read_bytes()
    )
    assert [json.loads(x)["path"] for x in done.stdout.splitlines()] == ["<bytes>", "-", "<bytes>", "no.png"]
    listed = process("predict", judge, "-", "--json", input=b"pics/a.png\n<bytes>\n")
    assert [json.loads(x)["path"] for x in listed.stdout.splitlines()] == ["pics/a.png", "<bytes>"]


def test_names_that_begin_as_pictures_do_are_names_once_their_line_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BMW.png", "RIFF", "GIF89a.gif", "II*.tif", "M", "%PDF"):
        line = os.fsencode(name) + b"\n"
        assert drip(monkeypatch, line, b"b.png\n") == [name, None, "b.png", None]
        assert drip(monkeypatch, *(bytes([byte]) for byte in line))[0] == name
        assert drip(monkeypatch, line[:-1])[-1] == name


@pytest.mark.skipif(os.name != "posix", reason="a closed standard input is Unix's")
def test_a_standard_input_that_cannot_be_read_from_is_one_message(judge: str) -> None:
    done = process("predict", judge, "-", input=b"%PDF-1.7\n")
    assert done.returncode == 1
    assert b"save it to a file first" in done.stderr
    for data, kind in (
        (Path(judge).read_bytes(), b"a kind of file that is not known"),
        (b"PK\x03\x04a\n/\n.\n\0", b"a ZIP archive"),
    ):
        done = process("predict", judge, "-", "--json", input=data)  # it holds lines that are names of folders
        assert (done.returncode, done.stdout) == (1, b"")
        assert kind in done.stderr
        assert b"--null" in done.stderr
    done = process("predict", judge, "-", preexec_fn=lambda: os.close(0))
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"standard input, which is closed" in done.stderr


def test_results_are_written_while_names_still_come(judge: str) -> None:
    command = [sys.executable, "-m", "openset", "predict", judge, "-", "--json"]
    pipe = subprocess.PIPE
    # a suite that runs in the background hands an ignored SIGINT down: a person's shell does not
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, **heard) as going:  # type: ignore[call-overload]
        assert going.stdin is not None
        assert going.stdout is not None
        going.stdin.write(b"pics/a.png\n" * 200)
        going.stdin.flush()
        assert json.loads(going.stdout.readline())["label"] == "red"
        going.send_signal(signal.SIGINT)
        going.wait(timeout=60)
        _, err = going.communicate(timeout=60)
        assert (going.returncode, err) == (130, b"error: stopped\n")


@pytest.mark.skipif(os.name != "posix", reason="select waits for pipes on Unix only")
def test_a_program_that_waits_for_each_answer_gets_it(judge: str) -> None:
    command = [sys.executable, "-m", "openset", "predict", judge, "-", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as going:
        assert going.stdin is not None
        assert going.stdout is not None
        for name in ("pics/a.png", "none.png", "pics/deep"):
            going.stdin.write(name.encode() + b"\n")
            going.stdin.flush()
            answered, _, _ = select.select([going.stdout], [], [], 60)
            if not answered:
                going.kill()
            assert answered, "no answer to the first name before a second"
            assert json.loads(going.stdout.readline())["path"].startswith(name)
        going.stdin.close()
        assert going.wait(timeout=60) == 3


def test_ctrl_c_while_the_command_is_being_loaded_leaves_no_traceback() -> None:
    script = """if True:
        import sys
        from openset.__main__ import run
        class Finder:  # stands for a Ctrl-C in the middle of an import
            def find_spec(self, name, path, target=None):
                if name == "openset._cli.check":
                    raise KeyboardInterrupt
        sys.meta_path.insert(0, Finder())
        run()
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"error: stopped\n")


@pytest.mark.skipif(os.name != "posix", reason="pipes and /dev/full are those of Unix")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["predict", "--version", "--help"])
def test_a_reader_that_goes_away_is_no_error_and_a_full_disk_is_a_clear_one(
    judge: str, words: str, unbuffered: str
) -> None:
    command = ["predict", judge, "pics/a.png"] if words == "predict" else [words]
    how = {"capture_output": False, "stderr": subprocess.PIPE, "env": os.environ | {"PYTHONUNBUFFERED": unbuffered}}
    reading, writing = os.pipe()
    os.close(reading)
    done = process(*command, stdout=writing, **how)
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 141 or (done.returncode == 1 and words != "predict")  # typer's own code, before a command
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb") as full:
        done = process(*command, stdout=full, **how)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: the disk is full. Free some space")
    assert done.stderr.count(b"\n") == 1


def test_exit_codes_of_predict(run: Run, judge: str) -> None:
    assert run("predict", judge, "pics/a.png")[0] == 0
    assert run("predict", judge, "pics/tiny.png")[0] == 0
    assert run("predict", judge, "pics/wrong.jpg")[0] == 1
    assert run("predict", judge, "pics/wrong.jpg", "pics/a.png")[0] == 3
    assert run("predict", judge)[0] == 2
    assert run("predict", judge, "pics", "--json", "--csv")[0] == 2
    for bad in ("nan", "-0.1", "1.5", "high"):
        assert run("predict", judge, "pics", "--threshold", bad)[0] == 2
    for bad in ("0", "1025", "3000000000"):
        assert run("predict", judge, "pics", "--threads", bad)[0] == 2


def test_a_threshold_of_ones_own(run: Run, judge: str) -> None:
    _, out, _ = run("predict", judge, "pics/deep", "--threshold", "0.4", "--json")
    row = json.loads(out)
    assert (row["label"], row["threshold"]) == ("green", 0.4)
    assert "no guarantee" in row["why"]


def test_what_a_newcomer_gets_wrong_is_said(run: Run, here: Path, judge: str) -> None:
    (here / "none").mkdir()
    code, out, err = run("predict", judge, "none")
    assert (code, out) == (1, "")
    assert "no pictures found in 'none'" in err
    assert ".jpeg" in err
    assert ".pdf" in err
    code, _, err = run("predict", "pics", judge)
    assert code == 2
    assert "the judge comes first" in err
    code, _, err = run("predict", "sheetmusic", "pics")
    assert code == 1
    assert err.startswith("error: There is no judge file 'sheetmusic'")
    assert "sheet-music" in err
    code, _, err = run("predict", "pics/../pics/wrong.jpg", "pics")
    assert code == 2
    (here / "notes.onnx").write_text("my notes")
    code, _, err = run("predict", "notes.onnx", "pics")
    assert code == 1
    assert "not an ONNX model" in err


def test_what_is_passed_over_in_a_folder_is_told(run: Run, here: Path, judge: str) -> None:
    for name in ("pics/old.JP2", "pics/deep/scan.jp2", "pics/deep/photo", "pics/.DS_Store", "pics/._a.png"):
        (here / name).write_bytes((here / "pics" / "a.png").read_bytes())
    code, out, err = run("predict", judge, "pics/deep", "pics", "pics/deep/photo", "--csv")
    assert (code, out.count("red,")) == (3, 2)  # a.png, and the photo that was named outright
    notes = err.splitlines()
    assert [note.split("'")[1] for note in notes] == ["pics/deep", "pics"]
    assert "1 .jp2" in notes[0]
    assert "1 without an ending" in notes[0]
    assert "2 .jp2, 1 hidden, 1 without an ending. Name a file outright" in notes[1]
    (here / "texts").mkdir()
    (here / "texts" / "a.txt").write_text("a")
    (here / "texts" / "gone").symlink_to("nowhere")
    code, _, err = run("predict", judge, "texts")
    assert code == 1
    assert "no pictures found in 'texts' but 1 .txt, 1 without an ending." in err


def test_tables_go_on_after_their_most_rows(run: Run, judge: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openset._cli.predict.ROWS", 2)
    _, out, _ = run("predict", judge, "pics")
    assert out.count("confidence  ") == 3
    assert [name for name in ("a.png", "red].png", "ä.png", "tiny.png", "wrong.jpg") if name not in out] == []


def test_the_shipped_judge_tells_its_own_examples_apart(run: Run) -> None:
    package = Path(openset.__file__).parent
    assert (package / SHIPPED["sheet-music"]).exists(), "the shipped judge is not there: make sheet-music builds it"
    examples = package / "examples"
    code, out, _ = run("predict", "sheet-music", str(examples), "--json")
    said = {Path(row["path"]).name: row for row in map(json.loads, out.splitlines())}
    assert code == 3
    assert said["truncated.jpg"]["decision"] == "error"
    assert said["score-engraved.png"]["label"] == "sheet_music"
    assert [name for name in ("text-page.jpg", "noise.png") if said[name]["label"] == "sheet_music"] == []


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal is Unix's")
@pytest.mark.parametrize("watched", ["standard error", "both"])
def test_a_bar_on_the_terminal_leaves_the_results_whole(here: Path, judge: str, watched: str) -> None:
    for n in range(30):
        paint(f"pics/deep/{n}.png", (0, 255, 0))
    seeing, terminal = os.openpty()
    script = "from openset._cli import predict; predict.ROWS = 20; from openset.cli import main; main()"
    words = ["predict", judge, "pics/deep", *(["--json"] if watched != "both" else [])]
    with open(here / "results", "wb") as file:
        out = terminal if watched == "both" else file
        wide = os.environ | {"COLUMNS": "200"}
        going = subprocess.Popen([sys.executable, "-c", script, *words], stdout=out, stderr=terminal, env=wide)
        os.close(terminal)
        seen = b""
        while True:
            try:
                block = os.read(seeing, 4096)
            except OSError:  # Linux's way to say that the other end is closed
                block = b""
            if not block:
                break
            seen += block
    os.close(seeing)
    assert going.wait(timeout=60) == 0
    assert b"31/31" in seen
    if watched == "both":
        assert [n for n in range(30) if seen.count(b"pics/deep/%d.png" % n) != 1] == []
        assert b"30 accepted, 1 unknown" in seen
    else:
        rows = [json.loads(line) for line in (here / "results").read_text().splitlines()]
        assert [row["label"] for row in rows] == ["green"] * 30 + [None]


# --- the other commands --------------------------------------------------------------------------------------------


def shades(folder: Path, count: int, first: int = 0) -> None:
    """folder/dark and folder/light, `count` pictures each: gray noise about 60 and about 200."""
    for name, mean in (("dark", 60), ("light", 200)):
        (folder / name).mkdir(parents=True)
        for n in range(count):
            noise = np.random.default_rng(first + 1000 * mean + n).integers(-50, 50, (16, 16, 3))
            Image.fromarray((mean + noise).astype(np.uint8)).save(folder / name / f"{n}.png")


def test_training_offers_every_choice_that_there_is() -> None:
    from openset._cli import train as offered
    from openset._schedule import Optimiser, Scheme
    from openset.loader import Augment

    for words, choices in ((Scheme, offered.Scheme), (Optimiser, offered.Optimiser), (Augment, offered.Augment)):
        assert get_args(words) == tuple(choice.value for choice in choices)


def test_from_folders_to_a_decision(run: Run, here: Path) -> None:
    shades(here / "data", 40)
    shades(here / "field", 40, first=500)
    assert run("check", "data")[0] == 0
    code, out, _ = run(
        *("train", "data", "-o", "runs/a b", "--net", "lenet", "--epochs", "12", "--batch-size", "8"),
        *("--threads", "1", "--quiet", "--lr", "0.01", "--augment", "none"),
    )
    assert (code, out) == (0, "Trained. Next:  openset export 'runs/a b' -o judge.onnx\n")
    code, out, _ = run("export", "runs/a b", "-o", "mine.onnx")
    assert code == 0
    assert "dark: no threshold yet, so always unknown. Too few pictures" in out
    assert "openset calibrate mine.onnx" in out
    code, out, _ = run("calibrate", "mine.onnx", "field", "--precision", "0.9", "--delta", "0.1", "-o", "sure.onnx")
    assert code == 0
    assert "This holds if pictures to come are drawn like those in 'field'" in out
    stored = read_info("sure.onnx").thresholds["dark"]
    assert (stored.precision, stored.delta, stored.n, stored.wrong) == (0.9, 0.1, 80, 0)
    assert read_info("mine.onnx").thresholds == {}
    code, out, _ = run("predict", "sure.onnx", "field", "--json")
    right = [Path(row["path"]).parent.name == row["label"] for row in map(json.loads, out.splitlines())]
    assert (code, len(right)) == (0, 80)
    assert np.mean(right) > 0.9
    code, out, _ = run("info", "sure.onnx")
    assert code == 0
    assert "dark: accepted from a confidence of" in out
    assert "scheme: oe" in out


def test_calibrate_without_enough_pictures_says_how_many_and_writes_nothing(run: Run, here: Path, judge: str) -> None:
    for label, colour in zip(LABELS, ((255, 0, 0), (0, 255, 0), (0, 0, 255)), strict=True):
        (here / "data" / label).mkdir(parents=True)
        paint(f"data/{label}/1.png", colour)
    before = Path(judge).read_bytes()
    code, out, err = run("calibrate", judge, "data", "--precision", "0.99", "--delta", "0.05")
    assert (code, out) == (1, "")
    assert "at least 299 such answers" in err
    assert Path(judge).read_bytes() == before
    code, _, err = run("calibrate", judge, "pics")
    assert code == 1
    assert "missing: red, green, blue" in err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([], None),
        (["0.01"], 0.01),
        (["red=.2", "green=.3", "blue=.5"], {"red": 0.2, "green": 0.3, "blue": 0.5}),
        (["a=b=.5"], {"a=b": 0.5}),
    ],
)
def test_prevalence_reaches_the_fit_as_meant(
    given: list[str], meant: object, run: Run, judge: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def watched(_: object, prevalence: object) -> None:
        seen.append(prevalence)
        raise calibrate.DataError("seen")

    monkeypatch.setattr(calibrate, "shares", watched)
    run("calibrate", judge, "pics", *(word for share in given for word in ("--prevalence", share)))
    assert seen == [meant]


def test_shares_that_add_up_to_more_than_the_field_are_refused(run: Run, judge: str) -> None:
    code, _, err = run("calibrate", judge, "pics", "--prevalence", "0.9")
    assert code == 1
    assert "prevalence 0.9 is each label's share, and these add up to 2.7 for the 3 labels red, green, blue" in err
    code, _, err = run("calibrate", judge, "pics", "--prevalence", "0.01")
    assert "missing: red, green, blue" in err  # on to the folder, which is the next that is wrong


def test_a_prevalence_that_is_none_is_refused(run: Run, judge: str) -> None:
    for words in (["x"], [".1", ".2"], ["red=x"], ["=.5"], ["red=.1", "red=.2"]):
        code, _, err = run("calibrate", judge, "pics", *(w for share in words for w in ("--prevalence", share)))
        assert code == 2
        assert "LABEL=NUMBER once for each label" in err
    for words in (["2"], ["nan"], ["0"], ["red=1", "green=.1", "blue=.1"]):
        code, _, err = run("calibrate", judge, "pics", *(w for share in words for w in ("--prevalence", share)))
        assert code == 2
        assert "not a number above 0 and below 1" in err


def test_rates_that_cannot_be_promised_are_a_wrong_command_line(run: Run, judge: str) -> None:
    for option in ("--precision", "--delta"):
        for bad in ("2", "nan", "1", "0", "-1", "high"):
            assert run("calibrate", judge, "pics", option, bad)[0] == 2


def test_info_survives_facts_of_any_form(run: Run, here: Path) -> None:
    for fact in (["x"], "oops", 3, None, {"red": 5}):
        facts = {"no_threshold": fact, "epochs": 3}
        known = dataclasses.replace(info(), facts=facts, thresholds={})
        (here / "odd.onnx").write_bytes(with_info(graph().SerializeToString(), known))
        code, out, _ = run("info", "odd.onnx")
        assert code == 0
        assert "blue: none, so always unknown." in out
        assert "epochs: 3" in out
        assert ("no_threshold" in out) == (not isinstance(fact, dict))


def test_check_tells_by_its_exit_code_and_lists_what_to_take_out(run: Run, here: Path) -> None:
    shades(here / "data", 25)
    (here / "data" / "dark" / "cut.png").write_bytes((here / "data" / "dark" / "0.png").read_bytes()[:200])
    code, out, _ = run("check", "data", "--fix", "out.txt")
    assert code == 1
    assert "unreadable" in out
    assert "1 file that cannot be read" in " ".join(out.split())
    assert "1 file to take out: listed in 'out.txt'; nothing was deleted." in out
    assert "by hand" not in out
    assert "data/dark/cut.png" in (here / "out.txt").read_text().splitlines()
    assert (here / "data" / "dark" / "cut.png").exists()
    (here / "data" / "dark" / "cut.png").rename(here / "data" / "dark" / "cut\nhere.png")
    code, out, _ = run("check", "data", "--fix", "out.txt")
    assert code == 1
    assert "0 files to take out: listed in 'out.txt'; nothing was deleted." in out
    assert "1 file to take out by hand, for a line break in the name: see its comments." in out
    assert r"# take out by hand 'data/dark/cut\nhere.png'" in (here / "out.txt").read_text()
    code, out, err = run("check", "nowhere")
    assert (code, out) == (2, "")
    assert err.startswith("error: there is no folder 'nowhere'")


def test_info_as_json_is_the_metadata_themselves(run: Run, judge: str) -> None:
    code, out, _ = run("info", judge, "--json")
    assert code == 0
    assert info_from_json(out) == info()


@pytest.mark.parametrize(
    ("words", "extra"), [(["train", "pics"], "train"), (["export", "runs/x"], "train"), (["demo"], "demo")]
)
def test_without_torch_the_pip_command_is_told(
    words: list[str], extra: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    code, out, err = run(*words)
    assert (code, out) == (1, "")
    assert f'pip install "openset[{extra}]"' in err
    assert err.count("\n") == 1


def test_ctrl_c_in_training_ends_with_130_and_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt("stopped in epoch 2; go on with --resume")

    monkeypatch.setattr(training, "train", stopped)
    assert run("train", "data", "-q") == (130, "", "error: stopped in epoch 2; go on with --resume\n")
    assert run("train", "data") == (130, "", "")  # the run itself has said it


def stopped(*_: object, **__: object) -> None:
    """Ctrl-C during a long reading."""
    signal.raise_signal(signal.SIGINT)
    time.sleep(0.1)  # Python acts on a signal between two steps of a program


def test_ctrl_c_while_pictures_are_read_says_that_resume_starts(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shades(here / "data", 8)
    words = ("train", "data", "-o", "run", "--net", "lenet", "--epochs", "1", "--threads", "1", "-q")
    with monkeypatch.context() as patch:
        patch.setattr("openset.data.listing.read_folder", stopped)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        try:
            code, out, err = run(*words)
        finally:
            signal.signal(signal.SIGINT, before)
    assert (code, out, err.count("\n")) == (130, "", 1)
    assert "the same command with --resume" in err
    assert run(*words, "--resume")[0] == 0


def test_help_and_version(run: Run) -> None:
    code, out, _ = run("--version")
    assert (code, out) == (0, f"openset {openset.__version__}\n")
    code, out, _ = run("--help")
    assert code == 0
    commands = ("predict", "check", "train", "export", "calibrate", "info", "demo")
    assert [name for name in commands if f"\n  {name}  " not in out] == []
    assert "..." not in out.split("Commands:")[1], "a command's short help is cut off"
    for name in commands:
        code, out, _ = run(name, "--help")
        assert code == 0
        assert "Exit code: 0" in out
    assert run("predikt")[0] == 2


def test_printable_is_one_line_without_commands_to_a_terminal() -> None:
    assert printable("a b [bold] ü") == "a b [bold] ü"
    assert printable("a\nb\x1b[31m\udcff\u202e") == "a\\nb\\x1b[31m\\udcff\\u202e"
