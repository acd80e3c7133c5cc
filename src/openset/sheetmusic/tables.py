"""Tables, forms, bills, calendars, timetables, spreadsheets and puzzles: many straight lines and none a staff."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from openset.sheetmusic.hand import Ink, a_hand, signature, write_line
from openset.sheetmusic.texts import headline, margins
from openset.sheetmusic.typeset import (
    Face,
    Picture,
    Sheet,
    chance,
    colour,
    face,
    label,
    paragraph,
    script_of,
    shade,
    sheet,
)
from openset.sheetmusic.words import UNSPACED, date, name, number, phrase, pick, prose, words


def edges(rng: np.random.Generator, start: float, width: float, count: int) -> np.ndarray:
    """`count` + 1 positions that part a width into uneven cells, the first often wider."""
    shares = rng.uniform(0.6, 1.6, count)
    shares[0] *= float(rng.uniform(1, 2.5))
    return start + width * np.concatenate(((0.0,), np.cumsum(shares) / shares.sum()))


def clipped(font: Face, text: str, width: float) -> str:
    while text and font.wide(text) > width:
        text = text[: max(0, min(len(text) - 1, int(len(text) * width / font.wide(text))))]
    return text


def table(rng: np.random.Generator) -> Picture:
    """Rows and columns: ruled, half ruled, horizontal rules only, zebra, merged cells, dense or airy."""
    s, script = sheet(rng, wide=0.4), script_of(rng, 0.25)
    x, y, width, bottom = margins(rng, s)
    columns, rows = int(rng.integers(2, 13)), int(rng.integers(4, 45))
    size = float(np.clip(width / columns / rng.uniform(5, 11), 8, min(24, (bottom - y) / rows / 1.25)))
    font, bold, plain = face(rng, size, script), face(rng, size, script, "sans"), face(rng, size, "latin")
    if chance(rng, 0.5):
        y = headline(rng, s, x, y, width, size * 1.5, script) + size
    step = max(
        font.line * float(rng.uniform(1.0, 1.9)), min((bottom - y) / rows, 2.2 * font.line) * float(rng.random() < 0.5)
    )
    rows = max(2, min(rows, int((bottom - y) / step)))
    xs, style = edges(rng, x, width, columns), int(rng.integers(6))
    numeric = rng.random(columns) < pick(rng, (0.1, 0.6, 0.9))
    numeric[0] = False
    align = pick(rng, ("l", "m", "r"))
    pool, numbers = words(rng, 330, script), [number(rng) for _ in range(100)]
    joint = "" if script in UNSPACED else " "
    heads = colour(rng, (0.1, 0.5), (0.75, 0.98)) if chance(rng, 0.35) and s.paper[1] > "8" else None
    painted = [heads or s.paper, colour(rng, (0.05, 0.3), (0.85, 1.0)), s.paper] if chance(rng, 0.2) else []
    zebra = pick(rng, ("#eeeeee", "#e4ecf6", "#f4ecd8"))
    for r in range(rows):
        top = y + r * step
        if style == 0 and r % 2:
            s.draw.rectangle((x, top, x + width, top + step), fill=zebra if s.paper[1] > "8" else "#303030")
        if r == 0 and heads:
            s.draw.rectangle((x, top, x + width, top + step), fill=heads)
        for c in range(columns):
            if r and painted and heads:
                s.draw.rectangle(
                    (float(xs[c]), top, float(xs[c + 1]), top + step), fill=painted[(r * 3 + c * 5) % 7 % 3]
                )
            k = (r * columns + c) % 320
            text = numbers[k % 100] if numeric[c] and r else joint.join(pool[k : k + 1 + k * 7 % 3])
            ft = (bold if r == 0 else plain) if r == 0 or numeric[c] else font
            text = clipped(ft, text, xs[c + 1] - xs[c] - 8)
            anchor = "r" if numeric[c] else align
            at = {"l": xs[c] + 4, "m": (xs[c] + xs[c + 1]) / 2, "r": xs[c + 1] - 4}[anchor]
            label(s, (float(at), top + step / 2), text, ft, anchor=anchor + "m")
    grid(rng, s, xs, y, step, rows, style)
    if chance(rng, 0.5):
        note = y + rows * step + size
        paragraph(s, prose(rng, 25, script), font, (x, note, width, bottom), align="left")
    return s.done()


def grid(rng: np.random.Generator, s: Sheet, xs: np.ndarray, y: float, step: float, rows: int, style: int) -> None:
    """The rules of a table. style: 0 zebra, 1 and 2 all, 3 rows, 4 three rules as in books, 5 columns and frame."""
    ink = s.ink if chance(rng, 0.6) else shade(rng, 60, 190)
    x, right, low, heavy = float(xs[0]), float(xs[-1]), y + rows * step, int(rng.integers(1, 4))
    merged = chance(rng, 0.3)
    if style in (1, 2, 3):
        for r in range(rows + 1):
            s.draw.line((float(xs[1]) if merged and r % 3 == 1 else x, y + r * step, right, y + r * step), fill=ink)
    if style in (1, 2, 5):
        for c, at in enumerate(xs):
            s.draw.line(
                (at, y + (step if merged and c % 2 else 0), at, low), fill=ink, width=heavy if style == 2 else 1
            )
    for at in (y, y + step, low):
        if style > 0:
            s.draw.line((x, at, right, at), fill=ink, width=heavy)


def spreadsheet(rng: np.random.Generator) -> Picture:
    """A spreadsheet's window: lettered columns, numbered rows, thin grid, a formula bar, a chosen cell."""
    s = sheet(rng, wide=1.0, dark=0.15, colour_share=0.9)
    font = face(rng, rng.uniform(10, 15), "latin", "sans")
    step, line = font.line * 1.35, shade(rng, 190, 225)
    top = float(rng.uniform(0.04, 0.14)) * s.h
    s.draw.rectangle((0, 0, s.w, top), fill=colour(rng) if chance(rng, 0.4) else "#f0f0f0")
    for i in range(8):
        label(s, (10 + i * 70, top / 3), phrase(rng, 1, 1), font, anchor="lm", fill="#404040")
    xs = np.concatenate(((0.0,), 40 + np.cumsum(rng.uniform(50, 170, 40))))
    xs = xs[xs < s.w]
    s.draw.rectangle((0, top, s.w, top + step), fill="#e6e6e6")
    filled = rng.random(len(xs)) < 0.7
    for i, x in enumerate(xs):
        s.draw.line((x, top, x, s.h), fill=line)
        label(
            s,
            (x + 25, top + step / 2),
            "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTU"[i],
            font,
            anchor="mm",
            fill="#555555",
        )
    for r, y in enumerate(np.arange(top + step, s.h, step)):
        s.draw.line((0, y, s.w, y), fill=line)
        label(s, (30, y + step / 2), str(r + 1), font, anchor="rm", fill="#555555")
        for c in range(1, len(xs) - 1):
            if filled[c] and not chance(rng, 0.1):
                wide = xs[c + 1] - xs[c] - 6
                numeric = c % 3 > 0
                text = clipped(font, number(rng) if numeric else phrase(rng, 1, 2), wide)
                at = (xs[c + 1] - 3, y + step / 2) if numeric else (xs[c] + 3, y + step / 2)
                label(s, at, text, font, anchor="rm" if numeric else "lm", fill="#202020" if s.paper[1] > "8" else None)
    r, c = int(rng.integers(1, 10)), int(rng.integers(1, max(2, len(xs) - 1)))
    s.draw.rectangle((xs[c - 1], top + step * r, xs[c], top + step * (r + 1)), outline="#1a73e8", width=2)
    return s.done()


def form(rng: np.random.Generator) -> Picture:
    """A form: numbered boxes, captions, underlined fields, check boxes, comb fields, filled in by hand or not."""
    s, script = sheet(rng, wide=0.1), script_of(rng, 0.25)
    x, y, width, bottom = margins(rng, s)
    size = max(8.0, width / rng.uniform(75, 120))
    small, ink = face(rng, size, script, "sans"), Ink(s)
    filled, hand = chance(rng, 0.6), a_hand(rng, size * 0.75)
    y = headline(rng, s, x, y, width, size * 1.9, script) + size
    index = 1
    while y < bottom - 4 * size:
        kind, step = int(rng.integers(5)), size * float(rng.uniform(2.4, 4.2))
        if kind == 0:
            step = paragraph(s, prose(rng, 40, script), small, (x, y, width, bottom)) - y + size
        elif kind in (1, 2):
            xs = edges(rng, x, width, int(rng.integers(1, 5)))
            for a, b in pairwise(xs.tolist()):
                s.draw.rectangle((a, y, b, y + step), outline=s.ink)
                label(s, (a + 3, y + 1), clipped(small, f"{index} {phrase(rng, 1, 4, script)}", b - a - 6), small)
                if filled and chance(rng, 0.7):
                    write_line(ink, rng, hand, a + 8, y + step - 4, b - a - 16)
                index += 1
        elif kind == 3:
            text = phrase(rng, 1, 3, script) + ":"
            label(s, (x, y + step), text, small, anchor="ls")
            left = x + small.wide(text) + 6
            s.draw.line((left, y + step, x + width, y + step), fill=s.ink)
            if filled:
                write_line(ink, rng, hand, left + 4, y + step - 2, (x + width - left) * 0.7)
            if chance(rng, 0.3):
                for at in np.arange(left, x + width, size * 1.5):
                    s.draw.line((at, y + step - size, at, y + step), fill=s.ink)
        else:
            for at in np.arange(x, x + width - 6 * size, width / int(rng.integers(2, 5))):
                s.draw.rectangle((at, y + 3, at + size, y + 3 + size), outline=s.ink)
                if filled and chance(rng, 0.4):
                    ink.stroke(np.array(((at, y + 3), (at + size, y + 3 + size))), 1.5)
                    ink.stroke(np.array(((at + size, y + 3), (at, y + 3 + size))), 1.5)
                label(s, (at + 1.6 * size, y + 2), clipped(small, phrase(rng, 1, 3, script), width / 5), small)
        y += step + pick(rng, (0.0, 0.0, size))
    ink.settle(hand.ink)
    return s.done()


def invoice(rng: np.random.Generator) -> Picture:
    """Sender, number and date, a table of items, totals at the right, terms below."""
    s, script = sheet(rng, wide=0.05, colour_share=0.6), script_of(rng, 0.2)
    x, y, width, bottom = margins(rng, s)
    size = width / rng.uniform(60, 90) / 0.5
    font, plain = face(rng, size, script), face(rng, size)
    big = face(rng, size * 2.2, script, "sans")
    label(
        s,
        (x + width, y),
        phrase(rng, 1, 1, script).upper(),
        big,
        anchor="ra",
        fill=colour(rng) if chance(rng, 0.5) else None,
    )
    for i in range(4):
        label(s, (x, y + i * font.line), phrase(rng, 1, 3, script), font)
    label(
        s, (x + width, y + big.line * 1.3), f"No. {int(rng.integers(1, 99999)):05d}   {date(rng)}", plain, anchor="ra"
    )
    y += 8 * font.line
    xs = np.array((x, x + 0.08 * width, x + 0.6 * width, x + 0.75 * width, x + width))
    step, rows, style = font.line * float(rng.uniform(1.2, 1.9)), int(rng.integers(2, 16)), int(rng.integers(6))
    for r in range(rows):
        top = y + (r + 0.5) * step
        label(s, (xs[0] + 3, top), str(r) if r else "#", plain, anchor="lm")
        label(s, (xs[1] + 3, top), clipped(font, phrase(rng, 1, 5, script), 0.5 * width), font, anchor="lm")
        for c in (3, 4):
            label(s, (xs[c] - 3, top), f"{rng.uniform(1, 900):.2f}", plain, anchor="rm")
    grid(rng, s, xs, y, step, rows, style)
    y += (rows + 1) * step
    for _ in range(3):
        label(s, (x + 0.6 * width, y), phrase(rng, 1, 1, script), font)
        label(s, (x + width - 3, y), f"{rng.uniform(10, 9000):.2f}", plain, anchor="ra")
        y += step
    s.draw.line((x + 0.6 * width, y, x + width, y), fill=s.ink, width=2)
    paragraph(s, prose(rng, int(rng.integers(10, 60)), script), font, (x, y + 2 * step, width, bottom), align="left")
    return s.done()


def receipt(rng: np.random.Generator) -> Picture:
    """A till receipt: narrow, one fixed-width face, prices at the right, rules of dashes, a bar code."""
    s = sheet(rng, wide=0.0)
    w = int(s.h / rng.uniform(1.7, 3.2))
    s.image = s.image.crop((0, 0, w, s.h))
    s.draw = type(s.draw)(s.image)
    font = face(rng, w / rng.uniform(26, 42) / 0.6, "latin", "mono")
    y, left, right = 0.03 * s.h, 0.06 * w, 0.94 * w
    for _ in range(int(rng.integers(2, 6))):
        label(s, (w / 2, y), clipped(font, phrase(rng, 1, 4).upper(), 0.85 * w), font, anchor="ma")
        y += font.line
    while y < 0.78 * s.h:
        if chance(rng, 0.08):
            label(s, (left, y), clipped(font, pick(rng, ("-", "=", "*", ".")) * 80, right - left), font)
        else:
            label(s, (left, y), clipped(font, phrase(rng, 1, 3).upper(), 0.6 * w), font)
            label(s, (right, y), f"{rng.lognormal(1.5, 1):.2f}", font, anchor="ra")
        y += font.line * (2 if chance(rng, 0.05) else 1)
    label(s, (left, y), "TOTAL", font)
    label(s, (right, y), f"{rng.uniform(5, 300):.2f}", font, anchor="ra")
    y += 2 * font.line
    if chance(rng, 0.6):
        bars(rng, s, (0.15 * w, y, 0.7 * w, min(0.07 * s.h, 0.97 * s.h - y)))
    return s.done()


def bars(rng: np.random.Generator, s: Sheet, box: tuple[float, float, float, float]) -> None:
    """A bar code in a box (x, y, w, h): bars of one to four modules."""
    x, y, w, h = box
    unit, at, black = max(1, round(w / 110)), x, True
    while at < x + w:
        step = unit * int(rng.integers(1, 5))
        if black:
            s.draw.rectangle((at, y, at + step - 1, y + h), fill=s.ink)
        at, black = at + step, not black


def calendar(rng: np.random.Generator) -> Picture:
    """A month or a year of boxes with numbers."""
    s, script = sheet(rng, wide=0.5, colour_share=0.6), script_of(rng, 0.25)
    x, y, width, bottom = margins(rng, s)
    across = int(rng.choice((1, 1, 2, 3, 4)))
    down = {1: 1, 2: 3, 3: 4, 4: 3}[across]
    boxed, red = chance(rng, 0.6), pick(rng, ("#c02020", s.ink))
    for i in range(across * down):
        left, top = x + (i % across) * width / across, y + (i // across) * (bottom - y) / down
        w, h = 0.92 * width / across, 0.9 * (bottom - y) / down
        title, font = face(rng, h * 0.07, script), face(rng, min(w / 7, h / 8) * float(rng.uniform(0.22, 0.5)))
        label(s, (left + w / 2, top), phrase(rng, 1, 1, script), title, anchor="ma")
        start, days = int(rng.integers(0, 7)), int(rng.integers(28, 32))
        for d in range(7):
            label(s, (left + (d + 0.5) * w / 7, top + 0.13 * h), "MTWTFSS"[d], font, anchor="ma")
        for d in range(start, start + days):
            cx, cy = left + (d % 7) * w / 7, top + 0.22 * h + (d // 7) * 0.78 * h / 6
            if boxed:
                s.draw.rectangle((cx, cy, cx + w / 7, cy + 0.78 * h / 6), outline=s.ink)
            label(s, (cx + w / 14, cy + 2), str(d - start + 1), font, anchor="ma", fill=red if d % 7 == 6 else None)
    return s.done()


def timetable(rng: np.random.Generator) -> Picture:
    """Times in narrow columns below each other, stations with leaders at the left, thin rules every few rows."""
    s, script = sheet(rng, wide=0.5), script_of(rng, 0.2)
    x, y, width, bottom = margins(rng, s)
    columns = int(rng.integers(5, 16))
    size = max(8.0, 0.7 * width / columns / 3.2)
    font, plain = face(rng, size, script, "sans"), face(rng, size, "latin", "sans")
    y = headline(rng, s, x, y, width, 2 * size, script) + size
    stop, first = x + 0.28 * width, y
    minutes = np.sort(rng.integers(300, 1200, columns))
    row, rule = 0, int(rng.integers(2, 7))
    while y < bottom - font.line:
        label(s, (x, y), clipped(font, phrase(rng, 1, 2, script), 0.26 * width), font)
        minutes = minutes + int(rng.integers(2, 25))
        for c, m in enumerate(minutes):
            text = "|" if chance(rng, 0.1) else f"{m // 60 % 24:02d}{pick(rng, '..:')}{m % 60:02d}"
            label(s, (stop + (c + 0.5) * 0.72 * width / columns, y), text, plain, anchor="ma")
        y, row = y + font.line * 1.15, row + 1
        if row % rule == 0:
            s.draw.line((x, y - 1, x + width, y - 1), fill=s.ink)
    for c in range(columns + 1):
        at = stop + c * 0.72 * width / columns
        s.draw.line((at, first, at, y), fill=shade(rng, 100, 200))
    return s.done()


def crossword(rng: np.random.Generator) -> Picture:
    """A crossword: a grid of white and black squares, small numbers, clues in columns."""
    s, script = sheet(rng, wide=0.2), script_of(rng, 0.2)
    n, side = int(rng.integers(7, 22)), 0.75 * min(s.w, s.h)
    x, y, step = (s.w - side) / 2, 0.05 * s.h, side / n
    tiny, big = face(rng, step * 0.3), face(rng, step * 0.6, script)
    black, solved, count = rng.random((n, n)) < 0.18, chance(rng, 0.4), 1
    black = black | black[::-1, ::-1]
    for r in range(n):
        for c in range(n):
            box = (x + c * step, y + r * step, x + (c + 1) * step, y + (r + 1) * step)
            s.draw.rectangle(box, fill=s.ink if black[r, c] else None, outline=s.ink)
            if black[r, c]:
                continue
            if r == 0 or c == 0 or black[r - 1, c] or black[r, c - 1]:
                label(s, (box[0] + 2, box[1]), str(count), tiny)
                count += 1
            if solved and chance(rng, 0.7):
                label(
                    s, (box[0] + step / 2, box[1] + 0.6 * step), words(rng, 1, script)[0][:1].upper(), big, anchor="mm"
                )
    clue, top = face(rng, 0.014 * s.w, script), y + side + 0.03 * s.h
    for c in range(3):
        paragraph(
            s, prose(rng, 150, script), clue, (0.06 * s.w + c * 0.3 * s.w, top, 0.27 * s.w, 0.97 * s.h), align="left"
        )
    return s.done()


def sudoku(rng: np.random.Generator) -> Picture:
    """One to six sudoku, or other number squares, with thick lines every few cells."""
    s = sheet(rng, wide=0.4)
    across = int(rng.integers(1, 4))
    cellw = s.w / across
    down = max(1, int(s.h / cellw))
    for i in range(across * down):
        n = int(rng.choice((4, 6, 9, 9, 9)))
        side, every = 0.82 * min(cellw, s.h / down), {4: 2, 6: 3, 9: 3}[n]
        x, y = (i % across) * cellw + (cellw - side) / 2, (i // across) * s.h / down + (s.h / down - side) / 2
        font, hand = face(rng, side / n * 0.6), face(rng, side / n * 0.55, "latin", "hand")
        for k in range(n + 1):
            thick = 3 if k % every == 0 else 1
            s.draw.line((x + k * side / n, y, x + k * side / n, y + side), fill=s.ink, width=thick)
            s.draw.line((x, y + k * side / n, x + side, y + k * side / n), fill=s.ink, width=thick)
        share = float(rng.uniform(0.25, 1))
        for r, c in np.argwhere(rng.random((n, n)) < share):
            at = (x + (c + 0.5) * side / n, y + (r + 0.5) * side / n)
            label(s, at, str(int(rng.integers(1, n + 1))), font if chance(rng, 0.6) else hand, anchor="mm")
    return s.done()


def cheque(rng: np.random.Generator) -> Picture:
    """A cheque, ticket or certificate: a patterned ground of fine waves, lines to fill in, a signature, a border."""
    s = sheet(rng, wide=1.0, colour_share=0.8)
    across = np.linspace(0, s.w, 60)
    tint = colour(rng, (0.1, 0.3), (0.8, 0.95))
    for k in range(int(rng.integers(10, 40))):
        wave = s.h * (k / 20) + 0.05 * s.h * np.sin(across / s.w * float(rng.uniform(8, 30)) + k)
        s.draw.line(np.column_stack((across, wave)).ravel().tolist(), fill=tint)
    s.draw.rectangle((8, 8, s.w - 8, s.h - 8), outline=colour(rng), width=int(rng.integers(1, 9)))
    font, hand = face(rng, 0.02 * s.w), a_hand(rng, 0.014 * s.w)
    label(s, (0.05 * s.w, 0.08 * s.h), phrase(rng, 2, 4), face(rng, 0.035 * s.w))
    ink = Ink(s)
    for i, share in enumerate((0.3, 0.45, 0.6, 0.85)):
        label(s, (0.05 * s.w, share * s.h), phrase(rng, 1, 2), font, anchor="ls")
        s.draw.line((0.25 * s.w, share * s.h, (0.7 if i != 1 else 0.93) * s.w, share * s.h), fill=s.ink)
        write_line(ink, rng, hand, 0.27 * s.w, share * s.h - 3, 0.3 * s.w)
    signature(ink, rng, 0.72 * s.w, 0.82 * s.h, 0.2 * s.w)
    ink.settle(hand.ink)
    label(s, (0.95 * s.w, 0.12 * s.h), f"{name(rng)}  {number(rng)}", font, anchor="ra")
    label(
        s,
        (0.05 * s.w, 0.95 * s.h),
        " ".join(f"{int(v):04d}" for v in rng.integers(0, 9999, 5)),
        face(rng, 0.025 * s.w, kind="mono"),
        anchor="ls",
    )
    return s.done()


TABLES = {
    "table": table,
    "spreadsheet": spreadsheet,
    "form": form,
    "invoice": invoice,
    "receipt": receipt,
    "calendar": calendar,
    "timetable": timetable,
    "crossword": crossword,
    "sudoku": sudoku,
    "cheque": cheque,
}
