"""`python -m openset.sheetmusic`: rebuild the shipped judge; resumable; hours on two cores."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .build import SHIPPED, build_judge
from .plan import STAGES, Plan

TINY = Plan(
    train=120,
    test=60,
    unseen=30,
    real=20,
    calibration=80,
    more=20,
    hard=20,
    pages=60,
    noise=2,
    noise_rounds=1,
    stages=tuple(replace(stage, steps=4) for stage in STAGES),
    precision=0.5,
    prevalence=0.5,
)


def asked(arguments: Sequence[str] | None = None) -> tuple[Path, Plan, int, Path]:
    """The cache, the plan, the number of processes and the judge file to write. A trial leaves the shipped ones alone."""
    parser = argparse.ArgumentParser(
        prog="python -m openset.sheetmusic", description=__doc__.split("\n")[0] if __doc__ else ""
    )
    parser.add_argument("--cache", type=Path, help="data, weights and results go here; runs/sheet-music if not given")
    parser.add_argument("--target", type=Path, help="the judge file to write; the one in the package if not given")
    parser.add_argument("--workers", type=int, default=2, help="processes that make pictures")
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="a few pictures and steps: to see that every stage runs; into runs/sheet-music-tiny, the judge file too",
    )
    args = parser.parse_args(arguments)
    if args.tiny:
        cache = args.cache or Path("runs/sheet-music-tiny")
        return cache, TINY, args.workers, args.target or cache / "sheet-music.onnx"
    return args.cache or Path("runs/sheet-music"), Plan(), args.workers, args.target or SHIPPED


def main() -> None:
    cache, plan, workers, target = asked()
    build_judge(cache, plan, lambda line: print(line, flush=True), workers, target)


if __name__ == "__main__":
    main()
