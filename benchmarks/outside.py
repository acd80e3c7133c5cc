"""Out-pictures of 28 x 28 made on the spot, for the benchmarks on MNIST and Fashion-MNIST: noise, photographs, letters, scribbles.

Some teach, others are kept unseen: crops of three photographs may teach, those of the two others never do. No maker draws a digit or
a garment.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import torch
from torch import Tensor

from openset.data import outliers
from openset.data.noise import paper_noise
from openset.errors import DataError
from openset.reproduce.material import photograph_files, seeded

SIDE, TAUGHT = 28, 3  # TAUGHT: how many of the five photographs may teach
DARK = 0.1  # share of letters and scribbles that are dark on light, the others are light on dark
OTHER = {"mnist": "fashion-mnist", "fashion-mnist": "mnist"}
FACES = ("DejaVu", "STIXGeneral", "cmr10", "cmb10", "cmss10", "cmtt10", "cmmi10")


def photographs(n: int, files: list[Path], rng: np.random.Generator) -> Tensor:
    """[n, 1, 28, 28]: square crops, an eighth to the whole of the short side, in gray, half of them inverted, stretched."""
    return finished(outliers.photographs(n, outliers.opened(files, gray=True), rng, SIDE), rng, 0.5, stretched=True)


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


def fonts() -> list[Path]:
    """Matplotlib's faces that show letters."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return [path for path in sorted(folder.glob("*.ttf")) if path.name.startswith(FACES)]


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
        "letters": lambda: finished(outliers.letters(each, rng, SIDE, fonts()), rng, DARK),
        "scribbles": lambda: finished(outliers.scribbles(each, rng, SIDE), rng, DARK),
    }
    return torch.cat([make[name]() for name in names])
