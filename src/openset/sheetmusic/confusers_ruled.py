"""Confusers made of rules: dense ruled tables, ledgers, rows of dots, ink spots on rules and on film.

See `confusers.py` for what they are for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw

from openset.sheetmusic.hand import Ink, a_hand, smooth, write_line
from openset.sheetmusic.plates import relief
from openset.sheetmusic.tables import clipped, edges
from openset.sheetmusic.texts import headline, margins
from openset.sheetmusic.typeset import Box, Picture, Sheet, blend, chance, face, fill_column, label, script_of, sheet
from openset.sheetmusic.words import name, number, phrase, pick

Draw = Callable[[np.random.Generator], Picture]
GROUPS = (1, 2, 3, 4, 6, 7, 9)  # lines side by side: never a staff's five


def page(rng: np.random.Generator, wide: float = 0.3, dark: float = 0.08) -> Sheet:
    return sheet(rng, wide=wide, dark=dark, colour_share=0.0)


def _rules(rng: np.random.Generator, s: Sheet, box: Box, step: float, xs: np.ndarray, every: int = 1) -> None:
    """A rule at each `every`-th row of box (x, y, width, bottom), upright rules at xs: single, double or heavy."""
    x, y, width, bottom = box
    tone = blend(s.ink, s.paper, float(rng.uniform(0.35, 1)))
    for k, at in enumerate(np.arange(y, bottom + 1, step)):
        if k % every == 0:
            s.draw.line((x, at, x + width, at), fill=tone, width=2 if k % (10 * every) == 0 and every > 1 else 1)
    low = y + int((bottom - y) / step) * step
    for at in xs:
        kind = int(rng.integers(4))
        s.draw.line((at, y, at, low), fill=s.ink, width=2 if kind == 0 else 1)
        if kind == 1:
            s.draw.line((at + 3, y, at + 3, low), fill=s.ink)


def mark(rng: np.random.Generator, s: Sheet, x: float, y: float, r: float, kind: int) -> None:
    """What stands in a cell: dot, ring, blob, cross, tick, dash, filled cell; never a dot with a stem."""
    box = (x - r, y - r, x + r, y + r)
    if kind == 0:
        s.draw.ellipse(box, fill=s.ink)
    elif kind == 1:
        s.draw.ellipse(box, outline=s.ink)
    elif kind == 2:
        turn = np.linspace(0, 2 * np.pi, 9)[:-1]
        rim = np.column_stack((x + 1.3 * r * np.cos(turn), y + r * np.sin(turn))) + rng.normal(0, 0.3 * r, (8, 2))
        s.draw.polygon([(float(a), float(b)) for a, b in rim], fill=s.ink)
    elif kind == 3:
        s.draw.line(box, fill=s.ink)
        s.draw.line((x - r, y + r, x + r, y - r), fill=s.ink)
    elif kind == 4:
        s.draw.line((x - r, y, x - 0.3 * r, y + r, x + 1.3 * r, y - 1.5 * r), fill=s.ink, width=max(1, round(r / 3)))
    elif kind == 5:
        s.draw.line((x - r, y, x + r, y), fill=s.ink, width=max(1, round(r / 2)))
    else:
        s.draw.rectangle((x - 1.2 * r, y - r, x + 1.2 * r, y + r), fill=s.ink)


def log_table(rng: np.random.Generator) -> Picture:
    """Logarithms, tides, coordinates: columns of small figures in close rows, a gap or a rule every few rows."""
    s = page(rng)
    x, y, width, bottom = margins(rng, s)
    step, columns = float(rng.uniform(8, 14)), int(rng.integers(6, 22))
    font = face(rng, 0.92 * step, kind=pick(rng, ("serif", "mono", "sans")))
    y, every = headline(rng, s, x, y, width, 1.8 * step, "latin") + step, int(rng.choice([1, 1, 2, 5, 10]))
    xs = x + width * np.arange(columns + 1) / columns
    digits = max(1, min(7, int(width / columns / max(1.0, font.wide("0")) - 0.7)))
    value, grow, ditto = int(rng.integers(10**digits)), int(rng.integers(1, 400)), chance(rng, 0.3)
    for top in np.arange(y, bottom - step, step):
        for c in range(columns):
            value = (value + int(rng.integers(0, grow + 1))) % 10**digits
            text = pick(rng, ('"', "–", ".", "0")) if ditto and chance(rng, 0.3) else f"{value:0{digits}d}"
            label(s, (float(xs[c + 1]) - 4, float(top) + step / 2), text, font, anchor="rm")
    _rules(rng, s, (x, y, width, bottom), step, xs[:: int(rng.choice([1, 1, 2, 5]))], every)
    return s.done()


def ledger(rng: np.random.Generator) -> Picture:
    """A book of accounts: close rules over the whole page, double upright rules, entries by hand, ticks at the side."""
    s = page(rng, dark=0.04)
    step = float(rng.uniform(8, 15))
    top, columns = float(rng.uniform(0.02, 0.12)) * s.h, int(rng.integers(3, 9))
    xs = np.sort(np.concatenate((rng.uniform(0.02, 0.2, 2), rng.uniform(0.5, 0.99, columns)))) * s.w
    _rules(rng, s, (0, top, s.w, s.h), step, xs)
    ink, hand, filled = Ink(s), a_hand(rng, 0.42 * step), float(rng.uniform(0.2, 0.95))
    size = float(rng.uniform(0.8, 1.1)) * step
    font = face(rng, size, kind="hand")
    for row, y in enumerate(np.arange(top + step, s.h, step)):
        if not chance(rng, filled):
            continue
        if row % 2 == 0 or chance(rng, 0.3):
            write_line(
                ink, rng, hand, float(xs[1]) + 4, float(y) - 2, float(rng.uniform(0.2, 1)) * float(xs[2] - xs[1])
            )
        for c in range(2, len(xs)):
            if chance(rng, 0.6):
                text = clipped(font, f"{int(rng.lognormal(4, 2))}", float(xs[c] - xs[c - 1]) - 7)
                label(s, (float(xs[c]) - 3, float(y)), text, font, anchor="rs")
        if chance(rng, 0.2):
            mark(rng, s, float(xs[0]) + 6, float(y) - step / 2, 0.35 * step, int(rng.choice([2, 3, 4, 5])))
    ink.settle(s.ink if s.paper < "#8" else hand.ink)
    return s.done()


def register(rng: np.random.Generator) -> Picture:
    """Rows of marks in narrow cells between rules 4 to 12 pixels apart: attendance, checks, yields, distances."""
    s, script = page(rng, wide=0.5), script_of(rng, 0.3)
    x, y, width, bottom = margins(rng, s)
    step = float(rng.uniform(4, 12))
    names, cell = float(rng.uniform(0.02, 0.3)) * width, step * float(rng.uniform(0.8, 2.6))
    size = max(7.0, 0.9 * step)
    font, digits, kinds = face(rng, size, script), face(rng, size), rng.integers(0, 7, int(rng.integers(1, 4))).tolist()
    xs, share = np.arange(x + names, x + width, cell), float(rng.uniform(0.08, 0.6))
    every, turn = int(np.ceil(font.line / step)), chance(rng, 0.4)
    for row, top in enumerate(np.arange(y, bottom - step, step)):
        if row % every == 0:
            label(s, (x, float(top) + step / 2), clipped(font, phrase(rng, 1, 3, script), names), font, anchor="lm")
        for at in xs[:-1][rng.random(len(xs) - 1) < share * (0.2 + float(rng.random()))]:
            if turn and step > 7 and chance(rng, 0.4):
                text = str(int(rng.integers(0, 100 if cell > 12 else 10)))
                label(s, (at + cell / 2, float(top) + step / 2), text, digits, anchor="mm")
            else:
                mark(rng, s, at + cell / 2, float(top) + step / 2, 0.36 * step, int(pick(rng, kinds)))
    upright = xs[:: int(rng.choice([1, 4, 7, 10]))]
    _rules(rng, s, (x, y, width, bottom), step, upright, int(rng.choice([1, 1, 1, 2, 3])))
    return s.done()


def leader_table(rng: np.random.Generator) -> Picture:
    """Statistics and price lists: entries with leader dots, figures between upright rules, braces and totals."""
    s, script = page(rng), script_of(rng, 0.25)
    x, y, width, bottom = margins(rng, s)
    step, columns = float(rng.uniform(10, 17)), int(rng.integers(2, 10))
    font, plain = face(rng, 0.8 * step, script), face(rng, 0.8 * step)
    y = headline(rng, s, x, y, width, 1.7 * step, script) + step
    xs = edges(rng, x, width, columns + 1)
    gap, every = float(rng.uniform(3, 9)), int(rng.choice([1, 2, 4, 1000]))
    for row, top in enumerate(np.arange(y, bottom - step, step)):
        text = clipped(font, phrase(rng, 1, 4, script), 0.8 * float(xs[1] - x))
        label(s, (x + 3, float(top) + step / 2), text, font, anchor="lm")
        for c in range(1, columns + 1):
            figure = clipped(plain, number(rng), float(xs[c + 1] - xs[c]) - 6)
            start = x + font.wide(text) + 6 if c == 1 else float(xs[c]) + 3
            if c == 1 or chance(rng, 0.15):
                for at in np.arange(start, xs[c + 1] - plain.wide(figure) - 8, gap):
                    s.draw.rectangle((at, top + 0.75 * step, at + 1, top + 0.75 * step + 1), fill=s.ink)
            label(s, (float(xs[c + 1]) - 3, float(top) + step / 2), figure, plain, anchor="rm")
        if row and row % 12 == 0:
            s.draw.line((xs[1], top, xs[-1], top), fill=s.ink, width=2)
    _rules(rng, s, (x, y, width, bottom), step, xs[2:], every)
    return s.done()


def spots(rng: np.random.Generator, s: Sheet, count: int) -> None:
    """Blots, specks, splashes thrown in one direction and runs of ink, each of its own size, all over the sheet."""
    ink, most = Ink(s), float(rng.uniform(4, 45))
    for _ in range(count):
        x, y = (float(v) for v in rng.uniform(-0.02, 1.02, 2) * (s.w, s.h))
        r, kind = float(np.exp(rng.uniform(np.log(0.8), np.log(most)))), int(rng.choice(4, p=(0.4, 0.42, 0.14, 0.04)))
        if kind == 1:
            ink.dot(x, y, min(r, 6))
        if kind == 2:  # a splash: drops that get smaller along its flight
            along, turn = np.sort(rng.exponential(6 * r, int(rng.integers(5, 40)))), float(rng.uniform(0, 2 * np.pi))
            for far, off in zip(along, rng.normal(0, 0.25, len(along)), strict=True):
                size = r * float(rng.uniform(0.1, 0.5)) / (1 + far / (8 * r))
                ink.dot(x + far * np.cos(turn + off), y + far * np.sin(turn + off), max(0.5, size))
        if kind == 3 and r > 3:  # a run down the sheet that narrows
            down, half = y + np.linspace(0, float(rng.uniform(4, 25)) * r, 12), 0.8 * r * np.linspace(1, 0.1, 12) ** 2
            middle = x + np.cumsum(rng.normal(0, 0.06 * r, 12))
            sides = np.vstack((np.column_stack((middle - half, down)), np.column_stack((middle + half, down))[::-1]))
            ink.draw.polygon([(2 * float(a), 2 * float(b)) for a, b in sides], fill=255)
        if kind != 1:
            n = int(rng.integers(9, 22))
            turns, rough = np.arange(n) * 2 * np.pi / n, float(rng.uniform(0.05, 0.35))
            radius = r * np.exp(rng.normal(0, rough, n))
            rim = np.column_stack((x + radius * np.cos(turns) * rng.uniform(0.7, 1.4), y + radius * np.sin(turns)))
            ink.draw.polygon([(2 * float(a), 2 * float(b)) for a, b in smooth(np.vstack((rim, rim[:1])), 5)], fill=255)
    ink.settle(s.ink if chance(rng, 0.7) else blend(s.ink, s.paper, float(rng.uniform(0.4, 0.9))))


def blotted_rules(rng: np.random.Generator) -> Picture:
    """Ruled paper or groups of some lines, of even or uneven distance, with ink spilt and splashed over them."""
    s = page(rng)
    y, gap, even = float(rng.uniform(0, 0.1)) * s.h, float(rng.uniform(5, 18)), chance(rng, 0.5)
    left, right = float(rng.uniform(0, 0.12)) * s.w, float(rng.uniform(0.88, 1)) * s.w
    groups, whole = rng.choice(GROUPS, 2).tolist(), chance(rng, 0.35)
    tone = blend(s.ink, s.paper, float(rng.uniform(0.35, 1)))
    while y < s.h:
        for _ in range(1 if whole else int(pick(rng, groups))):
            bow = float(rng.normal(0, 1.2))
            s.draw.line((left, y, s.w / 2, y + bow, right, y), fill=tone, width=int(rng.choice([1, 1, 1, 2])))
            y += gap * (1.0 if even else float(rng.uniform(0.5, 1.8)))
        y += 0.0 if whole else gap * float(rng.uniform(1.8, 6))
    spots(rng, s, int(np.exp(rng.uniform(np.log(15), np.log(400)))))
    return s.done()


def blotted_table(rng: np.random.Generator) -> Picture:
    """A table of this module, or a page of type with a frame, soiled all over."""
    if chance(rng, 0.75):
        drawn = pick(rng, (log_table, ledger, register, leader_table))(rng)
        image = Image.fromarray(drawn)
        tones = [f"#{v:02x}{v:02x}{v:02x}" for v in (int(drawn.min()), int(np.median(drawn)))]
        s = Sheet(image, ImageDraw.Draw(image), tones[0] if tones[1] > "#8" else "#f0f0f0", tones[1])
    else:
        s = page(rng)
        x, y, width, bottom = margins(rng, s)
        fill_column(s, rng, face(rng, float(rng.uniform(9, 20)), script_of(rng)), (x, y, width, bottom))
        for k in range(int(pick(rng, GROUPS))):
            s.draw.rectangle((x - 8 - 5 * k, y - 8 - 5 * k, x + width + 8 + 5 * k, bottom + 8 + 5 * k), outline=s.ink)
    spots(rng, s, int(np.exp(rng.uniform(np.log(10), np.log(250)))))
    return s.done()


def blotted_film(rng: np.random.Generator) -> Picture:
    """A strip of film: sprocket holes, frames of vague shapes, scratches along it, dust, hairs and drying marks."""
    s = page(rng, wide=0.6, dark=0.75)
    strips = int(rng.integers(1, 5))
    tall = s.h / strips
    tone = np.asarray(s.image, np.float32) * 0.7 + 0.3 * 255 * relief(rng, s, int(rng.integers(2, 8)))
    s.image.paste(Image.fromarray(tone.astype(np.uint8)))
    for k in range(strips):
        top, hole, step = k * tall, tall * float(rng.uniform(0.03, 0.07)), tall * float(rng.uniform(0.1, 0.2))
        for x in np.arange(float(rng.uniform(0, step)), s.w, step):
            for y in (top + hole, top + tall - 2.2 * hole):
                s.draw.rounded_rectangle((x, y, x + 0.5 * step, y + hole), 2, fill=s.ink)
        wide = tall * float(rng.uniform(0.8, 1.6))
        for x in np.arange(0, s.w, wide):
            s.draw.rectangle((x, top + 3 * hole, x + 0.95 * wide, top + tall - 3 * hole), outline=s.ink)
        for _ in range(int(rng.integers(0, 25))):
            y, x = top + float(rng.random()) * tall, float(rng.uniform(-0.5, 0.8)) * s.w
            line = (x, y, x + float(rng.uniform(0.1, 1.2)) * s.w, y + float(rng.normal(0, 2)))
            s.draw.line(line, fill=blend(s.ink, s.paper, float(rng.uniform(0.2, 0.9))))
        label(s, (0.1 * s.w, top + 1), f"{k + 1}A  {name(rng)}", face(rng, max(8.0, 0.8 * hole)))
    spots(rng, s, int(np.exp(rng.uniform(np.log(20), np.log(400)))))
    return s.done()


FAMILIES: Mapping[str, Draw] = {
    "log_table": log_table,
    "ledger": ledger,
    "register": register,
    "leader_table": leader_table,
    "blotted_rules": blotted_rules,
    "blotted_table": blotted_table,
    "blotted_film": blotted_film,
}
