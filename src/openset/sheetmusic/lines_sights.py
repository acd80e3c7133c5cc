"""Negatives seen in the world or on printed matter: parallel lines, grids and keyboards that are no staves.

Five-line groups appear here on purpose, bearing things that no reader takes for notes: lattices of beads, crossed-out
words, birds, washing. A family gives uint8 [H, W] or [H, W, 3] from a numpy generator, long side about 900 to 1300.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openset.sheetmusic.sketch import Colour, Page, Picture, page_size, tint, words

Field = NDArray[np.float32]


def _grid(size: tuple[int, int]) -> tuple[Field, Field]:
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    return x, y


def _shade(rng: np.random.Generator, field: Field) -> Picture:
    """A field in [0, 1] between two random tones, gray or coloured."""
    field = np.clip(field, 0, 1)
    if rng.random() < 0.5:
        dark, light = rng.uniform(0, 90), rng.uniform(150, 255)
        return np.round(dark + (light - dark) * field).astype(np.uint8)
    dark3, light3 = np.array(tint(rng, 0, 110)), np.array(tint(rng, 140, 256))
    return np.round(dark3 + (light3 - dark3) * field[..., None]).astype(np.uint8)


def _smooth(rng: np.random.Generator, size: tuple[int, int], cells: float) -> Field:
    """Smooth noise in about [-1, 1], features about size / cells wide."""
    small = rng.uniform(-1, 1, (max(2, round(cells * size[1] / size[0]) + 1), round(cells) + 1)).astype(np.float32)
    return np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))


def five_lines_text(rng: np.random.Generator) -> Picture:
    """Five-line groups with words written through them, struck-out or scribbled: a copybook, no music."""
    page = Page(rng, page_size(rng), ink=int(rng.integers(0, 90)))
    space, y = float(rng.uniform(5, 14)), float(rng.uniform(20, 80))
    left, right, size = (
        float(rng.uniform(10, 80)),
        page.width - float(rng.uniform(10, 80)),
        float(rng.uniform(1.2, 3.5)),
    )
    while y + 6 * space < page.height:
        for k in range(5):
            page.across(y + k * space, left, right, float(rng.choice([0.5, 1.0, 1.0])), int(rng.integers(60, 170)))
        foot = y + float(rng.integers(2, 5)) * space
        text = words(rng, 30)[: int((right - left) / (0.55 * size * space))]
        wide = page.text(left + space, foot, text, size * space)
        if rng.random() < 0.4:
            page.line(
                [(left, foot - space), (left + wide, foot - space + rng.uniform(-6, 6))], float(rng.uniform(1, 4))
            )
        y += 4 * space + float(rng.uniform(2, 7)) * space
    return page.done()


def five_lines_beads(rng: np.random.Generator) -> Picture:
    """Five strings with beads abutting on every one (abacus, necklace), or a regular lattice of dots or crosses."""
    page = Page(rng, page_size(rng), ink=int(rng.integers(0, 60)))
    space, y = float(rng.uniform(7, 22)), float(rng.uniform(20, 80))
    left, right = float(rng.uniform(10, 80)), page.width - float(rng.uniform(10, 80))
    kind, step = int(rng.integers(0, 4)), float(rng.uniform(1.0, 2.5))
    while y + 6 * space < page.height:
        for k in range(5):
            page.across(y + k * space, left, right, 1.0)
            x = left + space
            while x < right:
                at = y + k * space
                if kind == 0:
                    page.oval(x, at, space * 0.48, space * 0.48, fill=page.paper, edge=page.ink)
                elif kind == 1:
                    page.oval(x, at + space / 2, space * 0.2, space * 0.2)
                elif kind == 2:
                    page.text(x, at, "x+*o#"[int(step * 2)], space, anchor="mm")
                elif rng.random() < 0.8:
                    page.box(x - space * 0.3, at - space * 0.45, x + space * 0.3, at + space * 0.45, fill=page.ink)
                x += space * step
        y += 4 * space + float(rng.uniform(2, 7)) * space
    return page.done()


def _bird(page: Page, x: float, y: float, r: float, ink: Colour) -> None:
    side = float(page.rng.choice([-1, 1]))
    body = [(x - side * 1.8 * r, y + 0.9 * r), (x - side * 0.2 * r, y - r), (x + side * 0.9 * r, y - 2.3 * r)]
    body += [(x + side * 2.0 * r, y - 2.0 * r), (x + side * 1.1 * r, y - 1.5 * r), (x + side * 0.6 * r, y)]
    page.shape(body, ink)
    page.oval(x, y - 0.8 * r, 0.75 * r, r, fill=ink)
    page.oval(x + side * 0.8 * r, y - 2.0 * r, 0.55 * r, 0.55 * r, fill=ink)


def birds_on_wires(rng: np.random.Generator) -> Picture:
    """Two to seven sagging wires between poles, birds sitting on them, sky behind."""
    sky = int(rng.integers(150, 256))
    ground: Colour = sky if rng.random() < 0.5 else (int(0.7 * sky), int(0.85 * sky), sky)
    page = Page(rng, page_size(rng, (0.7, 1.0, 1.4, 1.8)), ink=int(rng.integers(0, 70)), paper=ground)
    wires, r = int(rng.integers(2, 8)), float(rng.uniform(3, 11))
    space, top, sag = float(rng.uniform(12, 60)), float(rng.uniform(0.1, 0.5)) * page.height, float(rng.uniform(0, 120))
    slope, x = float(rng.uniform(-0.2, 0.2)), np.linspace(0, 1, 60)
    for _ in range(int(rng.integers(1, 4))):
        for k in range(wires):
            y = top + k * space + slope * page.width * (x - 0.5) + sag * 4 * x * (1 - x)
            page.line(np.stack([x * page.width, y], 1), float(rng.choice([1.0, 1.5, 2.0])))
            for _ in range(int(rng.integers(0, 12))):
                at = float(rng.random())
                _bird(page, at * page.width, float(np.interp(at, x, y)) - r, r, page.ink)
        top += wires * space + float(rng.uniform(40, 250))
    if rng.random() < 0.6:
        pole = float(rng.uniform(0, page.width))
        page.down(pole, 0, page.height, float(rng.uniform(8, 25)))
        page.across(page.height * 0.2, pole - 90, pole + 90, 9)
    return page.done()


def laundry(rng: np.random.Generator) -> Picture:
    """Washing on lines: rectangles, shirts and socks hanging from one to six cords."""
    page = Page(rng, page_size(rng), ink=(40, 40, 40), paper=tint(rng, 190, 256))
    cords = int(rng.integers(1, 7))
    for k in range(cords):
        y = page.height * (k + 0.4) / cords
        page.line([(0, y), (page.width / 2, y + 12), (page.width, y)], 1.5)
        x = float(rng.uniform(5, 60))
        while x < page.width - 40:
            w, h = float(rng.uniform(15, 80)), float(rng.uniform(0.3, 0.7)) * page.height / cords
            page.shape([(x, y + 4), (x + w, y + 4), (x + w * 0.95, y + h), (x + w * 0.05, y + h)], tint(rng))
            x += w + float(rng.uniform(3, 50))
    return page.done()


def roads(rng: np.random.Generator) -> Picture:
    """Lines that run to a vanishing point: roads, rails, ploughed fields, five to twenty of them."""
    page = Page(rng, page_size(rng), ink=int(rng.integers(0, 80)), paper=int(rng.integers(170, 256)))
    for _ in range(int(rng.integers(1, 4))):
        vx, vy = float(rng.uniform(0, page.width)), float(rng.uniform(-0.2, 0.5)) * page.height
        count, spread = int(rng.choice([5, 5, 5, 6, 8, 12, 20])), float(rng.uniform(0.3, 2)) * page.width
        for k in range(count):
            foot = page.width / 2 + (k / max(1, count - 1) - 0.5) * spread
            page.line([(vx, vy), (foot, page.height)], float(rng.choice([1.0, 2.0, 3.0])))
        if rng.random() < 0.6:
            for depth in np.geomspace(0.05, 1, int(rng.integers(5, 30))):
                y = vy + depth * (page.height - vy)
                page.across(
                    y,
                    vx + (page.width / 2 - spread / 2 - vx) * depth,
                    vx + (page.width / 2 + spread / 2 - vx) * depth,
                    1 + 4 * depth,
                )
    return page.done()


def fretboard(rng: np.random.Generator) -> Picture:
    """Fretboards and chord boxes: strings crossing frets, dots, open and muted strings, names."""
    page = Page(rng, page_size(rng), ink=int(rng.integers(0, 60)))
    strings, columns = int(rng.choice([4, 5, 6, 6, 6, 7])), int(rng.integers(1, 7))
    lying, frets = columns <= 2, int(rng.integers(4, 6)) if columns > 2 else int(rng.integers(9, 18))
    cell = page.width / columns
    high = cell * 1.35 if not lying else cell * float(rng.uniform(0.15, 0.4))
    y, names = 100.0, ("C", "Am", "G7", "Dm", "F", "E7", "Bm7", "Asus4", "D/F#", "Cmaj7", "Gm", "Bb")
    page.text(page.width / 2, 40, words(rng, 3).title(), 26, anchor="ms")
    while y + high * 0.7 < page.height:
        for c in range(columns):
            x, wide, tall = (c + 0.2) * cell, 0.62 * cell, 0.62 * high
            along, over = (wide, tall) if lying else (tall, wide)
            for s in range(strings):
                at = over * s / (strings - 1)
                page.across(y + at, x, x + wide) if lying else page.down(x + at, y, y + tall)
            for f in range(frets + 1):
                at, width = along * f / frets, 3.0 if f == 0 else 1.0
                page.down(x + at, y, y + tall, width) if lying else page.across(y + at, x, x + wide, width)
            r = 0.32 * min(along / frets, over / (strings - 1))
            for s in range(strings):
                if rng.random() > (0.9 if lying else 0.6):
                    continue
                a, o = (int(rng.integers(0, frets)) + 0.5) * along / frets, over * s / (strings - 1)
                page.oval(x + (a if lying else o), y + (o if lying else a), r, r)
            page.text(x + wide / 2, y - 0.03 * cell - 6, str(rng.choice(names)), min(30.0, 0.16 * cell), anchor="ms")
        y += high
    return page.done()


def keyboard(rng: np.random.Generator) -> Picture:
    """Piano keys from above, one to six rows, some labelled or marked."""
    page = Page(rng, page_size(rng, (1.0, 1.4, 1.8, 0.71)), ink=int(rng.integers(0, 40)))
    rows, whites, start = int(rng.integers(1, 7)), int(rng.integers(7, 53)), int(rng.integers(0, 7))
    high, wide = page.height / rows, page.width / whites
    for r in range(rows):
        top, tall = r * high + 0.1 * high, high * float(rng.uniform(0.5, 0.85))
        for k in range(whites):
            fill = 255 if rng.random() < 0.93 else int(rng.integers(120, 220))
            page.box(k * wide, top, (k + 1) * wide, top + tall, fill=fill, edge=page.ink)
            if wide > 18 and rows < 5:
                page.text(
                    (k + 0.5) * wide, top + tall - 8, "CDEFGAB"[(k + start) % 7], min(wide * 0.6, 30), anchor="ms"
                )
        for k in range(whites):
            if (k + start) % 7 not in (2, 6):
                page.box((k + 0.7) * wide, top, (k + 1.3) * wide, top + 0.62 * tall, fill=page.ink)
    return page.done()


def fences(rng: np.random.Generator) -> Picture:
    """Fences, railings, ladders, stairs and combs: bars across rails, upright or lying."""
    page = Page(rng, page_size(rng), ink=int(rng.integers(0, 120)), paper=int(rng.integers(150, 256)))
    pitch, width = float(rng.uniform(8, 60)), float(rng.uniform(0.1, 0.6))
    rails, top = int(rng.integers(1, 6)), float(rng.uniform(0, 0.4)) * page.height
    foot, lean = page.height * float(rng.uniform(0.6, 1.0)), float(rng.choice([0, 0, 0.15, -0.3, 0.6]))
    fall = lean * page.width / 2
    for k in range(rails):
        y = top + (foot - top) * (k + 0.5) / rails
        page.line([(0, y - fall), (page.width, y + fall)], float(rng.uniform(2, 14)))
    x, tips = 0.0, rng.random() < 0.5
    while x < page.width:
        rise = lean * x - fall
        page.down(x, top + rise, foot + rise, max(1.0, width * pitch))
        if tips:
            page.oval(x, top + rise, 0.3 * pitch, 0.3 * pitch)
        x += pitch * (1 if rng.random() < 0.97 else 2)
    out = page.done()
    return np.ascontiguousarray(out.T) if rng.random() < 0.3 else out


def blinds(rng: np.random.Generator) -> Picture:
    """Venetian blinds, corrugated iron, louvres, escalators: a shaded wave across the picture, slightly bent."""
    size = page_size(rng)
    x, y = _grid(size)
    pitch, turn = float(rng.uniform(6, 60)), float(rng.choice([0, 0, 0, np.pi / 2, 0.05, -0.05, 0.4]))
    along = y * np.cos(turn) + x * np.sin(turn) + 20 * float(rng.uniform(0, 1)) * _smooth(rng, size, 3)
    wave = (along / pitch) % 1.0
    sharp = float(rng.uniform(1, 12))
    field = wave if rng.random() < 0.4 else 0.5 + 0.5 * np.tanh(sharp * np.cos(2 * np.pi * wave))
    field = field * (0.75 + 0.25 * _smooth(rng, size, 4))
    for at in rng.uniform(0, size[0], int(rng.integers(0, 4))):
        field[:, int(at) : int(at) + int(rng.integers(2, 8))] = 0.1
    return _shade(rng, field)


def zebra(rng: np.random.Generator) -> Picture:
    """Zebra crossings, zebra hides and op-art: broad warped stripes."""
    size = page_size(rng)
    x, y = _grid(size)
    turn, pitch = float(rng.uniform(0, np.pi)), float(rng.uniform(14, 120))
    along = (
        x * np.cos(turn) + y * np.sin(turn) + float(rng.uniform(0, 90)) * _smooth(rng, size, float(rng.uniform(2, 9)))
    )
    return _shade(rng, 0.5 + float(rng.uniform(2, 12)) * np.cos(2 * np.pi * along / pitch))


def bricks(rng: np.random.Generator) -> Picture:
    """Brick walls, tiles and planks."""
    page = Page(rng, page_size(rng), ink=tint(rng, 60, 256), paper=tint(rng, 60, 256))
    high, joint = float(rng.uniform(12, 70)), float(rng.uniform(1, 6))
    wide, shift = high * float(rng.choice([1, 2, 2.5, 3, 12])), float(rng.choice([0, 0.5, 0.5, 0.33]))
    base = np.array(tint(rng, 40, 220))
    for r in range(int(page.height / high) + 1):
        for c in range(-1, int(page.width / wide) + 1):
            x = (c + (r * shift) % 1) * wide
            red, green, blue = (int(v) for v in np.clip(base + rng.integers(-20, 21), 0, 255))
            page.box(x + joint, r * high + joint, x + wide, (r + 1) * high, fill=(red, green, blue))
    return page.done()


def grain(rng: np.random.Generator) -> Picture:
    """Wood grain, marble, and grooves of a vinyl record or tree rings."""
    size = page_size(rng)
    x, y = _grid(size)
    if rng.random() < 0.4:
        cx, cy = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        along = np.hypot(x - cx, y - cy) + float(rng.uniform(0, 25)) * _smooth(rng, size, 5)
    else:
        along = y + 0.02 * x + float(rng.uniform(20, 160)) * _smooth(rng, size, float(rng.uniform(2, 5)))
    wave = np.sin(along / float(rng.uniform(1, 9))) + 0.5 * np.sin(along / float(rng.uniform(5, 40)))
    return _shade(rng, 0.5 + 0.25 * wave + 0.1 * rng.standard_normal(x.shape, np.float32))


def barcode(rng: np.random.Generator) -> Picture:
    """Bar codes, linear and square, in a sheet of labels."""
    page = Page(rng, page_size(rng), ink=int(rng.integers(0, 40)))
    columns, rows = int(rng.integers(1, 5)), int(rng.integers(1, 9))
    for k in range(columns * rows):
        x, y = (k % columns + 0.1) * page.width / columns, (k // columns + 0.15) * page.height / rows
        wide, high = 0.8 * page.width / columns, 0.55 * page.height / rows
        if rng.random() < 0.8:
            bars = np.cumsum(rng.choice([1.0, 1.0, 2.0, 3.0], 95))
            bars *= wide / bars[-1]
            for a, b in zip(bars[::2], bars[1::2], strict=False):
                page.box(x + a, y, x + b, y + high, fill=page.ink)
        else:
            cell = min(wide, high) / 25
            for r, c in np.argwhere(rng.random((25, 25)) < 0.5):
                page.box(x + c * cell, y + r * cell, x + (c + 1) * cell, y + (r + 1) * cell, fill=page.ink)
        page.text(x + wide / 2, y + high + 16, str(rng.integers(10**11, 10**12)), 14, anchor="ms")
    return page.done()


def rulers(rng: np.random.Generator) -> Picture:
    """Rulers, tape measures, thermometers and slide rules: ticks of several lengths and numbers."""
    page = Page(rng, page_size(rng), ink=int(rng.integers(0, 60)), paper=int(rng.integers(200, 256)))
    for row in range(int(rng.integers(1, 9))):
        y, pitch, high = 30 + row * page.height / 8, float(rng.uniform(4, 12)), float(rng.uniform(15, 60))
        page.across(y, 0, page.width, 1.0)
        for k in range(int(page.width / pitch) + 1):
            long = 1.0 if k % 10 == 0 else 0.7 if k % 5 == 0 else 0.45
            page.down(k * pitch, y, y + long * high)
            if k % 10 == 0:
                page.text(k * pitch + 2, y + high + 12, str(k // 10), 12)
    return page.done()


def weave(rng: np.random.Generator) -> Picture:
    """Woven cloth, plaid and tartan."""
    size = page_size(rng)
    x, y = _grid(size)
    across, along = np.zeros(size[1], np.float32), np.zeros(size[0], np.float32)
    for stripes in (across, along):
        for _ in range(int(rng.integers(2, 9))):
            period, wide = int(rng.integers(20, 240)), int(rng.integers(1, 30))
            stripes += float(rng.uniform(-0.9, 0.9)) * (
                (np.arange(len(stripes)) + int(rng.integers(period))) % period < wide
            )
    thread = float(rng.uniform(2, 9))
    over = ((x // thread + y // thread) % 2 == 0) if rng.random() < 0.7 else ((x + y) // thread % 2 == 0)
    return _shade(rng, 0.5 + np.where(over, across[:, None], along[None, :]) + 0.1 * over)


FAMILIES = {
    f.__name__: f
    for f in (five_lines_text, five_lines_beads, birds_on_wires, laundry, roads, fretboard, keyboard, fences, blinds)
} | {f.__name__: f for f in (zebra, bricks, grain, barcode, rulers, weave)}
