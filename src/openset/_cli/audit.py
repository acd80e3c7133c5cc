"""`openset audit --rays`: where the rays through pictures end, and the first alpha at which the net is sure."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .guard import guarded, needs, on_terminal, printable, say

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
    t: Annotated[float, typer.Option("--confidence", "-t", help="Of interest from this confidence on.")] = 0.999,
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
    if not as_json:
        say(f"{'picture':<28} {'limit':<14} {'conf.':>6} {'kind':<9} {'first alpha':>13} {'kind':<9} regions")
    with _progress() as step:
        for i, name in enumerate(names):
            done = ray(lines, x[i], t=t, start=start, most_regions=regions or None, workers=workers)
            record = _record(name, done, labels)
            if as_json:
                print(json.dumps(record, allow_nan=False), flush=True)
            else:
                _row(record)
            step(i + 1, len(names))


def _net(given: str, size: int | None) -> tuple[nn.Module, tuple[str, ...], int, str]:
    """(net, labels or none, side of a picture, resize mode)."""
    from ..errors import AuditError
    from ..training import Run
    from ..types import Preprocess
    from .modules import net_of

    if os.path.isdir(given) or ":" not in given:
        run = Run.load(given)
        return run.model, run.labels, size or run.model.preprocess.size, run.model.preprocess.mode
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


def _row(r: Mapping[str, Any]) -> None:
    first = "never" if r["first_alpha"] is None and r["first_kind"] != "searched" else r["first_alpha"]
    shown = f"{first:.6g}" if isinstance(first, float) else (first or "none found")
    say(
        f"{printable(str(r['picture']))[-28:]:<28} {r['limit_class']!s:<14} {r['limit_confidence']:>6.3f} "
        f"{r['limit_kind']:<9} {shown:>13} {r['first_kind']:<9} {r['regions']}"
    )


def _progress() -> Any:
    if not on_terminal():
        return nullcontext(lambda _done, _total: None)
    from .bars import done_of

    return done_of("rays")
