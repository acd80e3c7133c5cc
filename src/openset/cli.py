"""The command line: parses, calls, prints. `openset --help` loads typer and nothing heavier.

Each command is one file in `_cli/` and imports what it needs when it runs, so that `predict` works, and starts fast,
without torch. Exit codes: `_cli/guard.py` and docs/cli.md.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from . import __version__
from ._cli.audit import audit
from ._cli.calibrate import calibrate
from ._cli.check import check
from ._cli.demo import demo
from ._cli.export import export
from ._cli.guard import FAILED, PIPE, STOPPED, complain, flush, settle, told
from ._cli.info import info
from ._cli.outliers import outliers
from ._cli.predict import predict
from ._cli.reproduce import reproduce
from ._cli.train import train
from ._cli.wrap import wrap

app = typer.Typer(
    name="openset",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich would take longer to load than the help to print
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"openset {__version__}")
        raise typer.Exit


@app.callback()
def openset(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Image classifiers that know when they don't know.

    \b
    From pictures to decisions:
      openset check data/
      openset train data/ -o runs/mine
      openset export runs/mine -o judge.onnx
      openset predict judge.onnx x.jpg folder/
    With the judge that is shipped:
      openset predict sheet-music scans/
    """


for command, short in (
    (predict, "Judge pictures: accepted or unknown."),
    (check, "Find what is wrong with a folder before training."),
    (outliers, "Make pictures that are no class, to train with."),
    (train, "Train from folders of pictures."),
    (export, "Make a trained run one judge file."),
    (calibrate, "Give a judge thresholds with a guarantee."),
    (wrap, "Make a net of your own a judge file."),
    (audit, "Follow rays to where the net is sure."),
    (info, "Show what a judge says of itself."),
    (demo, "See it all at work in a few minutes."),
):
    app.command(short_help=short)(command)
app.add_typer(reproduce, short_help="Measure again what the paper reports.")


def main() -> None:
    """Run the command line. No name, however odd, is beyond what the streams can print."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who called us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (for as long as we run)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app(prog_name="openset")
        finally:
            flush()  # help and version too
    except KeyboardInterrupt:  # before or after a command
        code = STOPPED
    except BrokenPipeError:
        code = PIPE
    except OSError as error:
        complain(told(error))
        code = FAILED
    settle()
    sys.exit(code)
