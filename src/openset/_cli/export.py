"""`openset export`: a finished run becomes one judge file."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from .guard import guarded, needs, say
from .options import Delta, Precision, Prevalence, shares


@guarded
def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The folder that `openset train` wrote.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="The judge file.")] = "judge.onnx",
    precision: Precision = 0.95,
    delta: Delta = 0.05,
    prevalence: Prevalence = None,
) -> None:
    """Write a run's net as one judge file, checked against torch, with thresholds from the run's test pictures.

    \b
    Exit code: 0 written, 1 it could not be done, 2 the command line is wrong, 130 stopped with Ctrl-C
    """
    needs("Exporting", ["torch", "safetensors", "onnx", "onnxscript"], "train")
    from ..training import Run

    field = shares(prevalence or ())
    judge = Run.load(run).export(output, precision=precision, delta=delta, prevalence=field)
    for label in judge.labels:
        if label in judge.info.thresholds:
            t = judge.info.thresholds[label]
            say(
                f"{label}: accepted from {t.value:.6g} on; right in at least {t.precision} of them but for a chance of {t.delta}"
            )
        else:
            why = judge.info.facts.get("no_threshold", {}).get(label, "")
            say(f"{label}: no threshold yet, so always unknown. {why}")
    if judge.info.thresholds:
        say(f"This holds if {next(iter(judge.info.thresholds.values())).assumption}.")
        following = f"openset predict {shlex.quote(output)} PICTURES"
    else:
        following = f"openset calibrate {shlex.quote(output)} DATA, with more pictures than the run held out"
    say(f"Written to {output!r}. Next:  {following}")
