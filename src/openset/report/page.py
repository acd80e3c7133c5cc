"""The page: paragraphs, tables and cards of pictures with what each judge decided on them."""

from __future__ import annotations

import base64
import io
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .._words import shown
from ..types import Decision
from .markup import Markup, escaped, joined, named


@dataclass(frozen=True, slots=True)
class Card:
    """A picture with decisions on it. verdicts: judge -> Decision. picture: a data URI of `thumbnail`, or None."""

    name: str
    picture: str | None
    verdicts: Mapping[str, Decision]


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; the first of a row is its heading."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and blocks of markup made by this package's functions."""

    heading: str
    blocks: Sequence[Markup]


def thumbnail(picture: NDArray[np.uint8], side: int = 240) -> str:
    """uint8 [H, W, 3] RGB -> a data URI: at most `side` pixels wide and high, never enlarged; PNG up to 64, else JPEG."""
    image = Image.fromarray(picture)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    content, small = io.BytesIO(), max(image.size) <= 64
    if small:
        image.save(content, "PNG", optimize=True)
    else:
        image.save(content, "JPEG", quality=72, optimize=True)
    kind = "png" if small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"


def paragraph(text: str) -> Markup:
    return Markup(f"<p>{escaped(text)}</p>")


def table(content: Table) -> Markup:
    head = joined((Markup(f'<th scope="col">{escaped(cell)}</th>') for cell in content.head), "")
    rows = joined(
        Markup(
            f'<tr><th scope="row">{escaped(row[0])}</th>'
            + "".join(f"<td>{escaped(cell)}</td>" for cell in row[1:])
            + "</tr>"
        )
        for row in content.rows
    )
    return Markup(
        f'<div class="wide" role="region" aria-label="{escaped(content.caption)}" tabindex="0"><table>'
        f"<caption>{escaped(content.caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>"
    )


def cards(content: Sequence[Card]) -> Markup:
    """Pictures in a grid, each with its name and what every judge decided, in words."""
    return Markup(f'<ul class="cards">{joined(map(_card, content))}</ul>')


def _card(card: Card) -> Markup:
    if card.picture is None:
        picture = Markup('<span class="none">no picture</span>')
    else:
        picture = Markup(f'<img src="{escaped(card.picture)}" alt="{escaped(card.name)}" loading="lazy"/>')
    lines = joined(_verdict(judge, decision, len(card.verdicts) > 1) for judge, decision in card.verdicts.items())
    return Markup(f'<li><div class="frame">{picture}</div><p class="file">{named(card.name)}</p><dl>{lines}</dl></li>')


def _verdict(judge: str, decision: Decision, several: bool) -> Markup:
    """ "judge: accepted as X, 0.970"; the judge's name is seen only where there are several, and always read aloud."""
    hidden = "" if several else ' class="unseen"'
    title = Markup(f"<dt{hidden}>{escaped(judge)}</dt>")
    return Markup(f'<div class="{decision.outcome}">{title}<dd>{_words(decision)}</dd></div>')


def _words(decision: Decision) -> Markup:
    if decision.outcome == "error":
        return Markup(f"<strong>error</strong> <small>{escaped(decision.error or decision.why)}</small>")
    if decision.confidence is None:
        return Markup(f"<strong>unknown</strong> <small>{escaped(decision.why)}</small>")
    if decision.outcome == "accepted" and decision.label is not None:
        return Markup(f"<strong>{named(decision.label)}</strong> {shown(decision.confidence)}")
    best = Markup(f" <small>(likeliest: {named(decision.best)})</small>") if decision.best is not None else ""
    return Markup(f"<strong>unknown</strong> {shown(decision.confidence)}{best}")


def render(title: str, lead: str, sections: Sequence[Section], foot: str = "") -> Markup:
    """The whole page as text. lead: what came out, in a sentence or two."""
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    body = joined(
        Markup(
            f'<section aria-labelledby="part-{k}"><h2 id="part-{k}">{escaped(s.heading)}</h2>\n{joined(s.blocks)}</section>'
        )
        for k, s in enumerate(sections, 1)
    )
    return Markup(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        '<meta name="color-scheme" content="light dark"/>\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\"/>\n"
        f"<title>{escaped(title)}</title>\n<style>\n{style}</style></head>\n<body><main>\n"
        f'<h1>{escaped(title)}</h1>\n<p class="lead">{escaped(lead)}</p>\n{body}\n</main>\n'
        f"<footer><p>{escaped(foot)}</p></footer></body></html>\n"
    )


def write(path: Path, page: Markup) -> None:
    """Put the page at `path` whole or not at all. Raises OSError when the disk refuses."""
    part = path.with_name(f".{secrets.token_hex(6)}.part")  # short whatever the name
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
