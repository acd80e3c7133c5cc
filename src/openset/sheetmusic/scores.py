"""The scores inside PyPI `music21`: 2,900 files, among them ABC books of many tunes, about 14,000 pieces in all.

A piece becomes text that Verovio loads itself (MusicXML, Humdrum, ABC, MEI, Plaine & Easie) in 5 to 70 ms. What
Verovio refuses goes through music21's own parser once. Train, val and test are told apart by a hash of the
piece's file (all tunes of one ABC book and all versions of one chorale fall on one side), never by chance.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import re
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, MissingExtraError

SUFFIXES = frozenset({".mxl", ".xml", ".musicxml", ".krn", ".abc", ".mei", ".pae"})
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class ScoreFile:
    """One piece: `path` of its file, `tune` its place inside an ABC book (0 elsewhere), `group` the corpus folder."""

    path: Path
    group: str
    split: str
    tune: int = 0

    @property
    def kind(self) -> str:
        """The file's suffix without the dot, in lower case."""
        return self.path.suffix.lower().lstrip(".")


@dataclass(frozen=True)
class LoadReport:
    """What came of reading many scores. `failed` holds (score, reason)."""

    loaded: int
    failed: tuple[tuple[ScoreFile, str], ...]

    def __str__(self) -> str:
        lines = [f"scores: {self.loaded} loaded, {len(self.failed)} failed"]
        lines += [f"  {score.path.name} tune {score.tune}: {reason}" for score, reason in self.failed]
        return "\n".join(lines)


def corpus_root() -> Path:
    """The folder of music21's corpus, found without importing music21 (which takes seconds)."""
    spec = importlib.util.find_spec("music21")
    if spec is None or spec.origin is None:
        raise MissingExtraError("Engraving sheet music", "music21", "sheetmusic")
    return Path(spec.origin).parent / "corpus"


def split_of(relative: str) -> str:
    """ "train" (80 %), "val" (10 %) or "test" (10 %) from a file's path: stable across machines and releases.

    Versions of one piece ("bwv112.5.mxl", "bwv112.5-sc.mxl", "x.krn") share what is before the first hyphen or suffix.
    """
    stem = re.sub(r"(-[^/]*)?\.[a-z]+$", "", relative.lower())
    share = int.from_bytes(hashlib.sha256(stem.encode()).digest()[:4], "big") / 2**32
    return "train" if share < 0.8 else "val" if share < 0.9 else "test"


def find_scores(split: str | None = None, *, root: Path | None = None) -> list[ScoreFile]:
    """Every piece under `root` (music21's corpus unless told), sorted; only those of `split` where one is named.

    Raises DataError when the split is unknown or nothing is found.
    """
    if split is not None and split not in SPLITS:
        raise DataError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    base = corpus_root() if root is None else root
    found: list[ScoreFile] = []
    for path in sorted(p for p in base.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
        relative = path.relative_to(base).as_posix()
        part = split_of(relative)
        if split is None or part == split:
            group = relative.split("/")[0] if "/" in relative else ""
            found += [ScoreFile(path, group, part, tune) for tune in range(_count_tunes(path))]
    if not found:
        raise DataError(f"no score found under {str(base)!r}; looked for {', '.join(sorted(SUFFIXES))}")
    return found


def read_score(score: ScoreFile) -> str:
    """The piece as text that Verovio loads. Raises DataError with the reason when the file cannot be read."""
    try:
        if score.kind == "abc":
            return _tunes(score.path)[score.tune]
        raw = score.path.read_bytes()
        text = decode(_unzip(raw) if score.kind == "mxl" else raw)
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read the score {score.path.name!r}: {error}") from error
    if score.kind in ("mxl", "xml", "musicxml", "mei"):
        text = re.sub(r'(<\?xml[^>]*?)\s+encoding="[^"]*"', r"\1", text, count=1)
    return text


def convert(score: ScoreFile) -> str:
    """The piece as MusicXML through music21's own parser (slow: a last resort). Raises DataError."""
    from music21 import converter
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    try:
        if score.kind == "abc":
            parsed = converter.parse(read_score(score), format="abc")
        else:
            parsed = converter.parse(score.path)
        return GeneralObjectExporter(parsed).parse().decode("utf-8")
    except Exception as error:  # music21 raises whatever its parsers meet; the reason is kept and reported
        raise DataError(f"music21 cannot convert {score.path.name!r}: {type(error).__name__}: {error}") from error


def check(scores: Iterable[ScoreFile], loads: Callable[[ScoreFile], object]) -> LoadReport:
    """Try `loads` on every score: how many load, and which do not and why (a DataError's message)."""
    loaded, failed = 0, []
    for score in scores:
        try:
            loads(score)
            loaded += 1
        except DataError as error:
            failed.append((score, str(error)))
    return LoadReport(loaded, tuple(failed))


def decode(raw: bytes) -> str:
    """Text of a score file: UTF-8 or UTF-16 by its byte-order mark or zero bytes, else UTF-8, else Latin-1."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16")
    if raw[:4].count(0) == 2:
        return raw.decode("utf-16-be" if raw[0] == 0 else "utf-16-le")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _unzip(raw: bytes) -> bytes:
    """The root file of a compressed MusicXML: what META-INF/container.xml names, else the first score inside."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        names = archive.namelist()
        if "META-INF/container.xml" in names:
            found = re.search(r'full-path="([^"]+)"', decode(archive.read("META-INF/container.xml")))
            if found and found[1] in names:
                return archive.read(found[1])
        inside = [name for name in names if name.endswith((".xml", ".musicxml")) and "META-INF" not in name]
        if not inside:
            raise ValueError(f"no MusicXML in the archive (files: {len(names)})")
        return archive.read(inside[0])


def _count_tunes(path: Path) -> int:
    return len(_tunes(path)) if path.suffix.lower() == ".abc" else 1


@functools.lru_cache(maxsize=4096)
def _tunes(path: Path) -> tuple[str, ...]:
    text = decode(path.read_bytes()).replace("\r\n", "\n")
    tunes = tuple(part.rstrip() + "\n" for part in re.split(r"(?m)^(?=X:)", text) if part.startswith("X:"))
    return tunes or (text,)
