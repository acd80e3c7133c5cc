"""What lies between the pages of a shelf: covers with frames, blank and dirty leaves, film, ruled-off pages, taped things.

Few words, and lines that are no staves: frames of one to seven lines, rules between paragraphs, scratches along a
film, stripes of warning tape. A judge that looks for parallel lines and blobs is wrong on every one of them.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from openset.sheetmusic.hand import Curve, Ink, smooth
from openset.sheetmusic.typeset import (
    Picture,
    Sheet,
    blend,
    chance,
    colour,
    face,
    fill_column,
    label,
    paragraph,
    script_of,
    shade,
    sheet,
    text_size,
)
from openset.sheetmusic.words import name, phrase, pick, prose


def _frame(rng: np.random.Generator, s: Sheet, inset: float, lines: int, gap: float) -> float:
    """Lines of a frame from `inset` inwards, with squared, cut or rounded corners; returns the inset of the inner side."""
    corner, cut = pick(rng, ("square", "square", "cut", "round")), float(rng.uniform(0.02, 0.1)) * s.w
    for _ in range(lines):
        x0, y0, x1, y1 = inset, inset, s.w - inset, s.h - inset
        width = int(rng.choice([1, 1, 2, 2, 3, 6]))
        if corner == "round":
            s.draw.rounded_rectangle((x0, y0, x1, y1), cut, outline=s.ink, width=width)
        elif corner == "cut":
            c = cut
            points = [(x0 + c, y0), (x1 - c, y0), (x1, y0 + c), (x1, y1 - c), (x1 - c, y1), (x0 + c, y1), (x0, y1 - c)]
            s.draw.line([*points, (x0, y0 + c), (x0 + c, y0)], fill=s.ink, width=width)
        else:
            s.draw.rectangle((x0, y0, x1, y1), outline=s.ink, width=width)
        inset += width + gap * float(rng.choice([1.0, 1.0, rng.uniform(0.4, 3)]))
    return inset


def _ornaments(rng: np.random.Generator, s: Sheet, inset: float) -> None:
    """The same small ornament along the sides: beads, lozenges, curls; or in the corners alone."""
    size, kind, corners = float(rng.uniform(4, 16)), int(rng.integers(4)), chance(rng, 0.4)
    step = size * float(rng.uniform(1.6, 4))
    along = [(x, y) for x in np.arange(inset, s.w - inset, step) for y in (inset, s.h - inset)]
    along += [(x, y) for y in np.arange(inset, s.h - inset, step) for x in (inset, s.w - inset)]
    if corners:
        along, size = [(x, y) for x in (inset, s.w - inset) for y in (inset, s.h - inset)], size * 4
    for x, y in along:
        box = (x - size / 2, y - size / 2, x + size / 2, y + size / 2)
        if kind == 0:
            s.draw.ellipse(box, fill=s.ink)
        elif kind == 1:
            s.draw.polygon([(x, box[1]), (box[2], y), (x, box[3]), (box[0], y)], outline=s.ink, width=2)
        elif kind == 2:
            s.draw.arc(box, 0, 270, fill=s.ink, width=2)
        else:
            s.draw.line((box[0], box[1], box[2], box[3]), fill=s.ink, width=2)


def cover_frames(rng: np.random.Generator) -> Picture:
    """A binding or a title leaf: frames of one to seven lines, ornaments, a few words or none."""
    s, script = sheet(rng, dark=0.35, colour_share=0.6), script_of(rng, 0.3)
    inset = float(rng.uniform(0.01, 0.1)) * s.w
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        inset = (
            _frame(rng, s, inset, int(rng.integers(1, 6)), float(rng.uniform(2, 12))) + rng.uniform(0.005, 0.05) * s.w
        )
        if chance(rng, 0.3):
            _ornaments(rng, s, inset)
            inset += 0.02 * s.w
    y = float(rng.uniform(0.12, 0.4)) * s.h
    for _ in range(int(rng.integers(0, 6))):
        font = face(rng, rng.uniform(0.015, 0.07) * s.w, script)
        y = paragraph(
            s, phrase(rng, 1, 6, script).split(" "), font, (1.5 * inset, y, s.w - 3 * inset, 0.9 * s.h), align="centre"
        )
        y += float(rng.uniform(0.01, 0.12)) * s.h
    return s.done()


def _stains(rng: np.random.Generator, s: Sheet, most: int) -> None:
    """Blots, rings, foxing and smears of the paper's darker tones."""
    for _ in range(int(rng.integers(0, most))):
        x, y = rng.random(2) * (s.w, s.h)
        r = float(np.exp(rng.uniform(np.log(2), np.log(0.15 * s.w))))
        turn = np.linspace(0, 2 * np.pi, 12)
        rim = np.column_stack(
            (x + r * np.cos(turn) * rng.uniform(0.6, 1.3, 12), y + r * np.sin(turn) * rng.uniform(0.6, 1.3, 12))
        )
        rim[-1] = rim[0]
        outline = [(float(a), float(b)) for a, b in smooth(rim, 6)]
        tone = blend(s.ink, s.paper, float(rng.uniform(0.05, 0.6)))
        if chance(rng, 0.25):
            s.draw.line(outline, fill=tone, width=int(rng.integers(1, 6)))
        else:
            s.draw.polygon(outline, fill=tone)


def _creases(rng: np.random.Generator, s: Sheet) -> None:
    """Folds and scratches: straight or nearly, alone or several side by side, along one direction."""
    for _ in range(int(rng.integers(0, 4))):
        upright, gap = chance(rng, 0.5), float(rng.uniform(3, 60))
        at, tone = float(rng.random()), blend(s.ink, s.paper, float(rng.uniform(0.1, 0.8)))
        for k in range(int(rng.choice([1, 1, 2, 3, 5, 7]))):
            long, place = (s.h, at * s.w + k * gap) if upright else (s.w, at * s.h + k * gap)
            end = place + float(rng.normal(0, 3))
            line = (place, 0, end, long) if upright else (0, place, long, end)
            s.draw.line(line, fill=tone, width=int(rng.choice([1, 1, 1, 2, 3])))


def blank_leaf(rng: np.random.Generator) -> Picture:
    """A leaf with nothing on it, or a page number, a stamp, holes: stained, creased, with the other side shining through."""
    s, script = sheet(rng, wide=0.3, dark=0.1, colour_share=0.5), script_of(rng, 0.3)
    if chance(rng, 0.35):
        ghost = sheet(rng)
        fill_column(
            ghost, rng, face(rng, text_size(rng, 0.8 * s.w), script), (0.1 * s.w, 0.1 * s.h, 0.8 * s.w, 0.9 * s.h)
        )
        veil = ghost.image.convert("L").resize((s.w, s.h)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        mask = veil.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.8, 3)))).point(lambda v: (255 - v) // 4)
        s.image.paste(s.ink, (0, 0), mask)
        s.draw = ImageDraw.Draw(s.image)
    _stains(rng, s, int(rng.choice([2, 10, 60])))
    _creases(rng, s)
    if chance(rng, 0.3):
        for k in range(int(rng.integers(2, 7))):
            x, y, r = 0.03 * s.w, (k + 0.5) * s.h / 6, float(rng.uniform(5, 14))
            s.draw.ellipse((x - r, y - r, x + r, y + r), fill=s.ink)
    if chance(rng, 0.5):
        words = pick(rng, (str(int(rng.integers(1, 900))), name(rng), phrase(rng, 1, 3, script)))
        label(
            s,
            (rng.uniform(0.1, 0.9) * s.w, rng.uniform(0.04, 0.96) * s.h),
            words,
            face(rng, rng.uniform(10, 40), script),
            anchor="mm",
        )
    return s.done()


def film_frame(rng: np.random.Generator) -> Picture:
    """Microfilm: a page of text, mostly light on black, with scratches along the film, blots, a frame and a target."""
    s, script = sheet(rng, wide=0.5, dark=0.7), script_of(rng, 0.4)
    columns = int(rng.integers(1, 4))
    font = face(rng, text_size(rng, 0.8 * s.w, columns), script)
    left, wide = float(rng.uniform(0.05, 0.25)) * s.w, float(rng.uniform(0.4, 0.7)) * s.w
    for k in range(columns):
        fill_column(
            s, rng, font, (left + k * wide / columns, 0.1 * s.h, 0.9 * wide / columns, rng.uniform(0.3, 0.92) * s.h)
        )
    if chance(rng, 0.5):
        _frame(rng, s, float(rng.uniform(4, 40)), int(rng.integers(1, 4)), float(rng.uniform(2, 9)))
    if chance(rng, 0.4):
        x, y, side = 0.8 * s.w, rng.uniform(0.1, 0.7) * s.h, 0.12 * s.w
        for k in range(int(rng.integers(4, 16))):  # a resolution target: bars that get finer
            s.draw.rectangle((x, y, x + side, y + side / (k + 2) / 2), fill=s.ink)
            y += side / (k + 2)
    _stains(rng, s, int(rng.choice([2, 20])))
    _creases(rng, s)
    return s.done()


def ruled_off(rng: np.random.Generator) -> Picture:
    """Text broken by rules: single, double, thick and thin, dotted, three to six at once; head and tail pieces."""
    s, script = sheet(rng, dark=0.08), script_of(rng, 0.35)
    left, wide, y = 0.12 * s.w, 0.76 * s.w, 0.06 * s.h
    while y < 0.9 * s.h:
        font = face(rng, text_size(rng, wide) * rng.uniform(0.8, 2), script)
        words = prose(rng, int(rng.integers(1, 60)), script)
        y = paragraph(s, words, font, (left, y, wide, 0.95 * s.h), align=pick(rng, ("justify", "centre", "left")))
        y += float(rng.uniform(4, 40))
        inset = float(rng.choice([0.0, rng.uniform(0, 0.45)])) * wide
        gap, dotted = float(rng.uniform(3, 11)), chance(rng, 0.15)
        for _ in range(int(rng.choice([0, 1, 1, 2, 2, 3, 4, 6]))):
            if dotted:
                for x in np.arange(left + inset, left + wide - inset, 2 * gap):
                    s.draw.ellipse((x, y, x + 3, y + 3), fill=s.ink)
            else:
                s.draw.line(
                    (left + inset, y, left + wide - inset, y), fill=s.ink, width=int(rng.choice([1, 1, 2, 4, 7]))
                )
            y += gap
        if chance(rng, 0.25):  # a tail piece
            x = s.w / 2 + np.linspace(-1, 1, 9) * rng.uniform(0.05, 0.3) * s.w
            curl: Curve = np.column_stack((x, y + 14 + rng.normal(0, 9, 9)))
            ink = Ink(s)
            ink.stroke(smooth(curl, 8), float(rng.uniform(1, 4)))
            ink.settle(s.ink)
            y += 30
        y += float(rng.uniform(2, 50))
    return s.done()


def warning_tape(rng: np.random.Generator) -> Picture:
    """Bands of slanting stripes across coloured fields, with signs and words: tape, barriers, awnings, deck chairs."""
    s = sheet(rng, wide=0.5, dark=0.3, colour_share=0.8)
    coloured = s.image.mode == "RGB"
    for _ in range(int(rng.integers(1, 6))):
        box = [float(v) for v in (*rng.uniform(-0.1, 0.7, 2) * (s.w, s.h), *rng.uniform(0.1, 0.8, 2) * (s.w, s.h))]
        ground = colour(rng) if coloured else shade(rng, 60, 250)
        s.draw.rectangle((box[0], box[1], box[0] + box[2], box[1] + box[3]), fill=ground)
    for _ in range(int(rng.integers(1, 5))):
        wide, tall = max(30, int(rng.uniform(0.2, 1.2) * s.w)), int(np.exp(rng.uniform(np.log(20), np.log(0.4 * s.h))))
        band = Image.new("L", (wide, tall), 0)
        draw, step, lean = ImageDraw.Draw(band), float(rng.uniform(8, 90)), float(rng.uniform(-1.2, 1.2)) * tall
        share = float(rng.uniform(0.15, 0.7))
        for x in np.arange(-abs(lean) - step, wide + abs(lean) + step, step):
            draw.polygon([(x, tall), (x + share * step, tall), (x + share * step + lean, 0), (x + lean, 0)], fill=255)
        turned = band.rotate(float(rng.uniform(-40, 40)), expand=True)
        at = (int(rng.uniform(-0.2, 0.7) * s.w), int(rng.uniform(-0.1, 0.9) * s.h))
        if chance(rng, 0.4):
            s.image.paste(s.paper, at, Image.new("L", turned.size, 255))
        s.image.paste(colour(rng) if coloured and chance(rng, 0.6) else s.ink, at, turned)
    s.draw = ImageDraw.Draw(s.image)
    for _ in range(int(rng.integers(0, 5))):
        at_word = (float(rng.uniform(0, 0.8)) * s.w, float(rng.uniform(0, 0.9)) * s.h)
        label(s, at_word, phrase(rng, 1, 3), face(rng, rng.uniform(12, 90)), fill=colour(rng) if coloured else s.ink)
    return s.done()


SHELF = {
    "cover_frames": cover_frames,
    "blank_leaf": blank_leaf,
    "film_frame": film_frame,
    "ruled_off": ruled_off,
    "warning_tape": warning_tape,
}
