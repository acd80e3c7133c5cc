"""Confusers that a press makes: screens and hatching, lettering in outline, scrolls across rules, tapes and cards.

See `confusers.py` for what they are for.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from PIL import Image, ImageDraw

from openset.sheetmusic.confusers_ruled import GROUPS, Draw, mark, page
from openset.sheetmusic.hand import Curve, Ink, smooth
from openset.sheetmusic.plates import relief
from openset.sheetmusic.tables import clipped
from openset.sheetmusic.texts import margins
from openset.sheetmusic.typeset import Picture, Sheet, blend, chance, face, label, script_of
from openset.sheetmusic.words import phrase, pick


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
    s = page(rng, wide=0.5)
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
    s = page(rng, wide=0.5)
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
    s, y = page(rng, wide=0.5, dark=0.2), 0.0
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
    s, script, ink = page(rng, dark=0.2), script_of(rng, 0.4), None
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
    s, script = page(rng, wide=0.6), script_of(rng, 0.25)
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
            mark(rng, s, float(at), float(top), r, int(pick(rng, kinds)))
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
    s, cards = page(rng, wide=0.6, dark=0.3), chance(rng, 0.4)
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


FAMILIES: Mapping[str, Draw] = {
    "halftone": halftone,
    "hatched_plate": hatched_plate,
    "inline_letters": inline_letters,
    "swash_rules": swash_rules,
    "timeline": timeline,
    "punched": punched,
}
