"""Pages made of other pages: open books, articles with figures, heaps of papers, pictures on a page.

These families call others (named below), so a family held out for testing must not be one that they call.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from openset.sheetmusic.charts import bar_chart, line_chart
from openset.sheetmusic.tables import table
from openset.sheetmusic.texts import columns_page, contents, margins, poem, prose_page, title_page
from openset.sheetmusic.typeset import (
    Picture,
    chance,
    colour,
    face,
    fill_column,
    label,
    paragraph,
    script_of,
    shade,
    sheet,
    text_size,
)
from openset.sheetmusic.words import pick, prose

Family = Callable[[np.random.Generator], Picture]
_PAGES: tuple[Family, ...] = (prose_page, prose_page, poem, contents, title_page)
_FIGURES: tuple[Family, ...] = (bar_chart, line_chart, table)


def shrunk(picture: Picture, width: int, height: int, mode: str) -> Image.Image:
    """The picture fitted into a box, its shape kept."""
    image = Image.fromarray(picture).convert(mode)
    image.thumbnail((max(8, width), max(8, height)), Image.Resampling.BILINEAR)
    return image


def open_book(rng: np.random.Generator) -> Picture:
    """Two pages side by side with the shadow of the fold between them."""
    s = sheet(rng, wide=1.0)
    height = min(s.h, round(0.75 * s.w))
    book = Image.new("RGB", (s.w, height), s.paper)
    for side in (0, 1):
        page = Image.fromarray(pick(rng, _PAGES)(rng)).convert("RGB")
        book.paste(page.resize((s.w // 2, height), Image.Resampling.BILINEAR), (side * (s.w // 2), 0))
    dark = float(rng.uniform(0.1, 0.6))
    x = np.abs(np.arange(s.w) - s.w / 2) / s.w
    fold = 1 - dark * np.exp(-x * float(rng.uniform(15, 60)))
    shaded: Picture = (np.array(book) * fold[None, :, None]).astype(np.uint8)
    return shaded


def article(rng: np.random.Generator) -> Picture:
    """A column or two of text around charts and tables with captions."""
    s, script = sheet(rng, colour_share=0.6), script_of(rng, 0.2)
    x, y, width, bottom = margins(rng, s)
    count = int(rng.integers(1, 3))
    font, gutter = face(rng, text_size(rng, width, count), script), 0.04 * s.w
    each = (width - gutter * (count - 1)) / count
    for c in range(count):
        at, down = x + c * (each + gutter), y
        while down < bottom - 4 * font.line:
            low = min(bottom, down + float(rng.uniform(0.1, 0.5)) * s.h)
            down = fill_column(s, rng, font, (at, down, each, low)) + font.line
            room = min(bottom - down - 3 * font.line, 0.3 * s.h)
            if room > 0.12 * s.h:
                figure = shrunk(pick(rng, _FIGURES)(rng), round(each), round(room), s.image.mode)
                s.image.paste(figure, (round(at + (each - figure.width) / 2), round(down)))
                down += figure.height + 4
                down = paragraph(s, prose(rng, 14, script), font, (at, down, each, bottom), align="centre") + font.line
    return s.done()


def heap(rng: np.random.Generator) -> Picture:
    """Several papers lying askew on each other and on a coloured ground."""
    s = sheet(rng, wide=0.6, dark=0.3, colour_share=1.0)
    s.image.paste(colour(rng, (0.1, 0.5), (0.3, 0.8)), (0, 0, s.w, s.h))
    for _ in range(int(rng.integers(2, 4))):
        page = shrunk(
            pick(rng, (prose_page, table, columns_page, poem))(rng), round(0.7 * s.w), round(0.8 * s.h), "RGBA"
        )
        turned = page.rotate(float(rng.normal(0, 14)), Image.Resampling.BILINEAR, expand=True)
        spot = (int(rng.uniform(-0.1, 0.5) * s.w), int(rng.uniform(-0.1, 0.4) * s.h))
        s.image.paste("#282828", (spot[0] + 5, spot[1] + 6), turned.getchannel("A"))
        s.image.paste(turned, spot, turned)
    return s.done()


def overview(rng: np.random.Generator) -> Picture:
    """A contact sheet: small pictures of pages in rows with names below."""
    s = sheet(rng, wide=0.8, colour_share=0.8)
    across, down = int(rng.integers(2, 6)), int(rng.integers(2, 4))
    w, h = s.w / across, s.h / down
    font, pages = (
        face(rng, np.clip(0.05 * w, 8, 18)),
        [pick(rng, (*_FIGURES, prose_page, title_page))(rng) for _ in range(3)],
    )
    for i in range(across * down):
        small = shrunk(pick(rng, pages), round(0.86 * w), round(0.8 * h), s.image.mode)
        at = (round((i % across + 0.5) * w - small.width / 2), round((i // across) * h + 0.05 * h))
        s.image.paste(small, at)
        if chance(rng, 0.7):
            s.draw.rectangle(
                (at[0] - 2, at[1] - 2, at[0] + small.width, at[1] + small.height), outline=shade(rng, 80, 200)
            )
        label(s, ((i % across + 0.5) * w, (i // across + 0.97) * h), f"{i + 1}", font, anchor="ms")
    return s.done()


COMPOSED = {
    "open_book": open_book,
    "article": article,
    "heap": heap,
    "overview": overview,
}
