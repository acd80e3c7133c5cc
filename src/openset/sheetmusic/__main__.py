"""`python -m openset.sheetmusic`: rebuild the shipped judge; resumable; hours on two cores."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from .build import SHIPPED, STAGES, Plan, build_judge


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m openset.sheetmusic", description=__doc__.split("\n")[0] if __doc__ else ""
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("runs/sheet-music"), help="data, weights and results go here"
    )
    parser.add_argument("--target", type=Path, default=SHIPPED, help="the judge file to write")
    parser.add_argument("--workers", type=int, default=2, help="processes that make pictures")
    parser.add_argument("--tiny", action="store_true", help="a few pictures and steps: to see that every stage runs")
    args = parser.parse_args()
    tiny = Plan(
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
    plan = tiny if args.tiny else Plan()
    build_judge(args.cache, plan, lambda line: print(line, flush=True), args.workers, args.target)


if __name__ == "__main__":
    main()
