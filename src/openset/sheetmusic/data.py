"""The first stage of a build: packages of fonts and pictures, fetched once, and the corpora drawn from them."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import cast

from .._words import counted
from . import assets, fonts
from .corpus import build, recorded
from .plan import Plan
from .readings import EVERYTHING, Say
from .recipe import PARTS, loader

NEEDED, LATER, MEASURED = EVERYTHING, ("calibration",), ("test", "unseen")


def missing(cache: Path) -> list[str]:
    """The packages of fonts and pictures that are not in the cache."""
    wanted = {name: cache / "fonts" / name for name in fonts.PACKAGES}
    wanted |= {name: cache / "assets" / kind / name for name, kind in assets.PACKAGES.items()}
    return [name for name, folder in wanted.items() if not folder.is_dir()]


def fetch(cache: Path, say: Say) -> list[str]:
    """Fetch the packages that are missing, and return what is missing still. What pictures have been made without is not asked for
    again: all are made from the same packages."""
    before = [found for part in PARTS if (found := recorded(cache / "corpus" / part))]
    given_up = {name for found in before for name in cast(list[str], found.get("without", []))}
    wanted = [name for name in missing(cache) if name not in given_up]
    if wanted:
        began = time.monotonic()
        say("fetching fonts")
        fonts.fetch_fonts(cache / "fonts", [name for name in fonts.PACKAGES if name in wanted])
        say("fetching pictures")
        assets.fetch(cache, say, {name: kind for name, kind in assets.PACKAGES.items() if name in wanted})
        say(f"fetched in {(time.monotonic() - began) / 60:.1f} minutes")
    left = missing(cache)
    if left:
        remedy = f"; to ask for them again remove {cache / 'corpus'}" if before else ""
        say(f"goes on without {counted(len(left), 'package')} of fonts and pictures{remedy}: {', '.join(left)}")
    return left


def make_data(cache: Path, plan: Plan, say: Say, workers: int, parts: tuple[str, ...] = NEEDED) -> None:
    """Assets (fonts, pictures) and the corpora, one of each part. NEEDED by the trainings; LATER is made beside them; MEASURED is what the card measures on.
    Raises DataError where a corpus is there that was made from something else."""
    left = fetch(cache, say)
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

        about = {"part": part, "recipe": asdict(PARTS[part]), "without": left}
        folder, made = cache / "corpus" / part, loader(part, cache)
        build(folder, count, plan.seed + k, made, workers=workers, progress=progress, about=about)
