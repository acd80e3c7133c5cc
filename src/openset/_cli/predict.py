"""`openset predict`: pictures in, a table or JSON lines or CSV out, as they are judged."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from .._words import shown
from .guard import FAILED, PARTLY, complain, guarded, on_terminal, printable
from .names import meant
from .options import share
from .screen import NARROW, console, put_block, table

if TYPE_CHECKING:
    from ..judge import Judge
    from ..types import Decision
    from .bars import Bar

ROWS = 500  # of one table; then a new one begins, so that memory stays bounded
MANY = 25  # files, from which on a bar is drawn
AHEAD = 10_000  # files listed before judging, to know how long it takes
COLOURS = {"accepted": "green", "unknown": "yellow", "error": "red"}
T = TypeVar("T")
Show = Callable[[Iterable["Decision"]], Iterator["Decision"]]


@guarded
def predict(
    judge: Annotated[str, typer.Argument(metavar="JUDGE", help="A judge file, or a shipped judge: sheet-music.")],
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES", help="Pictures, folders of them, or - for a list (or one picture) on stdin."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header, UTF-8.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option(callback=share, metavar="T", help="Accept from this confidence on, 0 to 1; voids the guarantee."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, metavar="N", help="For the judge; default: all cores.")
    ] = None,
    null: Annotated[bool, typer.Option("--null", "-0", help="The list on stdin is separated by NUL.")] = False,
) -> int:
    """Judge pictures: accepted with a label, or unknown.

    Folders are walked; a PDF counts once a page. A file that cannot be read is reported and never stops the rest.

    \b
    Exit code: 0  every picture was judged (unknown is an answer)
               1  no picture could be judged, or there was none
               2  the command line is wrong
               3  some pictures were judged, others could not be read
             130  stopped with Ctrl-C
    """
    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both.")
    from ..judge import open_judge

    _check_order(judge)
    opened = open_judge(judge, threads=threads)
    paths = meant(files, b"\0" if null else b"\n")
    seen: Counter[str] = Counter()
    # lines on the same terminal as the bar would break it
    watched = on_terminal() and not ((as_json or as_csv) and sys.stdout.isatty())
    with _progress(paths, "-" in files, watched=watched) as (listed, bar):
        show = _json_lines if as_json else _csv_lines(opened.labels) if as_csv else _tables(bar)
        for decision in show(_judged(opened, listed, threshold)):
            seen[decision.outcome] += 1
            if bar is not None:
                bar.step(seen)
    judged = seen["accepted"] + seen["unknown"]
    if not judged and seen["error"]:
        complain("the file could not be judged." if seen["error"] == 1 else f"none of {seen['error']} could be judged.")
    elif not judged:
        complain("there was nothing to judge.")
    elif not (as_json or as_csv) and seen.total() > 1:
        print(", ".join(f"{seen[what]} {what}" for what in COLOURS if seen[what]))
    return FAILED if not judged else PARTLY if seen["error"] else 0


def _judged(judge: Judge, listed: Iterable[str | bytes | None], threshold: float | None) -> Iterator[Decision]:
    """Decisions in order; all pictures named so far are judged before more names are waited for.

    A picture that was itself on standard input has the name by which it was asked for.
    """
    for kind, group in itertools.groupby(listed, type):
        for decision in judge.stream((x for x in group if x is not None), threshold=threshold):
            yield replace(decision, path="-") if kind is bytes else decision


def _check_order(judge: str) -> None:
    """A newcomer's slip: the pictures first."""
    from ..images import SUFFIXES
    from ..judge import SHIPPED

    is_picture = os.path.isdir(judge) or os.path.splitext(judge)[1].lower() in SUFFIXES
    if is_picture and judge not in SHIPPED:
        raise typer.BadParameter(
            f"the judge comes first, and {printable(judge)!r} is no judge file. Give a judge file (*.onnx) or a "
            f"shipped name ({', '.join(SHIPPED)}), then the pictures."
        )


@contextmanager
def _progress(paths: Iterator[T], endless: bool, *, watched: bool) -> Iterator[tuple[Iterator[T], Bar | None]]:
    """Gives (paths, the bar where one is wanted)."""
    first = list(itertools.islice(paths, AHEAD)) if watched and not endless else []
    listed = itertools.chain(first, paths)
    if not watched or (not endless and len(first) < MANY):
        yield listed, None
        return
    from .bars import counting

    with counting(len(first) if len(first) < AHEAD and not endless else None) as bar:
        yield listed, bar


def _json_lines(decisions: Iterable[Decision]) -> Iterator[Decision]:
    for decision in decisions:
        print(json.dumps(record(decision), allow_nan=False), flush=True)
        yield decision


def record(d: Decision) -> dict[str, Any]:
    """What `--json` says of one picture."""
    return {
        "path": d.path,
        "label": d.label,
        "decision": d.outcome,
        "confidence": d.confidence,
        "probabilities": dict(d.probabilities),
        "threshold": d.threshold,
        "error": d.error,
        "why": d.why,
        "score": d.score,
    }


def _csv_lines(labels: Iterable[str]) -> Show:
    """UTF-8 whatever the terminal's encoding is; a name that is not UTF-8 is written as the bytes that it is."""
    names = list(labels)

    def write(row: list[Any]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\r\n").writerow(row)  # what stands in it is what makes a field quoted
        sys.stdout.buffer.write((line.getvalue()[:-2] + "\n").encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()

    def show(decisions: Iterable[Decision]) -> Iterator[Decision]:
        fixed = ["path", "decision", "label", "confidence", "threshold", "score", "why", "error"]
        write(fixed + [f"p({name})" for name in names])
        for d in decisions:
            numbers = [d.probabilities.get(name) for name in names]
            write([d.path, d.outcome, d.label, d.confidence, d.threshold, d.score, d.why, d.error, *numbers])
            yield d

    return show


def _tables(bar: Bar | None) -> Show:
    """Tables of at most ROWS rows, or blocks on a narrow terminal, printed while the bar is away."""
    out = console()

    def print_table(decisions: list[Decision]) -> None:
        with bar.aside() if bar is not None else nullcontext():
            if out.width < NARROW:
                for decision in decisions:
                    _put(out, decision)
            else:
                out.print(_table(decisions))

    def show(decisions: Iterable[Decision]) -> Iterator[Decision]:
        waiting: list[Decision] = []
        try:
            for decision in decisions:
                waiting.append(decision)
                if len(waiting) == ROWS:
                    print_table(waiting)
                    waiting = []
                yield decision
        finally:  # Ctrl-C too: what was judged is shown
            if waiting:
                print_table(waiting)

    return show


def _table(decisions: Iterable[Decision]) -> Any:
    from rich.text import Text

    rows = table("picture", "decision", "label")
    rows.add_column("confidence", justify="right", no_wrap=True)
    rows.add_column("why", overflow="fold")
    for d in decisions:
        cells = [printable(d.path), d.outcome, printable(d.label or ""), _sure(d), printable(d.error or d.why)]
        rows.add_row(*(Text(c, style=COLOURS[d.outcome] if c == d.outcome else "") for c in cells))
    return rows


def _put(out: Any, d: Decision) -> None:
    """A block: the picture; the decision, the label and the confidence; why."""
    from rich.text import Text

    more = "".join(f"  {word}" for word in (printable(d.label or ""), _sure(d)) if word)
    decision = Text.assemble((d.outcome, COLOURS[d.outcome]), more)
    put_block(out, Text(printable(d.path)), [decision, Text(printable(d.error or d.why))])


def _sure(d: Decision) -> str:
    return "" if d.confidence is None else shown(d.confidence)
