"""Cold-start times of the command line: medians of fresh processes, for `openset --help` and `openset predict`.

    python benchmarks/cold_start.py [JUDGE [PICTURE]] [--runs 9]

JUDGE: a judge file or a shipped name (default sheet-music). PICTURE: any picture (default: a page made here). The
files are warm in the disk's cache after the first, discarded run. Goals: 0.3 s and 1 s, without torch installed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

CLI = (sys.executable, "-c", "from openset.cli import main; main()")


def seconds(arguments: Sequence[str], runs: int) -> list[float]:
    """Wall-clock seconds of `runs` fresh processes, after one that is not counted. Exits if one of them fails."""
    taken = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        done = subprocess.run([*CLI, *arguments], capture_output=True, text=True)
        taken.append(time.perf_counter() - start)
        if "Traceback" in done.stderr or done.returncode == 2:
            sys.exit(f"openset {' '.join(arguments)} failed ({done.returncode}):\n{done.stderr}")
    return taken[1:]


def page(path: Path) -> None:
    """A gray gradient of 1,000 x 1,400 pixels as JPEG."""
    from PIL import Image

    Image.linear_gradient("L").resize((1000, 1400)).save(path, quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("judge", nargs="?", default="sheet-music")
    parser.add_argument("picture", nargs="?")
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        picture = Path(args.picture or Path(room) / "page.jpg")
        if args.picture is None:
            page(picture)
        rows = {
            "python -c pass": None,
            "openset --help": ["--help"],
            "openset predict": ["predict", args.judge, str(picture)],
        }
        print(
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, {args.runs} runs"
        )
        for name, arguments in rows.items():
            taken = bare(args.runs) if arguments is None else seconds(arguments, args.runs)
            print(f"{name:16}  median {statistics.median(taken):.3f} s  ({min(taken):.3f} to {max(taken):.3f})")


def bare(runs: int) -> list[float]:
    """Seconds of a Python that does nothing: the floor under all the others."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        taken.append(time.perf_counter() - start)
    return taken


if __name__ == "__main__":
    main()
