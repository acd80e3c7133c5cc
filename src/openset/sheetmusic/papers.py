"""Papers that are not music: blank and worn, ruled, graph, and handwriting on each. Clean drawings; wear comes later.

A group of five ruled lines never bears dots, blobs or notes here: at most letters.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from openset.sheetmusic.hand import Hand, Ink, a_hand, scrawl, signature, smooth, write_line
from openset.sheetmusic.typeset import Picture, Sheet, chance, face, label, shade, sheet
from openset.sheetmusic.words import name, number, phrase, pick

_RULES = (
    "#9fb6d8",
    "#7fa0d0",
    "#b8c4d0",
    "#a0a0a0",
    "#c8b0b0",
    "#86b4c8",
    "#888888",
    "#555555",
    "#b0d0b8",
    "#333333",
    "#404858",
    "#6080c0",
)


def rule_lines(rng: np.random.Generator, s: Sheet, ys: np.ndarray, colour: str, width: int = 1) -> None:
    left = pick(rng, (0.0, 0.0, 0.05 * s.w, 0.09 * s.w))
    for y in ys:
        s.draw.line((left, y, s.w - left, y), fill=colour, width=width)


def ruled(rng: np.random.Generator, s: Sheet, groups: bool = False) -> tuple[np.ndarray, float, bool]:
    """Rule the sheet; returns the y of the lines to write on, their distance, and whether groups have five lines."""
    gap = float(s.h / rng.uniform(20, 48))
    top = float(rng.uniform(0.04, 0.14)) * s.h
    colour, width = pick(rng, _RULES), int(rng.choice((1, 1, 1, 2, 2, 3)))
    if groups:
        count = int(rng.choice((2, 3, 4, 4, 5, 6, 7, 8)))
        tight = gap * float(rng.uniform(0.35, 0.7))
        block = tight * (count - 1) + gap * float(rng.uniform(0.8, 2.5))
        tops = np.arange(top, s.h * 0.96 - tight * (count - 1), block)
        rule_lines(rng, s, (tops[:, None] + tight * np.arange(count)).ravel(), colour, width)
        return tops + tight * (count - 1 if count < 4 else count - 2), tight * (1.8 if count == 4 else 1.2), count == 5
    ys = np.arange(top, s.h * float(rng.uniform(0.94, 1.0)), gap)
    rule_lines(rng, s, ys, colour, width)
    if chance(rng, 0.5):
        x, red = float(rng.uniform(0.08, 0.2)) * s.w, pick(rng, ("#d88a8a", "#e05050", "#c06a80", "#999999"))
        s.draw.line((x, 0, x, s.h), fill=red, width=width)
        if chance(rng, 0.3):
            s.draw.line((x + 5, 0, x + 5, s.h), fill=red, width=width)
    return ys, gap, False


def holes(rng: np.random.Generator, s: Sheet) -> None:
    """Punch holes, spiral or ring binding along an edge."""
    count, r = int(rng.choice((2, 3, 4, 22, 30))), float(rng.uniform(0.006, 0.016)) * s.w
    r = r * 0.6 if count > 4 else r
    for y in np.linspace(0.5 / count, 1 - 0.5 / count, count) * s.h:
        s.draw.ellipse((0.03 * s.w - r, y - r, 0.03 * s.w + r, y + r), fill=shade(rng, 40, 200), outline="#777777")


def notes(
    rng: np.random.Generator, s: Sheet, ys: np.ndarray, gap: float, *, extras: bool = True, stop: float = 1.0
) -> Hand:
    """Handwriting on (or between) the lines ys; extras: lists, underlines, blobs, arrows, sketches."""
    hand = a_hand(rng, float(np.clip(gap * rng.uniform(0.26, 0.5), 5, 26)))
    ink = Ink(s)
    lift = gap * float(rng.choice((0.0, 0.05, 0.3, 0.5)))
    left, right = float(rng.uniform(0.05, 0.2)) * s.w, float(rng.uniform(0.02, 0.2)) * s.w
    listing = extras and chance(rng, 0.35)
    for i, y in enumerate(ys[: max(1, int(len(ys) * stop))]):
        if chance(rng, 0.12):
            continue
        x = left + (hand.size * 2 if chance(rng, 0.15) else 0) + float(rng.normal(0, 0.3 * hand.size))
        width = (s.w - right - x) * (1 if chance(rng, 0.7) else float(rng.uniform(0.2, 1)))
        if listing:
            mark(ink, rng, x - 1.5 * hand.size, y - lift - 0.5 * hand.size, hand, i)
        end = write_line(ink, rng, hand, x, y - lift, width)
        if extras and chance(rng, 0.08):
            a, b = np.array((x, y - lift + 0.5 * hand.size)), np.array((end, y - lift + 0.5 * hand.size))
            ink.stroke(np.stack((a, (a + b) / 2 + rng.normal(0, 1.5, 2), b)), hand.width)
        if extras and chance(rng, 0.05):
            ink.stroke(scrawl(rng, (x, y - lift - 1.2 * hand.size, 8 * hand.size, 1.4 * hand.size), 14), hand.width)
    if extras:
        for _ in range(int(rng.choice((0, 0, 1, 2, 3, 12)))):
            sketch(ink, rng, s, hand)
    ink.settle(hand.ink)
    if extras and chance(rng, 0.4):
        emphasise(rng, s, ys, gap, hand.size)
    return hand


def emphasise(rng: np.random.Generator, s: Sheet, ys: np.ndarray, gap: float, size: float) -> None:
    """Headings, frames, brackets and a highlighter in a second colour, over notes already written."""
    second, ink = a_hand(rng, size * 1.2, ink=pick(rng, ("#c02030", "#107030", "#1040b0", "#202020"))), Ink(s)
    for y in rng.choice(ys, min(len(ys), int(rng.integers(1, 7))), replace=False):
        x, w = float(rng.uniform(0.05, 0.5)) * s.w, float(rng.uniform(0.1, 0.5)) * s.w
        kind = int(rng.integers(4))
        if kind == 0:
            write_line(ink, rng, second, x, y, w)
        elif kind == 1:
            h = gap * int(rng.integers(1, 4))
            frame = np.array(((x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y))) + rng.normal(0, 2, (5, 2))
            ink.stroke(frame, second.width)
        elif kind == 2:
            ink.stroke(np.array(((x, y), (x + w, y + rng.normal(0, 3)))), second.width)
        else:
            band = (round(x), round(y - gap * 0.7), round(x + w), round(y + 0.1 * gap))
            tint = Image.new(
                s.image.mode, (band[2] - band[0], band[3] - band[1]), pick(rng, ("#f4f060", "#80f0a0", "#f8b0d0"))
            )
            s.image.paste(ImageChops.multiply(s.image.crop(band), tint), band[:2])
    ink.settle(second.ink)


def mark(ink: Ink, rng: np.random.Generator, x: float, y: float, hand: Hand, style: int) -> None:
    """A list's bullet: a blob, a dash, a box or a tick."""
    r = 0.35 * hand.size
    if style % 4 < 2:
        ink.dot(x, y, r)
    elif style % 4 == 2:
        ink.stroke(np.array(((x - r, y), (x + r, y + rng.normal(0, 1)))), hand.width)
    else:
        ink.stroke(
            np.array(((x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r), (x - r, y - r))), hand.width
        )


def sketch(ink: Ink, rng: np.random.Generator, s: Sheet, hand: Hand) -> None:
    """An arrow, a ring, a plotted curve with axes, or a cloud of blobs, somewhere on the sheet."""
    size = float(rng.uniform(0.05, 0.2)) * s.w
    x, y = float(rng.uniform(0.05, 0.75)) * s.w, float(rng.uniform(0.05, 0.8)) * s.h
    kind = int(rng.integers(5))
    if kind == 0:
        curve = scrawl(rng, (x, y, size, size), 3)
        ink.stroke(curve, hand.width)
        tip, back = curve[-1], curve[-1] - curve[-4]
        back = back / (np.hypot(*back) + 1e-9) * hand.size
        for turn in (0.5, -0.5):
            c, z = np.cos(turn), np.sin(turn)
            ink.stroke(
                np.stack((tip, tip - np.array((c * back[0] - z * back[1], z * back[0] + c * back[1])))), hand.width
            )
    elif kind == 1:
        angle = np.linspace(0, 6.6, 14)
        ring = np.column_stack((x + size * (1 + np.cos(angle)) / 2, y + 0.3 * size * (1 + np.sin(angle))))
        ink.stroke(smooth(ring + rng.normal(0, 0.03 * size, ring.shape)), hand.width)
    elif kind == 2:
        ink.stroke(np.array(((x, y), (x, y + size), (x + size, y + size))), hand.width)
        across = np.linspace(0, size, 9)
        ink.stroke(smooth(np.column_stack((x + across, y + size * rng.random(9)))), hand.width)
    elif kind == 3:
        for px, py in rng.random((int(rng.integers(3, 20)), 2)):
            ink.dot(x + px * size, y + py * size, float(rng.uniform(0.2, 0.6)) * hand.size)
    else:
        corners = rng.random((int(rng.integers(3, 6)), 2)) * size + (x, y)
        ink.stroke(np.concatenate((corners, corners[:1])), hand.width)


def ruled_empty(rng: np.random.Generator) -> Picture:
    s = sheet(rng, wide=0.2)
    ruled(rng, s)
    if chance(rng, 0.3):
        holes(rng, s)
    return s.done()


def ruled_groups(rng: np.random.Generator) -> Picture:
    s = sheet(rng, wide=0.3)
    ys, gap, five = ruled(rng, s, groups=True)
    if chance(rng, 0.65):
        notes(rng, s, ys, gap, extras=not five)
    return s.done()


def ruled_notes(rng: np.random.Generator) -> Picture:
    s = sheet(rng, wide=0.2)
    ys, gap, _ = ruled(rng, s)
    if chance(rng, 0.3):
        holes(rng, s)
    notes(rng, s, ys, gap, stop=float(rng.uniform(0.2, 1.2)))
    return s.done()


def graph_grid(rng: np.random.Generator, s: Sheet) -> tuple[np.ndarray, float]:
    """Square, millimetre, dotted or isometric paper; returns lines to write on and their distance."""
    cell = float(s.w / rng.uniform(22, 60))
    colour, kind = pick(rng, _RULES), int(rng.integers(5))
    xs, ys = np.arange(rng.uniform(0, cell), s.w, cell), np.arange(rng.uniform(0, cell), s.h, cell)
    if kind == 3:
        for y in ys:
            s.draw.point([v for x in xs for v in (x, y, x + 1, y)], fill=colour)
    elif kind == 4:
        rise = s.w * 0.577
        for y in np.arange(-rise, s.h + rise, cell):
            s.draw.line((0, y, s.w, y + rise), fill=colour)
            s.draw.line((0, y, s.w, y - rise), fill=colour)
        for x in xs:
            s.draw.line((x, 0, x, s.h), fill=colour)
    else:
        bold = (0, 5, 10)[kind]
        for i, x in enumerate(xs):
            s.draw.line((x, 0, x, s.h), fill=colour, width=2 if bold and i % bold == 0 else 1)
        for i, y in enumerate(ys):
            s.draw.line((0, y, s.w, y), fill=colour, width=2 if bold and i % bold == 0 else 1)
    step = max(1, round(s.h / rng.uniform(24, 45) / cell))
    return ys[2::step], cell * step


def graph_empty(rng: np.random.Generator) -> Picture:
    s = sheet(rng, wide=0.3)
    graph_grid(rng, s)
    return s.done()


def graph_notes(rng: np.random.Generator) -> Picture:
    s = sheet(rng, wide=0.3)
    ys, gap = graph_grid(rng, s)
    notes(rng, s, ys, gap, stop=float(rng.uniform(0.3, 1.1)))
    return s.done()


def handwriting(rng: np.random.Generator) -> Picture:
    """Unruled paper with a letter or notes in one or two hands, signed now and then."""
    s = sheet(rng, wide=0.25)
    gap = float(s.h / rng.uniform(14, 42))
    ys = np.arange(rng.uniform(0.06, 0.15) * s.h, 0.93 * s.h, gap)
    hand = notes(rng, s, ys, gap, extras=chance(rng, 0.6), stop=float(rng.uniform(0.3, 1.1)))
    if chance(rng, 0.3):
        ink = Ink(s)
        signature(ink, rng, 0.55 * s.w, 0.9 * s.h, 0.3 * s.w, hand.width)
        ink.settle(hand.ink)
    return s.done()


def signatures(rng: np.random.Generator) -> Picture:
    """A page of signatures on lines with printed names below."""
    s = sheet(rng, wide=0.4)
    font, ink = face(rng, s.w * rng.uniform(0.014, 0.024)), Ink(s)
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(2, 9))
    for i in range(columns * rows):
        x = (i % columns + 0.12) * s.w / columns
        y, width = (i // columns + 0.65) * s.h / rows, 0.75 * s.w / columns
        s.draw.line((x, y, x + width, y), fill=s.ink)
        label(s, (x, y + 3), name(rng) if chance(rng, 0.7) else phrase(rng, 1, 3), font)
        signature(ink, rng, x + 0.1 * width, y, min(0.6 * width, 1.6 * s.h / rows), float(rng.uniform(1.2, 3.5)))
    ink.settle(shade(rng, 10, 90, 25))
    return s.done()


def worn(rng: np.random.Generator) -> Picture:
    """A blank or nearly blank leaf: stains, foxing, folds, holes, ruled margins, a stamp or a page number."""
    s = sheet(rng, wide=0.2, colour_share=0.6)
    small = Image.new("L", (s.w // 8, s.h // 8), 0)
    draw = ImageDraw.Draw(small)
    for _ in range(int(rng.integers(0, 14))):
        x, y, r = rng.random() * small.width, rng.random() * small.height, float(rng.gamma(1.5, 6))
        draw.ellipse((x - r, y - r, x + r, y + r * rng.uniform(0.5, 1.2)), fill=int(rng.integers(10, 110)))
        if chance(rng, 0.4):
            draw.ellipse((x - 0.9 * r, y - 0.9 * r, x + 0.9 * r, y + 0.8 * r), fill=int(rng.integers(0, 30)))
    stain = small.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 4)))).resize(
        s.image.size, Image.Resampling.BILINEAR
    )
    s.image.paste(pick(rng, ("#9a7b4a", "#8a6a40", "#777777", "#a08a60")), (0, 0), stain)
    for _ in range(int(rng.integers(0, 4))):
        at, tone = float(rng.choice((0.25, 0.33, 0.5, 0.66, 0.75))), shade(rng, 170, 230)
        flat = chance(rng, 0.6)
        line = (
            (0, at * s.h, s.w, at * s.h + rng.normal(0, 6)) if flat else (at * s.w, 0, at * s.w + rng.normal(0, 6), s.h)
        )
        s.draw.line(line, fill=tone, width=int(rng.integers(1, 4)))
    specks = rng.random((int(rng.integers(0, 300)), 2)) * (s.w, s.h)
    for x, y in specks:
        r = float(rng.exponential(0.8))
        s.draw.ellipse((x - r, y - r, x + r, y + r), fill=shade(rng, 60, 200))
    if chance(rng, 0.3):
        holes(rng, s)
    if chance(rng, 0.4):
        margin = float(rng.uniform(0.04, 0.12)) * s.w
        s.draw.rectangle(
            (margin, margin, s.w - margin, s.h - margin), outline=pick(rng, _RULES), width=int(rng.integers(1, 4))
        )
    if chance(rng, 0.5):
        label(s, (s.w / 2, 0.95 * s.h), str(int(rng.integers(1, 600))), face(rng, 0.02 * s.w), anchor="ms")
    if chance(rng, 0.3):
        label(s, (float(rng.uniform(0.2, 0.8)) * s.w, 0.3 * s.h), phrase(rng, 1, 3), face(rng, 0.03 * s.w), anchor="ms")
    if chance(rng, 0.3):
        ink = Ink(s)
        for y in rng.random(int(rng.integers(1, 5))) * s.h:
            write_line(ink, rng, a_hand(rng, 0.012 * s.w), float(rng.uniform(0.1, 0.5)) * s.w, y, 0.3 * s.w)
        ink.settle(shade(rng, 60, 130, 10))
    if chance(rng, 0.2):
        label(s, (0.8 * s.w, 0.05 * s.h), f"No. {number(rng)}", face(rng, 0.018 * s.w, kind="mono"))
    return s.done()


PAPERS = {
    "ruled_empty": ruled_empty,
    "ruled_groups": ruled_groups,
    "ruled_notes": ruled_notes,
    "graph_empty": graph_empty,
    "graph_notes": graph_notes,
    "handwriting": handwriting,
    "signatures": signatures,
    "worn_leaf": worn,
}
