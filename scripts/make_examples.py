"""Make src/openset/examples: the pictures that `openset demo` judges, each from a fixed seed. `python scripts/make_examples.py`

Scores are engraved from music21 pieces of the split that is never trained on; everything else is drawn by
openset.sheetmusic. The two photographs are scikit-image's own (CC0). Needs openset[sheetmusic]; the handwriting fonts
come from Debian packages where apt can fetch them, else the installed ones are used and the pictures differ.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openset.sheetmusic import documents, engrave, fonts, handdrawn, lines, scores
from openset.sheetmusic.degrade import degrade
from openset.sheetmusic.sample import Sample

TARGET = Path(__file__).parents[1] / "src" / "openset" / "examples"
PACKAGES = ("fonts-breip", "fonts-femkeklaver", "fonts-kristi", "fonts-dejavu-core", "fonts-liberation")
SIDE = 1000
Rng = np.random.Generator
Picture = NDArray[np.uint8]


def score(rng: Rng, family: str, kind: str) -> Picture:
    """A page of the test pieces as it looks clean, photographed, or in an old print."""
    pieces = scores.find_scores("test")
    while True:
        sample = engrave._one(rng, family, pieces)
        if sample is not None and len(sample.notes) > 60:
            return degrade(sample, rng, kind=kind).image


def drawn(rng: Rng) -> Picture:
    """A page of music written by hand, scanned."""
    return degrade(handdrawn.make(rng), rng, kind="scan").image


def other(rng: Rng, draw: Callable[[Rng], Picture], kind: str) -> Picture:
    """A page that is no sheet music; kind "" leaves it as drawn, in its colours."""
    image = draw(rng)
    return image if not kind else degrade(Sample(image, "other", False), rng, kind=kind).image


def photograph(name: str) -> Picture:
    from skimage import data

    return np.asarray(getattr(data, name)())


def noise(rng: Rng) -> Picture:
    return rng.integers(0, 256, (160, 160), np.uint8)


def recipes() -> Iterator[tuple[str, Callable[[], Picture]]]:
    """(file name, how its picture is made), in the order of the demo's table."""
    page, line = documents.DOCUMENTS, lines.LINES
    yield "score-engraved.png", lambda: score(np.random.default_rng(3), "verovio", "clean")
    yield "score-photographed.jpg", lambda: score(np.random.default_rng(5), "verovio", "photo")
    yield "score-old-print.jpg", lambda: score(np.random.default_rng(7), "verovio", "old")
    yield "score-drawn-by-hand.jpg", lambda: drawn(np.random.default_rng(2))
    yield "notes-on-ruled-paper.jpg", lambda: other(np.random.default_rng(4), page["ruled_notes"], "photo")
    yield "graph-paper-notes.jpg", lambda: other(np.random.default_rng(6), page["graph_notes"], "scan")
    yield "empty-staves.jpg", lambda: other(np.random.default_rng(1), line["empty_staves"], "scan")
    yield "guitar-tablature.png", lambda: other(np.random.default_rng(2), line["guitar_tab"], "")
    yield "table.png", lambda: other(np.random.default_rng(3), page["table"], "")
    yield "line-chart.png", lambda: other(np.random.default_rng(4), page["line_chart"], "")
    yield "text-page.jpg", lambda: other(np.random.default_rng(5), page["prose_page"], "scan")
    yield "photograph-cat.jpg", lambda: photograph("chelsea")
    yield "photograph-coffee.jpg", lambda: photograph("coffee")
    yield "noise.png", lambda: noise(np.random.default_rng(0))


def encoded(picture: Picture, suffix: str) -> bytes:
    """At most SIDE pixels, as a small JPEG, or as a PNG of 16 grays or 64 colours."""
    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    if suffix == ".jpg":
        image.save(content, "JPEG", quality=60, optimize=True)
    else:
        few = image.quantize(64 if image.mode == "RGB" else 16) if min(image.size) > 200 else image
        few.save(content, "PNG", optimize=True)
    return content.getvalue()


def main(target: Path = TARGET) -> None:
    """Write every example and say how large they are together."""
    cache = Path(__file__).parents[1] / "build" / "fonts"
    fonts.use(fonts.read(fonts.fetch_fonts(cache, PACKAGES) or fonts.installed()))
    target.mkdir(parents=True, exist_ok=True)
    total = 0
    for name, make in recipes():
        content = encoded(make(), Path(name).suffix)
        (target / name).write_bytes(content)
        total += len(content)
        print(f"{name:28} {len(content) / 1000:7.1f} kB", flush=True)
        if name == "score-photographed.jpg":  # the file that broke off while it was copied
            (target / "truncated.jpg").write_bytes(content[:3000])
    print(f"{total / 1e6:.2f} MB in all")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
