"""What the library pages are made of that no training picture is: PDF documents and texts of other Debian packages.

`fetch` takes about 450 MB of packages once and keeps 200 MB of it under `cache/library`. What cannot be had is said
and left out. The texts are manual pages, dictionaries, fortunes, the King James Bible and Debian's own manuals
in some twenty languages; they are read as words, so that real text in real order stands on the pages.
"""

from __future__ import annotations

import gzip
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from openset.data import packages

from . import assets
from .words import SCRIPTS

Say = Callable[[str], None]
_PDF_NAMES = """
installation-guide-amd64 harden-doc debian-faq debian-history developers-reference auto-multiple-choice-doc-pdf
camlidl-doc docbook-xsl-doc-pdf freefem-doc python-reportlab-doc why3-doc-pdf siscone-doc-pdf seqan-raptor-doc
texlive-lang-japanese texlive-lang-arabic texlive-lang-chinese texlive-lang-cyrillic texlive-lang-german
texlive-lang-italian texlive-lang-spanish texlive-lang-european texlive-lang-czechslovak texlive-lang-polish
texlive-fonts-recommended-doc pari-doc octave-doc gap-doc gretl-doc asymptote-doc coinor-libipopt-doc graphviz-doc
gmsh-doc mpich-doc evolver-doc libitpp-doc sbcl-doc polyml clisp-doc cmucl-docs hol88-doc xfig-doc ghostscript-doc
groff
"""
PDFS = dict.fromkeys(_PDF_NAMES.split(), "pdf")
_TEXT_NAMES = """
manpages-de manpages-fr manpages-es manpages-it manpages-pl manpages-ru manpages-ja manpages-zh manpages-pt-br
manpages-tr manpages-hu manpages-cs manpages-ro manpages-el manpages-uk fortunes fortunes-ru fortunes-zh fortunes-bg
fortunes-de fortunes-cs fortunes-it fortunes-pl fortunes-eo bible-kjv-text dict-devil dict-gcide dict-freedict-deu-ell
dict-freedict-ara-eng dict-freedict-eng-hin dict-freedict-san-deu dict-freedict-eng-rus dict-freedict-jpn-eng
dict-freedict-eng-lat doc-debian
"""
TEXTS = tuple(_TEXT_NAMES.split())
MOST_LETTERS = 400_000  # of one package's text; more would only be the same again
_PARTS = (
    (0x370, 0x3FF, "greek"),
    (0x400, 0x4FF, "cyrillic"),
    (0x530, 0x58F, "armenian"),
    (0x590, 0x5FF, "hebrew"),
    (0x600, 0x6FF, "arabic"),
    (0x900, 0x97F, "devanagari"),
    (0x3040, 0x30FF, "kana"),
    (0x4E00, 0x9FFF, "han"),
    (0xAC00, 0xD7AF, "hangul"),
)
_MUSIC = re.compile(r"\bmusi[ckq]|\bclefs?\b|lilypond|notehead|songbook|tablature|\bstaves\b", re.IGNORECASE)
_ROFF = re.compile(r"(?m)^[.'].*$|\\[a-zA-Z]\w?|\\[^\n]|\\f.|[{}<>|=_*~`^]")


def speaks_of_music(text: str) -> bool:
    """May a page with this text show sheet music? Doubtful ones count."""
    return _MUSIC.search(text) is not None


def script_of(text: str) -> str:
    """The script most of the text's letters belong to: one of words.SCRIPTS, "accented" where Latin bears accents."""
    counts = dict.fromkeys(SCRIPTS, 0)
    for letter in text[:4000]:
        code = ord(letter)
        if code < 0x250:
            counts["latin"] += letter.isalpha()
            counts["accented"] += 60 * (code > 0xBF)
            continue
        for low, high, script in _PARTS:
            counts[script] += low <= code <= high
    if counts["kana"] > 0.1 * counts["han"] > 0:
        return "kana"
    return max(counts, key=lambda script: counts[script])


@dataclass(frozen=True)
class Text:
    """Words in reading order: `name` of the package, `script` they are in; a word of an unspaced script is a clause."""

    name: str
    script: str
    words: tuple[str, ...]


def _clean(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return " ".join(_ROFF.sub(" ", text).split())


def _readable(root: Path) -> Iterator[bytes]:
    """The files under root that hold text, unpacked, in a fixed order; pictures, code and indexes are passed over."""
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.name.startswith(("changelog", "copyright", "NEWS")):
            continue
        if path.suffix in {".index", ".dat", ".png", ".html", ".css", ".so", ".xml", ".u8", ".ps"}:
            continue
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            with gzip.open(path) as packed:
                raw = packed.read(MOST_LETTERS * 2)
        if raw and b"\0" not in raw[:2000]:
            yield raw[: MOST_LETTERS * 2]


def _take_text(package: str, room: Path) -> str:
    files = packages.debian(package, room)
    parts: list[str] = []
    length = 0
    for raw in _readable(files / "usr" / "share"):
        text = _clean(raw)
        if text and not assets.musical(text[:200]):
            parts.append(text[: MOST_LETTERS // 4])
            length += len(parts[-1])
        if length > MOST_LETTERS:
            break
    return "\n".join(parts)


def fetch(cache: Path, say: Say = print) -> Path:
    """Fill `cache/library/{assets/pdf,text}` and return `cache/library`; what is there is not fetched again."""
    room = cache / "library"
    texts = room / "text"
    texts.mkdir(parents=True, exist_ok=True)
    for package in TEXTS:
        target = texts / f"{package}.txt"
        if target.exists():
            continue
        with tempfile.TemporaryDirectory(dir=texts, prefix=".part-") as scratch:
            try:
                text = _take_text(package, Path(scratch))
            except packages.FAILURES as error:
                say(f"library: {package} not to be had, goes on without ({packages.said(error)})")
                continue
            part = Path(scratch, "text")
            part.write_text(text, "utf-8")
            part.rename(target)
            say(f"library: {package}, {len(text)} letters, {script_of(text)}")
    assets.fetch(room, say, PDFS)
    return room


def texts(cache: Path) -> list[Text]:
    """The fetched texts; where one package holds several scripts its blocks are told apart."""
    found: list[Text] = []
    for path in sorted((cache / "library" / "text").glob("*.txt")):
        text = path.read_text("utf-8")
        blocks: dict[str, list[str]] = {}
        for start in range(0, len(text), 4000):
            block = text[start : start + 4000]
            script = script_of(block)
            pieces = re.split(r"(?<=[、。，．；：])|\s+", block) if script in ("han", "kana") else block.split()
            blocks.setdefault(script, []).extend(p[:24] for p in pieces if p)
        found += [Text(path.stem, script, tuple(words)) for script, words in blocks.items() if len(words) > 200]
    return found


def pdfs(cache: Path) -> tuple[Path, ...]:
    """The fetched PDF documents, sorted."""
    return assets.found(cache / "library" / "assets")["pdf"]
