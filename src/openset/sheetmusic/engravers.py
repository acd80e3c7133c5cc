"""Pages by two engravers that no training picture comes from: LilyPond and abcm2ps. Only for testing the judge.

Pieces are music21's test scores (ABC tunes for abcm2ps, MusicXML through musicxml2ly for LilyPond) and random ones. Both
programs write SVG; noteheads and staves are read out of it, resvg draws it. A program that is not installed is said and left
out; nothing is made up in its place.

    python -m openset.sheetmusic.engravers OUT --count 300
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..errors import DataError
from . import corpus, scores
from .degrade import degrade
from .engraver_music import abc_tune, ly_score
from .sample import Gray, Points, Sample
from .typeset import chance

PROGRAMS = ("lilypond", "abcm2ps")
SHARD = 25
Say = Callable[[str], None]
_HREF = "{http://www.w3.org/1999/xlink}href"
_HEADS = frozenset({"#hd", "#Hd", "#HD", "#HDD"})
_MOVE = re.compile(r"(translate|scale)\(([^)]*)\)")
_STAFF = re.compile(r"m([\d.]+) ([\d.]+)((?:\s+h[\d.]+\s+M[\d.]+ [\d.]+){4}\s+h[\d.]+)\s*$")
Place = tuple[float, float, float]  # x, y, scale


def missing() -> list[str]:
    """The programs of PROGRAMS that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def _moved(place: Place, transform: str) -> Place:
    x, y, scale = place
    for kind, numbers in _MOVE.findall(transform):
        values = [float(v) for v in re.split(r"[ ,]+", numbers.strip())]
        if kind == "translate":
            x, y = x + scale * values[0], y + scale * (values[1] if len(values) > 1 else 0.0)
        else:
            scale *= values[0]
    return x, y, scale


def _walk(element: ET.Element, place: Place, notes: list[Place], staves: list[list[tuple[float, float]]]) -> None:
    place = _moved(place, element.get("transform", ""))
    tag, kind, (x, y, scale) = element.tag.rpartition("}")[2], element.get("class", ""), place
    if tag == "use" and element.get(_HREF) in _HEADS:
        notes.append((x + scale * float(element.get("x", 0)), y + scale * float(element.get("y", 0)), scale))
    elif tag == "g" and kind == "note":
        inner = next(iter(element), element)
        nx, ny, _ = _moved(place, inner.get("transform", ""))
        notes.append((nx + 0.65 * scale, ny, scale))
    elif tag == "g" and kind == "staff":
        lines = [(_moved(place, g.get("transform", "")), g.find("{*}line")) for g in element]
        marks = [
            (lx + s * float(line.get("x1", 0)), lx + s * float(line.get("x2", 0)), ly)
            for (lx, ly, s), line in lines
            if line is not None
        ]
        _add_staff(staves, marks)
    elif tag == "path" and kind == "stroke" and (found := _STAFF.match(element.get("d", "").strip())):
        tops = [float(found[2]), *(float(v) for v in re.findall(r"M[\d.]+ ([\d.]+)", found[3]))]
        left, width = float(found[1]), float(re.findall(r"h([\d.]+)", found[3])[0])
        _add_staff(staves, [(x + scale * left, x + scale * (left + width), y + scale * top) for top in tops])
    for child in element:
        if child.tag.rpartition("}")[2] != "defs":
            _walk(child, place, notes, staves)


def _add_staff(staves: list[list[tuple[float, float]]], lines: list[tuple[float, float, float]]) -> None:
    if len(lines) == 5:
        left, right = lines[0][:2]
        top, bottom = min(y for _, _, y in lines), max(y for _, _, y in lines)
        staves.append([(left, top), (right, top), (right, bottom), (left, bottom)])


def read_svg(svg: str) -> tuple[tuple[float, float, float, float], Points, Points]:
    """The view box (x, y, width, height), notes [N, 2] and five-line staves [M, 4, 2] in its units."""
    root = ET.fromstring(svg)
    box = root.get("viewBox")
    given = box.split() if box else ["0", "0", root.get("width", "").rstrip("px"), root.get("height", "").rstrip("px")]
    x, y, width, height = (float(v) for v in given)
    notes: list[Place] = []
    staves: list[list[tuple[float, float]]] = []
    _walk(root, (0.0, 0.0, 1.0), notes, staves)
    heads = np.array([note[:2] for note in notes], np.float32).reshape(-1, 2)
    return (x, y, width, height), heads, np.array(staves, np.float32).reshape(-1, 4, 2)


def draw(svg: str, long: int, family: str) -> Sample:
    """The SVG as a clean gray page of long side `long`, with its notes and staves in pixels."""
    import resvg_py

    (x, y, width, height), notes, staves = read_svg(svg)
    zoom = long / max(width, height)
    size = f'width="{max(1, round(width * zoom))}px" height="{max(1, round(height * zoom))}px"'
    sized = re.sub(r'width="[^"]*"\s+height="[^"]*"', size, svg, count=1)
    if "viewBox" not in svg[:1500]:
        sized = sized.replace("<svg ", f'<svg viewBox="0 0 {width} {height}" ', 1)
    png = bytes(resvg_py.svg_to_bytes(svg_string=sized, background="white"))
    page = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    offset = np.array([x, y], np.float32)
    return Sample(page, family, len(notes) > 0, (notes - offset) * zoom, (staves - offset) * zoom)


def _run(command: list[str], room: Path, seconds: int) -> None:
    try:
        subprocess.run(command, cwd=room, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        print(f"{command[0]}: stopped after {seconds} s; its finished pages are used", file=sys.stderr)


def _look(rng: np.random.Generator) -> str:
    size, paper = int(rng.integers(11, 27)), rng.choice(["a4", "a5", "letter", "b5", "a4"])
    turned = " 'landscape" if chance(rng, 0.2) else ""
    indent = f"indent = {rng.uniform(0, 20):.0f}\\mm" if chance(rng, 0.5) else ""
    ragged = "ragged-bottom = ##t" if chance(rng, 0.5) else ""
    thick = f"\\override StaffSymbol.thickness = #{rng.uniform(0.6, 1.8):.2f}" if chance(rng, 0.4) else ""
    return (
        f'\\version "2.24.0"\n#(set-default-paper-size "{paper}"{turned})\n#(set-global-staff-size {size})\n'
        f"\\paper {{ {indent} {ragged} }}\n\\layout {{ \\context {{ \\Score {thick}\n"
        '\\override NoteHead.output-attributes = #\'((class . "note"))\n'
        '\\override StaffSymbol.output-attributes = #\'((class . "staff")) } }\n'
    )


def _ly_from_score(rng: np.random.Generator, room: Path, stem: str) -> str | None:
    """A random MusicXML test score as LilyPond text, or None where musicxml2ly fails."""
    every = [s for s in scores.find_scores("test") if s.kind in ("mxl", "xml", "musicxml")]
    source = room / f"{stem}.xml"
    try:
        source.write_text(scores.read_score(every[int(rng.integers(len(every)))]), "utf-8")
    except DataError:
        return None
    _run(["musicxml2ly", "--no-page-layout", "--no-beaming", "-o", f"{stem}.ly", source.name], room, 120)
    made = room / f"{stem}.ly"
    return re.sub(r"#\(set-(global-staff|default-paper)-size.*", "", made.read_text("utf-8")) if made.exists() else None


def lilypond_pages(rng: np.random.Generator, count: int, *, batch: int = 6) -> Iterator[Sample]:
    """Up to `count` clean pages by LilyPond, at most three of a piece. Raises DataError where it is not installed."""
    _need("lilypond")
    done = failed = 0
    while done < count and failed < 3:
        with tempfile.TemporaryDirectory() as scratch:
            room, names = Path(scratch), []
            for i in range(min(batch, count - done)):
                own = (
                    _ly_from_score(rng, room, f"score{i}")
                    if chance(rng, 0.35) and shutil.which("musicxml2ly")
                    else None
                )
                text = own if own is not None else f"\\book {{ {ly_score(rng)} }}"
                names.append(f"piece{i:02d}.ly")
                (room / names[-1]).write_text(_look(rng) + text, "utf-8")
            _run(["lilypond", "-dbackend=svg", "-dno-point-and-click", "-l", "NONE", *names], room, 200 * len(names))
            before = done
            for name in names:
                made = sorted(room.glob(name.replace(".ly", "*.svg")))
                for path in made if len(made) < 4 else (made[k] for k in rng.choice(len(made), 3, replace=False)):
                    if done < count and (page := _page(rng, path, "lilypond")):
                        done += 1
                        yield page
            failed += done == before


def _book(rng: np.random.Generator, tunes: list[scores.ScoreFile]) -> str:
    if chance(rng, 0.4):
        return "\n".join(abc_tune(rng, i + 1) for i in range(int(rng.integers(1, 5))))
    at = int(rng.integers(len(tunes)))
    return "\n".join(scores.read_score(tune) for tune in tunes[at : at + int(rng.integers(1, 9))])


def abcm2ps_pages(rng: np.random.Generator, count: int) -> Iterator[Sample]:
    """Up to `count` clean pages by abcm2ps, at most two of a book. Raises DataError where it is not installed."""
    _need("abcm2ps")
    tunes = [score for score in scores.find_scores("test") if score.kind == "abc"]
    done = failed = 0
    while done < count and failed < 20:
        with tempfile.TemporaryDirectory() as scratch:
            room = Path(scratch)
            (room / "book.abc").write_text(_book(rng, tunes), "utf-8")
            look = ["-s", f"{rng.uniform(0.45, 1.1):.2f}", "-d", f"{rng.uniform(30, 70):.0f}"]
            look += (["-l"] if chance(rng, 0.15) else []) + (["-f"] if chance(rng, 0.2) else [])
            look += (["-c"] if chance(rng, 0.6) else []) + (["-j", "0"] if chance(rng, 0.3) else [])
            kind = "-v" if chance(rng, 0.75) else "-g"
            _run(["abcm2ps", "-q", "-S", kind, *look, "-O", "page", "book.abc"], room, 60)
            made, before = sorted(room.glob("page*.svg")), done
            for path in made if len(made) < 3 else (made[k] for k in rng.choice(len(made), 2, replace=False)):
                if done < count and (page := _page(rng, path, "abcm2ps")):
                    done += 1
                    yield page
            failed = failed + 1 if done == before else 0


PAGES = {"lilypond": lilypond_pages, "abcm2ps": abcm2ps_pages}


def _need(program: str) -> None:
    if program in missing():
        raise DataError(f"{program} is not installed; on Debian: apt-get install {program}")


def _page(rng: np.random.Generator, path: Path, family: str) -> Sample | None:
    """The page at a random size, or None where it holds fewer than eight notes (a page of text, an empty rest)."""
    sample = draw(path.read_text("utf-8"), int(rng.integers(900, 1401)), family)
    ratio = max(sample.image.shape) / min(sample.image.shape)
    return sample if len(sample.notes) >= 8 and ratio < 5 else None


def degraded(rng: np.random.Generator, clean: Sample, grounds: list[Gray] | None = None) -> Sample:
    """The page as scanners and phones give it, at least six of its notes in view."""
    for _ in range(20):
        out = degrade(clean, rng, pictures=grounds)
        if out.sheet and len(out.notes) >= 6:
            return out
    return degrade(clean, rng, kind="clean")


def write(out: Path, count: int, seed: int, say: Say = print) -> int:
    """Write a corpus folder of about count / 2 degraded pages of each engraver; returns how many it holds.

    A shard of SHARD pages that is there is kept: a run that was stopped goes on where it was. One that came short is made again,
    and kept when it is longer then. Raises DataError where `out` holds pages of another count or seed.
    """
    cv2.setNumThreads(1)
    corpus.started(out, {"count": count, "seed": seed, "shard": SHARD})
    for program, wanted in (("abcm2ps", count - count // 2), ("lilypond", count // 2)):
        if program in missing():
            say(f"{program} is not installed: its pages are left out (on Debian: apt-get install {program})")
            continue
        done = 0
        for number, start in enumerate(range(0, wanted, SHARD)):
            stem, size = out / f"{program}-{number:03d}", min(SHARD, wanted - start)
            held = _held(stem)
            if held < size:
                rng = np.random.default_rng([seed, number])
                made = [degraded(rng, clean) for clean in PAGES[program](rng, size)]
                if len(made) > held:
                    corpus.write_shard(stem, made)
                    held = len(made)
            done += held
            say(f"{program}: {done} of {wanted} pages" + (f", {stem.name} came short" if held < size else ""))
    return sum(_held(index.with_suffix("")) for index in out.glob("*.npz"))


def _held(stem: Path) -> int:
    """How many pages the shard holds, 0 where there is none."""
    index = stem.with_suffix(".npz")
    if not index.exists():
        return 0
    with np.load(index, allow_pickle=False) as data:
        return len(data["family"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m openset.sheetmusic.engravers", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the corpus to write")
    parser.add_argument("--count", type=int, default=300, help="pages in all")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    held = write(given.out, given.count, given.seed, lambda line: print(line, flush=True))
    print(f"pages in {given.out}: {held}")
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
