"""Diagrams of boxes and arrows: flow charts, block diagrams, UML, trees, mind maps, networks. Clean drawings."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from openset.sheetmusic.hand import Ink, a_hand, smooth, write_line
from openset.sheetmusic.typeset import (
    Face,
    Picture,
    Sheet,
    blend,
    chance,
    colour,
    face,
    label,
    paragraph,
    script_of,
    sheet,
)
from openset.sheetmusic.words import phrase, pick, words

Spot = tuple[float, float]


def arrow(
    s: Sheet, a: Spot, b: Spot, *, head: float = 9.0, width: int = 2, bent: bool = False, fill: str | None = None
) -> None:
    """A straight or right-angled line from a to b with a filled head (none where head is 0)."""
    ink = fill or s.ink
    way = [a, (b[0], a[1]), b] if bent else [a, b]
    s.draw.line([v for p in way for v in p], fill=ink, width=width)
    last = np.array(way[-1]) - np.array(way[-2])
    long = float(np.hypot(*last))
    if head and long > 1:
        u = last / long
        side = np.array((-u[1], u[0]))
        tip, back = np.array(b), np.array(b) - u * head
        s.draw.polygon(np.vstack((tip, back + side * head / 2.5, back - side * head / 2.5)).ravel().tolist(), fill=ink)


def node(rng: np.random.Generator, s: Sheet, font: Face, at: Spot, size: Spot, shape: str, fill: str | None) -> None:
    """A box, rounded box, ellipse, diamond or slanted box with a few words in its middle."""
    (x, y), (w, h) = at, size
    box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    if shape == "ellipse":
        s.draw.ellipse(box, fill=fill, outline=s.ink, width=2)
    elif shape == "diamond":
        s.draw.polygon((x, box[1], box[2], y, x, box[3], box[0], y), fill=fill, outline=s.ink, width=2)
    elif shape == "slant":
        s.draw.polygon(
            (box[0] + 10, box[1], box[2], box[1], box[2] - 10, box[3], box[0], box[3]),
            fill=fill,
            outline=s.ink,
            width=2,
        )
    else:
        s.draw.rounded_rectangle(box, 12 if shape == "round" else 0, fill=fill, outline=s.ink, width=2)
    text = words(rng, int(rng.integers(1, 4)), font.script)
    rows = max(1, int(sum(font.wide(t) + font.gap for t in text) / (0.8 * w)) + 1)
    paragraph(s, text, font, (x - 0.42 * w, y - rows * font.line / 2, 0.84 * w, y + h / 2), align="centre")


def tints(rng: np.random.Generator, s: Sheet) -> list[str | None]:
    style = int(rng.integers(3))
    dark = s.paper[1] < "8"
    if style == 0:
        return [None]
    shown = [colour(rng, (0.1, 0.45), (0.2, 0.45) if dark else (0.8, 1.0)) for _ in range(4)]
    return list(shown) if style == 2 else [shown[0]]


def board(rng: np.random.Generator, wide: float = 0.6) -> Sheet:
    return sheet(rng, wide=wide, dark=0.12, colour_share=0.7)


def flow_chart(rng: np.random.Generator) -> Picture:
    """Steps on a loose lattice, decisions as diamonds, arrows with yes and no."""
    s, script = board(rng), script_of(rng, 0.2)
    across, down = int(rng.integers(1, 6)), int(rng.integers(3, 9))
    cw, ch = s.w / across, s.h / down
    size = (cw * float(rng.uniform(0.5, 0.8)), ch * float(rng.uniform(0.4, 0.65)))
    font = face(
        rng, np.clip(min(size[0] / 9, size[1] / 3), 8, 26), script, pick(rng, ("sans", "sans", "serif", "hand"))
    )
    fills, bent = tints(rng, s), chance(rng, 0.5)
    spots = [((i % across + 0.5) * cw, (i // across + 0.5) * ch) for i in range(across * down) if chance(rng, 0.85)]
    for a, b in pairwise(spots):
        arrow(s, a, (b[0], b[1] - size[1] / 2) if b[1] > a[1] else (b[0] - size[0] / 2, b[1]), bent=bent)
        if chance(rng, 0.2):
            label(s, ((a[0] + b[0]) / 2 + 4, (a[1] + b[1]) / 2), pick(rng, ("yes", "no", "ok", "0", "1")), font)
    ground = s.paper
    for i, at in enumerate(spots):
        node(
            rng,
            s,
            font,
            at,
            size,
            pick(rng, ("box", "box", "round", "diamond", "slant", "ellipse")),
            fills[i % len(fills)] or ground,
        )
    return s.done()


def block_diagram(rng: np.random.Generator) -> Picture:
    """Layers of boxes inside boxes with arrows up, down and across, as architecture pictures have."""
    s, script = board(rng), script_of(rng, 0.15)
    rows = int(rng.integers(2, 7))
    font, fills = face(rng, np.clip(s.h / rows / 7, 9, 24), script, "sans"), tints(rng, s)
    rh = s.h / rows
    before: list[Spot] = []
    for r in range(rows):
        n, y = int(rng.integers(1, 7)), (r + 0.5) * rh
        if chance(rng, 0.3):
            s.draw.rectangle(
                (0.02 * s.w, y - 0.46 * rh, 0.98 * s.w, y + 0.46 * rh), outline=s.ink, fill=blend(s.ink, s.paper, 0.06)
            )
            label(s, (0.03 * s.w, y - 0.45 * rh), phrase(rng, 1, 2, script), font)
        row = [((i + 0.5) * s.w / n, y) for i in range(n)]
        size = (min(s.w / n * 0.72, 0.4 * s.w), rh * 0.5)
        for i, at in enumerate(row):
            if before:
                up = pick(rng, before)
                arrow(s, (up[0], up[1] + 0.25 * rh), (at[0], at[1] - 0.25 * rh), bent=False)
            if i and chance(rng, 0.3):
                arrow(s, (row[i - 1][0] + size[0] / 2, y), (at[0] - size[0] / 2, y))
            node(rng, s, font, at, size, pick(rng, ("box", "round")), fills[(r + i) % len(fills)])
        before = row
    return s.done()


def uml(rng: np.random.Generator) -> Picture:
    """Class boxes in three parts with lists of members, or a sequence chart with life lines."""
    s = board(rng, 0.7)
    if chance(rng, 0.4):
        return sequence(rng, s)
    across, down = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    cw, ch = s.w / across, s.h / down
    font, fills = face(rng, np.clip(ch / 16, 8, 20), kind=pick(rng, ("sans", "mono"))), tints(rng, s)
    for i in range(across * down):
        x, y = (i % across + 0.1) * cw, (i // across + 0.08) * ch
        if i % across:
            arrow(s, (x - 0.2 * cw, y + 0.3 * ch), (x, y + 0.3 * ch), head=float(pick(rng, (0, 12))))
        if i >= across:
            arrow(s, (x + 0.4 * cw, y - 0.1 * ch), (x + 0.4 * cw, y), head=float(pick(rng, (0, 12))))
        parts = [1, int(rng.integers(1, 6)), int(rng.integers(1, 6))]
        s.draw.rectangle((x, y, x + 0.8 * cw, y + sum(parts) * font.line + 6), fill=fills[0], outline=s.ink)
        for k, part in enumerate(parts):
            for _ in range(part):
                text = (
                    phrase(rng, 1, 1)
                    if k == 0
                    else f"{pick(rng, '+-#')} {words(rng, 1)[0]}{'()' if k == 2 else ': int'}"
                )
                label(s, (x + 6, y), text[: int(1.4 * cw / font.size)], font)
                y += font.line
            if k < 2:
                s.draw.line((x, y + 2, x + 0.8 * cw, y + 2), fill=s.ink)
    return s.done()


def sequence(rng: np.random.Generator, s: Sheet) -> Picture:
    n = int(rng.integers(3, 7))
    font, xs = face(rng, s.w / n / 11, kind="sans"), (np.arange(n) + 0.5) * s.w / n
    for x in xs:
        node(rng, s, font, (float(x), 0.06 * s.h), (0.7 * s.w / n, 0.07 * s.h), "box", None)
        for y in np.arange(0.1 * s.h, 0.98 * s.h, 12):
            s.draw.line((x, y, x, y + 6), fill=s.ink)
    for y in np.arange(0.14 * s.h, 0.95 * s.h, float(rng.uniform(0.03, 0.09)) * s.h):
        a, b = rng.choice(n, 2, replace=False)
        arrow(s, (float(xs[a]), float(y)), (float(xs[b]), float(y)))
        label(s, (float(xs[a] + xs[b]) / 2, float(y) - 3), phrase(rng, 1, 2), font, anchor="ms")
    return s.done()


def tree(rng: np.random.Generator) -> Picture:
    """An organisation chart or a decision tree: levels joined by square or straight lines."""
    s, script = board(rng, 0.8), script_of(rng, 0.2)
    depth, fan = int(rng.integers(3, 5)), int(rng.integers(2, 4))
    font = face(rng, np.clip(s.w / fan ** (depth - 1) / 7, 8, 22), script, "sans")
    fills, shape, square = tints(rng, s), pick(rng, ("box", "round", "ellipse")), chance(rng, 0.6)
    for level in range(depth):
        n, y = fan**level, (level + 0.5) * s.h / depth
        for i in range(n):
            x = (i + 0.5) * s.w / n
            if level:
                px, py = (i // fan + 0.5) * s.w / fan ** (level - 1), y - s.h / depth
                mid = (y + py) / 2
                way = (px, py, px, mid, x, mid, x, y) if square else (px, py, x, y)
                s.draw.line(way, fill=s.ink, width=2)
    for level in range(depth):
        n, y = fan**level, (level + 0.5) * s.h / depth
        for i in range(n):
            size = (min(0.85 * s.w / n, 0.3 * s.w), 0.4 * s.h / depth)
            node(rng, s, font, ((i + 0.5) * s.w / n, y), size, shape, fills[level % len(fills)] or s.paper)
    return s.done()


def mind_map(rng: np.random.Generator) -> Picture:
    """A middle idea with curved branches in colours, drawn by a program or by hand."""
    s, script = board(rng, 0.8), script_of(rng, 0.2)
    centre, n = (s.w / 2, s.h / 2), int(rng.integers(4, 9))
    font, ink, hand = face(rng, 0.016 * s.w, script, "sans"), Ink(s), a_hand(rng, 0.009 * s.w)
    drawn = chance(rng, 0.4)
    for i in range(n):
        turn = 2 * np.pi * (i + float(rng.uniform(-0.2, 0.2))) / n
        way = np.array((np.cos(turn) * s.w * 0.28, np.sin(turn) * s.h * 0.3))
        knot, tint = np.array(centre) + way, colour(rng)
        bend = np.array(centre) + way * 0.5 + rng.normal(0, 0.03 * s.w, 2)
        path = smooth(np.vstack((centre, bend, knot)), 10)
        if drawn:
            ink.stroke(path, 3)
            write_line(ink, rng, hand, float(knot[0]), float(knot[1]), 0.14 * s.w)
        else:
            s.draw.line(path.ravel().tolist(), fill=tint, width=5, joint="curve")
        for k in range(int(rng.integers(0, 5))):
            leaf = knot + np.array((np.sign(way[0]) * 0.12 * s.w, (k - 1.5) * 0.05 * s.h))
            twig = smooth(np.vstack((knot, (knot + leaf) / 2 + (0, 8), leaf)), 8)
            if drawn:
                ink.stroke(twig, 1.6)
                write_line(ink, rng, hand, float(leaf[0]), float(leaf[1]), 0.1 * s.w)
            else:
                s.draw.line(twig.ravel().tolist(), fill=tint, width=2)
                label(
                    s,
                    (float(leaf[0]), float(leaf[1])),
                    phrase(rng, 1, 2, script)[:16],
                    font,
                    anchor="lm" if way[0] > 0 else "rm",
                )
        if not drawn:
            node(rng, s, font, (float(knot[0]), float(knot[1])), (0.11 * s.w, 0.06 * s.h), "round", s.paper)
    node(rng, s, face(rng, 0.02 * s.w, script), centre, (0.18 * s.w, 0.12 * s.h), "ellipse", s.paper)
    ink.settle(hand.ink)
    return s.done()


def neural_net(rng: np.random.Generator) -> Picture:
    """Layers of circles all joined to the next, or a row of slanted blocks as of a convolutional net."""
    s = board(rng, 0.85)
    font, fills = face(rng, 0.018 * s.w, kind="sans"), tints(rng, s)
    layers = int(rng.integers(3, 8))
    xs = (np.arange(layers) + 0.6) * s.w / (layers + 0.2)
    if chance(rng, 0.5):
        counts = rng.integers(2, 12, layers)
        columns = [[(float(x), (j + 0.5) * 0.9 * s.h / n) for j in range(n)] for x, n in zip(xs, counts, strict=True)]
        for left, right in pairwise(columns):
            for a in left:
                for b in right:
                    s.draw.line((*a, *b), fill=blend(s.ink, s.paper, 0.5))
        r = min(0.035 * s.h, 0.25 * s.w / layers)
        for i, column in enumerate(columns):
            for x, y in column:
                s.draw.ellipse(
                    (x - r, y - r, x + r, y + r), fill=fills[i % len(fills)] or s.paper, outline=s.ink, width=2
                )
    else:
        for i, x in enumerate(xs):
            h, w, d = (0.7 - 0.5 * i / layers) * s.h, (0.02 + 0.05 * i / layers) * s.w, 0.05 * s.w
            y, fill = 0.45 * s.h - h / 2, fills[i % len(fills)] or s.paper
            s.draw.polygon((x, y, x + d, y - d, x + d + w, y - d, x + w, y), fill=fill, outline=s.ink)
            s.draw.polygon((x + w, y, x + w + d, y - d, x + w + d, y - d + h, x + w, y + h), fill=fill, outline=s.ink)
            s.draw.rectangle((x, y, x + w, y + h), fill=fill, outline=s.ink)
    for x in xs:
        label(s, (float(x), 0.95 * s.h), phrase(rng, 1, 1)[:9], font, anchor="ms")
    return s.done()


def graph(rng: np.random.Generator) -> Picture:
    """A network of nodes anywhere, joined by straight lines; automata with loops and letters."""
    s = board(rng, 0.6)
    n = int(rng.integers(5, 40))
    spots = 0.06 + 0.88 * rng.random((n, 2))
    r = float(np.clip(0.25 / np.sqrt(n), 0.012, 0.07)) * min(s.w, s.h)
    font, fills = face(rng, r * 0.9), tints(rng, s)
    at = [(float(x * s.w), float(y * s.h)) for x, y in spots]
    directed = chance(rng, 0.5)
    for i in range(n):
        near = np.argsort(((spots - spots[i]) ** 2).sum(1))[1 : int(rng.integers(2, 4))]
        for j in near:
            a, b = np.array(at[i]), np.array(at[int(j)])
            u = (b - a) / (np.hypot(*(b - a)) + 1e-9) * r
            arrow(
                s,
                (float(a[0]), float(a[1])),
                (float(b[0] - u[0]), float(b[1] - u[1])),
                head=r * 0.5 * directed,
                width=int(rng.integers(1, 3)),
            )
    for i, (x, y) in enumerate(at):
        s.draw.ellipse((x - r, y - r, x + r, y + r), fill=fills[i % len(fills)] or s.paper, outline=s.ink, width=2)
        label(s, (x, y), pick(rng, (str(i), "abcdefgqst"[i % 10], "")), font, anchor="mm")
    return s.done()


DIAGRAMS = {
    "flow_chart": flow_chart,
    "block_diagram": block_diagram,
    "uml": uml,
    "tree": tree,
    "mind_map": mind_map,
    "neural_net": neural_net,
    "graph": graph,
}
