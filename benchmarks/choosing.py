"""Which scheme with which head: one cell for each seed, scheme and head, measured alike, and one page of tables.

    python benchmarks/choosing.py mnist --data runs/datasets --table docs/choosing-tables.md
    python benchmarks/choosing.py fashion-mnist --data runs/datasets --seeds 0 --schemes plain --heads none,density
    python benchmarks/choosing.py mnist --read --table docs/choosing-tables.md        # from the cells that are there; measures nothing

MNIST, Fashion-MNIST: the paper's LeNet on whole data sets, the short schedule (6 epochs; ACET 3 after CEDA's 6; ACET mended 8), as told below.
Sheet music: crops, told in `choosing_sheets.py` (--data runs/sheet-music). Cells are JSON files in --results,
DATASET-SCHEME-HEAD-SEED.json, each made once: stop at any time, start again with the same command, on another machine with
the files copied; a seed and scheme whose cells are all there needs no training. Nets are kept in --runs.

Heads learn from training pictures and from out-pictures (noise, crops of three photographs, letters, scribbles, which are also what
teaches outlier exposure); every fifth picture of the test part calibrates, the others measure. Unseen: the other data set, crops
of two other photographs, the paper's noise, raw uniform noise. Attack: `openset.attack.worst`, eps .3, on the net with its head, by
every family; where there is a head, points found against the bare net are tried too. Costs: CPU time; training steps of all
schemes are timed side by side in this process, and a scheme's cost is its steps times theirs (ACET's with CEDA's before it).
--quick: few pictures, one epoch, a quick attack: to try it out, in a folder of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from choosing_heads import HEADS, Fitting, Guards
from choosing_material import QUICK, Task
from choosing_measures import Seen, cell
from choosing_table import TASKS, fill, summary, tables
from costs import training_seconds
from openset._schedule import Scheme
from openset.errors import TrainingError
from openset.nets import Net
from openset.reproduce.trained import ALL_SCHEMES
from openset.runfile import write_atomic
from telling import teller

Costs = Callable[[], dict[str, float]]


def net_of(task: Task, scheme: Scheme, options: argparse.Namespace) -> tuple[Net, float | None]:
    """The net, and the CPU seconds of its training where it was trained from the start just now."""
    fresh, began = not task.home(options.runs, scheme).exists(), time.process_time()
    net = task.net(scheme, options.runs, options.threads, teller())
    return net, time.process_time() - began if fresh else None


def there(file: Path, asked: dict[str, Any]) -> bool:
    """Is the cell made? Raises TrainingError where it was made otherwise."""
    if not file.exists():
        return False
    if json.loads(file.read_text())["settings"] != asked:
        raise TrainingError(f"'{file}' was made with other settings: give another --results folder, or remove it")
    return True


def measured(task: Task, scheme: Scheme, files: dict[str, Path], guards: Guards, costs: Costs,
             options: argparse.Namespace) -> None:  # fmt: skip
    """Makes the cells of a seed and scheme that are not there."""
    asked = task.settings()
    missing = {head: file for head, file in files.items() if not there(file, asked)}
    if not missing:
        return
    net, here = net_of(task, scheme, options)
    seen, fitting = Seen(task, net), Fitting(task, net, guards)
    plain, own = (costs()[name] for name in ("plain", scheme))
    for head, file in missing.items():
        print(f"{file.stem}", flush=True)
        began = time.process_time()
        told: dict[str, Any] = {"dataset": task.name, "scheme": scheme, "head": head, "seed": task.seed}
        try:
            fitted, seconds = fitting.fit(head)
        except TrainingError as error:
            told |= {"failed": str(error)}
        else:
            told |= cell(task, net, fitted, seen) | {"failed": None}
            told["training"] = {
                "scheme": own, "head": seconds, "plain": plain, "ratio": (own + seconds) / plain, "scheme here": here,
            }  # fmt: skip
        told |= {"seconds": time.process_time() - began, "torch": torch.__version__, "settings": asked}
        write_atomic(file, (json.dumps(told, indent=1) + "\n").encode())


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("dataset", choices=sorted(TASKS))
    made.add_argument(
        "--data",
        type=Path,
        default=Path("runs/datasets"),
        help="the folder with mnist/, fashion-mnist/; for sheet-music that of `make sheet-music`",
    )
    made.add_argument("--runs", type=Path, default=Path("runs/reproduce"), help="nets are kept here")
    made.add_argument("--results", type=Path, default=Path("docs/choosing"), help="cells are kept here")
    made.add_argument("--seeds", default="0,1,2", help="by commas")
    made.add_argument("--schemes", default=",".join(ALL_SCHEMES), help="by commas")
    made.add_argument("--heads", default=",".join(HEADS), help="by commas")
    made.add_argument("--images", type=int, metavar="N", help="noise pictures attacked; default 32, with --quick 4")
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--quick", action="store_true", help="few pictures, one epoch: to try it out")
    made.add_argument("--read", action="store_true", help="measure nothing: tables of the cells that are there")
    made.add_argument("--table", type=Path, metavar="FILE", help="a page with this data set's marks, or a new file")
    made.add_argument("--summary", type=Path, metavar="FILE", help="the same for the short table")
    return made


def main(words: list[str] | None = None) -> None:
    options = parser().parse_args(words)
    torch.set_num_threads(options.threads)
    schemes, heads = options.schemes.split(","), options.heads.split(",")
    for name in {*schemes} - {*ALL_SCHEMES} | {*heads} - {*HEADS}:
        parser().error(f"there is no {name!r}: schemes are {', '.join(ALL_SCHEMES)}; heads are {', '.join(HEADS)}")
    kind = TASKS[options.dataset]
    sizes = QUICK if options.quick else kind.default
    if options.images is not None:
        sizes = dataclasses.replace(sizes, attacked=options.images)
    results = options.results / "quick" if options.quick else options.results
    timed = [name for name in ALL_SCHEMES if name in ("plain", *schemes) or (name == "ceda" and "acet" in schemes)]
    for seed in [] if options.read else map(int, options.seeds.split(",")):
        task = kind(options.dataset, options.data, seed, sizes)
        guards = Guards(task)
        costs = functools.cache(lambda task=task: training_seconds(task.setup(), timed, sizes.repeats))
        for scheme in schemes:
            files = {head: results / f"{options.dataset}-{scheme}-{head}-{seed}.json" for head in heads}
            measured(task, scheme, files, guards, costs, options)
    text = tables(results, options.dataset)
    print(text)
    if options.table:
        fill(options.table, f"choosing-{options.dataset}", text)
    if options.summary:
        fill(options.summary, f"summary-{options.dataset}", summary(results, options.dataset))


if __name__ == "__main__":
    main()
