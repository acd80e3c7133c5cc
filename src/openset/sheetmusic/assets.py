"""Real pictures out of Debian and npm packages: photographs, clip art, emoji, screenshots and PDF documents.

`fetch` downloads about 1.4 GB once, keeps about a third of it, shrinks large pictures (LONG_SIDE) and leaves out
whatever its name or its text connects with music: a page of notes among the negatives is a wrong label. No network,
no apt, no npm: each failure is said and the rest goes on; an empty folder is a valid answer.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from PIL import Image

from openset.data import packages

KINDS = ("photo", "stamp", "screen", "pdf")
EMOJI = "emoji-datasource-google"
PACKAGES = {  # package -> kind; all are Debian's but the npm package EMOJI
    EMOJI: "stamp",
    "gnome-backgrounds": "photo",
    "mate-backgrounds": "photo",
    "plasma-workspace-wallpapers": "photo",
    "lomiri-wallpapers": "photo",
    "lomiri-wallpapers-20.04": "photo",
    "ukui-wallpapers": "photo",
    "visp-images-data": "photo",
    "jigzo-data": "photo",
    "scratch": "photo",
    "propaganda-debian": "photo",
    "colobot-common-textures": "photo",
    "r-doc-pdf": "pdf",
    "gnuplot-doc": "pdf",
    "texlive-latex-base-doc": "pdf",
    "texlive-humanities-doc": "pdf",
    "texlive-science-doc": "pdf",
    "texlive-pictures-doc": "pdf",
    "tuxpaint-stamps-default": "stamp",
    "openclipart-png": "stamp",
    "gimp-help-en": "screen",
    "debian-handbook": "screen",
    "opencv-doc": "screen",
    "kgeography-data": "screen",
    "marble-data": "screen",
}
SECONDS = 1200.0
LONG_SIDE = {"photo": 1600, "stamp": 480, "screen": 1280}
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".pgm", ".ppm")
SMALLEST = {"photo": 250, "stamp": 48, "screen": 200}
MOST_A_FOLDER = {"photo": 24, "stamp": 4000, "screen": 400, "pdf": 60}
_MUSIC = re.compile(
    r"musi[ckqx]|note|clef|staff|stave|score|song|melod|treble|lilypond|abc|sonat|guitar|gtrcrd|piano|violin|trumpet|"
    r"quaver|croche|chant|gregori|hymn|choir|opera|tablature|midi|lyric|jukebox|chord|harmon|metre|notation|"
    r"(?<![0-9a-f])1f3[ab]|(?<![0-9a-f])266[9-f]",
    re.IGNORECASE,
)
_MUSIC_TEXT = re.compile(r"\bmusic|\bclefs?\b|lilypond|notehead|songbook|tablature", re.IGNORECASE)

Say = Callable[[str], None]


def musical(name: str) -> bool:
    """Does this file's or folder's name connect it with music? Doubtful names count as musical."""
    return _MUSIC.search(name) is not None


def _download(package: str, room: Path) -> Path:
    """Unpacks `package` under `room`; raises one of `packages.FAILURES`."""
    return packages.npm(package, room, "/img/google/64/") if package == EMOJI else packages.debian(package, room)


def _fingerprint(picture: Image.Image) -> bytes:
    """Signs of the horizontal differences of a 9x8 thumbnail, and its mean colour: equal for most resized copies."""
    small = picture.convert("RGB").resize((9, 8), Image.Resampling.BOX)
    gray = list(small.convert("L").tobytes())
    signs = bytes(gray[9 * r + c] > gray[9 * r + c + 1] for r in range(8) for c in range(8))
    return signs + bytes(v >> 4 for v in small.resize((1, 1), Image.Resampling.BOX).tobytes())


def _keep_picture(file: Path, kind: str, target: Path, seen: set[bytes]) -> bool:
    """Writes `file` shrunk as `target` (its suffix is set here) unless it is broken, tiny or a copy."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as opened:
                if min(opened.size) < SMALLEST[kind] or opened.width * opened.height > 60e6:
                    return False
                opened.draft("RGB", (LONG_SIDE[kind], LONG_SIDE[kind]))
                alpha = kind == "stamp" and ("A" in opened.mode or "transparency" in opened.info)
                picture = opened.convert("RGBA" if alpha else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    mark = _fingerprint(picture)
    if mark in seen:
        return False
    seen.add(mark)
    picture.thumbnail((LONG_SIDE[kind], LONG_SIDE[kind]), Image.Resampling.BOX, reducing_gap=2.0)
    if kind == "photo":
        picture.save(target.with_suffix(".jpg"), quality=92)
    else:
        picture.save(target.with_suffix(".png"), compress_level=1)
    return True


def _musical_pdf(file: Path) -> bool:
    """Does the text of any of its first 25 pages speak of music, or can it not be opened?"""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(file) as document:
            pages = range(min(25, len(document)))
            return any(_MUSIC_TEXT.search(document[i].get_textpage().get_text_bounded()) for i in pages)
    except pypdfium2.PdfiumError:
        return True


def _sort_out(files: Iterable[Path], root: Path, kind: str, target: Path) -> tuple[int, int]:
    """Copies what is wanted into `target`; returns how many were kept and how many were left out as musical."""
    kept = left = 0
    seen: set[bytes] = set()
    per_folder: dict[Path, int] = {}
    for file in files:
        if file.suffix.lower() not in ((".pdf",) if kind == "pdf" else PICTURES) or file.is_symlink():
            continue
        if per_folder.get(file.parent, 0) >= MOST_A_FOLDER[kind]:
            continue
        inside = str(file.relative_to(root))
        if musical(inside) or (kind == "pdf" and _musical_pdf(file)):
            left += 1
            continue
        place = target / f"{kept:05d}-{file.parent.name[:40]}-{file.stem[:60]}{file.suffix.lower()}"
        if kind == "pdf":
            shutil.copyfile(file, place)
        elif not _keep_picture(file, kind, place, seen):
            continue
        per_folder[file.parent] = per_folder.get(file.parent, 0) + 1
        kept += 1
    return kept, left


def fetch(cache: Path, progress: Say = print, chosen: Mapping[str, str] = PACKAGES) -> Path:
    """Fills `cache/assets/<kind>/<package>/` from the packages and returns `cache/assets`; a failed one is only said.

    A package already there is not fetched again, one half done is done anew; after 20 minutes what is left is left out.
    """
    assets = cache / "assets"
    wanted = dict(chosen)
    if importlib.util.find_spec("pypdfium2") is None:
        progress("PDF documents are left out: pypdfium2 is not installed (pip install pypdfium2)")
        wanted = {package: kind for package, kind in wanted.items() if kind != "pdf"}
    begun = time.monotonic()
    for n, (package, kind) in enumerate(wanted.items(), 1):
        home, where = assets / kind / package, f"[{n}/{len(wanted)}] {package}"
        if home.is_dir():
            progress(f"{where}: already there, files: {sum(1 for _ in home.iterdir())}")
            continue
        if time.monotonic() - begun > SECONDS:
            progress(f"{where}: left out, {SECONDS / 60:.0f} minutes are over; run again to go on")
            continue
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent, prefix=".part-") as room:
            try:
                root = _download(package, Path(room))
            except packages.FAILURES as error:
                progress(f"{where}: not to be had, goes on without ({packages.said(error)})")
                continue
            part = Path(room, "kept")
            part.mkdir()
            files = sorted(f for f in root.rglob("*") if f.is_file())
            kept, left = _sort_out(files, root, kind, part)
            size = sum(f.stat().st_size for f in part.iterdir()) / 1e6
            part.rename(home)
        progress(f"{where}: {kind}, files: {kept}, {size:.0f} MB; {left} left out as perhaps musical")
    return assets


def found(assets: Path) -> dict[str, tuple[Path, ...]]:
    """The fetched files by kind, sorted; a kind that was not fetched is an empty tuple."""
    return {kind: tuple(sorted(f for f in (assets / kind).glob("[!.]*/*") if f.is_file())) for kind in KINDS}
