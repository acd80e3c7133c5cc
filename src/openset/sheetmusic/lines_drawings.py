"""Negatives drawn by draughtsmen and players: comics, circuits, charts of stitches and steps, trees, maps, boards.

A family gives uint8 [H, W] or [H, W, 3] from a numpy generator, long side about 900 to 1300 pixels.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from openset.sheetmusic.sketch import Page, Picture, face, page_size, tint, words


def _sheet(rng: np.random.Generator, colour: bool = False) -> Page:
    if colour and rng.random() < 0.5:
        return Page(rng, page_size(rng), ink=(20, 20, 30), paper=tint(rng, 200))
    return Page(rng, page_size(rng), ink=int(rng.choice([0, 0, 30, 70])))


def _figure(page: Page, x: float, y: float, r: float) -> None:
    """A drawn head with face, body, arms and legs."""
    rng = page.rng
    page.oval(x, y, r, r * 1.15, fill=page.paper, edge=page.ink, width=1.5)
    for side in (-0.4, 0.4):
        page.oval(x + side * r, y - 0.2 * r, 0.13 * r, 0.18 * r)
    page.line([(x - 0.4 * r, y + 0.5 * r), (x, y + rng.uniform(0.4, 0.8) * r), (x + 0.4 * r, y + 0.5 * r)], 1.5)
    page.line([(x, y + 1.15 * r), (x, y + 3 * r)], 2)
    for at, reach in ((1.6, 1.6), (3.0, 1.2)):
        for side in (-1, 1):
            page.line([(x, y + at * r), (x + side * reach * r, y + (at + rng.uniform(-0.8, 1.6)) * r)], 2)


def comics(rng: np.random.Generator) -> Picture:
    """Comic pages: panels with figures, balloons, lettering, hatching and speed lines."""
    page = _sheet(rng, colour=True)
    y, lettering = 20.0, face(rng, "hand")
    while y < page.height - 60:
        high, x = min(float(rng.uniform(130, 330)), page.height - y - 10), 20.0
        while x < page.width - 60:
            wide = min(float(rng.uniform(130, 480)), page.width - x - 20)
            page.box(x, y, x + wide, y + high, edge=page.ink, width=2.5)
            for _ in range(int(rng.integers(0, 4))):
                kind, px, py = int(rng.integers(3)), x + rng.uniform(0, 0.6) * wide, y + rng.uniform(0, 0.6) * high
                pitch, count = float(rng.uniform(3, 9)), int(rng.integers(4, 16))
                reach = min(wide * 0.4, x + wide - px)
                for k in range(count):
                    at = min(py + k * pitch, y + high)
                    if kind == 0:
                        page.across(at, px, px + reach, 1.0)
                    elif kind == 1:
                        page.line([(px, at), (px + reach, max(y, at - reach * 0.5))], 1.0)
                    else:
                        page.line([(x + wide / 2, y + high / 2), (px, at)], 1.0)
            for _ in range(int(rng.integers(1, 3))):
                _figure(
                    page, x + rng.uniform(0.2, 0.8) * wide, y + rng.uniform(0.45, 0.7) * high, min(wide, high) * 0.1
                )
            bx, by, bw = x + wide * rng.uniform(0.25, 0.6), y + high * 0.2, wide * 0.3
            page.oval(bx, by, bw, high * 0.17, fill=255, edge=page.ink, width=1.5)
            for k in range(3):
                text = words(rng, 3).upper()[: int(bw / 5)]
                page.text(bx, by - 8 + 13 * k, text, 11, anchor="mm", face=lettering)
            x += wide + 10
        y += high + 10
    return page.done()


def _part(page: Page, x: float, y: float, u: float) -> None:
    rng, kind = page.rng, int(page.rng.integers(0, 7))
    if kind == 0:
        steps = [(x + u * k / 3, y + (0 if k in (0, 6) else u / 3 * (-1) ** k)) for k in range(7)]
        page.line(steps, 1.5)
    elif kind == 1:
        for side in (0.85, 1.15):
            page.down(x + side * u, y - u / 2, y + u / 2, 1.5)
    elif kind == 2:
        page.box(x + 0.3 * u, y - u, x + 1.7 * u, y + u, fill=page.paper, edge=page.ink)
        page.text(x + u, y, f"U{rng.integers(1, 30)}", 0.5 * u, anchor="mm")
    elif kind == 3:
        page.shape([(x + 0.6 * u, y - u / 2), (x + 0.6 * u, y + u / 2), (x + 1.4 * u, y)])
        page.down(x + 1.4 * u, y - u / 2, y + u / 2, 1.5)
    elif kind == 4:
        page.oval(x + u, y, u * 0.7, u * 0.7, fill=page.paper, edge=page.ink, width=1.5)
        page.down(x + 0.8 * u, y - 0.4 * u, y + 0.4 * u, 1.5)
        page.line([(x + 0.8 * u, y), (x + 1.5 * u, y - 0.6 * u)], 1.5)
    elif kind == 5:
        for k in range(4):
            page.oval(x + (0.4 + 0.4 * k) * u, y, 0.2 * u, 0.25 * u, edge=page.ink, width=1.5)
    else:
        page.oval(x, y, 0.16 * u, 0.16 * u)
    if rng.random() < 0.6:
        page.text(x + 0.6 * u, y - 0.8 * u, f"{'RCLDQ'[int(rng.integers(5))]}{rng.integers(1, 99)}", 0.45 * u)


def circuit(rng: np.random.Generator) -> Picture:
    """Schematics dense with parts, buses of parallel wires with joints, or a printed board's tracks and pads."""
    page = _sheet(rng, colour=True)
    u = float(rng.uniform(9, 26))
    if rng.random() < 0.25:
        for _ in range(int(page.width * page.height / (u * u * 40))):
            x, y = float(rng.uniform(0, page.width)), float(rng.uniform(0, page.height))
            lanes, across, down = int(rng.integers(1, 7)), float(rng.uniform(2, 9)) * u, float(rng.uniform(-5, 5)) * u
            for k in range(lanes):
                at = k * u * 0.6
                bend = [(x, y + at), (x + across - at, y + at), (x + across - at + abs(down), y + at + down)]
                page.line(bend, float(rng.choice([1.5, 2.5])))
                for px, py in (bend[0], bend[-1]):
                    page.oval(px, py, u * 0.22, u * 0.22)
                    page.oval(px, py, u * 0.09, u * 0.09, fill=page.paper)
        return page.done()
    y = 2 * u
    while y < page.height - 2 * u:
        lanes, pitch = int(rng.choice([1, 1, 2, 3, 5, 8])), u * float(rng.uniform(0.4, 1.2))
        x0, x1 = float(rng.uniform(0.02, 0.3)) * page.width, float(rng.uniform(0.6, 0.98)) * page.width
        for k in range(lanes):
            page.across(y + k * pitch, x0, x1, 1.0)
            for x in rng.uniform(x0, x1, int(rng.integers(0, 9 if lanes < 3 else 4))):
                page.down(float(x), y + k * pitch, y + k * pitch + float(rng.uniform(1, 6)) * u, 1.0)
                page.oval(float(x), y + k * pitch, 0.15 * u, 0.15 * u)
        for x in rng.uniform(x0, x1, int(rng.integers(2, 9))):
            _part(page, float(x), y + float(rng.integers(lanes)) * pitch, u)
        y += lanes * pitch + float(rng.uniform(2, 5)) * u
    return page.done()


def knitting(rng: np.random.Generator) -> Picture:
    """Knitting, crochet and cross-stitch charts: squares with signs, numbered rows and a key."""
    page = _sheet(rng, colour=True)
    cell, x0, y0 = float(rng.uniform(9, 26)), 50.0, 80.0
    signs = rng.choice(list("O/\\X.V+-|*"), 5)
    rows, columns = int((page.height - 140) / cell), int((page.width - 100) / cell)
    repeat = rng.integers(0, 9, (int(rng.integers(4, 16)), int(rng.integers(4, 16))))
    page.text(page.width / 2, 50, words(rng, 3).title(), 26, anchor="ms")
    for r in range(rows + 1):
        page.across(y0 + r * cell, x0, x0 + columns * cell, 1.5 if r % 5 == 0 else 0.5)
    for c in range(columns + 1):
        page.down(x0 + c * cell, y0, y0 + rows * cell, 1.5 if c % 5 == 0 else 0.5)
    for r in range(rows):
        for c in range(columns):
            value = int(repeat[r % repeat.shape[0], c % repeat.shape[1]])
            x, y = x0 + c * cell, y0 + r * cell
            if value == 0:
                page.box(x, y, x + cell, y + cell, fill=page.ink)
            elif value < 4:
                page.text(x + cell / 2, y + cell / 2, str(signs[value]), cell * 0.8, anchor="mm")
        page.text(x0 + columns * cell + 6, y0 + (r + 0.8) * cell, str(rows - r), min(11.0, cell * 0.7))
    return page.done()


def dance(rng: np.random.Generator) -> Picture:
    """Labanotation-like dance scores: upright staves of three or four lines with blocks, wedges, pins and bows."""
    page = _sheet(rng)
    columns = int(rng.integers(2, 9))
    lane = float(rng.uniform(0.5, 1.0)) * page.width / columns / 7
    for c in range(columns):
        middle, top, foot = (c + 0.5) * page.width / columns, 50.0, page.height - 50.0
        for k in (-2, 0, 2):
            page.down(middle + k * lane, top, foot, 1.0)
        for k in range(int(rng.integers(4, 14))):
            page.across(top + (foot - top) * k / 12, middle - 2 * lane, middle + 2 * lane, 1.0)
        for track in (-3, -2, -1, 0, 1, 2):
            y, x = top, middle + track * lane + 1
            while y < foot - 10:
                high = float(rng.choice([12, 25, 25, 50, 90]))
                end, kind = min(y + high, foot), int(rng.integers(0, 6))
                if kind == 0:
                    page.box(x, y, x + lane - 2, end, fill=page.ink)
                elif kind == 1:
                    page.box(x, y, x + lane - 2, end, edge=page.ink)
                    page.oval(x + lane / 2 - 1, (y + end) / 2, 2, 2)
                elif kind == 2:
                    page.shape([(x, y), (x + lane - 2, (y + end) / 2), (x, end)])
                elif kind == 3:
                    page.line([(x, end), (x, y), (x + lane - 2, y + 6), (x + lane - 2, end), (x, end)])
                y = end + (high if rng.random() < 0.5 else 2)
    return page.done()


def feynman(rng: np.random.Generator) -> Picture:
    """Feynman diagrams, knots and graphs: wavy, coiled and arrowed lines between dots."""
    page = _sheet(rng)
    columns = int(rng.integers(3, 8))
    cell, t = page.width / columns, np.linspace(0, 1, 160)
    for k in range(columns * int(page.height / cell + 0.6)):
        x0, y0 = (k % columns) * cell, (k // columns) * cell
        dots = rng.uniform(0.15, 0.85, (int(rng.integers(3, 7)), 2)) * cell + (x0, y0)
        for a, b in pairwise(dots):
            step, kind = b - a, int(rng.integers(4))
            long = float(np.hypot(*step)) + 1e-6
            normal, turns = np.array([-step[1], step[0]]) / long, max(2, round(long / 12))
            swing = 5 * np.sin(2 * np.pi * turns * t) if kind in (1, 2) else 0 * t
            slip = 5 * np.cos(2 * np.pi * turns * t) if kind == 2 else 0 * t
            page.line(a + t[:, None] * step + swing[:, None] * normal + slip[:, None] * step / long, 1.5)
            if kind == 0:
                tip = a + 0.55 * step
                page.shape([tip, tip - 0.05 * step * 1.5 + 5 * normal, tip - 0.05 * step * 1.5 - 5 * normal])
        for x, y in dots:
            page.oval(float(x), float(y), 3.5, 3.5)
            page.text(float(x) + 6, float(y) - 6, str(rng.choice(list("eμγqgνWZ"))), 15)
    return page.done()


def phylogeny(rng: np.random.Generator) -> Picture:
    """Phylogenetic trees and dendrograms: square brackets within brackets, names at the tips."""
    page = _sheet(rng)
    leaves = int(rng.integers(8, 60))
    nodes = [(page.width * 0.72, 40 + (page.height - 80) * k / leaves) for k in range(leaves)]
    for x, y in nodes:
        page.text(x + 6, y + 4, words(rng, 2).capitalize(), min(15.0, (page.height - 80) / leaves * 0.8))
    while len(nodes) > 1:
        k = int(rng.integers(len(nodes) - 1))
        (xa, ya), (xb, yb) = nodes[k], nodes[k + 1]
        x = min(xa, xb) - float(rng.uniform(4, 40)) * 20 / leaves
        page.line([(xa, ya), (x, ya), (x, yb), (xb, yb)], 1.5)
        nodes[k : k + 2] = [(x, (ya + yb) / 2)]
    return page.done()


def contours(rng: np.random.Generator) -> Picture:
    """Contour maps: level lines of a smooth height, with spots and names."""
    page = _sheet(rng)
    y, x = np.mgrid[0 : page.height, 0 : page.width].astype(np.float32)
    height = sum(
        np.float32(rng.normal(0, 1))
        * np.sin(x / rng.uniform(60, 300) + rng.uniform(0, 6))
        * np.cos(y / rng.uniform(60, 300))
        for _ in range(4)
    )
    level = np.floor(height * float(rng.uniform(3, 10)))
    line = (level != np.roll(level, 1, 0)) | (level != np.roll(level, 1, 1))
    out = np.full(x.shape, 255, np.uint8)
    out[line] = int(rng.integers(0, 140))
    thick = line & (level % 5 == 0)
    out[thick | np.roll(thick, 1, 0)] = 0
    lettering = Page(rng, (page.width, page.height))
    for _ in range(int(rng.integers(3, 20))):
        lettering.text(
            rng.uniform(0, page.width), rng.uniform(0, page.height), words(rng, 1).title(), rng.uniform(9, 18)
        )
    return np.minimum(out, lettering.done())


def stars(rng: np.random.Generator) -> Picture:
    """Star charts: dots of many sizes, constellation lines, names, a curved grid; black on white or inverted."""
    page = _sheet(rng)
    if rng.random() < 0.6:
        page = Page(rng, page_size(rng), ink=(255, 255, 255), paper=(8, 10, 35))
    cx, cy = page.width / 2, page.height * float(rng.uniform(-0.2, 0.6))
    for k in range(1, 9):
        r = k * page.width / 9
        page.oval(cx, cy, r, r, edge=(130, 130, 150) if page.colour else 150, width=0.5)
    spots = rng.uniform(0, 1, (int(rng.integers(60, 500)), 2)) * (page.width, page.height)
    for x, y in spots:
        r = float(rng.exponential(1.3)) + 0.4
        page.oval(float(x), float(y), r, r)
    for _ in range(int(rng.integers(3, 14))):
        near = spots[np.argsort(np.abs(spots - spots[int(rng.integers(len(spots)))]).sum(1))[: int(rng.integers(3, 8))]]
        page.line(near, 1.0)
        page.text(float(near[0, 0]), float(near[0, 1]), words(rng, 1).upper(), 13)
    return page.done()


def bus_map(rng: np.random.Generator) -> Picture:
    """Bus and metro maps: bundles of parallel coloured lines with stops and slanted names."""
    page = Page(rng, page_size(rng), ink=(20, 20, 20), paper=(255, 255, 255))
    width = float(rng.uniform(3, 9))
    for _ in range(int(rng.integers(3, 9))):
        x, y = float(rng.uniform(0, 0.3)) * page.width, float(rng.uniform(0.05, 0.95)) * page.height
        bundle, points = int(rng.integers(1, 6)), [(x, y)]
        while points[-1][0] < page.width * 0.9 and len(points) < 8:
            run, rise = float(rng.uniform(80, 350)), float(rng.uniform(20, 120)) * float(rng.choice([-1, 0, 1]))
            x, y = points[-1]
            points += [(x + run, y), (x + run + abs(rise), y + rise)]
        gap = width * float(rng.uniform(1.05, 2.5))
        for k in range(bundle):
            tone = tint(rng, 0, 220) if rng.random() < 0.8 else (0, 0, 0)
            page.line([(px, py + k * gap) for px, py in points], width, tone)
        for (xa, ya), (xb, _) in zip(points[::2], points[1::2], strict=False):
            for at in np.arange(xa + 15, xb - 10, float(rng.uniform(25, 60))):
                for k in range(bundle):
                    if rng.random() < 0.6:
                        page.oval(
                            float(at), ya + k * gap, width * 0.8, width * 0.8, fill=(255, 255, 255), edge=page.ink
                        )
                page.text(float(at), ya - width * 1.5, words(rng, 1).title(), 10)
    return page.done()


def floor_plan(rng: np.random.Generator) -> Picture:
    """Plans of buildings: double walls, doors as quarter circles, stairs as parallel lines, measures."""
    page = _sheet(rng)
    rooms = [(30.0, 30.0, page.width - 60.0, page.height - 90.0)]
    while len(rooms) < 14:
        x, y, wide, high = rooms.pop(int(np.argmax([w * h for _, _, w, h in rooms])))
        cut = float(rng.uniform(0.25, 0.75))
        if wide > high:
            rooms += [(x, y, wide * cut, high), (x + wide * cut, y, wide * (1 - cut), high)]
        else:
            rooms += [(x, y, wide, high * cut), (x, y + high * cut, wide, high * (1 - cut))]
    wall = float(rng.uniform(2, 8))
    for x, y, wide, high in rooms[: int(rng.integers(8, 15))]:
        page.box(x, y, x + wide, y + high, edge=page.ink, width=1.5)
        page.box(x + wall, y + wall, x + wide - wall, y + high - wall, edge=page.ink, width=1)
        page.text(x + wide / 2, y + high / 2, words(rng, 1).upper(), 13, anchor="mm")
        if rng.random() < 0.5:
            pitch = float(rng.uniform(4, 10))
            for k in range(min(int(rng.integers(5, 18)), int((wide - 24) / pitch))):
                page.down(x + 12 + k * pitch, y + 10, y + 10 + 0.4 * high)
        swing = float(rng.uniform(12, 30))
        page.box(x + wide / 3, y + high - wall, x + wide / 3 + swing, y + high + wall, fill=page.paper)
        corner = np.linspace(0, np.pi / 2, 12)
        arc = np.stack([x + wide / 3 + swing * np.cos(corner), y + high - swing * np.sin(corner)], 1)
        page.line(np.concatenate([arc, [[x + wide / 3, y + high]]]))
        page.text(x + wide / 2, y + high / 2 + 16, f"{wide * high / 4000:.1f} m²", 10, anchor="mm")
    return page.done()


def chess(rng: np.random.Generator) -> Picture:
    """Diagrams of chess, draughts, go, crosswords and sudoku, one to twelve on a page with moves below."""
    page = _sheet(rng, colour=True)
    columns, kind = int(rng.integers(1, 4)), int(rng.integers(3))
    cells, side = (8, 19, 9)[kind], page.width / columns * 0.8
    pitch = side / cells
    for k in range(columns * int(page.height / (side * 1.4) + 1)):
        x, y = (k % columns + 0.1) * page.width / columns, 30 + (k // columns) * side * 1.4
        if kind == 1:
            for n in range(cells):
                page.across(y + n * pitch, x, x + (cells - 1) * pitch)
                page.down(x + n * pitch, y, y + (cells - 1) * pitch)
        for r, c in np.ndindex(cells, cells):
            px, py, lot = x + c * pitch, y + r * pitch, float(rng.random())
            if kind == 0:
                page.box(px, py, px + pitch, py + pitch, fill=190 if (r + c) % 2 else 250)
                if lot < 0.3:
                    black = lot < 0.15
                    page.oval(px + pitch / 2, py + pitch / 2, pitch * 0.4, pitch * 0.4, fill=page.ink if black else 255)
                    letter, tone = "PPPRNBQK"[int(lot * 50) % 8], 255 if black else 0
                    page.text(px + pitch / 2, py + pitch / 2, letter, pitch * 0.6, anchor="mm", colour=tone)
            elif kind == 1 and lot < 0.35:
                page.oval(px, py, 0.47 * pitch, 0.47 * pitch, fill=page.ink if lot < 0.17 else 255, edge=page.ink)
            elif kind == 2:
                page.box(px, py, px + pitch, py + pitch, edge=page.ink, fill=page.ink if lot < 0.12 else None)
                page.text(
                    px + pitch / 2,
                    py + pitch / 2,
                    str(int(lot * 30)) if 0.12 < lot < 0.3 else "",
                    pitch * 0.6,
                    anchor="mm",
                )
        page.text(x, y + side + 22, " ".join(f"{n}.{words(rng, 1)[:3]}" for n in range(1, 8))[: int(side / 7)], 12)
    return page.done()


def number_notation(rng: np.random.Generator) -> Picture:
    """Jianpu and tonic sol-fa: numbers or letters for notes over words: music, and no staff notation."""
    page = _sheet(rng)
    size, y, signs = float(rng.uniform(11, 20)), 60.0, str(rng.choice(["123456700-|·", "drmfslt:.-|'"]))
    page.text(page.width / 2, 45, words(rng, 3).title(), 28, anchor="ms")
    while y < page.height - 50:
        y, x = y + size * 1.6, 60.0
        while x < page.width - 80:
            page.text(x, y, signs[int(rng.integers(len(signs)))], size * 1.2, anchor="ms")
            if rng.random() < 0.3:
                page.across(y + 4, x - size * 0.4, x + size * 0.8, 1.0)
            if rng.random() < 0.2:
                page.oval(x, y - size * 1.2, 1.6, 1.6)
            x += size * float(rng.choice([0.9, 1.3]))
        y += size * 1.5
        page.text(60, y, words(rng, 20)[: int((page.width - 120) / (0.55 * size))], size)
        y += size * (2.0 if rng.random() < 0.2 else 0.4)
    return page.done()


FAMILIES = {f.__name__: f for f in (comics, circuit, knitting, dance, feynman, phylogeny, contours, stars, bus_map)}
FAMILIES |= {f.__name__: f for f in (floor_plan, chess, number_notation)}
