"""Letters, cards, chord sheets, formulas and signs: text outside books. Clean drawings; wear comes later."""

from __future__ import annotations

import numpy as np

from openset.sheetmusic import fonts
from openset.sheetmusic.texts import headline, margins, running_head
from openset.sheetmusic.typeset import (
    Face,
    Picture,
    Sheet,
    chance,
    face,
    fill_column,
    label,
    paragraph,
    script_of,
    set_line,
    shade,
    sheet,
    text_size,
)
from openset.sheetmusic.words import UNSPACED, date, name, number, phrase, pick, prose, words

_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_CHORD_NAMES = (
    "C G D A E F B Am Em Dm Bm F#m C7 G7 D7 A7 E7 Fmaj7 Gsus4 Dsus2 B7 Cm Gm Bb Eb Ab F/A G/B C/E Am7 Em7 Cadd9"
)
_CHORDS = _CHORD_NAMES.split()


def chord_sheet(rng: np.random.Generator) -> Picture:
    """Lyrics with chord names above the words: no staff, so no sheet music."""
    s = sheet(rng)
    x, y, width, bottom = margins(rng, s)
    kind: fonts.Kind = pick(rng, ("mono", "sans", "serif"))
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


def hymn(rng: np.random.Generator) -> Picture:
    """Words of songs without their notes: numbers, titles, verses, syllables parted by hyphens, a refrain, credits."""
    s, script = sheet(rng), script_of(rng, 0.2)
    x, y, width, bottom = margins(rng, s)
    font = face(rng, text_size(rng, width) * 0.9, script, "serif")
    small, parted, spread = face(rng, font.size * 0.7, script), chance(rng, 0.5), float(rng.uniform(1.0, 2.2))
    while y < bottom - 6 * font.line:
        label(s, (x, y), str(int(rng.integers(1, 700))), face(rng, font.size * 1.6, "latin", "serif"))
        y = headline(rng, s, x + 0.1 * width, y, 0.8 * width, font.size * 1.4, script) + 0.4 * font.line
        label(s, (x, y), phrase(rng, 1, 3, script), small)
        label(s, (x + width, y), phrase(rng, 1, 3, script), small, anchor="ra")
        y += 1.8 * small.line
        for verse in range(int(rng.integers(2, 6))):
            label(s, (x, y), f"{verse + 1}.", face(rng, font.size, "latin", "serif"))
            for _ in range(int(rng.integers(2, 5))):
                if y < bottom - font.line:
                    line = words(rng, int(rng.integers(3, 8)), script)
                    if parted:
                        line = [" - ".join((w[: len(w) // 2], w[len(w) // 2 :])) if len(w) > 4 else w for w in line]
                    set_line(
                        s,
                        [(font.wide(w), w) for w in line],
                        font,
                        x + 2 * font.size,
                        y,
                        0.85 * width,
                        "justify" if parted else "left",
                        s.ink,
                    )
                y += font.line * (spread if parted else 1.05)
            y += 0.5 * font.line
        y += font.line
    return s.done()


def mathematics(rng: np.random.Generator) -> Picture:
    """Prose with displayed formulas: fractions, sums, roots, matrices, equation numbers."""
    s = sheet(rng)
    x, y, width, bottom = margins(rng, s)
    size = text_size(rng, width)
    font, small = face(rng, size, "latin", "serif"), face(rng, size * 0.7, "greek", "serif")
    symbols = face(rng, size, "greek", "serif")
    y = running_head(rng, s, x, y, width, font)
    equation = 1
    while y < bottom - 5 * font.line:
        y = paragraph(s, prose(rng, int(rng.integers(8, 60))), font, (x, y, width, bottom)) + 0.5 * font.line
        for _ in range(int(rng.integers(1, 4))):
            if y < bottom - 3 * font.line:
                formula(
                    rng, s, symbols, small, x + width * float(rng.uniform(0.1, 0.35)), y + 1.2 * font.line, 0.55 * width
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
        text = words(rng, int(rng.integers(1, 4)), script)
        joined = ("" if script in UNSPACED else " ").join(text)
        font = face(rng, min(s.w * float(rng.uniform(0.05, 0.16)), 1.5 * s.w / len(joined)), script)
        tint = s.ink if chance(rng, 0.6) else shade(rng, 30, 160, 80)
        label(s, (s.w / 2, y), joined, font, anchor="ma", fill=tint)
        y += font.line * float(rng.uniform(1, 1.6))
    return s.done()


LETTERS = {
    "chord_sheet": chord_sheet,
    "hymn": hymn,
    "mathematics": mathematics,
    "typewritten": typewritten,
    "letter": letter,
    "library_card": library_card,
    "big_words": big_words,
}
