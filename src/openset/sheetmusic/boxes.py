"""Reads staves and noteheads out of Verovio's SVG: exact, because they are the numbers that drew them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from .press import glyph_centres

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_LINK = "{http://www.w3.org/1999/xlink}href"


@dataclass(frozen=True)
class Staff:
    """A five-line staff over one system, from first to last measure. `notes`: centres of its noteheads.

    All in the SVG's inner units. `bars`: the x where its measures begin and end.
    """

    left: float
    top: float
    right: float
    bottom: float
    system: int
    notes: tuple[tuple[float, float], ...]
    bars: tuple[float, ...]

    @property
    def space(self) -> float:
        return (self.bottom - self.top) / 4


@dataclass(frozen=True)
class Page:
    """width, height: of the page. ink: (left, top, right, bottom) around lines and the origins of glyphs."""

    width: float
    height: float
    staves: tuple[Staff, ...]
    ink: tuple[float, float, float, float]


def read_page(svg: str, font: str) -> Page:
    """Every five-line staff of the page (those without notes included), merged over the measures of its system."""
    root = ElementTree.fromstring(svg)
    inner = next(e for e in root if e.get("class") == "definition-scale")
    width, height = (float(v) for v in inner.get("viewBox", "0 0 0 0").split()[2:])
    pieces: list[Staff] = []
    spread: list[tuple[float, float]] = []
    margins = [e for e in inner if "page-margin" in e.get("class", "")]
    for margin in margins:
        shift = _shift(margin)
        system = -1
        for part in margin.iter():
            kind = part.get("class", "").split(" ")[0]
            if kind == "system":
                system += 1
            elif kind == "staff":
                pieces += _staff(part, shift, system, glyph_centres(font))
            spread += _origins(part, shift)
    xs, ys = [x for x, _ in spread] or [0.0], [y for _, y in spread] or [0.0]
    return Page(width, height, _merge(pieces), (min(xs), min(ys), max(xs), max(ys)))


def _staff(
    element: ElementTree.Element, shift: tuple[float, float], system: int, centres: dict[str, tuple[float, float]]
) -> Iterator[Staff]:
    lines = [path for path in element if path.tag.endswith("path")]
    if len(lines) != 5:
        return
    ends = [[float(v) for v in _NUMBER.findall(line.get("d", ""))] for line in lines]
    if any(len(end) != 4 or end[1] != end[3] for end in ends):
        return
    (left, top, right, _), bottom = ends[0], ends[4][1]
    dx, dy = shift
    found = (_centre(head, centres) for head in _heads(element))
    notes = tuple((spot[0] + dx, spot[1] + dy) for spot in found if spot is not None)
    yield Staff(left + dx, top + dy, right + dx, bottom + dy, system, notes, (left + dx, right + dx))


def _heads(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    for group in element.iter():
        if group.get("class", "").split(" ")[0] == "notehead":
            yield group


def _centre(head: ElementTree.Element, centres: dict[str, tuple[float, float]]) -> tuple[float, float] | None:
    """Centre of a notehead: of its glyph, or of the polygons that draw a breve; None when it draws nothing."""
    use = next((part for part in head if part.tag.endswith("use")), None)
    if use is None:
        points = [v for part in head for v in map(float, _NUMBER.findall(part.get("points", "")))]
        if not points:
            return None
        xs, ys = points[::2], points[1::2]
        return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    code = (use.get(_LINK) or "").lstrip("#").split("-")[0]
    x, y, *scale = (float(v) for v in _NUMBER.findall(use.get("transform", "")))
    sx, sy = (scale[0], scale[-1]) if scale else (1.0, 1.0)
    cx, cy = centres.get(code, (150.0, 0.0))
    return x + cx * sx, y - cy * sy


def _merge(pieces: list[Staff]) -> tuple[Staff, ...]:
    rows: dict[tuple[int, float, float], list[Staff]] = {}
    for piece in pieces:
        rows.setdefault((piece.system, piece.top, piece.bottom), []).append(piece)
    return tuple(
        Staff(
            min(p.left for p in row),
            top,
            max(p.right for p in row),
            bottom,
            system,
            tuple(note for p in row for note in p.notes),
            tuple(sorted({x for p in row for x in p.bars})),
        )
        for (system, top, bottom), row in rows.items()
    )


def _origins(part: ElementTree.Element, shift: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Points that show where ink is: ends of paths, origins of glyphs and texts."""
    tag = part.tag.rsplit("}", 1)[-1]
    if tag == "text" and part.get("x"):
        yield float(part.get("x", "0")) + shift[0], float(part.get("y", "0")) + shift[1]
    elif tag == "use":
        numbers = _NUMBER.findall(part.get("transform", ""))
        if len(numbers) >= 2:
            yield float(numbers[0]) + shift[0], float(numbers[1]) + shift[1]
    elif tag == "path" and part.get("d", "").count("L") == 1 and "C" not in part.get("d", ""):
        numbers = _NUMBER.findall(part.get("d", ""))
        for x, y in zip(numbers[::2], numbers[1::2], strict=False):
            yield float(x) + shift[0], float(y) + shift[1]


def _shift(element: ElementTree.Element) -> tuple[float, float]:
    numbers = [float(v) for v in _NUMBER.findall(element.get("transform", ""))]
    return (numbers[0], numbers[1]) if len(numbers) >= 2 else (0.0, 0.0)
