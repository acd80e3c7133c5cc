"""`openset outliers`: pictures that are no class, made on the spot, for `openset train --scheme oe`."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Annotated, Any

import typer

from .._words import counted
from ..errors import DataError, install
from .guard import guarded, on_terminal, say


@guarded
def outliers(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A new folder: DIR/<kind>/00000.png, ...")],
    count: Annotated[int, typer.Option(min=5, metavar="N", help="Pictures in all.")] = 2_000,
    size: Annotated[int, typer.Option(min=16, metavar="PIXELS", help="Their side.")] = 128,
    gray: Annotated[bool, typer.Option("--gray", help="Without colour, as the classes' pictures are.")] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same pictures for the same seed.")] = 0,
) -> int:
    """Make pictures that are no class: letters, scribbles, patterns, noise, crops of photographs.

    \b
    `openset train` draws its own where it is given no --out. Here they are files, to look at or to add yours to:
      openset outliers strange/
      openset train data/ --out strange/

    \b
    Exit code: 0 done, 1 it could not be done, 2 the command line is wrong, 130 stopped with Ctrl-C
    """
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise DataError(f"{folder!r} is a file: give a new folder")
    from ..data.outliers import make_outliers

    with _progress() as tell:
        made = make_outliers(folder, count, size=size, gray=gray, seed=seed, tell=tell)
    say(f"{counted(count, 'picture')} in '{folder}': " + ", ".join(f"{n:,} {kind}" for kind, n in made.items()) + ".")
    if "photographs" not in made:
        say(f"Crops of photographs need scikit-learn and were left out. {install('train')}")
    return 0


def _progress() -> Any:
    if not on_terminal():
        return nullcontext(lambda _done, _of: None)
    from .bars import done_of

    return done_of("drawing")
