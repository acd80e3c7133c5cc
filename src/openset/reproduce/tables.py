"""Tables 1 and 2 of Hein et al. 2019 (arXiv 1812.05720): one scheme's net on one data set, every out-set at hand.

Table 1: test error; MMC, AUROC and FPR@95 (both conventions) against the other data sets, noise, attacked noise and
attacked test pictures. Table 2: noise times alpha. The paper's weak attack is used on purpose: it says what the paper
saw, not what is true (`openset.attack.worst`). Single confidences are kept beside the net, with the digest of the pictures,
and measured again only for other pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import metrics
from ..attack import Objective, maximise_confidence
from ..audit import first_alpha_on_grid
from ..data.noise import paper_noise
from ..losses import cross_entropy_in, log_max_prob
from ..runfile import read_tensors, write_tensors
from . import papers
from .checkpoints import CLIPPED, FACTOR, SURE, clipped_hit, confidence, finite
from .datasets import SETS, as_inputs, present, read
from .material import both_kinds, seeded
from .papers import ADVERSARIAL, ATTACKED, NOISE, Scheme
from .trained import Schedule, home_of

EPS, STEPS, STEP = 0.3, 80, 0.0075  # the paper's attack when it evaluates
BATCH = 128
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Sizes:
    """How many pictures at most: of each set (and noise), of them attacked; rays searched, rays clipped."""

    images: int = 10_000
    attacked: int = 1_000
    rays: int = 1_000
    clipped: int = 1_000


@dataclass(frozen=True)
class Place:
    """What is measured: a data set in the folder `data`, and the folder `home` in which the net lies."""

    dataset: str
    scheme: Scheme
    schedule: Schedule
    seed: int
    data: Path
    runs: Path

    @property
    def home(self) -> Path:
        return home_of(self.runs, self.dataset, self.scheme, self.schedule, self.seed)


def inputs(place: Place, name: str, most: int) -> tuple[Tensor, Tensor]:
    """The first `most` test pictures of the set `name` as the net of `place` takes them, and their labels."""
    images, labels = read(name, "test", place.data)
    like = (1, 28, 28) if SETS[place.dataset].net == "lenet" else (3, 32, 32)
    return as_inputs(images[:most], like), torch.from_numpy(labels[:most])


def noise(images: Tensor) -> Tensor:
    """As many noise pictures: the paper's mixture in batches of BATCH, uniform first, the permuted half from `images`, each
    picture with a blur of its own, so that intervals may take them for independent.

    So the first n are a fair mixture only where n is a multiple of BATCH, or many of them: see `mixture`.
    """
    parts = images.split(BATCH)
    return torch.cat([paper_noise(part, seeded("table", str(i)), own_blurs=True) for i, part in enumerate(parts)])


def mixture(n: int, few: int) -> Tensor:
    """Which `few` of the n pictures of `noise` are attacked: see `both_kinds`."""
    return both_kinds(n, few, BATCH)


def attacked(net: nn.Module, z: Tensor, objectives: Sequence[Objective], what: str, tell: Tell) -> Tensor:
    """The paper's evaluation attack on z [N, ...], in batches of BATCH with an objective each. On the net's device."""
    device = next(net.parameters()).device
    found = []
    for i, (part, objective) in enumerate(zip(z.split(BATCH), objectives, strict=True)):
        tell(what, i * BATCH, len(z))
        g = seeded("table attack", what, str(i))
        found.append(
            maximise_confidence(
                net, part.to(device), eps=EPS, steps=STEPS, step=STEP, generator=g, objective=objective
            ).cpu()
        )
    return torch.cat(found)


def wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """bool [N]: is another class the likeliest, or is the net no surer than 1.01 / K? As released: a net that says
    nothing has not resisted an attack, though its tie may fall on the true class."""
    p = logits.softmax(1)
    return (p.argmax(1) != labels) | (p.amax(1) <= 1.01 / logits.shape[1])


def digest(tensors: Sequence[Tensor]) -> str:
    """One hexadecimal digest of the tensors' shapes and values."""
    state = hashlib.sha256()
    for x in tensors:
        state.update(f"{x.dtype} {list(x.shape)}".encode())
        state.update(np.ascontiguousarray(x.numpy()).data)
    return state.hexdigest()


def table1_scores(net: nn.Module, place: Place, sizes: Sizes, tell: Tell) -> dict[str, Tensor]:
    """Set -> confidences, float64 [N]. "in": the test pictures; "right": bool, are they classified right;
    "adversarial samples": only those that are no longer classified right, of `sizes.attacked` (as released)."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = net.to(device)
    found: dict[str, Tensor] = {}
    x, y = inputs(place, place.dataset, sizes.images)

    def logits(images: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([net(part.to(device)).double().cpu() for part in images.split(BATCH)])

    def kept(name: str, n: int | str, seen: Sequence[Tensor], measure: Callable[[], dict[str, Tensor]]) -> None:
        file = place.home / "scores" / f"{name.replace(' ', '-')}-{n}.safetensors"
        note = {"set": name, "n": n, "sha256": digest(seen)}
        if not file.exists() or read_tensors(file)[1] != note:
            write_tensors(file, measure(), note)
        found.update(read_tensors(file)[0])

    def inside() -> dict[str, Tensor]:
        said = logits(x)
        return {"in": said.softmax(1).amax(1), "right": (said.argmax(1) == y).double()}

    def sure(name: str, images: Tensor) -> dict[str, Tensor]:
        return {name: logits(images).softmax(1).amax(1)}

    kept("in", len(x), (x, y), inside)
    for name in SETS:
        if name != place.dataset and present(name, place.data):
            other = inputs(place, name, sizes.images)[0]
            kept(name, len(other), (other,), partial(sure, name, other))
    z = noise(x)
    kept(NOISE, f"{len(z)}-of-{len(z)}-own-blurs", (z,), lambda: sure(NOISE, z))
    few = min(sizes.attacked, len(x))
    part = z[mixture(len(z), few)]

    def noise_attacked() -> dict[str, Tensor]:
        return sure(ATTACKED, attacked(net, part, [log_max_prob] * -(-few // BATCH), ATTACKED, tell))

    def samples() -> dict[str, Tensor]:
        aims = [partial(cross_entropy_in, y=truth.to(device)) for truth in y[:few].split(BATCH)]
        said = logits(attacked(net, x[:few], aims, ADVERSARIAL, tell))
        broken = wrong(said, y[:few])
        return {ADVERSARIAL: said.softmax(1).amax(1)[broken], "resisted": (~broken).double()}

    kept(ATTACKED, f"{few}-of-{len(z)}-own-blurs", (part,), noise_attacked)
    kept(ADVERSARIAL, few, (x[:few], y[:few]), samples)
    net.cpu()
    return found


def figure(
    value: float, interval: Sequence[float], n: int, paper: float | None = None, kind: str = "measured"
) -> dict[str, Any]:
    ends = [finite(end) for end in interval]
    return {"value": finite(value), "interval": ends, "n": n, "kind": kind, "paper": paper}


def share(k: int, n: int, paper: float | None = None, kind: str = "measured") -> dict[str, Any]:
    return figure(k / n, metrics.clopper_pearson(k, n), n, paper, kind)


def table1_row(place: Place, scores: Mapping[str, Tensor]) -> dict[str, Any]:
    """One scheme's figures, each with its 95 % interval: exact for shares, DeLong's for AUROC, bootstrap for MMC; for
    FPR@95 conservative, the threshold's own error in it (`metrics.fpr_interval`)."""
    inside = scores["in"].numpy()
    right = scores["right"]
    errors = papers.ERROR.get(place.dataset, {})
    rows = []
    for name, values in scores.items():
        if name in ("in", "right", "resisted"):
            continue
        told = papers.OUT.get(place.dataset, {}).get(name, {}).get(place.scheme, (None, None, None))
        rows.append(_against(name, inside, values.numpy(), told))
    mean, interval = metrics.mean_interval(inside)
    resisted = scores["resisted"]
    return {
        **_head(place),
        "test_error": share(int((right == 0).sum()), len(right), errors.get(place.scheme)),
        "mmc_in": figure(mean, interval, len(inside), papers.MMC_IN.get(place.dataset, {}).get(place.scheme)),
        "resisted": share(int(resisted.sum()), len(resisted), kind="searched"),
        "out": rows,
    }


def _against(name: str, inside: np.ndarray, outside: np.ndarray, told: Sequence[float | None]) -> dict[str, Any]:
    kind = "searched" if name in (ATTACKED, ADVERSARIAL) else "measured"
    if not len(outside):  # every attack resisted
        return {"set": name, "n": 0, "kind": kind}
    mean, interval = metrics.mean_interval(outside)
    n = len(outside)
    area = metrics.auroc(inside, outside)
    return {
        "set": name,
        "n": n,
        "kind": kind,
        "mmc": figure(mean, interval, n, told[0], kind),
        "auroc": figure(area, metrics.auroc_interval(inside, outside), n, told[1], kind),
        "fpr95_in_positive": _fpr(inside, outside, "in-positive", told[2], kind),
        "fpr95_out_positive": _fpr(inside, outside, "out-positive", None, kind),
    }


def _fpr(
    inside: np.ndarray, outside: np.ndarray, convention: metrics.Convention, told: float | None, kind: str
) -> dict[str, Any]:
    rated = outside if convention == "in-positive" else inside
    value = metrics.fpr_at_tpr(inside, outside, convention=convention)
    interval = metrics.fpr_interval(inside, outside, convention=convention)
    return figure(value, interval, len(rated), told, kind)


def table2_row(net: nn.Module, place: Place, sizes: Sizes, tell: Tell) -> dict[str, Any]:
    """Raw uniform noise times alpha: the median first alpha on the grid 1.1^n with confidence >= .999 (None: none up to
    1e30), and the share of rays of which some clipped alpha x is above .95. Both 'searched'."""
    file = place.home / "scores" / f"rays-{sizes.rays}-{sizes.clipped}.safetensors"
    if not file.exists():
        shape = (1, 28, 28) if SETS[place.dataset].net == "lenet" else (3, 32, 32)
        rays = torch.rand((max(sizes.rays, sizes.clipped), *shape), generator=seeded("table rays", *map(str, shape)))
        tell("rays", 0, 2)
        alpha = first_alpha_on_grid(net, rays[: sizes.rays], SURE, factor=FACTOR, dtype=torch.float32)
        tell("rays", 1, 2)
        hit = clipped_hit(net, rays[: sizes.clipped], CLIPPED)
        write_tensors(file, {"alpha": alpha, "hit": hit, "noise": confidence(net, rays[: sizes.rays])}, {})
    held = read_tensors(file)[0]
    told = papers.ALPHA.get(place.dataset, {}).get(place.scheme, (None, None))
    median, interval = metrics.median_interval(held["alpha"].numpy())
    mean, around = metrics.mean_interval(held["noise"].numpy())
    hit = held["hit"]
    return {
        **_head(place),
        "mmc_raw_noise": figure(mean, around, len(held["noise"])),
        "median_alpha": figure(median, interval, len(held["alpha"]), told[0], "searched"),
        "clipped_above_95": share(int(hit.sum()), len(hit), told[1], "searched"),
    }


def _head(place: Place) -> dict[str, Any]:
    schedule = place.schedule
    return {
        "dataset": place.dataset,
        "scheme": place.scheme,
        "schedule": schedule.name,
        "seed": place.seed,
        "epochs": schedule.epochs[place.scheme],
        "attack_steps_in_training": schedule.attack_steps if place.scheme == "acet" else 0,
        "warm_start": schedule.warm and place.scheme == "acet",
    }
