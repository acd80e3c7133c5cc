"""A decoded picture of any of Pillow's modes -> uint8 [H, W, 3] RGB, and turned upright. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]
STRIP = 1 << 20  # pixels converted at a time: what is needed beside the picture and its copy stays small


@dataclass(frozen=True, slots=True)
class Samples:
    """Of a gray picture: the bits of a sample, whether 0 is white (in deep gray), whether samples have a sign."""

    bits: int = 8
    inverted: bool = False
    signed: bool = False


def rgb(image: Image, samples: Samples, check: Callable[[], None]) -> Pixels:
    """Any mode of Pillow -> uint8 [H, W, 3]; what is transparent shows white; colour profiles are left alone.

    check: called now and then, may raise.
    """
    width, height = image.size
    out = np.empty((height, width, 3), np.uint8)
    step = max(1, STRIP // width)
    strips = [(top, min(top + step, height)) for top in range(0, height, step)]
    span = None
    if image.mode in ("I", "F") or (image.mode == "L" and samples.signed):
        parts = (image.crop((0, top, width, end)) for top, end in strips)
        span = declared_range(extremes(_numbers(part, samples)) for part in parts)
    for top, end in strips:
        check()
        part = image if len(strips) == 1 else image.crop((0, top, width, end))
        if span is not None or part.mode.startswith("I;16"):
            out[top:end] = _deep(part, samples, span)[:, :, None]
        else:
            out[top:end] = np.asarray(_flat(part))
    return out


def _flat(image: Image) -> Image:
    """8 bits a sample, any colours, any transparency -> RGB on white."""
    from PIL import Image as Pil

    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        image = image.convert("LA") if image.mode == "La" else image
        image = image.convert("RGBA")
        white = Pil.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _numbers(image: Image, samples: Samples) -> NDArray[Any]:
    """A gray's samples. Pillow holds signed ones of 8 bits as unsigned, unsigned ones of 32 bits as signed."""
    raw: NDArray[Any] = np.asarray(image)
    if image.mode == "L" and samples.signed:
        return raw.view(np.int8)
    return raw.view(np.uint32) if image.mode == "I" and samples.bits == 32 and not samples.signed else raw


def _deep(image: Image, samples: Samples, span: tuple[float, float] | None) -> Pixels:
    """Gray of more than 8 bits, or signed -> 8. Samples of 12 or 16 bits have a range and keep their high bits."""
    values = _numbers(image, samples)
    if span is None:
        gray = (values >> max(0, samples.bits - 8)).clip(0, 255).astype(np.uint8)
    else:
        low, high = span
        unit = (values.astype(np.float64) - low) / (high - low)
        gray = np.rint(np.nan_to_num(unit, nan=1.0).clip(0, 1) * 255).astype(np.uint8)
    if samples.inverted:
        gray = 255 - gray
    key = image.info.get("transparency")
    return np.where(values == key, np.uint8(255), gray) if isinstance(key, int) else gray


def extremes(samples: NDArray[Any]) -> tuple[float, float]:
    """The smallest and the largest finite sample; (inf, -inf) where there is none."""
    finite = samples[np.isfinite(samples)]
    return (float(finite.min()), float(finite.max())) if finite.size else (np.inf, -np.inf)


def declared_range(parts: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """What is black and what is white among floats, 32-bit and signed integers, whose files declare no range.

    0 to 1, else 0 to 255, else 0 to 65535, whichever is the first to hold all samples; else smallest to largest.
    What is not a number becomes white.
    """
    lows, highs = zip(*parts, strict=True)
    low, high = min(lows), max(highs)
    for top in (1.0, 255.0, 65535.0):
        if low >= 0 and high <= top:
            return 0.0, top
    return low, high if high > low else low + max(1.0, abs(low))


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
