"""The nine released nets measured again, beside the paper's figures: noise, attacked noise, and noise along rays.

MMC is the mean of the largest class probability. All of it is measured, but the two searches along rays ('searched':
upper bounds of the first alpha). The attack is the paper's own, weak on purpose: it says what the paper saw, not what
is true (`openset.attack.worst`, docs/paper.md).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import authors
from ..attack import maximise_confidence
from ..audit import first_alpha_by_bisection, first_alpha_on_grid
from ..data.noise import paper_noise
from ..errors import DataError
from ..metrics import clopper_pearson, mean_interval, median_interval
from ..runfile import write_atomic
from .material import BATCH, both_kinds, photographs, seeded

SURE, CLIPPED = 0.999, 0.95
FACTOR = 1.1


@dataclass(frozen=True)
class Figures:
    """The paper's: MMC on noise and on attacked noise, Table 2's median alpha and share above .95 when clipped."""

    noise: float | None = None
    attacked: float | None = None
    alpha: float | None = None
    clipped: float | None = None


PAPER: Mapping[str, Figures] = {
    "svhn_plain": Figures(0.720, 1.000, 28.1, 0.999),
    "svhn_ceda": Figures(0.100, 0.946),
    "svhn_acet": Figures(0.100, 0.101, 49.8, 0.502),
    "cifar10_plain": Figures(alpha=8.1, clipped=0.999),
    "cifar10_ceda": Figures(),
    "cifar10_acet": Figures(alpha=45.3, clipped=0.034),
    "cifar100_plain": Figures(0.614, 1.000, 9.9, 0.998),
    "cifar100_ceda": Figures(0.010, 0.985),
    "cifar100_acet": Figures(0.010, 0.013, 9.9, 0.000),
}


@dataclass(frozen=True)
class Sizes:
    """How many pictures: noise (half uniform, half permuted), of them attacked, rays searched, rays clipped."""

    noise: int = 1024
    attacked: int = 64
    rays: int = 200
    clipped: int = 100


def confidence(net: nn.Module, x: Tensor) -> Tensor:
    """Images [B, ...] -> the largest class probability [B]."""
    with torch.inference_mode():
        return torch.cat([net(part).double().softmax(1).amax(1) for part in x.split(2 * BATCH)])


def mixture(n: int) -> Tensor:
    """[n, 3, 32, 32]: the paper's out-noise in batches of 32, with permuted photographs for its permuted training pictures and
    a blur for each picture, so that intervals may take them for independent."""
    parts = []
    for first in range(0, n, BATCH):
        g = seeded("mixture", str(first))
        parts.append(paper_noise(photographs(min(BATCH, n - first), g), g, own_blurs=True))
    return torch.cat(parts)


def clipped_hit(net: nn.Module, x: Tensor, t: float = CLIPPED, factor: float = FACTOR) -> Tensor:
    """bool [B]: does any alpha = factor^n >= 1 give confidence > t on clip(alpha x, 0, 1)?

    Our reading of Table 2's second row. The search ends where every pixel that is not 0 is 1: nothing changes behind it.
    """
    hit, alpha = torch.zeros(len(x), dtype=torch.bool), 1.0
    least = torch.where(x > 0, x, 1.0).flatten(1).amin(1)
    open_ = torch.arange(len(x))
    while len(open_):
        sure = confidence(net, (alpha * x[open_]).clamp(0, 1)) > t
        hit[open_[sure]] = True
        open_ = open_[~sure & (alpha * least[open_] < 1)]
        alpha *= factor
    return hit


def chosen(sizes: Sizes) -> Tensor:
    """Which of the noise pictures are attacked, int64: both kinds alike."""
    return both_kinds(sizes.noise, min(sizes.attacked, sizes.noise), BATCH)


def measure(net: nn.Module, sizes: Sizes) -> dict[str, list[float]]:
    """Every figure's single values; the same pictures for every net. rays: raw uniform noise, not low-passed."""
    z = mixture(sizes.noise)
    clean = confidence(net, z)
    attacked = [
        maximise_confidence(net, part, eps=0.3, steps=80, step=0.0075, generator=seeded("attack", str(i)))
        for i, part in enumerate(z[chosen(sizes)].split(BATCH))
    ]
    rays = torch.rand((max(sizes.rays, sizes.clipped), 3, 32, 32), generator=seeded("rays"))
    grid = first_alpha_on_grid(net, rays[: sizes.rays], SURE, factor=FACTOR, dtype=torch.float32)
    halved = first_alpha_by_bisection(net, rays[: sizes.rays], SURE, steps=20, dtype=torch.float32)
    return {
        "noise": clean.tolist(),
        "attacked": confidence(net, torch.cat(attacked)).tolist(),
        "alpha": grid.tolist(),
        "alpha_bisected": halved.tolist(),
        "clipped": clipped_hit(net, rays[: sizes.clipped]).double().tolist(),
    }


def summary(name: str, values: Mapping[str, list[float]]) -> dict[str, Any]:
    """One net's figures: value, 95 % interval, n, kind, and the paper's figure (None where it has none)."""
    paper = PAPER.get(name, Figures())

    def figure(key: str, kind: str, told: float | None) -> dict[str, Any]:
        given = values[key]
        if key == "clipped":
            value, interval = sum(given) / len(given), clopper_pearson(int(sum(given)), len(given))
        elif key.startswith("alpha"):
            value, interval = median_interval(given)
        else:
            value, interval = mean_interval(given)
        ends = [finite(end) for end in interval]
        return {"value": finite(value), "interval": ends, "n": len(given), "kind": kind, "paper": told}

    return {
        "net": name,
        "noise_mmc": figure("noise", "measured", paper.noise),
        "attacked_noise_mmc": figure("attacked", "searched", paper.attacked),
        "median_alpha_grid": figure("alpha", "searched", paper.alpha),
        "median_alpha_bisection": figure("alpha_bisected", "searched", paper.alpha),
        "clipped_above_95": figure("clipped", "searched", paper.clipped),
    }


def finite(x: float) -> float | None:
    """None for an alpha that no search found: JSON knows no infinity."""
    return x if math.isfinite(x) else None


def find_nets(folder: Path, only: str = "") -> list[Path]:
    """The npz files of the folder, the paper's nine first. Raises DataError where there is none, or one is broken."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: give the one that holds the released nets, such as svhn_plain.npz")
    order = list(PAPER)
    found = sorted(
        (path for path in folder.glob("*.npz") if only in path.stem),
        key=lambda path: (order.index(path.stem) if path.stem in order else len(order), path.stem),
    )
    if not found:
        asked = f" whose name contains {only!r}" if only else ""
        raise DataError(f"{folder} holds no npz{asked}: the released nets are called svhn_plain.npz and so on")
    for path in found:
        authors.load(path)  # told before minutes are spent on the others
    return found


def _kept(cell: Path) -> Mapping[str, Any]:
    """What was measured before; nothing where there is no such file, or a spoilt one."""
    try:
        known = json.loads(cell.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) and isinstance(known.get("values"), dict) else {}


def run(path: Path, cells: Path, sizes: Sizes) -> dict[str, Any]:
    """One net's summary; its single values are kept in `cells` and not measured again for the same file and sizes.

    Raises DataError for a file that is not one of the nets.
    """
    net = authors.load(path)
    cell = cells / f"{path.stem}.json"
    asked = {"sizes": asdict(sizes), "blurs": "own", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    which = chosen(sizes).tolist()
    if which != list(range(len(which))):  # the first ones, of whatever kind, in cells without this key
        asked["attacked"] = which
    known = _kept(cell)
    if any(known.get(key) != value for key, value in asked.items()):
        values = {key: [finite(x) for x in given] for key, given in measure(net, sizes).items()}
        known = {**asked, "values": values}
        write_atomic(cell, json.dumps(known).encode())
    read = {key: [math.inf if x is None else x for x in given] for key, given in known["values"].items()}
    return summary(path.stem, read)
