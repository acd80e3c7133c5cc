"""Printed text pages that are not music, in every script that a font covers. Clean drawings; wear comes later."""

from __future__ import annotations

import numpy as np

from openset.sheetmusic.typeset import (
    Face, Picture, Sheet, chance, face, fill_column, label, lines_of, paragraph, script_of, set_line, shade, sheet, text_size,
)  # fmt: skip
from openset.sheetmusic.words import UNSPACED, date, name, number, phrase, pick, prose, words

_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_CHORDS = (
    "C G D A E F B Am Em Dm Bm F#m C7 G7 D7 A7 E7 Fmaj7 Gsus4 Dsus2 B7 Cm Gm Bb Eb Ab F/A G/B C/E Am7 Em7 Cadd9".split()
)


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
    label(
        s,
        *((x, y), folio) if chance(rng, 0.5) else ((x + width, y), folio),
        font,
        anchor="la" if chance(rng, 0.5) else "ra",
    )
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
    """Two to four columns, headings inside, perhaps rules between them and a title across: papers, magazines, encyclopaedias."""
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
    kind = pick(rng, ("serif", "serif", "sans", "black"))
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
    font = face(rng, text_size(rng, width) * 0.95, script, pick(rng, ("serif", "serif", "sans", "hand")))
    columns = int(rng.choice((1, 1, 2)))
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
    small = face(rng, s.w * 0.011, script, "serif")
    for dy in (0, 1.5 * small.line):
        s.draw.line((x, y + dy, x + width, y + dy), fill=s.ink, width=int(rng.integers(1, 4)))
    label(s, (x + 6, y + 2), f"{date(rng)}   No. {int(rng.integers(1, 9999))}", face(rng, s.w * 0.011))
    y += 2 * small.line
    count = int(rng.integers(3, 7))
    each, ruled = width / count, chance(rng, 0.5)
    tops = np.full(count, y)
    c = 0
    while c < count:
        span = int(min(rng.integers(1, 4), count - c))
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
    """A half-tone looking picture: smooth random gray."""
    from PIL import Image

    x, y, w, h = (int(v) for v in box)
    coarse = Image.fromarray(rng.integers(20, 240, (5, 6), dtype=np.uint8)).resize(
        (max(w, 2), max(h, 2)), Image.Resampling.BICUBIC
    )
    s.image.paste(coarse.convert(s.image.mode), (x, y))
    s.draw.rectangle((x, y, x + w, y + h), outline=s.ink)


def chord_sheet(rng: np.random.Generator) -> Picture:
    """Lyrics with chord names above the words: no staff, so no sheet music."""
    s = sheet(rng)
    x, y, width, bottom = margins(rng, s)
    kind = pick(rng, ("mono", "sans", "serif"))
    size = text_size(rng, width)
    font, chord = face(rng, size, "latin", kind), face(rng, size, "latin", kind)
    tint = s.ink if chance(rng, 0.6) else shade(rng, 40, 120, 60)
    y = headline(rng, s, x, y, width, size * 1.8, "latin") + font.line
    palette = [pick(rng, _CHORDS) for _ in range(int(rng.integers(3, 8)))]
    while y < bottom - 4 * font.line:
        if chance(rng, 0.6):
            label(s, (x, y), pick(rng, ("[Verse]", "[Chorus]", "Bridge:", "Chorus", "Verse 1", "Intro")), chord)
            y += font.line * 1.2
        for _ in range(int(rng.integers(2, 6))):
            text, at = phrase(rng, 4, 9), 0.0
            while at < font.wide(text):
                label(s, (x + at, y), pick(rng, palette), chord, fill=tint)
                at += size * float(rng.uniform(3, 9))
            label(s, (x, y + font.line), text, font)
            y += font.line * 2.1
        y += font.line
    return s.done()


def mathematics(rng: np.random.Generator) -> Picture:
    """Prose with displayed formulas: fractions, sums, roots, matrices, equation numbers."""
    s = sheet(rng)
    x, y, width, bottom = margins(rng, s)
    size = text_size(rng, width)
    font, small = face(rng, size, "latin", "serif"), face(rng, size * 0.7, "latin", "serif")
    y = running_head(rng, s, x, y, width, font)
    equation = 1
    while y < bottom - 5 * font.line:
        y = paragraph(s, prose(rng, int(rng.integers(8, 60))), font, (x, y, width, bottom)) + 0.5 * font.line
        for _ in range(int(rng.integers(1, 4))):
            if y < bottom - 3 * font.line:
                formula(
                    rng, s, font, small, x + width * float(rng.uniform(0.1, 0.35)), y + 1.2 * font.line, 0.55 * width
                )
                label(s, (x + width, y + font.line), f"({equation})", font, anchor="ra")
                y, equation = y + 3 * font.line, equation + 1
    return s.done()


def formula(rng: np.random.Generator, s: Sheet, font: Face, small: Face, x: float, y: float, width: float) -> None:
    """Terms along the middle line y until `width` is used up."""
    end, size = x + width, font.size
    while x < end - 3 * size:
        kind = int(rng.integers(6))
        atom = pick(rng, "abcdefghkmnpqrtuvwxyzABCFGHKLMNPRTVXαβγδεθλμπρσφψωΓΔΦΩ")
        if kind == 0:
            over = pick(rng, ("x + y", "n(n + 1)", "1", "a", "d f", "2π", "k − 1", "∂u"))
            wide = max(font.wide(over), 1.5 * size)
            label(s, (x + wide / 2, y - 2), over, font, anchor="ms")
            s.draw.line((x, y, x + wide, y), fill=s.ink)
            label(s, (x + wide / 2, y + 2), pick(rng, ("2", "dx", "6", "n!", "1 − q", "∂t")), font, anchor="ma")
            x += wide
        elif kind == 1:
            label(s, (x, y), pick(rng, ("Σ", "∫", "Π", "∑")), font, anchor="lm")
            label(s, (x + 4, y + size), pick(rng, ("i=1", "0", "n", "k=0")), small, anchor="mm")
            label(s, (x + 6, y - size), pick(rng, ("n", "∞", "1", "N")), small, anchor="mm")
            x += 1.2 * size
        elif kind == 2:
            text = f"({atom} {pick(rng, '+−·')} {int(rng.integers(1, 20))})"
            label(s, (x, y), text, font, anchor="lm")
            x += font.wide(text)
        elif kind == 3:
            s.draw.line(
                (x, y, x + 3, y + size / 2, x + 7, y - size * 0.7, x + 7 + 2 * size, y - size * 0.7), fill=s.ink
            )
            label(s, (x + 9, y), atom + "²", font, anchor="lm")
            x += 7 + 2 * size
        else:
            label(s, (x, y), atom, font, anchor="lm")
            x += font.wide(atom)
            if chance(rng, 0.6):
                label(
                    s,
                    (x, y + (size * 0.4 if chance(rng, 0.5) else -size * 0.4)),
                    pick(rng, ("2", "n", "i", "ij", "k+1", "0")),
                    small,
                    anchor="lm",
                )
                x += 0.8 * size
        sign = pick(rng, (" = ", " + ", " − ", " ≤ ", " · ", " "))
        label(s, (x, y), sign, font, anchor="lm")
        x += font.wide(sign)


def typewritten(rng: np.random.Generator) -> Picture:
    """A typed letter or report: one fixed-width face, an address, a date, ragged lines, some letters struck over."""
    s = sheet(rng, wide=0.05)
    x, y, width, bottom = margins(rng, s)
    font = face(rng, width / rng.uniform(60, 80) / 0.6, "latin", "mono")
    leading = float(rng.choice((1.0, 1.3, 1.9)))
    for _ in range(int(rng.integers(2, 6))):
        label(s, (x + width * pick(rng, (0.0, 0.55)), y), phrase(rng, 1, 4), font)
        y += font.line * leading
    label(s, (x + 0.6 * width, y), date(rng), font)
    y += font.line * 2.5
    while y < bottom - font.line:
        text = prose(rng, int(rng.integers(20, 90)))
        y = paragraph(
            s,
            text,
            font,
            (x + rng.normal(0, 2), y, width, bottom),
            align="left",
            indent=pick(rng, (0.0, 3.0 * font.size)),
            leading=leading,
        )
        if chance(rng, 0.3):
            label(
                s,
                (x + width * rng.random() * 0.8, y - font.line * leading),
                pick(rng, ("xxxxxx", "------", "/////")),
                font,
            )
        y += font.line * pick(rng, (0.0, 1.0))
    return s.done()


def letter(rng: np.random.Generator) -> Picture:
    """A business letter: letterhead, address block, subject, paragraphs, closing and a footer with rules."""
    s, script = sheet(rng, wide=0.0), script_of(rng, 0.3)
    x, y, width, bottom = margins(rng, s)
    font = face(rng, text_size(rng, width) * 0.9, script)
    head = face(rng, font.size * 2, script)
    label(s, (x + width * pick(rng, (0.0, 0.6)), y), phrase(rng, 1, 2, script)[:16], head, fill=shade(rng, 0, 130, 70))
    y += head.line * 1.3
    if chance(rng, 0.6):
        s.draw.line((x, y, x + width, y), fill=s.ink, width=int(rng.integers(1, 4)))
    y += 2 * font.line
    for _ in range(4):
        label(s, (x, y), phrase(rng, 1, 4, script), font)
        y += font.line
    label(s, (x + width, y), date(rng), font, anchor="ra")
    y = (
        fill_column(
            s, rng, font, (x, y + 2.5 * font.line, width, y + (bottom - y) * float(rng.uniform(0.3, 0.8))), align="left"
        )
        + 2 * font.line
    )
    label(s, (x, y), phrase(rng, 1, 3, script), font)
    label(s, (x, y + 3 * font.line), phrase(rng, 1, 3, script), font)
    small = face(rng, font.size * 0.7)
    s.draw.line((x, s.h - 3 * small.line, x + width, s.h - 3 * small.line), fill=s.ink)
    for i in range(3):
        label(s, (x + i * width / 3, s.h - 2.5 * small.line), f"{phrase(rng, 1, 2)} {number(rng)}", small)
    return s.done()


def library_card(rng: np.random.Generator) -> Picture:
    """A catalogue card: a typed entry with a call number, ruled lines, a punched hole."""
    s = sheet(rng, wide=1.0)
    font = face(rng, s.w / rng.uniform(40, 60) / 0.55, "latin", pick(rng, ("mono", "mono", "serif")))
    left, y = 0.16 * s.w, 0.08 * s.h
    if chance(rng, 0.6):
        for at in np.arange(0.2 * s.h, s.h, font.line * 1.05):
            s.draw.line((0, at, s.w, at), fill=pick(rng, ("#b8c4e0", "#c8c8c8")))
        for at in (0.13, 0.19):
            s.draw.line((at * s.w, 0, at * s.w, s.h), fill="#d09090")
    for i in range(3):
        label(
            s,
            (0.02 * s.w, y + i * font.line),
            f"{phrase(rng, 1, 1)[:2].upper()}{int(rng.integers(10, 999))}.{int(rng.integers(9))}"[: 6 - i],
            font,
        )
    label(s, (left, y), f"{name(rng)}, {int(rng.integers(1700, 1950))}-", font)
    paragraph(
        s,
        prose(rng, int(rng.integers(20, 90))),
        font,
        (left + 2 * font.size, y + 1.5 * font.line, 0.72 * s.w, 0.85 * s.h),
        align="left",
    )
    r = 0.018 * s.w
    s.draw.ellipse(
        (s.w / 2 - r, 0.93 * s.h - r, s.w / 2 + r, 0.93 * s.h + r), fill=shade(rng, 20, 120), outline="#555555"
    )
    label(s, (left, 0.88 * s.h), f"{pick(rng, _ROMAN)}. {phrase(rng, 1, 4)}", font)
    return s.done()


def big_words(rng: np.random.Generator) -> Picture:
    """A sign, a banner or a slide-like picture: a few large words in any script."""
    s, script = sheet(rng, wide=0.6, dark=0.3, colour_share=0.8), script_of(rng, 0.6)
    y = float(rng.uniform(0.05, 0.3)) * s.h
    while y < 0.8 * s.h:
        font = face(rng, s.w * float(rng.uniform(0.05, 0.16)), script)
        text = words(rng, int(rng.integers(1, 4)), script)
        joined = ("" if script in UNSPACED else " ").join(text)
        tint = s.ink if chance(rng, 0.6) else shade(rng, 30, 160, 80)
        label(s, (s.w / 2, y), joined, font, anchor="ma", fill=tint)
        y += font.line * float(rng.uniform(1, 1.6))
    return s.done()


TEXTS = {
    "prose_page": prose_page,
    "columns_page": columns_page,
    "title_page": title_page,
    "poem": poem,
    "play": play,
    "dictionary": dictionary,
    "contents": contents,
    "newspaper": newspaper,
    "chord_sheet": chord_sheet,
    "mathematics": mathematics,
    "typewritten": typewritten,
    "letter": letter,
    "library_card": library_card,
    "big_words": big_words,
}
