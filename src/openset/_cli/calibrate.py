"""`openset calibrate`: thresholds with a promise, from pictures whose classes are known."""

from __future__ import annotations

from typing import Annotated

import typer

from .guard import guarded, on_terminal, say
from .options import Delta, Precision, Prevalence, shares


@guarded
def calibrate(
    judge: Annotated[str, typer.Argument(metavar="JUDGE", help="A judge file, or a shipped judge: sheet-music.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="DATA/<label>/..., pictures not trained on.")],
    precision: Precision = 0.95,
    delta: Delta = 0.05,
    prevalence: Prevalence = None,
    out: Annotated[
        list[str] | None, typer.Option(metavar="DIR", help="A folder of pictures that are no class; repeatable.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="The judge file to write; default: JUDGE.")
    ] = None,
) -> None:
    """Find the lowest threshold of each label that keeps a precision, proved from DATA, and store it in the judge.

    Too few pictures: an error that says how many are needed, and nothing is written.

    \b
    Exit code: 0 done, 1 no label gets a threshold or it could not be done, 2 the command line is wrong,
             130 stopped with Ctrl-C
    """
    from ..calibrate import calibrate as fit

    report = fit(
        judge,
        data,
        precision=precision,
        delta=delta,
        prevalence=shares(prevalence or ()),
        out=out or (),
        output=output,
        progress=on_terminal(),
    )
    for line in report.lines():
        say(line)
