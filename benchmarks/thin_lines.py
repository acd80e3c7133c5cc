"""What can be certified of sheet music: each idea for thin lines, tried on the same crops and pages.

    python benchmarks/thin_lines.py --data runs/sheet-music --table FILE       # needs the corpora of `make sheet-music`
    python benchmarks/thin_lines.py --data runs/sheet-music --ideas top-hats --steps 2000

Task: is it sheet music? The guards learn from 64-pixel crops (`choosing_sheets.py`): 20,000 that show music; 20,000 of ordinary pictures and
20,000 strange ones (a quarter noise) are what is none. Ideas: "pixels", the certified guard by interval bounds; "dense", that with a dense layer of --hidden
units behind its convolutions; "linear bounds", the dense one with bounds by CROWN, in training too; "top-hats", the dense one behind
`openset.heads.TopHats`; "members", two of these, for ordinary and for strange pictures; "smoothing", a net under Gaussian noise of standard
deviation .5 and votes of --votes draws (Cohen et al. 2019; each bound fails with probability .001 or less); "density", the density guard; "comb",
`staff_comb.py`'s filter, which no pixels move by more than twice their own move.
Measured: AUROC of music against families never seen, taught families and noise, as they are and with each out-picture's bound on an l_inf
ball; and the share of them that the threshold which keeps 97 % of the music lets through. Every idea is one JSON file in --runs, made once.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor, nn
from torch.nn import functional as F

from choosing_material import QUICK, some
from choosing_sheets import CROP, Sheets
from linear_bounds import LinearBounds
from openset._words import markdown
from openset.heads import CertifiedGuard, TopHats, fit_certified_guard, fit_certified_guards, fit_density_guard
from openset.metrics import auroc, auroc_interval, clopper_pearson
from openset.runfile import write_atomic
from staff_comb import score as comb
from staff_comb import strips
from telling import show, teller

EPS, RADII, RECALL = 0.01, (0.0, 0.005, 0.01, 0.02), 0.97
SETS = ("unseen families", "taught families", "noise")
DRAWN, SURE, BATCH, LR = 0.5, 0.999, 128, 2e-3  # of the smoothing
Bound = Callable[[float], np.ndarray]  # radius -> [B]: what is said of crops (radius 0), or its bound
Highest = Callable[[Tensor], Bound]  # of crops [B, 1, 64, 64]


class Voter(nn.Module):
    """Crops -> [B], above 0: music. Plain convolutions with batch-norm, for the smoothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b, side, stride in ((1, width, 5, 2), (width, 2 * width, 3, 2), (2 * width, 4 * width, 3, 2), (4 * width, 4 * width, 3, 1)):  # fmt: skip
            layers += [nn.Conv2d(a, b, side, stride, side // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.body, self.last = nn.Sequential(*layers), nn.Linear(8 * width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        out: Tensor = self.last(torch.cat((h.mean((2, 3)), h.amax((2, 3))), 1))[:, 0]
        return out


def smoothing(yes: Tensor, no: Tensor, options: argparse.Namespace) -> Highest:
    torch.manual_seed(options.seed)
    net, say, half = Voter(options.width), teller(), BATCH // 2
    optimiser = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)
    target = (torch.arange(BATCH) < half).float()
    for step in range(options.steps):
        x = torch.cat([part[torch.randint(len(part), (half,))] for part in (yes, no)])
        loss = F.binary_cross_entropy_with_logits(net(x + DRAWN * torch.randn_like(x)), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        say(step, options.steps, loss.item())
    net.eval()

    def highest(x: Tensor) -> Bound:
        g, votes, n = torch.Generator().manual_seed(1), np.zeros(len(x), int), options.votes
        for _ in range(n):
            votes += (net(x + DRAWN * torch.randn(x.shape, generator=g)) > 0).numpy()
        return lambda radius: votes_bound(votes, n, radius) if radius else norm.ppf((votes + 0.5) / (n + 1))

    return highest


def votes_bound(votes: np.ndarray, n: int, radius: float) -> np.ndarray:
    """[B]: with probability SURE each, no point of the l_inf ball has a higher smoothed score; the ball lies in the l2 ball of radius * 64."""
    most = np.array([clopper_pearson(int(v), n, 2 * SURE - 1)[1] for v in votes])  # of two sides, the upper one
    return norm.ppf(most) + radius * CROP / DRAWN


def idea(name: str, task: Sheets, options: argparse.Namespace) -> Highest:
    """What the idea says of crops, learnt now."""
    x, y = task.inside
    yes, ordinary, strange = x[torch.from_numpy(y) == 1], x[torch.from_numpy(y) == 0], task.taught
    no = torch.cat((ordinary, strange))
    if name == "comb":
        kernel = strips()

        def filtered(z: Tensor) -> Bound:
            said = np.array([comb(one[None], kernel)[1] for one in z])
            return lambda radius: said + 2 * radius

        return filtered
    if name == "smoothing":
        return smoothing(yes, no, options)
    if name == "density":
        sides = [some(part, task.sizes.density) for part in (yes, no)]
        density = fit_density_guard(*sides, centres=task.sizes.centres, seed=options.seed)
        return lambda z: lambda radius: density.odds_bound(z, radius * CROP * (1 + 1e-6))
    how: dict[str, Any] = {
        "eps": options.eps, "steps": options.steps, "width": options.width, "refuse": 0, "seed": options.seed, "tell": teller(),
        "front": TopHats() if name in ("top-hats", "members") else None,
        "hidden": 0 if name == "pixels" else options.hidden,
        "kind": LinearBounds if name == "linear bounds" else CertifiedGuard,
    }  # fmt: skip
    if name == "members":
        guard: CertifiedGuard = fit_certified_guards(yes, (ordinary, strange), **how)
    else:
        guard = fit_certified_guard(yes, no, **how)
    return lambda z: lambda radius: np.concatenate([guard.certify(part, radius, 2) for part in z.split(100)])


def measured(name: str, task: Sheets, options: argparse.Namespace) -> dict[str, Any]:
    began = time.process_time()
    highest = idea(name, task, options)
    told: dict[str, Any] = {"seconds": time.process_time() - began, "crops": {}}
    music = task.test[torch.from_numpy(task.test_targets) == 1][: options.crops]
    with torch.no_grad():
        said = highest(music)(0.0)
        threshold = float(np.quantile(said, 1 - RECALL))
        for family in SETS:
            told["crops"][family], bound = {}, highest(task.unseen[family][: options.crops])
            for radius in RADII:
                found = bound(radius)
                interval = auroc_interval(said, found)
                told["crops"][family][str(radius)] = [auroc(said, found), *interval, float((found >= threshold).mean())]
            print(f"  {name}, {family}: {told['crops'][family]}", flush=True)
    return told


def row(name: str, told: dict[str, Any]) -> list[str]:
    cells = [told["crops"][family][radius] for family in SETS for radius in ("0.0", str(EPS))]
    values = [f"{value:.3f} ({low:.3f}-{high:.3f})" for value, low, high, _ in cells]
    return [name, *values, *(f"{above:.0%}" for *_, above in cells[:2]), f"{told['seconds']:.0f}"]


IDEAS = ("pixels", "dense", "linear bounds", "top-hats", "members", "smoothing", "density", "comb")


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the cache of `make sheet-music`")
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduce"), help="results are kept here")
    parser.add_argument("--ideas", default=";".join(IDEAS), help="by semicolons")
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--eps", type=float, default=0.025, help="of the balls that a guard is taught")
    parser.add_argument("--votes", type=int, default=1_000, help="of the smoothing")
    parser.add_argument("--crops", type=int, default=600, help="of a set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few pictures and steps: to try it out")
    parser.add_argument("--table", type=Path, metavar="FILE")
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    if options.quick:
        options.steps, options.width, options.votes, options.crops = 4, 2, 10, 12
    task, rows = Sheets("sheet-music", options.data, options.seed, QUICK if options.quick else Sheets.default), []
    for name in options.ideas.split(";"):
        asked = [getattr(options, key) for key in ("steps", "width", "hidden", "eps", "votes", "crops", "seed")]
        file = options.runs / f"thin-lines-{name.replace(' ', '-')}-{'-'.join(map(str, asked))}.json"
        if not file.exists():
            write_atomic(file, json.dumps(measured(name, task, options)).encode())
        rows.append(row(name, json.loads(file.read_text())))
    columns = [f"{family}, {what}" for family in SETS for what in ("as it is", f"at {EPS}")]
    columns = ["idea", *columns, "unseen let through, as it is", f"at {EPS}", "CPU seconds to learn"]
    show(markdown(columns, rows), options.table)


if __name__ == "__main__":
    main()
