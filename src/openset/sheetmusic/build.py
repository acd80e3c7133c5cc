"""Rebuilds the shipped judge from packages: assets -> corpora -> backbone -> ACET -> pooling -> judge file.

Every stage leaves its result in the cache folder and is skipped when that is whole, so a build that was stopped goes on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from .. import __version__
from ..decide import fit_thresholds
from ..export import export
from ..types import JudgeInfo, Threshold
from . import assets, fonts
from .acet import NoiseAttack
from .corpus import Corpus, build
from .fit import fit_backbone
from .net import LABELS, PREPROCESS, Backbone, Pooling, SheetNet
from .pool import Pages, fit_pooling, read_pages
from .recipe import classes_of, loader

Say = Callable[[str], None]
SHIPPED = Path(__file__).with_name("sheet-music.onnx")
ASSUMPTION = (
    "pictures to come are drawn like the made calibration pictures (scores, and ordinary pictures: text, documents, "
    "photographs, screens; families in equal shares, degraded as scans, photographs, faxes), and the label's share among "
    "them is the prevalence given"
)


@dataclass(frozen=True)
class Plan:
    """How much of everything. The numbers of docs/sheet-music.md were measured with these."""

    seed: int = 11
    train: int = 10_800
    real: int = 2_000
    test: int = 1_600
    unseen: int = 1_600
    calibration: int = 3_600
    pages: int = 3_200
    steps: int = 5_000
    acet_steps: int = 1_000
    acet_lr: float = 6e-4
    last_steps: int = 2_400
    last_lr: float = 1.5e-3
    eps: float = 0.3
    precision: float = 0.99
    delta: float = 0.05
    prevalence: float = 0.5
    prevalence_other: float = 0.7


def make_data(cache: Path, plan: Plan, say: Say, workers: int) -> None:
    """Assets (fonts, pictures) and the corpora, one of each part."""
    if not (cache / "fonts").is_dir():
        say("fetching fonts")
        fonts.fetch_fonts(cache / "fonts")
    if not (cache / "assets").is_dir():
        say("fetching pictures")
        assets.fetch(cache, say)
    counts = {
        "train": plan.train,
        "test": plan.test,
        "unseen": plan.unseen,
        "real": plan.real,
        "calibration": plan.calibration,
    }
    for k, (part, count) in enumerate(counts.items()):
        began = time.monotonic()

        def progress(done: int, total: int, part: str = part, began: float = began) -> None:
            say(f"made {part}: {done}/{total} pictures, {time.monotonic() - began:.0f} s")

        build(cache / "corpus" / part, count, plan.seed + k, loader(part, cache), workers=workers, progress=progress)


def corpus_of(cache: Path, part: str) -> Corpus:
    """A part's corpus; "train" comes with the further pictures out of packages."""
    more = [cache / "corpus" / "real"] if part == "train" else []
    return Corpus.open(cache / "corpus" / part, *more)


def train_backbones(cache: Path, plan: Plan, say: Say) -> Backbone:
    """The backbone from scratch, then ACET on noise from its weights, then longer with a smaller share of noise."""
    first = Corpus.open(cache / "corpus" / "train")
    fit_backbone(first, classes_of(first.family), cache / "plain", steps=plan.steps, seed=plan.seed, say=say)
    every = corpus_of(cache, "train")
    classes = classes_of(every.family)
    attack = NoiseAttack(plan.eps, seed=plan.seed)
    warm = cache / "plain" / "backbone.safetensors"
    fit_backbone(
        every,
        classes,
        cache / "acet",
        steps=plan.acet_steps,
        seed=plan.seed + 1,
        lr=plan.acet_lr,
        start=warm,
        attack=attack,
        say=say,
    )
    warm = cache / "acet" / "backbone.safetensors"
    attack = NoiseAttack(plan.eps, steps=2, rows=2, seed=plan.seed)
    return fit_backbone(
        every,
        classes,
        cache / "last",
        steps=plan.last_steps,
        seed=plan.seed + 2,
        lr=plan.last_lr,
        start=warm,
        attack=attack,
        say=say,
    )


def load_backbone(folder: Path) -> Backbone:
    net = Backbone()
    net.load_state_dict(load_file(folder / "backbone.safetensors"))
    return net.eval()


def pages_of(cache: Path, backbone: Backbone, name: str, part: str, count: int | None, say: Say) -> Pages:
    """The pooled features of a part's pages under the backbone called `name`; read once, then kept."""
    file = cache / "pages" / f"{name}-{part}.npz"
    if not file.exists():
        corpus = corpus_of(cache, part)
        ids = np.random.default_rng(0).permutation(len(corpus))[:count]
        pages = read_pages(SheetNet(backbone), corpus, classes_of(corpus.family), ids, say)
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch = file.with_suffix(".part")
        with scratch.open("wb") as handle:
            arrays: dict[str, Any] = {k: np.asarray(v) for k, v in vars(pages).items()}
            np.savez(handle, **arrays)
        os.replace(scratch, file)
    with np.load(file, allow_pickle=False) as data:
        kept = {key: data[key] for key in data.files}
    return Pages(torch.from_numpy(kept.pop("features")), **kept)


def probabilities(pooling: Pooling, pages: Pages) -> np.ndarray:
    """[N, 2]: P(sheet_music), P(other) of pages whose features are known."""
    with torch.inference_mode():
        inner = torch.softmax(pooling(pages.features), 1).numpy().astype(np.float64)
    return np.stack([inner[:, 0] + inner[:, 2] / 2, inner[:, 1] + inner[:, 2] / 2], 1)


def thresholds_of(pooling: Pooling, pages: Pages, plan: Plan, say: Say) -> Mapping[str, Threshold]:
    """The guaranteed thresholds, on calibration pages whose label is beyond doubt."""
    p = probabilities(pooling, pages)[pages.use]
    truth = np.where(pages.sheet[pages.use], 0, 1)
    share = {LABELS[0]: plan.prevalence, LABELS[1]: plan.prevalence_other}
    found, failed = fit_thresholds(
        p, truth, LABELS, precision=plan.precision, delta=plan.delta, prevalence=share, assumption=ASSUMPTION
    )
    for label, reason in failed.items():
        say(f"no threshold for {label}: {reason}")
    return found


def build_judge(cache: Path, plan: Plan, say: Say = print, workers: int = 2, target: Path = SHIPPED) -> Path:
    """All stages; returns the judge file. Raises OpensetError where a stage cannot be done."""
    began = time.monotonic()
    make_data(cache, plan, say, workers)
    backbone = train_backbones(cache, plan, say)
    pooling = fit_pooling(pages_of(cache, backbone, "last", "train", plan.pages, say), seed=plan.seed)
    save_file(pooling.state_dict(), cache / "pooling.safetensors")
    thresholds = thresholds_of(pooling, pages_of(cache, backbone, "last", "calibration", None, say), plan, say)
    facts = {
        "made_with": f"openset {__version__}, python -m openset.sheetmusic",
        "plan": asdict(plan),
        "counts": "staff notation with notes; not: empty staves, tablature alone, chord sheets",
        "scheme": "outlier exposure through a shared background class, then ACET on noise from a warm start",
        "date": time.strftime("%Y-%m-%d"),
    }
    info = JudgeInfo(LABELS, PREPROCESS, thresholds, facts, name="sheet-music")
    export(SheetNet(backbone, pooling), target, info)
    (cache / "build.json").write_text(json.dumps(facts | {"minutes": (time.monotonic() - began) / 60}, indent=1))
    say(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
    return target
