"""`openset check`: a table of what is wrong with a folder of pictures, before training on it."""

from __future__ import annotations

import functools
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .guard import USAGE, console, guarded, on_terminal, printable, say

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
    if fix is not None:
        listed = report.write_fix_list(fix)
        say(f"{listed} files to take out are listed in {fix!r}; nothing was deleted.")
    elif report.take_out:
        say(f"With --fix FILE, the {len(report.take_out)} files to take out are listed in a file.")
    return report.exit_code


def _progress() -> Any:
    if not on_terminal():
        return nullcontext(None)
    from .bars import done_of

    return done_of("reading")


def _print(report: CheckReport) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ..data.check import render

    out = console()
    counts = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("part", "class"):
        counts.add_column(name, overflow="fold")
    counts.add_column("pictures", justify="right")
    for side, classes in report.counts.items():
        for label, number in classes.items():
            counts.add_row(Text(side or "all"), Text(printable(label)), f"{number:,}")
    out.print(counts)
    rows = render(report)
    if not rows:
        print("Nothing found that harms.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=False)
    for name in ("severity", "finding", "found", "for example", "what to do"):
        table.add_column(name, overflow="fold")
    for severity, name, found, examples, remedy in rows:
        texts = ["\n".join(map(printable, text.split("\n"))) for text in (name, found, examples, remedy)]
        table.add_row(Text(severity, style=COLOURS[severity]), *map(Text, texts))
    out.print(table)
