"""Confusers made of boxes in rows: answer sheets, forms with a box for every letter, check lists, grids of digits.

See `confusers.py` for what they are for.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from openset.sheetmusic.confusers_ruled import Draw, mark, page
from openset.sheetmusic.hand import Ink, a_hand, write_line
from openset.sheetmusic.tables import clipped
from openset.sheetmusic.texts import headline, margins
from openset.sheetmusic.typeset import (
    Face,
    Picture,
    Sheet,
    blend,
    chance,
    face,
    fill_column,
    label,
    paragraph,
    script_of,
)
from openset.sheetmusic.words import phrase, pick, prose

HEIGHTS = (1, 1, 1, 2, 3, 5, 6, 7, 10)  # boxes one above another: never four, whose rules are a staff's five


def _box(rng: np.random.Generator, s: Sheet, at: tuple[float, float], size: tuple[float, float], kind: int) -> None:
    """An empty place to mark, at its middle: a rectangle, a round one, an ellipse, brackets, a comb's tooth."""
    (x, y), (a, b) = at, (size[0] / 2, size[1] / 2)
    tone = s.ink if chance(rng, 0.5) else blend(s.ink, s.paper, 0.6)
    if kind == 0:
        s.draw.rectangle((x - a, y - b, x + a, y + b), outline=tone)
    elif kind == 1:
        s.draw.rounded_rectangle((x - a, y - b, x + a, y + b), 0.5 * min(a, b), outline=tone)
    elif kind == 2:
        s.draw.ellipse((x - a, y - b, x + a, y + b), outline=tone)
    elif kind == 3:
        for side in (-1, 1):
            edge = x + side * a
            s.draw.line((edge - side * 3, y - b, edge, y - b, edge, y + b, edge - side * 3, y + b), fill=tone)
    else:
        s.draw.line((x - a, y, x - a, y + b, x + a, y + b, x + a, y), fill=tone)


def _corners(rng: np.random.Generator, s: Sheet) -> None:
    """What a reading machine finds the sheet by: marks in the corners, a track of bars, a word over the page."""
    r, kind = float(rng.uniform(0.004, 0.01)) * s.h, int(rng.choice([0, 0, 6, 3]))
    for x in (0.06, 0.94):
        for y in (0.05, 0.95):
            mark(rng, s, x * s.w, y * s.h, r, kind)
    if chance(rng, 0.5):
        step, x, y = float(rng.uniform(8, 18)), float(rng.uniform(0.3, 0.6)) * s.w, 0.035 * s.h
        for k in range(int(rng.integers(4, 16))):
            for row in range(2):
                place = (x + k * step, y + row * step, x + (k + 1) * step, y + (row + 1) * step)
                s.draw.rectangle(place, outline=s.ink, fill=s.ink if chance(rng, 0.4) else None)
    if chance(rng, 0.3):
        x, step = pick(rng, (0.02, 0.98)) * s.w, float(rng.uniform(7, 20))
        for y in np.arange(0.1 * s.h, 0.9 * s.h, step):
            s.draw.rectangle((x - 6, y, x + 6, y + 0.4 * step), fill=s.ink)
    if chance(rng, 0.2):
        tone = blend(s.ink, s.paper, float(rng.uniform(0.1, 0.35)))
        label(s, (s.w / 2, s.h / 2), "DRAFT", face(rng, 0.1 * s.h), anchor="mm", fill=tone)


def _choices(
    rng: np.random.Generator, s: Sheet, font: Face, at: tuple[float, float], count: int, *, size: float, gap: float,
    kind: int, lettered: int, filled: float,
) -> float:  # fmt: skip
    """A row of places to mark, lettered inside (1) or beside (2), some of them marked; returns the x beyond."""
    x, y = at
    wide = size * (1.5 if kind in (2, 3) else 1.0)
    chosen = int(rng.integers(count)) if chance(rng, filled) else -1
    for k in range(count):
        middle = (x + wide / 2, y)
        _box(rng, s, middle, (wide, size), kind)
        if lettered == 1:
            label(s, middle, "ABCDEFGHIJ"[k % 10] if count < 10 else str(k % 10), font, anchor="mm")
        if k == chosen:
            mark(rng, s, *middle, 0.42 * size, int(pick(rng, (0, 2, 3, 4, 6))))
        x += wide + gap
        if lettered == 2:
            text = phrase(rng, 1, 2, font.script)
            label(s, (x - gap / 2, y), text, font, anchor="lm")
            x += font.wide(text) + gap
    return x


def answer_sheet(rng: np.random.Generator) -> Picture:
    """A test to be read by a machine: questions with rows of boxes, in columns, a grid of digits for the number."""
    s, script = page(rng, wide=0.2, dark=0.02), script_of(rng, 0.2)
    x, y, width, bottom = margins(rng, s)
    _corners(rng, s)
    size = float(rng.uniform(7, 17))
    font, tiny = face(rng, max(8.0, size), script), face(rng, max(6.0, 0.75 * size), kind="sans")
    y = headline(rng, s, x, y + 0.03 * s.h, width, 1.5 * size, script) + size
    if chance(rng, 0.6):
        y = paragraph(s, prose(rng, int(rng.integers(10, 60)), script), font, (x, y, width, bottom)) + size
    kind, lettered, gap = int(rng.integers(4)), int(rng.integers(3)), size * float(rng.uniform(0.15, 1.6))
    step, filled = size * float(rng.uniform(1.25, 2.6)), float(rng.choice([0.0, 0.5, 0.95]))
    if chance(rng, 0.4):
        high, wide = int(pick(rng, (10, 10, 7))), int(rng.integers(3, 12))
        for row in range(high):
            digits = float(y + row * 1.2 * size)
            _choices(
                rng, s, tiny, (x, digits), wide, size=size, gap=0.2 * size, kind=kind, lettered=1, filled=filled / 2
            )
        y += (high + 1.5) * 1.2 * size
    columns, count = (1 if lettered == 2 else int(rng.integers(1, 5))), int(rng.integers(2, 8))
    number, told, long = 1, chance(rng, 0.4), chance(rng, 0.5)
    for column in range(columns):
        left, at = x + column * width / columns, y + size
        while at < bottom and (long or number % 12):
            text = f"{number}." if columns > 1 or not told else f"{number}. {phrase(rng, 2, 8, script)}"
            label(s, (left, at), clipped(font, text, 0.5 * width), font, anchor="lm")
            start = left + max(2.5 * size, font.wide(clipped(font, text, 0.5 * width)) + size)
            if told and columns == 1 and chance(rng, 0.5):
                start, at = left + 2 * size, at + step
            _choices(
                rng, s, font if lettered == 2 else tiny, (start, at), min(count, 5) if lettered == 2 else count,
                size=size, gap=gap, kind=kind, lettered=lettered, filled=filled,
            )  # fmt: skip
            at, number = at + step, number + 1
        number += 1
    return s.done()


def comb_form(rng: np.random.Generator) -> Picture:
    """A form with a box for every letter, in rows and blocks of rows, filled by hand or not, small print between them."""
    s, script = page(rng, wide=0.15, dark=0.02), script_of(rng, 0.25)
    x, y, width, bottom = margins(rng, s)
    size = float(rng.uniform(8, 22))
    font, ink = face(rng, max(7.0, 0.7 * size), script, "sans"), Ink(s)
    letters, hand, filled = face(rng, 0.8 * size, kind="hand"), a_hand(rng, 0.7 * size), float(rng.uniform(0, 1))
    kind, tight = int(rng.choice([0, 0, 1, 4])), chance(rng, 0.7)
    y = headline(rng, s, x, y, width, 1.6 * size, script) + size
    while y < bottom - 3 * size:
        what = int(rng.choice(4, p=(0.5, 0.15, 0.2, 0.15)))
        if what == 0:
            high = int(pick(rng, HEIGHTS))
            text = clipped(font, phrase(rng, 1, 5, script), 0.45 * width)
            beside = chance(rng, 0.5)
            label(s, (x, y + size / 2), text, font, anchor="lm")
            left = x + (font.wide(text) + size if beside else 0)
            y += 0 if beside else 1.3 * size
            count = max(2, int(float(rng.uniform(0.15, 1)) * (x + width - left) / size))
            for row in range(high if tight else 1):
                for k in range(count):
                    middle = (left + (k + 0.5) * size, y + (row + 0.5) * size)
                    if tight or k % 5 != 4:
                        _box(rng, s, middle, (size, size), kind)
                        if chance(rng, 0.6 * filled):
                            label(s, middle, pick(rng, tuple("ABCDEIKLMNORSTU0123456789")), letters, anchor="mm")
            y += size * (high if tight else 1)
        elif what == 1:
            y = paragraph(s, prose(rng, int(rng.integers(15, 60)), script), font, (x, y, width, bottom))
        elif what == 2:
            text = clipped(font, phrase(rng, 1, 3, script) + ":", 0.5 * width)
            label(s, (x, y + size), text, font, anchor="ls")
            left = x + font.wide(text) + 6
            s.draw.line((left, y + size, x + width, y + size), fill=s.ink)
            if chance(rng, filled):
                write_line(ink, rng, hand, left + 4, y + size - 2, 0.7 * (x + width - left))
            y += size
        else:
            s.draw.rectangle((x, y, x + width, y + 1.4 * size), fill=blend(s.ink, s.paper, float(rng.uniform(0.1, 1))))
            label(s, (x + 4, y + 0.7 * size), phrase(rng, 1, 4, script), font, anchor="lm", fill=s.paper)
            y += 1.4 * size
        y += size * float(rng.uniform(0.4, 1.8))
    ink.settle(hand.ink)
    return s.done()


def check_list(rng: np.random.Generator) -> Picture:
    """Lines of text with places to tick on one side: lists, inquiries with a scale of answers, ballots."""
    s, script = page(rng, wide=0.25), script_of(rng, 0.3)
    x, y, width, bottom = margins(rng, s)
    size = float(rng.uniform(9, 20))
    font, columns = face(rng, size, script), int(pick(rng, (1, 1, 2, 3)))
    y = headline(rng, s, x, y, width, 1.6 * size, script) + size
    kind, count, first = int(rng.integers(4)), int(pick(rng, (1, 1, 2, 3, 5, 7, 10))), chance(rng, 0.5)
    step, ruled, filled = size * float(rng.uniform(1.3, 2.4)), chance(rng, 0.25), float(rng.uniform(0, 1))
    gap = size * float(rng.uniform(0.2, 1.8))
    for column in range(columns):
        left, room = x + column * width / columns, width / columns - size
        places = min(0.7 * room, count * (size * (1.5 if kind in (2, 3) else 1.0) + gap))
        for row, top in enumerate(np.arange(y + size, bottom, step)):
            if ruled:
                s.draw.line((left, top + step / 2, left + room, top + step / 2), fill=blend(s.ink, s.paper, 0.5))
            text = clipped(font, phrase(rng, 2, 9, script), room - places - size)
            label(s, (left + (places + size if first else 0), float(top)), text, font, anchor="lm")
            if row % 9 != 8:
                at = (left if first else left + room - places, float(top))
                _choices(rng, s, font, at, count, size=0.9 * size, gap=gap, kind=kind, lettered=0, filled=filled)
    return s.done()


def box_rows(rng: np.random.Generator) -> Picture:
    """Strips of cells between columns of type or alone: planners, seats, weeks, scales, a key; filled, dotted, numbered."""
    s = page(rng, wide=0.4)
    x, y, width, bottom = margins(rng, s)
    size = float(rng.uniform(5, 30))
    font, tiny = face(rng, float(rng.uniform(9, 17)), script_of(rng, 0.3)), face(rng, max(6.0, 0.6 * size))
    while y < bottom - size:
        high, cell = int(pick(rng, HEIGHTS)), size * float(rng.uniform(0.5, 3))
        count, slope = max(2, int(float(rng.uniform(0.2, 1)) * width / cell)), float(rng.uniform(-1, 1)) * 0.01
        kind, share = int(rng.choice([0, 0, 0, 1, 2, 4])), float(rng.uniform(0, 0.5))
        tall, style, between = size * float(rng.uniform(0.6, 1.4)), int(rng.integers(8)), float(rng.choice([0, 0, 0.3]))
        for row in range(high):
            for k in range(count):
                middle = (
                    x + (k + 0.5) * cell * (1 + between),
                    y + (row + 0.5) * tall * (1 + between) + slope * k * cell,
                )
                if middle[0] > x + width:
                    break
                _box(rng, s, middle, (cell, tall), kind)
                if style == 7:
                    label(s, middle, str(k + 1), tiny, anchor="mm")
                elif chance(rng, share):
                    mark(rng, s, *middle, 0.36 * min(tall, cell), style)
        y += (high + float(rng.uniform(0.3, 3))) * tall * (1 + between)
        if chance(rng, 0.35):
            y = fill_column(s, rng, font, (x, y, width, min(bottom, y + float(rng.uniform(1, 8)) * font.line))) + 8
    return s.done()


FAMILIES: Mapping[str, Draw] = {
    "answer_sheet": answer_sheet,
    "comb_form": comb_form,
    "check_list": check_list,
    "box_rows": box_rows,
}
