"""Options that several commands have, and what a value must be: another one is a wrong command line, exit code 2."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Annotated

import typer

from .guard import printable


def share(value: float | None) -> float | None:
    """A number from 0 to 1, which typer's own range check does not ask of `nan`."""
    if value is not None and not 0 <= value <= 1:
        raise typer.BadParameter(f"{value} is not a number from 0 to 1.")
    return value


def rate(value: float) -> float:
    """A number above 0 and below 1."""
    if not 0 < value < 1:
        raise typer.BadParameter(f"{value} is not a number above 0 and below 1.")
    return value


def positive(value: float | None) -> float | None:
    """A finite number above 0."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"{value} is not a finite number above 0.")
    return value


def not_negative(value: float | None) -> float | None:
    """A finite number of at least 0."""
    if value is not None and not 0 <= value < math.inf:
        raise typer.BadParameter(f"{value} is not a finite number of at least 0.")
    return value


def device(value: str | None) -> str | None:
    """The name of a device; whether it is here is looked at later."""
    if value is not None and not re.fullmatch(r"cpu|cuda(:[0-9]+)?", value):
        raise typer.BadParameter(f"{printable(value)!r} is no device: give cpu, cuda or cuda:N.")
    return value


Precision = Annotated[
    float, typer.Option("--precision", callback=rate, help="Of the pictures accepted, at least this share is right ...")
]
Delta = Annotated[float, typer.Option("--delta", callback=rate, help="... but for a chance of this.")]
Prevalence = Annotated[
    list[str] | None,
    typer.Option(
        "--prevalence",
        metavar="P",
        help="How common the class is in the field: a share, or LABEL=P for each; default: as in the pictures.",
    ),
]


def shares(given: Iterable[str]) -> float | dict[str, float] | None:
    """--prevalence: one number, or LABEL=NUMBER for each label. Raises typer.BadParameter for anything else."""
    texts = list(given)
    try:
        if len(texts) == 1 and "=" not in texts[0]:
            return rate(float(texts[0]))
        pairs = [text.rpartition("=") for text in texts]
        made = {label: rate(float(number)) for label, _, number in pairs if label}
    except ValueError:
        made = {}
    if len(made) != len(texts):
        raise typer.BadParameter(
            f"--prevalence {printable(' '.join(texts))} is not understood. Give one number above 0 and below 1, such as "
            "--prevalence 0.01, or LABEL=NUMBER once for each label."
        )
    return made or None
