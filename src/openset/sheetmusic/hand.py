"""Handwriting, of two makes: smooth pen strokes of an invented alphabet, and handwriting fonts set unevenly.

A `Hand` is one person's writing: slant, letter shapes, pen. Invented letters are control points (x right, y up, 0 at
the baseline, 1 at the x-height) drawn as Catmull-Rom curves; within one page the same letters come back, as in real
writing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from openset.sheetmusic import fonts
from openset.sheetmusic.typeset import Sheet, chance, shade
from openset.sheetmusic.words import pick, words

Curve = NDArray[np.float64]
_SCALE = 2  # strokes are drawn at twice the size and shrunk: Pillow's lines have hard edges
# letters as (x, y) from the entry at the baseline to the exit at the baseline
_SHAPES: tuple[tuple[tuple[float, float], ...], ...] = (
    ((0, 0), (0.2, 1), (0.3, 0), (0.5, 1), (0.8, 0.9), (0.8, 0), (1, 0.2)),
    ((0, 0), (0.2, 1), (0.25, 0.1), (0.6, 0), (0.8, 1), (0.85, 0), (1, 0.2)),
    ((0, 0.3), (0.7, 1), (0.2, 0.8), (0.2, 0.1), (0.7, 0.2), (0.8, 1), (0.8, 0), (1, 0.2)),
    ((0, 0.3), (0.5, 0.6), (0.6, 1), (0.2, 0.8), (0.2, 0.1), (0.7, 0), (1, 0.3)),
    ((0, 0), (0.5, 1.9), (0.3, 2.1), (0.25, 0.1), (0.6, 0), (0.8, 0.2)),
    ((0, 0), (0.4, 2.0), (0.2, 2.0), (0.2, 0), (0.5, 1), (0.8, 0.8), (0.8, 0), (1, 0.2)),
    ((0, 0.3), (0.7, 1), (0.2, 0.8), (0.3, 0), (0.8, 1), (0.7, -1), (0.3, -0.9), (0.9, 0.1), (1, 0.2)),
    ((0, 0), (0.2, 1), (0.3, 0), (0.7, 0.2), (0.8, 1), (0.6, -0.9), (0.2, -0.8), (1, 0.2)),
    ((0, 0), (0.4, 1), (0.4, 0.1), (0.7, 0)),
    ((0, 0), (0.3, 1.6), (0.3, 0.1), (0.6, 0), (0.3, 1.1), (0.0, 1.1), (0.7, 1.15)),
    ((0, 0.1), (0.5, 1), (0.4, 0.6), (0.8, 0.2), (0.3, 0), (1, 0.1)),
    ((0, 0), (0.3, 1.0), (0.7, 0.9), (0.4, 0.1), (0.2, 0.6), (1, 0.9)),
    ((0, 0), (0.2, 1), (0.3, 0), (0.45, 1), (0.55, 0), (0.75, 1), (0.85, 0), (1, 0.2)),
    ((0, 0.2), (0.4, 1), (0.2, -0.9), (0.2, 0.7), (0.7, 1), (0.7, 0.1), (0.3, 0.1), (1, 0.2)),
)


# signs between words, each a tuple of strokes in the same units: = + ( ) -> 0 1 x { } / big A, big F, ?
_SIGNS: tuple[tuple[tuple[tuple[float, float], ...], ...], ...] = (
    (((0, 0.7), (1, 0.75)), ((0, 0.3), (1, 0.3))),
    (((0.5, 0), (0.5, 1)), ((0, 0.5), (1, 0.5))),
    (((0.5, 1.9), (0.1, 1.2), (0.1, 0.4), (0.5, -0.3)),),
    (((0.0, 1.9), (0.4, 1.2), (0.4, 0.4), (0.0, -0.3)),),
    (((0, 0.5), (1.6, 0.5)), ((1.2, 0.8), (1.6, 0.5), (1.2, 0.2))),
    (((0.5, 1.6), (0.1, 1.1), (0.2, 0.1), (0.7, 0.2), (0.8, 1.2), (0.5, 1.6)),),
    (((0.1, 1.2), (0.4, 1.7), (0.4, 0)),),
    (((0, 0), (0.8, 1)), ((0, 1), (0.8, 0))),
    (((0.5, 1.9), (0.2, 1.7), (0.3, 1.0), (0, 0.8), (0.3, 0.6), (0.2, -0.1), (0.5, -0.3)),),
    (((0, -0.2), (0.7, 1.9)),),
    (((0, 0), (0.6, 1.9), (1.1, 0)), ((0.2, 0.7), (0.9, 0.7))),
    (((0, 0), (0.1, 1.9), (1.0, 1.9)), ((0.0, 1.0), (0.7, 1.0))),
    (((0.1, 1.5), (0.4, 1.9), (0.7, 1.5), (0.3, 0.9), (0.3, 0.5)),),
)


@dataclass(frozen=True)
class Hand:
    """One person's writing.

    size: x-height in pixels. slant: shear. signs: share of signs and capitals
    among words. joined: letters run together. font: set in it instead of strokes."""

    size: float
    slant: float
    wide: float
    wobble: float
    width: float
    joined: bool
    signs: float
    shapes: tuple[Curve, ...]
    font: fonts.Font | None
    ink: str


def a_hand(rng: np.random.Generator, size: float, *, fonted: float = 0.35, ink: str | None = None) -> Hand:
    """One person's hand of x-height `size` pixels; with probability `fonted` a handwriting font, if there is one."""
    shapes = []
    for shape in _SHAPES:
        curve = np.array(shape, float)
        curve[1:-1] += rng.normal(0, 0.12, (len(curve) - 2, 2))
        shapes.append(curve)
    inks = ("#1a2a6c", "#22222c", "#2b2b2b", "#10306e", "#27408b", "#444448", "#7a1f1f", "#5a5a60")
    return Hand(
        size,
        float(rng.normal(0.25, 0.2)),
        float(rng.uniform(0.7, 1.3)),
        float(rng.uniform(0.02, 0.12)),
        float(rng.uniform(0.07, 0.2)) * size,
        chance(rng, 0.6),
        pick(rng, (0.0, 0.05, 0.5)),
        tuple(shapes[i] for i in rng.permutation(len(shapes))),
        fonts.choose(rng, "latin", "hand") if chance(rng, fonted) else None,
        ink or (pick(rng, inks) if chance(rng, 0.8) else shade(rng, 20, 110, 20)),
    )


def smooth(points: Curve, steps: int = 5) -> Curve:
    """Catmull-Rom curve through the points."""
    if len(points) < 3:
        return points
    p = np.vstack((2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]))
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c, d = p[:-3, None], p[1:-2, None], p[2:-1, None], p[3:, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate((curve.reshape(-1, 2), points[-1:]))


class Ink:
    """A layer of pen strokes on a sheet: `stroke` and `dot` in the sheet's pixels, then `settle`."""

    def __init__(self, s: Sheet) -> None:
        self.sheet = s
        self.mask = Image.new("L", (s.w * _SCALE, s.h * _SCALE), 0)
        self.draw = ImageDraw.Draw(self.mask)

    def stroke(self, points: Curve, width: float) -> None:
        flat = (points * _SCALE).round().ravel().tolist()
        thick = max(1, round(width * _SCALE))
        self.draw.line(flat, fill=255, width=thick, joint="curve" if thick > 4 else None)

    def dot(self, x: float, y: float, radius: float) -> None:
        x, y, radius = x * _SCALE, y * _SCALE, radius * _SCALE
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)

    def settle(self, ink: str) -> None:
        self.sheet.image.paste(ink, (0, 0), self.mask.reduce(_SCALE))


def _word(rng: np.random.Generator, hand: Hand, letters: int) -> list[Curve]:
    """Strokes of one word, in units of the x-height, starting at x = 0; the last point's x is its length."""
    order = np.minimum(rng.geometric(0.13, letters) - 1, len(hand.shapes) - 1)
    parts, at = [], 0.0
    for index in order:
        shape = hand.shapes[index] * (hand.wide, 1.0)
        parts.append(shape + np.array((at, 0.0)) + rng.normal(0, hand.wobble, shape.shape))
        at += float(shape[-1, 0]) + (0.0 if hand.joined else 0.25)
    if hand.joined:
        parts = [np.concatenate(parts)]
    curves = [smooth(part, 4) for part in parts]
    for curve in curves:
        curve[:, 0] += hand.slant * curve[:, 1]
    return curves


def write_line(ink: Ink, rng: np.random.Generator, hand: Hand, x: float, y: float, width: float) -> float:
    """Words from x along the baseline y for about `width` pixels; returns where the last word ends."""
    end, tilt, start = x + width, float(rng.normal(0, 0.006)), x
    while x < end - 1.5 * hand.size:
        base = y + (x - start) * tilt + float(rng.normal(0, 0.06 * hand.size))
        if hand.font is not None:
            text = words(rng, 1)[0]
            text = text.capitalize() if chance(rng, 0.1) else text
            ft = fonts.sized(hand.font, hand.size * 2.1 * _SCALE)
            long = ft.getlength(text) / _SCALE
            if x + long > end:
                break
            ink.draw.text((x * _SCALE, base * _SCALE), text, fill=255, font=ft, anchor="ls")
        elif chance(rng, hand.signs):
            sign = [np.array(stroke) + rng.normal(0, 0.05, (len(stroke), 2)) for stroke in pick(rng, _SIGNS)]
            for stroke in sign:
                ink.stroke(smooth(stroke, 4) * (hand.size, -hand.size) + (x, base), hand.width)
            long = hand.size * max(float(stroke[:, 0].max()) for stroke in sign)
        else:
            room = (end - x) / (hand.size * hand.wide)
            letters = min(int(rng.integers(1, 11)), int(room))
            if letters < 1:
                break
            strokes = _word(rng, hand, letters)
            for stroke in strokes:
                ink.stroke(stroke * (hand.size, -hand.size) + (x, base), hand.width)
            long = float(strokes[-1][-1, 0]) * hand.size
            if chance(rng, 0.25):
                ink.dot(x + long * rng.random(), base - 1.6 * hand.size, 0.6 * hand.width + 0.4)
        x += long + hand.size * float(rng.uniform(0.6, 1.5))
        if chance(rng, 0.08):
            ink.dot(x - 0.5 * hand.size, base, 0.5 * hand.width + 0.5)
    return x


def scrawl(rng: np.random.Generator, box: tuple[float, float, float, float], points: int = 8) -> Curve:
    """One random smooth line inside a box (x, y, w, h): sketches, signatures, crossings-out."""
    x, y, w, h = box
    return smooth(np.column_stack((x + w * rng.random(points), y + h * rng.random(points))), 8)


def signature(ink: Ink, rng: np.random.Generator, x: float, y: float, width: float, thick: float = 2.0) -> None:
    """Loops that run to the right along the baseline y, a big letter first, perhaps a flourish below."""
    count = int(rng.integers(10, 26))
    along = np.linspace(0, width, count) + rng.normal(0, width / count, count)
    up = rng.normal(0, 0.06 * width, count) * np.linspace(1.6, 0.5, count)
    up[:3] += np.array((0.0, 0.22, -0.05)) * width
    ink.stroke(smooth(np.column_stack((x + along, y - up)), 8), thick)
    if chance(rng, 0.5):
        ink.stroke(scrawl(rng, (x, y + 0.05 * width, width, 0.06 * width), 3), thick)
