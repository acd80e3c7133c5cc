"""What a judge took for music and is none: dense ruled tables, ink spots on rules, screens and hatching, lettering in
outline, scrolls across rules, rows of dots.

Groups of lines here never have five: beads and marks on five lines are kept for testing (`lines.UNSEEN_LINES`), and so is
everything like an abacus, a map of stops or a punched roll.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from PIL import Image, ImageDraw

from openset.sheetmusic.hand import Curve, Ink, a_hand, smooth, write_line
from openset.sheetmusic.plates import relief
from openset.sheetmusic.tables import clipped, edges
from openset.sheetmusic.texts import headline, margins
from openset.sheetmusic.typeset import Box, Picture, Sheet, blend, chance, face, fill_column, label, script_of, sheet
from openset.sheetmusic.words import name, number, phrase, pick

Draw = Callable[[np.random.Generator], Picture]
GROUPS = (1, 2, 3, 4, 6, 7, 9)  # lines side by side: never a staff's five


def _page(rng: np.random.Generator, wide: float = 0.3, dark: float = 0.08) -> Sheet:
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


def _mark(rng: np.random.Generator, s: Sheet, x: float, y: float, r: float, kind: int) -> None:
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
    s = _page(rng)
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
    s = _page(rng, dark=0.04)
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
            _mark(rng, s, float(xs[0]) + 6, float(y) - step / 2, 0.35 * step, int(rng.choice([2, 3, 4, 5])))
    ink.settle(s.ink if s.paper < "#8" else hand.ink)
    return s.done()


def register(rng: np.random.Generator) -> Picture:
    """Rows of marks in narrow cells between rules 4 to 12 pixels apart: attendance, checks, yields, distances."""
    s, script = _page(rng, wide=0.5), script_of(rng, 0.3)
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
                _mark(rng, s, at + cell / 2, float(top) + step / 2, 0.36 * step, int(pick(rng, kinds)))
    upright = xs[:: int(rng.choice([1, 4, 7, 10]))]
    _rules(rng, s, (x, y, width, bottom), step, upright, int(rng.choice([1, 1, 1, 2, 3])))
    return s.done()


def leader_table(rng: np.random.Generator) -> Picture:
    """Statistics and price lists: entries with leader dots, figures between upright rules, braces and totals."""
    s, script = _page(rng), script_of(rng, 0.25)
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
    s = _page(rng)
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
        page = pick(rng, (log_table, ledger, register, leader_table))(rng)
        image = Image.fromarray(page)
        tones = [f"#{v:02x}{v:02x}{v:02x}" for v in (int(page.min()), int(np.median(page)))]
        s = Sheet(image, ImageDraw.Draw(image), tones[0] if tones[1] > "#8" else "#f0f0f0", tones[1])
    else:
        s = _page(rng)
        x, y, width, bottom = margins(rng, s)
        fill_column(s, rng, face(rng, float(rng.uniform(9, 20)), script_of(rng)), (x, y, width, bottom))
        for k in range(int(pick(rng, GROUPS))):
            s.draw.rectangle((x - 8 - 5 * k, y - 8 - 5 * k, x + width + 8 + 5 * k, bottom + 8 + 5 * k), outline=s.ink)
    spots(rng, s, int(np.exp(rng.uniform(np.log(10), np.log(250)))))
    return s.done()


def blotted_film(rng: np.random.Generator) -> Picture:
    """A strip of film: sprocket holes, frames of vague shapes, scratches along it, dust, hairs and drying marks."""
    s = _page(rng, wide=0.6, dark=0.75)
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


def _scene(rng: np.random.Generator, s: Sheet) -> np.ndarray:
    """Darkness in [0, 1] of a picture that might be anything: light falling on hills, vessels, balls. float32 [H, W]."""
    dark = 0.05 + 0.85 * relief(rng, s, int(rng.integers(2, 6))) ** float(rng.uniform(0.8, 2))
    ys, xs = np.mgrid[0 : s.h, 0 : s.w].astype(np.float32)
    for _ in range(int(rng.integers(1, 7))):
        cx, cy, rx, ry = rng.random() * s.w, rng.random() * s.h, *rng.uniform(0.05, 0.4, 2) * min(s.w, s.h)
        u, v = (xs - cx) / rx, (ys - cy) / ry
        inside = (np.abs(u) ** 2 + np.abs(v) ** float(rng.choice([2, 2, 6]))) < 1
        dark = np.where(inside, np.clip(0.45 + 0.45 * (rng.normal() * u + rng.normal() * v), 0.03, 0.97), dark)
    return np.asarray(dark, np.float32)


def _framed(rng: np.random.Generator, s: Sheet, black: np.ndarray) -> Picture:
    """The plate in its frame on the sheet, or bled off, with a caption below."""
    mask = np.where(black, 255, 0).astype(np.uint8)
    if chance(rng, 0.6):
        inset = [int(v) for v in rng.uniform(0.03, 0.15, 4) * (s.w, s.h, s.w, s.h)]
        x0, y0, x1, y1 = inset[0], inset[1], s.w - inset[2], s.h - inset[3]
        shown = np.zeros_like(mask)
        shown[y0:y1, x0:x1] = mask[y0:y1, x0:x1]
        mask = shown
        for k in range(int(rng.integers(0, 4))):
            s.draw.rectangle((x0 - 4 * k, y0 - 4 * k, x1 + 4 * k, y1 + 4 * k), outline=s.ink)
        label(s, (s.w / 2, (y1 + s.h) / 2), phrase(rng, 1, 6), face(rng, float(rng.uniform(9, 22))), anchor="mm")
    s.image.paste(s.ink, (0, 0), Image.fromarray(cv2.GaussianBlur(mask, (0, 0), 0.6)))
    return s.done()


def halftone(rng: np.random.Generator) -> Picture:
    """A picture as a printer's plate: round dots in a turned grid, lines that swell, or stippling."""
    s = _page(rng, wide=0.5)
    dark, turn, pitch = _scene(rng, s), float(rng.uniform(0, np.pi)), float(rng.uniform(4, 13))
    ys, xs = np.mgrid[0 : s.h, 0 : s.w].astype(np.float32)
    u = (xs * np.cos(turn) + ys * np.sin(turn)) * (2 * np.pi / pitch)
    v = (ys * np.cos(turn) - xs * np.sin(turn)) * (2 * np.pi / pitch)
    kind = int(rng.integers(3))
    if kind == 0:
        return _framed(rng, s, dark > 0.5 + 0.25 * (np.cos(u) + np.cos(v)))
    if kind == 1:
        wave = float(rng.uniform(0, 2)) * np.sin(u * float(rng.uniform(0.02, 0.1)))
        return _framed(rng, s, dark > 0.5 + 0.5 * np.cos(v + wave))
    r = float(rng.uniform(0.8, 2.4))
    seeds = (rng.random((s.h, s.w), dtype=np.float32) < dark**1.5 * 0.35 / r**2).astype(np.uint8)
    return _framed(rng, s, cv2.dilate(seeds, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(r) + 1,) * 2)) > 0)


def hatched_plate(rng: np.random.Generator) -> Picture:
    """A copper plate: bands of parallel lines for sky and water, crossed where it is darker, bent along the shapes."""
    s = _page(rng, wide=0.5)
    dark, form = _scene(rng, s), relief(rng, s, 3)
    ys, xs = np.mgrid[0 : s.h, 0 : s.w].astype(np.float32)
    gap, first = float(rng.uniform(4, 11)), float(rng.choice([0.0, 0.0, rng.normal(0, 0.1), rng.uniform(0, np.pi)]))
    bend, black = float(rng.choice([0.0, rng.uniform(5, 60)])), np.zeros(dark.shape, bool)
    for k, level in enumerate(np.linspace(float(rng.uniform(0.05, 0.3)), 0.85, int(rng.integers(2, 5)))):
        turn = first + (0.0, 1.0, -0.8, np.pi / 2)[k] * float(rng.uniform(0.7, 1.3))
        phase = (ys * np.cos(turn) + xs * np.sin(turn) + bend * form) % gap
        broken = relief(rng, s, 40) > 0.25 if chance(rng, 0.4) else np.ones(dark.shape, bool)
        black |= (phase < 1 + (gap - 2) * 0.6 * np.clip(dark - level, 0, 1)) & (dark > level) & broken
    return _framed(rng, s, black)


def inline_letters(rng: np.random.Generator) -> Picture:
    """Display lettering of any script: contours around contours, inlines, striped fills, cast and striped shadows."""
    s, y = _page(rng, wide=0.5, dark=0.2), 0.0
    ys, xs = np.mgrid[0 : s.h, 0 : s.w].astype(np.float32)
    while y < 0.85 * s.h:
        script = script_of(rng, 0.6)
        font = face(rng, float(rng.uniform(0.08, 0.45)) * min(s.w, s.h), script)
        text = clipped(font, phrase(rng, 1, 3, script), 0.94 * s.w)
        mask = Image.new("L", (s.w, s.h), 0)
        ImageDraw.Draw(mask).text((s.w / 2, y), text, fill=255, font=font.ft, anchor="ma")
        body = np.asarray(mask) > 127
        deep = cv2.distanceTransform(body.astype(np.uint8), cv2.DIST_L2, 5)
        out = cv2.distanceTransform((~body).astype(np.uint8), cv2.DIST_L2, 5)
        gap, width, turn = float(rng.uniform(3, 9)), float(rng.uniform(1, 2.5)), float(rng.uniform(0, np.pi))
        turn = 0.0 if chance(rng, 0.5) else turn
        stripes = (ys * np.cos(turn) + xs * np.sin(turn)) % gap < width
        rim = (deep > 0) & (deep <= width)
        fill = (stripes & body, (deep % gap < width) & body, body & (deep > gap), body & False)[int(rng.integers(4))]
        black, many = rim | fill, int(rng.integers(0, 8))
        black |= (out > 0) & (out < many * gap) & (out % gap < width)
        if chance(rng, 0.5):
            shift, cast = int(rng.integers(3, 22)), body.copy()
            for k in range(1, shift):
                cast[k:, k:] |= body[:-k, :-k]
            black |= cast & ~body & (stripes if chance(rng, 0.5) else (out > width))
        s.image.paste(s.ink, (0, 0), Image.fromarray((black * 255).astype(np.uint8)))
        y += font.line * float(rng.uniform(0.9, 1.4))
    return s.done()


def _scroll(rng: np.random.Generator, x: float, y: float, size: float, side: float) -> Curve:
    """An S-shaped stroke from a spiral at (x, y) out to one side."""
    turn = np.linspace(float(rng.uniform(3, 6)) * np.pi, 0, 60)
    far = size * (0.08 + 0.92 * (1 - turn / turn[0]) ** 1.5)
    coil = np.column_stack((far * np.cos(turn), far * np.sin(turn)))
    along = np.linspace(0, 1, 14)[1:]
    wave = np.sin(along * float(rng.uniform(2, 7))) * (1 - 0.8 * along) * float(rng.uniform(0.3, 1.1)) * size
    tail = np.column_stack((size * (1 + along * float(rng.uniform(2, 6))), wave))
    return smooth(np.vstack((coil[::2], tail)), 6) * (side, 1.0) + (x, y)


def swash_rules(rng: np.random.Generator) -> Picture:
    """Head pieces and covers: scrolls and swashes across one to nine rules, mirrored or not, with a few words."""
    s, script, ink = _page(rng, dark=0.2), script_of(rng, 0.4), None
    y, gap = float(rng.uniform(0.02, 0.12)) * s.h, float(rng.uniform(4, 15))
    while y < 0.95 * s.h:
        lines, ink = int(pick(rng, GROUPS)), Ink(s)
        inset = float(rng.uniform(0.02, 0.2)) * s.w
        for k in range(lines):
            s.draw.line((inset, y + k * gap, s.w - inset, y + k * gap), fill=s.ink, width=int(rng.choice([1, 1, 2, 3])))
        middle, mirrored = y + (lines - 1) * gap / 2, chance(rng, 0.6)
        for _ in range(int(rng.integers(1, 7))):
            x, size = float(rng.uniform(0.05, 0.95)) * s.w, float(rng.uniform(0.02, 0.09)) * s.w
            curve = _scroll(rng, x, middle + float(rng.normal(0, gap)), size, float(rng.choice([-1, 1])))
            swell = float(rng.uniform(1, 4)) * (0.4 + np.abs(np.sin(np.linspace(0, 5, len(curve)))))
            for c in (curve, (s.w, 0) + curve * (-1, 1))[: 1 + mirrored]:
                for k in range(len(c) - 1):
                    ink.stroke(c[k : k + 2], float(swell[k]))
        ink.settle(s.ink)
        y += lines * gap + float(rng.uniform(0.03, 0.2)) * s.h
        font = face(rng, float(rng.uniform(0.02, 0.08)) * s.w, script)
        if chance(rng, 0.7):
            label(s, (s.w / 2, y), clipped(font, phrase(rng, 1, 5, script), 0.9 * s.w), font, anchor="ms")
    return s.done()


def timeline(rng: np.random.Generator) -> Picture:
    """Lives, reigns and events: long rows of thin lines with dots, rings and bars at years, a scale, names."""
    s, script = _page(rng, wide=0.6), script_of(rng, 0.25)
    x, y, width, bottom = margins(rng, s)
    step = float(np.exp(rng.uniform(np.log(7), np.log(40))))
    font, names = face(rng, float(np.clip(0.7 * step, 7, 15)), script), float(rng.uniform(0, 0.2)) * width
    ticks = np.linspace(x + names, x + width, int(rng.integers(4, 30)))
    kinds, busy = rng.choice([0, 1, 5, 6], int(rng.integers(1, 4))).tolist(), float(rng.uniform(1, 12))
    for top in np.arange(y, bottom, step):
        a, b = np.sort(rng.random(2)) if chance(rng, 0.5) else (0.0, 1.0)
        start, long = x + names + a * (width - names), (b - a) * (width - names)
        s.draw.line((start, top, start + long, top), fill=s.ink, width=int(rng.choice([1, 1, 2])))
        for at in start + rng.random(rng.poisson(busy)) * long:
            r = float(np.clip(rng.uniform(0.12, 0.4) * step, 1.5, 7))
            _mark(rng, s, float(at), float(top), r, int(pick(rng, kinds)))
            if step > 18 and chance(rng, 0.4):
                label(s, (float(at), float(top) + r), phrase(rng, 1, 2, script)[:14], font, anchor="ma")
        if font.line <= 1.3 * step:
            label(s, (x, float(top)), clipped(font, phrase(rng, 1, 2, script), names), font, anchor="lm")
    for k, at in enumerate(ticks):
        if chance(rng, 0.9):
            s.draw.line((at, y - 8, at, bottom if k % 5 == 0 else y), fill=blend(s.ink, s.paper, 0.6))
        label(s, (float(at), y - 9), str(1500 + 10 * k), face(rng, 9), anchor="ms")
    return s.done()


def punched(rng: np.random.Generator) -> Picture:
    """Punched tapes with a row of guide holes, or punched cards with rows of small figures; many or a few."""
    s, cards = _page(rng, wide=0.6, dark=0.3), chance(rng, 0.4)
    ground = blend(s.ink, s.paper, float(rng.uniform(0.02, 0.35)))
    many = int(rng.integers(1, 4) if cards else rng.integers(2, 12))
    pitch, rows = s.h / many, 12 if cards else int(rng.choice([6, 7, 8]))
    font = face(rng, max(6.0, 0.55 * pitch / 14), kind="mono")
    for k in range(many):
        x0, y0, tall = float(rng.uniform(-0.1, 0.1)) * s.w, k * pitch, float(rng.uniform(0.7, 0.96)) * pitch
        s.draw.rectangle((x0, y0, s.w, y0 + tall), fill=ground, outline=s.ink)
        step = tall / (rows + 2)
        across, share = step * float(rng.uniform(0.45, 0.6) if cards else 1.0), float(rng.uniform(0.06, 0.5))
        for x in np.arange(x0 + step, s.w - step, across):
            for row in np.arange(rows):
                y, r = y0 + (row + 1.5) * step, 0.33 * step
                hole = chance(rng, share)
                if cards and hole:
                    s.draw.rectangle((x - 0.3 * across, y - r, x + 0.3 * across, y + r), fill=s.ink)
                elif cards:
                    label(s, (x, y), str(row % 10), font, anchor="mm")
                elif hole or row == 3:
                    r *= 0.5 if row == 3 else 1.0
                    s.draw.ellipse((x - r, y - r, x + r, y + r), fill=s.ink)
    return s.done()


CONFUSERS: Mapping[str, Draw] = {
    "log_table": log_table,
    "ledger": ledger,
    "register": register,
    "leader_table": leader_table,
    "blotted_rules": blotted_rules,
    "blotted_table": blotted_table,
    "blotted_film": blotted_film,
    "halftone": halftone,
    "hatched_plate": hatched_plate,
    "inline_letters": inline_letters,
    "swash_rules": swash_rules,
    "timeline": timeline,
    "punched": punched,
}
