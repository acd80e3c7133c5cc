"""HEIF pictures, decoded by libheif through pi_heif (BSD-3-Clause), which is imported at first need.

pi_heif turns the type of every item of metadata into text while it opens a file. Where the bytes are no UTF-8 it crashes
(found by fuzzing, pi_heif 1.4.0), so such a file is refused before. What crashes it otherwise, or keeps it busy for
ever, ends a process of its own (`_apart.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import _pixels as pixels
from ._formats import CONVERT, DAMAGED, UnreadableError
from ._pixels import Pixels

if TYPE_CHECKING:
    from ._decode import Budget

LONGEST = 2**16  # bytes of an item's name and content type
MOST = 10_000  # items; a photograph in tiles has some hundred


def heif(data: bytes, budget: Budget) -> Pixels:
    """uint8 [H, W, 3]. Raises UnreadableError, and what pi_heif raises."""
    import pi_heif
    from PIL import Image

    for count, text in enumerate(item_types(data)):
        if count >= MOST:  # each costs time before any limit of pixels holds
            raise UnreadableError(f"the HEIF has more than {MOST:,} items", DAMAGED)
        try:
            text.decode()
        except UnicodeDecodeError:
            raise UnreadableError("the HEIF is damaged (the type of an item is no text)", DAMAGED) from None
    image = pi_heif.open_heif(data, convert_hdr_to_8bit=True)  # turned as the container says, by libheif itself
    budget.spend(*image.size)
    data = image.data
    width, height = image.size
    mode = image.mode
    if ";" in mode:  # monochrome of 10 or 12 bits, which libheif leaves as it is
        raise UnreadableError(f"a HEIF of the kind {mode}", CONVERT)
    opened = Image.frombytes(mode, (width, height), data, "raw", mode, image.stride)
    return pixels.rgb(opened, pixels.Samples(), budget.check)


def item_types(data: bytes) -> Iterator[bytes]:
    """The types of a HEIF's items, and the content types of those that have one: ISO 14496-12, section 8.11.6 (`infe` boxes).

    A box is taken for one wherever its name and a length that the file can hold stand, so that no way to nest it hides it.
    Raises UnreadableError where an item's name and content type do not end within LONGEST.
    """
    at = data.find(b"infe")
    while at >= 0:
        length = int.from_bytes(data[max(0, at - 4) : at], "big")
        if length <= len(data) - at + 4:  # not by chance among the pixels
            start = at + (12 if length == 1 else 4)  # length 1: the true one follows, in 64 bits
            start += 8 if data[start : start + 1] < b"\x03" else 10  # behind version, flags, number, protection
            yield data[start : start + 4]
            if data[start : start + 4] == b"mime":
                texts = data[start + 4 : start + 4 + LONGEST].split(b"\0", 2)  # the item's name, its content type
                if len(texts) < 3:
                    raise UnreadableError("the HEIF is damaged (the name of an item does not end)", DAMAGED)
                yield texts[1]
        at = data.find(b"infe", at + 4)
