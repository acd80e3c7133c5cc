"""How long a judge file takes for a page: one thread, medians, several judge files in turns.

    python benchmarks/judge_speed.py sheet-music
    python benchmarks/judge_speed.py sheet-music other.onnx --runs 21

A page: gray noise and text-like lines with a long side of 1,000 pixels, decoded already; upright (1,000 x 707) and square. CPU time
of the process, which a busy machine disturbs less than the clock.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from openset import open_judge

SHAPES = {"upright, 1,000 x 707": (1000, 707), "square, 1,000 x 1,000": (1000, 1000)}


def page(shape: tuple[int, int]) -> np.ndarray:
    """uint8 [H, W, 3]: paper with lines of dark specks."""
    rng = np.random.default_rng(0)
    gray = rng.integers(215, 256, shape, np.uint8)
    lines = (np.arange(shape[0]) % 20 < 8)[:, None] & (rng.random(shape) < 0.3)
    return np.repeat(np.where(lines, 30, gray).astype(np.uint8)[..., None], 3, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("judges", nargs="+", help="judge files or shipped names")
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    judges = {name: open_judge(name, threads=1) for name in options.judges}
    for told, shape in SHAPES.items():
        picture = page(shape)
        taken: dict[str, list[float]] = {name: [] for name in judges}
        for _ in range(options.runs + 1):
            for name, judge in judges.items():
                began = time.process_time()
                judge(picture)
                taken[name].append(1000 * (time.process_time() - began))
        for name, times in taken.items():
            print(
                f"{name}, {told}: median {statistics.median(times[1:]):.0f} ms ({min(times[1:]):.0f} to {max(times):.0f})"
            )


if __name__ == "__main__":
    main()
