"""Negatives that share the stave with music: tablature, empty staves, and staves of the wrong number of lines.

A family is a function of a numpy generator that gives one clean picture, uint8 [H, W] or [H, W, 3], long side about 900
to 1300 pixels. None holds a five-line staff with notes, and four-line staves never bear square notes (chant).
"""

from __future__ import annotations

import numpy as np

from openset.sheetmusic.sketch import ENGRAVERS, Page, Picture, face, page_size, words

CHORDS = ("C", "Am", "G7", "Dm", "F", "E7", "Bm7", "Asus4", "D/F#", "Cmaj7", "Gm", "Bb")


def _page(rng: np.random.Generator) -> Page:
    ink = int(rng.choice([0, 0, 20, 50, 90]))
    if rng.random() < 0.06:
        return Page(rng, page_size(rng), ink=235, paper=int(rng.integers(0, 40)))
    return Page(rng, page_size(rng), ink=ink)


def _title(page: Page, top: float) -> float:
    """Writes a title, an author and perhaps a line of words; returns the y where the body may begin."""
    rng, y = page.rng, top
    if rng.random() < 0.75:
        size = float(rng.uniform(18, 40))
        page.text(page.width / 2, y + size, words(rng, int(rng.integers(1, 5))).title(), size, anchor="ms")
        y += 1.6 * size
    if rng.random() < 0.5:
        page.text(page.width - 60, y + 12, words(rng, 2).title(), float(rng.uniform(9, 15)), anchor="rs")
        page.text(60, y + 12, words(rng, int(rng.integers(1, 4))), float(rng.uniform(9, 15)))
        y += 24
    return y + float(rng.uniform(10, 40))


def _stave(page: Page, top: float, left: float, right: float, lines: int, space: float, width: float) -> None:
    for k in range(lines):
        page.across(top + k * space, left, right, width)


def _systems(page: Page, y: float, lines: int, space: float, gap: float) -> list[float]:
    """Tops of the staves that fit below y."""
    tops = []
    while y + (lines - 1) * space + gap * 0.4 < page.height - 20:
        tops.append(y)
        y += (lines - 1) * space + gap
    return tops


def _tablature(rng: np.random.Generator, lines: int, letters: bool, rhythm: float) -> Picture:
    page = _page(rng)
    space, width = float(rng.uniform(6.5, 14)), float(rng.choice([0.5, 1.0, 1.0, 1.5]))
    left, right = float(rng.uniform(25, 80)), page.width - float(rng.uniform(25, 80))
    stems, halo = rng.random() < rhythm, rng.random() < 0.6
    below, chords = rng.random() < 0.5, rng.random() < 0.4
    lyrics, bars = rng.random() < 0.25, int(rng.integers(2, 6))
    size = space * float(rng.uniform(0.8, 1.25))
    digits = face(rng)
    step, density = space * float(rng.uniform(1.2, 3.0)), float(rng.uniform(0.08, 0.5))
    gap = space * float(rng.uniform(3.5, 7))
    for n, top in enumerate(_systems(page, _title(page, 25) + 2 * space, lines, space, gap)):
        foot = top + (lines - 1) * space
        _stave(page, top, left, right, lines, space, width)
        for b in range(bars + 1):
            page.down(left + (right - left) * b / bars, top, foot, width)
        x = left + 1.5 * space
        if n == 0 or rng.random() < 0.7:
            for k, letter in enumerate("TAB" if not letters else ""):
                page.text(x, (top + foot) / 2 + (k - 1) * (foot - top) / 3.2, letter, (foot - top) / 3.4, anchor="mm")
            x += 2 * space
        if n == 0 and rng.random() < 0.5:
            for k, digit in enumerate((str(rng.integers(2, 7)), "4")):
                page.sign(x, top + (foot - top) * (0.25 + 0.5 * k), digit, max(3.0, (foot - top) / 4))
            x += 2 * space
        last = int(rng.integers(0, 10))
        stem_end = foot + 2.4 * space if below else top - 2.4 * space
        previous = 0.0
        while x < right - space:
            full = rng.random() < 0.12
            strings = [k for k in range(lines) if full or rng.random() < density]
            last = int(np.clip(last + rng.integers(-3, 4), 0, 17))
            for k in strings:
                fret = max(0, last + int(rng.integers(-2, 3)))
                mark = "abcdefghik"[fret % 10] if letters else str(fret)
                mark = "x" if rng.random() < 0.03 else mark
                raise_it = space / 2 if letters and not halo else 0.0
                page.text(x, top + k * space - raise_it, mark, size, anchor="mm", face=digits, halo=halo)
            if stems and strings:
                near = foot + 0.7 * space if below else top - 0.7 * space
                page.down(x, min(near, stem_end), max(near, stem_end), width)
                if not letters and previous and rng.random() < 0.7:
                    page.across(stem_end, previous, x, space * 0.4)
                elif letters and rng.random() < 0.6:
                    page.sign(x, stem_end, "flag", space * 0.8)
                previous = x if rng.random() < 0.8 else 0.0
            if chords and rng.random() < 0.1:
                page.text(x, top - (3.2 if stems and not below else 1.2) * space, str(rng.choice(CHORDS)), size * 1.1)
            x += step * float(rng.choice([1, 1, 1, 2]))
        if lyrics:
            page.text(left + 20, foot + gap * 0.55, words(rng, 40)[: round((right - left) / (size * 0.6))], size)
    return page.done()


def guitar_tab(rng: np.random.Generator) -> Picture:
    """Six-line guitar tablature with fret numbers, chords, and sometimes stems and beams."""
    return _tablature(rng, 6, letters=False, rhythm=0.5)


def bass_tab(rng: np.random.Generator) -> Picture:
    """Tablature of four lines (bass, ukulele), sometimes of five or seven."""
    return _tablature(rng, int(rng.choice([4, 4, 4, 5, 7])), letters=False, rhythm=0.5)


def lute_tab(rng: np.random.Generator) -> Picture:
    """Lute tablature: letters or numbers on and between 5, 6 or 7 lines, single flags above."""
    return _tablature(rng, int(rng.choice([5, 6, 6, 7])), letters=rng.random() < 0.75, rhythm=0.9)


def ascii_tab(rng: np.random.Generator) -> Picture:
    """Tablature typed with hyphens and digits in a typewriter face, as on web pages."""
    page = _page(rng)
    mono, size = face(rng, "mono"), float(rng.uniform(9, 17))
    strings = ("eBGDAE", "GDAE", "eBGDAE", "AECG")[int(rng.integers(4))]
    columns, pitch = int((page.width - 60) / (size * 0.6)), size * float(rng.uniform(1.0, 1.35))
    y = _title(page, 20)
    while y < page.height - 20:
        if rng.random() < 0.4:
            page.text(30, y, words(rng, 30)[: int(columns * rng.uniform(0.3, 1))], size, face=mono)
            y += pitch * 1.5
        cells = np.where(rng.random((len(strings), columns)) < 0.08, rng.integers(0, 10, (len(strings), columns)), -1)
        for name, row in zip(strings, cells, strict=True):
            marks = "".join("-" if c < 0 else str(c) for c in row)
            barred = "|".join(marks[i : i + 16] for i in range(0, columns - 4, 17))
            page.text(30, y, f"{name}|{barred}", size, face=mono)
            y += pitch
        y += pitch * float(rng.uniform(0.8, 2.5))
    return page.done()


def _doodle(page: Page, x: float, y: float, reach: float) -> None:
    turn = np.cumsum(page.rng.normal(0, 0.5, 40))
    path = np.cumsum(np.stack([np.cos(turn), np.sin(turn)], 1), 0) * reach / 12
    page.line(path + np.array([x, y]), float(page.rng.choice([1.0, 1.5, 2.0])))


def _manuscript(rng: np.random.Generator, marked: bool) -> Picture:
    page = _page(rng)
    space, width = float(rng.uniform(5, 13)), float(rng.choice([0.5, 1.0, 1.0, 1.5]))
    ink = page.ink
    page.ink = int(rng.integers(0, 150)) if page.paper == 255 else ink
    left, right = float(rng.uniform(15, 90)), page.width - float(rng.uniform(15, 90))
    group = int(rng.choice([1, 1, 2, 2, 3, 4])) if marked else 1
    bars, engraver = int(rng.integers(2, 7)), str(rng.choice(ENGRAVERS))
    clef = str(rng.choice(["g", "f", "c"]))
    y = _title(page, 20) if marked else float(rng.uniform(20, 90))
    tops = _systems(page, y + 2 * space, 5, space, space * float(rng.uniform(2.5, 8)))
    for n, top in enumerate(tops):
        _stave(page, top, left, right, 5, space, width)
        if not marked:
            continue
        first = n % group == 0
        if first and n + group <= len(tops):
            end = tops[n + group - 1] + 4 * space
            page.down(left, top, end, width)
            if group > 1 and rng.random() < 0.7:
                page.down(left - space * 0.8, top - 2, end + 2, space * 0.4)
        page.sign(left + 0.7 * space, top + {"g": 3, "f": 1, "c": 2}[clef] * space, clef, space, engraver)
        for k in range(int(rng.integers(0, 5)) if group == 1 else 0):
            page.sign(left + (4.2 + k) * space, top + [0, 1.5, -0.5, 1, 2.5][k] * space, "sharp", space, engraver)
        if n < group:
            x = left + 9.5 * space
            if rng.random() < 0.3:
                page.sign(x, top + 2 * space, "common", space, engraver)
            else:
                page.sign(x, top + space, str(rng.integers(2, 10)), space, engraver)
                page.sign(x, top + 3 * space, str(rng.choice(["2", "4", "8"])), space, engraver)
        for b in range(1, bars + 1):
            page.down(left + (right - left) * b / bars, top, top + 4 * space, width)
        if rng.random() < 0.12:
            page.text(left + 12 * space, top + 3 * space, words(rng, 6), 2 * space)
    page.ink = ink
    for _ in range(int(rng.integers(0, 5)) if rng.random() < 0.4 else 0):
        _doodle(page, rng.uniform(80, page.width - 80), rng.uniform(80, page.height - 80), rng.uniform(20, 120))
    for _ in range(int(rng.integers(1, 8)) if rng.random() < 0.3 else 0):
        page.text(rng.uniform(20, page.width / 2), rng.uniform(40, page.height), words(rng, 4), rng.uniform(10, 30))
    return page.done()


def manuscript_paper(rng: np.random.Generator) -> Picture:
    """Bare five-line music paper, sometimes with words or doodles, never with notes."""
    return _manuscript(rng, marked=False)


def empty_staves(rng: np.random.Generator) -> Picture:
    """Five-line staves with clefs, key and time signatures, bar lines and titles, and no note."""
    return _manuscript(rng, marked=True)


def wrong_count(rng: np.random.Generator) -> Picture:
    """Engraved notes with stems, beams and flags on staves of 3, 6, 7 to 12 lines: music of no notation."""
    page = _page(rng)
    lines, engraver = int(rng.choice([3, 6, 6, 7, 7, 8, 9, 10, 12])), str(rng.choice(ENGRAVERS))
    space, width = float(rng.uniform(5, 12)), float(rng.choice([0.5, 1.0, 1.0, 1.5]))
    left, right = float(rng.uniform(20, 80)), page.width - float(rng.uniform(20, 80))
    step, bars = space * float(rng.uniform(2, 4)), int(rng.integers(2, 7))
    tops = _systems(page, _title(page, 20) + 3 * space, lines, space, space * float(rng.uniform(4, 9)))
    for top in tops:
        foot, x, place = top + (lines - 1) * space, left + 5 * space, float(lines)
        _stave(page, top, left, right, lines, space, width)
        for b in range(bars + 1):
            page.down(left + (right - left) * b / bars, top, foot, width)
        clef = str(rng.choice(["g", "f", "c"]))
        page.sign(left + 0.7 * space, foot - {"g": 1, "f": 3, "c": 2}[clef] * space, clef, space, engraver)
        beam_from = 0.0
        while x < right - 2 * space:
            place = float(np.clip(place + rng.integers(-3, 4), -2, 2 * lines))
            y, up = top + place * space / 2, place > lines - 1
            head = str(rng.choice(["head", "head", "head", "half", "whole"]))
            page.sign(x, y, head, space, engraver)
            if head != "whole":
                tip, at = y + (-3.5 if up else 3.5) * space, x + (1.15 * space if up else 0.1 * space)
                page.down(at, min(y, tip), max(y, tip), max(1.0, 0.12 * space))
                if head == "head" and beam_from and abs(tip - beam_from) < 2 * space:
                    page.line([(at - step, beam_from), (at, tip)], 0.5 * space)
                elif head == "head" and rng.random() < 0.3:
                    page.sign(at, tip, "flag" if up else "flag_down", space, engraver)
                beam_from = tip if head == "head" and rng.random() < 0.4 else 0.0
            x += step
    return page.done()


def _mark(page: Page, kind: str, x: float, y: float, r: float) -> None:
    rng = page.rng
    if kind == "disc":
        page.oval(x, y, r, r)
    elif kind == "ellipse":
        page.oval(x, y, r * 1.4, r)
    elif kind == "ring":
        page.oval(x, y, r * 1.2, r, edge=page.ink, width=max(1.0, r / 4))
    elif kind == "cross":
        page.line([(x - r, y - r), (x + r, y + r)], 1.5)
        page.line([(x - r, y + r), (x + r, y - r)], 1.5)
    elif kind == "letter":
        page.text(x, y, chr(int(rng.integers(65, 91))), 2.5 * r, anchor="mm")
    elif kind == "square":
        page.box(x - r, y - r, x + r, y + r, fill=page.ink)
    elif kind == "tick":
        page.line([(x, y), (x + r / 2, y + r), (x + 2 * r, y - 2 * r)], 1.5)
    elif kind == "curve":
        _doodle(page, x, y, 5 * r)
    else:
        page.shape(np.array([x, y]) + rng.uniform(-1.4 * r, 1.4 * r, (int(rng.integers(3, 7)), 2)))


MARKS = ("disc", "ellipse", "ring", "cross", "letter", "square", "tick", "curve", "blob")


def stripes_marks(rng: np.random.Generator) -> Picture:
    """Groups of 3 to 12 lines, never 5, with discs, ellipses, rings, crosses, letters or blobs on them."""
    page = _page(rng)
    lines = int(rng.choice([3, 4, 6, 6, 7, 8, 10, 12]))
    kinds = [
        str(k) for k in rng.choice([m for m in MARKS if not (lines == 4 and m == "square")], int(rng.integers(1, 4)))
    ]
    space, width = float(rng.uniform(5, 18)), float(rng.choice([0.5, 1.0, 1.5, 2.5]))
    left, right = float(rng.uniform(0, 80)), page.width - float(rng.uniform(0, 80))
    step, radius = space * float(rng.uniform(1.2, 4)), space * float(rng.uniform(0.3, 0.7))
    stems, free = rng.random() < 0.35, rng.random() < 0.3
    y = _title(page, 15) if rng.random() < 0.4 else float(rng.uniform(20, 60))
    for top in _systems(page, y + 2 * space, lines, space, space * float(rng.uniform(2.5, 8))):
        _stave(page, top, left, right, lines, space, width)
        x = left + step
        while x < right - 5:
            place = float(rng.uniform(-1, lines)) if free else int(rng.integers(-1, 2 * lines)) / 2
            yy = top + place * space
            _mark(page, str(rng.choice(kinds)), x, yy, radius)
            if stems and rng.random() < 0.8:
                page.down(x + radius, yy - float(rng.uniform(2, 4)) * space, yy, 1)
            x += step * float(rng.uniform(0.7, 1.5))
    return page.done()


FAMILIES = {
    f.__name__: f
    for f in (guitar_tab, bass_tab, lute_tab, ascii_tab, manuscript_paper, empty_staves, wrong_count, stripes_marks)
}
