"""Changes to a score's text before it is engraved: an excerpt, fewer parts, no lyrics. Text in, text out."""

from __future__ import annotations

import functools
import re

import numpy as np

LONGEST = 250_000  # characters of MusicXML: Verovio reads them in about 0.2 s; the corpus has quartets of 10 million


def varied(rng: np.random.Generator, text: str, kind: str) -> str:
    """The score with, at random, only some of its parts and without its lyrics. `kind` is the file's suffix."""
    if kind == "abc":
        return text if rng.random() < 0.7 else re.sub(r'"[^"\n]*"', "", text)
    if text.lstrip().startswith("<"):
        text = excerpt(text, float(rng.random()))
        if rng.random() < 0.4:
            text = without_lyrics(text)
        return keep_parts(rng, text) if rng.random() < 0.45 else text
    if kind != "krn":
        return text
    text = keep_measures(rng, text)
    return keep_spines(rng, text) if rng.random() < 0.5 else text


def excerpt(text: str, start: float, longest: int = LONGEST) -> str:
    """MusicXML cut to consecutive measures of about `longest` characters (8 measures at least); shorter texts stay.

    `start` in [0, 1] says where: 0 the beginning, 1 the end. The clef, key and metre of the beginning go along.
    """
    if len(text) <= longest or "</part>" not in text:
        return text
    head, parts = _parts(text)
    count = max(len(measures) for _, measures in parts)
    keep = max(8, count * longest // len(text))
    first = int(start * max(0, count - keep))
    body = []
    for opening, measures in parts:
        kept = list(measures[first : first + keep])
        if first and kept:
            tag, inside = kept[0].split(">", 1)
            kept[0] = f"{tag}>{_attributes(measures[:first])}{inside}"
        body.append(opening + "".join(kept) + "</part>")
    return head + "".join(body) + "</score-partwise>"


@functools.lru_cache(maxsize=16)
def _parts(text: str) -> tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """(what stands before the parts, (opening tag, measures) of every part)."""
    found = re.findall(r"(<part\s[^>]*>)(.*?)</part>", text, flags=re.S)
    parts = tuple((tag, tuple(re.findall(r"<measure[\s>].*?</measure>", part, flags=re.S))) for tag, part in found)
    return text[: text.index(found[0][0])], parts


def _attributes(measures: tuple[str, ...]) -> str:
    """The first measure's attributes with the last divisions said since."""
    found = re.search(r"<attributes>.*?</attributes>", measures[0], flags=re.S)
    divisions = re.findall(r"<divisions>.*?</divisions>", "".join(measures))
    if found is None or not divisions:
        return found[0] if found else ""
    return re.sub(r"<divisions>.*?</divisions>", divisions[-1], found[0])


def without_lyrics(text: str) -> str:
    """MusicXML without its lyrics."""
    return re.sub(r"<lyric(?:\s[^>]*)?>.*?</lyric>", "", text, flags=re.S)


def keep_parts(rng: np.random.Generator, text: str) -> str:
    """MusicXML with one to all of its parts kept, in order."""
    names = re.findall(r'<score-part\s[^>]*\bid="([^"]+)"', text)
    if len(names) < 2:
        return text
    kept = set(rng.choice(names, int(rng.integers(1, len(names))), replace=False))
    for name in names:
        if name not in kept:
            mark = re.escape(name)
            text = re.sub(rf'<score-part\s[^>]*\bid="{mark}".*?</score-part>', "", text, flags=re.S)
            text = re.sub(rf'<part\s[^>]*\bid="{mark}".*?</part>', "", text, flags=re.S)
    return re.sub(r"<part-group\b.*?(</part-group>|/>)", "", text, flags=re.S)


def keep_spines(rng: np.random.Generator, text: str) -> str:
    """Humdrum with one to all of its staves kept, through Verovio's own `extract` filter."""
    found = re.search(r"^\*\*\S+(\t\*\*\S+)*$", text, flags=re.M)
    count = found[0].count("**kern") if found else 0
    if count < 2:
        return text
    kept = sorted(rng.choice(count, int(rng.integers(1, count)), replace=False) + 1)
    return text.rstrip("\n") + f"\n!!!filter: extract -k {','.join(map(str, kept))}\n"


def keep_measures(rng: np.random.Generator, text: str, most: int = 50) -> str:
    """Humdrum with `most` consecutive measures kept of a longer piece, through Verovio's own `myank` filter."""
    bars = [int(number) for number in re.findall(r"^=(\d+)", text, flags=re.M)]
    if len(bars) <= most:
        return text
    first = bars[int(rng.integers(len(bars) - most + 1))]
    return text.rstrip("\n") + f"\n!!!filter: myank -m {first}-{first + most - 1}\n"
