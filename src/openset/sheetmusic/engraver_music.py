"""Made-up pieces in the two languages that training never reads: LilyPond's and abcm2ps' (ABC with voices).

Every piece is a seeded random walk over a scale in complete measures, for one to twelve staves, with or without
lyrics, chords, second voices, ornaments and titles.
"""

from __future__ import annotations

import numpy as np

from .typeset import chance
from .words import name, phrase, pick, words

STEPS = "cdefgab"
METERS = ((4, 4), (3, 4), (2, 2), (6, 8), (2, 4), (9, 8), (12, 8), (5, 4))
LY_CLEFS = ("treble", "bass", "alto", "tenor", "treble_8", "soprano")
CENTRES = {"treble": 6, "bass": -6, "alto": 0, "tenor": -2, "treble_8": -1, "soprano": 4}
KEYS = ("c", "g", "d", "a", "e", "f", "bes", "ees", "aes", "b")


def rhythm(rng: np.random.Generator, beats: int, unit: int, density: float) -> list[int]:
    """Lengths in sixty-fourths that fill one measure of beats/unit; density 0 long notes, 1 short ones."""
    left, out = beats * 64 // unit, []
    sizes = np.array([64, 48, 32, 24, 16, 12, 8, 4])
    likely = np.exp(-np.abs(np.arange(8) - (1.5 + 4.5 * density)))
    while left:
        fits = (sizes <= left) & ((left - sizes) % 4 == 0)
        chosen = int(rng.choice(sizes[fits], p=likely[fits] / likely[fits].sum())) if fits.any() else 4
        out.append(chosen)
        left -= chosen
    return out


def walk(rng: np.random.Generator, count: int, centre: int, spread: float) -> list[int]:
    """Scale steps around `centre` (0 is middle C), drawn back to it as they stray."""
    at, out = float(centre), []
    for _ in range(count):
        at += float(rng.normal(0, spread)) + 0.15 * (centre - at)
        out.append(round(at))
    return out


def _ly_pitch(step: int) -> str:
    octave, place = divmod(step, 7)
    marks = "'" * (octave + 1) if octave >= -1 else "," * (-1 - octave)
    return STEPS[place] + marks


def _ly_length(size: int) -> str:
    return {64: "1", 48: "2.", 32: "2", 24: "4.", 16: "4", 12: "8.", 8: "8", 4: "16"}[size]


def _ly_voice(rng: np.random.Generator, clef: str, meter: tuple[int, int], measures: int, key: str) -> tuple[str, int]:
    density, chords, spread = float(rng.uniform(0, 1)), float(rng.choice([0, 0, 0.1, 0.5])), float(rng.uniform(0.8, 3))
    marks = pick(rng, (("",), ("", "", "", "-.", "->", "--"), ("", "", "", "\\trill", "\\fermata", "-.")))
    parts, count = [f"\\clef {clef} \\key {key} \\{pick(rng, ('major', 'minor'))} \\time {meter[0]}/{meter[1]}"], 0
    for _ in range(measures):
        sizes = rhythm(rng, *meter, density)
        for size, step in zip(sizes, walk(rng, len(sizes), CENTRES[clef], spread), strict=True):
            roll = rng.random()
            if roll < 0.06:
                parts.append("r" + _ly_length(size))
                continue
            head = _ly_pitch(step)
            if roll > 1 - chords:
                head = f"<{head} {_ly_pitch(step + 2)} {_ly_pitch(step + 4)}>"
            accidental = pick(rng, ("", "", "", "", "is", "es")) if head[0] in "dga" and chance(rng, 0.3) else ""
            head = head[0] + accidental + head[1:] if accidental else head
            parts.append(head + _ly_length(size) + pick(rng, marks))
            count += 1
        parts.append("|\n")
    return " ".join(parts), count


def ly_score(rng: np.random.Generator) -> str:
    """One random piece as a LilyPond \\score with its title: one to ten staves, lyrics now and then."""
    meter, key = pick(rng, METERS), pick(rng, KEYS)
    staves = int(rng.choice([1, 1, 2, 2, 3, 4, 5, 8, 10]))
    measures = int(rng.integers(4, 60 // staves + 6))
    group = pick(rng, ("StaffGroup", "ChoirStaff", "PianoStaff", "GrandStaff"))
    sung = chance(rng, 0.35)
    inner = []
    for i in range(staves):
        clef = "bass" if staves > 1 and i == staves - 1 else pick(rng, LY_CLEFS[: 2 if chance(rng, 0.7) else 6])
        notes, count = _ly_voice(rng, clef, meter, measures, key)
        inner.append(f"\\new Staff {{ {notes} }}")
        if sung and (staves == 1 or chance(rng, 0.7)):
            script = "accented" if chance(rng, 0.3) else "latin"
            inner.append(f"\\addlyrics {{ {' '.join(words(rng, count, script))} }}")
    body = f"\\new {group} <<\n" + "\n".join(inner) + "\n>>" if staves > 1 else "<< " + " ".join(inner) + " >>"
    title = f'\\header {{ title = "{phrase(rng, 1, 5)}" composer = "{name(rng)}" tagline = ##f }}'
    return (title if chance(rng, 0.7) else "\\header { tagline = ##f }") + f"\n\\score {{ {body} }}"


def _abc_pitch(step: int) -> str:
    octave, place = divmod(step, 7)
    letter = STEPS[place]
    if octave >= 1:
        return letter + "'" * (octave - 1)
    return letter.upper() + "," * -octave


def _abc_voice(rng: np.random.Generator, clef: str, meter: tuple[int, int], measures: int, a_line: int) -> list[str]:
    density, chords, spread = float(rng.uniform(0, 1)), float(rng.choice([0, 0, 0.1, 0.5])), float(rng.uniform(0.8, 3))
    lines, bars = [], []
    for measure in range(measures):
        sizes = rhythm(rng, *meter, density)
        steps = walk(rng, len(sizes), CENTRES[clef], spread)
        parts = []
        for size, step in zip(sizes, steps, strict=True):
            head = _abc_pitch(step)
            if rng.random() < chords:
                head = f"[{head}{_abc_pitch(step + 2)}{_abc_pitch(step + 4)}]"
            sign = pick(rng, ("", "", "", "", "", "^", "_", "~", ".")) if head[0] != "[" else ""
            parts.append(("z" if rng.random() < 0.06 else sign + head) + str(size // 4))
        bars.append(" ".join(parts) if chance(rng, 0.3) else "".join(parts))
        if len(bars) == a_line or measure == measures - 1:
            lines.append(" | ".join(bars) + " |")
            bars = []
    return lines


def abc_tune(rng: np.random.Generator, number: int = 1) -> str:
    """One random tune in ABC, of one to eight voices, with lyrics now and then."""
    meter = pick(rng, METERS)
    voices = int(rng.choice([1, 1, 2, 2, 3, 4, 6, 8]))
    measures, a_line = int(rng.integers(4, 70 // voices + 8)), int(rng.integers(2, 6))
    key = pick(rng, ("C", "G", "D", "A", "F", "Bb", "Eb", "Am", "Em", "Dm"))
    clefs = [
        "bass" if i and i == voices - 1 else pick(rng, ("treble", "treble", "alto", "bass")) for i in range(voices)
    ]
    head = [f"X:{number}", f"T:{phrase(rng, 1, 5)}", f"C:{name(rng)}", f"M:{meter[0]}/{meter[1]}", "L:1/16"]
    if voices > 1:
        head.append("%%score {" + " | ".join(str(i + 1) for i in range(voices)) + "}")
    parts = [_abc_voice(rng, clef, meter, measures, a_line) for clef in clefs]
    head.append(f"K:{key}")
    sung = chance(rng, 0.35)
    for i, (clef, lines) in enumerate(zip(clefs, parts, strict=True)):
        if voices > 1:
            head.append(f"V:{i + 1} clef={clef}")
        elif clef != "treble":
            head.append(f"K:{key} clef={clef}")
        for line in lines:
            head.append(line)
            if sung:
                head.append("w: " + " ".join(words(rng, 6 * a_line)))
    return "\n".join(head) + "\n"
