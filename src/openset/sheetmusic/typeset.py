"""Setting type on a picture: paper sizes, faces of one script, justified paragraphs. Clean drawings; wear comes later.

Colours are "#rrggbb" strings, which Pillow turns into gray on an "L" picture, so one drawing serves both modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from openset.sheetmusic import fonts
from openset.sheetmusic.words import RIGHT_TO_LEFT, UNSPACED, pick, prose

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]
_TALL, _WIDE = (1.25, 1.3, 1.414, 1.414, 1.5, 1.6), (0.6, 0.7, 0.75, 0.8, 1.0)


@dataclass
class Sheet:
    """A picture being drawn: `image` and its `draw`, its size, and the ink and paper colours."""

    image: Image.Image
    draw: ImageDraw.ImageDraw
    ink: str
    paper: str

    @property
    def w(self) -> int:
        return self.image.width

    @property
    def h(self) -> int:
        return self.image.height

    def done(self) -> Picture:
        return np.array(self.image)


def chance(rng: np.random.Generator, p: float) -> bool:
    return bool(rng.random() < p)


def shade(rng: np.random.Generator, low: int, high: int, tint: int = 0) -> str:
    """A gray in [low, high], tinted by up to `tint` a channel."""
    base = int(rng.integers(low, high + 1))
    r, g, b = (int(np.clip(base + rng.integers(-tint, tint + 1), 0, 255)) for _ in range(3))
    return f"#{r:02x}{g:02x}{b:02x}"


def colour(
    rng: np.random.Generator, saturation: tuple[float, float] = (0.3, 0.9), value: tuple[float, float] = (0.4, 0.9)
) -> str:
    hue, sat, val = rng.random() * 6, rng.uniform(*saturation), rng.uniform(*value)
    channels = [val - val * sat * max(0.0, min((hue + n) % 6, 4 - (hue + n) % 6, 1.0)) for n in (5, 3, 1)]
    return "#" + "".join(f"{round(255 * c):02x}" for c in channels)


def blend(top: str, ground: str, share: float) -> str:
    """`share` of the colour `top` over `ground`."""
    mixed = (round(int(top[i : i + 2], 16) * share + int(ground[i : i + 2], 16) * (1 - share)) for i in (1, 3, 5))
    return "#" + "".join(f"{v:02x}" for v in mixed)


def paper_colour(rng: np.random.Generator) -> str:
    style = rng.random()
    if style < 0.55:
        return "#ffffff"
    if style < 0.85:
        base = np.array((250, 244, 226)) - rng.integers(0, 22) + rng.integers(-4, 5, 3)
        return "#" + "".join(f"{int(c):02x}" for c in base)
    return shade(rng, 225, 252, 4)


def sheet(rng: np.random.Generator, *, wide: float = 0.15, dark: float = 0.0, colour_share: float = 0.35) -> Sheet:
    """An empty sheet of long side 900 to 1300 px, landscape with probability `wide`, light on dark with `dark`."""
    long = int(rng.integers(900, 1301))
    ratio = pick(rng, _WIDE) if chance(rng, wide) else pick(rng, _TALL)
    w, h = (int(long / ratio), long) if ratio > 1 else (long, int(long * ratio))
    ink, paper = shade(rng, 0, 60, 6), paper_colour(rng)
    if chance(rng, dark):
        ink, paper = shade(rng, 200, 255, 8), shade(rng, 10, 50, 10)
    image = Image.new("RGB" if chance(rng, colour_share) else "L", (w, h), paper)
    return Sheet(image, ImageDraw.Draw(image), ink, paper)


@dataclass(frozen=True)
class Face:
    """A font at one size with the script it writes. size in pixels; `line` is the usual distance between baselines."""

    ft: ImageFont.FreeTypeFont
    size: int
    script: str
    line: int
    gap: float
    advances: dict[str, float]

    @property
    def backwards(self) -> bool:
        return self.script in RIGHT_TO_LEFT

    def wide(self, text: str) -> float:
        """Length of the text in pixels; of unshaped scripts from remembered letters, kerning left out."""
        if self.ft.layout_engine == ImageFont.Layout.RAQM:
            return float(self.ft.getlength(text))
        for letter in text:
            if letter not in self.advances:
                self.advances[letter] = float(self.ft.getlength(letter))
        return sum(self.advances[letter] for letter in text)


def script_of(rng: np.random.Generator, foreign: float = 0.4) -> str:
    """A script that the fonts in use can write: Latin, or with probability `foreign` any other."""
    if not chance(rng, foreign):
        return "accented" if chance(rng, 0.3) and fonts.by("accented", None) else "latin"
    return pick(rng, fonts.scripts() or ["latin"])


def face(rng: np.random.Generator, size: float, script: str = "latin", kind: fonts.Kind | None = None) -> Face:
    font = fonts.choose(rng, script, kind) or fonts.choose(rng, script)
    size = max(6, round(size))
    ft = ImageFont.load_default(size) if font is None else fonts.sized(font, size, script)
    if not isinstance(ft, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType; install Pillow from PyPI")
    spaced = 0.0 if script in UNSPACED else max(0.18 * size, float(ft.getlength(" ")))
    tall = script in ("thai", "lao", "tibetan", "khmer", "myanmar")
    return Face(ft, size, script, round(size * (1.5 if tall else 1.22)), spaced, {})


def text_size(rng: np.random.Generator, width: float, columns: int = 1) -> int:
    """A type size in pixels such that a column holds about 35 to 85 letters, fewer where there are several columns."""
    return int(np.clip(width / columns / rng.uniform(30, 85 if columns == 1 else 48) / 0.47, 9, 34))


def lines_of(words: Sequence[str], font: Face, width: float, first: float = 0.0) -> list[list[tuple[float, str]]]:
    """Words broken into lines no wider than `width` (the first is `first` shorter), each a list of (width, word)."""
    lines: list[list[tuple[float, str]]] = [[]]
    room = width - first
    for word in words:
        long = font.wide(word)
        if long > room and lines[-1]:
            lines.append([])
            room = width
        lines[-1].append((long, word))
        room -= long + font.gap
    return lines


def set_line(
    s: Sheet, line: Sequence[tuple[float, str]], font: Face, x: float, y: float, width: float, align: str, fill: str
) -> None:
    """One line with its ascenders' top near y. align: "justify", "left", "right" or "centre"."""
    natural = sum(long for long, _ in line) + font.gap * (len(line) - 1)
    spare = width - natural
    gap = font.gap
    if font.backwards and align in ("left", "justify"):
        align = "right" if align == "left" or spare > 0.3 * width or len(line) < 2 else "justify"
    if align == "justify" and len(line) > 1:
        gap += spare / (len(line) - 1)
        at = x
    else:
        at = x + {"centre": spare / 2, "right": spare}.get(align, 0.0)
        if len(line) > 1 and font.gap:
            text = " ".join(word for _, word in line)
            s.draw.text((at, y), text, fill=fill, font=font.ft)
            return
    for long, word in reversed(line) if font.backwards else line:
        s.draw.text((at, y), word, fill=fill, font=font.ft)
        at += long + gap


def paragraph(
    s: Sheet,
    words: Sequence[str],
    font: Face,
    box: Box,
    *,
    align: str = "justify",
    indent: float = 0.0,
    leading: float = 1.0,
    fill: str | None = None,
) -> float:
    """Set words in box (x, y, width, bottom); returns the y below the last line. What does not fit is left out."""
    x, y, width, bottom = box
    step = font.line * leading
    lines = lines_of(words, font, width, indent)
    for i, line in enumerate(lines):
        if y + step > bottom:
            break
        last = i == len(lines) - 1
        shift = indent if i == 0 and not font.backwards else 0.0
        set_line(
            s,
            line,
            font,
            x + shift,
            y,
            width - (indent if i == 0 else 0.0),
            "left" if last and align == "justify" else align,
            fill or s.ink,
        )
        y += step
    return y


def label(
    s: Sheet, at: tuple[float, float], text: str, font: Face, *, anchor: str = "la", fill: str | None = None
) -> None:
    """One string; anchor as in Pillow ("la" left-ascender, "mm" middle, "ra" right, "ls" left-baseline)."""
    s.draw.text(at, text, fill=fill or s.ink, font=font.ft, anchor=anchor)


def fill_column(
    s: Sheet, rng: np.random.Generator, font: Face, box: Box, *, align: str = "justify", leading: float | None = None
) -> float:
    """Paragraphs of prose down to the bottom of box (x, y, width, bottom); returns the y reached."""
    x, y, width, bottom = box
    spacing = leading or float(rng.uniform(0.95, 1.35))
    indent = pick(rng, (0.0, 1.5 * font.size, 2.5 * font.size))
    blank = 0.0 if indent else font.line * spacing * 0.6
    while y + font.line * spacing <= bottom:
        y = paragraph(
            s,
            prose(rng, int(rng.integers(20, 110)), font.script),
            font,
            (x, y, width, bottom),
            align=align,
            indent=indent,
            leading=spacing,
        )
        y += blank
    return y
