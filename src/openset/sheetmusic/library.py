"""Library-like pages without music, for counting the judge's false alarms. Never trained on.

Pages are composed anew from texts, fonts, pictures and PDF documents that training does not draw (library_stock.py; the
test part of the fonts; the held-out part of the pictures), by a composer of its own, and aged by `degrade`. They are
streamed, 200 pages a chunk; a chunk depends on (seed, chunk) alone, so a run can stop, go on and be shared out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from . import fonts, library_pages, library_stock, library_things
from .degrade import degrade
from .library_pages import Kind, Leaf
from .library_type import Case, Draw, picture_draws
from .sample import Gray, Sample
from .typeset import chance

CHUNK = 200
KINDS: dict[str, tuple[Kind, float]] = {
    "flow": (library_pages.flow, 0.19),
    "columns": (library_pages.columns, 0.1),
    "title": (library_pages.title, 0.05),
    "table": (library_pages.table, 0.08),
    "ledger": (library_pages.ledger, 0.05),
    "plate": (library_pages.plate, 0.08),
    "index": (library_pages.index, 0.06),
    "verse": (library_pages.verse, 0.05),
    "cards": (library_things.cards, 0.04),
    "form": (library_things.form, 0.06),
    "letter": (library_things.letter, 0.06),
    "manuscript": (library_things.manuscript, 0.05),
    "chart": (library_things.chart, 0.02),
    "cover": (library_things.cover, 0.03),
    "spines": (library_things.spines, 0.02),
    "bookplate": (library_things.bookplate, 0.03),
    "blank": (library_things.blank, 0.03),
}
PDF_SHARE = 0.15
AGES = ("scan", "old", "clean", "fax", "photo", "inverted")
AGE_WEIGHTS = (0.42, 0.25, 0.13, 0.07, 0.08, 0.05)
_NAMES = tuple(KINDS)
_ODDS = np.array([share for _, share in KINDS.values()])
_ODDS = _ODDS / _ODDS.sum()


@dataclass(frozen=True)
class Stock:
    """What pages are made of: texts, picture draws and PDF documents; the fonts are those in use (fonts.use)."""

    texts: tuple[library_stock.Text, ...]
    draws: tuple[Draw, ...]
    documents: tuple[Path, ...]

    def case(self) -> Case:
        return Case(self.texts, self.draws, self.documents)


@cache
def stock(room: Path) -> Stock:
    """What is under the cache folder `room`; puts the test part of its fonts (or of the system's) in use."""
    every = fonts.read(fonts.walk(room / "fonts") or fonts.installed())
    fonts.use(fonts.split(every, "test") or every)
    draws = tuple(picture_draws(room / "assets"))
    return Stock(tuple(library_stock.texts(room)), draws, library_stock.pdfs(room))


def _blank(rng: np.random.Generator, case: Case) -> Leaf:
    long = int(rng.integers(1000, 1301))
    short = int(long / rng.uniform(1.2, 1.65))
    shape = (long, short) if rng.random() < 0.85 else (short, long)
    return Leaf(np.full(shape, 255, np.uint8), rng, case)


def compose(rng: np.random.Generator, case: Case) -> tuple[str, str, Gray]:
    """One clean page: its family, what tells it from all others where it is not composed anew, and its picture."""
    if case.documents and chance(rng, PDF_SHARE):
        source, image = case.document(rng)
        return "library_pdf", source, np.ascontiguousarray(image)
    name = _NAMES[int(rng.choice(len(_NAMES), p=_ODDS))]
    leaf = _blank(rng, case)
    KINDS[name][0](leaf)
    if name not in ("cover", "spines", "blank") and chance(rng, 0.08):
        other = Leaf(np.full(leaf.a.shape, 255, np.uint8), rng, case)
        (KINDS[name][0] if chance(rng, 0.5) else library_pages.flow)(other)
        return "library_spread", "", _spread(rng, leaf.a, other.a)
    if leaf.rng.random() < 0.3:
        _marks(leaf)
    return f"library_{name}", "", leaf.a


def _spread(rng: np.random.Generator, left: Gray, right: Gray) -> Gray:
    """Two pages side by side with the shadow of the gutter between them."""
    both = np.hstack([left, right])
    both = cv2.resize(both, None, fx=0.72, fy=0.72, interpolation=cv2.INTER_AREA)
    across = np.abs(np.arange(both.shape[1]) - both.shape[1] / 2)
    shadow = 1 - rng.uniform(0.1, 0.7) * np.exp(-across / rng.uniform(4, 40))
    return (both * shadow.astype(np.float32)).astype(np.uint8)


def _marks(leaf: Leaf) -> None:
    """What libraries add: stamps, shelf marks, bar codes, pencil lines, a ruler or tone steps beside the page."""
    rng = leaf.rng
    roll = rng.random()
    if roll < 0.35:
        centre, radius, ink = (leaf.at(60, leaf.w - 60), leaf.at(60, leaf.h - 60)), leaf.at(30, 90), leaf.at(0, 140)
        for k in range(leaf.at(1, 4)):
            axes = (max(4, radius - 6 * k), max(4, int((radius - 6 * k) * 0.65)))
            cv2.ellipse(leaf.a, centre, axes, 0, 0, 360, ink, leaf.at(1, 4), cv2.LINE_AA)
        small = leaf.case.galley(rng, "body", 13)
        for k in (-1, 0):
            leaf.line(small, centre[0] - radius * 0.7, centre[1] + k * small.line, radius * 1.4, "centre", 2)
    elif roll < 0.5:
        x, y, w = leaf.at(0, leaf.w - 180), leaf.at(0, leaf.h - 90), leaf.at(100, 170)
        leaf.a[y : y + 70, x : x + w] = 255
        at = x + 8
        while at < x + w - 10:
            thick = int(rng.integers(1, 5))
            leaf.bar(at, y + 6, thick, 44)
            at += thick + int(rng.integers(1, 5))
        leaf.line(leaf.case.galley(rng, "figures", 12), x, y + 52, w, "centre", 3)
    elif roll < 0.65:
        hand = leaf.case.galley(rng, "hand", 24)
        for _ in range(leaf.at(1, 5)):
            leaf.line(hand, leaf.at(0, leaf.w * 0.8), leaf.at(0, leaf.h * 0.95), 160, "left", 3)
        for _ in range(leaf.at(0, 12)):
            x, y = leaf.at(0, leaf.w * 0.8), leaf.at(0, leaf.h)
            cv2.line(leaf.a, (x, y), (x + leaf.at(20, 300), y + leaf.at(-4, 5)), leaf.at(60, 160), 1, cv2.LINE_AA)
    else:
        _target(leaf)


def _target(leaf: Leaf) -> None:
    """A ruler, gray steps and colour patches along one edge, on black or white."""
    rng = leaf.rng
    deep, ground = leaf.at(40, 90), int(rng.choice([0, 255]))
    view = leaf.a if chance(rng, 0.5) else leaf.a.T
    view[-deep:] = ground
    steps = leaf.at(6, 24)
    wide = leaf.at(16, 50)
    for k in range(steps):
        view[-deep + 6 : -deep // 2, 10 + k * wide : 10 + (k + 1) * wide - 2] = int(
            255 * k / steps if chance(rng, 0.5) else rng.integers(0, 256)
        )
    tick = leaf.at(5, 14)
    for k, at in enumerate(range(10, view.shape[1] - 10, tick)):
        long = deep // 2 - 6 if k % 10 == 0 else deep // 4
        view[-long:, at : at + 1 + (k % 10 == 0)] = 255 - ground


def film(rng: np.random.Generator, page: Gray) -> Gray:
    """A frame of microfilm: a negative with the edges of its neighbours and scratches along the film."""
    border = int(rng.integers(10, 80))
    out = cv2.copyMakeBorder(
        255 - page, border, border, border // 2, border // 2, cv2.BORDER_CONSTANT, value=int(rng.integers(0, 256))
    )
    for _ in range(int(rng.integers(0, 8))):
        x = int(rng.integers(0, out.shape[1]))
        out[:, x : x + int(rng.integers(1, 3))] = int(rng.integers(120, 256))
    return out


def keyed(rng: np.random.Generator, case: Case) -> tuple[str, Sample]:
    """One aged page and its source: "file#page" of a PDF document, "" for a composed page, which occurs once only."""
    case.turn(rng)
    family, source, clean = compose(rng, case)
    if chance(rng, 0.04):
        family, clean = "library_film", film(rng, clean)
    age = str(rng.choice(AGES, p=AGE_WEIGHTS))
    return source, degrade(Sample(clean, family, False), rng, kind=age)


def make(rng: np.random.Generator, case: Case) -> Sample:
    """One aged page: gray uint8, long side 1024, family "library_...", sheet False."""
    return keyed(rng, case)[1]


def chunk(room: Path, seed: int, number: int, count: int = CHUNK) -> Iterator[tuple[str, Sample]]:
    """The first `count` pages of a chunk with their sources; the same for the same (seed, number) and cache folder."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, number])
    case = stock(room).case()
    for _ in range(min(count, CHUNK)):
        yield keyed(rng, case)


def pages(room: Path, count: int, seed: int, *, first: int = 0) -> Iterator[Sample]:
    """`count` pages, one after another, from chunk `first` on; nothing is stored. `room` is the cache folder."""
    number = first
    while count > 0:
        for _, sample in chunk(room, seed, number, count):
            yield sample
        count, number = count - CHUNK, number + 1
