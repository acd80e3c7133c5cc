"""A decoded picture of any of Pillow's modes -> uint8 [H, W, 3] RGB, and turned upright. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]


def rgb(image: Image, bits: int, inverted: bool) -> Pixels:
    """Any mode of Pillow -> uint8 [H, W, 3]; what is transparent shows white; colour profiles are left alone."""
    from PIL import Image as Pil

    mode = image.mode
    if mode in ("I", "F") or mode.startswith("I;16"):
        gray = _deep(np.asarray(image), mode, bits)
        if inverted and mode != "I":
            gray = 255 - gray
        key = image.info.get("transparency")
        if isinstance(key, int):
            gray = np.where(np.asarray(image) == key, np.uint8(255), gray)
        return np.repeat(gray[:, :, None], 3, axis=2)
    if "transparency" in image.info or mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        if mode == "La":
            image = image.convert("LA")
        image = image.convert("RGBA")
        white = Pil.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image.getchannel("A"))
        image = white
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _deep(samples: NDArray[Any], mode: str, bits: int) -> Pixels:
    """Gray of more than 8 bits -> 8. 16-bit (and 12-bit) samples have a range and keep their high bits.

    Floats and 32-bit or signed integers declare none: read as 0 to 1, else 0 to 255, else 0 to 65535, whichever is the
    first to hold them all; else the smallest becomes black and the largest white. What is not a number is white.
    """
    if mode not in ("I", "F"):
        return (samples >> max(0, bits - 8)).clip(0, 255).astype(np.uint8)
    values: NDArray[np.floating[Any]] = samples.astype(np.float32)
    finite = np.isfinite(values)
    low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 1.0)
    top = next((top for top in (1.0, 255.0, 65535.0) if low >= 0 and high <= top), None)
    if top is None:
        values = values.astype(np.float64) - low
        top = high - low or 1.0
    values = np.nan_to_num(values / top, nan=1.0, posinf=1.0, neginf=0.0)
    return np.rint(values.clip(0, 1) * 255).astype(np.uint8)


def orientation(image: Image) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none or it is nonsense. Pillow has already turned a TIFF."""
    try:
        turn = image.getexif().get(0x0112, 1)
    except Exception:  # a broken EXIF block says nothing; the picture itself may be fine
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def turned(a: Pixels, turn: int) -> Pixels:
    """The picture as it should be seen, for EXIF 2.32 orientation `turn` (its table of Orientation, tag 274)."""
    if turn >= 5:  # rows and columns change places
        a = a.transpose(1, 0, 2)
    if turn in (2, 3, 6, 7):
        a = a[:, ::-1]
    if turn in (3, 4, 7, 8):
        a = a[::-1]
    return a
