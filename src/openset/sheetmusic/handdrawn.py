"""Music as people write it: wobbly or ruled staves, blobs for noteheads, leaning stems, scrawled clefs; pen or pencil.

Everything is strokes and blobs drawn at two to four times the size with Pillow and averaged down. None of it is an
engraver's glyph, so a judge cannot win by knowing the fonts. Lengths inside are in staff spaces unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from . import fonts
from .sample import Sample
from .words import phrase, words

Curve = NDArray[np.float64]  # [N, 2], x right and y down
_At = Callable[[float, float], float]  # (x, step) -> y

TREBLE = np.array([
    (0.1, 0.6), (0.5, 0.1), (0.6, -0.6), (0.0, -0.9), (-0.6, -0.4), (-0.5, 0.5), (0.2, 1.0), (0.9, 0.5), (0.7, -0.6),
    (-0.2, -2.0), (-0.1, -3.6), (0.4, -4.0), (0.6, -3.2), (0.1, -1.6), (0.3, 1.0), (0.4, 2.6), (0.0, 3.1), (-0.5, 2.7),
])  # fmt: skip
BASS = np.array([(-0.6, 0.0), (-0.5, -0.5), (0.0, -1.0), (0.6, -0.8), (0.9, 0.0), (0.7, 0.9), (0.0, 1.8), (-0.7, 2.3)])
REST = np.array([(-0.3, -1.4), (0.3, -0.6), (-0.2, -0.1), (0.4, 0.7), (-0.3, 0.5), (-0.1, 1.2)])
HOOK = np.array([(0.0, 0.0), (0.15, 0.5), (0.7, 1.0), (0.75, 1.7), (0.5, 2.2)])


@dataclass(frozen=True)
class Hand:
    """One writer with one pen. Widths in staff spaces, inks in gray levels."""

    pen: float
    line: float
    ink: int
    rule: int
    wobble: float
    ruled: bool
    lean: float
    blob: tuple[float, float]
    sloppy: float
    scribbled: bool


def _hand(rng: np.random.Generator) -> Hand:
    pencil, ruled = rng.random() < 0.35, bool(rng.random() < 0.5)
    ink = int(rng.integers(60, 135)) if pencil else int(rng.integers(0, 55))
    return Hand(
        pen=float(rng.uniform(0.1, 0.26)),
        line=float(rng.uniform(0.07, 0.2)),
        ink=ink,
        rule=int(rng.integers(0, 150)) if ruled else min(150, ink + int(rng.integers(0, 40))),
        wobble=float(rng.uniform(0.02, 0.12)),
        ruled=ruled,
        lean=float(rng.normal(0, 0.08)),
        blob=(float(rng.uniform(0.42, 0.75)), float(rng.uniform(0.3, 0.52))),
        sloppy=float(rng.uniform(0.02, 0.2)),
        scribbled=bool(rng.random() < 0.2),
    )


def smooth(rng: np.random.Generator, xs: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """A smooth random function of x with values of about `scale`; its waves are `xs`' range / 1 to 9 long."""
    span = max(1e-6, float(np.ptp(xs)))
    waves = np.arange(1, 10)
    size = rng.normal(0, 1, 9) / waves**0.8
    phase = rng.uniform(0, 2 * np.pi, 9)
    return scale * 0.5 * (size[:, None] * np.sin(2 * np.pi * waves[:, None] * xs[None] / span + phase[:, None])).sum(0)


def through(points: Sequence[tuple[float, float]] | Curve, per: int = 6) -> Curve:
    """A Catmull-Rom curve through the points, `per` steps between two."""
    p = np.asarray(points, float)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, per, endpoint=False)[:, None, None]
    a, b, c, d = (p[i : len(p) - 3 + i][None] for i in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([curve.transpose(1, 0, 2).reshape(-1, 2), p[-2:-1]])


@dataclass
class _Desk:
    """A page, the hand that writes on it, and what was written so far."""

    rng: np.random.Generator
    hand: Hand
    image: Image.Image
    pen: ImageDraw.ImageDraw
    space: float  # pixels of the finished page
    over: int  # drawn at this multiple of the size
    font: fonts.Font | None  # None: this machine has none, and no words are written
    notes: list[tuple[float, float]] = field(default_factory=list)
    staves: list[Curve] = field(default_factory=list)

    def stroke(
        self, points: Sequence[tuple[float, float]] | Curve, width: float, ink: int | None = None, swell: float = 0.25
    ) -> None:
        """A line through points in pixels, its width (staff spaces) swelling on the way."""
        shade = self.hand.ink if ink is None else ink
        spots = [(float(x) * self.over, float(y) * self.over) for x, y in points]
        base = width * self.space * self.over
        cuts = max(1, len(spots) // 8 if swell else 1)
        for part in np.array_split(np.arange(len(spots)), cuts):
            stop = min(len(spots), int(part[-1]) + 2)
            wide = max(1, round(base * float(self.rng.uniform(1 - swell, 1 + swell))))
            self.pen.line(spots[int(part[0]) : stop], fill=shade, width=wide, joint="curve")

    def mark(self, shape: Curve, x: float, y: float, size: float = 1.0, width: float | None = None) -> None:
        """A shape in staff spaces as a stroke around (x, y) in pixels, shaken by the hand."""
        shaken = shape + self.rng.normal(0, self.hand.sloppy * 0.4, shape.shape)
        self.stroke(through(shaken) * self.space * size + (x, y), self.hand.pen if width is None else width)

    def blob(self, x: float, y: float, open_: bool) -> None:
        """A notehead: a lumpy tilted ellipse, filled, scribbled or open."""
        angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        rx, ry = self.hand.blob if not open_ else (max(self.hand.blob[0], 0.55), max(self.hand.blob[1], 0.4))
        radius = 1 + self.rng.normal(0, self.hand.sloppy * 0.6, 14)
        tilt = self.rng.normal(-0.35, 0.15)
        u, v = rx * radius * np.cos(angles), ry * radius * np.sin(angles)
        c, s = np.cos(tilt), np.sin(tilt)
        ring = np.stack([u * c - v * s, u * s + v * c], 1) * self.space + (x, y)
        ring = np.concatenate([ring, ring[:1]])
        if open_ or self.hand.scribbled:
            self.stroke(ring, self.hand.pen)
        if not open_ and self.hand.scribbled:
            self.stroke(ring[[1, 9, 3, 11, 5, 12, 7, 13]], self.hand.pen * 1.3)
        elif not open_:
            self.pen.polygon([(float(a) * self.over, float(b) * self.over) for a, b in ring], fill=self.hand.ink)

    def text(self, x: float, y: float, words_: str, size: float) -> None:
        font = self.font
        if font is not None:
            spot = (x * self.over, y * self.over)
            self.pen.text(spot, words_, font=fonts.sized(font, size * self.over), fill=self.hand.ink)


def make(rng: np.random.Generator) -> Sample:
    """A page, a strip or a single staff of hand-written music; the same `rng` state and fonts give the same picture."""
    long, hand = float(rng.uniform(500, 1400)), _hand(rng)
    space = max(3.6, float(np.exp(rng.uniform(np.log(4.5), np.log(15.0)))) * long / 1024)
    over = int(np.clip(2600 / long, 2, 4))
    layout = rng.choice(["page", "strip", "landscape"], p=[0.55, 0.25, 0.2])
    if layout == "strip":
        space *= float(rng.uniform(1.0, 2.2))
    width = long * rng.uniform(0.65, 0.85) if layout == "page" else long
    distance = space * rng.uniform(8, 16)
    height = long if layout == "page" else long * rng.uniform(0.6, 0.8)
    top = rng.uniform(3, 12) * space
    room = int((height - top - 4 * space) // distance)
    count = int(rng.integers(1, 4)) if layout == "strip" else int(rng.integers(1, max(2, room + 1)))
    if layout == "strip" or rng.random() < 0.2:
        height = top + distance * (count - 1) + rng.uniform(7, 12) * space
    size = round(width), max(32, round(height))
    image = Image.new("L", (size[0] * over, size[1] * over), 255)
    font = fonts.choose(rng, "latin", "hand") or fonts.choose(rng)
    desk = _Desk(rng, hand, image, ImageDraw.Draw(image), space, over, font)
    left, right = rng.uniform(0.02, 0.12, 2) * width
    filled = np.ones(count, bool) if rng.random() < 0.7 else rng.random(count) < 0.7
    filled[int(rng.integers(count))] = True
    lyrics, grand = rng.random() < 0.25 and distance > 9.5 * space, bool(rng.random() < 0.25)
    for i in range(count):
        _staff(desk, left, width - right, top + i * distance, bool(filled[i]), bool(lyrics))
    if grand and count > 1:
        desk.stroke([(left, top), (left, top + (count - 1) * distance + 4 * space)], hand.pen)
    if top > 6 * space and rng.random() < 0.6:
        desk.text(width * rng.uniform(0.1, 0.5), space * 0.6, phrase(rng, 1, 4), space * rng.uniform(1.8, 3.0))
    return Sample(
        np.asarray(image.reduce(over)),
        "handdrawn",
        True,
        np.array(desk.notes, np.float32).reshape(-1, 2),
        np.array(desk.staves, np.float32).reshape(-1, 4, 2),
    )


def _staff(desk: _Desk, left: float, right: float, top: float, filled: bool, lyrics: bool) -> None:
    """One staff; recorded only when at least one note is written on it."""
    rng, hand, space = desk.rng, desk.hand, desk.space
    xs = np.linspace(left, right, max(12, int((right - left) / (3 * space))))
    slope = 0.0 if hand.ruled else float(rng.normal(0, 0.006))
    shared = slope * (xs - left) + (0 if hand.ruled else smooth(rng, xs, hand.wobble * 3 * space))
    lines = [top + j * space + shared for j in range(5)]
    if not hand.ruled:
        lines = [y + smooth(rng, xs, hand.wobble * space) + rng.normal(0, 0.05) * space for y in lines]
    for line in lines:
        ends = (0, len(xs)) if hand.ruled else (int(rng.integers(0, 2)), len(xs) - int(rng.integers(0, 2)))
        desk.stroke(np.stack([xs, line], 1)[ends[0] : ends[1]], hand.line, hand.rule, 0.0 if hand.ruled else 0.2)
    if not filled:
        return
    heads = len(desk.notes)
    _music(desk, xs, np.stack(lines), lyrics)
    if len(desk.notes) > heads:
        a, b = (np.array([[xs[k], lines[0][k]], [xs[k], lines[4][k]]]) for k in (0, -1))
        desk.staves.append(np.stack([a[0], b[0], b[1], a[1]]))


def _music(desk: _Desk, xs: NDArray[np.float64], lines: NDArray[np.float64], lyrics: bool) -> None:
    """Clef, signature, then groups of notes, rests and bar lines until the staff's end."""
    rng, space = desk.rng, desk.space

    def at(x: float, step: float) -> float:
        """y at x of a step: 0 the middle line, 2 a line higher; beyond the staff on ledger lines."""
        middle, gap = np.interp(x, xs, lines[2]), np.interp(x, xs, lines[4] - lines[0]) / 4
        return float(middle - step * gap / 2)

    x, end = float(xs[0]) + rng.uniform(1, 2) * space, float(xs[-1]) - 1.5 * space
    if rng.random() < 0.9:
        x = _clef(desk, x, at(x, 0))
    for _ in range(int(rng.choice([0, 0, 1, 2, 3, 4]))):
        _accidental(desk, x, at(x, int(rng.integers(-3, 5))), bool(rng.random() < 0.5))
        x += 0.9 * space
    if rng.random() < 0.5:
        for step in (4.2, 0.2):
            desk.text(x, at(x, step) - 0.2 * space, str(rng.choice([2, 3, 4, 6, 8])), 2.1 * space)
        x += 1.8 * space
    until, step, pace = int(rng.integers(2, 9)), int(rng.integers(-3, 4)), float(rng.uniform(1.6, 4.0)) * space
    x += space
    stop = end if rng.random() < 0.8 else float(rng.uniform(x + 6 * space, max(x + 7 * space, end)))
    while x < stop:
        kind = rng.choice(["beam", "note", "rest", "chord"], p=[0.3, 0.5, 0.12, 0.08])
        count = int(rng.integers(2, 5)) if kind == "beam" else 1
        spots = []
        for _ in range(count):
            step = int(np.clip(step + round(float(rng.normal(0, 2))), -8, 8))
            if x < end:
                spots.append((x, step))
            x += pace * float(rng.uniform(0.75, 1.3))
        if kind == "rest" and spots:
            _rest(desk, spots[0][0], at)
        elif spots:
            _group(desk, spots, at, kind == "chord")
            if lyrics:
                desk.text(spots[0][0] - 0.6 * space, at(spots[0][0], -13), words(rng, 1)[0][:8], 1.5 * space)
        until -= 1
        if until <= 0 and x < end:
            until = int(rng.integers(2, 9))
            _bar(desk, x, at)
            x += float(rng.uniform(1.0, 2.0)) * space
    if stop == end and rng.random() < 0.7:
        _bar(desk, end + space, at)


def _clef(desk: _Desk, x: float, middle: float) -> float:
    """A treble, bass or tenor-like clef; returns where to go on."""
    kind, space = desk.rng.choice(["treble", "bass", "c"], p=[0.65, 0.25, 0.1]), desk.space
    if kind == "treble":
        desk.mark(TREBLE, x + 0.6 * space, middle + space, desk.rng.uniform(0.85, 1.1))
    elif kind == "bass":
        desk.mark(BASS, x + 0.6 * space, middle - space)
        for up in (1.5, 0.5):
            desk.mark(np.array([(0.0, 0.0), (0.12, 0.05)]), x + 1.9 * space, middle - up * space, width=0.3)
    else:
        for shift in (0.0, 0.5):
            desk.mark(np.array([(0.0, -2.0), (0.0, 0.0), (0.0, 2.0)]), x + shift * space, middle)
        desk.mark(np.array([(0.6, -1.8), (1.5, -1.4), (0.7, 0.0), (1.5, 1.4), (0.6, 1.8)]), x, middle)
    return x + desk.rng.uniform(2.4, 3.2) * space


def _accidental(desk: _Desk, x: float, y: float, sharp: bool) -> None:
    if not sharp:
        desk.mark(np.array([(-0.3, -1.6), (-0.28, -0.3), (-0.25, 0.6), (0.35, 0.0), (0.1, -0.4), (-0.25, -0.1)]), x, y)
        return
    for dx in (-0.2, 0.2):
        desk.mark(np.array([(dx, -1.2), (dx, 0.0), (dx - 0.05, 1.2)]), x, y)
    for dy in (-0.35, 0.35):
        desk.mark(np.array([(-0.5, dy + 0.15), (0.0, dy), (0.5, dy - 0.15)]), x, y)


def _bar(desk: _Desk, x: float, at: _At) -> None:
    shift = desk.rng.normal(0, desk.hand.sloppy * 2, 2)
    desk.stroke([(x, at(x, 4 + shift[0])), (x + desk.hand.lean * desk.space, at(x, -4 + shift[1]))], desk.hand.pen)


def _rest(desk: _Desk, x: float, at: _At) -> None:
    kind = desk.rng.integers(3)
    if kind == 0:
        desk.mark(REST, x, at(x, 0))
    elif kind == 1:
        desk.mark(np.array([(-0.5, -0.4), (0.0, -0.2), (0.45, -0.6), (0.2, 0.4), (0.0, 1.2)]), x, at(x, 0))
    else:
        desk.mark(np.array([(-0.6, 0.25), (0.0, 0.25), (0.6, 0.25)]), x, at(x, 1), width=0.45)


def _group(desk: _Desk, spots: list[tuple[float, int]], at: _At, chord: bool) -> None:
    """Notes on a common beam, or a single note or chord, with its stem, flag, dot, accidental and slur."""
    rng, hand, space = desk.rng, desk.hand, desk.space
    single = len(spots) == 1
    value = str(rng.choice(["whole", "half", "quarter", "eighth"], p=[0.1, 0.22, 0.45, 0.23])) if single else "beamed"
    up = float(np.mean([s for _, s in spots])) < rng.normal(0, 1)
    tips = []
    for x, step in spots:
        for tone in (step, *((step - int(rng.choice([2, 3, 4, 5])),) if chord else ())):
            y = at(x, tone) + rng.normal(0, hand.sloppy * 0.6) * space
            desk.blob(x, y, value in ("whole", "half"))
            desk.notes.append((x, y))
            _ledgers(desk, x, tone, at)
        y = at(x, step)
        if rng.random() < 0.08:
            _accidental(desk, x - 1.4 * space, y, bool(rng.random() < 0.6))
        if single and rng.random() < 0.1:
            desk.mark(np.array([(0.0, 0.0), (0.1, 0.05)]), x + 1.2 * space, y, width=0.28)
        tips.append((x + (0.5 if up else -0.5) * space, y, step))
    if value == "whole":
        return
    length = rng.uniform(2.6, 3.8) * space * (-1 if up else 1)
    ends = [(x + hand.lean * space, y + length) for x, y, _ in tips]
    if not single:
        first, last = ends[0], ends[-1]
        reach = min(first[1], last[1]) if up else max(first[1], last[1])
        tilt = float(np.clip((last[1] - first[1]) * 0.4, -1.5 * space, 1.5 * space))
        extreme = (min if up else max)(e[1] for e in ends)
        ends = [
            (x, extreme + tilt * (k / (len(ends) - 1) - 0.5) + (reach - extreme) * 0.2) for k, (x, _) in enumerate(ends)
        ]
        for row in range(int(rng.choice([1, 1, 2]))):
            shift = row * 0.75 * space * (1 if up else -1)
            desk.stroke([(x, y + shift) for x, y in (ends[0], ends[-1])], max(0.3, hand.pen * 1.8))
    for (x, y, _), tip in zip(tips, ends, strict=True):
        desk.stroke([(x, y), tip], hand.pen * 0.9)
    if value == "eighth":
        desk.mark(HOOK * (1, 1 if up else -1), *ends[0])
    if rng.random() < 0.07:
        x0, x1, y = spots[0][0], spots[-1][0] + (3 * space if single else 0), at(spots[0][0], spots[0][1])
        side = 1 if up else -1
        bow = [(x0, y + side * 1.2 * space), ((x0 + x1) / 2, y + side * 2.2 * space), (x1, y + side * 1.2 * space)]
        desk.stroke(through(bow), hand.pen * 0.8)


def _ledgers(desk: _Desk, x: float, step: int, at: _At) -> None:
    for line in [*range(6, step + 1, 2), *range(-6, step - 1, -2)]:
        y = at(x, line)
        desk.stroke([(x - 1.0 * desk.space, y), (x + 1.0 * desk.space, y)], desk.hand.pen * 0.8)
