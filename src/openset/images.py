"""Any picture -> uint8 RGB, safely: the one door by which strangers' files come in.

Reads JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, HEIF and PDF pages (first frame, first page), whatever the file is called.
Every file gives a picture or one `ImageError` that names it and the remedy; nothing crashes, hangs or is dropped.
Sizes are checked before decoding; files that are no regular files (pipes, devices, folders) are never opened.
`resize` then makes the pixels a judge takes. Safe to call from many threads; nothing of Pillow's global state changes.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import _decode, _formats, _several
from ._formats import UnreadableError
from ._words import counted
from .errors import ImageError
from .types import Preprocess

SUFFIXES: frozenset[str] = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".dib"}
    | {".avif", ".heic", ".heif", ".hif", ".pdf"}
)
"""The lower-case endings looked for when a folder is walked. A file named outright may have any."""


LEFT_BEHIND = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "icon\r"})
"""What macOS, Windows and Synology leave in folders, in lower case."""


def is_hidden(name: str) -> bool:
    """Is this name hidden (a dot in front) or left behind by an operating system?"""
    return name.startswith(".") or name.lower() in LEFT_BEHIND


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost.

    max_bytes: of the file. max_pixels: of the picture as decoded (a JPEG of one scan at its reduced scale); the default
    is Pillow's own hard limit and takes about 1.3 GB of memory, in HEIF 2.3. With more, WebP and TIFF still stop there unless the
    program also raised `PIL.Image.MAX_IMAGE_PIXELS`. max_seconds: of decoding; WebP and compressed TIFF decode in one
    call that only max_pixels bounds, all others are stopped at it. HEIF, AVIF and PDF are decoded in processes of their
    own (a few, kept; the wait for one counts for no file), so that no file can crash this one. A program that was frozen
    into one file cannot start them and decodes these here too, unguarded. max_pages: of a PDF whose page was not named.
    """

    max_bytes: int = 200_000_000
    max_pixels: int = 178_956_970
    max_seconds: float = 20.0
    max_pages: int = 10_000


def load(
    source: str | os.PathLike[str] | bytes,
    *,
    size_hint: int | None = None,
    limits: Limits = Limits(),
    page: int | None = None,
) -> NDArray[np.uint8]:
    """Read one picture, turned upright, on white where it is transparent, as uint8 [H, W, 3] RGB in 0 to 255.

    source: a path, or a file's whole content as bytes. A path may end in "#page=N", N from 1, as `find` writes it.
    size_hint: the long side that will be needed, in pixels. A JPEG is then decoded at the smallest of the scales 1/8,
    1/4, 1/2, 1 whose long side is still >= size_hint; a PDF page is drawn at least so large. Other formats ignore it.
    page: of a PDF, from 0; the first where none is given.
    16-bit and float gray are scaled to 8 bits, never clipped; CMYK is converted without its profile, and embedded
    colour profiles are not applied at all.

    Raises ImageError, and nothing else, for every path and all bytes. A file cut short is refused, unless only a tail is
    gone that holds no pixel of this picture: the end mark and later frames of a GIF, later pages of a TIFF, the end code
    of a faxed one, what a JPEG or PNG has behind its end mark, a PDF's index that pdfium can make anew. Damage that
    leaves a file's length and end marker in place is told in PNG, compressed TIFF and GIF; JPEG, WebP, AVIF, HEIF and
    plain BMP and TIFF have no checksum, and no reader can tell their damaged pixels from sound ones.
    """
    return read(source, size_hint=size_hint, limits=limits, page=page)[0]


def read(
    source: str | os.PathLike[str] | bytes,
    *,
    size_hint: int | None = None,
    limits: Limits = Limits(),
    page: int | None = None,
) -> tuple[NDArray[np.uint8], str]:
    """What `load` gives, and what else the file holds, in words: further pages or frames; "" where nothing is known.

    Pages of a PDF are told where none was asked for.
    """
    number = page or 0
    if isinstance(source, bytes):
        name = path = f"<{counted(len(source), 'byte')}>"
    else:
        name = os.fsdecode(source)
        path, number = split_page(name, number)
    try:
        data = source if isinstance(source, bytes) else _read(path, limits.max_bytes)
        if len(data) > limits.max_bytes:
            raise _too_large(len(data), limits.max_bytes)
        array, pages = _decode.decode(
            data, size_hint=size_hint, max_pixels=limits.max_pixels, max_seconds=limits.max_seconds, page=number
        )
        asked = page is not None or path != name
        if not asked and pages > limits.max_pages:
            raise UnreadableError(
                f"the PDF says it has {pages:,} pages, more than the limit of {limits.max_pages:,}",
                f"Split it, or name the page you want ({os.path.basename(name)}#page=1)",
            )
        return array, _several.left_out(_formats.sniff(data), data, 1 if asked else pages)
    except UnreadableError as error:
        raise ImageError(name, error.reason, error.remedy) from error.__cause__


_PAGE = re.compile(r"(.+)#page=(\d{1,6})", re.DOTALL)


def split_page(name: str, page: int = 0) -> tuple[str, int]:
    """ "score.pdf#page=3" -> ("score.pdf", 2), unless a file really has that name."""
    match = _PAGE.fullmatch(name)
    if match is None or os.path.lexists(name):
        return name, page
    return match[1], int(match[2]) - 1


def _too_large(size: int, limit: int) -> UnreadableError:
    remedy = "Shrink the picture, or raise Limits.max_bytes if you trust it"
    return UnreadableError(f"the file has {size / 1e6:.1f} MB, more than the limit of {limit / 1e6:g} MB", remedy)


_KINDS = (
    (stat.S_ISDIR, "a folder", "Give the pictures in it, and check that you may list it"),
    (stat.S_ISFIFO, "a named pipe", "Save what comes through it to a file first"),
    (stat.S_ISSOCK, "a socket", "Give a file"),
    (stat.S_ISCHR, "a device", "Give a file"),
    (stat.S_ISBLK, "a device", "Give a file"),
)

_OS_ERRORS = {
    errno.ENOENT: ("there is no such file", "Check the spelling; it may have been moved or deleted meanwhile"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "Check the spelling"),
    errno.EACCES: ("permission denied", "Give yourself the right to read it, or run as its owner"),
    errno.EPERM: ("permission denied", "Give yourself the right to read it, or run as its owner"),
    errno.ELOOP: ("its symbolic links go round in a circle", "Remove or repair the link"),
    errno.ENAMETOOLONG: ("the name is too long", "Shorten the name or the folders above it"),
    errno.ESTALE: ("the network drive has lost it", "Mount the drive again"),
    errno.EMFILE: ("too many files are open in this program", "Raise the limit (ulimit -n)"),
}


def _read(path: str, max_bytes: int, head: int = 0) -> bytes:
    """A regular file's bytes (head: only its first so many). Never blocks: its kind is asked before opening and after."""
    try:
        _must_be_regular(os.stat(path).st_mode)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        with open(os.open(path, flags), "rb") as file:
            now = os.fstat(file.fileno())
            _must_be_regular(now.st_mode)
            if now.st_size > max_bytes and not head:
                raise _too_large(now.st_size, max_bytes)
            return file.read(head or now.st_size + 1)  # + 1: a file of /proc says 0
    except ValueError as error:  # a zero byte, or a character the file system cannot hold
        raise UnreadableError(f"the name is not a possible one ({error})", "Check the spelling") from error
    except MemoryError as error:
        raise UnreadableError("not enough memory to read it", "Shrink the picture") from error
    except OSError as error:
        said = f"it cannot be read ({error.strerror or error})"
        reason, remedy = _OS_ERRORS.get(error.errno or 0, (said, "Check the disk or the network drive it lies on"))
        if error.errno == errno.ENOENT and os.path.islink(path):
            reason, remedy = "it is a link to a file that is not there", "Bring the file back, or remove the link"
        raise UnreadableError(reason, remedy) from error


def _must_be_regular(mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    for test, kind, remedy in _KINDS:
        if test(mode):
            raise UnreadableError(f"it is {kind}, not a file", remedy)
    raise UnreadableError("it is not a regular file", "Give a file")


def find(
    paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str],
    *,
    recursive: bool = True,
    passed_over: Callable[[str], None] = lambda _: None,
) -> Iterator[str]:
    """The pictures meant by `paths`: files as given, folders walked, a PDF once a page ("score.pdf#page=N", N from 1).

    A PDF is known by its first 1,024 bytes, whatever it is called; so each file is opened. One of more than
    Limits.max_pages pages is yielded once, and `load` says why it cannot be judged so.

    Folders are walked in sorted order, depth first, and give the files that end in one of SUFFIXES, what `is_hidden`
    aside. Links to folders are followed, but no folder is walked twice, so a loop of links ends. Nothing named is dropped: a file that is
    missing, a folder that cannot be listed, a link that leads nowhere are yielded as they are, and `load` says what
    is wrong. passed_over is told the files of a folder that are hidden or do not end as a picture's do, and hidden folders.
    """
    for given in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        path = os.fsdecode(given)
        if os.path.isdir(path):
            yield from _walk(path, recursive, passed_over)
        else:
            yield from _pages(path)


def _walk(top: str, recursive: bool, passed_over: Callable[[str], None]) -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    waiting = [top]
    while waiting:
        path = waiting.pop()
        if path != top and is_hidden(os.path.basename(path)):
            passed_over(path)
            continue
        try:
            known = os.stat(path)
            if not stat.S_ISDIR(known.st_mode):
                if os.path.splitext(path)[1].lower() in SUFFIXES:
                    yield from _pages(path)
                else:
                    passed_over(path)
                continue
            if (known.st_dev, known.st_ino) in seen or (not recursive and path != top):
                continue
            seen.add((known.st_dev, known.st_ino))
            inside = sorted(os.listdir(path), reverse=True)
        except OSError:
            if os.path.splitext(path)[1].lower() in SUFFIXES or os.path.isdir(path):
                yield path
            else:
                passed_over(path)
            continue
        waiting += [os.path.join(path, name) for name in inside]


def _pages(path: str) -> Iterator[str]:
    count, limits = 0, Limits()
    try:
        if _formats.sniff(_read(path, limits.max_bytes, head=1024)) == "PDF":
            count = _decode.pdf_pages(_read(path, limits.max_bytes), limits.max_seconds)
    except UnreadableError:  # load says why
        pass
    if 1 < count <= limits.max_pages:  # of more load says what to do
        yield from (f"{path}#page={n}" for n in range(1, count + 1))
    else:
        yield path


def resize(array: NDArray[np.uint8], pre: Preprocess) -> NDArray[np.float32]:
    """uint8 [H, W, 3] -> float32 [3, h, w] in [0, 1], the pixels a judge with this `Preprocess` takes.

    "fit": long side = pre.size, padded right and bottom with white to multiples of pre.multiple; "stretch": both
    sides = pre.size; "crop": the centred square of the picture whose short side is pre.size. No side is ever 0: a
    thin picture keeps at least 1 pixel. Raises ValueError for an array of another kind, or an empty one.

    The filter is Pillow's BILINEAR: a triangle that widens with the reduction, so every source pixel counts and thin
    lines fade evenly instead of vanishing (nearest, OpenCV's bilinear) or ringing (bicubic, Lanczos); it never leaves
    the range, and torch's and torchvision's `antialias=True` bilinear is the same filter.
    """
    from PIL import Image

    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ValueError(f"a picture is uint8 [H, W, 3] with no side of 0; got {array.dtype} {list(array.shape)}")
    height, width = array.shape[:2]
    box: tuple[float, float, float, float] = (0, 0, width, height)
    across = down = pre.size
    if pre.mode == "fit":
        long = max(width, height)
        across, down = (max(1, round(side * pre.size / long)) for side in (width, height))
    elif pre.mode == "crop":
        short = min(width, height)
        left, top = (width - short) / 2, (height - short) / 2
        box = (left, top, left + short, top + short)
    image = Image.fromarray(np.ascontiguousarray(array))
    if (across, down) != (width, height) or box != (0, 0, width, height):
        image = image.resize((across, down), Image.Resampling.BILINEAR, box=box)
    step = pre.multiple if pre.mode == "fit" else 1
    out = np.ones((3, -(-down // step) * step, -(-across // step) * step), np.float32)
    np.divide(np.asarray(image).transpose(2, 0, 1), np.float32(255), out=out[:, :down, :across])
    return out
