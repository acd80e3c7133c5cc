"""`openset audit --rays`: where the rays through pictures end, and the first alpha at which the net is sure."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._words import shown
from .guard import guarded, needs, on_terminal, printable, say
from .options import rate
from .screen import console, put_block

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..audit import PiecewiseNet, Ray


@guarded
def audit(
    net: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's folder, or module:callable that gives a torch net.")
    ],
    pictures: Annotated[
        list[str] | None, typer.Argument(metavar="[PICTURES]", help="Pictures or folders; default: uniform noise.")
    ] = None,
    rays: Annotated[bool, typer.Option("--rays", help="Audit the rays alpha * picture.")] = False,
    t: Annotated[
        float, typer.Option("--confidence", "-t", callback=rate, help="Of interest from this confidence on.")
    ] = 0.999,
    start: Annotated[float, typer.Option(min=0.0, help="The first alpha looked at.")] = 1.0,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many rays.")] = 8,
    regions: Annotated[
        int, typer.Option(min=0, metavar="N", help="Sweep so many regions, then search; 0: to the end, proved.")
    ] = 20_000,
    size: Annotated[
        int | None, typer.Option(min=1, metavar="PIXELS", help="Side of the pictures; for module:callable.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Processes that share the sweep of a ray.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of the noise.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Follow rays alpha * picture to infinity: the class and confidence at the end, and the first alpha with -t.

    'proved': exact in float64. 'measured': rounding may have decided it. 'searched': an upper bound. module:callable runs
    that module's code.

    \b
    Exit code: 0 done, 1 it could not be done, 2 the command line is wrong, 130 stopped with Ctrl-C
    """
    if not rays:
        raise typer.BadParameter("say what to audit: --rays.")
    needs("auditing", ["torch"], "train")
    from ..audit import ray

    model, labels, side, mode = _net(net, size)
    lines = _traced(model, side)
    names, x = _inputs(pictures or [], count, side, mode, seed)
    if lines.shape[0] == 1:
        x = _gray(x) if pictures else x[:, :1]
    row = _json_line if as_json else _rows(names, labels)
    with _progress() as step:
        for i, name in enumerate(names):
            done = ray(lines, x[i], t=t, start=start, most_regions=regions or None, workers=workers)
            row(_record(name, done, labels))
            step(i + 1, len(names))


def _net(given: str, size: int | None) -> tuple[nn.Module, tuple[str, ...], int, str]:
    """(net, labels or none, side of a picture, resize mode)."""
    from ..errors import AuditError
    from ..judge import SHIPPED
    from ..training import Run
    from ..types import Preprocess
    from .modules import net_of

    if os.path.isdir(given):
        run = Run.load(given)
        return run.model, run.labels, size or run.model.preprocess.size, run.model.preprocess.mode
    if ":" not in given:
        judge = given in SHIPPED or given.lower().endswith(".onnx")
        what = "a judge file, and rays need the net" if judge else "no folder of a run"
        raise AuditError(f"{given!r} is {what}: give the run's folder, or module:callable.")
    made = net_of(given)
    if size is None:
        own = getattr(made, "preprocess", None)
        if not isinstance(own, Preprocess):  # a method of that name, say
            raise AuditError(f"how large are the pictures {given!r} takes? Give --size PIXELS")
        size = own.size
    return made, (), size, "stretch"


def _traced(model: nn.Module, side: int) -> PiecewiseNet:
    """The net read for colour pictures, or for gray ones where it takes no others."""
    from ..audit import trace
    from ..errors import AuditError

    try:
        return trace(model, (3, side, side))
    except AuditError:
        with suppress(AuditError):
            return trace(model, (1, side, side))
        raise


def _gray(x: Tensor) -> Tensor:
    """[B, 3, H, W] -> [B, 1, H, W], the luma of ITU-R BT.601."""
    red, green, blue = x.split(1, 1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _inputs(pictures: list[str], count: int, side: int, mode: str, seed: int) -> tuple[list[str], Tensor]:
    """Names and float32 [B, 3, side, side] in [0, 1]."""
    import torch

    if not pictures:
        noise = torch.rand((count, 3, side, side), generator=torch.Generator().manual_seed(seed))
        return [f"noise {i}" for i in range(count)], noise
    from itertools import islice

    from ..errors import DataError
    from ..images import find, load, resize
    from ..types import Preprocess

    paths = list(islice(find(pictures), count))
    if not paths:
        raise DataError(f"no pictures found in {', '.join(map(repr, pictures))}: give pictures or folders of them")
    how = Preprocess(mode="crop" if mode == "crop" else "stretch", size=side)
    arrays = [torch.from_numpy(resize(load(path, size_hint=how.size_hint), how)) for path in paths]
    return paths, torch.stack(arrays)


def _record(name: str, done: Ray, labels: tuple[str, ...]) -> dict[str, Any]:
    def named(k: int | None) -> str | int | None:
        return labels[k] if k is not None and labels else k

    def finite(number: float) -> float | None:
        return number if math.isfinite(number) else None

    end, first = done.limit, done.first
    return {
        "picture": name,
        "limit_class": named(int(end.classes[0])),
        "limit_confidence": float(end.confidence[0]),
        "limit_kind": end.kind,
        "tied": int(end.tied[0].sum()),
        "last_alpha": finite(float(end.last_alpha[0])),
        "margin": finite(float(end.margin[0])),
        "confidence": done.t,
        "first_alpha": first.alpha,
        "first_class": named(first.label),
        "first_kind": first.kind,
        "regions": first.regions,
        "swept_to": finite(first.swept_to),
    }


def _json_line(record: Mapping[str, Any]) -> None:
    print(json.dumps(record, allow_nan=False), flush=True)


def _rows(names: Iterable[str], labels: Iterable[str]) -> Callable[[Mapping[str, Any]], None]:
    """Prints the head of a table, and gives what prints a row; blocks where the terminal is too narrow for them."""
    from rich.cells import cell_len, set_cell_size
    from rich.text import Text

    out = console()
    wide = min(max(14, out.width // 6), max(map(cell_len, map(printable, ["limit", *labels]))))
    room = out.width - wide - 52  # for the name of the picture
    width = min(room, max(map(cell_len, map(printable, ["picture", *names]))))
    if room >= 12:
        head = f"{'conf.':>6} {'limit kind':<10} {'first alpha':>11} {'first kind':<10} regions"
        say(f"{'picture':<{width}} {'limit':<{wide}} {head}")

    def row(r: Mapping[str, Any]) -> None:
        name, limit, sure = printable(r["picture"]), printable(str(r["limit_class"])), shown(r["limit_confidence"])
        first = "never" if r["first_alpha"] is None and r["first_kind"] != "searched" else r["first_alpha"]
        alpha = f"{first:.6g}" if isinstance(first, float) else (first or "none found")
        if room < 12:
            told = f"first alpha {alpha}, {r['first_kind']}, {r['regions']} regions"
            put_block(out, Text(name), [Text(f"limit {limit} {sure}, {r['limit_kind']}"), Text(told)])
            return
        while cell_len(name) > width:
            name = "..." + name.removeprefix("...")[1:]  # its end tells more
        cells = f"{sure:>6} {r['limit_kind']:<10} {alpha:>11} {r['first_kind']:<10} {r['regions']}"
        say(f"{set_cell_size(name, width)} {set_cell_size(limit, wide)} {cells}")

    return row


def _progress() -> Any:
    if not on_terminal():
        return nullcontext(lambda _done, _total: None)
    from .bars import done_of

    return done_of("rays")
