"""Bytes -> uint8 RGB, one decoder a format. `images.load` is the door; this is the machinery behind it.

Each format's plugin class of Pillow is called itself, never `Image.open`: so no other decoder (EPS and its Ghostscript,
PSD, FITS ...) can ever run, Pillow's process-wide limits stay as the user's program set them, and only the plugin that
is needed is imported. HEIF goes to libheif (`_heif.py`), PDF pages to pdfium (`_pdf.py`), both imported at first need.

What bounds the time: pixels are counted before decoding; JPEG, PNG, GIF, BMP and plain TIFF meet the deadline at every
block they read. WebP and compressed TIFF decode in one call that only the pixel limit bounds. HEIF, AVIF and PDF, whose
files can keep a decoder busy for ever or crash it, are decoded in a process that is ended at the deadline (`_apart.py`).
"""

from __future__ import annotations

import importlib.util
import io
import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import _formats, _pdf
from . import _pixels as pixels
from ._formats import CONVERT, CUT_SHORT, DAMAGED, UnreadableError
from ._heif import heif
from ._pixels import Pixels, Samples
from ._words import counted
from .errors import install

APART = ("HEIF", "AVIF", "PDF")
PACKAGES = {  # kind: (its package, what to say without it, the remedy)
    "HEIF": ("pi_heif", "HEIF needs the package 'pi_heif'", "Install it with:  pip install pi-heif"),
    "PDF": ("pypdfium2", "PDF pages need the package 'pypdfium2', which is not installed", install("pdf")),
}
_SLOW = "Leave it out, or raise Limits.max_seconds if you trust it"


def decode(
    data: bytes, *, size_hint: int | None, max_pixels: float, max_seconds: float, page: int
) -> tuple[Pixels, int]:
    """uint8 [H, W, 3], and how many pages it has (1 of what is no PDF).

    Raises UnreadableError only, whatever the bytes (and MemoryError is one of its causes).
    """
    if not data:
        raise UnreadableError("the file is empty (0 bytes)", CUT_SHORT)
    kind = _formats.sniff(data)
    if kind is None:
        name, remedy = _formats.looks_like(data)
        raise UnreadableError(f"not a picture: it looks like {name}", remedy)
    if page < 0:
        raise UnreadableError(f"page {page + 1} was asked for, but pages count from 1", "Ask for a page in it")
    if page and kind != "PDF":
        raise UnreadableError(f"page {page + 1} was asked for, but a {kind} is read as one picture", "Ask for page 1")
    job: dict[str, Any] = {
        "kind": kind,
        "size_hint": size_hint,
        "max_pixels": max_pixels,
        "max_seconds": max_seconds,
        "page": int(page),
    }
    if kind not in APART:
        return here(data=data, **job)
    _must_be_installed(kind)
    from . import _apart

    if not _apart.possible():
        return here(data=data, **job)
    with _one_error(kind, max_seconds):
        answer, body = _apart.ask(job | {"do": "decode"}, data, max_seconds)
        if "reason" in answer:
            raise UnreadableError(answer["reason"], answer["remedy"])
        return body.reshape(answer["shape"]), answer["pages"]


def here(
    kind: str, data: bytes, size_hint: int | None, max_pixels: float, max_seconds: float, page: int
) -> tuple[Pixels, int]:
    """What `decode` gives and raises, decoded in this process."""
    budget = Budget(max_pixels, max_seconds)
    with _one_error(kind, max_seconds), _pillow_is_quiet():
        if kind == "PDF":
            return _pdf.draw(data, page, size_hint, budget)
        return heif(data, budget) if kind == "HEIF" else _pillow(kind, data, size_hint, budget), 1


def pdf_pages(data: bytes, max_seconds: float) -> int:
    """How many pages a PDF has; 0 where it cannot be opened. Raises UnreadableError as `decode` does."""
    _must_be_installed("PDF")
    from . import _apart

    if not _apart.possible():
        return _pdf.count(data)
    job = {"do": "count", "kind": "PDF", "max_pixels": 0, "max_seconds": max_seconds}
    with _one_error("PDF", max_seconds):
        return _apart.ask(job, data, max_seconds)[0]["pages"]


def _must_be_installed(kind: str) -> None:
    if kind in PACKAGES and importlib.util.find_spec(PACKAGES[kind][0]) is None:
        raise UnreadableError(*PACKAGES[kind][1:])


@contextmanager
def _one_error(kind: str, max_seconds: float) -> Iterator[None]:
    """Whatever is raised inside becomes an UnreadableError."""
    try:
        yield
    except UnreadableError:
        raise
    except TimeoutError as error:
        raise UnreadableError(f"decoding this {kind} took more than {max_seconds:g} s", _SLOW) from error
    except MemoryError as error:
        raise UnreadableError(f"not enough memory to decode this {kind}", "Shrink the picture") from error
    except Exception as error:  # decoders raise nearly anything on damaged bytes
        if isinstance(error, ImportError) and kind in PACKAGES:
            raise UnreadableError(*PACKAGES[kind][1:]) from error
        said = (str(error) or type(error).__name__).splitlines()[0][:200]
        if "truncated" in said.lower():
            raise UnreadableError(f"the {kind} is cut short ({said})", CUT_SHORT) from error
        raise UnreadableError(f"the {kind} is damaged, or of a kind not read here ({said})", DAMAGED) from error


class Budget:
    """The pixels and the time one picture may take."""

    def __init__(self, max_pixels: float, max_seconds: float) -> None:
        self.max_pixels, self.max_seconds = max_pixels, max_seconds
        self.begin()

    def begin(self) -> None:
        """The time runs from now."""
        self.deadline = time.monotonic() + self.max_seconds

    def spend(self, width: int, height: int, area: int = 0, limit: float | None = None) -> None:
        """Refuse a picture of width x height (decoded as `area` pixels where that is more) beyond the limit."""
        limit = self.max_pixels if limit is None else min(limit, self.max_pixels)
        if max(width * height, area) > limit:
            tiles = f" in tiles that hold {area / 1e6:.0f} million" if area > width * height else ""
            raise UnreadableError(
                f"{width} x {height} pixels{tiles} are more than the limit of {limit / 1e6:g} million pixels",
                "Shrink the picture, or raise Limits.max_pixels if you trust it and have the memory",
            )

    def check(self) -> None:
        if time.monotonic() >= self.deadline:
            raise TimeoutError


class _Source(io.BytesIO):
    """The file's bytes. Every read meets the deadline; at the end it raises, so that no decoder fills in gray."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(data)
        self.budget, self.strict = budget, False

    def read(self, size: int | None = -1, /) -> bytes:
        self.budget.check()
        data = super().read(size)
        if self.strict and not data and size != 0:
            raise OSError("image file is truncated")
        return data


_QUIET: Any = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_quiet_lock = threading.Lock()
_loading = 0


@contextmanager
def _pillow_is_quiet() -> Iterator[None]:
    """Hide Pillow's warnings (corrupt EXIF, odd APNG ...): neither printed nor, under -W error, raised mid-decode.

    `warnings.catch_warnings` swaps process-wide state and is not thread-safe; here one entry goes into the list of
    filters when the first load begins and the same entry comes out when the last one ends.
    """
    global _loading
    with _quiet_lock:
        _loading += 1
        filters: Any = warnings.filters
        if _QUIET not in filters:
            filters.insert(0, _QUIET)
    try:
        yield
    finally:
        with _quiet_lock:
            _loading -= 1
            filters = warnings.filters
            if not _loading and _QUIET in filters:
                filters.remove(_QUIET)


def _pillow(kind: str, data: bytes, size_hint: int | None, budget: Budget) -> Pixels:
    opener = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp, "GIF": _gif, "TIFF": _tiff, "BMP": _bmp, "AVIF": _avif}[kind]
    image, samples = opener(data, size_hint, budget)
    if kind != "JPEG":  # whose pixels at its scale are counted by its opener, which also compares the two sizes
        budget.spend(*image.size)  # what Pillow read, whatever the header seemed to say
    source = image.fp
    if isinstance(source, _Source):
        source.strict = kind != "JPEG"  # some writers leave out a JPEG's end marker
    image.load()
    if kind == "BMP" and image.mode == "RGBA" and not image.getchannel("A").getextrema()[1]:
        image.putalpha(255)  # a program that wrote no alpha at all, as other readers take it
    turn = pixels.orientation(image)
    return np.ascontiguousarray(pixels.turned(pixels.rgb(image, samples, budget.check), turn))


Opened = tuple[Any, Samples]  # Pillow's image, and what is to be known of a gray's samples


def _jpeg(data: bytes, size_hint: int | None, budget: Budget) -> Opened:
    from PIL import ImageFile
    from PIL.JpegImagePlugin import JpegImageFile

    facts = _formats.jpeg(data)
    if facts.scans > _formats.MAX_SCANS:
        raise UnreadableError(f"the JPEG has more than {_formats.MAX_SCANS} scans", "Save it again as an ordinary JPEG")
    if not facts.ended and (data.endswith(b"\0\0") or ImageFile.LOAD_TRUNCATED_IMAGES):
        raise UnreadableError("the JPEG is cut short (no end marker)", CUT_SHORT)
    width, height = facts.width, facts.height
    if not facts.arithmetic and width * height > 512 * len(data):  # a block of 64 pixels takes a bit at the least
        raise UnreadableError(
            f"the JPEG is cut short ({counted(len(data), 'byte')} for {width} x {height} pixels)", CUT_SHORT
        )
    scale = 1
    if size_hint is not None:
        short, long = sorted((width, height))
        scale = next((s for s in (8, 4, 2) if short >= s and -(-long // s) >= size_hint), 1)
    if facts.hoarded:
        budget.spend(width, height)
    budget.spend(-(-width // scale), -(-height // scale))
    image = JpegImageFile(_Source(data, budget))
    if image.size != (width, height):
        raise UnreadableError("the JPEG is damaged (two frame sizes)", DAMAGED)
    if scale > 1:
        image.draft(None, (max(1, width // scale), max(1, height // scale)))
    return image, Samples()


def _png(data: bytes, _: int | None, budget: Budget) -> Opened:
    from PIL.PngImagePlugin import PngImageFile

    width, height, depth = _formats.png_size(data)
    budget.spend(width, height)
    image = PngImageFile(_Source(_formats.png_bare(data), budget))
    key = image.info.get("transparency")
    if isinstance(key, int) and image.mode == "L" and depth < 8:
        image.info["transparency"] = key * 255 // (2**depth - 1)  # Pillow scales the samples, not the key
    elif isinstance(key, tuple) and depth == 16:
        image.info["transparency"] = tuple(k >> 8 for k in key)
    return image, Samples(depth)


def _webp(data: bytes, _: int | None, budget: Budget) -> Opened:
    from PIL.WebPImagePlugin import WebPImageFile

    budget.spend(*_formats.webp_size(data), limit=_pillow_limit())
    return WebPImageFile(_Source(data, budget)), Samples()


def _gif(data: bytes, _: int | None, budget: Budget) -> Opened:
    from PIL.GifImagePlugin import GifImageFile

    image = GifImageFile(_Source(data, budget))  # allocates nothing yet; a frame may be larger than the screen
    budget.spend(*image.size)
    return image, Samples()


def _bmp(data: bytes, _: int | None, budget: Budget) -> Opened:
    from PIL.BmpImagePlugin import BmpImageFile

    image = BmpImageFile(_Source(data, budget))
    budget.spend(*image.size)
    if image.tile[0][0] == "bmp_rle" and image.width > 65_535:
        raise UnreadableError(f"a run-length BMP {image.width} pixels wide", CONVERT)  # its decoder pads in Python
    return image, Samples()


def _tiff(data: bytes, _: int | None, budget: Budget) -> Opened:
    from PIL.TiffImagePlugin import TiffImageFile

    facts = _formats.tiff(data)
    budget.spend(facts.width, facts.height, facts.area, _pillow_limit())
    image = TiffImageFile(_Source(data, budget))
    if sorted(image.size) != sorted((facts.width, facts.height)):  # Pillow swaps the sides of a turned one
        raise UnreadableError("the TIFF is damaged (two sizes)", DAMAGED)
    image.tile = [tile._replace(args=_in_native_order(tile)) for tile in image.tile]
    return image, Samples(facts.bits, facts.white_is_zero, facts.signed)


def _in_native_order(tile: Any) -> Any:
    """Pillow's arguments for a tile; libtiff gives samples in the machine's order, which Pillow 13 forgets of some."""
    if tile.codec_name != "libtiff" or tile.args[0] not in _AS_STORED:
        return tile.args
    return (_AS_STORED[tile.args[0]], *tile.args[1:])


_AS_STORED = {"I;16S": "I;16NS", "I;16BS": "I;16NS", "I;32S": "I;32NS", "I;32BS": "I;32NS"}
_AS_STORED |= {"F;32F": "F;32NF", "F;32BF": "F;32NF"}


def _avif(data: bytes, _: int | None, budget: Budget) -> Opened:
    from PIL.AvifImagePlugin import AvifImageFile

    image = AvifImageFile(_Source(data, budget))
    budget.spend(*image.size)
    return image, Samples()


def _pillow_limit() -> float | None:
    """Pillow's own hard limit, which WebP and TIFF check inside (179 million pixels unless the program changed it)."""
    from PIL import Image

    return None if Image.MAX_IMAGE_PIXELS is None else 2 * Image.MAX_IMAGE_PIXELS
