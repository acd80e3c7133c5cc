"""`openset check`: a table of what is wrong with a folder of pictures, before training on it."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._words import counted
from .guard import USAGE, complain, guarded, on_terminal, printable, say
from .screen import NARROW, console, put_block, table

if TYPE_CHECKING:
    from ..data.check import CheckReport

COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


@functools.partial(guarded, failure=USAGE)
def check(
    data: Annotated[str, typer.Argument(metavar="DATA", help="DATA/<class>/..., as for `openset train`.")],
    out: Annotated[
        list[str] | None, typer.Option(metavar="DIR", help="A folder of pictures that are no class; repeatable.")
    ] = None,
    fix: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the files to take out to this list; deletes nothing.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="For reading; default: all cores.")] = None,
) -> int:
    """Look at a folder of pictures before training: broken, doubled, mislaid, too few. Nothing is changed.

    \b
    Exit code: 0  nothing that harms
               1  warnings: training works, its result or its numbers suffer
               2  errors: it cannot be trained on as it stands; or the command line is wrong
             130  stopped with Ctrl-C
    """
    from ..data.check import check as check_folder

    with _progress() as progress:
        report = check_folder(data, out=out or (), progress=progress, threads=threads)
    _print(report)
    if fix is not None and report.counts:
        listed = report.write_fix_list(fix)
        say(f"{counted(listed, 'file')} to take out: listed in {fix!r}; nothing was deleted.")
        if report.by_hand:
            say(
                f"{counted(len(report.by_hand), 'file')} to take out by hand, for a line break in the name: see its comments."
            )
        if report.eyed:
            say(f"{counted(len(report.eyed), 'picture')} to look at: see its comments.")
    elif report.take_out:
        say(f"{counted(len(report.take_out), 'file')} to take out: --fix FILE lists them.")
    return report.exit_code


def _progress() -> Any:
    if not on_terminal():
        return nullcontext(None)
    from .bars import done_of

    return done_of("reading")


def _print(report: CheckReport) -> None:
    from rich.text import Text

    if not report.counts:  # no picture at all: the findings are the message
        for finding in report.findings:
            complain(finding.what)
        return
    out = console(140)
    counts = table("part", "class")
    counts.add_column("pictures", justify="right")
    for side, classes in report.counts.items():
        for label, number in classes.items():
            counts.add_row(Text(side or "all"), Text(printable(label)), f"{number:,}")
    out.print(counts)
    if not report.findings:
        print("Nothing found that harms.")
        return
    rows = table("severity", "finding", "found", "for example", "what to do")
    for f in report.findings:
        severity = Text(f.severity, COLOURS[f.severity])
        found = Text("\n".join(map(printable, f.what.split("\n"))))
        examples = list(map(printable, f.examples))
        if out.width < NARROW:
            told = [Text(f"such as {name}") for name in examples]
            put_block(out, Text.assemble(severity, f": {f.name}"), [found, *told, Text(f.remedy)])
        else:
            rows.add_row(severity, f.name, found, Text("\n".join(examples)), Text(f.remedy))
    if rows.row_count:
        out.print(rows)
