"""Clean library pictures that are no running text: cards, forms, letters, manuscripts, maps, covers, spines, bookplates,
blank and dirty leaves. Kinds like those of library_pages.py: functions that fill a Leaf."""

from __future__ import annotations

import cv2
import numpy as np

from .degrade import smooth_field
from .library_pages import Box, Leaf
from .sample import Gray
from .typeset import chance
from .words import pick


def cards(leaf: Leaf) -> None:
    """Catalogue cards: one or a sheet of them, typed or written, with a hole and guide lines."""
    rng = leaf.rng
    across, down = pick(rng, ((1, 1), (1, 2), (1, 3), (2, 3), (2, 5)))
    face = leaf.case.galley(rng, pick(rng, ("body", "body", "hand")), 26 if across == 1 else 14)
    wide, high = leaf.w // across, leaf.h // down
    guides = chance(rng, 0.5)
    for k in range(across * down):
        x, y = k % across * wide + 8, k // across * high + 8
        w, h = wide - 16, high - 16
        leaf.frame((x, y, w, h), 1, 90)
        if guides:
            for at in (0.1, 0.18):
                leaf.bar(x + w * at, y, 1, h, 150)
            leaf.bar(x, y + h * 0.16, w, 1, 150)
        at = y + leaf.at(4, h * 0.2)
        leaf.line(face, x + 6, at, w * 0.15, "left", 2)
        for inset in (0.1, 0.18, 0.18, 0.1, 0.18):
            for _ in range(leaf.at(1, 4)):
                if at + face.line < y + h - 20:
                    leaf.line(face, x + w * inset + 4, at, w * rng.uniform(0.3, 0.8))
                    at += face.line
        cv2.circle(leaf.a, (x + w // 2, y + h - 12), max(4, w // 60), int(rng.integers(0, 120)), -1)


def form(leaf: Leaf) -> None:
    """A form: labels, lines or boxes to write on, combs for letters, check boxes, filled in by hand or not."""
    rng = leaf.rng
    body, hand = leaf.case.galley(rng, "body", 15), leaf.case.galley(rng, "hand", 28)
    x, y, w, h = leaf.at(20, 90), leaf.at(20, 90), leaf.w - leaf.at(60, 170), leaf.h - leaf.at(60, 170)
    head = leaf.case.galley(rng, "head", 34)
    leaf.line(head, x, y, w, pick(rng, ("left", "centre")))
    at, filled = y + head.line + 14, rng.random() < 0.6
    row = max(hand.line, leaf.at(24, 60))
    while at < y + h - row:
        n = int(rng.choice([1, 1, 2, 3]))
        for k in range(n):
            left, wide = x + k * w // n, w // n - 14
            style = rng.random()
            used = leaf.line(body, left, at + row - body.line - 2, wide * 0.5, "left", 4) + 6
            if style < 0.45:
                leaf.bar(left + used, at + row - 3, wide - used, 1)
            elif style < 0.65:
                leaf.frame((left, at, wide, row), 1)
            elif style < 0.8:
                for edge in range(left + used, left + wide, max(12, row // 2)):
                    leaf.frame((edge, at + row // 3, max(12, row // 2) + 1, 2 * row // 3), 1)
            else:
                leaf.frame((left - 2, at + row // 3, body.size, body.size), 1)
            if filled and rng.random() < 0.75:
                leaf.line(hand, left + used + 4, at + row - hand.line, max(8, wide - used - 8), "left", 3)
        at += row
        if rng.random() < 0.12:
            leaf.text(body, (x, at + 4, w, 5 * body.line))
            at += 6 * body.line


def letter(leaf: Leaf) -> None:
    """A letter or diary leaf by hand, on plain or ruled paper, slanting, with a signature."""
    rng = leaf.rng
    hand = leaf.case.galley(rng, "hand")
    x, y = leaf.at(30, 140), leaf.at(30, 160)
    step, slope = round(hand.line * rng.uniform(0.8, 1.3)), float(rng.normal(0, 0.012))
    ruled = int(rng.integers(120, 220)) if chance(rng, 0.4) else 0
    if chance(rng, 0.6):
        leaf.line(hand, x, y, leaf.w - 2 * x, "right", 3)
    for at in range(y + 2 * step, leaf.h - leaf.at(30, 200), step):
        if ruled:
            leaf.bar(0, at + hand.line * 0.85, leaf.w, 1, ruled)
        if rng.random() < 0.92:
            start, end = x + float(rng.normal(0, 4)), leaf.w - x * float(rng.uniform(0.2, 1.1))
            leaf.line(hand, start, at + 0.5 * slope * leaf.w, (end - start) * (1 if rng.random() < 0.85 else 0.5))
    if not ruled and slope:
        turn = np.array([[1, 0, 0], [slope, 1, -slope * leaf.w / 2]], np.float32)
        leaf.a[:] = cv2.warpAffine(leaf.a, turn, (leaf.w, leaf.h), borderValue=255)


def manuscript(leaf: Leaf) -> None:
    """A medieval or oriental leaf: a dense block, glosses around it, initials, pricked rulings, borders."""
    rng = leaf.rng
    body, gloss = leaf.case.galley(rng, pick(rng, ("hand", "head", "body")), 34), leaf.case.galley(rng, "body", 11)
    x, y, w, h = int(leaf.w * 0.18), int(leaf.h * 0.14), int(leaf.w * 0.64), int(leaf.h * 0.68)
    if chance(rng, 0.5):
        faint = leaf.at(150, 225)
        for at in range(y, y + h, body.line):
            leaf.bar(x, at + body.line * 0.9, w, 1, faint)
        for edge in (x - 6, x, x + w, x + w + 6):
            leaf.bar(edge, 0, 1, leaf.h, faint)
    n = int(rng.choice([1, 2]))
    for k in range(n):
        leaf.text(body, (x + k * w // n, y, w // n - 12, h), "justify", 1.0)
        if chance(rng, 0.6):
            side = leaf.at(40, 150)
            at = y + leaf.at(0, h - side)
            leaf.a[at : at + side, x + k * w // n : x + k * w // n + side] = leaf.case.plate(rng, side, side)
    if chance(rng, 0.5):
        leaf.text(gloss, (8, y, x - 20, h), "left")
        leaf.text(gloss, (x + w + 10, y, leaf.w - x - w - 18, h), "left")
    if chance(rng, 0.3):
        thick = leaf.at(10, 50)
        strip = leaf.case.plate(rng, w, thick)
        leaf.paste(strip, x, y - thick - 4)
        leaf.paste(strip[::-1], x, y + h + 4)


def chart(leaf: Leaf) -> None:
    """A map: contour lines of a made landscape, rivers, a graticule, names along it, a scale and a frame."""
    rng = leaf.rng
    land = smooth_field(rng, (leaf.h, leaf.w), int(rng.integers(3, 9)))
    land += 0.3 * smooth_field(rng, (leaf.h, leaf.w), int(rng.integers(12, 40)))
    if chance(rng, 0.5):
        sea = land < float(rng.uniform(-0.8, 0.2))
        leaf.a[sea] = leaf.at(150, 245)
    bands = np.floor(land * float(rng.uniform(2, 9))).astype(np.int16)
    edge = np.zeros(land.shape, bool)
    edge[:, 1:] |= bands[:, 1:] != bands[:, :-1]
    edge[1:] |= bands[1:] != bands[:-1]
    leaf.a[edge] = leaf.at(0, 150)
    if chance(rng, 0.5):
        step = leaf.at(60, 240)
        for at in range(step, max(leaf.w, leaf.h), step):
            leaf.bar(at, 0, 1, leaf.h, 110)
            leaf.bar(0, at, leaf.w, 1, 110)
    names = leaf.case.galley(rng, pick(rng, ("body", "body", "hand")), 20)
    for _ in range(leaf.at(5, 70)):
        x, y = leaf.at(0, leaf.w * 0.9), leaf.at(0, leaf.h * 0.95)
        leaf.line(names, x, y, 160, "left", leaf.at(1, 3))
        cv2.circle(leaf.a, (x - 5, y + names.line // 2), leaf.at(1, 4), 0, -1 if chance(rng, 0.5) else 1)
    if chance(rng, 0.7):
        leaf.frame((10, 10, leaf.w - 20, leaf.h - 20), leaf.at(1, 5))
        for k in range(0, leaf.w - 20, 60):
            leaf.bar(10 + k, 14, 30, 5)
    x, y, w = leaf.at(20, leaf.w * 0.5), leaf.at(20, leaf.h * 0.8), leaf.at(120, 300)
    leaf.a[y : y + 80, x : x + w] = 255
    leaf.frame((x, y, w, 80), 2)
    leaf.line(leaf.case.galley(rng, "head", 24), x + 8, y + 8, w - 16, "centre")
    for k in range(0, w - 40, 24):
        leaf.bar(x + 20 + k, y + 66, 12, 5)


def _cloth(leaf: Leaf, box: Box, tone: int) -> None:
    """Cloth, leather or marbled paper in a box."""
    x, y, w, h = box
    rng = leaf.rng
    fine = rng.standard_normal((h // 2 + 1, w // 2 + 1)).astype(np.float32) * float(rng.uniform(2, 14))
    field = tone + cv2.resize(fine, (w, h))
    if chance(rng, 0.3):
        field = field + 40 * np.sin(6 * smooth_field(rng, (h, w), int(rng.integers(4, 14))))
    part = leaf.a[y : y + h, x : x + w]
    part[:] = np.clip(field, 0, 255)[: part.shape[0], : part.shape[1]]


def _letters(image: Gray, tone: int) -> Gray:
    """Lettering in another tone on the ground it stands on: black on white -> a mask scaled by tone."""
    return ((255 - image).astype(np.float32) / 255 * tone).astype(np.uint8)


def _gilt(leaf: Leaf, galley_kind: str, box: Box, turned: bool, tone: int) -> None:
    """A line of light lettering on a dark ground, upright or turned by a quarter."""
    x, y, w, h = box
    galley = leaf.case.galley(leaf.rng, galley_kind, min(w if turned else h, 60))
    strip = Leaf(np.full((galley.line, h if turned else w), 255, np.uint8), leaf.rng, leaf.case)
    strip.line(galley, 0, 0, strip.w, "centre")
    drawn = _letters(np.rot90(strip.a, 3) if turned else strip.a, tone)
    part = leaf.a[y : y + drawn.shape[0], x : x + drawn.shape[1]]
    np.maximum(part, drawn[: part.shape[0], : part.shape[1]], out=part)


def cover(leaf: Leaf) -> None:
    """A binding seen from the front: cloth or leather, blind or gilt frames, lettering, a paper label."""
    rng = leaf.rng
    tone = leaf.at(15, 170)
    _cloth(leaf, (0, 0, leaf.w, leaf.h), tone)
    light = min(255, tone + leaf.at(40, 140))
    for k in range(leaf.at(0, 5)):
        inset = 20 + 18 * k
        cv2.rectangle(leaf.a, (inset, inset), (leaf.w - inset, leaf.h - inset), light, leaf.at(1, 5))
    for _ in range(leaf.at(1, 5)):
        _gilt(leaf, "head", (leaf.w // 8, leaf.at(60, leaf.h - 120), 3 * leaf.w // 4, 70), False, light)
    if chance(rng, 0.4):
        w, h = leaf.at(120, leaf.w * 0.6), leaf.at(80, leaf.h * 0.4)
        x, y = (leaf.w - w) // 2, leaf.at(40, leaf.h * 0.5)
        leaf.a[y : y + h, x : x + w] = leaf.at(200, 256)
        leaf.frame((x + 5, y + 5, w - 10, h - 10), 2)
        leaf.text(leaf.case.galley(rng, pick(rng, ("hand", "body"))), (x + 14, y + 14, w - 28, h - 28), "centre")
    elif chance(rng, 0.4):
        side = leaf.at(150, leaf.w * 0.7)
        x, y = (leaf.w - side) // 2, leaf.at(80, max(90, leaf.h - side - 60))
        part = leaf.a[y : y + side, x : x + side]
        part[:] = leaf.case.plate(rng, side, side)[: part.shape[0], : part.shape[1]]


def spines(leaf: Leaf) -> None:
    """A shelf of spines: bands, labels, lettering upwards or across, shelf marks."""
    rng = leaf.rng
    x = 0
    while x < leaf.w:
        w, tone = leaf.at(24, 130), leaf.at(10, 230)
        top = leaf.at(0, leaf.h * 0.12)
        _cloth(leaf, (x, top, min(w, leaf.w - x), leaf.h - top), tone)
        leaf.a[:top, x : x + w] = leaf.at(0, 40)
        leaf.bar(x, top, 2, leaf.h, 0)
        light = 255 - tone if abs(255 - 2 * tone) > 60 else 255
        for at in range(top + 20, leaf.h, leaf.at(60, 260)):
            leaf.a[at : at + leaf.at(2, 7), x + 2 : x + w - 2] = light
        _gilt(leaf, pick(rng, ("head", "body")), (x + 5, top + 50, w - 8, int(leaf.h * 0.6)), chance(rng, 0.7), light)
        if chance(rng, 0.5):
            y = leaf.h - leaf.at(60, 160)
            leaf.a[y : y + 46, x + 3 : x + w - 3] = 245
            leaf.line(leaf.case.galley(rng, "figures", 14), x + 6, y + 6, w - 10, "left", 2)
        x += w + 1


def bookplate(leaf: Leaf) -> None:
    """An endpaper with a bookplate, a due-date slip, pencilled marks."""
    rng = leaf.rng
    _cloth(leaf, (0, 0, leaf.w, leaf.h), leaf.at(180, 250))
    w, h = leaf.at(180, leaf.w * 0.7), leaf.at(220, leaf.h * 0.6)
    x, y = leaf.at(0, leaf.w - w), leaf.at(0, leaf.h - h)
    leaf.a[y : y + h, x : x + w] = 250
    if chance(rng, 0.6):
        leaf.paste(leaf.case.plate(rng, w - 30, h - 90), x + 15, y + 15)
        leaf.line(leaf.case.galley(rng, "head", 30), x + 10, y + h - 60, w - 20, "centre")
        for k in range(leaf.at(1, 4)):
            leaf.frame((x + 4 * k, y + 4 * k, w - 8 * k, h - 8 * k), leaf.at(1, 4))
    else:
        figures, row = leaf.case.galley(rng, "figures", 15), leaf.at(20, 40)
        n = leaf.at(2, 5)
        for at in range(y + 40, y + h - row, row):
            leaf.bar(x, at, w, 1, 60)
            for k in range(n):
                if rng.random() < 0.6:
                    leaf.line(figures, x + k * w // n + 4, at + 3, w // n - 6, "left", 1)
        for k in range(n):
            leaf.bar(x + k * w // n, y, 1, h, 60)
    hand = leaf.case.galley(rng, "hand", 28)
    for _ in range(leaf.at(0, 4)):
        leaf.line(hand, leaf.at(10, leaf.w * 0.6), leaf.at(10, leaf.h * 0.95), 260, "left", leaf.at(1, 5))


def blank(leaf: Leaf) -> None:
    """A blank or dirty leaf: stains, folds, foxing, offset, worm holes, a few lines in a corner."""
    rng = leaf.rng
    tone = leaf.at(170, 256)
    leaf.a[:] = tone
    for _ in range(leaf.at(0, 6)):
        stain = smooth_field(rng, (leaf.h, leaf.w), int(rng.integers(2, 12)))
        level = float(rng.uniform(0.3, 1.6))
        rim = np.exp(-np.square((stain - level) / 0.06)) * rng.uniform(5, 60) if chance(rng, 0.4) else 0
        leaf.a[:] = np.clip(leaf.a - np.clip(stain - level, 0, 0.6) * rng.uniform(10, 110) - rim, 0, 255)
    for _ in range(leaf.at(0, 250)):
        cv2.circle(
            leaf.a, (leaf.at(0, leaf.w), leaf.at(0, leaf.h)), int(rng.exponential(2.0)), leaf.at(20, max(21, tone)), -1
        )
    for _ in range(leaf.at(0, 5)):
        a, b = (leaf.at(0, leaf.w), 0), (leaf.at(0, leaf.w), leaf.h)
        if chance(rng, 0.5):
            a, b = (0, leaf.at(0, leaf.h)), (leaf.w, leaf.at(0, leaf.h))
        cv2.line(leaf.a, a, b, leaf.at(60, max(61, tone)), leaf.at(1, 3), cv2.LINE_AA)
    if chance(rng, 0.4):
        face = leaf.case.galley(rng, pick(rng, ("hand", "body", "figures")), 24)
        for k in range(leaf.at(1, 4)):
            leaf.line(face, leaf.w * 0.1, leaf.h * rng.choice([0.05, 0.5, 0.9]) + k * face.line, leaf.w * 0.7)
