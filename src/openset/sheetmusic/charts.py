"""Charts as plotting programs draw them: curves, bars, dots, tracks, grids of lines, and none a staff."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from openset.sheetmusic.typeset import Face, Picture, Sheet, blend, chance, colour, face, label, shade, sheet
from openset.sheetmusic.words import phrase, pick

_CYCLES: tuple[tuple[str, ...], ...] = (
    ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f"),
    ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c"),
    ("#000000", "#404040", "#707070", "#a0a0a0", "#202020", "#585858", "#888888", "#303030"),
    ("#e41a1c", "#377eb8", "#4daf4a", "#984ea3", "#ff7f00", "#a65628", "#f781bf", "#999999"),
    ("#9400d3", "#009e73", "#56b4e9", "#e69f00", "#f0e442", "#0072b2", "#e51e10", "#000000"),
)


@dataclass(frozen=True)
class Axes:
    """A plotting rectangle on a sheet; `at` turns values in [0, 1] x [0, 1] (y up) into pixels."""

    s: Sheet
    x: float
    y: float
    w: float
    h: float
    font: Face
    inks: tuple[str, ...]

    def at(self, u: np.ndarray, v: np.ndarray) -> list[float]:
        return np.column_stack((self.x + u * self.w, self.y + (1 - v) * self.h)).ravel().tolist()


def board(rng: np.random.Generator, wide: float = 0.75) -> Sheet:
    return sheet(rng, wide=wide, dark=0.12, colour_share=0.75)


def panels(rng: np.random.Generator, s: Sheet, most: int = 2) -> list[Axes]:
    """One panel, or a lattice of them."""
    across, down = (1, 1) if chance(rng, 0.65) else (int(rng.integers(1, most + 1)), int(rng.integers(1, most + 2)))
    cellw, cellh = s.w / across, s.h / down
    font, inks = (
        face(rng, np.clip(min(cellw, cellh) * rng.uniform(0.022, 0.045), 8, 26), kind="sans"),
        pick(rng, _CYCLES),
    )
    if s.paper[1] < "8":
        inks = tuple(colour(rng, (0.3, 0.9), (0.75, 1.0)) for _ in range(8))
    pad = 4.2 * font.size
    return [
        Axes(
            s,
            (i % across) * cellw + pad,
            (i // across) * cellh + 0.6 * pad,
            cellw - 1.5 * pad,
            cellh - 1.6 * pad,
            font,
            inks,
        )
        for i in range(across * down)
    ]


def frame(rng: np.random.Generator, a: Axes, *, labels: bool = True) -> None:
    """Ground, grid lines, ticks with numbers, axis names and a title, in one of several programs' looks."""
    s, look = a.s, int(rng.integers(5))
    box = (a.x, a.y, a.x + a.w, a.y + a.h)
    dark = s.paper[1] < "8"
    grid = "#404048" if dark else pick(rng, ("#e6e6e6", "#d0d0d0", "#b0b0b0", "#c8d4e8"))
    if look == 1 and not dark:
        s.draw.rectangle(box, fill="#eaeaf2")
        grid = "#ffffff"
    ticks = [int(rng.integers(3, 10)), int(rng.integers(3, 10))]
    step = float(rng.choice((0.1, 0.25, 0.5, 1, 2, 5, 100)))
    low = step * int(rng.integers(-5, 6))
    for i in range(ticks[0] + 1):
        x = a.x + a.w * i / ticks[0]
        if look in (1, 2, 3):
            s.draw.line((x, a.y, x, a.y + a.h), fill=grid)
        s.draw.line((x, a.y + a.h, x, a.y + a.h + 5), fill=s.ink)
        if labels:
            label(s, (x, a.y + a.h + 7), f"{low + i * step:.4g}", a.font, anchor="ma")
    for i in range(ticks[1] + 1):
        y = a.y + a.h * i / ticks[1]
        if look > 0:
            s.draw.line((a.x, y, a.x + a.w, y), fill=grid)
        s.draw.line((a.x - 5, y, a.x, y), fill=s.ink)
        if labels:
            label(s, (a.x - 7, y), f"{(ticks[1] - i) * step:.4g}", a.font, anchor="rm")
    if look in (0, 2, 3):
        s.draw.rectangle(box, outline=s.ink, width=int(rng.integers(1, 3)))
    elif look == 4:
        s.draw.line((a.x, a.y, a.x, a.y + a.h, a.x + a.w, a.y + a.h), fill=s.ink, width=2)
    label(s, (a.x + a.w / 2, a.y - 4), phrase(rng, 1, 6), a.font, anchor="ms")
    label(s, (a.x + a.w / 2, a.y + a.h + 2 * a.font.size), phrase(rng, 1, 3), a.font, anchor="ma")


def legend(rng: np.random.Generator, a: Axes, count: int) -> None:
    s, wide, tall = a.s, 9 * a.font.size, (count + 0.6) * a.font.line
    x, y = (
        (a.x + a.w - wide - 8 if chance(rng, 0.6) else a.x + 8),
        (a.y + 8 if chance(rng, 0.7) else a.y + a.h - tall - 8),
    )
    s.draw.rectangle((x, y, x + wide, y + tall), fill=s.paper, outline=shade(rng, 120, 210))
    for i in range(count):
        at = y + (i + 0.8) * a.font.line
        s.draw.line((x + 6, at, x + 2.2 * a.font.size, at), fill=a.inks[i % 8], width=2)
        label(s, (x + 2.8 * a.font.size, at), phrase(rng, 1, 1)[:10], a.font, anchor="lm")


def curve(rng: np.random.Generator, n: int) -> np.ndarray:
    """One series in [0, 1]: a walk, a saturating or decaying curve, waves, a bell or steps, with or without noise."""
    t, kind = np.linspace(0, 1, n), int(rng.integers(7))
    noise = rng.normal(0, 1, n)
    k, phase = float(rng.uniform(2, 9)), float(rng.uniform(0, 6))
    series = (
        np.cumsum(noise) / np.sqrt(n),
        1 - np.exp(-k * t) + 0.03 * noise,
        np.exp(-k * t) + 0.02 * noise * (kind % 2),
        np.sin(k * 2 * t + phase) * np.exp(-t),
        np.exp(-((t - rng.random()) ** 2) * k * 20),
        np.repeat(rng.random(n // 8 + 1), 8)[:n],
        t ** float(rng.uniform(0.3, 4)) + 0.05 * noise,
    )[kind]
    span = np.ptp(series) or 1.0
    low = float(rng.uniform(0.02, 0.4))
    scaled: np.ndarray = low + (series - series.min()) / span * float(rng.uniform(0.3, 0.98 - low))
    return scaled


def marker(rng: np.random.Generator, s: Sheet, x: float, y: float, r: float, shape: int, ink: str) -> None:
    box = (x - r, y - r, x + r, y + r)
    if shape == 0:
        s.draw.ellipse(box, fill=ink)
    elif shape == 1:
        s.draw.rectangle(box, fill=ink if chance(rng, 0.9) else None, outline=ink)
    elif shape == 2:
        s.draw.polygon((x, y - r, x + r, y + r, x - r, y + r), fill=ink)
    elif shape == 3:
        s.draw.line((x - r, y - r, x + r, y + r), fill=ink, width=2)
        s.draw.line((x - r, y + r, x + r, y - r), fill=ink, width=2)
    else:
        s.draw.ellipse(box, outline=ink, width=2)


def line_chart(rng: np.random.Generator) -> Picture:
    """One to a dozen curves with markers, bands, dashes, a legend; one panel or several."""
    s = board(rng)
    for a in panels(rng, s):
        frame(rng, a)
        count, width = int(rng.choice((1, 1, 2, 3, 4, 6, 12))), int(rng.integers(1, 5))
        marked, band = chance(rng, 0.3), chance(rng, 0.2)
        n = int(rng.choice((6, 12, 30, 120, 300)))
        u = np.linspace(0, 1, n)
        for i in range(count):
            v, ink = curve(rng, n), a.inks[i % 8]
            if band:
                spread = np.abs(curve(rng, n)) * 0.08
                both = a.at(
                    np.concatenate((u, u[::-1])), np.clip(np.concatenate((v + spread, (v - spread)[::-1])), 0, 1)
                )
                s.draw.polygon(both, fill=blend(ink, s.paper, 0.3))
            s.draw.line(a.at(u, v), fill=ink, width=width, joint="curve" if width > 2 else None)
            if marked and n <= 30:
                spots = a.at(u, v)
                for x, y in zip(spots[::2], spots[1::2], strict=True):
                    marker(rng, s, x, y, 2.0 + width, i % 5, ink)
        if count > 1 and chance(rng, 0.7):
            legend(rng, a, min(count, 6))
    return s.done()


def bar_chart(rng: np.random.Generator) -> Picture:
    """Bars upright or lying, grouped or stacked, with outlines and error bars."""
    s = board(rng)
    for a in panels(rng, s):
        frame(rng, a)
        n, groups, lying, stacked = (
            int(rng.integers(3, 16)),
            int(rng.integers(1, 4)),
            chance(rng, 0.3),
            chance(rng, 0.3),
        )
        values = rng.uniform(0.05, 0.95, (n, groups)) / (groups if stacked else 1)
        for i in range(n):
            base = 0.0
            for g in range(groups):
                slot = (i + 0.1) / n if stacked else (i + 0.1 + 0.8 * g / groups) / n
                wide = 0.8 / n if stacked else 0.75 / n / groups
                u, v = np.array((slot, slot + wide)), np.array((base + values[i, g], base))
                if lying:
                    u, v = v[::-1], (1 - u)
                box = a.at(u, v)
                s.draw.rectangle(box, fill=a.inks[g], outline=s.ink if chance(rng, 0.3) else None)
                base += float(values[i, g]) if stacked else 0.0
        if groups > 1:
            legend(rng, a, groups)
    return s.done()


def histogram(rng: np.random.Generator) -> Picture:
    """One or two overlaid distributions as touching bars, perhaps a density curve on top."""
    s = board(rng)
    for a in panels(rng, s, 3):
        frame(rng, a)
        for g in range(int(rng.integers(1, 4))):
            bins = int(rng.integers(8, 80))
            data = np.clip(rng.normal(rng.uniform(0.2, 0.8), rng.uniform(0.04, 0.2), 600), 0, 1)
            counts = np.histogram(data, bins, (0, 1))[0] / 600
            heights = counts / counts.max() * float(rng.uniform(0.5, 0.95))
            for i, v in enumerate(heights):
                if v > 0:
                    s.draw.rectangle(
                        a.at(np.array((i / bins, (i + 1) / bins)), np.array((v, 0.0))),
                        fill=blend(a.inks[g], s.paper, 0.7),
                        outline=a.inks[g],
                    )
            if chance(rng, 0.3):
                u = np.linspace(0, 1, bins)
                s.draw.line(a.at(u, heights), fill=s.ink, width=2)
    return s.done()


def scatter_chart(rng: np.random.Generator) -> Picture:
    """Clouds of markers, perhaps with a fitted line."""
    s = board(rng)
    for a in panels(rng, s):
        frame(rng, a)
        groups = int(rng.integers(1, 5))
        for g in range(groups):
            n, r = int(rng.integers(15, 250)), float(rng.uniform(2, 6))
            u = np.clip(rng.normal(rng.uniform(0.3, 0.7), rng.uniform(0.08, 0.25), n), 0.01, 0.99)
            v = np.clip(rng.uniform(-1, 1) * (u - 0.5) + 0.5 + rng.normal(0, rng.uniform(0.02, 0.2), n), 0.01, 0.99)
            spots = a.at(u, v)
            for x, y in zip(spots[::2], spots[1::2], strict=True):
                marker(rng, s, x, y, r, g, a.inks[g])
            if chance(rng, 0.3):
                ends = np.polyval(np.polyfit(u, v, 1), np.array((0.02, 0.98)))
                s.draw.line(a.at(np.array((0.02, 0.98)), np.clip(ends, 0, 1)), fill=s.ink, width=2)
        if groups > 1:
            legend(rng, a, groups)
    return s.done()


def pie_chart(rng: np.random.Generator) -> Picture:
    """One or two pies or rings with labels."""
    s = board(rng)
    count = int(rng.integers(1, 3))
    font, inks = face(rng, 0.02 * max(s.w, s.h), kind="sans"), pick(rng, _CYCLES)
    for k in range(count):
        r = 0.32 * min(s.w / count, s.h)
        cx, cy, at = (k + 0.5) * s.w / count, 0.52 * s.h, float(rng.uniform(0, 360))
        shares = rng.dirichlet(np.ones(int(rng.integers(2, 9))))
        for i, share in enumerate(shares):
            s.draw.pieslice(
                (cx - r, cy - r, cx + r, cy + r), at, at + 360 * share, fill=inks[i % 8], outline=s.paper, width=2
            )
            middle = np.deg2rad(at + 180 * share)
            label(
                s,
                (cx + 1.2 * r * np.cos(middle), cy + 1.15 * r * np.sin(middle)),
                f"{phrase(rng, 1, 1)} {100 * share:.0f}%",
                font,
                anchor="mm",
            )
            at += 360 * share
        if chance(rng, 0.4):
            s.draw.ellipse((cx - r / 2, cy - r / 2, cx + r / 2, cy + r / 2), fill=s.paper)
    label(s, (s.w / 2, 0.04 * s.h), phrase(rng, 2, 6), face(rng, 0.03 * s.w, kind="sans"), anchor="ma")
    return s.done()


def box_plot(rng: np.random.Generator) -> Picture:
    """Boxes with whiskers and outliers."""
    s = board(rng)
    for a in panels(rng, s):
        frame(rng, a)
        n = int(rng.integers(2, 20))
        for i in range(n):
            q = np.sort(rng.beta(2, 2, 5))
            x0, x1, mid = (a.x + a.w * (i + d) / n for d in (0.2, 0.8, 0.5))
            y = a.y + a.h * (1 - q)
            s.draw.line((mid, y[0], mid, y[4]), fill=s.ink, width=2)
            for k in (0, 4):
                s.draw.line((0.7 * x0 + 0.3 * x1, y[k], 0.3 * x0 + 0.7 * x1, y[k]), fill=s.ink, width=2)
            s.draw.rectangle(
                (x0, y[3], x1, y[1]), fill=a.inks[i % 8] if chance(rng, 0.8) else s.paper, outline=s.ink, width=2
            )
            s.draw.line((x0, y[2], x1, y[2]), fill=s.ink, width=3)
            for v in rng.random(int(rng.integers(0, 4))):
                marker(rng, s, mid, a.y + a.h * float(v), 3, 4, s.ink)
    return s.done()


def heat_map(rng: np.random.Generator) -> Picture:
    """A matrix of coloured cells with numbers or not, and a colour bar."""
    s = board(rng, 0.6)
    rows, columns = int(rng.integers(4, 40)), int(rng.integers(4, 40))
    a = panels(rng, s, 1)[0]
    low, high = np.array([int(colour(rng)[i : i + 2], 16) for i in (1, 3, 5)]), rng.integers(180, 256, 3)
    smooth = np.array(
        Image.fromarray(rng.random((5, 5)).astype(np.float32)).resize((columns, rows), Image.Resampling.BICUBIC)
    )
    values = np.clip(smooth if chance(rng, 0.5) else rng.random((rows, columns)), 0, 1)
    cells = (low + values[..., None] * (high - low)).astype(np.uint8)
    size = (round(0.85 * a.w), round(a.h))
    s.image.paste(
        Image.fromarray(cells).resize(size, Image.Resampling.NEAREST).convert(s.image.mode), (round(a.x), round(a.y))
    )
    bar = (low + np.linspace(1, 0, 64)[:, None, None] * (high - low)).astype(np.uint8)
    s.image.paste(
        Image.fromarray(bar).resize((round(0.05 * a.w), size[1])).convert(s.image.mode),
        (round(a.x + 0.9 * a.w), round(a.y)),
    )
    if rows * columns < 260:
        small = face(rng, min(size[0] / columns * 0.35, size[1] / rows * 0.5), kind="sans")
        for r in range(rows):
            for c in range(columns):
                spot = (a.x + (c + 0.5) * size[0] / columns, a.y + (r + 0.5) * size[1] / rows)
                label(
                    s,
                    spot,
                    f"{values[r, c]:.2f}"[1:],
                    small,
                    anchor="mm",
                    fill="#ffffff" if values[r, c] < 0.4 else "#000000",
                )
    for c in range(0, columns, max(1, columns // 12)):
        label(s, (a.x + (c + 0.5) * size[0] / columns, a.y + a.h + 4), phrase(rng, 1, 1)[:5], a.font, anchor="ma")
    for r in range(0, rows, max(1, rows // 16)):
        label(s, (a.x - 4, a.y + (r + 0.5) * size[1] / rows), phrase(rng, 1, 1)[:6], a.font, anchor="rm")
    return s.done()


def tracks(rng: np.random.Generator) -> Picture:
    """Seismograms and other recordings: several noisy tracks below each other with bursts, names at the left."""
    s = board(rng, 0.6)
    count, n = int(rng.integers(3, 25)), 1500
    font = face(rng, np.clip(s.h / count * 0.3, 8, 16), kind="sans")
    ink, u = colour(rng, value=(0.2, 0.6)) if chance(rng, 0.4) else s.ink, np.linspace(0.1, 0.98, n) * s.w
    kind = int(rng.integers(3))
    burst = float(rng.uniform(0.1, 0.7))
    for i in range(count):
        base, t = (i + 0.7) * s.h / (count + 0.6), np.linspace(0, 1, n)
        start = burst + 0.02 * i * float(rng.random())
        envelope = 0.06 + (t > start) * np.exp(-(t - start) * 8) * float(rng.uniform(0.2, 1))
        noise = rng.normal(0, 1, n)
        shape = np.convolve(noise, np.ones(4) / 2, "same") * envelope
        if kind == 1:
            shape = (curve(rng, n) - 0.5) * 2
        elif kind == 2:
            shape = np.sin(t * float(rng.uniform(20, 300))) * (0.4 + 0.5 * curve(rng, n)) + 0.1 * noise
        wave = shape * s.h / count * 0.35
        s.draw.line(np.column_stack((u, base + wave)).ravel().tolist(), fill=ink)
        label(s, (0.09 * s.w, base), phrase(rng, 1, 1)[:4].upper(), font, anchor="rm")
    for x in np.linspace(0.1, 0.98, int(rng.integers(4, 12))) * s.w:
        s.draw.line((x, 0.97 * s.h, x, 0.98 * s.h), fill=s.ink)
        label(s, (float(x), 0.98 * s.h), str(int(x)), font, anchor="ma")
    return s.done()


def gantt(rng: np.random.Generator) -> Picture:
    """Tasks at the left, bars along a time axis, dependency lines and milestones."""
    s = board(rng, 0.9)
    n = int(rng.integers(5, 30))
    step, left, top = 0.88 * s.h / n, 0.24 * s.w, 0.09 * s.h
    font, inks = face(rng, np.clip(step * 0.45, 8, 20), kind="sans"), pick(rng, _CYCLES)
    for k in range(13):
        x = left + k * 0.74 * s.w / 12
        s.draw.line((x, top, x, 0.97 * s.h), fill=shade(rng, 170, 220))
        label(s, (x, top - 4), str(k + 1), font, anchor="ms")
    start = 0.0
    for i in range(n):
        y, long = top + i * step, float(rng.uniform(0.03, 0.3))
        start = min(max(0.0, start + float(rng.uniform(-0.05, 0.12))), 0.95 - long)
        label(s, (0.02 * s.w, y + step / 2), phrase(rng, 1, 3)[:24], font, anchor="lm")
        x0, x1 = left + start * 0.74 * s.w, left + (start + long) * 0.74 * s.w
        s.draw.rectangle((x0, y + 0.2 * step, x1, y + 0.8 * step), fill=inks[i % pick(rng, (1, 3, 8))], outline=s.ink)
        if chance(rng, 0.3):
            s.draw.line((x1, y + 0.5 * step, x1 + 8, y + 0.5 * step, x1 + 8, y + 1.2 * step), fill=s.ink)
    return s.done()


CHARTS = {
    "line_chart": line_chart,
    "bar_chart": bar_chart,
    "histogram": histogram,
    "scatter_chart": scatter_chart,
    "pie_chart": pie_chart,
    "box_plot": box_plot,
    "heat_map": heat_map,
    "tracks": tracks,
    "gantt": gantt,
}
