"""What bytes are, and what they would cost to decode, read off their headers; no decoder runs here.

Content decides, never a file's name. Sizes are read before any decoder sees a byte, so a picture that would decompress
to more than the limits allow is refused at the price of its header. Sources: ISO 10918-1 annex B (JPEG markers), the
PNG specification section 5, TIFF 6.0 section 2 and its BigTIFF form, ISO 14496-12 (the `ftyp` box of HEIF and AVIF).
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

DAMAGED = "Open it in an image viewer; if that fails too, get the file again from where it came"
CUT_SHORT = "Copy or download it again, to the end"
CONVERT = "Convert it to PNG, JPEG or TIFF, or leave it out"
MAX_SCANS = 100  # a progressive JPEG has about 10; each further one costs a pass over the whole picture
MAX_TIFF_TAGS = 4096  # of one page; a picture has about 20
MAX_TIFF_VALUES = 4_000_000  # of strip and tile tables: four times what 300 million pixels in 16 x 16 tiles need


class UnreadableError(Exception):
    """Why some bytes give no picture, and the remedy. `load` turns it into an ImageError that names the file."""

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason, self.remedy = reason, remedy
        super().__init__(reason)


_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}


def sniff(data: bytes) -> str | None:
    """JPEG, PNG, WEBP, GIF, TIFF, BMP, AVIF, HEIF or PDF, by the first bytes; None for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(_TIFF) and data[8:10] != b"CR":  # CR: Canon's raw, whose first page is not the picture
        return "TIFF"
    if data[:2] == b"BM" and len(data) >= 18 and data[14] in (12, 40, 52, 56, 64, 108, 124) and data[15] == 0:
        return "BMP"
    if data[4:8] == b"ftyp":
        box = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
        brands = {box[i : i + 4] for i in range(0, len(box), 4) if i != 4}  # 4: the minor version
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    if b"%PDF-" in data[:1024]:
        return "PDF"
    return None


_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"8BPS", "a Photoshop document"),
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"AT&TFORM", "a DjVu document"),
    (b"\0\0\x01\0", "an icon (ICO)"),
    (b"MThd", "a MIDI file"),
    (b"ID3", "an MP3 sound"),
    (b"OggS", "an Ogg sound or video"),
    (b"RIFF", "a WAV sound or AVI video"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\0\x05\x16\x07", "a macOS resource file (AppleDouble)"),
    (b"II*\0", "a Canon raw photograph"),
    (b"MM\0*", "a Canon raw photograph"),
)


def looks_like(data: bytes) -> tuple[str, str]:
    """(what bytes that are no picture of ours look like, the remedy)."""
    if data.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the picture itself", "Fetch the picture with:  git lfs pull"
    for prefix, name in _SIGNATURES:
        if data.startswith(prefix):
            return name, "Unpack it and give the pictures inside" if "archive" in name else CONVERT
    if data[4:8] == b"ftyp":
        return "a video (MP4 or QuickTime) or a camera's raw file", CONVERT
    head = data[:4096]
    if not head.strip(b"\0"):
        return "nothing but zero bytes", CUT_SHORT
    text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace").lstrip(
        "\ufeff \t\r\n"
    )
    low = text.lower()
    if "<svg" in low:
        return "an SVG drawing", "Render it to PNG first, for instance with Inkscape or resvg"
    if "<html" in low or low.startswith("<!doctype html"):
        return "a web page (HTML), perhaps an error page saved under a picture's name", "Download the picture itself"
    if low.startswith("<?xml"):
        return "an XML file", CONVERT
    odd = sum(c == "\ufffd" or (c < " " and c not in "\t\r\n\f\x1b") for c in text)
    if odd * 50 <= len(text):
        return "a text file", "Give the picture itself, or leave it out"
    return "a kind of file that is not known here", CONVERT


@dataclass(frozen=True, slots=True)
class Jpeg:
    """What a JPEG's markers say. `ended`: an end-of-image marker closes the first picture.

    `hoarded`: it comes in several scans, so libjpeg keeps the coefficients of the whole picture, whatever the scale.
    """

    width: int
    height: int
    hoarded: bool
    arithmetic: bool
    scans: int
    ended: bool


_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # a marker that is neither stuffing, filling nor a restart


def jpeg(data: bytes) -> Jpeg:
    """The first picture's markers, walked from segment to segment; of a broken file, as far as they go."""
    width = height = parts = scans = 0
    hoarded = arithmetic = ended = False
    at = 2
    while found := _AFTER_SCAN.search(data, at):
        marker, at = data[found.start() + 1], found.end()
        if marker == 0xD9:
            ended = True
            break
        if marker in (0x01, 0xD8):
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and not width and len(data) >= at + 8:
            height, width, parts = struct.unpack_from(">HHB", data, at + 3)
            hoarded = marker in (0xC2, 0xC6, 0xCA, 0xCE)
            arithmetic = marker >= 0xC9
        if marker == 0xDA:
            scans += 1
            hoarded |= data[at + 2 : at + 3] < bytes([parts])  # a scan that holds not all colours: others follow
        if scans > MAX_SCANS:
            break
        at += int.from_bytes(data[at : at + 2], "big")
    return Jpeg(width, height, hoarded, arithmetic, scans, ended)


def png_size(data: bytes) -> tuple[int, int, int]:
    """Width, height and bits a sample of a PNG, from its header chunk."""
    if data[8:16] != b"\0\0\0\x0dIHDR" or len(data) < 33:
        raise UnreadableError("the PNG is damaged or cut short (no header chunk)", DAMAGED)
    width, height, depth = struct.unpack_from(">IIB", data, 16)
    return width, height, depth


def png_bare(data: bytes) -> bytes:
    """The same PNG with only the chunks that draw, each one's length and checksum verified; the header stands once.

    Text, colour profiles and animation are dropped unread: compressed text and profiles are where tiny PNG files hide
    gigabytes, and Pillow checks no checksum of pixel data.
    """
    kept, at, name = [data[:8]], 8, b""
    while name != b"IEND":
        if at + 12 > len(data):
            raise UnreadableError("the PNG is cut short", CUT_SHORT)
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if not name.isalpha():
            raise UnreadableError("the PNG is damaged (a chunk without a name)", DAMAGED)
        if name == b"IHDR" and at > 8:
            raise UnreadableError("the PNG is damaged (two header chunks)", DAMAGED)
        if end > len(data):
            raise UnreadableError("the PNG is cut short", CUT_SHORT)
        if name in (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"):
            if zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big"):
                kept.append(data[at:end])
            elif name != b"eXIf":
                raise UnreadableError(f"the PNG is damaged (checksum of {name.decode()} is wrong)", DAMAGED)
        at = end
    return b"".join(kept)


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of a WebP's canvas; (0, 0) where the header is not understood."""
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


@dataclass(frozen=True, slots=True)
class Tiff:
    """A TIFF's first page. `area`: the pixels its tiles hold, padding included, never below width x height.

    `signed`: its samples are whole numbers with a sign.
    """

    width: int
    height: int
    area: int
    bits: int
    white_is_zero: bool
    signed: bool


_TIFF_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_SIZES = (256, 257, 322, 323)  # tags: width and height, of the picture and of a tile


def tiff(data: bytes) -> Tiff:
    """The tags that say what the first page costs. Raises UnreadableError where its table cannot be followed."""
    order = "<" if data[:2] == b"II" else ">"
    big = b"+" in data[2:4]
    try:
        start = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
        count = struct.unpack_from(order + ("Q" if big else "H"), data, start)[0]
        entry, size = (order + "HHQ", 20) if big else (order + "HHI", 12)
        if count > MAX_TIFF_TAGS:
            raise UnreadableError(f"the TIFF has {count} tags, more than {MAX_TIFF_TAGS}", DAMAGED)
        first: dict[int, int] = {}
        values = 0
        for n in range(count):
            at = start + (8 if big else 2) + n * size
            tag, kind, many = struct.unpack_from(entry, data, at)
            values += many if tag in (273, 279, 324, 325) else 0
            if tag in first and tag in _SIZES:  # libtiff takes the first, Pillow the last
                raise UnreadableError(f"the TIFF is damaged (its tag {tag} stands twice)", DAMAGED)
            if kind in _TIFF_INTEGERS and many:
                code = order + _TIFF_INTEGERS[kind]
                inline = struct.calcsize(code) * many <= (8 if big else 4)
                place = at + (12 if big else 8)
                if not inline:
                    place = struct.unpack_from(order + ("Q" if big else "I"), data, place)[0]
                first[tag] = struct.unpack_from(code, data, place)[0]
    except (struct.error, OverflowError) as error:
        raise UnreadableError("the TIFF is cut short or damaged (its table of tags)", CUT_SHORT) from error
    if values > MAX_TIFF_VALUES:
        raise UnreadableError(f"the TIFF lists {values} strips or tiles, more than {MAX_TIFF_VALUES}", CONVERT)
    width, height = first.get(256, 0), first.get(257, 0)
    across, down = first.get(322) or width or 1, first.get(323) or height or 1
    area = (-(-width // across) * across) * (-(-height // down) * down)
    return Tiff(width, height, max(area, width * height), first.get(258, 1), first.get(262) == 0, first.get(339) == 2)
