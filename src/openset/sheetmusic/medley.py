"""Pages of many small unlike pieces: plates, sample sheets, pasted-up leaves, contact prints; and dense text lying askew.

A judge that reads small cells finds something staff-like in such pages by chance: dithered blocks beside rules, rows of
symbols, scale bars, lines of type that run upwards. The pieces are cut from other families' pictures, so these families
must be given those that are trained on only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from PIL import Image, ImageOps

from openset.sheetmusic.typeset import Picture, Sheet, chance, face, label, paragraph, script_of, shade, sheet
from openset.sheetmusic.words import phrase, pick

Family = Callable[[np.random.Generator], Picture]
TYPE = (
    "prose_page columns_page dictionary newspaper contents poem typewritten table timetable article code letter".split()
)
ORDERED = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.uint8) * 16 + 8


def screened(rng: np.random.Generator, piece: Image.Image) -> Image.Image:
    """The piece in black and white as old printers made it: error diffusion, an ordered screen or a threshold."""
    gray = piece.convert("L")
    kind = int(rng.integers(3))
    if kind == 0:
        return gray.convert("1").convert("L")
    tone, coarse = np.asarray(gray), int(rng.integers(1, 4))
    level = np.kron(ORDERED, np.ones((coarse, coarse), np.uint8)) if kind == 1 else np.full((1, 1), 128, np.uint8)
    tiled = np.tile(level, (tone.shape[0] // level.shape[0] + 1, tone.shape[1] // level.shape[1] + 1))
    return Image.fromarray(np.where(tone > tiled[: tone.shape[0], : tone.shape[1]], 255, 0).astype(np.uint8))


def cutting(rng: np.random.Generator, sources: list[Image.Image], width: int, height: int) -> Image.Image:
    """A piece of about width x height out of one of the sources, at half to four times less than its size, perhaps
    screened, inverted, mirrored or turned."""
    source = pick(rng, sources)
    zoom = float(np.exp(rng.uniform(np.log(0.25), np.log(1.5))))
    w, h = min(source.width, width / zoom), min(source.height, height / zoom)
    size = (max(4, round(w * zoom)), max(4, round(h * zoom)))
    pieces = []
    for _ in range(2):
        x, y = float(rng.uniform(0, source.width - w)), float(rng.uniform(0, source.height - h))
        box = (x, y, min(source.width, x + w), min(source.height, y + h))
        pieces.append(source.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0))
    piece = max(pieces, key=lambda p: float(np.asarray(p).std()))  # of two places the one with more on it
    if chance(rng, 0.35):
        piece = screened(rng, piece)
    if chance(rng, 0.2):
        piece = ImageOps.invert(piece.convert("L"))
    if chance(rng, 0.3):
        piece = ImageOps.mirror(piece)
    return piece.rotate(90 * int(rng.integers(4)), expand=True) if chance(rng, 0.35) else piece


def scale_bar(rng: np.random.Generator, s: Sheet, x: float, y: float, width: float) -> None:
    """A scale as on plates and maps: one to five lines, ticks or filled steps, figures below."""
    steps, high = int(rng.integers(3, 25)), float(rng.uniform(3, 16))
    step, rails = width / steps, int(rng.integers(1, 6))
    for k in range(rails):
        s.draw.line((x, y + k * high / rails, x + width, y + k * high / rails), fill=s.ink, width=1)
    for k in range(steps):
        if chance(rng, 0.5):
            s.draw.rectangle((x + k * step, y, x + (k + 0.5) * step, y + high), fill=s.ink)
        else:
            s.draw.line((x + k * step, y - high * float(k % 5 == 0), x + k * step, y + high), fill=s.ink)
    font = face(rng, float(rng.uniform(8, 16)))
    for k in range(0, steps + 1, max(1, steps // 5)):
        label(s, (x + k * step, y + high + font.size), str(k * 10), font, anchor="ms")


def medley(rng: np.random.Generator, families: Mapping[str, Family]) -> Picture:
    """Four to eighty pieces in a grid or strewn on light or dark ground, with captions, scale bars and a heading."""
    s = sheet(rng, wide=0.3, dark=0.2)
    names = list(families)
    sources = [Image.fromarray(families[pick(rng, names)](rng)).convert("L") for _ in range(int(rng.integers(2, 6)))]
    across = int(rng.integers(2, 9))
    cell = s.w / across
    grid, captions, script = chance(rng, 0.6), chance(rng, 0.5), script_of(rng, 0.3)
    font = face(rng, np.clip(0.09 * cell, 7, 20), script)
    y = float(rng.uniform(0, 0.1)) * s.h
    if y > 0.04 * s.h:
        large = face(rng, rng.uniform(0.02, 0.05) * s.w, script)
        paragraph(s, phrase(rng, 1, 6, script).split(" "), large, (0.1 * s.w, 0.3 * y, 0.8 * s.w, y), align="centre")
    top, row = y, 0
    while y < s.h:
        high = cell * float(rng.uniform(0.5, 1.4))
        for k in range(across):
            if chance(rng, 0.1):
                continue
            size = cell * float(rng.uniform(0.4, 1.0)), high * float(rng.uniform(0.4, 0.95))
            piece = cutting(rng, sources, round(size[0]), round(size[1])).convert(s.image.mode)
            at = ((k + 0.5) * cell, y + high / 2) if grid else (rng.uniform(0, s.w), rng.uniform(top, s.h))
            s.image.paste(piece, (round(at[0] - piece.width / 2), round(at[1] - piece.height / 2)))
            if captions:
                label(s, (at[0], y + high), phrase(rng, 1, 2, script)[:16], font, anchor="ms")
            if chance(rng, 0.04):
                scale_bar(rng, s, at[0] - cell / 2, at[1] + high / 2, cell * float(rng.uniform(0.5, 2.5)))
        y += high + (font.line if captions else float(rng.uniform(0, 12)))
        row += 1
    if chance(rng, 0.3):
        for k in range(1, across):
            s.draw.line((k * cell, top, k * cell, s.h), fill=s.ink, width=int(rng.integers(1, 4)))
    return s.done()


def askew(rng: np.random.Generator, families: Mapping[str, Family]) -> Picture:
    """A page of type or a table made smaller, turned, bent or inverted: rows of letters with the rhythm of lines."""
    source = Image.fromarray(families[pick(rng, [name for name in TYPE if name in families] or list(families))](rng))
    s = sheet(rng, wide=0.5, dark=0.3, colour_share=0.0)
    across = int(rng.choice([1, 1, 1, 2, 3]))
    width, height = s.w / across, s.h / across
    for k in range(across * across):
        page = source.convert("L").resize((round(width), round(height)), Image.Resampling.BILINEAR, reducing_gap=2.0)
        page = page.rotate(float(rng.choice([0, 90, 180, 270])) + float(rng.normal(0, 8)), expand=True, fillcolor=255)
        if chance(rng, 0.4):
            page = ImageOps.invert(page)
        spot = (round(k % across * width + rng.normal(0, 0.05) * width), round(k // across * height))
        s.image.paste(page, spot)
        if chance(rng, 0.3):
            s.draw.rectangle((*spot, spot[0] + page.width, spot[1] + page.height), outline=shade(rng, 0, 200))
    return s.done()


def medleys(families: Mapping[str, Family]) -> dict[str, Family]:
    """The two families, made of pictures of the given ones."""
    return {"medley": partial(medley, families=families), "askew": partial(askew, families=families)}
