"""ACET beside ACET mended, trained on MNIST and Fashion-MNIST in full and audited by every family of attacks.

    openset reproduce table1 --dataset mnist --data runs/datasets         # trains plain, CEDA, ACET: used again here
    python benchmarks/acet_repaired.py mnist --data runs/datasets         # trains acet-mended, audits all four nets
    python benchmarks/acet_repaired.py mnist --data runs/datasets --table docs/mended-mnist.md

The paper's LeNet; noise and ball (eps .3) are the paper's. acet-mended is trained from a random start. Audit:
`openset.attack.worst`, budget "long" for acet and acet-mended, "audit" for plain and CEDA; families that acet-mended never
learnt from have a column of their own. Cost: CPU time of the whole training, from medians of the schemes' steps taken in
turns in one process, as a ratio to plain's. Every part is one JSON file in RUNS, made once: stop at any time, start again
with the same command.
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from costs import paper_setup, training_ratios
from openset._words import markdown
from openset.attack import FAMILIES_HELD_OUT, worst
from openset.data.noise import paper_noise
from openset.metrics import clopper_pearson, mean_interval
from openset.nets import Net
from openset.reproduce.datasets import as_inputs, read
from openset.reproduce.material import seeded
from openset.reproduce.trained import SCHEDULES, AnyScheme, home_of, trained
from openset.runfile import write_atomic
from outside import OTHER
from telling import show, teller

EPS, HIGH, CHUNK = 0.3, 0.25, 64
NETS: tuple[AnyScheme, ...] = ("plain", "ceda", "acet", "acet-mended")


def once(file: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    if not file.exists():
        write_atomic(file, json.dumps(make()).encode())
    return json.loads(file.read_text())


def sure(net: Net, x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([net(part).softmax(1) for part in x.split(256)])


def clean(net: Net, dataset: str, data: Path) -> dict[str, Any]:
    """Test error, MMC on the test pictures and on the other data set."""
    (x, y), (other, _) = read(dataset, "test", data), read(OTHER[dataset], "test", data)
    p = sure(net, as_inputs(x, (1, 28, 28)))
    q = sure(net, as_inputs(other, (1, 28, 28))).amax(1)
    return {
        "wrong": int((p.argmax(1).numpy() != y).sum()),
        "n": len(y),
        "mmc": float(p.amax(1).mean()),
        "other": q.tolist()[:2000],
    }


def audit(
    net: Net, others: list[Net], dataset: str, data: Path, n: int, budget: Any, kept: Callable[[int], Path]
) -> dict[str, Any]:
    """For n noise pictures: the confidence on them, at the worst point, and at each family's own worst. kept: a chunk's file."""
    images = as_inputs(read(dataset, "test", data)[0][:2000], (1, 28, 28))
    quiet, found, families = [], [], dict[str, list[float]]()

    def chunk(first: int) -> dict[str, Any]:
        g = seeded("mended audit", dataset, str(first))
        z = paper_noise(images[torch.randperm(len(images), generator=g)[:CHUNK]], g, own_blurs=True)
        attacked = worst(net, z, eps=EPS, generator=g, budget=budget, images=images, others=others)
        by = {name: values.tolist() for name, values in attacked.by.items()}
        return {"noise": sure(net, z).amax(1).tolist(), "worst": attacked.confidence.tolist(), "by": by}

    for first in range(0, n, CHUNK):
        part = once(kept(first), functools.partial(chunk, first))
        quiet += part["noise"]
        found += part["worst"]
        for name, values in part["by"].items():
            families.setdefault(name, []).extend(values)
        print(f"  audited {len(found)}/{n}: mean {np.mean(found):.3f}, highest {max(found):.3f}", flush=True)
    return {"noise": quiet, "worst": found, "by": families, "budget": budget}


def row(name: str, parts: dict[str, Any], ratio: float, epochs: str) -> list[str]:
    told, found = parts["clean"], parts["audit"]
    low, high = clopper_pearson(told["wrong"], told["n"])
    values = np.array(found["worst"])
    held = np.max([v for k, v in found["by"].items() if k in FAMILIES_HELD_OUT], axis=0)
    mean, (m_low, m_high) = mean_interval(values)
    above = int((values > HIGH).sum())
    a_low, a_high = clopper_pearson(above, len(values))
    return [
        name, f"{100 * told['wrong'] / told['n']:.2f} ({100 * low:.2f}-{100 * high:.2f})", f"{told['mmc']:.3f}",
        f"{np.mean(found['noise']):.3f}", f"{np.mean(found['by']['pgd']):.3f}", f"{np.mean(held):.3f}",
        f"{mean:.3f} ({m_low:.3f}-{m_high:.3f})", f"{above} of {len(values)} ({a_low:.1%}-{a_high:.1%})",
        f"{values.max():.3f}", found["budget"], f"{np.mean(told['other']):.3f}", f"{ratio:.1f}", epochs,
    ]  # fmt: skip


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=sorted(OTHER))
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and fashion-mnist/")
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduce"))
    parser.add_argument("--nets", default=",".join(NETS), help="which of them, by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--long", type=int, default=256, help="noise pictures for acet-mended")
    parser.add_argument("--short", type=int, default=64, help="noise pictures for the others")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--table", type=Path, metavar="FILE")
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    short = SCHEDULES["short"]
    home = home_of(options.runs, options.dataset, "acet-mended", short, options.seed)
    nets: dict[AnyScheme, Net] = {
        name: trained(
            options.dataset, name, short, data=options.data, runs=options.runs, seed=options.seed,
            threads=options.threads, tell=teller(),
        )
        for name in options.nets.split(",")
    }  # fmt: skip
    kept = home / "compared"
    ratios = once(kept / "cost.json", lambda: training_ratios(paper_setup(options.dataset, options.data), NETS))
    lines = []
    for name, net in nets.items():
        print(name, flush=True)
        others = [other for key, other in nets.items() if key != name]
        n, budget = (
            options.long if name == "acet-mended" else options.short,
            "long" if name.startswith("acet") else "audit",
        )
        parts = {
            "clean": once(kept / f"{name}-clean.json", lambda net=net: clean(net, options.dataset, options.data)),
            "audit": once(
                kept / f"{name}-{n}-own-blurs.json",
                functools.partial(
                    audit,
                    net,
                    others,
                    options.dataset,
                    options.data,
                    n,
                    budget,
                    lambda first, name=name, budget=budget: kept / f"{name}-{budget}-own-blurs-from-{first}.json",
                ),
            ),
        }
        trained_for = str(short.epochs[name])
        lines.append(row(name, parts, ratios[name], trained_for + (" after CEDA's" if name == "acet" else "")))
    columns = [
        "scheme", "clean error, %", "MMC inside", "noise", "paper's attack", "families held out", "worst of all", "above .25",
        "highest", "budget", OTHER[options.dataset], "training time, plain = 1", "epochs",
    ]  # fmt: skip
    show(markdown(columns, lines), options.table)


if __name__ == "__main__":
    main()
