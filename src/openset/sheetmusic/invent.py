"""Random notation as MEI text: music21's corpus is mostly chorales and folk songs, printed music is not.

Nothing here is meant to sound: one to twenty staves, one or two voices, chords, beams, tuplets, grace notes, rests,
accidentals, articulation, ornaments, slurs, dynamics, lyrics, chord names, fingerings, tablature, percussion lines,
and white mensural notation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

import numpy as np

from .words import phrase, words

CLEFS = {  # name: (MEI attributes, diatonic number of the middle line, C0 = 0)
    "treble": ('clef.shape="G" clef.line="2"', 34),
    "tenor8": ('clef.shape="G" clef.line="2" clef.dis="8" clef.dis.place="below"', 27),
    "bass": ('clef.shape="F" clef.line="4"', 22),
    "alto": ('clef.shape="C" clef.line="3"', 28),
    "tenor": ('clef.shape="C" clef.line="4"', 26),
}
LAYOUTS: dict[str, tuple[str, ...]] = {
    "solo": ("treble",),
    "bass": ("bass",),
    "viola": ("alto",),
    "piano": ("treble", "bass"),
    "song": ("treble", "treble", "bass"),
    "organ": ("treble", "bass", "bass"),
    "choir": ("treble", "treble", "tenor8", "bass"),
    "closed": ("treble", "bass"),
    "quartet": ("treble", "treble", "alto", "bass"),
    "duo": ("treble", "tenor"),
    "band": ("treble", "treble", "treble", "bass", "perc1"),
    "drums": ("drums",),
    "guitar": ("tenor8", "tab"),
    "perc": ("treble", "perc1"),
    "orchestra": ("treble", "treble", "treble", "tenor", "treble", "treble", "bass", "perc1", "treble", "bass",
                  "treble", "treble", "alto", "bass", "bass", "treble", "treble", "tenor", "bass", "bass"),
}  # fmt: skip
WEIGHTS = (6, 2, 1, 6, 2, 1, 3, 2, 2, 1, 1, 1.5, 2, 1, 1.5)
LETTERS = "cdefgab"
DURATIONS = {1: "32", 2: "16", 3: "16.", 4: "8", 6: "8.", 8: "4", 12: "4.", 16: "2", 24: "2.", 32: "1"}
LYRICS = ("choir", "song", "solo", "closed")


@dataclass(frozen=True)
class Manner:
    """How the music of one piece is written; shares are chances a note or a measure."""

    weights: tuple[float, ...]  # of DURATIONS
    rests: float
    chords: float
    voices: float
    accidentals: float
    tuplets: float
    graces: float
    marks: float
    spans: float
    leap: float
    beam: int  # 32nds that one beam covers at most
    lyrics: int
    harmony: bool
    fingers: bool
    head: str


def manner(rng: np.random.Generator, layout: str) -> Manner:
    """A random manner that fits the layout."""
    fast = np.array([0.2, 1.2, 0.2, 2.5, 0.4, 1.0, 0.2, 0.3, 0.1, 0.05])
    slow = np.array([0.0, 0.1, 0.02, 1.0, 0.3, 3.0, 0.7, 1.5, 0.4, 0.6])
    mix = rng.random()
    weights = (fast * mix + slow * (1 - mix)) * rng.gamma(1.0, 1.0, 10) + 1e-3
    thick = layout in ("piano", "organ", "guitar", "closed")

    def maybe(chance: float, high: float) -> float:
        return float(rng.uniform(0, high)) if rng.random() < chance else 0.0

    return Manner(
        tuple((weights / weights.sum()).tolist()),
        rests=maybe(0.8, 0.3),
        chords=maybe(0.9 if thick else 0.25, 0.7),
        voices=maybe(0.6 if thick else 0.15, 0.8),
        accidentals=maybe(0.6, 0.3),
        tuplets=maybe(0.3, 0.3),
        graces=maybe(0.25, 0.15),
        marks=maybe(0.5, 0.4),
        spans=maybe(0.5, 0.8),
        leap=float(rng.uniform(0.8, 3.5)),
        beam=int(rng.choice([8, 8, 16])),
        lyrics=int(rng.integers(1, 4)) if layout in LYRICS and rng.random() < 0.5 else 0,
        harmony=bool(rng.random() < 0.2),
        fingers=bool(rng.random() < 0.12),
        head=str(rng.choice(["", "", "", "", "", "", "", "", "diamond", "x", "slash", "triangle"])),
    )


class _Writer:
    """Writes one piece; its counter names the notes that slurs and marks refer to."""

    def __init__(self, rng: np.random.Generator, layout: str) -> None:
        self.rng, self.layout = rng, layout
        self.manner = manner(rng, layout)
        self.count = 0
        self.pitch: dict[int, int] = {}
        self.names: list[str] = []  # of the notes of the staff being written

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def staff(self, n: int, kind: str, length: int) -> str:
        self.names = []
        if kind == "tab":
            return f'<staff n="{n}"><layer n="1">{self._tab(length)}</layer></staff>'
        if self.chance(0.06):
            return f'<staff n="{n}"><layer n="1"><mRest/></layer></staff>'
        layers = 2 if self.chance(self.manner.voices) and kind != "perc1" else 1
        inside = "".join(
            f'<layer n="{i + 1}">{self._voice(n * 10 + i, kind, length, (0, 4, -4)[i + (layers > 1)])}</layer>'
            for i in range(layers)
        )
        return f'<staff n="{n}">{inside}</staff>'

    def _voice(self, voice: int, kind: str, length: int, lift: int) -> str:
        keys, time = list(DURATIONS), 0
        parts: list[str] = []
        beam: list[str] = []
        while time < length:
            left = length - time
            within = self.manner.beam - time % self.manner.beam
            if self.chance(self.manner.tuplets) and left >= 8 and time % 8 == 0:
                parts += [*self._flush(beam), self._tuplet(voice, kind, lift)]
                time += 8
                continue
            fits = [d for d in keys if d <= left and (d <= within or (time % 8 == 0 and d >= 8))] or [1]
            weights = np.array([self.manner.weights[keys.index(d)] for d in fits])
            duration = int(self.rng.choice(fits, p=weights / weights.sum()))
            note = self._event(voice, kind, duration, lift)
            if duration < 8:
                beam.append(note)
            else:
                parts += [*self._flush(beam), note]
            time += duration
            if time % self.manner.beam == 0:
                parts += self._flush(beam)
        return "".join(parts + self._flush(beam))

    def _flush(self, beam: list[str]) -> list[str]:
        notes = beam[:]
        beam.clear()
        heads = sum(not note.startswith("<rest") for note in notes)
        if heads > 1 and not notes[0].startswith("<rest") and not notes[-1].startswith("<rest"):
            return [f"<beam>{''.join(notes)}</beam>"]
        return notes

    def _tuplet(self, voice: int, kind: str, lift: int) -> str:
        notes = "".join(self._event(voice, kind, 4, lift, plain=True) for _ in range(3))
        inside = f"<beam>{notes}</beam>" if self.chance(0.8) else notes
        return f'<tuplet num="3" numbase="2">{inside}</tuplet>'

    def _event(self, voice: int, kind: str, duration: int, lift: int, plain: bool = False) -> str:
        value = DURATIONS[duration]
        length = f'dur="{value.rstrip(".")}"' + (' dots="1"' if value.endswith(".") else "")
        if not plain and self.chance(self.manner.rests):
            return f"<rest {length}/>"
        if kind == "perc1":
            return f'<note {self._name()} {length} loc="0"/>'
        middle = 34 if kind == "drums" else CLEFS[kind][1]
        step = self.pitch.get(voice, middle + lift) + round(float(self.rng.normal(0, self.manner.leap)))
        step += round((middle + lift - step) * 0.15)
        step = int(np.clip(step, middle - 11, middle + 11))
        self.pitch[voice] = step
        grace = ""
        if not plain and self.chance(self.manner.graces):
            grace = f'<note dur="8" grace="acc" stem.mod="1slash" {self._pitch(step + 1)}/>'
        inside = self._inside(voice)
        if not self.chance(self.manner.chords):
            return f"{grace}<note {self._name()} {length} {self._pitch(step)} {self._look(kind)}>{inside}</note>"
        name, steps = (
            self._name(),
            step - np.cumsum(self.rng.choice([1, 2, 2, 2, 3, 4, 5], int(self.rng.integers(1, 4)))),
        )
        tones = "".join(f"<note {self._pitch(int(s))}/>" for s in (step, *steps))
        return f"{grace}<chord {name} {length}>{tones}{inside}</chord>"

    def _name(self) -> str:
        self.count += 1
        self.names.append(f"n{self.count}")
        return f'xml:id="n{self.count}"'

    def _pitch(self, step: int) -> str:
        sign = (
            str(self.rng.choice(["s", "f", "n", "s", "f", "n", "x", "ff"]))
            if self.chance(self.manner.accidentals)
            else ""
        )
        return f'pname="{LETTERS[step % 7]}" oct="{step // 7}"' + (f' accid="{sign}"' if sign else "")

    def _look(self, kind: str) -> str:
        if kind == "drums":
            return 'head.shape="x"' if self.chance(0.5) else ""
        return f'head.shape="{self.manner.head}"' if self.manner.head else ""

    def _inside(self, voice: int) -> str:
        marks = ""
        if self.chance(self.manner.marks):
            marks = f'<artic artic="{self.rng.choice(["stacc", "acc", "ten", "marc", "stacc", "dnbow", "upbow"])}"/>'
        if self.manner.lyrics and voice % 10 == 0:
            syllables = words(self.rng, self.manner.lyrics)
            marks += "".join(
                f'<verse n="{i + 1}"><syl{self._link()}>{escape(s[:7])}</syl></verse>' for i, s in enumerate(syllables)
            )
        return marks

    def _link(self) -> str:
        return ' con="d" wordpos="i"' if self.chance(0.3) else ""

    def _tab(self, length: int) -> str:
        parts = []
        for _ in range(length // 4):
            courses = self.rng.choice(6, int(self.rng.choice([1, 1, 1, 2, 4])), replace=False) + 1
            notes = "".join(f'<note tab.course="{c}" tab.fret="{self.rng.integers(0, 13)}"/>' for c in courses)
            parts.append(f'<tabGrp dur="8"><tabDurSym/>{notes}</tabGrp>' if self.chance(0.85) else '<rest dur="8"/>')
        return "".join(parts)

    def signs(self, n: int) -> str:
        """Control events of the staff just written."""
        names, out = self.names, []
        if names and self.chance(self.manner.spans):
            a, b = sorted(self.rng.integers(len(names), size=2))
            if a < b:
                out.append(f'<slur startid="#{names[a]}" endid="#{names[b]}"/>')
            elif len(names) > 1 and n == 1:
                form = self.rng.choice(["cres", "dim"])
                out.append(f'<hairpin form="{form}" startid="#{names[0]}" endid="#{names[-1]}" staff="{n}"/>')
        if names and self.chance(self.manner.spans * 0.4):
            out.append(f'<dynam startid="#{names[0]}">{self.rng.choice(["p", "f", "mf", "pp", "ff", "sfz"])}</dynam>')
        if names and self.chance(self.manner.marks):
            sign = self.rng.choice(["trill", "mordent", "turn", "fermata", "fermata"])
            out.append(f'<{sign} startid="#{names[self.rng.integers(len(names))]}"/>')
        if n == 1 and self.manner.harmony:
            beats = (1, 3) if self.chance(0.5) else (1,)
            out += [f'<harm tstamp="{t}" staff="1" place="above">{_chord_name(self.rng)}</harm>' for t in beats]
        if self.manner.fingers:
            out += [f'<fing startid="#{name}">{self.rng.integers(1, 6)}</fing>' for name in names if self.chance(0.6)]
        if n == 1 and self.chance(0.06):
            out.append(f'<dir tstamp="1" staff="1" place="above">{escape(phrase(self.rng, 1, 3))}</dir>')
        return "".join(out)


def _chord_name(rng: np.random.Generator) -> str:
    return str(rng.choice(list("CDEFGAB"))) + str(
        rng.choice(["", "", "m", "7", "m7", "maj7", "dim", "sus4", "#m", "b"])
    )


def _staff_definition(n: int, kind: str, label: str) -> str:
    if kind == "tab":
        strings = "".join(
            f'<course n="{i + 1}" pname="{p}" oct="{o}"/>'
            for i, (p, o) in enumerate(zip("ebgdae", "433322", strict=True))
        )
        return (
            f'<staffDef n="{n}" lines="6" notationtype="tab.guitar" clef.shape="TAB" clef.line="5">'
            f'<tuning tuning.standard="guitar.standard">{strings}</tuning></staffDef>'
        )
    if kind == "perc1":
        return f'<staffDef n="{n}" lines="1" clef.shape="perc" clef.line="1">{label}</staffDef>'
    clef = 'clef.shape="perc" clef.line="3"' if kind == "drums" else CLEFS[kind][0]
    return f'<staffDef n="{n}" lines="5" {clef}>{label}</staffDef>'


def _group(rng: np.random.Generator, layout: str, kinds: Sequence[str]) -> str:
    named = rng.random() < 0.4
    labels = [f"<label>{escape(phrase(rng, 1, 1))}</label>" if named else "" for _ in kinds]
    staves = [_staff_definition(i + 1, kind, label) for i, (kind, label) in enumerate(zip(kinds, labels, strict=True))]
    if layout in ("piano", "organ", "closed") and len(staves) > 1:
        pair = f'<staffGrp symbol="brace" bar.thru="true">{"".join(staves[:2])}</staffGrp>'
        return f"<staffGrp>{pair}{''.join(staves[2:])}</staffGrp>"
    if len(staves) > 5:
        cuts = sorted(set(rng.integers(1, len(staves), 3)) | {0, len(staves)})
        families = [
            f'<staffGrp symbol="{rng.choice(["bracket", "brace"])}" bar.thru="true">{"".join(staves[a:b])}</staffGrp>'
            for a, b in pairwise(cuts)
        ]
        return f"<staffGrp>{''.join(families)}</staffGrp>"
    symbol = ' symbol="bracket"' if rng.random() < 0.6 else ""
    through = ' bar.thru="true"' if rng.random() < 0.5 else ""
    return f"<staffGrp{symbol}{through}>{''.join(staves)}</staffGrp>"


def _wrap(head: str, definition: str, group: str, section: str) -> str:
    return (
        '<mei xmlns="http://www.music-encoding.org/ns/mei" meiversion="5.0">'
        "<meiHead><fileDesc><titleStmt><title/></titleStmt>"
        f"<pubStmt/></fileDesc></meiHead><music><body><mdiv><score><scoreDef {definition}>{head}{group}</scoreDef>"
        f"<section>{section}</section></score></mdiv></body></music></mei>"
    )


def _heading(rng: np.random.Generator) -> str:
    if rng.random() < 0.35:
        return ""
    sizes = ["large", "x-large", "xx-large", "250%"]
    lines = f'<rend halign="center" fontsize="{rng.choice(sizes)}">{escape(phrase(rng, 1, 5))}</rend>'
    if rng.random() < 0.5:
        lines += f'<rend halign="center" fontsize="small">{escape(phrase(rng, 2, 6))}</rend>'
    if rng.random() < 0.7:
        lines += f'<rend halign="right" fontstyle="italic">{escape(phrase(rng, 1, 3))}</rend>'
    if rng.random() < 0.4:
        lines += f'<rend halign="left">{escape(phrase(rng, 1, 3))}</rend>'
    return f"<pgHead>{lines}</pgHead>"


def modern(rng: np.random.Generator) -> str:
    """A random piece in common notation, as MEI."""
    layout = str(rng.choice(list(LAYOUTS), p=np.array(WEIGHTS) / sum(WEIGHTS)))
    kinds = LAYOUTS[layout]
    if layout == "orchestra":
        kinds = kinds[: int(rng.integers(6, 21))]
    writer = _Writer(rng, layout)
    count, unit = (int(v) for v in (rng.choice([4, 3, 2, 6, 5, 12, 7]), rng.choice([4, 4, 4, 8, 2])))
    length = min(count * 32 // unit, 48)
    count = length * unit // 32
    measures = max(2, int(np.exp(rng.uniform(1.5, 4.8)) / len(kinds) ** 0.6))
    section = ""
    for i in range(measures):
        inside = ""
        for n, kind in enumerate(kinds, start=1):
            inside = inside + writer.staff(n, kind, length)
            inside += writer.signs(n) if kind != "tab" else ""
        staves, rest = _staves_first(inside)
        line = (
            ' right="end"'
            if i == measures - 1
            else str(rng.choice(["", "", "", "", "", ' right="rptend"', ' right="dbl"']))
        )
        section += f'<measure n="{i + 1}"{line}>{staves}{rest}</measure>'
    symbol = ' meter.sym="common"' if (count, unit) == (4, 4) and rng.random() < 0.5 else ""
    signature = f'key.sig="{_key(rng)}" meter.count="{count}" meter.unit="{unit}"{symbol}'
    return _wrap(_heading(rng), signature, _group(rng, layout, kinds), section)


def _staves_first(inside: str) -> tuple[str, str]:
    """MEI wants a measure's staves before its control events."""
    pieces = [
        piece for piece in inside.replace("</staff>", "</staff>\0").replace("<staff ", "\0<staff ").split("\0") if piece
    ]
    staves = "".join(piece for piece in pieces if piece.startswith("<staff "))
    return staves, "".join(piece for piece in pieces if not piece.startswith("<staff "))


def _key(rng: np.random.Generator) -> str:
    count = int(rng.integers(0, 8))
    return "0" if count == 0 else f"{count}{rng.choice(['s', 'f'])}"


def mensural(rng: np.random.Generator) -> str:
    """A random piece in white mensural notation on five lines, as MEI."""
    voices = int(rng.integers(1, 5))
    clefs = [str(rng.choice(["treble", "alto", "tenor", "bass"])) for _ in range(voices)]
    values = ["brevis", "semibrevis", "semibrevis", "minima", "minima", "minima", "semiminima"]
    staves, definitions = "", ""
    total = int(rng.integers(8, 36))
    for n, clef in enumerate(clefs, start=1):
        mark, middle = CLEFS[clef]
        definitions += (
            f'<staffDef n="{n}" lines="5" notationtype="mensural.white" {mark} mensur.sign="C" mensur.tempus="2"/>'
        )
        step, notes = middle, ""
        for _ in range(total):
            step = int(np.clip(step + round(float(rng.normal(0, 1.6))), middle - 5, middle + 5))
            value = rng.choice(values)
            pitch = f'pname="{LETTERS[step % 7]}" oct="{step // 7}"'
            notes += f'<rest dur="{value}"/>' if rng.random() < 0.06 else f'<note dur="{value}" {pitch}/>'
        staves += f'<staff n="{n}"><layer n="1">{notes}</layer></staff>'
    return _wrap(_heading(rng), "", f"<staffGrp>{definitions}</staffGrp>", staves)
