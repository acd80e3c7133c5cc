"""How long `make sheet-music` takes on this machine, told from a sample of every stage.

    python benchmarks/rebuild_time.py runs/sheet-music

The folder holds the data of a build. Each stage is timed for a few units and for three times as many: what the longer run takes more is
the rate, what is left of the shorter one the start. Pictures are made by two processes, which read scores and fonts first. A
stage of training runs on one thread, beside a stage of the other chain, as in a build. A rate is the median of `--rounds` samples (of
pictures: one). Fetching fonts and pictures depends on the network and is not in the sum. Run it with nothing beside it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from openset.judge import judge_of
from openset.sheetmusic.build import chains, in_eight_bits, train_stages
from openset.sheetmusic.corpus import Corpus, build
from openset.sheetmusic.data import LATER, NEEDED
from openset.sheetmusic.fold import folded
from openset.sheetmusic.net import LABELS, NARROW, PREPROCESS, Backbone, SheetNet, TwoLooks
from openset.sheetmusic.plan import Plan
from openset.sheetmusic.pool import Pages, Reader, corners, fit_looks, read_pages
from openset.sheetmusic.readings import corpus_of, reader
from openset.sheetmusic.recipe import classes_of, loader
from openset.sheetmusic.stress import with_noise
from openset.types import JudgeInfo

WARM = 60  # seconds until the training beside has read its data and is compiled


@dataclass(frozen=True)
class Told:
    """A stage's `count` units at `each` seconds, after `start` seconds."""

    name: str
    count: int
    each: float
    start: float

    @property
    def minutes(self) -> float:
        return (self.start + self.count * self.each) / 60


def seconds(run: Callable[[], object]) -> float:
    began = time.monotonic()
    run()
    return time.monotonic() - began


def told(name: str, count: int, few: int, rounds: int, run: Callable[[int], object]) -> Told:
    """run(n) does n units: timed for `few` and for three times as many."""
    each, starts = [], []
    for _ in range(rounds):
        short, long = seconds(lambda: run(few)), seconds(lambda: run(3 * few))
        each.append(max(long - short, 0.0) / (2 * few))
        starts.append(max(short - few * each[-1], 0.0))
    made = Told(name, count, statistics.median(each), statistics.median(starts))
    print(f"{name}: {made.minutes:.1f} minutes ({count} at {made.each:.3f} s, start {made.start:.0f} s)", flush=True)
    return made


def pictures(part: str, count: int, cache: Path, workers: int) -> None:
    """Makes `count` pictures, a shard a process."""
    with tempfile.TemporaryDirectory() as room:
        shard = -(-count // workers)
        build(Path(room), count, 11, loader(part, cache), workers=workers, progress=lambda _d, _t: None, shard=shard)


def training(plan: Plan, number: int, steps: int, cache: Path) -> None:
    """A stage from random weights, on one thread."""
    stage = replace(plan.stages[number], steps=steps, start="")
    with tempfile.TemporaryDirectory() as room:
        (Path(room) / "corpus").symlink_to((cache / "corpus").resolve())
        train_stages(Path(room), (stage,), [0], 0, 1)


def trainings(plan: Plan, given: argparse.Namespace) -> float:
    """Minutes of the longest chain, each stage timed beside the last stage of another chain."""
    own = []
    for k, stage in enumerate(plan.stages):
        other = next(chain[-1] for chain in chains(plan.stages) if k not in chain)
        beside = multiprocessing.get_context("spawn").Process(target=training, args=(plan, other, 10**6, given.cache))
        beside.start()
        try:
            time.sleep(WARM)
            own.append(
                told(
                    f"training of {stage.name}",
                    stage.steps,
                    given.steps,
                    given.rounds,
                    lambda n, k=k: training(plan, k, n, given.cache),
                )
            )
        finally:
            beside.terminate()
            beside.join()
    first, *rest = sorted(sum(own[k].minutes for k in chain) for chain in chains(plan.stages))
    # made where a process has no training left
    later = sum(pictured(part, plan, given, workers=1).minutes for part in LATER)
    longest = max(first + later, *rest)
    print(f"training, side by side, and pictures beside it: {longest:.1f} minutes", flush=True)
    return longest


def pictured(part: str, plan: Plan, given: argparse.Namespace, workers: int) -> Told:
    """The pictures of a part, made by so many processes."""
    return told(
        f"pictures of {part} by {workers}",
        getattr(plan, part),
        given.pictures,
        1,
        lambda n: pictures(part, n, given.cache, workers),
    )


def quantised(plan: Plan, cache: Path) -> bytes:
    """Integers of an untrained net."""
    with tempfile.TemporaryDirectory() as room:
        (Path(room) / "corpus").symlink_to((cache / "corpus").resolve())
        return in_eight_bits(Path(room), folded(looks()), JudgeInfo(LABELS, PREPROCESS, name="sheet-music"), plan)


def looks() -> SheetNet:
    """The judge's net, untrained."""
    return SheetNet(Backbone(), second=Backbone(NARROW), pooling=TwoLooks()).eval()


def reading(corpus: Corpus, n: int, read: Reader) -> Pages:
    ids = np.random.default_rng(0).permutation(len(corpus))[:n]
    return read_pages(read, corpus, classes_of(corpus.family), ids, lambda _line: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--pages", type=int, default=40)
    parser.add_argument("--noise", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    plan = Plan()
    minutes = 0.0
    for part in NEEDED:
        minutes += pictured(part, plan, given, given.workers).minutes
    minutes += trainings(plan, given)
    torch.set_num_threads(os.cpu_count() or 1)
    corpus, float_net = corpus_of(given.cache, "train"), folded(looks()).features
    minutes += told(
        "pages read", plan.pages, given.pages, given.rounds, lambda n: reading(corpus, n, float_net)
    ).minutes
    pages = reading(corpus, 3 * given.pages, float_net)
    again = np.resize(np.arange(len(pages.family)), plan.pages)
    whole = Pages(pages.features[again], *(getattr(pages, k)[again] for k in ("family", "sheet", "classes", "use")))
    fitting = seconds(lambda: fit_looks(whole, seed=0)) / 60 * (1 + plan.noise_rounds)
    print(f"fits of the pooling: {fitting:.1f} minutes")
    scores = corners(corpus)
    minutes += told(
        "noise attacked",
        plan.noise * plan.noise_rounds,
        given.noise,
        1,
        lambda n: with_noise(folded(looks()), pages, scores, n=n, seed=0),
    ).minutes
    began = time.monotonic()
    judge = reader(judge_of(quantised(plan, given.cache), "the integers", threads=1))
    integers = (time.monotonic() - began) / 60
    print(f"integers: {integers:.1f} minutes")
    minutes += told(
        "calibration pages judged", plan.calibration, given.pages, given.rounds, lambda n: reading(corpus, n, judge)
    ).minutes
    print(f"together: {minutes + fitting + integers:.0f} minutes, without fetching")


if __name__ == "__main__":
    main()
