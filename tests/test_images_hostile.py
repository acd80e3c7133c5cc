"""Files from strangers: cut, empty, foreign, enormous, strange on the disk. Each a picture or one clear ImageError."""

from __future__ import annotations

import io
import os
import socket
import struct
import subprocess
import sys
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from openset import _decode, _pdf, images
from openset.errors import ImageError
from picture_samples import PICTURES, QUADRANTS, png_chunk, png_file, samples, saved, tiff_file

SAMPLES = samples()
CHILD = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
NOISE = np.random.default_rng(3).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def reason(source: str | Path | bytes, **options: object) -> str:
    """Why a source gives no picture; every error names the file and a remedy."""
    with pytest.raises(ImageError) as caught:
        images.load(source, **options)  # type: ignore[arg-type]
    error = caught.value
    assert repr(error.path) in str(error)
    assert error.reason in str(error)
    assert error.remedy
    assert str(error).endswith(error.remedy)
    return error.reason


# ---- cut short


@pytest.mark.parametrize("name", list(SAMPLES))
def test_no_beginning_of_a_file_gives_another_picture(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Every prefix is refused, or (where only what follows the first picture is missing) gives the same pixels."""
    data = SAMPLES[name]
    whole = images.load(data)
    step = 97 if name == "pdf" else max(1, len(data) // 150)
    for end in range(0, len(data), step):
        try:
            part = images.load(data[:end])
        except ImageError:
            continue
        assert (part == whole).all(), end
    capfd.readouterr()  # libtiff complains on stderr


def test_only_the_tails_that_load_names_may_be_missing(capfd: pytest.CaptureFixture[str]) -> None:
    """One byte less is refused but for a GIF, further pages, a faxed TIFF and a PDF; and then the pixels are the same."""
    bits = Image.fromarray(QUADRANTS).convert("1")
    files = SAMPLES | {name: saved(bits, "TIFF", compression=name) for name in ("group3", "group4")}
    spared = set()
    for name, data in files.items():
        try:
            part = images.load(data[:-1])
        except ImageError:
            continue
        spared.add(name)
        assert (part == images.load(data)).all(), name
    assert spared == {"gif", "gif-animated", "tiff-pages", "group3", "group4", "pdf"}
    for name in ("png", "jpeg"):
        assert (images.load(files[name] + b"more") == images.load(files[name])).all()
    capfd.readouterr()


NOISY = {
    "JPEG": {"quality": 90},
    "JPEG progressive": {"progressive": True},
    "PNG": {},
    "WEBP": {},
    "GIF": {},
    "BMP": {},
    "TIFF": {},
    "TIFF lzw": {"compression": "tiff_lzw"},
    "TIFF jpeg": {"compression": "jpeg"},
    "AVIF": {"speed": 10},
}


@pytest.mark.parametrize("kind", list(NOISY))
def test_half_a_picture_is_an_error(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = saved(Image.fromarray(NOISE), kind.split()[0], **NOISY[kind])
    images.load(data)
    for share in (0.2, 0.5, 0.8, 0.97):
        assert reason(data[: int(len(data) * share)])
    capfd.readouterr()


def test_a_jpeg_filled_up_with_zeros_is_an_error() -> None:
    """What an interrupted download into a preallocated file leaves; Pillow alone gives a half-gray picture."""
    data = saved(Image.fromarray(NOISE), "JPEG")
    assert reason(data[: len(data) // 2] + bytes(len(data) // 2)) == "the JPEG is cut short (no end marker)"


def test_truncated_stays_an_error_where_the_program_told_pillow_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF"):
        data = saved(Image.fromarray(NOISE), kind)
        assert images.load(data).shape == NOISE.shape
        assert "cut short" in reason(data[: len(data) * 2 // 3]), kind


def test_a_flipped_bit_in_a_png_is_found() -> None:
    data = bytearray(saved(Image.fromarray(NOISE), "PNG"))
    data[len(data) // 2] ^= 1
    assert "checksum of IDAT is wrong" in reason(bytes(data))


# ---- what is no picture

FOREIGN = {
    "empty": (b"", "empty"),
    "zeros": (bytes(5000), "zero bytes"),
    "text": (b"Dear Sir,\nenclosed you find\n", "text"),
    "utf-16 text": (("Grüße aus Wien\n" * 9).encode("utf-16"), "text"),
    "zip": (b"PK\3\4" + bytes(40), "ZIP"),
    "html": (b"\n<!DOCTYPE html><html><body>404 Not Found</body></html>", "web page"),
    "svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "xml": (b'<?xml version="1.0"?><score-partwise/>', "XML"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "PostScript"),
    "photoshop": (b"8BPS\0\1" + bytes(60), "Photoshop"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "JPEG 2000"),
    "mp4": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(40), "video"),
    "canon raw": (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "Canon raw"),
    "midi": (b"MThd\0\0\0\6", "MIDI"),
    "random": (np.random.default_rng(0).bytes(999), "a kind of file that is not known"),
    "bm text": (b"BMW drives along the road to the north\n", "text"),
    "one byte": (b"\xff", "a kind of file that is not known"),
}


@pytest.mark.parametrize("name", list(FOREIGN))
def test_foreign_files_are_named_for_what_they_look_like(name: str, tmp_path: Path) -> None:
    data, word = FOREIGN[name]
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    assert word in reason(path)


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    for n, (name, data) in enumerate(SAMPLES.items()):
        wrong = tmp_path / f"{n}.{'png' if 'png' not in name else 'jpg'}"
        wrong.write_bytes(data)
        assert (images.load(wrong) == images.load(data)).all(), name


def test_other_decoders_of_pillow_never_run() -> None:
    """Formats that are not named (ICO, PPM, TGA, PCX, JPEG 2000, EPS) are refused though Pillow could read them."""
    for kind in ("ICO", "PPM", "TGA", "PCX", "JPEG2000", "EPS"):
        assert reason(saved(Image.fromarray(QUADRANTS), kind)).startswith("not a picture"), kind


def test_pdf_locked_with_a_password() -> None:
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
        b"<</Filter/Standard/V 1/R 2/P -4/O<" + b"11" * 32 + b">/U<" + b"22" * 32 + b">>>",
    ]
    data, places = b"%PDF-1.4\n", []
    for n, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj" % n + body + b"endobj\n"
    table = b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer<</Size 5/Root 1 0 R/Encrypt 4 0 R/ID[<00><00>]>>\nstartxref\n%d\n%%%%EOF" % len(data)
    assert reason(data + table + trailer) == "the PDF is locked with a password"


# ---- bombs: refused by their headers, or read in the memory the picture needs


def test_a_png_of_50000_by_50000() -> None:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 50000, 50000, 8, 2, 0, 0, 0))
    packer = zlib.compressobj(9)
    pixels = packer.compress(bytes(1 << 20)) + packer.flush()
    data = b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")
    assert len(data) < 2000
    assert "50000 x 50000 pixels are more than the limit" in reason(data)


def test_gigabytes_hidden_in_a_small_png_are_never_unpacked() -> None:
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 22)) for _ in range(64)) + packer.flush()  # 256 MiB
    assert len(bomb) < 300_000
    row = bytes([0, 1, 2, 3])
    for chunk in (b"zTXt", b"iCCP", b"iTXt"):
        body = b"a\0\1\0\0\0" + bomb if chunk == b"iTXt" else b"a\0\0" + bomb
        assert images.load(png_file(1, 1, 8, 2, row, png_chunk(chunk, body))).tolist() == [[[1, 2, 3]]]
    head, tail = png_file(1, 1, 8, 2, row)[:33], png_chunk(b"IEND", b"")
    assert images.load(head + png_chunk(b"IDAT", bomb) + tail).tolist() == [[[0, 0, 0]]]
    strip = tiff_file(4, 4, bomb, compression=8, rows=2**31 - 1)
    assert (images.load(strip) == 0).all()
    assert "1 x 1 pixels in tiles that hold 1074 million" in reason(
        tiff_file(1, 1, bomb, compression=8, tile_width=1 << 16, tile_height=1 << 14)
    )


def enlarged(name: str, marker: bytes, skip: int, form: str, *sides: int) -> bytes:
    """A sample whose header claims other sides."""
    data = SAMPLES[name]
    at = data.index(marker) + skip
    return data[:at] + struct.pack(form, *sides) + data[at + struct.calcsize(form) :]


def test_headers_that_claim_enormous_pictures_are_refused() -> None:
    canvas = b"\x0a\0\0\0" + bytes(4) + (16383).to_bytes(3, "little") * 2
    webp = b"RIFF" + struct.pack("<I", len(SAMPLES["webp"]) + 10) + b"WEBPVP8X" + canvas + SAMPLES["webp"][12:]
    claims = {
        "gif": enlarged("gif", b"GIF8", 6, "<HH", 65535, 65535),
        "bmp": enlarged("bmp", b"BM", 18, "<II", 60000, 60000),
        "webp": webp,
        "tiff": tiff_file(60000, 60000, b"", compression=8),
        "jpeg": enlarged("jpeg", b"\xff\xc0", 5, ">HH", 65500, 65500),
        "jpeg-progressive": enlarged("jpeg-progressive", b"\xff\xc2", 5, ">HH", 65500, 65500),
        "avif": enlarged("avif", b"ispe", 8, ">II", 30000, 30000),
        "heic": enlarged("heic", b"ispe", 8, ">II", 30000, 30000),
    }
    for name, data in claims.items():
        assert reason(data, size_hint=64), name


def test_a_heif_whose_item_types_are_no_text_is_refused() -> None:
    """Found by fuzzing: pi_heif 1.4.0 crashes on it, and a crash would end the run for every other file."""
    good = (PICTURES / "turned.heic").read_bytes()
    at = good.index(b"infe", good.index(b"infe") + 4)
    assert good[at + 12 : at + 16] == b"Exif"  # the second item
    damaged = "the HEIF is damaged (the type of an item is no text)"
    for start in (at + 12, at + 13):
        assert reason(good[:start] + b"\xdb\xff" + good[start + 2 :]) == damaged
    mime = b"infe\x02\0\0\0\0\x02\0\0mimeXMP\0\xffpplication\0"
    hidden = good[: at - 4] + struct.pack(">I", 4 + len(mime)) + mime + good[at - 4 :]
    assert reason(hidden) == damaged
    many = good + (struct.pack(">I", 20) + b"infe\x02\0\0\0\0\x02\0\0mime") * 20_000
    assert reason(many) == "the HEIF has more than 10,000 items"
    by_chance = good + b"\xff\xff\xff\xffinfe" + bytes(8) + b"\xdb\xff"  # among what is no box
    assert images.load(by_chance).shape == images.load(good).shape


def retyped(data: bytes, *tags: int) -> bytes:
    """A TIFF whose tags are signed numbers (SLONG), which readers take as well as unsigned ones."""
    for tag in tags:
        data = data.replace(struct.pack("<HH", tag, 4), struct.pack("<HH", tag, 9))
    return data


def test_no_header_that_decoders_read_otherwise_hides_the_size() -> None:
    """Each file gives 400 x 400 pixels, or a tile of as many, to some decoder, and says 1 x 1 somewhere."""
    small = images.Limits(max_pixels=10_000)
    size = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 400, 400, 8, 0, 0, 0, 0))
    assert (
        reason(png_file(1, 1, 8, 0, bytes(401 * 400), size), limits=small) == "the PNG is damaged (two header chunks)"
    )
    plain = tiff_file(400, 400, bytes(160_000))
    assert images.load(retyped(plain, 256, 257)).shape == (400, 400, 3)
    assert "400 x 400 pixels are more than" in reason(retyped(plain, 256, 257), limits=small)
    tile = tiff_file(1, 1, zlib.compress(bytes(160_000)), compression=8, tile_width=400, tile_height=400)
    assert images.load(tile).shape == images.load(retyped(tile, 322, 323)).shape == (1, 1, 3)
    assert "tiles that hold" in reason(tile, limits=small)
    assert "tiles that hold" in reason(retyped(tile, 322, 323), limits=small)
    low = tiff_file(1, 1, b"", compression=8, tile_width=16, tile_height=16)
    twice = low.replace(struct.pack("<HHII", 277, 4, 1, 1), struct.pack("<HHII", 322, 4, 1, 400_000))
    assert reason(twice, limits=small) == "the TIFF is damaged (its tag 322 stands twice)"
    many = plain[:8] + struct.pack("<H", 5000) + plain[10:]
    assert reason(many, limits=small) == "the TIFF has 5000 tags, more than 4096"


def test_two_frame_headers_never_make_a_jpeg_larger_than_the_first_says() -> None:
    data = SAMPLES["jpeg"]
    at, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    frame = data[at : at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")]
    tiny = frame[:5] + struct.pack(">HH", 8, 8) + frame[9:]
    limits = images.Limits(max_pixels=64)
    assert "two frame sizes" in reason(data[:at] + tiny + data[at:], limits=limits)
    assert "64 x 48 pixels" in reason(data[: at + len(frame)] + tiny + data[at + len(frame) :], limits=limits)
    first = data[:at] + tiny + data[at + len(frame) : scan + 14] + bytes(9)
    assert "damaged" in reason(first + frame + data[scan:], limits=limits)


def test_a_jpeg_of_several_scans_counts_in_full_whatever_its_scale() -> None:
    """libjpeg keeps such a picture's coefficients whole: at 1/8 they are 400 times what is decoded."""
    data, limits = SAMPLES["jpeg"], images.Limits(max_pixels=64)
    scan = data.index(b"\xff\xda")
    assert images.load(data, size_hint=8, limits=limits).shape == (6, 8, 3)
    alone = [b"\xff\xda" + struct.pack(">HBBB", 8, 1, n, 17 * (n > 1)) + b"\0\x3f\0" for n in (1, 2, 3)]
    blank = data[:scan] + b"".join(head + bytes(60) for head in alone) + b"\xff\xd9"
    assert images.load(blank, size_hint=8).shape == (6, 8, 3)
    assert "64 x 48 pixels are more than the limit" in reason(blank, size_hint=8, limits=limits)


def test_a_jpeg_with_a_thousand_scans_is_refused() -> None:
    data = SAMPLES["jpeg-progressive"]
    last = data.rindex(b"\xff\xda")
    assert "more than 100 scans" in reason(data[:last] + data[last:-2] * 1000 + b"\xff\xd9")


def test_a_tiff_with_millions_of_strips_is_refused() -> None:
    table = [(256, 1), (257, 9_000_000), (258, 8), (259, 1), (262, 1), (277, 1), (278, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in table)
    entries += struct.pack("<HHII", 273, 4, 9_000_000, 200) + struct.pack("<HHII", 279, 4, 9_000_000, 200)
    strips = bytes(100)  # the tables themselves need not be there
    said = reason(b"II*\0" + struct.pack("<IH", 8, 9) + entries + strips + bytes(200))
    assert said == "the TIFF lists 18000000 strips or tiles, more than 4000000"


def test_the_limits_are_those_given() -> None:
    assert images.load(SAMPLES["png"], limits=images.Limits(max_pixels=64 * 48)).shape == (48, 64, 3)
    for name in SAMPLES:
        assert "pixels" in reason(SAMPLES[name], limits=images.Limits(max_pixels=64 * 48 - 1)), name
    assert "MB, more than the limit" in reason(SAMPLES["bmp"], limits=images.Limits(max_bytes=9000))
    for name in ("jpeg", "png", "gif", "bmp", "tiff", "pdf", "webp", "avif", "heic"):
        assert "took more than 0 s" in reason(SAMPLES[name], limits=images.Limits(max_seconds=0)), name
    jpeg = saved(Image.new("L", (1600, 800), 99), "JPEG")
    small = images.Limits(max_pixels=100_000)
    assert images.load(jpeg, size_hint=400, limits=small).shape == (200, 400, 3)  # of the picture as decoded
    assert "1600 x 800" in reason(jpeg, limits=small)


# ---- strange things on the disk


def test_nothing_but_a_regular_file_is_opened(tmp_path: Path) -> None:
    assert reason(tmp_path) == "it is a folder, not a file"
    os.mkfifo(tmp_path / "pipe.png")
    assert reason(tmp_path / "pipe.png") == "it is a named pipe, not a file"  # opening it would wait for ever
    assert reason("/dev/zero") == "it is a device, not a file"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.png"))
        assert reason(tmp_path / "s.png") == "it is a socket, not a file"


def test_paths_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("b.png")
    (tmp_path / "b.png").symlink_to("a.png")
    assert "circle" in reason(tmp_path / "a.png")
    assert "no such file" in reason(tmp_path / "none.png")
    assert "no such file" in reason("")
    assert "not a folder" in reason(Path(__file__) / "x.png")
    assert "too long" in reason(tmp_path / ("x" * 300))
    assert "not a possible one" in reason("a\0b.png")
    assert "not a possible one" in reason("\ud800.png")


def test_a_file_that_vanishes_between_finding_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "soon gone.jpg"
    path.write_bytes(SAMPLES["jpeg"])
    (found,) = images.find(tmp_path)
    path.unlink()
    assert "no such file" in reason(found)


def test_permission_denied(tmp_path: Path) -> None:
    """Run as nobody in a child process, since for root nothing is denied."""
    path = tmp_path / "locked.png"
    path.write_bytes(SAMPLES["png"])
    path.chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    if os.geteuid() != 0:
        assert reason(path) == "permission denied"
        assert list(images.find(tmp_path)) == [str(tmp_path / "closed"), str(path)]
        return
    program = (
        "import os, sys\n"
        "from openset import images\n"
        "import PIL.PngImagePlugin\n"
        "os.chdir(sys.argv[1])\n"
        "os.setgid(65534), os.setuid(65534)\n"
        "print(list(images.find('.')))\n"
        "try: images.load('locked.png')\n"
        "except images.ImageError as error: print(error.reason)\n"
    )
    tmp_path.chmod(0o755)
    run = [sys.executable, "-c", program, str(tmp_path)]
    told = subprocess.run(run, capture_output=True, text=True, check=True, env=CHILD)
    assert told.stdout.splitlines() == ["['./closed', './locked.png']", "permission denied"]


# ---- beside other code in the same process


def test_many_threads_get_what_one_gets() -> None:
    names = [name for name in SAMPLES if name != "pdf"] * 3 + ["pdf"] * 2
    alone = {name: images.load(SAMPLES[name]) for name in set(names)}
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        for name, array in zip(names, pool.map(lambda name: images.load(SAMPLES[name]), names), strict=True):
            assert (array == alone[name]).all(), name
    assert warnings.filters == before


def test_a_pdf_page_has_its_time_from_when_its_turn_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One page is drawn at a time in a process. The clock here runs on by an hour while it waits for others' pages."""
    lock, late, clock = _pdf._lock, 0, time.monotonic

    class Queue:
        def __enter__(self) -> None:
            nonlocal late
            lock.acquire()
            late += 3600

        def __exit__(self, *_: object) -> None:
            lock.release()

    monkeypatch.setattr(_pdf, "_lock", Queue())
    monkeypatch.setattr(time, "monotonic", lambda: clock() + late)
    page, pages = _decode.here("PDF", SAMPLES["pdf"], size_hint=None, max_pixels=1e7, max_seconds=60, page=0)
    assert page.shape == (1500, 2000, 3)
    assert pages == 2
    assert late == 3600


def test_pillows_warnings_neither_leak_nor_stop_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under warnings as errors, which this whole test run is. Each file is shown to make Pillow alone warn."""
    jpeg = saved(Image.fromarray(QUADRANTS), "JPEG", subsampling=0, quality=95)
    body = b"Exif\0\0II*\0\x08\0\0\0\x09\0" + b"\x1a\x01\x05\0\xff\0\0\0\xff\xff\0\0" * 2  # cut short
    torn_exif = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[20:]
    bad_apng = png_file(1, 1, 8, 0, bytes([0, 7]), png_chunk(b"acTL", bytes(8)))
    for data, says in ((torn_exif, "Tag data|Corrupt EXIF"), (bad_apng, "Invalid APNG")):
        with pytest.warns(UserWarning, match=says), Image.open(io.BytesIO(data)) as image:
            image.getexif()
        images.load(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # as a careful program would set it for its own pictures
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(SAMPLES["png"]))
    for name, data in SAMPLES.items():
        if name != "pdf":
            assert images.load(data).shape == (48, 64, 3), name
    assert Image.MAX_IMAGE_PIXELS == 2000
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert "limit of 0.002 million" in reason(SAMPLES["tiff"])


def test_nothing_heavy_is_imported_before_it_is_needed(tmp_path: Path) -> None:
    program = (
        "import sys, openset.images as images\n"
        "heavy = ('PIL', 'pi_heif', 'pypdfium2', 'scipy', 'torch')\n"
        "print([m for m in sys.modules if m.split('.')[0] in heavy])\n"
        "images.load(open(sys.argv[1], 'rb').read())\n"
        "print([m for m in sys.modules if m.split('.')[0] in heavy])\n"
        "images.load(open(sys.argv[2], 'rb').read())\n"
        "print(*(m for m in sys.modules if 'ImagePlugin' in m or m in ('pi_heif', 'pypdfium2')))\n"
    )
    (tmp_path / "x.gif").write_bytes(SAMPLES["gif"])
    run = [sys.executable, "-c", program, str(PICTURES / "quadrants.heic"), str(tmp_path / "x.gif")]
    told = subprocess.run(run, capture_output=True, text=True, check=True, env=CHILD)
    before, heic, gif = told.stdout.splitlines()
    assert before == heic == "[]"  # a HEIF is decoded in a process of its own
    assert "PIL.GifImagePlugin" in gif.split()
    assert "PIL.PngImagePlugin" not in gif.split()


# ---- anything at all


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real file with bytes flipped, pieces cut, doubled or taken from another file."""
    data = bytearray(SAMPLES[draw(st.sampled_from(sorted(SAMPLES)))])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(1, 40)))
        what = draw(st.sampled_from(["flip", "set", "cut", "end", "double", "splice"]))
        if what == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif what == "set":
            data[at:end] = draw(st.binary(min_size=1, max_size=8))
        elif what == "cut":
            del data[at:end]
        elif what == "end":
            del data[at:]
        elif what == "double":
            data[at:at] = data[at:end]
        elif what == "splice":
            other = SAMPLES[draw(st.sampled_from(sorted(SAMPLES)))]
            data[at:end] = other[draw(st.integers(0, len(other))) :][:400]
        if not data:
            break
    return bytes(data)


FUZZ_LIMITS = images.Limits(max_pixels=4_000_000, max_seconds=10)


@given(data=mutated(), hint=st.sampled_from([None, 1, 20, 64, 3000]))
@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_mutated_files_give_a_picture_or_an_image_error(data: bytes, hint: int | None) -> None:
    try:
        array = images.load(data, size_hint=hint, limits=FUZZ_LIMITS)
    except ImageError as error:
        assert error.reason  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert array.dtype == np.uint8
    assert array.ndim == 3
    assert array.shape[2] == 3
    assert min(array.shape) > 0


@given(data=st.binary(max_size=300), head=st.sampled_from([b"", *(data[:24] for data in SAMPLES.values())]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_noise_after_a_true_beginning_is_an_error_or_a_picture(data: bytes, head: bytes) -> None:
    try:
        assert images.load(head + data, limits=FUZZ_LIMITS).dtype == np.uint8
    except ImageError:
        return
