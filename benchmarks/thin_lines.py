"""What can be certified of sheet music: each idea for thin lines, tried on the same crops and pages.

    python benchmarks/thin_lines.py --data runs/sheet-music --table FILE       # needs the corpora of `make sheet-music`
    python benchmarks/thin_lines.py --data runs/sheet-music --ideas top-hats --steps 2000

Task: is it sheet music? The guards learn from 64-pixel crops (`choosing_sheets.py`): 20,000 that show music; 20,000 of ordinary pictures and
20,000 strange ones (a quarter noise) and 2,000 nearly even ones are what is none. Ideas: "pixels", the certified guard by interval bounds; "linear bounds", the same with
bounds by CROWN, in training too; "dense", intervals with a dense layer of --hidden units behind the convolutions; "top-hats", that behind
`openset.heads.TopHats`, and with linear bounds; "members", two guards behind top-hats, for ordinary
and for strange pictures; "smoothing", a net under Gaussian noise of standard deviation .5 and votes of --votes draws (Cohen et al. 2019; each
bound fails with probability .001 or less; crops alone); "density", the density guard; "comb", `staff_comb.py`'s filter, which no pixel moves by more than twice its own move.
Crops: AUROC of music against families never seen, taught families and noise, as they are and with each out-picture's bound
on an l_inf ball. Pages: the mean over the best quarter of a page's crops, side by side, at the best of full, half and quarter size, stands for the page, and bounds of crops
bound it. "Above": share of unseen pages above the threshold that keeps 97 % of the scores. Every idea is one JSON file in --runs, made once.
"""

from __future__ import annotations

import argparse
import json
import math
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
from openset.sheetmusic.corpus import Corpus
from openset.sheetmusic.pool import clear, pixels_of
from staff_comb import score as comb
from staff_comb import strips
from telling import show, teller

EPS, RADII, RECALL = 0.01, (0.0, 0.005, 0.01, 0.02), 0.97
BEST, EVEN = 0.25, 2_000  # share of a page's crops; nearly even crops that teach
DRAWN, SURE, BATCH, LR = 0.5, 0.999, 128, 2e-3  # of the smoothing
Highest = Callable[
    [Tensor, float], np.ndarray
]  # crops [B, 1, 64, 64], radius -> [B], what is said (radius 0) or its bound
Whole = Callable[[Tensor, float], float]  # a page [1, 1, H, W], radius -> the same for the page


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

    def highest(x: Tensor, radius: float) -> np.ndarray:
        g, votes = torch.Generator().manual_seed(1), np.zeros(len(x), int)
        with torch.no_grad():
            for _ in range(options.votes):
                votes += (net(x + DRAWN * torch.randn(x.shape, generator=g)) > 0).numpy()
        n = options.votes
        if not radius:
            return norm.ppf((votes + 0.5) / (n + 1))
        return votes_bound(votes, n, radius)

    return highest


def votes_bound(votes: np.ndarray, n: int, radius: float) -> np.ndarray:
    """[B]: with probability SURE each, no point of the l_inf ball has a higher smoothed score; the ball lies in the l2 ball of radius * 64."""
    most = np.array([clopper_pearson(int(v), n, 2 * SURE - 1)[1] for v in votes])  # of two sides, the upper one
    return norm.ppf(most) + radius * CROP / DRAWN


def idea(name: str, task: Sheets, options: argparse.Namespace) -> Highest:
    """What the idea says of crops, learnt now."""
    x, y = task.inside
    yes, ordinary, strange = x[torch.from_numpy(y) == 1], x[torch.from_numpy(y) == 0], task.taught
    g = torch.Generator().manual_seed(options.seed)
    levels, spread = torch.rand((2, EVEN, 1, 1, 1), generator=g)
    even = (levels + 0.02 * spread * torch.randn((EVEN, 1, CROP, CROP), generator=g)).clamp(0, 1)
    strange = torch.cat((strange, even))
    no = torch.cat((ordinary, strange))
    if name == "smoothing":
        return smoothing(yes, no, options)
    if name == "density":
        sides = [some(part, task.sizes.density) for part in (yes, no)]
        density = fit_density_guard(*sides, centres=task.sizes.centres, seed=options.seed)
        return lambda z, radius: density.ball_bound(z, radius * CROP * (1 + 1e-6), 2)
    how: dict[str, Any] = {
        "eps": options.eps, "steps": options.steps, "width": options.width, "refuse": 0, "seed": options.seed, "tell": teller(),
        "front": TopHats() if "top-hats" in name or name == "members" else None,
        "hidden": 0 if name in ("pixels", "linear bounds") else options.hidden,
        "kind": LinearBounds if "linear" in name else CertifiedGuard,
    }  # fmt: skip
    if name == "members":
        guard: CertifiedGuard = fit_certified_guards(yes, (ordinary, strange), **how)
    else:
        guard = fit_certified_guard(yes, no, **how)
    return lambda z, radius: np.concatenate([guard.certify(part, radius, 2) for part in z.split(100)])


def page_by_crops(highest: Highest) -> Whole:
    def whole(page: Tensor, radius: float) -> float:
        found = []
        for scale in (1, 2, 4):
            part = page if scale == 1 else F.avg_pool2d(page, scale)
            h, w = part.shape[2:]
            part = F.pad(part, (0, -w % CROP, 0, -h % CROP), value=1.0)
            crops = part.unfold(2, CROP, CROP).unfold(3, CROP, CROP).reshape(-1, 1, CROP, CROP)
            best = np.sort(highest(crops, radius))[-math.ceil(BEST * len(crops)) :]
            found.append(float(best.mean()))
        return max(found)

    return whole


def page_by_comb() -> tuple[Highest, Whole]:
    kernel = strips()

    def whole(page: Tensor, radius: float) -> float:
        with torch.no_grad():
            return float(comb(page, kernel)[1]) + 2 * radius

    return lambda x, radius: np.array([whole(one[None], radius) for one in x]), whole


def against(inside: np.ndarray, outside: np.ndarray) -> list[float]:
    return [auroc(inside, outside), *auroc_interval(inside, outside)]


def measured(name: str, task: Sheets, options: argparse.Namespace) -> dict[str, Any]:
    began = time.process_time()
    highest, whole = page_by_comb() if name == "comb" else (idea(name, task, options), None)
    told: dict[str, Any] = {"seconds": time.process_time() - began, "crops": {}, "pages": {}}
    music = task.test[torch.from_numpy(task.test_targets) == 1][: options.crops]
    said = highest(music, 0.0)
    for family in ("unseen families", "taught families", "noise"):
        crops = task.unseen[family][: options.crops]
        told["crops"][family] = {str(r): against(said, highest(crops, r)) for r in RADII}
        print(f"  {name}, crops, {family}: {told['crops'][family]}", flush=True)
    if name == "smoothing":
        return told
    whole = whole or page_by_crops(highest)
    pages = {
        part: pages_of(options.data, part, sheet, options.pages) for part, sheet in (("test", True), ("unseen", False))
    }
    scores = np.array([whole(page, 0.0) for page in pages["test"]])
    threshold = float(np.quantile(scores, 1 - RECALL))
    for radius in (0.0, EPS):
        found = np.array([whole(page, radius) for page in pages["unseen"]])
        above = float((found >= threshold).mean())
        told["pages"][str(radius)] = {"auroc": against(scores, found), "above": above, "n": [len(scores), len(found)]}
        print(f"  {name}, pages: {told['pages'][str(radius)]}", flush=True)
    return told


def pages_of(data: Path, part: str, sheet: bool, n: int) -> list[Tensor]:
    corpus = Corpus.open(data / "corpus" / part)
    ids = np.random.default_rng(0).permutation(np.flatnonzero((np.asarray(corpus.sheet) > 0) == sheet))
    return [pixels_of(corpus[int(i)].image)[:, :1].clone() for i in ids if clear(corpus, int(i))][:n]


IDEAS = (
    "pixels",
    "linear bounds",
    "dense",
    "top-hats",
    "top-hats, linear bounds",
    "members",
    "smoothing",
    "density",
    "comb",
)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the cache of `make sheet-music`")
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduce"), help="results are kept here")
    parser.add_argument("--ideas", default=";".join(IDEAS), help="by semicolons")
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--eps", type=float, default=0.015, help="of the balls that a guard is taught")
    parser.add_argument("--votes", type=int, default=1_000, help="of the smoothing")
    parser.add_argument("--crops", type=int, default=600, help="of a set")
    parser.add_argument("--pages", type=int, default=300, help="of a kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few pictures and steps: to try it out")
    parser.add_argument("--table", type=Path, metavar="FILE")
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    if options.quick:
        options.steps, options.width, options.votes, options.crops, options.pages = 4, 2, 10, 12, 3
    task, rows = Sheets("sheet-music", options.data, options.seed, QUICK if options.quick else Sheets.default), []
    for name in options.ideas.split(";"):
        asked = (
            options.steps,
            options.width,
            options.hidden,
            options.eps,
            options.votes,
            options.crops,
            options.pages,
            options.seed,
        )
        file = options.runs / f"thin-lines-{name.replace(', ', '-').replace(' ', '-')}-{'-'.join(map(str, asked))}.json"
        if not file.exists():
            write_atomic(file, json.dumps(measured(name, task, options)).encode())
        told = json.loads(file.read_text())
        crops = [told["crops"][family][r][0] for family in told["crops"] for r in ("0.0", str(EPS))]
        pages = [
            f"{part['auroc'][0]:.3f} ({part['auroc'][1]:.3f}-{part['auroc'][2]:.3f}); {part['above']:.1%}"
            for part in told["pages"].values()
        ]
        rows.append([name, *(f"{value:.3f}" for value in crops), *(pages or ["-", "-"]), f"{told['seconds']:.0f}"])
    columns = ["idea"]
    columns += [f"{family}, {what}" for family in ("unseen", "taught", "noise") for what in ("as it is", f"at {EPS}")]
    columns += ["pages, unseen: AUROC; above", f"the same at {EPS}", "CPU seconds to learn"]
    show(markdown(columns, rows), options.table)


if __name__ == "__main__":
    main()
