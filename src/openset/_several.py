"""Files that hold several pictures, of which the first is read: pages of a TIFF or a PDF, frames of an animation.

Only the framing is walked, in bounded time and without a decoder; what cannot be followed is not counted. Sources: TIFF
6.0 section 2, GIF89a sections 17 to 27, the WebP container specification, the PNG specification section 11.3.6 (acTL).
"""

from __future__ import annotations

import struct

MAX_PAGES = 10_000  # counted of a TIFF


def left_out(kind: str | None, data: bytes, pages: int = 1) -> str:
    """What of a file is not in the picture that `images.load` gives, for people; "" where nothing is known to be.

    pages: of a PDF of which no page was asked for.
    """
    if kind in ("TIFF", "PDF"):
        pages = tiff_pages(data) if kind == "TIFF" else pages
        more = " or more" if kind == "TIFF" and pages == MAX_PAGES else ""
        return f"only the first of its {pages:,}{more} pages was read" if pages > 1 else ""
    return "only the first picture of its animation was read" if _moves(kind, data) else ""


def tiff_pages(data: bytes) -> int:
    """Pages of a TIFF, at most MAX_PAGES; smaller copies of a page and masks (tag 254) are none."""
    order, big = "<" if data[:2] == b"II" else ">", b"+" in data[2:4]
    offset, size, head, entry = (order + "Q", 20, order + "Q", 8) if big else (order + "I", 12, order + "H", 2)
    pages, seen = 0, set[int]()
    try:
        (at,) = struct.unpack_from(offset, data, 8 if big else 4)
        while at and at not in seen and len(seen) < MAX_PAGES:
            seen.add(at)
            (count,) = struct.unpack_from(head, data, at)
            tag, kind = struct.unpack_from(order + "HH", data, at + entry)
            (subtype,) = struct.unpack_from(order + "IH"[kind == 3], data, at + entry + (12 if big else 8))
            pages += not (tag == 254 and subtype & 5)
            (at,) = struct.unpack_from(offset, data, at + entry + size * count)
    except (struct.error, OverflowError):
        pass
    return pages


def _moves(kind: str | None, data: bytes) -> bool:
    if kind == "GIF":
        return _gif_frames(data) > 1
    if kind == "WEBP":
        return data[12:16] == b"VP8X" and bool(data[20] & 2) and data.count(b"ANMF") > 1
    if kind == "PNG":
        at = data.find(b"acTL", 8, data.find(b"IDAT"))
        return at > 0 and int.from_bytes(data[at + 4 : at + 8], "big") > 1
    return kind == "AVIF" and data[8:12] == b"avis"


def _gif_frames(data: bytes) -> int:
    """Pictures of a GIF, at most two."""
    frames, at = 0, 13 + _table(data[10])
    try:
        while frames < 2 and data[at] in (0x2C, 0x21):  # a picture, an extension
            if data[at] == 0x2C:
                frames += 1
                at += 11 + _table(data[at + 9])
            else:
                at += 2
            while data[at]:  # blocks of at most 255 bytes, the last of length 0
                at += data[at] + 1
            at += 1
    except IndexError:
        pass
    return frames


def _table(flags: int) -> int:
    """Bytes of the colour table that follows."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
