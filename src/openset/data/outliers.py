"""Pictures that are no class, made on the spot: auxiliary outliers for outlier exposure where there are none at hand.

Letters, scribbles, crops of photographs, patterns and noise. No maker draws a digit, a face or a garment. What a net learns from them is to
be unsure of what resembles them, and of nothing else (Hendrycks et al. 2019, arXiv 1812.04606): pictures of your own are better.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.ndimage import gaussian_filter

from .._words import counted
from ..errors import DataError
from ..images import load

Gray = NDArray[np.uint8]
Fonts = Sequence[str | os.PathLike[str]]
BASE, SCALE = 28, 4  # sizes below are those of a picture of 28 pixels, drawn at four times its size
ALPHABET = [chr(c) for c in (*range(65, 91), *range(97, 123))]
TRIES = 100  # letters drawn before fonts that show none are an error


def letters(n: int, rng: np.random.Generator, side: int = BASE, fonts: Fonts = ()) -> Gray:
    """uint8 [n, side, side], light on dark: one letter A to Z of a random font (none given: Pillow's own), small or as tall as the
    picture, turned by up to 30 degrees, thick or thin. Raises DataError for fonts that show no letter."""
    out: list[Gray] = []
    unit, tries = SCALE * side / BASE, 0
    while len(out) < n:
        tries += 1
        if tries > TRIES and not out:
            raise DataError(f"none of {counted(len(fonts), 'font')} shows a letter: give others")
        try:
            path = str(fonts[int(rng.integers(len(fonts)))]) if fonts else ""
            height = round(int(rng.integers(48, 104)) / SCALE * unit)
            font = ImageFont.truetype(path, height) if path else ImageFont.load_default(height)
            sheet = Image.new("L", (SCALE * side, SCALE * side), 0)
            where = [SCALE * side / 2 + int(rng.integers(-8, 9)) / SCALE * unit for _ in range(2)]
            ImageDraw.Draw(sheet).text(
                (where[0], where[1]), str(rng.choice(ALPHABET)), fill=255, font=font, anchor="mm",
                stroke_width=round(int(rng.integers(0, 5)) / SCALE * unit),
            )  # fmt: skip
        except OSError:
            continue
        if sheet.getbbox():  # else a font without this letter
            out.append(_small(sheet.rotate(float(rng.uniform(-30, 30)), Image.Resampling.BICUBIC), side))
    return np.stack(out)


def scribbles(n: int, rng: np.random.Generator, side: int = BASE) -> Gray:
    """uint8 [n, side, side], light on dark: one to three smooth random curves, 1 to 5 of 28 pixels wide, blurred a little."""
    out, unit = [], SCALE * side / BASE
    for _ in range(n):
        sheet = Image.new("L", (SCALE * side, SCALE * side), 0)
        draw, width = ImageDraw.Draw(sheet), int(rng.integers(4, 20)) / SCALE * unit
        for _ in range(int(rng.integers(1, 4))):
            a = rng.uniform(10, 102, (4, 2)) / SCALE * unit
            t = np.linspace(0, 1, 40 * max(1, side // BASE))[:, None]
            curve = (1 - t) ** 3 * a[0] + 3 * t * (1 - t) ** 2 * a[1] + 3 * t**2 * (1 - t) * a[2] + t**3 * a[3]
            for x, y in curve:
                draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
        blur = ImageFilter.GaussianBlur(float(rng.uniform(0, 3)) / SCALE * unit)
        out.append(_small(sheet.filter(blur), side))
    return np.stack(out)


def _small(sheet: Image.Image, side: int) -> Gray:
    return np.asarray(sheet.resize((side, side), Image.Resampling.BOX), np.uint8)


def opened(files: Sequence[Path], *, gray: bool = False) -> list[Image.Image]:
    """The pictures, whole, to take crops from."""
    return [Image.fromarray(load(str(path))).convert("L" if gray else "RGB") for path in files]


def photographs(n: int, pictures: Sequence[Image.Image], rng: np.random.Generator, side: int = BASE) -> Gray:
    """uint8 [n, side, side, 3], or [n, side, side] of gray pictures: square crops, an eighth to the whole of the short side."""
    crops = []
    for _ in range(n):
        picture = pictures[int(rng.integers(len(pictures)))]
        wide = max(1, int(min(picture.size) * 2.0 ** rng.uniform(-3, 0)))
        x, y = int(rng.integers(picture.width - wide + 1)), int(rng.integers(picture.height - wide + 1))
        crop = picture.crop((x, y, x + wide, y + wide)).resize((side, side), Image.Resampling.BOX)
        crops.append(np.asarray(crop, np.uint8))
    return np.stack(crops)


def patterns(n: int, rng: np.random.Generator, side: int = BASE) -> Gray:
    """uint8 [n, side, side]: stripes, checks, rings or a slope from dark to light, turned and as fine or coarse as fits."""
    out = []
    y, x = np.mgrid[:side, :side] / side - 0.5
    for _ in range(n):
        turn, fine, shift = rng.uniform(0, np.pi), 2.0 ** rng.uniform(0, np.log2(side / 3)), rng.uniform(0, 1, 2)
        u, v = (np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x)
        waves = [np.sin(2 * np.pi * (fine * w + s)) for w, s in zip((u, v), shift, strict=True)]
        rings = np.sin(2 * np.pi * fine * np.hypot(x - shift[0] + 0.5, y - shift[1] + 0.5))
        kind = (waves[0], waves[0] * waves[1], rings, 2 * u)[int(rng.integers(4))]
        kind = np.sign(kind) if rng.random() < 0.5 else kind
        out.append((255 * np.clip(0.5 + 0.5 * kind, 0, 1)).astype(np.uint8))
    return np.stack(out)


def noise(n: int, rng: np.random.Generator, side: int = BASE) -> Gray:
    """uint8 [n, side, side]: uniform noise, three in four blurred by up to 2.5 pixels, stretched from black to white."""
    out = []
    for _ in range(n):
        x = rng.random((side, side))
        if rng.random() < 0.75:
            x = gaussian_filter(x, rng.uniform(0.3, 2.5), mode="wrap")
            x = (x - x.min()) / max(float(np.ptp(x)), 1e-6)
        out.append((255 * x).astype(np.uint8))
    return np.stack(out)


def coloured(gray: Gray, rng: np.random.Generator) -> Gray:
    """uint8 [n, side, side] -> [n, side, side, 3]: black and white become two colours drawn for each picture."""
    low, high = rng.uniform(0, 255, (2, len(gray), 1, 1, 3))
    share = gray[..., None] / 255
    return np.asarray(low + share * (high - low), np.uint8)


def inverted(pictures: Gray, rng: np.random.Generator) -> Gray:
    """Half of them, dark and light exchanged."""
    flip = rng.random(len(pictures)) < 0.5
    return np.where(flip[:, None, None], 255 - pictures, pictures)


MAKERS: dict[str, Callable[[int, np.random.Generator, int], Gray]] = {
    "letters": letters,
    "noise": noise,
    "patterns": patterns,
    "scribbles": scribbles,
}
PHOTOGRAPHS = ("china.jpg", "flower.jpg")  # scikit-learn's


def _album() -> list[Path]:
    """scikit-learn's photographs; none where it is not installed."""
    home = find_spec("sklearn")
    folder = Path(home.origin).parent / "datasets" / "images" if home is not None and home.origin is not None else None
    return [folder / name for name in PHOTOGRAPHS] if folder else []


def shares(count: int) -> dict[str, int]:
    """Kind -> how many of `count` pictures: equally many, but for a rest. Photographs only where scikit-learn is."""
    kinds = [*MAKERS, *(["photographs"] if _album() else [])]
    return {kind: count // len(kinds) + (i < count % len(kinds)) for i, kind in enumerate(kinds)}


def drawn(count: int, *, size: int, gray: bool, seed: int) -> Iterator[tuple[str, int, Gray]]:
    """Kind, number within it, picture: uint8 [size, size, 3], or [size, size] where gray; `count` of them, each drawn when it is asked
    for. The same for the same arguments."""
    whole = opened(_album(), gray=gray)
    for kind, n in shares(count).items():
        rng = np.random.default_rng([seed, *kind.encode()])
        for i in range(n):
            if kind == "photographs":
                picture = photographs(1, whole, rng, size)
            else:
                picture = inverted(MAKERS[kind](1, rng, size), rng)
                picture = picture if gray else coloured(picture, rng)
            yield kind, i, picture[0]


def make_outliers(
    folder: str | os.PathLike[str], count: int = 2_000, *, size: int = 128, gray: bool = False, seed: int = 0,
    tell: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, int]:  # fmt: skip
    """Writes folder/<kind>/00000.png, ..., equally many of each kind, `count` in all, and gives how many of each.

    gray: for classes whose pictures have no colour; coloured outliers would teach no more than that. Crops of photographs need
    scikit-learn (`openset[train]`) and are left out without it. The same pictures for the same arguments. tell(done, of).
    Raises DataError where the folder holds something already, the disk refuses, count or size is too small (1 a kind; 16 pixels), or
    the seed is negative.
    """
    place, made = Path(folder), shares(count)
    if min(made.values()) < 1 or size < 16:
        raise DataError(f"count {count} must be at least {len(made)} and size {size} at least 16 pixels")
    if seed < 0:
        raise DataError(f"seed {seed} cannot be: it must be 0 or larger")
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise DataError(f"'{place}' is there and not empty: give a new folder, or empty it")
    for done, (kind, i, picture) in enumerate(drawn(count, size=size, gray=gray, seed=seed), 1):
        target = place / kind / f"{i:05d}.png"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(target)
        except OSError as error:
            raise DataError(f"'{target}' could not be written: {error.strerror or error}") from error
        tell(done, count)
    return made
