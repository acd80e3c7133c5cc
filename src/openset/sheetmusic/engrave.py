"""Clean pages of sheet music with exact boxes: real scores and random ones, engraved by Verovio in endless layouts.

A layout is drawn at random (five music fonts, page, spacing, line widths, lyrics, parts, key), Verovio gives one page
of SVG, its own numbers give staves and noteheads, and resvg draws the part of the page that the variant shows.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import DataError
from .boxes import Page, Staff, read_page
from .edits import LONGEST, excerpt, varied
from .invent import mensural, modern
from .layout import SPACE, draw, options
from .paste import annotate, book
from .press import FONTS, RefusedError, engrave
from .sample import Gray, Sample
from .scores import ScoreFile, convert, read_score

Window = tuple[float, float, float, float]
FAMILIES = {
    "verovio": 0.3,
    "verovio-crop": 0.24,
    "verovio-book": 0.1,
    "random-score": 0.22,
    "random-crop": 0.1,
    "mensural": 0.04,
}
TRIES = 12


@dataclass(frozen=True)
class Sheet:
    """One engraved page before it is drawn."""

    svg: str
    page: Page


def make(rng: np.random.Generator, scores: Sequence[ScoreFile]) -> Sample:
    """One clean picture of sheet music with its boxes; the same `rng` state and scores give the same picture, whatever was
    drawn before.

    Raises DataError when `scores` is empty or a dozen of them in a row cannot be engraved.
    """
    if not scores:
        raise DataError("no scores to engrave; see scores.find_scores")
    shares = np.array(list(FAMILIES.values()))
    family = str(rng.choice(list(FAMILIES), p=shares / shares.sum()))
    for _ in range(TRIES):
        sample = _one(rng, family, scores)
        if sample is not None and len(sample.staves):
            return sample
    raise DataError(f"none of {TRIES} scores in a row gave a page with notes; see scores.check")


def _one(rng: np.random.Generator, family: str, scores: Sequence[ScoreFile]) -> Sample | None:
    if family == "verovio-book":
        return in_book(rng, scores)
    if family.startswith("verovio"):
        sheet = real_sheet(rng, scores)
    else:
        sheet = invented_sheet(rng, mensural(rng) if family == "mensural" else modern(rng))
    if sheet is None:
        return None
    return crop(rng, sheet, family) if family.endswith("crop") else whole(rng, sheet, family)


def real_sheet(rng: np.random.Generator, scores: Sequence[ScoreFile]) -> Sheet | None:
    """A page of a random score, or None when it cannot be engraved."""
    score = pick(rng, scores)
    font = str(rng.choice(FONTS))
    space = float(np.exp(rng.uniform(np.log(4.5 if score.kind == "abc" else 3.0), np.log(14.0))))
    settings = options(rng, font, space)
    edits, page = int(rng.integers(2**63)), float(rng.random())
    try:
        svg = _engraved(score, settings, page, edits)
        return Sheet(svg, read_page(svg, font))
    except DataError:
        return None


def invented_sheet(rng: np.random.Generator, mei: str) -> Sheet | None:
    """A page of a piece made up just now; None when Verovio gives no page."""
    font = str(rng.choice(FONTS))
    try:
        svg = engrave(
            mei, options(rng, font, float(np.exp(rng.uniform(np.log(4.0), np.log(14.0))))), float(rng.random())
        )
        return Sheet(svg, read_page(svg, font))
    except DataError:
        return None


def load(score: ScoreFile) -> Sheet:
    """The first page of a score in a plain layout. Raises DataError with the reason; `scores.check` counts with it."""
    return Sheet(svg := _engraved(score, {"font": FONTS[0]}, 0.0, None), read_page(svg, FONTS[0]))


def _engraved(score: ScoreFile, settings: dict[str, Any], page: float, edits: int | None) -> str:
    """A page of the score; through music21's parser where Verovio refuses it as edited. `edits`: seed of `varied`."""

    def edited(text: str, kind: str) -> str:
        return excerpt(text, 0.0) if edits is None else varied(np.random.default_rng(edits), text, kind)

    try:
        return engrave(edited(_text(score), score.kind), settings, page)
    except RefusedError:
        return engrave(edited(_converted(score), "musicxml"), settings, page)


def pick(rng: np.random.Generator, scores: Sequence[ScoreFile]) -> ScoreFile:
    """A score, corpus folders weighted by the square root of their size so that no folder drowns the others."""
    groups = _groups(tuple(scores))
    weights = np.sqrt([len(group) for group in groups])
    group = groups[int(rng.choice(len(groups), p=weights / weights.sum()))]
    return group[int(rng.integers(len(group)))]


@functools.lru_cache(maxsize=8)
def _groups(scores: tuple[ScoreFile, ...]) -> tuple[tuple[ScoreFile, ...], ...]:
    groups: dict[str, list[ScoreFile]] = {}
    for score in scores:
        groups.setdefault(score.group, []).append(score)
    return tuple(tuple(group) for _, group in sorted(groups.items()))


@functools.lru_cache(maxsize=512)
def _text(score: ScoreFile) -> str:
    return read_score(score)


@functools.lru_cache(maxsize=64)
def _converted(score: ScoreFile) -> str:
    if len(_text(score)) > 4 * LONGEST:
        raise DataError("Verovio cannot load this score, and music21 would take minutes to convert it")
    return convert(score)


def whole(rng: np.random.Generator, sheet: Sheet, family: str) -> Sample | None:
    """The page as a page, cut below the music when it is short; long side 900 to 1400 pixels."""
    page = sheet.page
    height = page.height
    if page.ink[3] < 0.7 * height and rng.random() < 0.7:
        height = min(height, page.ink[3] + SPACE * rng.uniform(4, 14))
    sample = view(rng, sheet, (0.0, 0.0, page.width, height), rng.uniform(900, 1400), family)
    if sample is not None and rng.random() < 0.3:
        return replace(sample, image=annotate(rng, sample.image))
    return sample


def crop(rng: np.random.Generator, sheet: Sheet, family: str) -> Sample | None:
    """One or a few systems as a strip, or a few measures close up."""
    systems = _systems(sheet.page)
    if not systems:
        return None
    first = int(rng.integers(len(systems)))
    count = int(rng.choice([1, 1, 1, 2, 3]))
    block = [staff for group in systems[first : first + count] for staff in group]
    window = around(rng, sheet.page, block)
    if rng.random() < 0.4:
        window = _measures(rng, window, block)
    space = np.median([staff.space for staff in block])
    longest = max(window[2] - window[0], window[3] - window[1])
    pixels = np.exp(rng.uniform(np.log(5.0), np.log(26.0))) * longest / space
    return view(rng, sheet, window, float(np.clip(pixels, 220, 1400)), family)


def in_book(rng: np.random.Generator, scores: Sequence[ScoreFile]) -> Sample | None:
    """One to five systems, of one to three scores, set into a page of text (or of little text: a tune book)."""
    long = int(rng.uniform(900, 1400))
    short = int(long * rng.uniform(0.6, 0.85))
    shape = (long, short) if rng.random() < 0.85 else (short, long)
    margins = int(rng.uniform(0.05, 0.14) * shape[1]), int(rng.uniform(0.05, 0.12) * shape[0])
    pieces: list[Sample] = []
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        sheet = real_sheet(rng, scores) if rng.random() < 0.75 else invented_sheet(rng, modern(rng))
        if sheet is not None:
            pieces += _pieces(rng, sheet, shape[1] - 2 * margins[0], int(rng.integers(1, 4)))
    return book(rng, pieces, shape, margins) if pieces else None


def _pieces(rng: np.random.Generator, sheet: Sheet, column: int, most: int) -> list[Sample]:
    """Up to `most` systems of the sheet, each at most `column` pixels wide, a staff space 3 pixels or more."""
    systems, pieces = _systems(sheet.page), []
    for i in sorted(rng.permutation(len(systems))[:most]):
        window = around(rng, sheet.page, systems[i])
        wide = float(rng.uniform(3.2, 9.0)) * (window[2] - window[0]) / SPACE
        if wide > column:
            window = _measures(rng, window, systems[i])
            wide = min(float(column), max(3.2 * (window[2] - window[0]) / SPACE, rng.uniform(0.5, 1) * column))
        tall = wide * (window[3] - window[1]) / (window[2] - window[0])
        piece = view(rng, sheet, window, max(wide, tall), "verovio-book")
        if piece is not None and piece.image.shape[1] <= column:
            pieces.append(piece)
    return pieces


def view(rng: np.random.Generator, sheet: Sheet, window: Window, longest: float, family: str) -> Sample | None:
    """The window drawn with its long side at `longest` pixels, and the boxes that lie in it; None without a staff."""
    width, height = window[2] - window[0], window[3] - window[1]
    if width < 100 or height < 100:
        return None
    factor = longest / max(width, height)
    shape = max(24, round(height * factor)), max(24, round(width * factor))
    staves, notes = boxes_in(sheet.page.staves, window, shape)
    if not len(staves):
        return None
    return Sample(draw(rng, sheet.svg, window, shape), family, True, notes, staves)


def boxes_in(
    staves: Sequence[Staff], window: Window, shape: tuple[int, int]
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """(staves [M, 4, 2], notes [N, 2]) in pixels of a picture of `shape` (height, width) that shows `window`.

    A staff counts when all its five lines lie in the window and at least one of its notes does; its ends are clipped.
    """
    left, top, right, bottom = window
    kept: list[list[tuple[float, float]]] = []
    heads: list[tuple[float, float]] = []
    for staff in staves:
        x0, x1 = max(staff.left, left), min(staff.right, right)
        inside = [(x, y) for x, y in staff.notes if left < x < right and top < y < bottom]
        if staff.top > top and staff.bottom < bottom and inside and x1 - x0 > 2 * staff.space:
            kept.append([(x0, staff.top), (x1, staff.top), (x1, staff.bottom), (x0, staff.bottom)])
            heads += inside
    scale = np.array([shape[1] / (right - left), shape[0] / (bottom - top)])
    offset = np.array([left, top])
    return (
        ((np.array(kept).reshape(-1, 4, 2) - offset) * scale).astype(np.float32),
        ((np.array(heads).reshape(-1, 2) - offset) * scale).astype(np.float32),
    )


def _systems(page: Page) -> list[list[Staff]]:
    groups: dict[int, list[Staff]] = {}
    for staff in page.staves:
        groups.setdefault(staff.system, []).append(staff)
    return [group for _, group in sorted(groups.items()) if any(staff.notes for staff in group)]


def around(rng: np.random.Generator, page: Page, block: Sequence[Staff]) -> Window:
    """A window around the staves: it ends half-way to their neighbours, or a few staff spaces beyond."""
    space = block[0].space
    top, bottom = min(s.top for s in block), max(s.bottom for s in block)
    above = max((s.bottom for s in page.staves if s.bottom < top), default=top - 24 * space)
    below = min((s.top for s in page.staves if s.top > bottom), default=bottom + 24 * space)
    up, down = rng.uniform(0.5, 12, 2) * space
    left, right = min(s.left for s in block), max(s.right for s in block)
    return (
        max(0.0, left - rng.uniform(0.3, 12) * space),
        max(0.0, top - min(up, (top - above) * 0.7)),
        min(page.width, right + rng.uniform(0.3, 8) * space),
        min(page.height, bottom + min(down, (below - bottom) * 0.7)),
    )


def _measures(rng: np.random.Generator, window: Window, block: Sequence[Staff]) -> Window:
    """The same window, narrowed to a few measures or to any cut."""
    bars = sorted({x for staff in block for x in staff.bars})
    left, top, right, bottom = window
    if len(bars) > 2 and rng.random() < 0.7:
        first = int(rng.integers(len(bars) - 1))
        last = min(len(bars) - 1, first + int(rng.integers(1, 4)))
        slack = rng.uniform(-1, 2, 2) * block[0].space
        return max(left, bars[first] - slack[0]), top, min(right, bars[last] + slack[1]), bottom
    width = min(right - left, rng.uniform(12, 60) * block[0].space)
    start = rng.uniform(left, right - width)
    return start, top, start + width, bottom


__all__ = ["FAMILIES", "Gray", "Sheet", "make"]
