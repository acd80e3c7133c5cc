"""Out-pictures of 28 x 28 made on the spot, for the benchmarks on MNIST and Fashion-MNIST: noise, photographs, letters, scribbles.

Some teach, others are kept unseen: crops of three photographs may teach, those of the two others never do. No maker draws a digit or
a garment.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from torch import Tensor

from openset.data.noise import paper_noise
from openset.errors import DataError
from openset.images import load
from openset.reproduce.material import photograph_files, seeded

SIDE, TAUGHT = 28, 3  # TAUGHT: how many of the five photographs may teach
DARK = 0.1  # share of letters and scribbles that are dark on light, the others are light on dark
OTHER = {"mnist": "fashion-mnist", "fashion-mnist": "mnist"}
FACES = ("DejaVu", "STIXGeneral", "cmr10", "cmb10", "cmss10", "cmtt10", "cmmi10")


def photographs(n: int, files: list[Path], rng: np.random.Generator) -> Tensor:
    """[n, 1, 28, 28]: square crops, an eighth to the whole of the short side, in gray, half of them inverted, stretched."""
    pictures = [Image.fromarray(load(str(path))).convert("L") for path in files]
    crops = []
    for _ in range(n):
        picture = pictures[int(rng.integers(len(pictures)))]
        side = int(min(picture.size) * 2.0 ** rng.uniform(-3, 0))
        x, y = int(rng.integers(picture.width - side + 1)), int(rng.integers(picture.height - side + 1))
        crops.append(np.asarray(picture.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.Resampling.BOX)))
    return finished(np.stack(crops), rng, 0.5, stretched=True)


def album_files(album: Path | None) -> list[Path]:
    """The pictures of a folder and those below. Raises DataError where there are none."""
    files = sorted(path for path in album.rglob("*") if path.suffix in (".jpg", ".png")) if album else []
    if not files:
        raise DataError(f"there are no photographs (.jpg, .png) in '{album}': give --album a folder that holds some")
    return files


def finished(pictures: np.ndarray, rng: np.random.Generator, inverted: float, stretched: bool = False) -> Tensor:
    """uint8 [n, 28, 28] -> [n, 1, 28, 28] in [0, 1], a share `inverted` of them with dark and light exchanged."""
    x = torch.from_numpy(pictures).float().div_(255)[:, None]
    if stretched:
        low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        x = (x - low) / (high - low).clamp(min=1e-3)
    flip = torch.from_numpy(rng.random(len(x)) < inverted)[:, None, None, None]
    return torch.where(flip, 1 - x, x)


def letters(n: int, rng: np.random.Generator) -> Tensor:
    """[n, 1, 28, 28]: one letter of a random font, 12 to 26 pixels tall, turned by up to 30 degrees, thick or thin."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    faces = [path for path in sorted(folder.glob("*.ttf")) if path.name.startswith(FACES)]
    alphabet = [chr(c) for c in (*range(65, 91), *range(97, 123))]
    out = []
    while len(out) < n:
        try:
            font = ImageFont.truetype(str(faces[int(rng.integers(len(faces)))]), int(rng.integers(48, 104)))
            sheet = Image.new("L", (4 * SIDE, 4 * SIDE), 0)
            where = (2 * SIDE + int(rng.integers(-8, 9)), 2 * SIDE + int(rng.integers(-8, 9)))
            ImageDraw.Draw(sheet).text(
                where, str(rng.choice(alphabet)), fill=255, font=font, anchor="mm", stroke_width=int(rng.integers(0, 5))
            )
        except OSError:
            continue
        if not sheet.getbbox():  # a font without this letter
            continue
        out.append(
            np.asarray(
                sheet.rotate(float(rng.uniform(-30, 30)), Image.Resampling.BICUBIC).resize(
                    (SIDE, SIDE), Image.Resampling.BOX
                )
            )
        )
    return finished(np.stack(out), rng, DARK)


def scribbles(n: int, rng: np.random.Generator) -> Tensor:
    """[n, 1, 28, 28]: one to three smooth random curves, 1 to 5 pixels wide, blurred a little."""
    out = []
    for _ in range(n):
        sheet = Image.new("L", (4 * SIDE, 4 * SIDE), 0)
        draw, width = ImageDraw.Draw(sheet), int(rng.integers(4, 20))
        for _ in range(int(rng.integers(1, 4))):
            a = rng.uniform(10, 102, (4, 2))
            t = np.linspace(0, 1, 40)[:, None]
            curve = (1 - t) ** 3 * a[0] + 3 * t * (1 - t) ** 2 * a[1] + 3 * t**2 * (1 - t) * a[2] + t**3 * a[3]
            for x, y in curve:
                draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
        out.append(
            np.asarray(
                sheet.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 3)))).resize(
                    (SIDE, SIDE), Image.Resampling.BOX
                )
            )
        )
    return finished(np.stack(out), rng, DARK)


def noises(images: Tensor, n: int, g: torch.Generator) -> Tensor:
    """The paper's, every fourth raw (not blurred) uniform."""
    parts = [paper_noise(images[torch.randint(len(images), (64,), generator=g)], g) for _ in range(-(-n // 64))]
    z = torch.cat(parts)[:n]
    z[::4] = torch.rand(z[::4].shape, generator=g)
    return z


def teachers(mix: str, images: Tensor, n: int, seed: int, album: Path | None = None) -> Tensor:
    """n out-pictures in equal shares of what `mix` names; "album": crops of the photographs in that folder."""
    names = mix.split("+")
    rng, g, each = np.random.default_rng([seed, 1]), seeded("guard", mix, str(seed)), -(-n // len(names))
    make = {
        "noise": lambda: noises(images, each, g),
        "photographs": lambda: photographs(each, photograph_files()[:TAUGHT], rng),
        "album": lambda: photographs(each, album_files(album), rng),
        "letters": lambda: letters(each, rng),
        "scribbles": lambda: scribbles(each, rng),
    }
    return torch.cat([make[name]() for name in names])
