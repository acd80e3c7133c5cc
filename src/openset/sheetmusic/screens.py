"""Pictures of screens: code, terminals, applications, web pages, chats, slides. Clean drawings; wear comes later."""

from __future__ import annotations

import numpy as np
from PIL import Image

from openset.sheetmusic.charts import CHARTS
from openset.sheetmusic.hand import smooth
from openset.sheetmusic.texts import picture_box
from openset.sheetmusic.typeset import (
    Face,
    Picture,
    Sheet,
    blend,
    chance,
    colour,
    face,
    fill_column,
    label,
    paragraph,
    script_of,
    sheet,
)
from openset.sheetmusic.words import date, number, phrase, pick, prose, words

_KEYWORDS = (
    "def",
    "return",
    "if",
    "else:",
    "for",
    "while",
    "import",
    "class",
    "const",
    "let",
    "function",
    "void",
    "int",
    "static",
)
_CALLS = (
    "()",
    "(x)",
    "(self)",
    "[i]",
    "(a, b)",
    " = None",
    " += 1",
    ".append(x)",
    " == 0:",
    "{",
    "}",
    ";",
    " -> int:",
    " => {",
)


def window(rng: np.random.Generator, dark: float) -> tuple[Sheet, float]:
    """A screen with a title bar, perhaps on a wider ground with a shadow; returns the sheet and the y below the bar."""
    s = sheet(rng, wide=0.85, dark=dark, colour_share=0.9)
    tall = float(rng.uniform(0.0, 0.06)) * s.h
    if tall > 12:
        s.draw.rectangle((0, 0, s.w, tall), fill=blend(s.ink, s.paper, float(rng.uniform(0.05, 0.3))))
        for i, tint in enumerate(("#ff5f56", "#ffbd2e", "#27c93f")):
            s.draw.ellipse((12 + 22 * i, tall / 2 - 6, 24 + 22 * i, tall / 2 + 6), fill=tint)
        label(s, (s.w / 2, tall / 2), phrase(rng, 1, 3), face(rng, min(tall * 0.5, 18), kind="sans"), anchor="mm")
    return s, max(tall, 4.0)


def on_ground(rng: np.random.Generator, s: Sheet) -> Picture:
    """The screen as it is, or set in a wider ground."""
    if chance(rng, 0.75):
        return s.done()
    pad = int(rng.uniform(0.02, 0.08) * s.w)
    ground = Image.new("RGB", (s.w + 2 * pad, s.h + 2 * pad), colour(rng) if chance(rng, 0.5) else "#ffffff")
    ground.paste("#808080", (pad - 3, pad, pad + s.w + 6, pad + s.h + 8))
    ground.paste(s.image, (pad, pad))
    ground.thumbnail((1300, 1300), Image.Resampling.BILINEAR)
    return np.array(ground)


def code_line(rng: np.random.Generator, s: Sheet, font: Face, at: tuple[float, float], inks: list[str]) -> None:
    """A line of words in the colours of syntax, some with calls and brackets, now and then a string or a remark."""
    x, y = at
    style = rng.random()
    if style < 0.12:
        label(s, (x, y), pick(rng, ("# ", "// ", "-- ")) + phrase(rng, 3, 9), font, fill=inks[3])
        return
    for word in words(rng, int(rng.integers(1, 7))):
        roll, text, ink = rng.random(), word, s.ink
        if roll < 0.25:
            text, ink = pick(rng, _KEYWORDS), inks[0]
        elif roll < 0.45:
            text, ink = word + pick(rng, _CALLS), inks[1]
        elif roll < 0.55:
            text, ink = f'"{word}"', inks[2]
        elif roll < 0.62:
            text, ink = str(int(rng.integers(0, 1000))), inks[2]
        label(s, (x, y), text, font, fill=ink)
        x += font.wide(text + " ")


def code(rng: np.random.Generator) -> Picture:
    """A code editor, dark or light: line numbers, indents with guides, a file list, a map of the file."""
    s, top = window(rng, 0.6)
    font = face(rng, rng.uniform(11, 22), "latin", "mono")
    lum = (0.75, 1.0) if s.paper[1] < "8" else (0.2, 0.6)
    inks = [colour(rng, (0.4, 0.9), lum) for _ in range(4)]
    faint, left = blend(s.ink, s.paper, 0.35), 8.0
    if chance(rng, 0.4):
        left = float(rng.uniform(0.12, 0.25)) * s.w
        s.draw.rectangle((0, top, left, s.h), fill=blend(s.ink, s.paper, 0.06))
        for y in np.arange(top + 10, s.h * rng.uniform(0.3, 1), font.line * 1.2):
            label(s, (10 + 12 * int(rng.integers(0, 3)), float(y)), phrase(rng, 1, 1)[:14], font, fill=faint)
    numbers, depth, first = chance(rng, 0.8), 0, int(rng.integers(1, 900))
    gutter = left + (font.wide("00000") if numbers else 0)
    leading = float(rng.uniform(1.05, 1.5))
    guides = chance(rng, 0.4)
    for i, y in enumerate(np.arange(top + 8, s.h - font.line, font.line * leading)):
        if numbers:
            label(s, (gutter - font.size, float(y)), str(first + i), font, anchor="ra", fill=faint)
        depth = int(np.clip(depth + rng.choice((-2, -1, 0, 0, 0, 1)), 0, 5))
        if guides:
            for d in range(depth):
                x = gutter + 4 * d * font.wide("x")
                s.draw.line((x, y, x, y + font.line * leading), fill=blend(s.ink, s.paper, 0.2))
        if not chance(rng, 0.12):
            code_line(rng, s, font, (gutter + 4 * depth * font.wide("x"), float(y)), inks)
    return on_ground(rng, s)


def terminal(rng: np.random.Generator) -> Picture:
    """A terminal: prompts, listings in columns, box tables, progress bars, logs."""
    s, top = window(rng, 0.85)
    font = face(rng, rng.uniform(11, 22), "latin", "mono")
    inks = [s.ink] * 3 + [colour(rng, (0.5, 1), (0.75, 1) if s.paper[1] < "8" else (0.2, 0.6)) for _ in range(4)]
    y, cell = top + 6.0, font.wide("x")
    while y < s.h - font.line:
        kind = int(rng.integers(6))
        if kind == 0:
            label(s, (8, y), f"user@{phrase(rng, 1, 1).lower()}:~$ ", font, fill=inks[4])
            label(s, (8 + cell * 22, y), " ".join(words(rng, 3)), font)
        elif kind == 1:
            for _ in range(int(rng.integers(2, 8))):
                for x in np.arange(8, s.w - 20 * cell, 22 * cell):
                    label(s, (float(x), y), words(rng, 1)[0][:18], font, fill=pick(rng, inks))
                y += font.line
        elif kind == 2:
            rows, wide = int(rng.integers(2, 7)), min(s.w - 20, cell * float(rng.uniform(30, 90)))
            s.draw.rectangle((8, y + 3, 8 + wide, y + rows * font.line), outline=pick(rng, inks))
            for r in range(rows - 1):
                label(
                    s,
                    (16, y + 6 + r * font.line),
                    f"{number(rng):>12}  {phrase(rng, 1, 3)}"[: int(wide / cell) - 2],
                    font,
                )
            y += (rows - 1) * font.line
        elif kind == 3:
            share = float(rng.random())
            s.draw.rectangle((8, y + 2, 8 + 0.5 * s.w * share, y + font.size), fill=pick(rng, inks))
            label(s, (0.55 * s.w, y), f"{100 * share:.0f}%", font)
        else:
            for _ in range(int(rng.integers(1, 7))):
                label(
                    s,
                    (8, y),
                    f"{date(rng)} {pick(rng, ('INFO', 'WARN', 'ERROR', 'ok'))} {phrase(rng, 2, 9)}",
                    font,
                    fill=pick(rng, inks),
                )
                y += font.line
        y += font.line
    return on_ground(rng, s)


def web_page(rng: np.random.Generator) -> Picture:
    """A web page or an application: bars, a side list, cards, buttons, pictures, text."""
    s, top = window(rng, 0.2)
    script = script_of(rng, 0.3)
    accent, soft = colour(rng), blend(s.ink, s.paper, 0.08)
    font, bold = face(rng, rng.uniform(12, 20), script, "sans"), face(rng, rng.uniform(18, 34), script, "sans")
    bar = top + float(rng.uniform(0.05, 0.1)) * s.h
    s.draw.rectangle((0, top, s.w, bar), fill=accent if chance(rng, 0.5) else soft)
    for x in np.arange(0.05 * s.w, 0.9 * s.w, 0.13 * s.w):
        label(s, (float(x), (top + bar) / 2), phrase(rng, 1, 1, script)[:12], font, anchor="lm")
    left = 0.02 * s.w
    if chance(rng, 0.6):
        left = float(rng.uniform(0.15, 0.28)) * s.w
        s.draw.rectangle((0, bar, left - 10, s.h), fill=soft)
        for y in np.arange(bar + 16, s.h, font.line * 1.7):
            s.draw.ellipse(
                (12, y, 12 + font.size, y + font.size), fill=accent if chance(rng, 0.2) else None, outline=s.ink
            )
            label(s, (20 + font.size, float(y)), phrase(rng, 1, 2, script)[:18], font)
    y, right = bar + 16.0, 0.97 * s.w
    while y < s.h - 60:
        kind = int(rng.integers(5))
        if kind == 0:
            y = paragraph(s, words(rng, 5, script), bold, (left, y, right - left, s.h), align="left") + 10
        elif kind == 1:
            y = paragraph(s, prose(rng, 60, script), font, (left, y, right - left, s.h), align="left") + 14
        elif kind == 2:
            count, tall = int(rng.integers(2, 5)), float(rng.uniform(0.12, 0.32)) * s.h
            each = (right - left) / count
            for i in range(count):
                x = left + i * each
                s.draw.rounded_rectangle(
                    (x, y, x + each - 12, y + tall), 8, fill=soft, outline=blend(s.ink, s.paper, 0.25)
                )
                if chance(rng, 0.5) and tall > 60:
                    picture_box(rng, s, (x + 6, y + 6, each - 24, tall * 0.55))
                paragraph(
                    s, words(rng, 12, script), font, (x + 10, y + tall * 0.62, each - 30, y + tall - 4), align="left"
                )
            y += tall + 16
        elif kind == 3:
            for i in range(int(rng.integers(1, 4))):
                x = left + i * 150
                s.draw.rounded_rectangle(
                    (x, y, x + 130, y + 2.2 * font.size), 6, fill=accent if i == 0 else None, outline=accent
                )
                label(s, (x + 65, y + 1.1 * font.size), phrase(rng, 1, 1, script)[:10], font, anchor="mm")
            y += 3.4 * font.size
        else:
            for _ in range(int(rng.integers(2, 7))):
                s.draw.line((left, y, right, y), fill=blend(s.ink, s.paper, 0.2))
                label(s, (left + 8, y + 6), phrase(rng, 2, 6, script), font)
                label(s, (right - 8, y + 6), number(rng), face(rng, font.size, kind="sans"), anchor="ra")
                y += font.line * 1.7
    return on_ground(rng, s)


def chat(rng: np.random.Generator) -> Picture:
    """Messages in bubbles left and right, on a phone's screen."""
    s, script = sheet(rng, wide=0.1, dark=0.3, colour_share=0.9), script_of(rng, 0.4)
    font, y = face(rng, s.w * rng.uniform(0.02, 0.04), script, "sans"), 0.02 * s.h
    mine, other = colour(rng, (0.2, 0.6), (0.5, 0.95)), blend(s.ink, s.paper, 0.12)
    while y < 0.9 * s.h:
        right, wide = chance(rng, 0.5), float(rng.uniform(0.25, 0.7)) * s.w
        x = s.w * 0.96 - wide if right else 0.04 * s.w
        text = prose(rng, int(rng.integers(1, 30)), script)
        count = max(1.0, sum(font.wide(w) + font.gap for w in text) / (wide - 2 * font.size) + 1)
        low = y + int(count) * font.line + font.size
        s.draw.rounded_rectangle((x, y, x + wide, low), font.size, fill=mine if right else other)
        paragraph(s, text, font, (x + font.size, y + font.size / 2, wide - 2 * font.size, low), align="left")
        y = low + font.size * float(rng.uniform(0.4, 1.5))
    return s.done()


def slide(rng: np.random.Generator) -> Picture:
    """A slide: a title, bullets, a picture or a chart, a coloured band."""
    s, script = sheet(rng, wide=1.0, dark=0.3, colour_share=0.9), script_of(rng, 0.3)
    accent = colour(rng)
    if chance(rng, 0.6):
        s.draw.rectangle(
            pick(rng, ((0, 0, s.w, 0.16 * s.h), (0, 0.93 * s.h, s.w, s.h), (0, 0, 0.03 * s.w, s.h))), fill=accent
        )
    title = face(rng, 0.045 * s.w, script, "sans")
    paragraph(
        s,
        words(rng, int(rng.integers(1, 6)), script),
        title,
        (0.06 * s.w, 0.04 * s.h, 0.88 * s.w, s.h),
        align=pick(rng, ("left", "centre")),
    )
    side = chance(rng, 0.6)
    font, y = face(rng, rng.uniform(0.018, 0.03) * s.w, script, "sans"), 0.24 * s.h
    wide = (0.42 if side else 0.85) * s.w
    while y < 0.86 * s.h:
        depth = int(rng.choice((0, 0, 1)))
        x = 0.07 * s.w + depth * 2 * font.size
        s.draw.ellipse((x, y + font.size * 0.5, x + 0.35 * font.size, y + font.size * 0.85), fill=accent)
        y = paragraph(
            s,
            words(rng, int(rng.integers(2, 14)), script),
            font,
            (x + font.size, y, wide - depth * font.size, 0.9 * s.h),
            align="left",
        )
        y += font.size * float(rng.uniform(0.2, 1))
    if side:
        box = (round(0.54 * s.w), round(0.24 * s.h), round(0.4 * s.w), round(0.6 * s.h))
        if chance(rng, 0.6):
            inner = Image.fromarray(CHARTS[pick(rng, ("bar_chart", "pie_chart", "line_chart"))](rng)).convert(
                s.image.mode
            )
            s.image.paste(inner.resize(box[2:], Image.Resampling.BILINEAR, reducing_gap=1.5), box[:2])
        else:
            picture_box(rng, s, box)
    return s.done()


def poster(rng: np.random.Generator) -> Picture:
    """A poster or a leaflet: blocks of colour, big words, pictures, small print."""
    s, script = sheet(rng, wide=0.3, dark=0.3, colour_share=0.95), script_of(rng, 0.4)
    for _ in range(int(rng.integers(1, 6))):
        x, y, w, h = rng.random(4) * (s.w, s.h, s.w, s.h)
        tint = colour(rng)
        shape = int(rng.integers(3))
        if shape == 0:
            s.draw.rectangle((x, y, x + w, y + h), fill=tint)
        elif shape == 1:
            s.draw.ellipse((x - w / 2, y - w / 2, x + w / 2, y + w / 2), fill=tint)
        else:
            s.draw.polygon((rng.random((4, 2)) * (s.w, s.h)).ravel().tolist(), fill=tint)
    if chance(rng, 0.5):
        picture_box(rng, s, (0.15 * s.w, 0.35 * s.h, 0.7 * s.w, 0.3 * s.h))
    y = 0.05 * s.h
    for share in (0.11, 0.06, 0.035, 0.03):
        font = face(rng, share * s.w, script)
        y = paragraph(
            s,
            words(rng, int(rng.integers(1, 5)), script),
            font,
            (0.06 * s.w, y, 0.88 * s.w, s.h),
            align="centre",
            fill=colour(rng) if chance(rng, 0.3) else None,
        )
        y += float(rng.uniform(0.01, 0.1)) * s.h
    fill_column(
        s, rng, face(rng, 0.018 * s.w, script), (0.1 * s.w, min(y, 0.8 * s.h), 0.8 * s.w, 0.95 * s.h), align="centre"
    )
    return s.done()


def logo(rng: np.random.Generator) -> Picture:
    """A mark of a few shapes, with or without a name."""
    s = sheet(rng, wide=0.6, dark=0.2, colour_share=0.9)
    cx, cy, r = s.w / 2, 0.45 * s.h, 0.3 * min(s.w, s.h)
    ink, other = colour(rng), colour(rng)
    kind, n = int(rng.integers(4)), int(rng.integers(3, 9))
    turn = np.arange(n) * 2 * np.pi / n - np.pi / 2
    rim = np.column_stack((cx + r * np.cos(turn), cy + r * np.sin(turn)))
    if kind == 0:
        s.draw.polygon(rim.ravel().tolist(), fill=None, outline=ink, width=int(rng.integers(4, 30)))
        for x, y in rim:
            s.draw.line((cx, cy, x, y), fill=ink, width=int(rng.integers(3, 16)))
    elif kind == 1:
        for k in range(int(rng.integers(2, 6)), 0, -1):
            q = r * k / 5
            s.draw.ellipse((cx - q, cy - q, cx + q, cy + q), fill=ink if k % 2 else other)
    elif kind == 2:
        for x, y in rim:
            s.draw.ellipse((x - r / 3, y - r / 3, x + r / 3, y + r / 3), fill=pick(rng, (ink, other)))
    else:
        blob = np.column_stack(
            (cx + r * rng.uniform(0.4, 1, n) * np.cos(turn), cy + r * rng.uniform(0.4, 1, n) * np.sin(turn))
        )
        s.draw.polygon(smooth(np.vstack((blob, blob[:1])), 10).ravel().tolist(), fill=ink)
    if chance(rng, 0.7):
        label(
            s,
            (cx, 0.86 * s.h),
            phrase(rng, 1, 2)[:14],
            face(rng, 0.09 * min(s.w, 1.4 * s.h)),
            anchor="ms",
            fill=ink if chance(rng, 0.5) else None,
        )
    return s.done()


SCREENS = {
    "code": code,
    "terminal": terminal,
    "web_page": web_page,
    "chat": chat,
    "slide": slide,
    "poster": poster,
    "logo": logo,
}
