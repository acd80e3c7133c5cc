"""The density guard around a net that is left alone, and both trained on together (CCU): what joint training buys and costs.

    python benchmarks/joint_density.py fashion-mnist --data runs/datasets --table FILE

The net is `choosing.py`'s plain one (trained where it is not there yet), the guard its density guard, and both are measured as a cell
there, joint training by `openset.heads.fit_jointly` on the same pictures. Bounds: the mean proved highest confidence in the ball of .01.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from choosing_heads import Guards
from choosing_material import QUICK
from choosing_measures import Seen, cell
from choosing_table import TASKS
from openset._words import markdown
from openset.heads import fit_jointly
from openset.runfile import write_atomic
from telling import show, teller


def rows(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """ "separate" and "joint", each kept in RUNS and made once."""
    kind = TASKS[options.dataset]
    task = kind(options.dataset, options.data, options.seed, QUICK if options.quick else kind.default)
    found: dict[str, dict[str, Any]] = {}
    pair: tuple[nn.Module, nn.Module] | None = None
    for name in ("separate", "joint"):
        steps = options.steps if name == "joint" else 0
        file = options.runs / f"{options.dataset}-density-{name}-{steps}-{options.seed}{'-quick' * options.quick}.json"
        if not file.exists():
            if pair is None:
                pair = task.net("plain", options.runs, options.threads, teller()), Guards(task).density[0]
            net, guard = pair
            began = time.process_time()
            if name == "joint":
                net, guard = fit_jointly(
                    net, guard, task.inside[0], task.inside[1], task.taught, steps=steps, batch=128, seed=options.seed,
                    tell=teller(),
                )  # fmt: skip
            seconds = time.process_time() - began
            told = cell(task, net, guard, Seen(task, net)) | {"seconds": seconds}
            write_atomic(file, json.dumps(told).encode())
        found[name] = json.loads(file.read_text())
    return found


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=sorted(TASKS))
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and fashion-mnist/")
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduce"))
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few pictures, one epoch: to try it out")
    parser.add_argument("--table", type=Path, metavar="FILE")
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    found = rows(options)
    sets = list(found["joint"]["unseen"])
    columns = [
        "", "error %", "ECE", "MMC inside", *(f"AUROC {name}" for name in sets), *(f"MMC {name}" for name in sets),
        "noise attacked at .3", "from 1,000 times a picture on", *(f"bound {name}" for name in found["joint"]["balls"]),
    ]  # fmt: skip
    lines = [
        [
            name, f"{100 * told['error']:.2f}", f"{told['ece']:.3f}", f"{told['mmc']:.4f}",
            *(f"{told['unseen'][other][what]:.4f}" for what in ("auroc", "mmc") for other in sets),
            f"{told['attacked']['mean']:.3f}", f"{told['far']['bound']:.4f}",
            *(f"{bounds['0.01']:.4f}" for bounds in told["balls"].values()),
        ]
        for name, told in found.items()
    ]  # fmt: skip
    show(markdown(columns, lines), options.table)


if __name__ == "__main__":
    main()
