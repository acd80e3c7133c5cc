"""Copies are found, exact and near; different pictures, blank ones and differently coloured ones are not."""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, PngImagePlugin
from skimage import data

from drawn import picture
from openset.data.near import RADIUS, close_pairs, clusters, exact, hamming, join
from openset.data.prints import _DCT, Seen, _read_all, dhash, fingerprint, phash

PHOTOS = (
    "astronaut",
    "camera",
    "chelsea",
    "coffee",
    "coins",
    "horse",
    "immunohistochemistry",
    "page",
    "rocket",
    "retina",
    "text",
)


def photo(name: str) -> Image.Image:
    return Image.fromarray(
        np.asarray(getattr(data, name)()).astype(np.uint8) * (255 if name == "horse" else 1)
    ).convert("RGB")


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


ALTERED = {
    "half the size": lambda im: scaled(im, 0.5),
    "a thumbnail": lambda im: recompressed(scaled(im, 96 / max(im.size)), 60),
    "made square": lambda im: im.resize((224, 224)),
    "JPEG of quality 30": lambda im: recompressed(im, 30),
    "a little brighter": lambda im: ImageEnhance.Brightness(im).enhance(1.1),
    "darker": lambda im: ImageEnhance.Brightness(im).enhance(0.8),
    "less contrast": lambda im: ImageEnhance.Contrast(im).enhance(0.8),
    "more colourful": lambda im: ImageEnhance.Color(im).enhance(1.4),
}


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("album")
    paths = []
    for name in PHOTOS:
        scaled(photo(name), 240 / max(photo(name).size)).save(folder / f"{name}.png")
        paths.append(str(folder / f"{name}.png"))
    return paths


@pytest.mark.parametrize("change", ALTERED)
def test_an_altered_copy_of_a_photograph_is_found_and_no_other(album: list[str], change: str, tmp_path: Path) -> None:
    copies = []
    for path in album:
        copies.append(str(tmp_path / Path(path).name))
        ALTERED[change](Image.open(path)).save(copies[-1])
    n = len(album)
    label = clusters(fingerprint(album + copies))
    assert label.tolist() == [*range(n), *range(n)]


def test_different_pages_of_text_are_told_apart_and_a_scan_of_one_is_found(tmp_path: Path) -> None:
    words = np.random.default_rng(0)
    paths = []
    for page in range(12):
        sheet = Image.new("L", (420, 560), 255)
        for line in range(28):
            text = " ".join("x" * int(words.integers(1, 9)) for _ in range(11))[:60]
            ImageDraw.Draw(sheet).text((30, 20 + 18 * line), text, fill=0)
        paths.append(str(tmp_path / f"{page}.png"))
        sheet.save(paths[-1])
    scan = recompressed(scaled(Image.open(paths[3]).convert("RGB"), 0.7), 50)
    scan.save(tmp_path / "scan.png")
    label = clusters(fingerprint([*paths, str(tmp_path / "scan.png")]))
    assert label.tolist() == [*range(12), 3]


def test_colour_tells_pictures_apart(tmp_path: Path) -> None:
    """Red and blue balls may be two classes: equal but for their colour is not a copy."""
    paths = []
    for colour in ("#c00000", "#0000ff", "#808080"):
        sheet = Image.new("RGB", (80, 80), "white")
        ImageDraw.Draw(sheet).ellipse((10, 22, 60, 72), fill=colour)
        paths.append(str(tmp_path / f"{colour[1:]}.png"))
        sheet.save(paths[-1])
    assert clusters(fingerprint(paths)).tolist() == [0, 1, 2]


def test_blank_pictures_are_linked_only_when_equal(tmp_path: Path) -> None:
    noise = np.random.default_rng(1)
    paths = []
    for n in range(8):
        paper = 245 + noise.integers(-4, 5, (90, 70 + n, 3))
        paths.append(str(tmp_path / f"paper{n}.png"))
        Image.fromarray(paper.astype(np.uint8)).save(paths[-1])
    for n, (side, gray) in enumerate([(64, 255), (65, 255), (64, 0), (64, 255)]):
        paths.append(str(tmp_path / f"plain{n}.bmp"))
        Image.new("RGB", (side, side), (gray,) * 3).save(paths[-1])
    prints = fingerprint(paths)
    assert prints.blank.all()
    assert prints.constant.tolist() == [True] * 12
    assert clusters(prints).tolist() == [*range(11), 8]


def test_equal_pixels_are_exact_copies_whatever_the_file(tmp_path: Path) -> None:
    image = picture(5)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.bmp")
    note = PngImagePlugin.PngInfo()
    note.add_text("comment", "another file, the same picture")
    image.save(tmp_path / "c.png", pnginfo=note)
    big = photo("rocket")
    big.save(tmp_path / "d.jpg", quality=90)
    big.save(tmp_path / "e.jpg", quality=90, comment=b"the same pixels")
    big.save(tmp_path / "f.jpg", quality=89)
    label = exact(fingerprint([str(tmp_path / n) for n in ("a.png", "b.bmp", "c.png", "d.jpg", "e.jpg", "f.jpg")]))
    assert label.tolist() == [0, 0, 0, 3, 3, 5]


def test_the_clusters_do_not_depend_on_the_order(tmp_path: Path) -> None:
    paths = []
    for n in range(12):
        paths.append(str(tmp_path / f"{n}.png"))
        scaled(picture(n // 3), 1 + n % 3).save(paths[-1])

    def sets(order: list[str]) -> set[frozenset[str]]:
        label = clusters(fingerprint(order)).tolist()
        return {frozenset(p for p, g in zip(order, label, strict=True) if g == one) for one in label}

    shuffled = [paths[k] for k in np.random.default_rng(3).permutation(12)]
    assert sets(paths) == sets(shuffled) == {frozenset(paths[k : k + 3]) for k in range(0, 12, 3)}


def test_an_unreadable_file_says_why_and_disturbs_nothing(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    told: list[tuple[int, int]] = []
    names = ["bad.png", "good.png", "empty.png", "missing.png"]
    prints = fingerprint([str(tmp_path / n) for n in names], progress=lambda done, total: told.append((done, total)))
    assert [error is None for error in prints.error] == [False, True, False, False]
    assert clusters(prints).tolist() == exact(prints).tolist() == [0, 1, 2, 3]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_what_was_seen_is_not_read_again(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{n}.png") for n in range(5)]
    for n, path in enumerate(paths[:4]):
        picture(n).save(path)
    seen: Seen = {}
    first = fingerprint(paths, seen=seen)
    for path in paths[:4]:
        Path(path).unlink()
    picture(9).save(paths[4])
    again = fingerprint(paths[::-1], seen=seen)
    assert again.error == first.error[::-1]  # that of the last too, although it can be read by now
    assert again.pixel_digest == first.pixel_digest[::-1]
    np.testing.assert_array_equal(again.thumb, first.thumb[::-1])
    assert [error is None for error in fingerprint(paths).error] == [False] * 4 + [True]


def test_no_pictures_have_no_copies() -> None:
    prints = fingerprint([])
    assert len(prints) == len(clusters(prints)) == len(exact(prints)) == 0


def test_few_pictures_are_held_at_a_time(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "a.png")
    asked = []

    class Paths(list[str]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            for _ in range(100):
                asked.append(1)
                yield str(tmp_path / "a.png")

    reader = _read_all(Paths(), threads=2)
    next(reader)
    assert len(asked) <= 8
    reader.close()  # and the threads end


thumbs = st.builds(
    lambda s: np.random.default_rng(s).integers(40, 200, (32, 32), dtype=np.uint8), st.integers(0, 10**6)
)


@given(thumbs, st.integers(-40, 55))
@settings(max_examples=30, deadline=None)
def test_brightness_changes_no_hash(thumb: np.ndarray, more: int) -> None:
    brighter = (thumb.astype(int) + more).astype(np.uint8)
    assert dhash(brighter) == dhash(thumb)
    assert phash(brighter) == phash(thumb)


@given(thumbs)
@settings(max_examples=30, deadline=None)
def test_a_cell_brighter_than_its_neighbour_is_not_so_in_the_negative(thumb: np.ndarray) -> None:
    """Also half of the 63 AC coefficients lie above their median, so a pHash has 31 ones."""
    assert dhash(255 - thumb) & dhash(thumb) == 0
    assert phash(thumb).bit_count() == 31


def test_the_dct_rows_are_orthonormal() -> None:
    np.testing.assert_allclose(_DCT @ _DCT.T, np.eye(8), atol=1e-12)


def test_hamming_counts_bits() -> None:
    a, b = np.random.default_rng(0).integers(0, 2**64, (2, 500), dtype=np.uint64)
    assert hamming(a, b).tolist() == [(int(x) ^ int(y)).bit_count() for x, y in zip(a, b, strict=True)]
    assert hamming(np.uint64([0]), np.uint64([2**64 - 1])).tolist() == [64]


@pytest.mark.parametrize("free_bits", [0, 0xFFFF, 0x0F0F00FF00010003, 0x8001800180018001, 2**64 - 1])
def test_close_pairs_are_those_of_brute_force_each_once(free_bits: int) -> None:
    rng = np.random.default_rng(free_bits % 1000)
    codes = rng.integers(0, 2**64, 300, dtype=np.uint64) & np.uint64(free_bits)
    for k in range(100):  # and near copies, up to just outside the radius
        flips = rng.choice(64, int(rng.integers(0, RADIUS + 3)), replace=False)
        codes[k] = int(codes[k + 100]) ^ sum(1 << int(bit) for bit in flips)
    found = [tuple(sorted(pair)) for i, j in close_pairs(codes) for pair in zip(i.tolist(), j.tolist(), strict=True)]
    wanted = [(a, b) for a, b in combinations(range(300), 2) if (int(codes[a]) ^ int(codes[b])).bit_count() <= RADIUS]
    assert sorted(found) == wanted


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
@settings(max_examples=60, deadline=None)
def test_join_is_the_smallest_node_that_can_be_reached(links: list[tuple[int, int]]) -> None:
    reach = list(range(20))
    for _ in range(20):  # relax until nothing changes
        for a, b in links:
            reach[a] = reach[b] = min(reach[a], reach[b])
    ends = np.array(links, np.intp).reshape(-1, 2)
    half = len(links) // 2
    at_once = join(np.arange(20), ends[:, 0], ends[:, 1])
    in_two = join(join(np.arange(20), *ends[:half].T), *ends[half:].T)
    assert at_once.tolist() == in_two.tolist() == reach
