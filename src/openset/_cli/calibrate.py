"""`openset calibrate`: thresholds with a promise, from pictures whose classes are known."""

from __future__ import annotations

from typing import Annotated

import typer

from .guard import guarded, on_terminal, rate, say, shares


@guarded
def calibrate(
    judge: Annotated[str, typer.Argument(metavar="JUDGE", help="A judge file, or a shipped judge: sheet-music.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="DATA/<label>/..., pictures not trained on.")],
    precision: Annotated[
        float, typer.Option(callback=rate, help="Of the pictures accepted, at least this share is right ...")
    ] = 0.95,
    delta: Annotated[float, typer.Option(callback=rate, help="... but for a chance of this.")] = 0.05,
    prevalence: Annotated[
        list[str] | None,
        typer.Option(
            metavar="P", help="How common the class is in the field: a share, or LABEL=P for each; default: as in DATA."
        ),
    ] = None,
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
