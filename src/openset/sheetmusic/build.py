"""Rebuilds the shipped judge from packages: assets -> corpora -> backbones -> pooling -> judge file.

Every stage leaves its result in the cache folder and is skipped when that is whole, so a build that was stopped goes on.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from .. import __version__
from ..decide import fit_thresholds
from ..export import export
from ..judgefile import with_info
from ..onnxbytes import read_model, write_atomic
from ..types import JudgeInfo, Threshold
from . import assets, fonts
from .acet import NoiseAttack
from .corpus import Corpus, build
from .eight_bits import eight_bits
from .fit import BACKBONE, fit_backbone
from .fold import folded
from .net import LABELS, NARROW, PREPROCESS, WIDE, Backbone, SheetNet, TwoLooks, Widths
from .pool import Pages, corners, fit_looks, pixels_of
from .readings import EVERYTHING, Say, corpus_of, judged, pages_of
from .recipe import classes_of, loader
from .stress import with_noise

SHIPPED = Path(__file__).with_name("sheet-music.onnx")
ASSUMPTION = (
    "pictures to come are drawn like the made calibration pictures (scores, and ordinary pictures: text, documents, "
    "photographs, screens; families in equal shares, degraded as scans, photographs, faxes), and the label's share among "
    "them is the prevalence given"
)


@dataclass(frozen=True)
class Stage:
    """One training of a backbone: on which parts, how long, from the weights of which stage (none: random ones), and how noise is
    attacked meanwhile (eps 0: it is not); widths: of the backbone, the same as of its start; mined: of how many crops without music the
    worst is taken (0: none is looked for)."""

    name: str
    parts: tuple[str, ...]
    steps: int
    lr: float
    start: str = ""
    eps: float = 0.0
    attack_steps: int = 3
    rows: int = 4
    every: int = 1
    widths: Widths = WIDE
    mined: int = 0


STAGES = (
    Stage("plain", ("train", "real"), 5_000, 3e-3),
    Stage("long", EVERYTHING, 7_000, 2e-3, start="plain", eps=0.06, attack_steps=4, rows=3, every=2, mined=6),
    Stage("second", EVERYTHING, 14_000, 3e-3, eps=0.06, attack_steps=4, rows=3, every=2, widths=NARROW, mined=6),
    Stage("calm", EVERYTHING, 1_500, 1e-3, start="long", eps=0.06, attack_steps=4, rows=4),
)
ROUGH = 1e-3  # by how much the float graph may differ from torch; the integers differ from it by more
FIRST, SECOND = "calm", "second"  # the stages whose backbones read a page
LOOKS = f"{FIRST}-{SECOND}"


@dataclass(frozen=True)
class Plan:
    """How much of everything. A judge file's facts hold the plan that it was built by."""

    seed: int = 11
    train: int = 9_000
    real: int = 2_000
    more: int = 3_000
    hard: int = 2_800
    test: int = 1_600
    unseen: int = 1_600
    calibration: int = 3_600
    pages: int = 3_000  # that the pooling learns from
    noise: int = 24  # and so many attacked noise pictures
    noise_rounds: int = 2
    ranges: int = 100  # pages that set the ranges of the integers
    stages: tuple[Stage, ...] = STAGES
    precision: float = 0.992  # an earlier judge's strictest of .990, .991, ... that kept .97 of the calibration scores
    delta: float = 0.05
    prevalence: float = 0.5
    prevalence_other: float = 0.7


NEEDED, LATER, MEASURED = EVERYTHING, ("calibration",), ("test", "unseen")


def make_data(cache: Path, plan: Plan, say: Say, workers: int, parts: tuple[str, ...] = NEEDED) -> None:
    """Assets (fonts, pictures) and the corpora, one of each part. NEEDED by the trainings; LATER is made beside them; MEASURED is what the card measures on."""
    fetched = cache / "fetched"  # an empty file, written when both are whole
    if not fetched.exists():
        say("fetching fonts")
        began = time.monotonic()
        fonts.fetch_fonts(cache / "fonts")
        say("fetching pictures")
        assets.fetch(cache, say)
        fetched.touch()
        say(f"fetched in {(time.monotonic() - began) / 60:.1f} minutes")
    counts = {
        "train": plan.train,
        "test": plan.test,
        "unseen": plan.unseen,
        "real": plan.real,
        "calibration": plan.calibration,
        "more": plan.more,
        "hard": plan.hard,
    }
    for k, (part, count) in enumerate(counts.items()):
        if part not in parts:
            continue
        began = time.monotonic()

        def progress(done: int, total: int, part: str = part, began: float = began) -> None:
            say(f"made {part}: {done}/{total} pictures, {time.monotonic() - began:.0f} s")

        build(cache / "corpus" / part, count, plan.seed + k, loader(part, cache), workers=workers, progress=progress)


def chains(stages: tuple[Stage, ...]) -> list[list[int]]:
    """The stages' numbers, those that go on from one another together and in order."""
    made: list[list[int]] = []
    for k, stage in enumerate(stages):
        mine = next((chain for chain in made if stage.start and stages[chain[-1]].name == stage.start), None)
        if mine is None:
            made.append(mine := [])
        mine.append(k)
    return made


def train_stages(cache: Path, stages: tuple[Stage, ...], numbers: list[int], seed: int, threads: int) -> None:
    """These stages one after another, in a process of their own."""
    torch.set_num_threads(threads)
    for k in numbers:
        stage = stages[k]
        corpus = Corpus.open(*(cache / "corpus" / part for part in stage.parts))
        attack = NoiseAttack(stage.eps, stage.attack_steps, stage.rows, stage.every, seed) if stage.eps else None
        fit_backbone(
            corpus,
            classes_of(corpus.family),
            cache / stage.name,
            steps=stage.steps,
            seed=seed + k,
            lr=stage.lr,
            start=cache / stage.start / BACKBONE if stage.start else None,
            attack=attack,
            widths=stage.widths,
            mined=stage.mined,
            say=partial(_printed, stage.name),
        )


def _printed(name: str, line: str) -> None:
    print(f"{name}: {line}", flush=True)


def train_backbones(
    cache: Path, stages: tuple[Stage, ...], seed: int, workers: int, also: Callable[[], None] | None = None
) -> None:
    """All stages, each kept under its name; those that are whole are left alone. What does not go on from one another is trained
    side by side: on nets as small as these a training gains little from a second thread. also: other work, done where a process
    has no training left (it is pickled)."""
    todo = [chain for chain in chains(stages) if not all((cache / stages[k].name / BACKBONE).exists() for k in chain)]
    beside = min(workers, len(todo))
    if not todo:
        if also is not None:
            also()
        return
    threads = max(1, (os.cpu_count() or 1) // beside)
    with ProcessPoolExecutor(beside, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(train_stages, cache, stages, chain, seed, threads) for chain in todo]
        if also is not None:
            futures.append(pool.submit(also))
        for future in futures:
            future.result()


def load_backbone(folder: Path, widths: Widths = WIDE) -> Backbone:
    net = Backbone(widths)
    net.load_state_dict(load_file(folder / BACKBONE))
    return net.eval()


def thresholds_of(pages: Pages, plan: Plan, say: Say) -> Mapping[str, Threshold]:
    """The guaranteed thresholds, on calibration pages whose label is beyond doubt; their features are the judge's probabilities."""
    p = pages.features.double().numpy()[pages.use]
    truth = np.where(pages.sheet[pages.use], 0, 1)
    share = {LABELS[0]: plan.prevalence, LABELS[1]: plan.prevalence_other}
    found, failed = fit_thresholds(
        p, truth, LABELS, precision=plan.precision, delta=plan.delta, prevalence=share, assumption=ASSUMPTION
    )
    for label, reason in failed.items():
        say(f"no threshold for {label}: {reason}")
    return found


def two_looks(cache: Path, plan: Plan, say: Say) -> SheetNet:
    """The net of both trained backbones with its pooling: fitted on pages, then, round by round, on noise that was attacked under
    it as well. A pooling that is there is loaded."""
    net = folded(SheetNet(load_backbone(cache / FIRST), second=load_backbone(cache / SECOND, NARROW)))
    file = cache / f"{LOOKS}.safetensors"
    if file.exists():
        net.pooling = TwoLooks()
        net.pooling.load_state_dict(load_file(file))
        return net.eval()
    pages = pages_of(cache, net.features, LOOKS, "train", plan.pages, say)
    net.pooling = fit_looks(pages, seed=plan.seed)
    scores = corners(corpus_of(cache, "train"))
    for k in range(plan.noise_rounds):
        pages = with_noise(net, pages, scores, n=plan.noise, seed=100 + k)
        net.pooling = fit_looks(pages, seed=plan.seed)
        say(f"pooling: {plan.noise} attacked noise pictures learned, round {k + 1} of {plan.noise_rounds}")
    part = file.with_suffix(".part")
    save_file(net.pooling.state_dict(), part)
    os.replace(part, file)
    return net


def in_eight_bits(cache: Path, net: SheetNet, info: JudgeInfo, plan: Plan) -> bytes:
    """The judge file of the folded net in integers, their ranges taken from pages that it was trained on."""
    export(net, cache / "float.onnx", info, tolerance=ROUGH)
    corpus = corpus_of(cache, "train")
    ids = np.random.default_rng(1).permutation(len(corpus))[: plan.ranges]
    made = eight_bits(read_model(cache / "float.onnx"), (pixels_of(corpus[int(i)].image) for i in ids))
    return with_info(made, info)


def build_judge(cache: Path, plan: Plan, say: Say = print, workers: int = 2, target: Path = SHIPPED) -> Path:
    """All stages; returns the judge file. build.json: its facts, and the minutes of each stage, of what was not there already. Raises OpensetError where a stage cannot be done."""
    began, minutes = time.monotonic(), dict[str, float]()

    def done(stage: str) -> None:
        minutes[stage] = (time.monotonic() - began) / 60 - sum(minutes.values())
        say(f"{stage}: {minutes[stage]:.1f} minutes")

    make_data(cache, plan, say, workers)
    done("data")
    later = partial(make_data, cache, plan, partial(_printed, "beside"), 1, LATER)
    train_backbones(cache, plan.stages, plan.seed, workers, later)
    done("training")
    net = two_looks(cache, plan, say)
    done("pooling")
    facts = {
        "made_with": f"openset {__version__}, python -m openset.sheetmusic",
        "plan": asdict(plan),
        "counts": "staff notation with notes; not: empty staves, tablature alone, chord sheets",
        "scheme": "two looks that must agree; outlier exposure through a shared background class, ACET on noise; in integers",
        "date": time.strftime("%Y-%m-%d"),
    }
    info = JudgeInfo(LABELS, PREPROCESS, facts=facts, name="sheet-music")
    model = in_eight_bits(cache, net, info, plan)
    thresholds = thresholds_of(judged(cache, model, "calibration", say), plan, say)
    write_atomic(target, with_info(model, replace(info, thresholds=thresholds)))
    done("integers and thresholds")
    (cache / "build.json").write_text(json.dumps(facts | {"minutes": minutes}, indent=1))
    say(f"{target}: {target.stat().st_size / 1e6:.1f} MB, {sum(minutes.values()):.0f} minutes")
    return target
