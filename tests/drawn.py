"""Small pictures for tests of folders: each seed draws another one, and `fill` makes class folders of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, side: int = 48) -> Image.Image:
    """A colour picture of soft random patches; pictures of different seeds are no near-duplicates."""
    patches = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((side, side), Image.Resampling.BICUBIC)


def fill(root: Path, **classes: int) -> Path:
    """root/<class>/<n>.png for each class; all pictures differ. Returns root."""
    for name, count in classes.items():
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for n in range(count):
            picture(hash_of(folder.relative_to(root.anchor).as_posix()[-40:], n)).save(folder / f"{n:03}.png")
    return root


def reds_and_blues(home: Path, n: int, side: int) -> Path:
    """home/data/red, data/blue and out/: n noisy pictures of one colour each, and gray ones that are neither."""
    rng = np.random.default_rng(0)
    for label, base in (("data/red", (200, 40, 40)), ("data/blue", (40, 40, 200)), ("out", None)):
        (home / label).mkdir(parents=True)
        for i in range(n):
            middle = np.array(base) if base else np.full(3, rng.integers(60, 200))
            pixels = (middle + rng.normal(0, 40, (side, side, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(home / label / f"{i:02}.png")
    return home


def hash_of(name: str, n: int) -> int:
    """A seed from a name and a number, the same in every process."""
    return int.from_bytes(name.encode(), "big") % (2**61 - 1) * 1000 + n
