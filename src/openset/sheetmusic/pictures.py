"""Negatives made of real pictures: photographs, covers, collages, clip art, screenshots and pages of PDF documents.

`families(assets_dir)` holds what the files of `assets.fetch` allow; with an empty folder only the photographs inside
scikit-image and scikit-learn are left. A quarter of the files, by their names, is drawn only with `held_out=True`; those
of it with a near copy among the others are never drawn.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from openset.sheetmusic.assets import found
from openset.sheetmusic.sketch import Page, Picture, page_size, tint, words
from openset.sheetmusic.twins import twins

Files = tuple[Path, ...]
Family = Callable[[np.random.Generator], Picture]


def packaged() -> Files:
    """The photographs that the installed scikit-image and scikit-learn carry, sorted by path."""
    files: list[Path] = []
    for package, inside in (("skimage", "data"), ("sklearn", "datasets/images")):
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            files += [f for s in ("png", "jpg") for f in Path(place, inside).glob(f"*.{s}")]
    return tuple(sorted(f for f in files if not f.stem.startswith(("multi", "logo", "foo", "color"))))


def _side(files: Iterable[Path], held_out: bool) -> Files:
    """A quarter of the files when held out, else the others, by a digest of their names without the running number.

    Documents of one folder (translations, a manual and its examples) stay together.
    """

    def quarter(file: Path) -> bool:
        name = re.sub(r"^\d{5}-", "", file.name)
        name = name.split("-")[0] if file.suffix == ".pdf" else name
        return hashlib.sha256(name.encode()).digest()[0] % 4 == 0

    return tuple(f for f in files if quarter(f) == held_out)


def _even(files: Files, most: int = 50) -> Files:
    """At most `most` files of a folder, evenly spaced, so that a package of many like pictures does not prevail."""
    folders: dict[Path, list[Path]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file)
    return tuple(f for group in folders.values() for f in group[:: -(-len(group) // most)])


def _open(rng: np.random.Generator, files: Files, mode: str = "RGB") -> Image.Image:
    with Image.open(files[int(rng.integers(len(files)))]) as opened:
        return opened.convert(mode)


def _crop(rng: np.random.Generator, picture: Image.Image, size: tuple[int, int], least: float = 0.25) -> Image.Image:
    """A random window of the aspect of `size`, at least `least` of the largest one, at that size, perhaps mirrored."""
    aspect = size[0] / size[1]
    width = min(picture.width, picture.height * aspect) * float(rng.uniform(least, 1.0))
    height = width / aspect
    x, y = rng.uniform(0, picture.width - width), rng.uniform(0, picture.height - height)
    window = (float(x), float(y), float(min(picture.width, x + width)), float(min(picture.height, y + height)))
    out = picture.resize(size, Image.Resampling.BILINEAR, box=window, reducing_gap=2.0)
    return ImageOps.mirror(out) if rng.random() < 0.5 else out


def _flat(rng: np.random.Generator, stamp: Image.Image, paper: int = 255) -> Image.Image:
    """The stamp on white, sometimes as gray."""
    ground = Image.new("RGBA", stamp.size, (paper, paper, paper, 255))
    out = Image.alpha_composite(ground, stamp).convert("RGB")
    return ImageOps.grayscale(out).convert("RGB") if rng.random() < 0.3 else out


def photo(rng: np.random.Generator, files: Files) -> Picture:
    """A random window of a photograph, sometimes gray."""
    out = _crop(rng, _open(rng, files), page_size(rng))
    return np.asarray(out.convert("L") if rng.random() < 0.2 else out)


def collage(rng: np.random.Generator, files: Files) -> Picture:
    """A grid of photographs with or without gaps."""
    size = page_size(rng)
    columns, rows, gap = int(rng.integers(1, 5)), int(rng.integers(2, 5)), int(rng.choice([0, 2, 6, 14]))
    out = Image.new("RGB", size, tint(rng) if rng.random() < 0.5 else (255, 255, 255))
    cell = (size[0] // columns - gap, size[1] // rows - gap)
    sources = [_open(rng, files) for _ in range(4)]
    for k in range(columns * rows):
        at = (gap // 2 + k % columns * (cell[0] + gap), gap // 2 + k // columns * (cell[1] + gap))
        out.paste(_crop(rng, sources[int(rng.integers(4))], cell), at)
    return np.asarray(out)


def _body(page: Page, top: float, left: float, right: float, bottom: float, size: float) -> None:
    y = top + size
    while y < bottom:
        text = words(page.rng, 40)
        page.text(left, y, text[: int((right - left) / (0.52 * size) * (0.4 if page.rng.random() < 0.15 else 1))], size)
        y += size * 1.45


def captioned(rng: np.random.Generator, files: Files) -> Picture:
    """A magazine or book page: text in columns, one or two pictures with captions."""
    page = Page(rng, page_size(rng), ink=(20, 20, 20))
    columns, margin, size = int(rng.integers(1, 4)), float(rng.uniform(30, 90)), float(rng.uniform(9, 15))
    wide = (page.width - 2 * margin) / columns
    page.text(margin, margin + 10, words(rng, int(rng.integers(2, 6))).title(), float(rng.uniform(18, 44)))
    source = _open(rng, files)
    for c in range(columns):
        left, right, y = margin + c * wide + 8, margin + (c + 1) * wide - 8, margin + 40
        if rng.random() < 0.75:
            picture = _crop(rng, source, (round(2 * (right - left)), round((right - left) * rng.uniform(0.8, 2.2))))
            picture = picture.convert("L").convert("RGB") if rng.random() < 0.4 else picture
            start = y if rng.random() < 0.5 else float(rng.uniform(y, page.height * 0.6))
            _body(page, y, left, right, start - 10, size)
            page.image.paste(picture, (round(2 * left), round(2 * start)))
            y = start + picture.height / 2
            page.text(left, y + size * 1.3, words(rng, 6).capitalize()[:40], size * 0.85)
            y += 2.5 * size
        _body(page, y, left, right, page.height - margin, size)
    return page.done()


def photo_cover(rng: np.random.Generator, files: Files) -> Picture:
    """A cover or poster: a photograph from edge to edge, or framed, under large lettering."""
    page = Page(rng, page_size(rng, (0.67, 0.71, 0.75, 1.0)), ink=(255, 255, 255), paper=(20, 20, 20))
    inset = 0 if rng.random() < 0.6 else int(rng.uniform(20, 160))
    size = (2 * page.width - 2 * inset, 2 * page.height - 2 * inset)
    page.image.paste(_crop(rng, _open(rng, files), size), (inset, inset))
    for _ in range(int(rng.integers(1, 5))):
        tone = ((255, 255, 255), (0, 0, 0), (230, 40, 40), (250, 220, 60))[int(rng.integers(4))]
        y, large = float(rng.uniform(60, page.height)), float(rng.uniform(16, 90))
        page.text(
            page.width / 2,
            y,
            words(rng, int(rng.integers(1, 4))).upper(),
            large,
            anchor="ms",
            colour=tone,
        )
    return page.done()


def line_engraving(rng: np.random.Generator, files: Files) -> Picture:
    """A photograph as a line engraving: parallel lines that swell in the dark (banknotes, old books)."""
    width, height = page_size(rng)
    tone = np.asarray(_crop(rng, _open(rng, files, "L"), (width, height)), np.float32) / 255
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    turn, pitch = float(rng.choice([0, 0, 0, np.pi / 2, 0.6, -0.6])), float(rng.uniform(4, 14))
    along = y * np.cos(turn) + x * np.sin(turn)
    along += float(rng.uniform(0, 8)) * np.sin(x / float(rng.uniform(40, 200)))
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * along / pitch)
    ink = np.clip((wave - (0.15 + 0.8 * tone)) * pitch / 2 + 0.5, 0, 1)
    return np.round(255 * (1 - ink)).astype(np.uint8)


def outline(rng: np.random.Generator, files: Files) -> Picture:
    """A photograph as a pencil drawing (colour dodge) or as a black and white print (threshold, halftone)."""
    size = page_size(rng)
    gray = _crop(rng, _open(rng, files, "L"), size)
    if rng.random() < 0.4:
        return np.asarray(gray.convert("1").convert("L"))
    tone = np.asarray(gray, np.float32)
    soft = np.asarray(gray.reduce(24).resize(size, Image.Resampling.BICUBIC), np.float32)
    if rng.random() < 0.3:
        return np.where(tone < soft - 6, 0, 255).astype(np.uint8)
    return np.clip(255 * (tone + 1) / (soft + 1), 0, 255).astype(np.uint8)


def clipart(rng: np.random.Generator, files: Files) -> Picture:
    """One to sixty clip-art pictures or emoji on paper, in a grid or strewn, with or without captions."""
    page = Page(rng, page_size(rng), ink=(0, 0, 0))
    columns, grid, captions = int(rng.integers(1, 8)), rng.random() < 0.6, rng.random() < 0.4
    cell = page.width / columns
    stamps = [_flat(rng, _open(rng, files, "RGBA")) for _ in range(min(12, columns * columns))]
    for k in range(columns * int(page.height // cell + 1)):
        stamp = stamps[k % len(stamps)]
        scale = 2 * cell * float(rng.uniform(0.5, 0.9)) / max(stamp.size)
        shown = stamp.resize(
            (max(1, round(stamp.width * scale)), max(1, round(stamp.height * scale))), reducing_gap=2.0
        )
        x, y = (k % columns + 0.5) * cell, (k // columns + 0.5) * cell
        x, y = (x, y) if grid else (float(rng.uniform(0, page.width)), float(rng.uniform(0, page.height)))
        page.image.paste(shown, (round(2 * x - shown.width / 2), round(2 * y - shown.height / 2)))
        if captions:
            page.text(x, y + cell * 0.48, words(rng, 1), min(18.0, cell * 0.12), anchor="ms")
    return page.done()


def screen(rng: np.random.Generator, files: Files) -> Picture:
    """A screenshot or figure, whole on a ground of one colour or as a window of itself."""
    size, source = page_size(rng), _open(rng, files)
    if rng.random() < 0.4 and min(source.size) > 350:
        return np.asarray(_crop(rng, source, size, 0.5))
    out = Image.new("RGB", size, (255, 255, 255) if rng.random() < 0.6 else tint(rng))
    scale = min(size[0] / source.width, size[1] / source.height, 2.5) * float(rng.uniform(0.7, 1.0))
    shown = source.resize((max(1, round(source.width * scale)), max(1, round(source.height * scale))))
    out.paste(shown, ((size[0] - shown.width) // 2, (size[1] - shown.height) // 2))
    return np.asarray(out)


def pdf_pages(rng: np.random.Generator, files: Files) -> Picture:
    """A random page of a random PDF document, sometimes magnified to a part of it. Unreadable files are passed over."""
    import pypdfium2

    long = float(rng.uniform(900, 1300)) * (1.0 if rng.random() < 0.75 else float(rng.uniform(1.2, 2.2)))
    for _ in range(8):
        try:
            with pypdfium2.PdfDocument(files[int(rng.integers(len(files)))]) as document:
                page = document[int(rng.integers(len(document)))]
                drawn = page.render(scale=long / max(page.get_size())).to_pil().convert("RGB")
        except pypdfium2.PdfiumError:
            continue
        if max(drawn.size) > 1320:
            width, height = (min(v, 1250) for v in drawn.size)
            x, y = (int(rng.integers(0, b - s + 1)) for b, s in zip(drawn.size, (width, height), strict=True))
            drawn = drawn.crop((x, y, x + width, y + height))
        return np.asarray(drawn)
    return np.full((1000, 800), 255, np.uint8)


def families(assets_dir: Path, *, held_out: bool = False) -> dict[str, Family]:
    """Every picture family that the files under `assets_dir` allow, by name.

    held_out: draw from the quarter of the files that is never drawn otherwise, without near copies of those (`twins`).
    """
    every = found(assets_dir)
    every["photo"] += packaged()
    files = {kind: _side(all_of, held_out) for kind, all_of in every.items()}
    if held_out:
        left_out = twins(assets_dir, every, _side)
        files = {kind: tuple(f for f in side if f not in left_out) for kind, side in files.items()}
    photos = _even(files["photo"])
    out: dict[str, Family] = {}
    for family in (photo, collage, captioned, photo_cover, line_engraving, outline):
        if photos:
            out[family.__name__] = partial(family, files=photos)
    if files["stamp"]:
        out["clipart"] = partial(clipart, files=files["stamp"])
    if files["screen"]:
        out["screen"] = partial(screen, files=files["screen"])
    if files["pdf"] and importlib.util.find_spec("pypdfium2"):
        out["pdf_pages"] = partial(pdf_pages, files=files["pdf"])
    return out
