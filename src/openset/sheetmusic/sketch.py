"""The drawing board of the synthetic negatives: anti-aliased lines, text and engraved signs on a page.

Everything is drawn at twice the size and averaged down, so line widths have steps of half a pixel. Coordinates
are pixels of the finished page (x right, y down). Signs are the engraving fonts inside the verovio package.
"""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from openset.sheetmusic import fonts

Picture = NDArray[np.uint8]
Point = tuple[float, float]
Colour = int | tuple[int, int, int]
ENGRAVERS = ("Leipzig", "Bravura", "Leland", "Gootville", "Petaluma")
SIGNS = {"g": "E050", "f": "E062", "c": "E05C", "brace": "E000", "common": "E08A", "sharp": "E262", "flat": "E260"}
SIGNS |= {"head": "E0A4", "half": "E0A3", "whole": "E0A2", "flag": "E240", "flag_down": "E241", "rest": "E4E5"}
SIGNS |= {"percussion": "E069", "natural": "E261", "fermata": "E4C0", "eighth_rest": "E4E6"}
SIGNS |= {str(n): f"E08{n}" for n in range(10)}
_TEXT = """
the of and to in is that for it was on are as with his they at be this from have or by one had not but what
all were when we there can an your which their said if do will each about how up out them then she many some
so these would other into has more her two like him see time could no make than first been its who now people
love night heart river road home morning blues summer rain shadow wind golden dance train baby light forever
major minor sample volume station channel signal report section figure energy system measure method result
"""
_WORDS = tuple(_TEXT.split())


def face(rng: np.random.Generator, kind: fonts.Kind | None = None) -> str:
    """The file of a Latin font in use (`fonts.use`); without a kind mostly serif or sans. Empty where there is none."""
    wanted: tuple[fonts.Kind, ...] = ("serif", "serif", "serif", "sans", "sans", "sans", "hand", "mono")
    chosen = fonts.choose(rng, "latin", kind or wanted[int(rng.integers(len(wanted)))]) or fonts.choose(rng)
    return "" if chosen is None else chosen.path


@lru_cache(maxsize=512)
def font(file: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font of `file` at `size` pixels; an empty name is Pillow's built-in font."""
    return ImageFont.truetype(file, size) if file else ImageFont.load_default(size)


@lru_cache(maxsize=1024)
def _sign(engraver: str, code: str, pixels_per_space: int) -> Image.Image | None:
    """The sign as an ink mask (255 ink); its middle is the sign's origin, so pasting centres it on its line."""
    spec = importlib.util.find_spec("verovio")
    places = list(spec.submodule_search_locations or []) if spec else []
    file = Path(places[0], "data", engraver, f"{code}.xml") if places else None
    if file is None or not file.is_file():
        return None
    path = re.search(r' d="([^"]+)"', file.read_text())
    if path is None:
        return None
    half = 1100  # 250 font units are one staff space; the tallest sign but the brace reaches 1,100
    side = round(2 * half / 250 * pixels_per_space)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}" '
        f'viewBox="{-half} {-half} {2 * half} {2 * half}"><path transform="scale(1,-1)" d="{path[1]}"/></svg>'
    )
    drawn = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA")
    return drawn.getchannel("A")


def tint(rng: np.random.Generator, low: int = 0, high: int = 256) -> tuple[int, int, int]:
    """A random RGB triple, each value in [low, high)."""
    red, green, blue = (int(v) for v in rng.integers(low, high, 3))
    return red, green, blue


def words(rng: np.random.Generator, count: int) -> str:
    """`count` common words in a random order."""
    return " ".join(_WORDS[i] for i in rng.integers(0, len(_WORDS), count))


def page_size(
    rng: np.random.Generator, aspects: Sequence[float] = (0.6, 0.71, 0.71, 0.77, 1.0, 1.3, 1.41, 1.78)
) -> tuple[int, int]:
    """(width, height), long side 900 to 1300 pixels; an aspect is width over height."""
    long, aspect = float(rng.uniform(900, 1300)), float(rng.choice(aspects)) * float(rng.uniform(0.93, 1.07))
    return (round(long), round(long / aspect)) if aspect > 1 else (round(long * aspect), round(long))


class Page:
    """A page to draw on. `ink` and `paper` are gray levels or RGB triples; one RGB triple makes the page RGB."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], ink: Colour = 0, paper: Colour = 255) -> None:
        self.rng, self.ink, self.paper = rng, ink, paper
        self.width, self.height = size
        self.colour = isinstance(ink, tuple) or isinstance(paper, tuple)
        mode = "RGB" if self.colour else "L"
        self.image = Image.new(mode, (2 * self.width, 2 * self.height), self._fit(paper))
        self.draw = ImageDraw.Draw(self.image)
        self.face = face(rng)

    def _fit(self, colour: Colour) -> Colour:
        return (colour, colour, colour) if self.colour and isinstance(colour, int) else colour

    def _pick(self, colour: Colour | None) -> Colour:
        return self._fit(self.ink if colour is None else colour)

    def line(
        self, points: Sequence[Point] | NDArray[np.float64], width: float = 1.0, colour: Colour | None = None
    ) -> None:
        """A polyline. points: [N, 2] as (x, y); width in pixels, drawn in steps of half a pixel."""
        flat = [(2 * float(x), 2 * float(y)) for x, y in points]
        self.draw.line(
            flat, fill=self._pick(colour), width=max(1, round(2 * width)), joint="curve" if width > 1.5 else None
        )

    def across(self, y: float, left: float, right: float, width: float = 1.0, colour: Colour | None = None) -> None:
        """A horizontal line, exact to half a pixel."""
        self.box(left, y - width / 2, right, y + width / 2, fill=self._pick(colour))

    def down(self, x: float, top: float, bottom: float, width: float = 1.0, colour: Colour | None = None) -> None:
        """A vertical line, exact to half a pixel."""
        self.box(x - width / 2, top, x + width / 2, bottom, fill=self._pick(colour))

    def box(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        *,
        fill: Colour | None = None,
        edge: Colour | None = None,
        width: float = 1.0,
        radius: float = 0.0,
    ) -> None:
        """A rectangle, filled with `fill` and edged with `edge` where given."""
        x0, y0 = round(2 * left), round(2 * top)
        corners = (x0, y0, max(x0, round(2 * right) - 1), max(y0, round(2 * bottom) - 1))
        fill, edge = None if fill is None else self._fit(fill), None if edge is None else self._fit(edge)
        if radius > 0:
            self.draw.rounded_rectangle(corners, 2 * radius, fill=fill, outline=edge, width=max(1, round(2 * width)))
        else:
            self.draw.rectangle(corners, fill=fill, outline=edge, width=max(1, round(2 * width)))

    def oval(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        *,
        fill: Colour | None = None,
        edge: Colour | None = None,
        width: float = 1.0,
    ) -> None:
        """An upright ellipse about (x, y); with neither `fill` nor `edge` it is filled with ink."""
        fill = self.ink if fill is None and edge is None else fill
        corners = (2 * (x - rx), 2 * (y - ry), 2 * (x + rx), 2 * (y + ry))
        fill, edge = None if fill is None else self._fit(fill), None if edge is None else self._fit(edge)
        self.draw.ellipse(corners, fill=fill, outline=edge, width=max(1, round(2 * width)))

    def shape(self, points: Sequence[Point] | NDArray[np.float64], fill: Colour | None = None) -> None:
        """A filled polygon."""
        self.draw.polygon([(2 * float(x), 2 * float(y)) for x, y in points], fill=self._pick(fill))

    def text(
        self,
        x: float,
        y: float,
        what: str,
        size: float,
        *,
        anchor: str = "ls",
        colour: Colour | None = None,
        face: str | None = None,
        halo: bool = False,
    ) -> float:
        """Writes `what` and returns its width. size: pixels; anchor: Pillow's; halo clears the paper behind it."""
        letters = font(self.face if face is None else face, max(4, round(2 * size)))
        if halo:
            left, top, right, bottom = self.draw.textbbox((2 * x, 2 * y), what, font=letters, anchor=anchor)
            self.draw.rectangle((left - 1, top, right + 1, bottom), fill=self._fit(self.paper))
        self.draw.text((2 * x, 2 * y), what, fill=self._pick(colour), font=letters, anchor=anchor)
        return float(self.draw.textlength(what, font=letters)) / 2

    def sign(
        self, x: float, y: float, name: str, space: float, engraver: str = "Leipzig", colour: Colour | None = None
    ) -> None:
        """An engraved sign with its origin at (x, y); space: pixels between two staff lines."""
        mask = _sign(engraver, SIGNS[name], max(2, round(2 * space)))
        if mask is not None:
            at = (round(2 * x - mask.width / 2), round(2 * y - mask.height / 2))
            self.image.paste(self._pick(colour), (*at, at[0] + mask.width, at[1] + mask.height), mask)

    def done(self) -> Picture:
        """The finished page: uint8 [H, W] or [H, W, 3]."""
        return np.asarray(self.image.reduce(2))
