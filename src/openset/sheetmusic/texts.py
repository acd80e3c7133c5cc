"""Printed text pages that are not music, in every script that a font covers. Clean drawings; wear comes later."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from openset.sheetmusic import fonts
from openset.sheetmusic.typeset import (
    Face,
    Picture,
    Sheet,
    chance,
    face,
    fill_column,
    label,
    lines_of,
    paragraph,
    script_of,
    set_line,
    sheet,
    text_size,
)  # fmt: skip
from openset.sheetmusic.words import date, name, phrase, pick, prose, words

_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_CHORDS = [
    "C",
    "G",
    "D",
    "A",
    "E",
    "F",
    "B",
    "Am",
    "Em",
    "Dm",
    "Bm",
    "F#m",
    "C7",
    "G7",
    "D7",
    "A7",
    "E7",
    "Fmaj7",
    "Gsus4",
    "Dsus2",
    "B7",
    "Cm",
    "Gm",
    "Bb",
    "Eb",
    "Ab",
    "F/A",
    "G/B",
    "C/E",
    "Am7",
    "Em7",
    "Cadd9",
]


def margins(rng: np.random.Generator, s: Sheet) -> tuple[float, float, float, float]:
    """left, top, width and bottom of the type area."""
    left, right = rng.uniform(0.05, 0.16, 2) * s.w
    top, low = rng.uniform(0.04, 0.12, 2) * s.h
    return float(left), float(top), float(s.w - left - right), float(s.h - low)


def running_head(rng: np.random.Generator, s: Sheet, x: float, y: float, width: float, font: Face) -> float:
    """A page head with a number, perhaps a rule below it; returns the y where the text begins."""
    if chance(rng, 0.4):
        return y
    folio = str(int(rng.integers(1, 700)))
    label(s, (x + width / 2, y), phrase(rng, 1, 4, font.script).upper(), font, anchor="ma")
    plain = face(rng, font.size)
    left = chance(rng, 0.5)
    label(s, (x if left else x + width, y), folio, plain, anchor="la" if left else "ra")
    y += font.line * 1.2
    if chance(rng, 0.4):
        s.draw.line((x, y, x + width, y), fill=s.ink, width=int(rng.integers(1, 3)))
    return y + 0.6 * font.line


def headline(rng: np.random.Generator, s: Sheet, x: float, y: float, width: float, size: float, script: str) -> float:
    """A centred or left heading of one to three lines; returns the y below it."""
    font = face(rng, size, script, pick(rng, ("serif", "serif", "sans", "black")))
    return paragraph(
        s,
        words(rng, int(rng.integers(1, 8)), script),
        font,
        (x, y, width, y + 3.2 * font.line),
        align=pick(rng, ("centre", "left")),
    )


def prose_page(rng: np.random.Generator) -> Picture:
    """A book or report page: one column, with a running head, perhaps a chapter title, footnotes."""
    s, script = sheet(rng), script_of(rng)
    x, y, width, bottom = margins(rng, s)
    font = face(rng, text_size(rng, width), script, pick(rng, ("serif", "serif", "serif", "sans", "black")))
    y = running_head(rng, s, x, y, width, font)
    if chance(rng, 0.35):
        y = headline(rng, s, x, y + rng.uniform(0, 0.15) * s.h, width, font.size * 1.8, script) + font.line
    if chance(rng, 0.3):
        small = face(rng, font.size * 0.75, script)
        foot = bottom - float(rng.uniform(0.05, 0.22)) * s.h
        s.draw.line((x, foot, x + width * pick(rng, (0.25, 1.0)), foot), fill=s.ink)
        fill_column(s, rng, small, (x, foot + 6, width, bottom))
        bottom = foot - 4
    if chance(rng, 0.2):
        bottom = y + (bottom - y) * float(rng.uniform(0.1, 0.9))
    fill_column(s, rng, font, (x, y, width, bottom), align=pick(rng, ("justify", "justify", "left")))
    return s.done()


def columns_page(rng: np.random.Generator) -> Picture:
    """Two to four columns with headings, perhaps rules between them and a title across: papers, encyclopaedias."""
    s, script = sheet(rng), script_of(rng)
    x, y, width, bottom = margins(rng, s)
    count = int(rng.choice((2, 2, 2, 3, 3, 4)))
    font = face(rng, text_size(rng, width, count), script, pick(rng, ("serif", "serif", "sans")))
    y = running_head(rng, s, x, y, width, font)
    if chance(rng, 0.5):
        y = headline(rng, s, x, y, width, font.size * 2.2, script) + font.line
        y = (
            paragraph(
                s,
                [name(rng) for _ in range(int(rng.integers(1, 6)))],
                face(rng, font.size * 1.1),
                (x, y, width, bottom),
                align="centre",
            )
            + font.line
        )
    gutter, rules, leading = float(rng.uniform(0.02, 0.05)) * s.w, chance(rng, 0.3), float(rng.uniform(0.95, 1.2))
    each = (width - gutter * (count - 1)) / count
    for i in range(count):
        at, down = x + i * (each + gutter), y
        if rules and i:
            s.draw.line((at - gutter / 2, y, at - gutter / 2, bottom), fill=s.ink)
        while down < bottom - 3 * font.line:
            low = min(bottom, down + float(rng.uniform(0.15, 0.9)) * s.h)
            down = fill_column(s, rng, font, (at, down, each, low), leading=leading) + 0.5 * font.line
            if down < bottom - 4 * font.line:
                down = headline(rng, s, at, down, each, font.size * 1.15, script) + 0.4 * font.line
    return s.done()


def title_page(rng: np.random.Generator) -> Picture:
    """A book's title page or a cover: centred lines of many sizes, rules, an emblem, a place and a year."""
    s, script = sheet(rng, wide=0.1, dark=0.1), script_of(rng)
    if chance(rng, 0.4):
        m = float(rng.uniform(0.03, 0.08)) * s.w
        for k in range(int(rng.integers(1, 4))):
            s.draw.rectangle(
                (m + 6 * k, m + 6 * k, s.w - m - 6 * k, s.h - m - 6 * k), outline=s.ink, width=int(rng.integers(1, 4))
            )
    y = float(rng.uniform(0.08, 0.2)) * s.h
    kind: fonts.Kind = pick(rng, ("serif", "serif", "sans", "black"))
    while y < 0.86 * s.h:
        font = face(rng, s.w * float(rng.choice((0.02, 0.025, 0.03, 0.045, 0.07, 0.1))), script, kind)
        text = words(rng, int(rng.integers(1, 7)), script)
        y = paragraph(
            s,
            [w.upper() for w in text] if chance(rng, 0.5) else text,
            font,
            (0.14 * s.w, y, 0.72 * s.w, 0.9 * s.h),
            align="centre",
        )
        y += float(rng.uniform(0.01, 0.09)) * s.h
        if chance(rng, 0.3):
            half = float(rng.uniform(0.03, 0.35)) * s.w
            s.draw.line((s.w / 2 - half, y, s.w / 2 + half, y), fill=s.ink, width=int(rng.integers(1, 5)))
            y += 0.03 * s.h
    label(s, (s.w / 2, 0.93 * s.h), str(int(rng.integers(1600, 2025))), face(rng, 0.03 * s.w), anchor="ms")
    return s.done()


def poem(rng: np.random.Generator) -> Picture:
    """Verses in stanzas, some lines indented or numbered; hymn texts without notes look the same."""
    s, script = sheet(rng), script_of(rng, 0.3)
    x, y, width, bottom = margins(rng, s)
    columns = int(rng.choice((1, 1, 2)))
    font = face(
        rng,
        text_size(rng, width) * (0.95 if columns == 1 else 0.7),
        script,
        pick(rng, ("serif", "serif", "sans", "hand")),
    )
    y = headline(rng, s, x, y, width, font.size * 1.7, script) + font.line
    for c in range(columns):
        at, down, stanza, verse = x + c * width / columns + width * 0.05, y, 1, int(rng.integers(3, 9))
        while down < bottom - font.line * 2:
            for i in range(verse):
                shift = font.size * 1.5 * (i % 2) if verse % 2 == 0 else 0.0
                text = f"{stanza}. " if i == 0 and columns == 2 else ""
                if down < bottom:
                    label(s, (at + shift, down), text + phrase(rng, 3, 7 if columns == 1 else 5, script), font)
                down += font.line
            down, stanza = down + font.line * 0.8, stanza + 1
    return s.done()


def play(rng: np.random.Generator) -> Picture:
    """A play: speakers' names before speeches, stage directions."""
    s, script = sheet(rng), script_of(rng, 0.2)
    x, y, width, bottom = margins(rng, s)
    size = text_size(rng, width)
    font, strong = face(rng, size, script, "serif"), face(rng, size * 0.95, script, pick(rng, ("serif", "sans")))
    cast = [phrase(rng, 1, 1, script).upper() for _ in range(int(rng.integers(2, 6)))]
    y, hang = running_head(rng, s, x, y, width, font), chance(rng, 0.5)
    while y < bottom - 2 * font.line:
        if chance(rng, 0.12):
            y = paragraph(
                s, words(rng, int(rng.integers(3, 14)), script), strong, (x, y, width, bottom), align="centre"
            )
        who = pick(rng, cast) + "."
        if hang:
            label(s, (x, y), who, strong)
            y = paragraph(
                s,
                prose(rng, int(rng.integers(4, 60)), script),
                font,
                (x + 0.18 * width, y, 0.82 * width, bottom),
                align="left",
            )
        else:
            y = paragraph(
                s, [who, *prose(rng, int(rng.integers(4, 60)), script)], font, (x, y, width, bottom), indent=0.0
            )
        y += font.line * pick(rng, (0.0, 0.3, 0.3))
    return s.done()


def dictionary(rng: np.random.Generator) -> Picture:
    """Dictionary, index, directory or concordance: short entries in narrow columns with hanging indents and numbers."""
    s, script = sheet(rng), script_of(rng)
    x, y, width, bottom = margins(rng, s)
    count = int(rng.integers(2, 5))
    font = face(rng, text_size(rng, width, count), script)
    y = running_head(rng, s, x, y, width, font)
    gutter, index = 0.03 * s.w, chance(rng, 0.5)
    each = (width - gutter * (count - 1)) / count
    for c in range(count):
        at, down = x + c * (each + gutter), y
        while down < bottom - font.line:
            entry = words(rng, int(rng.integers(1, 5) if index else rng.integers(4, 30)), script)
            if index:
                entry += [f"{int(p)}," for p in rng.integers(1, 600, int(rng.integers(1, 5)))]
            lines = lines_of(entry, font, each - font.size)
            for i, line in enumerate(lines):
                if down < bottom - font.line:
                    set_line(s, line, font, at + (font.size if i else 0), down, each - font.size, "left", s.ink)
                down += font.line
            if chance(rng, 0.03):
                label(
                    s,
                    (at + each / 2, down),
                    phrase(rng, 1, 1, script)[:1].upper(),
                    face(rng, font.size * 1.6, script),
                    anchor="ma",
                )
                down += font.line * 2
    return s.done()


def contents(rng: np.random.Generator) -> Picture:
    """Table of contents, price list or programme: entries, dot leaders, page numbers."""
    s, script = sheet(rng), script_of(rng, 0.3)
    x, y, width, bottom = margins(rng, s)
    font = face(rng, text_size(rng, width), script, pick(rng, ("serif", "serif", "sans")))
    y = headline(rng, s, x, y, width, font.size * 1.7, script) + font.line
    page, dots, leading = 1, max(2.0, font.wide(".")) * float(rng.choice((1, 1.6, 2.5))), float(rng.uniform(1, 2))
    leader = pick(rng, (".", ".", ".", "·", ""))
    while y < bottom - font.line:
        depth = int(rng.choice((0, 0, 1, 1, 2)))
        text = phrase(rng, 1, 6, script)
        left = x + depth * 1.8 * font.size
        label(s, (left, y), text, font)
        page += int(rng.integers(0, 20))
        label(s, (x + width, y), str(page), font, anchor="ra")
        if leader:
            for at in np.arange(left + font.wide(text) + font.size * 0.7, x + width - font.size * 2.2, dots):
                label(s, (float(at), y), leader, font)
        y += font.line * leading * (1.5 if depth == 0 and chance(rng, 0.3) else 1)
    return s.done()


def newspaper(rng: np.random.Generator) -> Picture:
    """Three to six columns, a masthead, headlines of many sizes, rules and picture boxes."""
    s, script = sheet(rng, wide=0.1), script_of(rng, 0.3)
    x, y, width, bottom = 0.03 * s.w, 0.02 * s.h, 0.94 * s.w, 0.98 * s.h
    big = face(rng, 0.08 * s.w, script, pick(rng, ("black", "serif")))
    label(s, (s.w / 2, y), phrase(rng, 2, 3, script)[:20], big, anchor="ma")
    y += big.line * 1.15
    small = face(rng, s.w * rng.uniform(0.011, 0.016), script, "serif")
    for dy in (0, 1.5 * small.line):
        s.draw.line((x, y + dy, x + width, y + dy), fill=s.ink, width=int(rng.integers(1, 4)))
    label(s, (x + 6, y + 2), f"{date(rng)}   No. {int(rng.integers(1, 9999))}", face(rng, s.w * 0.011))
    y += 2 * small.line
    count = int(rng.integers(3, 7))
    each, ruled = width / count, chance(rng, 0.5)
    tops = np.full(count, y)
    c = 0
    while c < count:
        span = min(int(rng.integers(1, 4)), count - c)
        down = float(tops[c])
        if down > bottom - 4 * small.line:
            c += 1
            continue
        at, wide = x + c * each + 4, span * each - 8
        down = headline(rng, s, at, down, wide, small.size * (1.2 + 0.9 * span), script) + 0.4 * small.line
        if chance(rng, 0.35):
            tall = min(float(rng.uniform(0.3, 0.8)) * wide, bottom - down)
            if tall > 20:
                picture_box(rng, s, (at, down, wide, tall))
                down += tall + 4
                down = (
                    paragraph(s, prose(rng, 12, script), small, (at, down, wide, bottom), align="centre")
                    + 0.5 * small.line
                )
        low = min(bottom, down + float(rng.uniform(0.12, 0.4)) * s.h)
        for k in range(span):
            fill_column(s, rng, small, (at + k * each, down, each - 8, low), leading=1.0)
            if ruled and c + k:
                s.draw.line((x + (c + k) * each, down, x + (c + k) * each, low), fill=s.ink)
        tops[c : c + span] = low + 0.5 * small.line
        c += span if low > bottom - 4 * small.line else 0
    return s.done()


def picture_box(rng: np.random.Generator, s: Sheet, box: tuple[float, float, float, float]) -> None:
    """A half-tone looking picture: random light and dark at several scales, with a few dark shapes in front."""
    x, y, w, h = (int(v) for v in box)
    if w < 4 or h < 4:
        return
    tone = np.zeros((h, w), np.float32)
    for n, weight in ((3, 1.0), (8, 0.5), (24, 0.25)):
        coarse = Image.fromarray(rng.random((n, n), dtype=np.float32))
        tone += weight * np.asarray(coarse.resize((w, h), Image.Resampling.BICUBIC))
    scene = Image.fromarray(np.clip(tone * 150, 10, 245).astype(np.uint8))
    draw = ImageDraw.Draw(scene)
    for _ in range(int(rng.integers(0, 6))):
        cx, r, fill = w * rng.random(), h * float(rng.uniform(0.05, 0.25)), int(rng.integers(10, 230))
        draw.ellipse((cx - r, h * 0.45 - r, cx + r, h * 0.45 + r), fill=fill)
        draw.polygon((cx - 1.6 * r, h, cx - r, h * 0.5, cx + r, h * 0.5, cx + 1.6 * r, h), fill=fill)
    s.image.paste(scene.convert(s.image.mode), (x, y))
    s.draw.rectangle((x, y, x + w, y + h), outline=s.ink)


TEXTS = {
    "prose_page": prose_page,
    "columns_page": columns_page,
    "title_page": title_page,
    "poem": poem,
    "play": play,
    "dictionary": dictionary,
    "contents": contents,
    "newspaper": newspaper,
}
