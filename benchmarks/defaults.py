"""The settings of `openset train`, one changed at a time from 15 epochs of "oe": what each does inside and outside, from folders.

    python benchmarks/defaults.py --data runs/datasets
    python benchmarks/defaults.py --data runs/datasets --read --table docs/training.md

The pictures and the sets never seen are those of `made_outliers.py`. "acet" is told at three eps, its noise attacked within the ball of
.1 by all families but projected class pictures, quick budget. A run is kept in --runs and made once.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

import openset
from choosing_table import figure, fill
from made_outliers import EPOCHS, SIZE, asked, folders, measured
from openset._words import markdown
from openset.attack import worst
from openset.data.noise import paper_noise
from openset.reproduce.material import seeded
from openset.runfile import write_atomic
from outside import OTHER

BASE = "the base"
CHANGES: Mapping[str, Mapping[str, Any]] = {
    BASE: {},
    "lr .0005": {"lr": 5e-4},
    "lr .008": {"lr": 8e-3},
    "weight decay 0": {"weight_decay": 0.0},
    "weight decay .1": {"weight_decay": 0.1},
    "batches of 16": {"batch_size": 16},
    "batches of 256, 42 epochs": {"batch_size": 256, "epochs": 42},
    "augment none": {"augment": "none"},
    "augment flip": {"augment": "flip"},
    "patience 2": {"patience": 2},
    "never stopped": {"patience": 10_000},
    "30 epochs": {"epochs": 30},
    "60 epochs": {"epochs": 60},
    "out-weight .3": {"out_weight": 0.3},
    "sgd": {"optimiser": "sgd"},
    "acet, eps .03": {"scheme": "acet", "eps": 0.03},
    "acet, eps .1": {"scheme": "acet", "eps": 0.1},
    "acet, eps .3": {"scheme": "acet", "eps": 0.3},
}
BALL, ATTACKED = 0.1, 16  # of the attack on noise; how many noise pictures


def attacked(run: openset.Run) -> float:
    """The mean confidence on noise, the worst of all families within the ball but projected class pictures."""
    g = seeded("defaults", "noise")
    z = paper_noise(torch.rand((ATTACKED, 3, SIZE, SIZE), generator=g), g)
    found = worst(run.model, z, eps=BALL, generator=seeded("defaults", "attack"), budget="quick")
    return float(found.confidence.mean())


def one(name: str, change: str, seed: int, options: argparse.Namespace) -> None:
    """Trains and measures, unless that is done."""
    stem = f"{name}-{change.replace(' ', '_').replace(',', '')}-{seed}"
    file = options.runs / f"{stem}.json"
    if file.exists():
        return
    print(stem, flush=True)
    home, whole, began = (
        folders(name, options.data, options.runs),
        not (options.runs / stem).exists(),
        time.process_time(),
    )
    settings: dict[str, Any] = {"epochs": EPOCHS, **CHANGES[change]}
    run = openset.train(
        home, size=SIZE, seed=seed, threads=options.threads, output=options.runs / stem, resume=True, progress=False,
        **settings,
    )  # fmt: skip
    seconds = time.process_time() - began if whole else None  # of a run that was stopped and resumed nothing is told
    told = {"dataset": name, "change": change, "seed": seed, "seconds": seconds, "epochs": len(run.history)}
    told |= measured(run, name, options.data) | {"attacked": attacked(run)}
    write_atomic(file, (json.dumps(told, indent=1) + "\n").encode())


def table(runs: Path) -> list[str]:
    """A row for each data set and change."""
    found = [json.loads(file.read_text()) for file in sorted(runs.glob("*.json"))]
    rows = []
    base = {(cell["dataset"], cell["seed"]): cell["error"] for cell in found if cell["change"] == BASE}
    for name in OTHER:
        for change in CHANGES:
            cells = [cell for cell in found if (cell["dataset"], cell["change"]) == (name, change)]
            if cells:
                more = [100 * (cell["error"] - base[name, cell["seed"]]) for cell in cells]
                against = "" if change == BASE else figure(more, 2)
                rows.append([name, change, str(len(cells)), against, *_numbers(cells, OTHER[name])])
    columns = [
        "data",
        "changed",
        "seeds",
        "against the base",
        "error, %",
        "MMC inside",
        "AUROC, the other set",
        "AUROC, photographs",
    ]
    return markdown([*columns, "noise attacked at .1", "epochs", "training, s"], rows)


def _numbers(cells: list[dict[str, Any]], other: str) -> Iterable[str]:
    yield figure([100 * cell["error"] for cell in cells], 2)
    yield figure([cell["mmc"] for cell in cells])
    yield figure([cell[other]["auroc"] for cell in cells])
    yield figure([cell["photographs"]["auroc"] for cell in cells])
    yield figure([cell["attacked"] for cell in cells])
    yield figure([cell["epochs"] for cell in cells], 0)
    seconds = [cell["seconds"] for cell in cells if cell["seconds"] is not None]
    yield figure(seconds, 0) if seconds else "not told"


def main() -> None:
    options = asked(__doc__, "runs/defaults", "fashion-mnist").parse_args()
    torch.set_num_threads(options.threads)
    for seed in [] if options.read else options.seeds.split(","):
        for name in options.datasets.split(","):
            for change in CHANGES:
                one(name, change, int(seed), options)
    text = "\n".join(table(options.runs))
    print(text)
    if options.table:
        fill(options.table, "defaults", text)


if __name__ == "__main__":
    main()
