"""Rebuilds the shipped judge from packages: assets -> corpora -> backbones -> pooling -> judge file.

Every stage leaves its result in the cache folder and is skipped when that is whole, so a build that was stopped goes on. Beside
it stands what it was made from; what was made from something else is refused.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from .. import __version__
from ..decide import fit_thresholds
from ..export import export
from ..judgefile import graph_digest, with_info
from ..onnxbytes import read_model, write_atomic
from ..types import JudgeInfo, Threshold
from .acet import NoiseAttack
from .corpus import Corpus, check, started
from .data import LATER, make_data, missing
from .eight_bits import eight_bits
from .fit import BACKBONE, fit_backbone, put
from .fold import folded
from .net import LABELS, NARROW, PREPROCESS, WIDE, Backbone, SheetNet, TwoLooks, Widths
from .plan import Plan, Stage
from .pool import Pages, corners, fit_looks, pixels_of
from .readings import Say, corpus_of, inputs, judged, key_of, names_of, pages_of
from .recipe import classes_of
from .stress import with_noise

BUILT = "build.json"
SHIPPED = Path(__file__).with_name("sheet-music.onnx")
ASSUMPTION = (
    "pictures to come are drawn like the made calibration pictures (scores of three notes or more with a staff space of 2.8 or "
    "more of 1,024 pixels, and ordinary pictures: text, documents, photographs, screens; families in equal shares, degraded as "
    "scans, photographs, faxes), and the label's share among them is the prevalence given"
)
ROUGH = 1e-3  # by how much the float graph may differ from torch; the integers differ from it by more
FIRST, SECOND = "calm", "second"  # the stages whose backbones read a page
LOOKS = f"{FIRST}-{SECOND}"


def chains(stages: tuple[Stage, ...]) -> list[list[int]]:
    """The stages' numbers, those that go on from one another together and in order."""
    made: list[list[int]] = []
    for k, stage in enumerate(stages):
        mine = next((chain for chain in made if stage.start and stages[chain[-1]].name == stage.start), None)
        if mine is None:
            made.append(mine := [])
        mine.append(k)
    return made


def made_from(cache: Path, stages: Sequence[Stage], k: int, seed: int) -> dict[str, object]:
    """All that the weights of a stage depend on: its settings, its corpora and where it starts."""
    stage = stages[k]
    return {**asdict(stage), "seed": seed + k, **inputs(cache, stage.parts, [stage.start] if stage.start else [])}


def train_stages(cache: Path, stages: tuple[Stage, ...], numbers: list[int], seed: int, threads: int) -> None:
    """These stages one after another, in a process of their own."""
    torch.set_num_threads(threads)
    for k in numbers:
        stage = stages[k]
        started(cache / stage.name, made_from(cache, stages, k, seed))
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
    has no training left (it is pickled). Raises DataError, before anything is trained, where a stage is there that was made from
    something else."""
    for k, stage in enumerate(stages):
        check(cache / stage.name, made_from(cache, stages, k, seed))
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
    it as well. A pooling of these backbones, pages and settings that is there is loaded."""
    net = folded(SheetNet(load_backbone(cache / FIRST), second=load_backbone(cache / SECOND, NARROW)))
    learned = {"pages": plan.pages, "noise": [plan.noise, plan.noise_rounds], "seed": plan.seed}
    key = key_of({**learned, **inputs(cache, names_of("train"), (FIRST, SECOND))})
    file = cache / f"{LOOKS}-{key}.safetensors"
    if file.exists():
        net.pooling = TwoLooks()
        net.pooling.load_state_dict(load_file(file))
        return net.eval()
    pages = pages_of(cache, net.features, LOOKS, "train", plan.pages, say, (FIRST, SECOND))
    net.pooling = fit_looks(pages, seed=plan.seed)
    scores = corners(corpus_of(cache, "train"))
    for k in range(plan.noise_rounds):
        pages = with_noise(net, pages, scores, n=plan.noise, seed=100 + k)
        net.pooling = fit_looks(pages, seed=plan.seed)
        say(f"pooling: {plan.noise} attacked noise pictures learned, round {k + 1} of {plan.noise_rounds}")
    put(net.pooling.state_dict(), file)
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
        "without": missing(cache),  # packages of fonts and pictures that could not be fetched
    }
    info = JudgeInfo(LABELS, PREPROCESS, facts=facts, name="sheet-music")
    model = in_eight_bits(cache, net, info, plan)
    thresholds = thresholds_of(judged(cache, model, "calibration", say), plan, say)
    write_atomic(target, with_info(model, replace(info, thresholds=thresholds)))
    done("integers and thresholds")
    (cache / BUILT).write_text(json.dumps(facts | {"graph": graph_digest(model), "minutes": minutes}, indent=1))
    say(f"{target}: {target.stat().st_size / 1e6:.1f} MB, {sum(minutes.values()):.0f} minutes")
    return target
