"""Fonts for made-up documents: found on the system, inside Python packages, or taken out of Debian packages.

Nothing is installed: a `.deb` is fetched with `apt-get download` and unpacked into a cache folder that the caller
names. Every failure is said aloud on stderr and none is fatal; without a network the fonts that are there are used.
Whole font families are held out for testing by a stable hash of their names (`split`): their letters are never seen
in training.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import ImageFont, features

from openset.data import packages
from openset.sheetmusic.words import SCRIPTS, probe

Kind = Literal["serif", "sans", "mono", "hand", "black"]
SUFFIXES = frozenset({".ttf", ".otf", ".ttc"})
HELD_OUT = 0.25
_STYLE_NAMES = """
light demi medium semi black thin heavy bold extra condensed cond display ui std pro no2 no3 o g book caption caps
prop slanted italic oblique upright unslanted minus narrow regular roman alternate math
"""
_STYLES = frozenset(_STYLE_NAMES.split())
_SHAPED_NAMES = """
arabic bengali devanagari gujarati gurmukhi hebrew kannada khmer lao malayalam myanmar oriya sinhala syriac
tamil telugu thai tibetan
"""
_SHAPED = frozenset(_SHAPED_NAMES.split())
_SYMBOL_NAMES = """
symbol emoji awesome dingbat braille icon music feta bravura leland leipzig petaluma gootville emmentaler opus
maestro cmex cmsy stixsiz d050000l s050000l standardsymbols keyboard lastresort barcode stixnonuni circos dseg
glyphicons opensymbol denemo
euterpe mathjax_size fallback
"""
_SYMBOLS = tuple(_SYMBOL_NAMES.split())
_HAND_NAMES = """
hand breip femke rufscript ecolier dancing kristi script kouzan soseki purisa comic chilanka karumbi johnsmith
kalapi aoyagi kaushan marck yusei klee leckerli staypuft humor levien joscelyn seto yoz kiloji pecita
italic-hand isabella summersby delphine domestic
"""
_BLACK_NAMES = """
fraktur blackletter gotico unifraktur blankenburg cloister schwabach missaali
hamlet jessen parix ptolemy soufflet schoeffer rusch zainer
"""
_MONO_NAMES = """
mono courier typewriter consol hack firacode d2coding typist ocr gnutype 3270 spleen cursor tlwgtypo d2coding terminus
anonymous fantasque agave hermit cmtt lmtt
"""
_SERIF_NAMES = """
serif roman garamond libertin junicode gentium charis doulos times oldstandard didot bodoni baskerv bookman
schola palat pagella termes bonum mincho ming song batang amiri caladea vollkorn stix cardo goudy fanwood
lindenhill prociono cmr cmu century romande accanthis artemisia porson kinnari norasi essays elstob p052 c059
"""
_KINDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("hand", tuple(_HAND_NAMES.split())),
    ("black", tuple(_BLACK_NAMES.split())),
    ("mono", tuple(_MONO_NAMES.split())),
    ("serif", tuple(_SERIF_NAMES.split())),
)
_PACKAGE_NAMES = """
fonts-liberation fonts-dejavu-core fonts-dejavu-extra fonts-freefont-ttf fonts-noto-core fonts-wqy-microhei
fonts-wqy-zenhei fonts-ipafont-gothic fonts-ipafont-mincho fonts-ipaexfont-mincho fonts-unfonts-core fonts-nanum
fonts-arphic-uming fonts-arphic-ukai fonts-arphic-gbsn00lp fonts-gfs-artemisia fonts-gfs-baskerville
fonts-gfs-didot fonts-gfs-didot-classic fonts-gfs-neohellenic fonts-gfs-olga fonts-gfs-porson fonts-gfs-solomos
fonts-gfs-bodoni-classic fonts-gfs-complutum fonts-hosny-amiri fonts-hosny-thabit fonts-kacst fonts-farsiweb
fonts-paktype fonts-nafees fonts-arabeyes fonts-sil-charis fonts-sil-doulos fonts-sil-gentium
fonts-sil-gentium-basic fonts-sil-andika fonts-sil-scheherazade fonts-sil-lateef fonts-sil-ezra
fonts-sil-galatia fonts-sil-abyssinica fonts-sil-padauk fonts-sil-mondulkiri fonts-sil-annapurna
fonts-sil-awami-nastaliq fonts-sil-harmattan fonts-sil-nuosusil fonts-lohit-deva fonts-lohit-beng-bengali
fonts-lohit-gujr fonts-lohit-guru fonts-lohit-knda fonts-lohit-mlym fonts-lohit-orya fonts-lohit-taml
fonts-lohit-telu fonts-lklug-sinhala fonts-smc-meera fonts-smc-rachana fonts-smc-chilanka fonts-smc-karumbi
fonts-gargi fonts-sahadeva fonts-nakula fonts-tlwg-garuda-ttf fonts-tlwg-kinnari-ttf fonts-tlwg-purisa-ttf
fonts-tlwg-typewriter-ttf fonts-tlwg-sawasdee-ttf fonts-tlwg-norasi-ttf fonts-tlwg-typist-ttf
fonts-tlwg-umpush-ttf fonts-tlwg-waree-ttf fonts-lao fonts-khmeros fonts-bpg-georgian fonts-tibetan-machine
fonts-ddc-uchen fonts-ukij-uyghur fonts-manchufont fonts-senamirmir-washra fonts-lg-aboriginal
fonts-ecolier-court fonts-dkg-handwriting fonts-breip fonts-femkeklaver fonts-rufscript fonts-dancingscript
fonts-kristi fonts-kaushanscript fonts-comic-neue fonts-humor-sans fonts-johnsmith-induni fonts-joscelyn
fonts-isabella fonts-sjfonts fonts-summersby fonts-tomsontalks fonts-aoyagi-kouzan-t fonts-aoyagi-soseki
fonts-kouzan-mouhitsu fonts-klee fonts-yusei-magic fonts-seto fonts-kiloji fonts-levien-typoscript
fonts-levien-museum fonts-leckerli-one fonts-lobstertwo fonts-junicode fonts-ebgaramond fonts-oldstandard
fonts-linuxlibertine fonts-cardo fonts-essays1743 fonts-goudybookletter fonts-fanwood fonts-lindenhill
fonts-prociono fonts-century-catalogue fonts-gotico-antiqua fonts-blankenburg fonts-elstob fonts-vollkorn
fonts-crosextra-caladea fonts-crosextra-carlito fonts-urw-base35 fonts-texgyre fonts-lmodern fonts-cmu
fonts-adf-accanthis fonts-adf-baskervald fonts-adf-berenis fonts-adf-gillius fonts-adf-romande fonts-adf-tribun
fonts-adf-universalis fonts-adf-verana fonts-courier-prime fonts-gnutypewriter fonts-ocr-a fonts-ocr-b
fonts-inconsolata fonts-hack fonts-firacode fonts-jetbrains-mono fonts-anonymous-pro fonts-3270
fonts-fantasque-sans fonts-go fonts-b612 fonts-open-sans fonts-lato fonts-cantarell fonts-inter
fonts-roboto-unhinted fonts-roboto-slab fonts-quattrocento fonts-quicksand fonts-comfortaa
fonts-yanone-kaffeesatz fonts-league-spartan fonts-bebas-neue fonts-cabin fonts-dosis fonts-play fonts-paratype
fonts-tuffy fonts-opendyslexic fonts-averia-gwf fonts-uralic fonts-noto-mono
"""
PACKAGES: tuple[str, ...] = tuple(_PACKAGE_NAMES.split())


@dataclass(frozen=True)
class Font:
    """path: the file. index: face inside a .ttc. family: its own name. kind: guessed from the name, else "sans"."""

    path: str
    index: int
    family: str
    kind: Kind


@lru_cache(maxsize=400)
def _open(path: str, index: int, size: int, shaped: bool) -> ImageFont.FreeTypeFont:
    engine = ImageFont.Layout.RAQM if shaped and features.check("raqm") else ImageFont.Layout.BASIC
    return ImageFont.truetype(path, size, index=index, layout_engine=engine)


def sized(font: Font, size: float, script: str = "latin") -> ImageFont.FreeTypeFont:
    """The font at a size in pixels; joined and stacked scripts are shaped where Pillow has Raqm."""
    return _open(font.path, font.index, max(4, round(size)), script in _SHAPED)


@cache
def coverage(font: Font) -> frozenset[str]:
    """The scripts whose letters the font has glyphs of its own for: those it lacks draw the same box, or nothing."""
    try:
        face = ImageFont.truetype(font.path, 16, index=font.index, layout_engine=ImageFont.Layout.BASIC)
        lacking = {b"", bytes(face.getmask("\uf8f1"))}
        return frozenset(script for script in SCRIPTS if _distinct(face, probe(script), lacking))
    except (OSError, ValueError):
        return frozenset()


def _distinct(face: ImageFont.FreeTypeFont, letters: str, lacking: set[bytes]) -> bool:
    seen = set(lacking)
    for letter in letters:
        drawn = bytes(face.getmask(letter))
        if drawn in seen:
            return False
        seen.add(drawn)
    return True


def _kind(name: str) -> Kind:
    flat = name.lower().replace(" ", "")
    for kind, marks in _KINDS:
        if any(mark in flat for mark in marks) and not (kind == "serif" and "sans" in flat):
            return kind
    return "sans"


def read(paths: Iterable[str | Path]) -> list[Font]:
    """Fonts among the files, sorted by path; files that Pillow cannot open, and symbol fonts, are left out."""
    found = []
    for path in sorted({str(p) for p in paths}):
        if any(mark in Path(path).name.lower() for mark in _SYMBOLS):
            continue
        try:
            family = _open(path, 0, 20, False).getname()[0] or Path(path).stem
        except (OSError, ValueError):
            continue
        if not any(mark in family.lower() for mark in _SYMBOLS):
            found.append(Font(path, 0, family, _kind(f"{family} {Path(path).stem}")))
    return found


def walk(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES) if root.is_dir() else []


def installed() -> list[Path]:
    """Font files of the system and of installed Python packages (matplotlib carries some)."""
    packages = Path(sysconfig.get_paths()["purelib"])
    roots = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".fonts"]
    roots += sorted(packages.glob("*/mpl-data/fonts")) + sorted(packages.glob("*/fonts"))
    return [path for root in roots for path in walk(root)]


def _unpack(name: str, into: Path) -> str | None:
    """Fetch one Debian package into a folder; None, or what went wrong."""
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        try:
            files = packages.debian(name, Path(scratch))
        except packages.FAILURES as error:
            return packages.said(error)[:200] or type(error).__name__
        kept = Path(scratch, "kept")
        kept.mkdir()
        for path in walk(files):
            if not path.is_symlink():
                path.rename(kept / path.name)
        kept.rename(into)
    return None


def fetch_fonts(cache: Path, names: Sequence[str] = PACKAGES) -> list[Path]:
    """Font files of Debian packages, one folder a package under `cache`; one that is there is not fetched again."""
    cache.mkdir(parents=True, exist_ok=True)
    wanted = [name for name in names if not (cache / name).is_dir()]
    with ThreadPoolExecutor(4) as pool:  # most of the time is spent waiting for the network
        for name, problem in zip(wanted, pool.map(lambda name: _unpack(name, cache / name), wanted), strict=True):
            if problem:
                print(f"fonts: {name} not to be had ({problem}); going on without it", file=sys.stderr)
    return [path for name in names for path in walk(cache / name)]


def split(fonts: Iterable[Font], part: Literal["train", "test"]) -> list[Font]:
    """The fonts of one part: a family is wholly in "train" (about 3 in 4) or in "test"."""
    if part not in ("train", "test"):
        raise ValueError(f"part is {part!r}; say 'train' or 'test'")
    return [font for font in fonts if _held_out(font.family) == (part == "test")]


def _held_out(family: str) -> bool:
    stem = " ".join(part for part in family.lower().split() if part not in _STYLES)
    return int.from_bytes(hashlib.sha256(stem.encode()).digest()[:4]) / 2**32 < HELD_OUT


_in_use: list[Font] = []


def use(fonts: Iterable[Font]) -> None:
    """Draw from these fonts from now on, in this process (and those forked from it); empty: the installed ones."""
    _in_use[:] = fonts
    by.cache_clear()


@cache
def by(script: str, kind: Kind | None) -> tuple[tuple[Font, ...], ...]:
    """Fonts in use that cover the script, grouped by family; of the kind wanted, or of any where none is."""
    if not _in_use:
        _in_use[:] = read(installed())
    fit = [font for font in _in_use if script in coverage(font)]
    chosen = [font for font in fit if font.kind == kind] or (fit if kind != "hand" else [])
    families: dict[str, list[Font]] = {}
    for font in chosen:
        families.setdefault(font.family, []).append(font)
    return tuple(tuple(group) for group in families.values())


def choose(rng: np.random.Generator, script: str = "latin", kind: Kind | None = None) -> Font | None:
    """One font in use, families alike likely; None where no font covers the script (or none is handwriting)."""
    groups = by(script, kind)
    if not groups:
        return None
    group = groups[rng.integers(len(groups))]
    return group[rng.integers(len(group))]


def scripts() -> list[str]:
    """The scripts that a font in use covers."""
    return [script for script in SCRIPTS if by(script, None)]
