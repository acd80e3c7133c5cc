"""Small real files of every format, made here by Pillow except HEIC (tests/pictures, which has no free encoder in it).

Every sample shows QUADRANTS or, where noted, RAMP. Used by the tests of images.py and by scripts/fuzz_images.py.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PICTURES = Path(__file__).parent / "pictures"

QUADRANTS = np.zeros((48, 64, 3), np.uint8)  # red, green / blue, near-white; the same as tests/pictures/quadrants.heic
QUADRANTS[:24, :32], QUADRANTS[:24, 32:] = (200, 30, 30), (30, 170, 40)
QUADRANTS[24:, :32], QUADRANTS[24:, 32:] = (30, 40, 200), (250, 250, 250)

RAMP = np.tile(np.arange(256, dtype=np.uint8), (8, 1))  # gray 0..255, one column each


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_file(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG written by hand: `rows` are the filtered scan lines, `chunks` come between header and pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + png_chunk(b"IEND", b"")


def tiff_file(width: int, height: int, strip: bytes, *, order: str = "<", **tags: int) -> bytes:
    """A one-strip TIFF written by hand. Tags by name: bits, kind (sample format), photo, compression, tile, rows."""
    known = {"bits": 258, "compression": 259, "photo": 262, "rows": 278, "tile_width": 322, "tile_height": 323}
    known |= {"kind": 339, "samples": 277, "turn": 274}
    fields = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, 278: height}
    fields |= {known[name]: value for name, value in tags.items()}
    tiled = 322 in fields
    if tiled:
        fields.pop(278)
    fields |= {324 if tiled else 273: 8 + 2 + 12 * (len(fields) + 2) + 4, 325 if tiled else 279: len(strip)}
    table = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in sorted(fields.items()))
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "IH", 8, len(fields)) + table + bytes(4) + strip


def ycck_file(quality: int = 95) -> bytes:
    """QUADRANTS as a YCCK JPEG (Adobe transform 2, inverted), which Pillow reads but cannot write.

    Adobe stores C' = 255 - ink; YCCK is the YCbCr transform of 255 - C' = ink, and K' as it is. With K = 0 the inks
    are 255 - R, 255 - G, 255 - B.
    """
    ycc = np.asarray(Image.fromarray(255 - QUADRANTS).convert("YCbCr"))
    stored = np.concatenate([ycc, np.full((48, 64, 1), 255, np.uint8)], axis=2)  # K stored inverted: 255 is no ink
    cmyk = saved(Image.frombytes("CMYK", (64, 48), (255 - stored).tobytes()), "JPEG", quality=quality)
    at = cmyk.index(b"\xff\xee\x00\x0eAdobe")
    return cmyk[: at + 15] + b"\x02" + cmyk[at + 16 :]


def samples() -> dict[str, bytes]:
    """Name -> file content. All but those named otherwise show QUADRANTS."""
    image = Image.fromarray(QUADRANTS)
    other = Image.fromarray(255 - QUADRANTS)
    palette = image.quantize(8)
    found = {
        "jpeg": saved(image, "JPEG", quality=95, subsampling=0),
        "jpeg-progressive": saved(image, "JPEG", quality=95, subsampling=0, progressive=True),
        "jpeg-cmyk": saved(image.convert("CMYK"), "JPEG", quality=95),
        "jpeg-ycck": ycck_file(),
        "png": saved(image, "PNG"),
        "png-palette": saved(palette, "PNG"),
        "png-rgba": saved(image.convert("RGBA"), "PNG"),
        "png-animated": saved(image, "PNG", save_all=True, append_images=[other], duration=100),
        "webp": saved(image, "WEBP", quality=95),
        "webp-lossless": saved(image, "WEBP", lossless=True),
        "webp-animated": saved(image, "WEBP", lossless=True, save_all=True, append_images=[other], duration=100),
        "gif": saved(palette, "GIF"),
        "gif-animated": saved(palette, "GIF", save_all=True, append_images=[other.quantize(8)], duration=100),
        "bmp": saved(image, "BMP"),
        "bmp-palette": saved(palette, "BMP"),
        "tiff": saved(image, "TIFF"),
        "tiff-pages": saved(image, "TIFF", save_all=True, append_images=[other]),
        "tiff-cmyk": saved(image.convert("CMYK"), "TIFF"),
        "tiff-big": saved(image, "TIFF", big_tiff=True),
        "avif": saved(image, "AVIF", quality=95, subsampling="4:4:4"),
        "heic": (PICTURES / "quadrants.heic").read_bytes(),
        "pdf": saved(image, "PDF", save_all=True, append_images=[other]),
    }
    found["tiff-jpeg"] = saved(image, "TIFF", compression="jpeg", quality=95)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma"):
        found[f"tiff-{compression}"] = saved(image, "TIFF", compression=compression)
    return found
