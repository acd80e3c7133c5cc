"""Music among text: pages of a book about music, and words written into the white of an engraved page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from . import fonts
from .sample import Gray, Sample
from .words import name, phrase, prose

Drawable = ImageFont.FreeTypeFont | ImageFont.ImageFont


def drawable(rng: np.random.Generator, size: float) -> Drawable:
    """A random Latin font of `size` pixels; Pillow's own where the machine has none."""
    font = fonts.choose(rng, "accented") or fonts.choose(rng)
    return ImageFont.load_default(size) if font is None else fonts.sized(font, size)


def text_block(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, box: tuple[int, int, int, int], font: Drawable, leading: float
) -> None:
    """Fill the box (left, top, right, bottom) with paragraphs, justified or ragged."""
    left, top, right, bottom = box
    if bottom <= top or right <= left:
        return
    size = font.getbbox("Hg")[3]
    step, space = size * leading, max(1.0, font.getlength(" "))
    justified, ink = rng.random() < 0.6, int(rng.integers(0, 70))
    y, indent = float(top), space * 4
    todo = prose(rng, 12 + int((right - left) * (bottom - top) / (size * size * 2)))
    while y + size <= bottom and todo:
        line: list[str] = []
        wide = 0.0
        while todo and wide + font.getlength(todo[0]) < right - left - indent:
            wide += font.getlength(todo[0]) + space
            line.append(todo.pop(0))
        if not line:
            return
        ends = rng.random() < 0.15
        gap = space
        if justified and not ends and len(line) > 1:
            gap = space + (right - left - indent - wide + space) / (len(line) - 1)
        x = left + indent
        for word in line:
            draw.text((x, y), word, font=font, fill=ink)
            x += font.getlength(word) + gap
        y += step
        indent = space * 4 if ends else 0.0


def book(
    rng: np.random.Generator, pieces: Sequence[Sample], shape: tuple[int, int], margins: tuple[int, int]
) -> Sample:
    """A text page of `shape` (height, width) with the pieces set between its paragraphs, captions and a page number.

    Every piece must be no wider than the page less twice the first margin. Pieces that do not fit are left out.
    """
    height, width = shape
    page = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(page)
    side, head = margins
    body = drawable(rng, float(rng.uniform(11, 21)))
    leading = float(rng.uniform(1.15, 1.6))
    size = body.getbbox("Hg")[3]
    if rng.random() < 0.7:
        draw.text((side, head // 3), f"{rng.integers(1, 400)}   {phrase(rng, 1, 4)}", font=body, fill=20)
    y, staves, notes = head, [], []
    densest = int(rng.choice([1, 6, 11, 11]))
    for piece in pieces:
        lines = int(rng.integers(0, densest))
        text_block(draw, rng, (side, y, width - side, y + int(lines * size * leading)), body, leading)
        y += int(lines * size * leading + rng.uniform(0.5, 2.5) * size)
        high, wide = piece.image.shape[:2]
        if y + high > height - head // 2:
            break
        x = side + int((width - 2 * side - wide) * rng.choice([0.0, 0.5, 0.5, 1.0]))
        page.paste(Image.fromarray(piece.image), (x, y))
        staves.append(piece.staves + np.array([x, y], np.float32))
        notes.append(piece.notes + np.array([x, y], np.float32))
        y += high + int(rng.uniform(0.2, 1.5) * size)
        if rng.random() < 0.5:
            caption = (
                f"{rng.choice(['Fig.', 'Ex.', 'Example', 'No.', 'Abb.'])} {rng.integers(1, 99)}. {phrase(rng, 1, 7)}"
            )
            draw.text((x, y), caption, font=body, fill=20)
            y += int(1.8 * size)
    if densest > 1 or rng.random() < 0.3:
        text_block(draw, rng, (side, y, width - side, height - head), body, leading)
    if rng.random() < 0.6:
        draw.text(
            (int(width * rng.choice([0.5, 0.85, 0.12])), height - head // 2),
            str(rng.integers(1, 500)),
            font=body,
            fill=20,
        )
    empty = [np.zeros((0, 4, 2), np.float32)]
    return Sample(
        np.asarray(page),
        "verovio-book",
        True,
        np.concatenate([*notes, np.zeros((0, 2), np.float32)]),
        np.concatenate([*staves, *empty]),
    )


def annotate(rng: np.random.Generator, image: Gray) -> Gray:
    """The page with title, names, verses or a notice set into its empty bands; the music stays untouched."""
    height, width = image.shape
    page = Image.fromarray(image)
    draw = ImageDraw.Draw(page)
    for top, bottom in _bands(image):
        room, y = bottom - top, float(top + 6)
        if room < 26 or rng.random() < 0.25:
            continue
        if top == 0:
            title = drawable(rng, float(min(rng.uniform(16, 60), room * 0.6)))
            text = phrase(rng, 1, 5)
            draw.text((max(8, (width - title.getlength(text)) / 2), y), text, font=title, fill=0)
            y += title.getbbox("Hg")[3] + 4
            if y + 18 < bottom:
                small = drawable(rng, float(rng.uniform(11, 18)))
                draw.text((width * 0.72, y), name(rng), font=small, fill=0)
                draw.text((width * 0.07, y), phrase(rng, 1, 3), font=small, fill=0)
        elif bottom == height and room > 60 and rng.random() < 0.6:
            small = drawable(rng, float(rng.uniform(11, 22)))
            columns = int(rng.integers(1, 4))
            wide = int(width * 0.86 / columns)
            for i in range(columns):
                left = int(width * 0.07) + i * wide
                lower = int(bottom - 8 - rng.uniform(0, 0.5) * room)
                text_block(draw, rng, (left, int(y + 12), left + wide - 20, lower), small, 1.3)
        else:
            small = drawable(rng, float(rng.uniform(10, 16)))
            draw.text(
                (width * rng.uniform(0.05, 0.5), bottom - 22 if bottom == height else y),
                phrase(rng, 1, 8),
                font=small,
                fill=0,
            )
    return np.asarray(page)


def _bands(image: Gray) -> list[tuple[int, int]]:
    """(top, bottom) of the runs of rows without ink."""
    blank = np.concatenate([[False], (image > 250).all(1), [False]])
    edges = np.flatnonzero(blank[1:] != blank[:-1])
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
