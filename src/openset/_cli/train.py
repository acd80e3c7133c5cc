"""`openset train`: folders of pictures become a run."""

from __future__ import annotations

import os
import shlex
from enum import StrEnum
from typing import Annotated

import typer

from .guard import STOPPED, guarded, needs, say
from .options import device as device_name
from .options import not_negative, positive, share


class Scheme(StrEnum):
    """Where the pictures outside the classes come from while training."""

    plain = "plain"
    ceda = "ceda"
    acet = "acet"
    acet_mended = "acet-mended"
    oe = "oe"


class Optimiser(StrEnum):
    """Which step follows a gradient."""

    adamw = "adamw"
    sgd = "sgd"


class Augment(StrEnum):
    """How pictures are varied while training; see `openset.loader.augmented`."""

    none = "none"
    light = "light"
    flip = "flip"
    crop = "crop"
    crop_flip = "crop-flip"


@guarded
def train(
    data: Annotated[str, typer.Argument(metavar="DATA", help="DATA/<class>/..., perhaps DATA/train/<class>/...")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="RUN", help="The run's folder; default runs/<data>-<scheme>."),
    ] = None,
    out: Annotated[
        list[str] | None, typer.Option(metavar="DIR", help="A folder of pictures that are no class; repeatable.")
    ] = None,
    scheme: Annotated[
        Scheme,
        typer.Option(
            help="Taught to be unsure on: nothing, noise, attacked noise (twice), the --out pictures (drawn ones without any)."
        ),
    ] = Scheme.oe,
    net: Annotated[str, typer.Option(help="docnet, lenet, resnet-small, or a timm name.")] = "docnet",
    size: Annotated[int | None, typer.Option(min=1, metavar="PIXELS", help="Side of the net's pictures.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: about 3,000 steps, but 15 to 150 epochs.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures of one step.")] = 64,
    optimiser: Annotated[Optimiser, typer.Option(help="sgd: the paper's.")] = Optimiser.adamw,
    lr: Annotated[
        float | None, typer.Option(callback=positive, help="Learning rate; default .002 (adamw), .1 (sgd).")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(callback=not_negative, help="Default .01 (adamw), .0005 (sgd).")
    ] = None,
    out_weight: Annotated[float, typer.Option(callback=not_negative, help="Weight of the loss outside.")] = 1.0,
    eps: Annotated[
        float, typer.Option(callback=share, help="acet, acet-mended: how far a pixel is moved, 0 to 1.")
    ] = 0.1,
    attack_steps: Annotated[int, typer.Option(min=1, help="acet: steps of the attack.")] = 5,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1, help="Epochs without progress until it stops. Default: a quarter of the epochs, at least 5."
        ),
    ] = None,
    augment: Annotated[Augment, typer.Option(help="How pictures are varied.")] = Augment.light,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights.")] = 0,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Start a timm net from its public weights.")] = False,
    weights: Annotated[str | None, typer.Option(metavar="FILE", help="Start from this safetensors file.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN.")] = False,
    device: Annotated[
        str | None, typer.Option(callback=device_name, help="cpu or cuda; default: a GPU if there is one.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, metavar="N", help="Default: all cores.")] = None,
    memory: Annotated[int, typer.Option(min=1, metavar="MB", help="For decoded pictures.")] = 2000,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> int:
    """Train a judge from folders of pictures.

    With ONE class folder, the --out pictures become the class "other": is it this, or not? Ctrl-C stops cleanly, and
    after any stop --resume goes on to the same weights, bit for bit. Then: openset export RUN -o judge.onnx

    \b
    Exit code: 0 trained, 1 it could not be done, 2 the command line is wrong, 130 stopped with Ctrl-C
    """
    needs("Training", ["torch", "safetensors", "tensorboard"], "train")
    from ..training import train as train_run

    try:
        run = train_run(
            data,
            out=out or (),
            scheme=scheme.value,
            net=net,
            size=size,
            pretrained=pretrained,
            weights=weights,
            epochs=epochs,
            batch_size=batch_size,
            optimiser=optimiser.value,
            lr=lr,
            weight_decay=weight_decay,
            out_weight=out_weight,
            eps=eps,
            attack_steps=attack_steps,
            patience=patience,
            augment=augment.value,
            seed=seed,
            output=output,
            resume=resume,
            device=device,
            threads=threads,
            memory=memory * 1_000_000,
            progress=not quiet,
        )
    except KeyboardInterrupt as stop:
        if not stop.args:
            raise KeyboardInterrupt(
                "stopped; the same command with --resume goes on from the last state saved, or starts if there is none"
            ) from None
        if quiet:
            raise
        return STOPPED  # the run's own last line said how to go on
    say(f"Trained. Next:  openset export {shlex.quote(os.fspath(run.folder))} -o judge.onnx")
    return 0
