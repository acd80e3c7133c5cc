"""Confidence histograms as inline SVG: one panel a judge under one another, one scale, the threshold drawn in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._words import counted, shown
from .markup import Markup, escaped, joined

WIDTH, PANEL, LEFT, RIGHT, TOP, BOTTOM = 420, 128, 44, 10, 32, 40
BINS = 20


@dataclass(frozen=True, slots=True)
class Series:
    """The confidences [N] of one judge on one set of pictures, each in [0, 1], and its threshold where it has one."""

    name: str
    confidences: Sequence[float]
    threshold: float | None = None


def counts(confidences: Sequence[float], bins: int = BINS) -> list[int]:
    """How many lie in each of `bins` equal parts of [0, 1]; closed on the left, the last on both sides.

    Raises ValueError for NaN or a number outside [0, 1].
    """
    made = [0] * bins
    for c in confidences:
        if not 0 <= c <= 1:
            raise ValueError(f"a confidence is {c}; give numbers from 0 to 1.")
        made[min(int(c * bins), bins - 1)] += 1
    return made


def ceiling(share: float) -> float:
    """The top of the scale: the least of 10, 20, 40, 60, 80 and 100 % that holds `share`."""
    return next(top for top in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if share <= top)


def histogram(name: str, caption: str, series: Sequence[Series], bins: int = BINS) -> Markup:
    """A figure of one panel for each series, bar heights in shares of its pictures, all on one scale.

    name: unique in the page, letters and hyphens. caption: one sentence, also the picture's text for screen readers.
    The counts follow as a table that opens on demand. Raises ValueError for a series without pictures.
    """
    for s in series:
        if not len(s.confidences):
            raise ValueError(f"the series {s.name!r} has no pictures: nothing to draw.")
    tallies = [counts(s.confidences, bins) for s in series]
    top = ceiling(max(max(t) / sum(t) for t in tallies))
    height = len(series) * PANEL + BOTTOM
    panels = joined(
        _panel(number, s, tally, top) for number, (s, tally) in enumerate(zip(series, tallies, strict=True))
    )
    return Markup(
        f'<figure class="plot"><figcaption id="{name}-caption">{escaped(caption)}</figcaption>\n'
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{name}-caption {name}-said">\n'
        f'<desc id="{name}-said">{escaped(" ".join(map(_said, series)))}</desc>\n'
        f"{panels}\n{_axis(height)}\n</svg>\n{_numbers(series, tallies, bins)}</figure>"
    )


def _x(confidence: float) -> float:
    return LEFT + confidence * (WIDTH - LEFT - RIGHT)


def _panel(number: int, series: Series, tally: Sequence[int], top: float) -> Markup:
    base, full = (number + 1) * PANEL, PANEL - TOP
    total, step = sum(tally), 1 / len(tally)
    parts = [
        Markup(f'<text class="name" x="{LEFT}" y="{base - full - 8}">{escaped(series.name)}</text>'),
        Markup(f'<text class="tick" x="{LEFT - 6}" y="{base - full + 5}" text-anchor="end">{top:.0%}</text>'),
        Markup(f'<text class="tick" x="{LEFT - 6}" y="{base}" text-anchor="end">0%</text>'),
        Markup(
            f'<path class="grid" d="M{LEFT} {base - full}H{WIDTH - RIGHT}M{LEFT} {base - full / 2}H{WIDTH - RIGHT}"/>'
        ),
    ]
    for k, n in enumerate(tally):
        if n:
            tall = full * n / total / top
            parts.append(
                Markup(
                    f'<rect class="bar bar-{number % 4}" x="{_x(k * step) + 1:.2f}" y="{base - tall:.2f}" '
                    f'width="{_x(step) - LEFT - 2:.2f}" height="{tall:.2f}"><title>{k * step:.2f} to '
                    f"{(k + 1) * step:.2f}: {n} of {total}</title></rect>"
                )
            )
    parts.append(Markup(f'<path class="base" d="M{LEFT} {base}H{WIDTH - RIGHT}"/>'))
    if series.threshold is not None:
        x = _x(series.threshold)
        anchor = "end" if series.threshold > 0.5 else "start"
        parts.append(Markup(f'<path class="threshold" d="M{x:.2f} {base - full - 4}V{base}"/>'))
        parts.append(
            Markup(
                f'<text class="limit" x="{x + (4 if anchor == "start" else 0):.2f}" y="{base - full - 8}" '
                f'text-anchor="{anchor}">threshold {shown(series.threshold)}</text>'
            )
        )
    return joined(parts)


def _axis(height: float) -> Markup:
    ticks = joined(
        Markup(f'<text class="tick" x="{_x(t):.2f}" y="{height - BOTTOM + 16}" text-anchor="middle">{t:g}</text>')
        for t in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    middle = (LEFT + WIDTH - RIGHT) / 2
    return Markup(f'{ticks}<text class="tick" x="{middle}" y="{height - 5}" text-anchor="middle">confidence</text>')


def _said(series: Series) -> str:
    values = series.confidences
    text = f"{series.name}: {counted(len(values), 'picture')}, mean confidence {sum(values) / len(values):.3f}"
    if series.threshold is None:
        return text + "."
    below = sum(c < series.threshold for c in values)
    return f"{text}, {below} below the threshold {shown(series.threshold)}."


def _numbers(series: Sequence[Series], tallies: Sequence[Sequence[int]], bins: int) -> Markup:
    head = joined((Markup(f'<th scope="col">{escaped(s.name)}</th>') for s in series), "")
    rows = joined(
        (
            Markup(
                f'<tr><th scope="row">{k / bins:.2f} to {(k + 1) / bins:.2f}</th>'
                + "".join(f"<td>{t[k]}</td>" for t in tallies)
                + "</tr>"
            )
            for k in range(bins)
            if any(t[k] for t in tallies)
        ),
        "",
    )
    return Markup(
        "<details><summary>The numbers</summary><table><thead>"
        f'<tr><th scope="col">confidence</th>{head}</tr></thead><tbody>{rows}</tbody></table></details>'
    )


def side_by_side(figures: Sequence[Markup]) -> Markup:
    """Figures beside one another where the page is wide enough, else under one another."""
    return Markup(f'<div class="plots">{joined(figures)}</div>')
