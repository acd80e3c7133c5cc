"""What attacks find around noise on the nine released nets of Hein et al. 2019: is ACET's quiet real, or masked?

    python benchmarks/attacks.py --nets DIR                      all cells, then the table; about 90 minutes of one core
    python benchmarks/attacks.py --nets DIR --only cifar10-acet  the cells whose name contains the text
    python benchmarks/attacks.py --random --count 8 --slow 2     one net at its random start: the command tried out

Rows: a net and a kind of noise. Columns: families of attacks inside the l_inf ball of .3 and [0, 1]; the mean of the
largest class probability at the best point found, its 95 % bootstrap interval, and the share above .95 (exact 95 %
interval). The gradient families run on the first `--slow` images only. "worst" is, image by image, the largest over the
families that ran on it. Every cell is one JSON file in --cells, written when it is done: stop at any time, start again
with the same command. Seeds are functions of the cell's name, and all nets meet the same noise.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from openset import attack as a
from openset._words import markdown
from openset.metrics import clopper_pearson, mean_interval
from openset.nets import Net, ResNetSmall
from openset.reproduce.material import BATCH, KINDS, noise, photographs, seeded
from openset.runfile import write_atomic

EPS, RATE = 0.3, 0.95
Family = Callable[[Net, Tensor, torch.Generator], Tensor]


def best_of_apgd(net: Net, z: Tensor, g: torch.Generator) -> Tensor:
    """Log-confidence (two starts), margin, and four classes aimed at in turn; the net's own gradients, random starts."""
    found = [
        a.apgd(net, z, eps=EPS, generator=g, steps=40, restarts=2),
        a.apgd(net, z, eps=EPS, generator=g, steps=40, loss=a.margin),
        a.targeted(net, z, eps=EPS, generator=g, classes=4, steps=25, slope=0.0),
    ]
    values = torch.stack([confidence(net, x) for x in found])
    return torch.stack(found)[values.argmax(0), torch.arange(len(z))]


def patterns(net: Net, z: Tensor, g: torch.Generator) -> Tensor:
    return a.structured(net, z, eps=EPS, generator=g, tries=24)


FAMILIES: dict[str, Family] = {
    "noise": lambda _net, z, _g: z,
    "block signs": lambda net, z, g: a.structured(net, z, eps=EPS, generator=g, families=("blocks",), tries=48),
    "all patterns": patterns,
    "photographs projected": lambda net, z, g: a.projected(net, z, photographs(256, g), eps=EPS, generator=g, tries=32),
    "patterns + 250 squares": lambda net, z, g: a.squares(net, z, eps=EPS, generator=g, start=patterns(net, z, g)),
}
SLOW: dict[str, Family] = {
    "paper's PGD, 80 steps": lambda net, z, g: a.maximise_confidence(
        net, z, eps=EPS, steps=80, step=0.0075, generator=g
    ),
    "APGD": best_of_apgd,
    "chain through dead ReLUs": lambda net, z, g: a.chain(net, z, eps=EPS, generator=g),
}
ORDER = ("noise", "paper's PGD, 80 steps", "APGD", *list(FAMILIES)[1:], "chain through dead ReLUs")


def confidence(net: Net, x: Tensor) -> Tensor:
    with torch.no_grad():
        return net(x).softmax(1).amax(1)


def run_cell(net: Net, kind: str, family: str, n: int, name: str) -> dict[str, Any]:
    start, values, zero, constant = time.process_time(), [], [], []
    images, search = noise(kind, n), (FAMILIES | SLOW)[family]
    for first in range(0, n, BATCH):
        z = images[first : first + BATCH]
        values += confidence(net, search(net, z, seeded(name, str(first)))).tolist()
        if family == "noise":
            report = a.gradient_report(net, z)
            zero, constant = zero + report.zero.tolist(), constant + report.constant.tolist()
    cell = {"confidence": values, "seconds": round(time.process_time() - start, 1)}
    return cell | ({"zero_gradient": zero, "logits_equal_bias": constant} if zero else {})


def nets(folder: Path | None) -> Iterator[tuple[str, Callable[[], Net]]]:
    """The released nets in the paper's order, each loaded when called; without a folder one net at its random start."""
    if folder is None:
        torch.manual_seed(0)
        yield "random", lambda: ResNetSmall(10)
        return
    from openset import authors

    for data in ("svhn", "cifar10", "cifar100"):
        for scheme in ("plain", "ceda", "acet"):
            path = folder / f"{data}_{scheme}.npz"
            yield f"{data} {scheme}", lambda path=path: authors.load(path)


def mean_with_interval(values: np.ndarray) -> str:
    """Mean with its 95 % bootstrap interval; and the share above .95 with its exact interval."""
    mean, (low, high) = mean_interval(values)
    above = int((values > RATE).sum())
    a_low, a_high = clopper_pearson(above, len(values))
    return f"{mean:.3f} ({low:.3f}-{high:.3f}); {above / len(values):.0%} ({a_low:.0%}-{a_high:.0%})"


def table(cells: Path, names: list[str]) -> str:
    """Markdown of the cells that are there."""
    columns = [*ORDER, "worst", "zero gradient", "logits equal the bias"]
    counts: dict[str, int] = {}
    lines = []
    for name in names:
        for kind in KINDS:
            found = {f: read(cells, name, kind, f) for f in ORDER if place(cells, name, kind, f).exists()}
            if not found:
                continue
            values = {f: np.array(cell["confidence"]) for f, cell in found.items()}
            counts |= {f: max(len(v), counts.get(f, 0)) for f, v in values.items()}
            longest = max(map(len, values.values()))
            worst = np.max([np.pad(v, (0, longest - len(v))) for v in values.values()], axis=0)
            row = [mean_with_interval(values[f]) if f in values else "-" for f in ORDER] + [mean_with_interval(worst)]
            dead = found.get("noise", {})
            row += [f"{np.mean(dead[k]):.0%}" if k in dead else "-" for k in ("zero_gradient", "logits_equal_bias")]
            lines.append([f"{name}, {kind}", *row])
    told = ", ".join(f"{family} {n}" for family, n in counts.items())
    return "\n".join(
        [
            *markdown(["net, noise", *columns], lines),
            "",
            f"In a cell: mean (95 % interval); share above {RATE} (95 % interval). Images: {told}.",
        ]
    )


def place(cells: Path, name: str, kind: str, family: str) -> Path:
    return cells / ("__".join(re.sub("[^a-z0-9]+", "-", part.lower()) for part in (name, kind, family)) + ".json")


def read(cells: Path, name: str, kind: str, family: str) -> dict[str, Any]:
    return json.loads(place(cells, name, kind, family).read_text(encoding="utf-8"))


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--nets", type=Path, metavar="DIR", help="the folder of the released nets (npz)")
    where.add_argument("--random", action="store_true", help="one net at its random start")
    parser.add_argument("--count", type=int, default=200, help="images a cell")
    parser.add_argument("--slow", type=int, default=64, help="images a cell of the gradient families")
    parser.add_argument("--only", default="", metavar="TEXT", help="cells whose name contains the text")
    parser.add_argument("--cells", type=Path, default=Path("runs/attacks"), metavar="DIR", help="where cells are kept")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write the table there")
    options = parser.parse_args(words)
    torch.set_num_threads(1)
    listed = list(nets(options.nets))
    for kind in KINDS:
        for name, load in listed:
            loaded = None
            for family in ORDER:
                path = place(options.cells, name, kind, family)
                if options.only not in path.stem or path.exists():
                    continue
                loaded = loaded or load().eval()
                n = min(options.slow, options.count) if family in SLOW else options.count
                cell = run_cell(loaded, kind, family, n, path.stem)
                write_atomic(path, json.dumps(cell).encode())
                print(f"{path.stem}: {np.mean(cell['confidence']):.3f}, {cell['seconds']} s", flush=True)
    text = table(options.cells, [name for name, _ in listed])
    print(text)
    if options.table:
        write_atomic(options.table, (text + "\n").encode())


if __name__ == "__main__":
    main()
