"""Changes to a score's text before it is engraved: fewer parts, no lyrics. Text in, text out; the notes stay."""

from __future__ import annotations

import re

import numpy as np


def varied(rng: np.random.Generator, text: str, kind: str) -> str:
    """The score with, at random, only some of its parts and without its lyrics. `kind` is the file's suffix."""
    if kind == "abc":
        return text if rng.random() < 0.7 else re.sub(r'"[^"\n]*"', "", text)
    if text.lstrip().startswith("<"):
        if rng.random() < 0.4:
            text = without_lyrics(text)
        return keep_parts(rng, text) if rng.random() < 0.45 else text
    return keep_spines(rng, text) if kind == "krn" and rng.random() < 0.5 else text


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
