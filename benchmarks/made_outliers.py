"""Which scheme for a user without out-pictures: `openset train`, folders in, its own settings but for 15 epochs, 2,000 drawn pictures for "oe".

    python benchmarks/made_outliers.py --data runs/datasets
    python benchmarks/made_outliers.py --data runs/datasets --read --table docs/training.md

MNIST and Fashion-MNIST as folders of PNG files: 6,000 pictures to train on, 1,000 to stop by, 4,000 to measure on; seeds draw the weights and
the drawn pictures. Never seen in training: the other data set, crops of three photographs (those that are drawn from are
others), the paper's noise. A run is kept in --runs and made once; its training time is the CPU time of all threads.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import openset
from choosing_table import figure, fill
from openset import metrics
from openset._schedule import Scheme
from openset._words import markdown
from openset.data.noise import paper_noise
from openset.images import resize
from openset.reproduce.datasets import as_inputs, read
from openset.reproduce.material import photograph_files, seeded
from openset.runfile import write_atomic
from outside import OTHER, SIDE, photographs

PARTS = {"train": ("train", 0, 6_000), "val": ("train", 6_000, 7_000), "test": ("test", 0, 4_000)}
SCHEMES: tuple[Scheme, ...] = ("plain", "ceda", "acet-mended", "oe")
SEEN, SIZE, EPOCHS = 2_000, 32, 15  # pictures of an unseen set; side of the net's pictures; of every run


def folders(name: str, data: Path, place: Path) -> Path:
    """place/<name>/<part>/<class>/00000.png, written once."""
    home = place / name
    for part, (split, first, end) in PARTS.items():
        if (home / part).exists():
            continue
        x, y = read(name, split, data)
        scratch = home / f"{part}.part"
        for i, (image, label) in enumerate(zip(x[first:end], y[first:end], strict=True)):
            (scratch / str(label)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.reshape(SIDE, SIDE)).save(scratch / str(label) / f"{i:05d}.png")
        scratch.rename(home / part)
    return home


def measured(run: openset.Run, name: str, data: Path) -> dict[str, Any]:
    """Error and mean max confidence inside; AUROC and mean max confidence for each set never seen."""
    x, y = read(name, "test", data)
    first, end = PARTS["test"][1:]
    inside = as_inputs(x[first:end], (1, SIDE, SIDE))
    other = as_inputs(read(OTHER[name], "test", data)[0][:SEEN], (1, SIDE, SIDE))
    g = seeded("made outliers", name)
    sets = {
        OTHER[name]: other,
        "photographs": photographs(SEEN, photograph_files()[:3], np.random.default_rng(7)),
        "noise": paper_noise(inside[:SEEN], g, own_blurs=True),
    }

    def said(images: torch.Tensor) -> np.ndarray:
        colour = (255 * images).round().byte().expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
        pixels = torch.from_numpy(np.stack([resize(picture, run.model.preprocess) for picture in colour]))
        with torch.inference_mode():
            return torch.cat([run.model(part) for part in pixels.split(500)]).double().softmax(1).numpy()

    p = said(inside)
    told: dict[str, Any] = {"error": float((p.argmax(1) != y[first:end]).mean()), "mmc": metrics.mmc(p.max(1))}
    for kind, images in sets.items():
        sure = said(images).max(1)
        told[kind] = {"auroc": metrics.auroc(p.max(1), sure), "mmc": metrics.mmc(sure)}
    return told


def one(name: str, scheme: Scheme, seed: int, options: argparse.Namespace) -> None:
    """Trains and measures, unless that is done."""
    file = options.runs / f"{name}-{scheme}-{seed}.json"
    if file.exists():
        return
    print(file.stem, flush=True)
    home, place = folders(name, options.data, options.runs), options.runs / file.stem
    whole, began = not place.exists(), time.process_time()
    run = openset.train(
        home, scheme=scheme, size=SIZE, epochs=EPOCHS, seed=seed, threads=options.threads,
        output=place, resume=True, progress=False,
    )  # fmt: skip
    seconds = time.process_time() - began if whole else None  # of a run that was stopped and resumed nothing is told
    told = {"dataset": name, "scheme": scheme, "seed": seed, "seconds": seconds, **measured(run, name, options.data)}
    write_atomic(file, (json.dumps(told, indent=1) + "\n").encode())


def table(runs: Path) -> list[str]:
    """A row for each data set and scheme."""
    rows = []
    for name in OTHER:
        plain = seconds_of([json.loads(file.read_text()) for file in runs.glob(f"{name}-plain-?.json")])
        for scheme in SCHEMES:
            cells = [json.loads(file.read_text()) for file in sorted(runs.glob(f"{name}-{scheme}-?.json"))]
            if not cells:
                continue
            row = [name, scheme, str(len(cells)), figure([100 * cell["error"] for cell in cells], 2)]
            row.append(figure([cell["mmc"] for cell in cells]))
            for kind in (OTHER[name], "photographs", "noise"):
                row += [figure([cell[kind][what] for cell in cells]) for what in ("auroc", "mmc")]
            rows.append([*row, f"{seconds_of(cells) / plain:.1f}"])
    columns = ["data", "scheme", "seeds", "error, %", "MMC inside"]
    for kind in ("the other set", "photographs", "noise"):
        columns += [f"AUROC, {kind}", f"MMC, {kind}"]
    return markdown([*columns, "training"], rows)


def seconds_of(cells: list[dict[str, Any]]) -> float:
    """The median of what the runs took that were made in one go; NaN where none was."""
    known = [cell["seconds"] for cell in cells if cell["seconds"] is not None]
    return float(np.median(known)) if known else math.nan


def asked(about: str | None, runs: str, datasets: str) -> argparse.ArgumentParser:
    """The options of a benchmark of runs of `openset train`. runs, datasets: the defaults."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("runs/datasets"), help="with mnist/ and fashion-mnist/")
    parser.add_argument("--runs", type=Path, default=Path(runs), help="pictures and runs are kept here")
    parser.add_argument("--datasets", default=datasets, help="by commas")
    parser.add_argument("--seeds", default="0,1,2", help="by commas")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--read", action="store_true", help="only the table of what was measured")
    parser.add_argument("--table", type=Path, metavar="FILE", help="a page with the marks of this table")
    return parser


def main() -> None:
    parser = asked(__doc__, "runs/made-outliers", ",".join(OTHER))
    parser.add_argument("--schemes", default=",".join(SCHEMES), help="by commas")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for seed in [] if options.read else options.seeds.split(","):
        for name in options.datasets.split(","):
            for scheme in options.schemes.split(","):
                one(name, scheme, int(seed), options)
    text = "\n".join(table(options.runs))
    print(text)
    if options.table:
        fill(options.table, "made-outliers", text)


if __name__ == "__main__":
    main()
