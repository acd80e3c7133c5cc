"""Plates and codes: maps with contours, hatched figures like engravings, technical drawings, bar and square codes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from openset.sheetmusic.hand import Curve, Ink, smooth
from openset.sheetmusic.typeset import Picture, Sheet, chance, colour, face, label, paragraph, script_of, sheet
from openset.sheetmusic.words import name, phrase, pick, prose


def relief(rng: np.random.Generator, s: Sheet, rough: int) -> np.ndarray:
    """A smooth random height for every pixel, in [0, 1], float32 [H, W]."""
    height = np.zeros((s.h, s.w), np.float32)
    for octave in range(3):
        n = rough * 2**octave
        coarse = Image.fromarray(rng.random((n, n), dtype=np.float32))
        height += np.asarray(coarse.resize((s.w, s.h), Image.Resampling.BICUBIC)) / 2.2**octave
    scaled: np.ndarray = (height - height.min()) / np.ptp(height)
    return scaled


def contour_map(rng: np.random.Generator) -> Picture:
    """A map: contour lines, water, roads, places, a frame, a scale."""
    s, script = sheet(rng, wide=0.5, colour_share=0.7), script_of(rng, 0.3)
    height, levels = relief(rng, s, int(rng.integers(2, 6))), int(rng.integers(8, 45))
    bands = np.floor(height * levels).astype(np.int16)
    edge = np.zeros(bands.shape, bool)
    edge[:, 1:] |= bands[:, 1:] != bands[:, :-1]
    edge[1:] |= bands[1:] != bands[:-1]
    if s.image.mode == "RGB" and chance(rng, 0.5):
        wet = Image.fromarray(((height < 0.3) * 255).astype(np.uint8))
        s.image.paste(colour(rng, (0.2, 0.4), (0.8, 0.95)), (0, 0), wet)
    tint = pick(rng, ("#a0703c", "#907050", "#505050", "#303030"))
    s.image.paste(tint if s.image.mode == "RGB" else s.ink, (0, 0), Image.fromarray((edge * 255).astype(np.uint8)))
    for _ in range(int(rng.integers(1, 7))):
        road = smooth(rng.random((6, 2)) * (s.w, s.h), 10).ravel().tolist()
        wide = int(rng.integers(2, 7))
        s.draw.line(road, fill=s.ink, width=wide + 2, joint="curve")
        s.draw.line(road, fill=pick(rng, ("#ffffff", "#e8c060", "#d06050")), width=wide, joint="curve")
    for _ in range(int(rng.integers(4, 40))):
        x, y = rng.random(2) * (s.w, s.h)
        s.draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=s.ink)
        label(
            s, (float(x) + 5, float(y)), phrase(rng, 1, 1, script), face(rng, rng.uniform(9, 24), script), anchor="lm"
        )
    if chance(rng, 0.6):
        s.draw.rectangle((6, 6, s.w - 7, s.h - 7), outline=s.ink, width=4)
        for x in np.linspace(0, s.w, int(rng.integers(3, 9))):
            s.draw.line((x, 0, x, s.h), fill=s.ink)
    return s.done()


def town_plan(rng: np.random.Generator) -> Picture:
    """A street or floor plan: blocks between crossing streets, names, a key."""
    s, script = sheet(rng, wide=0.5, colour_share=0.6), script_of(rng, 0.2)
    boxes = [(0.04 * s.w, 0.04 * s.h, 0.96 * s.w, 0.96 * s.h)]
    for _ in range(int(rng.integers(2, 6))):
        cut: list[tuple[float, float, float, float]] = []
        for x0, y0, x1, y1 in boxes:
            share, gap = float(rng.uniform(0.3, 0.7)), float(rng.uniform(2, 9))
            if x1 - x0 > y1 - y0:
                m = x0 + share * (x1 - x0)
                cut += [(x0, y0, m - gap, y1), (m + gap, y0, x1, y1)]
            else:
                m = y0 + share * (y1 - y0)
                cut += [(x0, y0, x1, m - gap), (x0, m + gap, x1, y1)]
        boxes = [b for b in cut if b[2] - b[0] > 12 and b[3] - b[1] > 12]
    font, tint = face(rng, rng.uniform(8, 15), script), colour(rng, (0.05, 0.25), (0.8, 0.95))
    for x0, y0, x1, y1 in boxes:
        s.draw.rectangle(
            (x0, y0, x1, y1), fill=tint if chance(rng, 0.5) else None, outline=s.ink, width=int(rng.integers(1, 4))
        )
        if chance(rng, 0.25):
            for k in np.arange(x0, x1, 7):
                s.draw.line((k, y1, min(x1, k + y1 - y0), max(y0, y1 - (x1 - k))), fill=s.ink)
        if chance(rng, 0.5):
            label(s, ((x0 + x1) / 2, (y0 + y1) / 2), phrase(rng, 1, 1, script)[:10], font, anchor="mm")
    return s.done()


def hatch(ink: Ink, rng: np.random.Generator, outline: Curve, angle: float, gap: float, width: float) -> None:
    """Parallel lines inside a closed outline, slightly wavering, as an engraver shades."""
    c, z = np.cos(angle), np.sin(angle)
    turned = outline @ np.array(((c, -z), (z, c)))
    a, b = turned, np.roll(turned, -1, axis=0)
    for y in np.arange(turned[:, 1].min(), turned[:, 1].max(), gap):
        cross = (a[:, 1] - y) * (b[:, 1] - y) < 0
        t = (y - a[cross, 1]) / (b[cross, 1] - a[cross, 1])
        xs = np.sort(a[cross, 0] + t * (b[cross, 0] - a[cross, 0]))
        for x0, x1 in zip(xs[::2], xs[1::2], strict=False):
            if chance(rng, 0.85):
                line = np.array(((x0, y), ((x0 + x1) / 2, y + rng.normal(0, gap * 0.15)), (x1, y)))
                ink.stroke(line @ np.array(((c, z), (-z, c))), width)


def engraving(rng: np.random.Generator) -> Picture:
    """A plate of hatched figures with letters, captions and a plate number: shells, leaves, vessels, ornaments."""
    s, script = sheet(rng, wide=0.2, colour_share=0.3), script_of(rng, 0.2)
    ink, font = Ink(s), face(rng, 0.016 * s.w, script, "serif")
    across, down = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    gap, width = float(rng.uniform(3, 7)), float(rng.uniform(0.5, 1.2))
    for i in range(across * down):
        cx, cy = (
            (i % across + 0.5) * 0.9 * s.w / across + 0.05 * s.w,
            (i // across + 0.45) * 0.86 * s.h / down + 0.06 * s.h,
        )
        r = 0.38 * min(0.9 * s.w / across, 0.86 * s.h / down)
        n = int(rng.integers(6, 14))
        turn = np.arange(n) * 2 * np.pi / n
        radius = r * rng.uniform(0.35, 1, n)
        if chance(rng, 0.5):
            radius[n // 2 + 1 :] = radius[1 : n - n // 2][::-1]
        rim = np.column_stack((cx + radius * np.cos(turn), cy + radius * np.sin(turn)))
        outline = smooth(np.vstack((rim, rim[:1])), 10)
        ink.stroke(outline, 2.2)
        angle = float(rng.uniform(0, np.pi))
        hatch(ink, rng, outline, angle, gap, width)
        inner = (outline - (cx, cy)) * float(rng.uniform(0.4, 0.75)) + (cx, cy) + rng.normal(0, 0.06 * r, 2)
        hatch(ink, rng, inner, angle + float(rng.uniform(0.5, 1.5)), gap, width)
        if chance(rng, 0.5):
            ink.stroke(inner, 1.4)
        label(s, (cx, cy + 1.15 * r), f"Fig. {i + 1}.", font, anchor="mm")
    ink.settle(s.ink)
    label(s, (0.93 * s.w, 0.03 * s.h), f"Pl. {int(rng.integers(1, 90))}", font, anchor="ra")
    paragraph(
        s,
        prose(rng, int(rng.integers(3, 25)), script),
        font,
        (0.12 * s.w, 0.935 * s.h, 0.76 * s.w, 0.99 * s.h),
        align="centre",
    )
    return s.done()


def technical(rng: np.random.Generator) -> Picture:
    """A technical drawing: views with circles, centre lines, dimension arrows, hatching, a title block."""
    s = sheet(rng, wide=0.8, dark=0.1, colour_share=0.3)
    font = face(rng, 0.013 * s.w, kind="sans")
    s.draw.rectangle((8, 8, s.w - 9, s.h - 9), outline=s.ink, width=3)
    for _ in range(int(rng.integers(2, 6))):
        w, h = rng.uniform(0.1, 0.35, 2) * (s.w, s.h)
        x, y = rng.uniform(0.05, 0.6, 2) * (s.w, s.h)
        s.draw.rectangle((x, y, x + w, y + h), outline=s.ink, width=3)
        for _ in range(int(rng.integers(1, 5))):
            cx, cy, r = x + w * rng.random(), y + h * rng.random(), float(rng.uniform(0.05, 0.4)) * min(w, h)
            s.draw.ellipse((cx - r, cy - r, cx + r, cy + r), outline=s.ink, width=2)
            s.draw.line((cx - 1.3 * r, cy, cx + 1.3 * r, cy), fill=s.ink)
            s.draw.line((cx, cy - 1.3 * r, cx, cy + 1.3 * r), fill=s.ink)
        low = y + h + 0.04 * s.h
        s.draw.line((x, low, x + w, low), fill=s.ink)
        for at in (x, x + w):
            s.draw.line((at, y + h + 4, at, low + 6), fill=s.ink)
        label(s, (x + w / 2, low - 2), f"{w:.1f}", font, anchor="ms")
    x, y = 0.7 * s.w, 0.84 * s.h
    for k in range(4):
        s.draw.rectangle((x, y + k * 0.035 * s.h, s.w - 9, y + (k + 1) * 0.035 * s.h), outline=s.ink, width=2)
        label(s, (x + 6, y + (k + 0.5) * 0.035 * s.h), phrase(rng, 1, 3) if k else name(rng), font, anchor="lm")
    return s.done()


def square_codes(rng: np.random.Generator) -> Picture:
    """QR-like codes: random modules with three finder squares, and words about them."""
    s = sheet(rng, wide=0.4)
    n = int(rng.choice((21, 25, 29, 33, 45)))
    cells = rng.random((n, n)) < 0.5
    finder = np.zeros((8, 8), bool)
    finder[:7, :7] = True
    finder[1:6, 1:6] = False
    finder[2:5, 2:5] = True
    cells[:8, :8], cells[:8, -8:], cells[-8:, :8] = finder, finder[:, ::-1], finder[::-1]
    side = round(float(rng.uniform(0.25, 0.85)) * min(s.w, s.h))
    code = Image.fromarray((cells * 255).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    x, y = (s.w - side) // 2, round(0.4 * (s.h - side))
    s.image.paste(s.ink, (x, y), code)
    label(s, (s.w / 2, y + side + 20), phrase(rng, 1, 5), face(rng, 0.03 * s.w), anchor="ma")
    if y > 60:
        label(s, (s.w / 2, y - 20), phrase(rng, 1, 3), face(rng, 0.04 * s.w), anchor="ms")
    return s.done()


PLATES = {
    "contour_map": contour_map,
    "town_plan": town_plan,
    "engraving": engraving,
    "technical": technical,
    "square_codes": square_codes,
}
