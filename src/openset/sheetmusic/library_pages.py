"""Clean pages as libraries hold them, set from a type case: flowing pages, tables, cards, covers, maps, forms.

None of it comes from the families that training draws (documents.py): other layouts, other letters, other texts. A
kind is a function that fills a Leaf. No kind draws five equal lines with heads on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .library_type import Case, Galley
from .sample import Gray
from .typeset import chance
from .words import pick

Box = tuple[int, int, int, int]  # x, y, width, height


@dataclass
class Leaf:
    """A page being filled: `a` uint8 [H, W], white at first."""

    a: Gray
    rng: np.random.Generator
    case: Case

    @property
    def w(self) -> int:
        return int(self.a.shape[1])

    @property
    def h(self) -> int:
        return int(self.a.shape[0])

    def at(self, low: float, high: float) -> int:
        return int(self.rng.uniform(low, high))

    def bar(self, x: float, y: float, width: float, height: float, ink: int = 0) -> None:
        """A filled rectangle: rules are thin ones."""
        x, y = max(0, int(x)), max(0, int(y))
        part = self.a[y : max(y, y + int(height)), x : max(x, x + int(width))]
        np.minimum(part, ink, out=part)

    def frame(self, box: Box, thick: int = 1, ink: int = 0) -> None:
        x, y, w, h = box
        self.bar(x, y, w, thick, ink)
        self.bar(x, y + h - thick, w, thick, ink)
        self.bar(x, y, thick, h, ink)
        self.bar(x + w - thick, y, thick, h, ink)

    def paste(self, image: Gray, x: float, y: float) -> None:
        """Darken the page by the image; what lies beyond the edge is cut off."""
        x, y = int(x), int(y)
        image = image[max(0, -y) :, max(0, -x) :]
        x, y = max(0, x), max(0, y)
        part = self.a[y : y + image.shape[0], x : x + image.shape[1]]
        np.minimum(part, image[: part.shape[0], : part.shape[1]], out=part)

    def line(self, galley: Galley, x: float, y: float, width: float, align: str = "left", most: int = 99) -> int:
        """One line of words; returns how wide they are. align: left, right, centre or justify."""
        row: list[Gray] = []
        used = -galley.gap
        while len(row) < most:
            word = galley.take()
            if used + galley.gap + word.shape[1] > width:
                galley.back()
                break
            row.append(word)
            used += galley.gap + word.shape[1]
        if not row:  # a word too long for the line
            self.paste(galley.take()[:, : max(1, int(width))], x, y)
            return int(width)
        spare, gap, start = width - used, float(galley.gap), x
        if align == "justify" and len(row) > 1:
            gap += spare / (len(row) - 1)
        elif align in ("right", "centre"):
            start += spare if align == "right" else spare / 2
        for word in reversed(row) if galley.backwards else row:
            self.paste(word, start, y)
            start += word.shape[1] + gap
        return int(used)

    def text(self, galley: Galley, box: Box, align: str = "justify", leading: float = 1.0, hang: int = 0) -> int:
        """Paragraphs down to the foot of the box; returns the y reached. hang: indent of all lines but the first."""
        x, y, w, h = box
        step, bottom = max(5, round(galley.line * leading)), y + h
        left = 0
        indent = int(self.rng.choice([0, 1.5 * galley.size])) if not hang else 0
        while y + step <= bottom:
            first = left == 0
            left = left - 1 if left else self.at(1, 14)
            inset = hang if hang and not first else indent if first else 0
            if left == 0 and align == "justify":
                self.line(galley, x + inset, y, (w - inset) * self.rng.uniform(0.15, 0.95), "left")
            else:
                self.line(galley, x + inset, y, w - inset, align)
            y += step
        return y


Kind = Callable[[Leaf], None]


def _margins(leaf: Leaf) -> Box:
    x, y = (
        leaf.at(0.05, 0.16) if False else int(leaf.w * leaf.rng.uniform(0.04, 0.15)),
        int(leaf.h * leaf.rng.uniform(0.04, 0.13)),
    )
    right, foot = int(leaf.w * leaf.rng.uniform(0.04, 0.15)), int(leaf.h * leaf.rng.uniform(0.04, 0.13))
    return x, y, leaf.w - x - right, leaf.h - y - foot


def _furniture(leaf: Leaf, box: Box) -> None:
    """Running head, folio, catchword, sheet signature."""
    small = leaf.case.galley(leaf.rng, "body", 15)
    x, y, w, h = box
    if chance(leaf.rng, 0.6):
        leaf.line(small, x, max(2, y - 2 * small.line), w, pick(leaf.rng, ("left", "centre", "right")), leaf.at(1, 6))
        if chance(leaf.rng, 0.3):
            leaf.bar(x, y - small.line * 0.6, w, 1)
    if chance(leaf.rng, 0.6):
        figures = leaf.case.galley(leaf.rng, "figures")
        leaf.line(figures, x, y + h + 6, w, pick(leaf.rng, ("left", "centre", "right")), 1)


def _block(leaf: Leaf, box: Box, body: Galley) -> None:
    x, y, w, h = box
    rng = leaf.rng
    roll = rng.random()
    if roll < 0.62 or h < 60:
        if chance(rng, 0.3):
            head = leaf.case.galley(rng, "head", max(16, w / 7))
            leaf.line(head, x, y, w, pick(rng, ("left", "centre")))
            y, h = y + round(head.line * 1.2), h - round(head.line * 1.2)
        if chance(rng, 0.12) and h > 90:
            _initial(leaf, x, y)
        align = pick(rng, ("justify", "justify", "justify", "left", "centre"))
        leaf.text(body, (x, y, w, h), align, float(rng.uniform(0.85, 1.3)), body.size if chance(rng, 0.15) else 0)
    elif roll < 0.76:
        _grid(leaf, box)
    elif roll < 0.88 and w > 40:
        inner = h - 2 * body.line
        leaf.paste(leaf.case.plate(rng, w, max(20, inner)), x, y)
        if chance(rng, 0.3):
            leaf.frame((x, y, w, max(20, inner)), leaf.at(1, 4))
        leaf.text(body, (x, y + inner + 2, w, 2 * body.line), pick(rng, ("centre", "left")))
    elif roll < 0.94:
        _leaders(leaf, box, body)
    elif roll < 0.97:
        leaf.frame(box, leaf.at(1, 4))
        leaf.text(body, (x + 8, y + 8, w - 16, h - 16))


def _initial(leaf: Leaf, x: int, y: int) -> None:
    side = leaf.at(30, 90)
    head = leaf.case.galley(leaf.rng, "head")
    letter = head.take()
    cell = cv2.resize(letter[:, : letter.shape[0]], (side, side), interpolation=cv2.INTER_AREA)
    part = leaf.a[y : y + side, x : x + side]
    part[:] = (255 - cell if chance(leaf.rng, 0.4) else cell)[: part.shape[0], : part.shape[1]]
    leaf.frame((x, y, side, side), 2)


def _split(leaf: Leaf, box: Box, body: Galley, depth: int) -> None:
    x, y, w, h = box
    gutter = leaf.at(6, 34)
    if depth == 0 or (w < 220 and h < 200):
        _block(leaf, box, body)
    elif (w > 260 and chance(leaf.rng, 0.45)) or h < 160:
        cut = int(w * leaf.rng.choice([0.5, 0.5, 0.33, 0.67, leaf.rng.uniform(0.25, 0.75)]))
        if chance(leaf.rng, 0.2):
            leaf.bar(x + cut + gutter // 2, y, 1, h)
        _split(leaf, (x, y, cut, h), body, depth - 1)
        _split(leaf, (x + cut + gutter, y, w - cut - gutter, h), body, depth - 1)
    else:
        cut = int(h * leaf.rng.uniform(0.2, 0.8))
        if chance(leaf.rng, 0.2):
            leaf.bar(x, y + cut + gutter // 2, w, leaf.at(1, 3))
        _split(leaf, (x, y, w, cut), body, depth - 1)
        _split(leaf, (x, y + cut + gutter, w, h - cut - gutter), body, depth - 1)


def flow(leaf: Leaf) -> None:
    """A book page: a random grid of blocks with running head, folio, footnotes and marginalia."""
    box = x, y, w, h = _margins(leaf)
    body = leaf.case.galley(leaf.rng, "body")
    _furniture(leaf, box)
    if chance(leaf.rng, 0.3):
        small = leaf.case.galley(leaf.rng, "body", 13)
        foot = small.line * leaf.at(2, 12)
        leaf.bar(x, y + h - foot - 5, w * leaf.rng.choice([0.25, 1.0]), 1)
        leaf.text(small, (x, y + h - foot, w, foot))
        h -= foot + 12
    if chance(leaf.rng, 0.15) and x > 60:
        small = leaf.case.galley(leaf.rng, "body", 12)
        for _ in range(leaf.at(1, 6)):
            leaf.text(small, (6, leaf.at(y, y + h * 0.9), x - 14, small.line * leaf.at(1, 6)), "left")
    _split(leaf, (x, y, w, h), body, int(leaf.rng.choice([0, 0, 1, 2, 3])))


def columns(leaf: Leaf) -> None:
    """Newspapers, dictionaries, gazettes: two to eight columns, hanging entries, rules between, headlines across."""
    x, y, w, h = _margins(leaf)
    rng = leaf.rng
    _furniture(leaf, (x, y, w, h))
    n, gutter = leaf.at(2, 8), leaf.at(8, 26)
    if chance(rng, 0.4):
        head = leaf.case.galley(rng, "head")
        leaf.line(head, x, y, w, "centre")
        leaf.bar(x, y + head.line + 4, w, leaf.at(1, 5))
        y, h = y + head.line + 14, h - head.line - 14
    body = leaf.case.galley(rng, "body", 10 if n > 4 else 16)
    wide, ruled = (w - gutter * (n - 1)) // n, chance(rng, 0.5)
    hang = body.size if chance(rng, 0.4) else 0
    align, leading = pick(rng, ("justify", "justify", "left")), float(rng.uniform(0.85, 1.15))
    for k in range(n):
        left, at = x + k * (wide + gutter), y
        if ruled and k:
            leaf.bar(left - gutter // 2, y, 1, h)
        while at < y + h - 40:
            high = min(y + h - at, h if hang else leaf.at(90, 600))
            if chance(rng, 0.12) and high > 120:
                leaf.paste(leaf.case.plate(rng, wide, high - 20), left, at)
            else:
                top = at
                if not hang and chance(rng, 0.5):
                    head = leaf.case.galley(rng, "head", 26)
                    leaf.line(head, left, at, wide, "centre")
                    top += head.line
                leaf.text(body, (left, top, wide, high - (top - at) - 8), align, leading, hang)
            at += high
            if ruled and not hang:
                leaf.bar(left, at - 5, wide, 1)


def title(leaf: Leaf) -> None:
    """A title page: centred lines of many sizes, a device, rules or a border."""
    x, y, w, h = _margins(leaf)
    rng = leaf.rng
    at = y + leaf.at(0, h * 0.15)
    while at < y + h - 40:
        roll = rng.random()
        if roll < 0.15:
            side = leaf.at(50, 220)
            leaf.paste(leaf.case.plate(rng, side, side), x + (w - side) // 2, at)
            at += side + 20
        elif roll < 0.3:
            wide = leaf.at(40, w)
            for k in range(leaf.at(1, 3)):
                leaf.bar(x + (w - wide) // 2, at + 5 * k, wide, leaf.at(1, 4))
            at += 24
        else:
            galley = leaf.case.galley(rng, pick(rng, ("head", "head", "body")))
            leaf.line(galley, x, at, w, "centre", leaf.at(1, 8))
            at += round(galley.line * rng.uniform(1.0, 2.6))
    if chance(rng, 0.3):
        for k in range(leaf.at(1, 4)):
            leaf.frame((x - 20 + 7 * k, y - 20 + 7 * k, w + 40 - 14 * k, h + 40 - 14 * k), leaf.at(1, 4))


def _grid(leaf: Leaf, box: Box) -> None:
    """A table: figures or words, with all, some or no rules."""
    x, y, w, h = box
    rng = leaf.rng
    galley = leaf.case.galley(rng, pick(rng, ("figures", "figures", "body")), 14)
    row = round(galley.line * rng.uniform(1.0, 1.7))
    edges = np.sort(rng.uniform(0.1, 0.95, leaf.at(1, max(2, w // 70)))) * w
    edges = np.concatenate([[0], edges, [w]]).astype(int)
    lines, posts, thick = rng.random() < 0.4, rng.random() < 0.45, leaf.at(1, 3)
    align = pick(rng, ("right", "left", "centre"))
    words = leaf.case.galley(rng, "body", galley.size + 3)
    for i, at in enumerate(range(y, y + h - row, row)):
        if lines or i < 2:
            leaf.bar(x, at, w, thick)
        for k in range(len(edges) - 1):
            wide = int(edges[k + 1] - edges[k]) - 8
            if wide > 8 and rng.random() > 0.08:
                face = words if k == 0 or i == 0 else galley
                leaf.line(face, x + edges[k] + 4, at + 2, wide, "left" if k == 0 else align, 3 if k == 0 else 1)
    if posts:
        for edge in edges:
            leaf.bar(x + edge, y, 1, h - h % row)
    if chance(rng, 0.5):
        leaf.bar(x, y + h - row, w, thick)


def table(leaf: Leaf) -> None:
    """A page that is a table, with its heading and notes."""
    x, y, w, h = _margins(leaf)
    head = leaf.case.galley(leaf.rng, "head", 30)
    leaf.line(head, x, y, w, "centre")
    _furniture(leaf, (x, y, w, h))
    top = y + round(1.4 * head.line)
    cut = h - (top - y) - leaf.at(0, h * 0.25)
    _grid(leaf, (x, top, w, cut))
    leaf.text(leaf.case.galley(leaf.rng, "body", 13), (x, top + cut + 8, w, y + h - top - cut - 8))


def ledger(leaf: Leaf) -> None:
    """An account book: lines across, double lines down, entries by hand."""
    rng = leaf.rng
    hand = leaf.case.galley(rng, "hand", 26)
    row, ink = round(hand.line * rng.uniform(0.9, 1.3)), leaf.at(60, 190)
    top = leaf.at(row, 4 * row)
    posts = [0.0, *np.sort(rng.uniform(0.05, 0.95, leaf.at(2, 9))).tolist()]
    for at in range(top, leaf.h, row):
        leaf.bar(0, at, leaf.w, 1, ink)
        if rng.random() < 0.8:
            for k, post in enumerate(posts):
                wide = ((posts[k + 1] if k + 1 < len(posts) else 1.0) - post) * leaf.w - 8
                if wide > 20 and rng.random() < 0.75:
                    leaf.line(hand, post * leaf.w + 4, at - hand.line * 0.85, wide, "left", 5 if k == 1 else 2)
    for post in posts[1:]:
        for k in range(leaf.at(1, 3)):
            leaf.bar(post * leaf.w + 3 * k, 0 if chance(rng, 0.5) else top, 1, leaf.h, ink)


def plate(leaf: Leaf) -> None:
    """A plate: one to six pictures with frames, numbers and captions."""
    x, y, w, h = _margins(leaf)
    rng = leaf.rng
    across, down = int(rng.choice([1, 1, 1, 2, 2, 3])), int(rng.choice([1, 1, 2, 3]))
    body, gap = leaf.case.galley(rng, "body", 16), leaf.at(6, 40)
    wide, high = (w - gap * (across - 1)) // across, (h - gap * (down - 1)) // down
    for k in range(across * down):
        left, top = x + k % across * (wide + gap), y + k // across * (high + gap)
        foot = body.line * leaf.at(0, 4)
        leaf.paste(leaf.case.plate(rng, wide, max(20, high - foot)), left, top)
        if chance(rng, 0.4):
            leaf.frame((left - 4, top - 4, wide + 8, high - foot + 8), leaf.at(1, 4))
        leaf.text(body, (left, top + high - foot + 3, wide, foot), pick(rng, ("centre", "left", "justify")))
    _furniture(leaf, (x, y, w, h))


def _leaders(leaf: Leaf, box: Box, body: Galley) -> None:
    x, y, w, h = box
    figures = leaf.case.galley(leaf.rng, "figures", body.size + 4)
    dots, step = chance(leaf.rng, 0.6), round(body.line * leaf.rng.uniform(0.95, 1.4))
    for at in range(y, y + h - step, step):
        inset = int(leaf.rng.choice([0, 0, 0, 1, 2])) * body.size
        end = x + inset + leaf.line(body, x + inset, at, (w - inset) * 0.75, "left", leaf.at(1, 6))
        number = figures.take()[:, : max(8, w // 6)]
        if dots:
            foot = at + round(body.size * 0.95)
            leaf.a[foot : foot + 2, end + 6 : max(end + 6, x + w - number.shape[1] - 6) : 7] = 0
        leaf.paste(number, x + w - number.shape[1], at)


def index(leaf: Leaf) -> None:
    """Contents, indexes, price lists: entries, dot leaders, numbers, in one to four columns."""
    x, y, w, h = _margins(leaf)
    n = leaf.at(1, 5)
    body = leaf.case.galley(leaf.rng, "body", 18 if n < 3 else 12)
    head = leaf.case.galley(leaf.rng, "head", 40)
    leaf.line(head, x, y, w, "centre")
    top, wide = y + round(1.5 * head.line), w // n
    for k in range(n):
        column = (x + k * wide, top, wide - 18, h - (top - y))
        if chance(leaf.rng, 0.35):
            leaf.text(body, column, "left", 1.0, body.size)
        else:
            _leaders(leaf, column, body)
    _furniture(leaf, (x, y, w, h))


def verse(leaf: Leaf) -> None:
    """Poems, plays, hymn texts: short lines, stanzas, speakers, numbers."""
    x, y, w, h = _margins(leaf)
    rng = leaf.rng
    body = leaf.case.galley(rng, "body", 18)
    _furniture(leaf, (x, y, w, h))
    n = int(rng.choice([1, 1, 2, 3]))
    for k in range(n):
        left, wide, at = x + k * w // n, w // n - 16, y
        while at < y + h - body.line:
            for i in range(leaf.at(2, 10)):
                if at < y + h - body.line:
                    inset = body.size * 2 * (i % 2) if n == 1 else 0
                    leaf.line(body, left + inset, at, (wide - inset) * rng.uniform(0.4, 0.8), "left")
                    at += body.line
            at += round(body.line * 0.8)
