"""`openset wrap`: a net that is already trained becomes a judge file, with a head and thresholds, without retraining."""

from __future__ import annotations

import shlex
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, cast

import typer

from .guard import guarded, needs, printable, remark, say
from .options import Delta, Precision, Prevalence, shares

if TYPE_CHECKING:
    from ..wrapping import HeadName


class Head(StrEnum):
    """What is fitted after training."""

    none = "none"
    temperature = "temperature"
    laplace = "laplace"
    mahalanobis = "mahalanobis"
    neighbours = "neighbours"
    density = "density"
    certified = "certified"


class Mode(StrEnum):
    """How a picture becomes pixels."""

    stretch = "stretch"
    crop = "crop"
    fit = "fit"


@guarded
def wrap(
    net: Annotated[str, typer.Argument(metavar="NET", help="module:callable that gives a torch net; its code is run.")],
    labels: Annotated[str, typer.Option(metavar="A,B,...", help="The classes, in the order of the logits.")],
    size: Annotated[int, typer.Option(min=1, metavar="PIXELS", help="Side of the net's pictures.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="The judge file.")] = "judge.onnx",
    weights: Annotated[
        str | None, typer.Option(metavar="FILE", help="A state dict: safetensors, or torch's without pickled code.")
    ] = None,
    mean: Annotated[str | None, typer.Option(metavar="M,M,M", help="Subtracted from pixels in [0, 1].")] = None,
    std: Annotated[str | None, typer.Option(metavar="S,S,S", help="Divides them then.")] = None,
    mode: Annotated[Mode, typer.Option(help="How a picture becomes pixels.")] = Mode.stretch,
    head: Annotated[
        Head, typer.Option(help="Fitted on --data; guards need --out; density and certified no --mode fit.")
    ] = Head.none,
    data: Annotated[
        str | None, typer.Option(metavar="DIR", help="DIR/<label>/..., pictures it was not trained on.")
    ] = None,
    out: Annotated[
        list[str] | None, typer.Option(metavar="DIR", help="Pictures that are no class; repeatable.")
    ] = None,
    refuse: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="The label that means no: gets what --head certified disbelieves."),
    ] = None,
    precision: Precision = 0.95,
    delta: Delta = 0.05,
    prevalence: Prevalence = None,
    rays: Annotated[int, typer.Option(min=0, metavar="N", help="Audit so many rays of noise; 0: none.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the split of --data, and of the noise.")] = 0,
) -> None:
    """Check a trained net, fit a head, choose thresholds, and write one judge file. The net is not retrained.

    \b
    Exit code: 0 written, 1 it could not be done, 2 the command line is wrong, 130 stopped with Ctrl-C
    """
    if (head is Head.none) != (data is None):
        raise typer.BadParameter("--head and --data go together: a head is fitted on pictures.")
    if refuse is not None and head is not Head.certified:
        raise typer.BadParameter("--refuse goes with --head certified.")
    if out and head is Head.none:
        raise typer.BadParameter("--out goes with --head: a head learns from pictures that are no class.")
    field = shares(prevalence or ())
    needs("Wrapping a net", ["torch", "safetensors", "onnx", "onnxscript"], "train")
    from .._field import shares as by_label
    from ..onnxbytes import check_target
    from ..wrapping import wrap as wrap_net
    from .modules import net_of

    check_target(output)  # before pictures are read and a head is fitted
    wrapped = wrap_net(
        net_of(net),
        labels=[label.strip() for label in labels.split(",")],
        size=size,
        mean=numbers("--mean", mean),
        std=numbers("--std", std),
        mode=mode.value,
        weights=weights,
    )
    by_label(wrapped.labels, field)  # before it is fitted, as well
    for check in wrapped.checks:
        line = f"{check.name}: {check.said}"
        say(f"  {printable(line)}") if check.ok else remark(line)
    if rays:
        found = wrapped.audit(rays=rays, seed=seed)
        share = found.detail if found.value is None else f"{found.value:.0%} of {rays}, {found.kind}"
        say(printable(f"  {found.name}: {share}"))
    if head is not Head.none and data is not None:
        no = None if refuse is None else unicodedata.normalize("NFC", refuse)  # as the labels are
        wrapped.fit(cast("HeadName", head.value), data, out=out or (), refuse=no, seed=seed)
        for note in cast("list[str]", wrapped.facts["notes"]):
            remark(note)
    judge = wrapped.export(output, precision=precision, delta=delta, prevalence=field)
    for label in judge.labels:
        t = judge.info.thresholds.get(label)
        why = "" if head is Head.none else f". {judge.info.facts['no_threshold'].get(label, '')}"
        say(f"{label}: accepted from {t.value:.6g} on" if t else f"{label}: no threshold yet, so always unknown{why}")
    following, what = ("predict", "PICTURES") if judge.info.thresholds else ("calibrate", "DATA")
    say(f"Written to {output!r}. Next:  openset {following} {shlex.quote(output)} {what}")


def numbers(option: str, given: str | None) -> list[float] | None:
    try:
        return None if given is None else [float(part) for part in given.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{option} {given} is not understood: give numbers with commas, such as 0.5,0.5,0.5."
        ) from None
