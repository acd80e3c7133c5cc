"""What a picture gives: the right pixels for every format, mode and orientation; resize; find."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from openset import images
from openset.data.walk import walk
from openset.errors import ImageError
from openset.types import Preprocess
from picture_samples import PICTURES, QUADRANTS, RAMP, png_chunk, png_file, samples, saved, tiff_file

SAMPLES = samples()
LOSSY = {"jpeg", "jpeg-progressive", "jpeg-cmyk", "jpeg-ycck", "webp", "avif", "heic", "tiff-jpeg"}


def gray(array: np.ndarray) -> np.ndarray:
    """The one channel of a picture that has three equal ones."""
    assert array.dtype == np.uint8
    assert array.shape[2] == 3
    assert (array[:, :, 0] == array[:, :, 1]).all()
    assert (array[:, :, 0] == array[:, :, 2]).all()
    return array[:, :, 0]


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "pdf"])
def test_every_format_shows_the_picture_that_was_put_in(name: str) -> None:
    array = images.load(SAMPLES[name])
    assert array.dtype == np.uint8
    assert array.shape == (48, 64, 3)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    off = np.abs(array.astype(int) - QUADRANTS)
    if name in LOSSY:
        inner = np.r_[4:20, 28:44]  # away from the edges, where lossy codecs ring
        assert off[inner][:, np.r_[4:28, 36:60]].max() <= 6
    else:
        assert off.max() == 0


def test_animations_and_many_pages_give_the_first() -> None:
    for name in ("png-animated", "webp-animated", "gif-animated", "tiff-pages"):
        assert Image.open(io.BytesIO(SAMPLES[name])).n_frames == 2
        assert (images.load(SAMPLES[name]) == QUADRANTS).all(), name


# EXIF 2.32, tag 274: which side of the scene the stored row 0 and column 0 show.
SIDES = [("top", "left"), ("top", "right"), ("bottom", "right"), ("bottom", "left")]
SIDES += [("left", "top"), ("right", "top"), ("right", "bottom"), ("left", "bottom")]


def as_stored(scene: np.ndarray, row0: str, column0: str) -> np.ndarray:
    """The array a camera stores when its row 0 shows side `row0` of the scene, by the definition, pixel by pixel."""
    high, wide = scene.shape[:2]
    sideways = row0 in ("left", "right")
    rows, columns = (wide, high) if sideways else (high, wide)
    stored = np.zeros((rows, columns, 3), np.uint8)
    for r in range(rows):
        for c in range(columns):
            down, across = (c, r) if sideways else (r, c)
            y = high - 1 - down if "bottom" in (row0, column0) else down
            x = wide - 1 - across if "right" in (row0, column0) else across
            stored[r, c] = scene[y, x]
    return stored


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "TIFF-lzw", "AVIF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_all_eight_exif_orientations_come_out_upright(kind: str, turn: int) -> None:
    stored = Image.fromarray(as_stored(QUADRANTS, *SIDES[turn - 1]))
    exif = Image.Exif()
    exif[274] = turn
    options = {
        "JPEG": {"quality": 95, "subsampling": 0},
        "WEBP": {"lossless": True},
        "AVIF": {"quality": 95, "subsampling": "4:4:4"},
        "TIFF-lzw": {"compression": "tiff_lzw"},
    }.get(kind, {})
    array = images.load(saved(stored, kind.split("-")[0], exif=exif, **options))
    assert array.shape == QUADRANTS.shape
    for y, x in ((12, 16), (12, 48), (36, 16), (36, 48)):
        assert np.abs(array[y, x].astype(int) - QUADRANTS[y, x]).max() <= 6


def test_a_turned_heic_is_turned_once() -> None:
    """tests/pictures/turned.heic is QUADRANTS with the orientation 6 both in its container and in its EXIF."""
    array = images.load(PICTURES / "turned.heic")
    assert array.shape == (64, 48, 3)
    for y, x, was in ((16, 12, (36, 16)), (16, 36, (12, 16)), (48, 12, (36, 48)), (48, 36, (12, 48))):
        assert np.abs(array[y, x].astype(int) - QUADRANTS[was]).max() <= 6


def test_transparent_heic_shows_white() -> None:
    array = images.load(PICTURES / "alpha.heic")
    assert (array[30:, 36:] == 255).all()
    assert np.abs(array[4:20, 4:28].astype(int) - (200, 30, 30)).max() <= 6


INKS = [((255, 0, 0, 0), (0, 255, 255)), ((0, 255, 0, 0), (255, 0, 255)), ((0, 0, 255, 0), (255, 255, 0))]
INKS += [((0, 0, 0, 255), (0, 0, 0)), ((0, 0, 0, 0), (255, 255, 255)), ((0, 0, 0, 128), (127, 127, 127))]


@pytest.mark.parametrize(("ink", "seen"), INKS)
def test_cmyk_ink_darkens(ink: tuple[int, ...], seen: tuple[int, ...]) -> None:
    plate = Image.new("CMYK", (16, 16), ink)
    assert (images.load(saved(plate, "TIFF")) == seen).all()
    assert np.abs(images.load(saved(plate, "JPEG", quality=100)).astype(int) - seen).max() <= 2  # Adobe: inverted


def test_sixteen_bit_gray_keeps_its_high_byte() -> None:
    deep = RAMP.astype(np.uint16) * 257  # 0 to 65535
    low = np.full_like(deep, 255)  # below 1/256 of the range: black, not white
    for values, seen in ((deep, RAMP), (low, np.zeros_like(RAMP))):
        image = Image.fromarray(values)
        assert image.mode == "I;16"
        big = values.astype(">u2").tobytes()
        files = {
            "png": saved(image, "PNG"),
            "tiff": saved(image, "TIFF"),
            "tiff-lzw": saved(image, "TIFF", compression="tiff_lzw"),
            "tiff-big-endian": tiff_file(256, 8, big, order=">", bits=16),
            "tiff-deflate-big-endian": tiff_file(256, 8, zlib.compress(big), order=">", bits=16, compression=8),
        }
        for name, data in files.items():
            assert (gray(images.load(data)) == seen).all(), name


def test_sixteen_bit_colour_keeps_its_high_byte() -> None:
    rows = b"".join(b"\0" + np.repeat(row.astype(">u2") * 257, 3).tobytes() for row in RAMP)
    assert (gray(images.load(png_file(256, 8, 16, 2, rows))) == RAMP).all()


def test_white_is_zero_is_turned_round() -> None:
    for bits, values in ((8, RAMP), (16, RAMP.astype("<u2") * 257)):
        data = tiff_file(256, 8, values.tobytes(), bits=bits, photo=0)
        assert (gray(images.load(data)) == 255 - RAMP).all(), bits


def test_twelve_bit_tiff_uses_the_whole_range() -> None:
    pairs = [(16 * a, 16 * a + 15) for a in range(0, 256, 2)]  # 12-bit values of one row, packed two in three bytes
    row = b"".join(bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in pairs)
    seen = np.array([v >> 4 for pair in pairs for v in pair])
    assert (gray(images.load(tiff_file(256, 1, row, bits=12)))[0] == seen).all()


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),  # 0 to 1
        ([0.0, 51.0, 255.0], [0, 51, 255]),  # 0 to 255
        ([0.0, 25700.0, 65535.0], [0, 100, 255]),  # 0 to 65535
        ([-1.0, 0.0, 1.0], [0, 128, 255]),  # anything else: stretched
        ([1e30, 2e30, 3e30], [0, 128, 255]),
        ([7e5, 7e5, 7e5], [0, 0, 0]),
        ([0.0, float("nan"), 1.0], [0, 255, 255]),
        ([float("-inf"), 0.0, float("inf")], [0, 0, 255]),
    ],
)  # fmt: skip
def test_float_tiff_is_scaled_not_clipped(values: list[float], seen: list[int]) -> None:
    image = Image.fromarray(np.array([values], np.float32))
    assert image.mode == "F"
    for options in ({}, {"compression": "tiff_lzw"}):
        assert gray(images.load(saved(image, "TIFF", **options)))[0].tolist() == seen


def test_whole_numbers_without_a_range_are_scaled_not_clipped() -> None:
    for values, seen in (([0, 51, 255], [0, 51, 255]), ([0, 25700, 65535], [0, 100, 255]), ([-5, 0, 5], [0, 128, 255])):
        image = Image.fromarray(np.array([values], np.int32))
        assert gray(images.load(saved(image, "TIFF")))[0].tolist() == seen


@pytest.mark.parametrize(
    ("code", "values", "seen"),
    [
        ("u4", [0, 2**31, 2**32 - 1], [0, 128, 255]),  # Pillow gives them as signed: 0, -2**31, -1
        ("u4", [0, 2**31 - 1, 2**32 - 1], [0, 127, 255]),
        ("u4", [0, 100, 255], [0, 100, 255]),
        ("i4", [-(2**31), 0, 2**31 - 1], [0, 128, 255]),
        ("i4", [-5, 0, 10], [0, 85, 255]),
        ("i2", [-100, 0, 100], [0, 128, 255]),
        ("i1", [-128, -1, 0, 127], [0, 127, 128, 255]),  # Pillow gives them as unsigned: 128, 255, 0, 127
        ("i1", [0, 51, 127], [0, 51, 127]),  # 0 to 255
        ("f4", [-1.0, 0.0, 1.0], [0, 128, 255]),
    ],
)
def test_signed_and_unsigned_samples_keep_their_order(code: str, values: list[float], seen: list[int]) -> None:
    """In both byte orders and compressed, where Pillow 13 mixes up the bytes of deep signed samples and floats."""
    kind, bits = {"u": 1, "i": 2, "f": 3}[code[0]], 8 * int(code[1])
    for order in "<>" if code != "u4" else "<":  # Pillow reads no others
        row = np.array(values, order + code).tobytes()
        for compression, strip in ((1, row), (8, zlib.compress(row))):
            data = tiff_file(len(values), 1, strip, order=order, bits=bits, kind=kind, compression=compression)
            assert gray(images.load(data))[0].tolist() == seen, (order, compression)


def test_a_large_picture_of_signed_samples_has_one_range() -> None:
    rows = np.full((1100, 1000), -100, np.int8)  # more than a strip of the conversion
    rows[-1] = 100
    seen = gray(images.load(tiff_file(1000, 1100, rows.tobytes(), kind=2)))
    assert (seen[:-1] == 0).all()
    assert (seen[-1] == 255).all()


def bmp_file(pixels: list[tuple[int, int, int, int]]) -> bytes:
    """One row of BGRA in a 32-bit BMP with a V4 header, which declares an alpha channel."""
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 108, len(pixels), 1, 1, 32, 3, 0, 0, 0, 0, 0) + masks + b"BGRs" + bytes(48)
    body = b"".join(map(bytes, pixels))
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(body), 0, 0, 14 + len(head)) + head + body


def test_a_bmp_whose_alpha_is_nothing_but_zeros_is_opaque() -> None:
    """Programs that know no alpha leave zeros there; viewers show such a picture."""
    assert images.load(bmp_file([(30, 20, 10, 0), (60, 50, 40, 0)])).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert images.load(bmp_file([(30, 20, 10, 0), (60, 50, 40, 255)])).tolist() == [[[255] * 3, [40, 50, 60]]]
    assert images.load(bmp_file([(30, 20, 10, 255)] * 2)).tolist() == [[[10, 20, 30]] * 2]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "TIFF-group4", "BMP", "GIF", "WEBP"])
def test_one_bit_pictures_are_black_and_white(kind: str) -> None:
    pattern = (np.indices((32, 48)).sum(axis=0) // 8 % 2).astype(bool)
    options = {"TIFF-group4": {"compression": "group4"}, "WEBP": {"lossless": True}}.get(kind, {})
    data = saved(Image.fromarray(pattern), kind.split("-")[0], **options)
    assert (gray(images.load(data)) == pattern * 255).all()


@given(red=st.integers(0, 255), alpha=st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_alpha_is_laid_on_white(red: int, alpha: int) -> None:
    """colour * a + white * (1 - a), to within one rounding step."""
    seen = (red * alpha + 255 * (255 - alpha)) / 255
    for mode, colour in (("RGBA", (red, 0, 9, alpha)), ("LA", (red, alpha))):
        image = Image.new(mode, (2, 2), colour)
        for kind, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})):
            assert np.abs(images.load(saved(image, kind, **options))[:, :, 0] - seen).max() <= 1, (mode, kind)


def test_transparent_palette_entries_show_white() -> None:
    image = Image.frombytes("P", (3, 1), bytes([0, 1, 2]))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    one = [[10, 20, 30], [255, 255, 255], [70, 80, 90]]
    assert images.load(saved(image, "PNG", transparency=1))[0].tolist() == one
    assert images.load(saved(image, "GIF", transparency=1))[0].tolist() == one
    half = images.load(saved(image, "PNG", transparency=bytes([255, 128, 0])))[0]
    assert half[0].tolist() == [10, 20, 30]
    assert np.abs(half[1] - (np.array([40, 50, 60]) * 128 + 255 * 127) / 255).max() <= 1
    assert half[2].tolist() == [255, 255, 255]


def test_a_transparent_colour_shows_white_at_every_depth() -> None:
    """PNG's tRNS holds one sample value of the file's own depth (PNG specification 11.3.2.1)."""
    for depth in (1, 2, 4, 8, 16):
        top = 2**depth - 1
        samples_ = [0, top, 0, 0] if depth < 8 else [0, top]
        packed = sum(v << depth * (len(samples_) - 1 - i) for i, v in enumerate(samples_))
        row = b"\0" + packed.to_bytes(-(-depth * len(samples_) // 8), "big")
        if depth < 2:
            row = b"\0" + bytes([packed << 4])
        black = png_file(len(samples_), 1, depth, 0, row, png_chunk(b"tRNS", struct.pack(">H", 0)))
        assert (images.load(black) == 255).all(), depth
        plain = png_file(len(samples_), 1, depth, 0, row, png_chunk(b"tRNS", struct.pack(">H", top)))
        assert images.load(plain)[0, :2, 0].tolist() == [0, 255], depth
    for depth, code in ((8, "B"), (16, "H")):
        key = (10, 20, 30) if depth == 8 else (10 << 8, 20 << 8, 30 << 8)
        row = b"\0" + struct.pack(">6" + code, *key, *([0] * 3))
        data = png_file(2, 1, depth, 2, row, png_chunk(b"tRNS", struct.pack(">3H", *key)))
        assert images.load(data)[0].tolist() == [[255, 255, 255], [0, 0, 0]], depth


def test_colour_profiles_are_left_alone() -> None:
    image = Image.fromarray(QUADRANTS)
    for kind, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True}), ("JPEG", {})):
        plain, tagged = saved(image, kind, **options), saved(image, kind, icc_profile=b"\1" * 3000, **options)
        assert len(tagged) > len(plain)
        assert (images.load(plain) == images.load(tagged)).all()


def test_gif_that_does_not_fill_its_screen() -> None:
    """The first frame lies in a corner of the screen; the rest has the background's colour or is transparent."""
    small = saved(Image.new("P", (4, 4), 0), "GIF")
    wide = small[:6] + struct.pack("<HH", 8, 4) + small[10:]
    assert images.load(wide).shape == (4, 8, 3)


@given(hint=st.integers(1, 900), width=st.integers(1, 700), height=st.integers(1, 700))
@settings(max_examples=40, deadline=None)
def test_a_jpeg_is_decoded_at_the_smallest_scale_that_suffices(hint: int, width: int, height: int) -> None:
    data = saved(Image.new("L", (width, height), 77), "JPEG", quality=50)
    sizes = {s: (-(-height // s), -(-width // s)) for s in (1, 2, 4, 8)}
    enough = [s for s in sizes if s == 1 or (min(width, height) >= s and max(sizes[s]) >= hint)]
    assert images.load(data, size_hint=hint).shape[:2] == sizes[max(enough)]
    assert images.load(data).shape[:2] == (height, width)


def test_pdf_pages(tmp_path: Path) -> None:
    path = tmp_path / "two pages.pdf"
    path.write_bytes(SAMPLES["pdf"])
    found = list(images.find([tmp_path]))
    assert found == [f"{path}#page=1", f"{path}#page=2"]
    first, second = (images.load(name) for name in found)
    assert first.shape == second.shape == (1500, 2000, 3)
    for y, x in ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)):
        colour = QUADRANTS[int(48 * y), int(64 * x)].astype(int)
        assert np.abs(first[int(1500 * y), int(2000 * x)] - colour).max() <= 6
        assert np.abs(second[int(1500 * y), int(2000 * x)] - (255 - colour)).max() <= 6
    assert (images.load(path, page=1) == second).all()
    assert images.load(path, size_hint=3000).shape == (2250, 3000, 3)
    assert images.load(path, size_hint=np.int64(2400), page=np.int64(1)).shape == (1800, 2400, 3)
    with pytest.raises(ImageError, match="page 3 was asked for, but the PDF has 2"):
        images.load(f"{path}#page=3")
    for none in (f"{path}#page=0", f"{path}#page=000"):
        with pytest.raises(ImageError, match="page 0 was asked for, but pages count from 1"):
            images.load(none)
    odd = tmp_path / "x#page=1"  # a file may really be called so
    odd.write_bytes(SAMPLES["png"])
    assert (images.load(odd) == QUADRANTS).all()


def test_a_pdf_that_claims_a_million_pages_is_one_error(tmp_path: Path) -> None:
    """A tree of pages may claim any number: a list of so many names would be the bomb."""
    data = SAMPLES["pdf"]
    assert data.count(b"/Count 2") == 1
    claim = b"/Count 1000000"
    path = tmp_path / "many.pdf"
    path.write_bytes(data.replace(b"/Count 2", claim))
    assert list(images.find(path)) == [str(path)]
    with pytest.raises(
        ImageError, match=r"1,000,000 pages, more than the limit of 10,000\. Split it, or name .*#page=1"
    ):
        images.load(path)
    assert images.load(f"{path}#page=2").shape == (1500, 2000, 3)
    limits = images.Limits(max_pages=1)
    with pytest.raises(ImageError, match="2 pages, more than the limit of 1"):
        images.load(data, limits=limits)
    assert (images.load(data, limits=limits, page=0) == images.load(data)).all()


def test_a_pdf_by_any_name_gives_all_its_pages(tmp_path: Path) -> None:
    for name in ("book", "book.jpg", "deep/book.PNG"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(SAMPLES["pdf"])
    (tmp_path / "x.png").write_bytes(SAMPLES["png"])
    inside = [f"{tmp_path}/{name}#page={n}" for name in ("book.jpg", "deep/book.PNG") for n in (1, 2)]
    assert list(images.find(tmp_path)) == [*inside, str(tmp_path / "x.png")]
    named = list(images.find(tmp_path / "book"))
    assert named == [f"{tmp_path}/book#page=1", f"{tmp_path}/book#page=2"]
    assert (images.load(named[1]) == images.load(SAMPLES["pdf"], page=1)).all()


def test_what_a_file_holds_beside_its_first_picture_is_told() -> None:
    first, second = Image.fromarray(QUADRANTS), Image.fromarray(255 - QUADRANTS)
    moving = {"PNG", "GIF", "WEBP", "AVIF"}
    for kind in (*moving, "TIFF"):
        alone, remark = images.read(saved(first, kind))
        assert remark == ""
        assert alone.shape == QUADRANTS.shape
        told = images.read(saved(first, kind, save_all=True, append_images=[second, first], duration=100))[1]
        pages = "only the first of its 3 pages was read"
        assert told == ("only the first picture of its animation was read" if kind in moving else pages), kind
    assert {name for name, data in SAMPLES.items() if images.read(data)[1]} == {
        *("png-animated", "webp-animated", "gif-animated", "tiff-pages", "pdf")
    }
    big = saved(first, "TIFF", save_all=True, append_images=[second], big_tiff=True)
    assert images.read(big)[1] == "only the first of its 2 pages was read"
    reduced = saved(first, "TIFF", save_all=True, append_images=[second])
    at = struct.unpack_from("<I", reduced, 4)[0]
    at += 2 + 12 * struct.unpack_from("<H", reduced, at)[0]
    second_page = struct.unpack_from("<I", reduced, at)[0]
    small = reduced[: second_page + 2] + struct.pack("<HHII", 254, 4, 1, 1) + reduced[second_page + 14 :]
    assert images.read(small)[1] == ""  # a smaller copy of the page is no page
    round_ = reduced[:at] + reduced[4:8] + reduced[at + 4 :]
    assert images.read(round_)[1] == ""  # the second page is said to be the first again


def test_further_pages_of_a_pdf_are_told_where_none_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "two.pdf"
    path.write_bytes(SAMPLES["pdf"])
    for source in (path, str(path), SAMPLES["pdf"]):
        assert images.read(source)[1] == "only the first of its 2 pages was read"
        assert images.read(source, page=0)[1] == images.read(source, page=1)[1] == ""
    for name in images.find(path):
        assert images.read(name)[1] == ""
    assert images.read(saved(Image.fromarray(QUADRANTS), "PDF"))[1] == ""
    odd = tmp_path / "two.pdf#page=1"  # a file may really be called so
    odd.write_bytes(SAMPLES["pdf"])
    assert images.read(odd)[1] == "only the first of its 2 pages was read"


def test_the_pictures_of_a_class_are_those_that_find_gives(tmp_path: Path) -> None:
    """`data.walk` feeds calibrate, check and train, `find` feeds predict: no page may be lost to one of them."""
    for name, data in {"a.jpg": "pdf", "b.pdf": "pdf", "c.pdf": "png", "d/e.TIFF": "pdf", "f.png": "gif"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(SAMPLES[data])
    (tmp_path / "dead.jpg").symlink_to(tmp_path / "gone.jpg")
    found = list(images.find(tmp_path))
    assert found == [
        f"{tmp_path}/{name}"
        for name in (
            *("a.jpg#page=1", "a.jpg#page=2", "b.pdf#page=1", "b.pdf#page=2", "c.pdf"),
            *("d/e.TIFF#page=1", "d/e.TIFF#page=2", "dead.jpg", "f.png"),
        )
    ]
    assert list(walk(str(tmp_path)).pictures) == sorted(found)


def test_pdf_without_the_extra_names_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)  # what Python itself does for a module that must not load
    with pytest.raises(ImageError) as caught:
        images.load(SAMPLES["pdf"])
    assert 'pip install "openset[pdf]"' in caught.value.remedy


def resized(array: np.ndarray, **fields: object) -> np.ndarray:
    out = images.resize(array, Preprocess(**fields))  # type: ignore[arg-type]
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    assert out.min() >= 0
    assert out.max() <= 1
    return out


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    size=st.integers(1, 200),
    multiple=st.sampled_from([1, 8, 32]),
)
@settings(max_examples=80, deadline=None)
def test_fit_keeps_the_aspect_and_pads_with_white(height: int, width: int, size: int, multiple: int) -> None:
    out = resized(np.zeros((height, width, 3), np.uint8), mode="fit", size=size, multiple=multiple)
    long = max(height, width)
    high, wide = max(1, round(height * size / long)), max(1, round(width * size / long))
    assert max(high, wide) == size
    assert out.shape[1] % multiple == out.shape[2] % multiple == 0
    assert 0 <= out.shape[1] - high < multiple
    assert 0 <= out.shape[2] - wide < multiple
    assert (out[:, :high, :wide] == 0).all()
    assert (out[:, high:] == 1).all()
    assert (out[:, :, wide:] == 1).all()


@pytest.mark.parametrize("shape", [(1, 10000), (10000, 1), (1, 1)])
@pytest.mark.parametrize("mode", ["fit", "stretch", "crop"])
def test_thin_pictures_never_lose_a_side(shape: tuple[int, int], mode: str) -> None:
    out = resized(np.full((*shape, 3), 90, np.uint8), mode=mode, size=64, multiple=16)
    assert min(out.shape) >= 3
    if mode != "fit":
        assert out.shape == (3, 64, 64)
        assert np.abs(out - 90 / 255).max() < 1e-6


def triangle(row: np.ndarray, size: int) -> np.ndarray:
    """One line resampled by the definition: a triangle, max(1, reduction) wide to each side of a pixel's centre."""
    reach = max(1.0, len(row) / size)
    at = (np.arange(size) + 0.5) * len(row) / size
    weight = np.maximum(0, 1 - np.abs(np.arange(len(row)) + 0.5 - at[:, None]) / reach)
    return (weight / weight.sum(axis=1, keepdims=True)) @ row


@pytest.mark.parametrize(("high", "wide", "size"), [(40, 60, 60), (40, 60, 24), (13, 57, 31), (9, 5, 64)])
def test_pixels_are_the_triangle_filter_by_its_formula(high: int, wide: int, size: int) -> None:
    array = np.random.default_rng(5).integers(0, 256, (high, wide, 3), dtype=np.uint8)
    for channel in range(3):
        down = np.array([triangle(line, size) for line in array[:, :, channel].T.astype(float)]).T
        both = np.array([triangle(line, size) for line in down])
        assert np.abs(resized(array, mode="stretch", size=size)[channel] * 255 - both).max() <= 1.01


def test_crop_takes_the_centred_square() -> None:
    array = np.full((30, 90, 3), 255, np.uint8)
    array[:, 30:60] = 10
    out = resized(array, mode="crop", size=30)
    assert out.shape == (3, 30, 30)
    assert np.abs(out - 10 / 255).max() < 1e-6
    upright = resized(array.transpose(1, 0, 2), mode="crop", size=30)
    assert (upright == out.transpose(0, 2, 1)).all()


def test_resize_leaves_channels_and_a_fitting_picture_alone() -> None:
    out = resized(QUADRANTS, mode="fit", size=64)
    assert (np.rint(out * 255).astype(np.uint8) == QUADRANTS.transpose(2, 0, 1)).all()


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 4), np.uint8)],
)
def test_resize_refuses_other_arrays(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\]"):
        images.resize(wrong, Preprocess())


def test_find_walks_in_order_and_takes_files_as_given(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "b/1.jpg", "a.webp", "b/deep/er/x.heic", "notes.txt", "c.tiff"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    names = ["a.webp", "b/1.jpg", "b/2.PNG", "b/deep/er/x.heic", "c.tiff"]
    assert list(images.find(tmp_path)) == [str(tmp_path / name) for name in names]
    assert list(images.find([str(tmp_path)], recursive=False)) == [str(tmp_path / n) for n in ("a.webp", "c.tiff")]
    given_ = [tmp_path / "notes.txt", tmp_path / "missing.png", tmp_path / "b" / "deep"]
    assert list(images.find(given_)) == [str(given_[0]), str(given_[1]), str(given_[2] / "er/x.heic")]


def test_find_survives_loops_and_dead_links(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.png").write_bytes(SAMPLES["png"])
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    (tmp_path / "in" / "twin").symlink_to(tmp_path / "in")
    (tmp_path / "dead.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "round.png").symlink_to(tmp_path / "round.png")
    found = list(images.find([tmp_path]))
    assert found == [str(tmp_path / name) for name in ("dead.png", "in/1.png", "round.png")]
    for name, reason in (
        ("dead.png", "it is a link to a file that is not there"),
        ("round.png", "go round in a circle"),
    ):
        with pytest.raises(ImageError, match=reason):
            images.load(tmp_path / name)


ODD = ["with space.png", "ünï-漢字-🎼.png", "two\nlines.png", "-dash.png", "quote'\".png", "#page=9.png", "%s{}.png"]


@pytest.mark.parametrize("name", [*map(os.fsencode, ODD), b"latin-\xff\xfe.png"])
def test_odd_names_are_found_read_and_named_in_errors(tmp_path: Path, name: bytes) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(SAMPLES["png"])
    (found,) = images.find([tmp_path])
    assert os.fsencode(found) == path
    assert (images.load(found) == QUADRANTS).all()
    with open(path, "wb"):
        pass
    with pytest.raises(ImageError, match="empty") as caught:
        images.load(found)
    assert caught.value.path == found
    str(caught.value).encode()  # can be printed
    assert "\n" not in str(caught.value)


def test_sorted_walk_of_the_whole_is_the_sorted_walk_of_the_parts(tmp_path: Path) -> None:
    for n in range(20):
        (tmp_path / f"{n % 3}").mkdir(exist_ok=True)
        (tmp_path / f"{n % 3}" / f"{n:02}.gif").write_bytes(b"")
    found = list(images.find(tmp_path))
    assert len(found) == 20
    assert all(a < b for a, b in pairwise(found))
