"""`openset demo`: the shipped judge at work, then a small one trained, and a page of what came out."""

from __future__ import annotations

from typing import Annotated

import typer

from .guard import guarded, needs


@guarded
def demo(
    output: Annotated[str, typer.Option(metavar="DIR", help="Where the page is written.")] = "demo-out",
) -> None:
    """Judge bundled pictures, train a small judge plain and with ACET, and write one HTML page that compares them.

    \b
    Exit code: 0 done, 1 it could not be done, 2 the command line is wrong, 130 stopped with Ctrl-C
    """
    needs("The demo", ["torch", "safetensors", "onnx", "onnxscript", "mlxtend"], "demo")
    from ..demo import main

    main(output)
