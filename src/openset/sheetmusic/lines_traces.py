"""Negatives that unroll time along parallel tracks: instruments' traces, editors' tracks, timing diagrams, alignments.

They share with music what a careless net learns first: systems of horizontal lines that bear marks, read from left to
right. A family gives uint8 [H, W] or [H, W, 3] from a numpy generator, long side about 900 to 1300 pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openset.sheetmusic.sketch import Colour, Page, Picture, face, page_size, tint, words

Curve = NDArray[np.float64]
WIDE = (0.71, 1.0, 1.4, 1.4, 1.78)
SCHEMES: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((0, 0, 0), (255, 255, 255), (250, 190, 190)),
    ((0, 0, 0), (255, 255, 255), (200, 200, 200)),
    ((60, 230, 90), (10, 18, 12), (30, 70, 40)),
    ((240, 240, 240), (30, 30, 36), (70, 70, 80)),
    ((30, 60, 160), (252, 250, 240), (190, 220, 190)),
)


def _screen(rng: np.random.Generator, grid: float = 0.0) -> tuple[Page, Colour]:
    """A page in one of five colour schemes, with a grid of about `grid` pixels where that is not 0."""
    ink, paper, faint = SCHEMES[int(rng.integers(len(SCHEMES)))]
    page = Page(rng, page_size(rng, WIDE), ink=ink, paper=paper)
    if grid:
        for k in range(int(page.width / grid) + 1):
            page.down(k * grid, 0, page.height, 1.0 if k % 5 else 2.0, faint)
        for k in range(int(page.height / grid) + 1):
            page.across(k * grid, 0, page.width, 1.0 if k % 5 else 2.0, faint)
    return page, faint


def _walk(rng: np.random.Generator, count: int, roughness: float) -> Curve:
    """Noise with a spectrum that falls with `roughness`; standard deviation 1."""
    spectrum = np.fft.rfft(rng.standard_normal(count)) / np.maximum(1, np.arange(count // 2 + 1)) ** roughness
    curve = np.fft.irfft(spectrum, count)
    return curve / (curve.std() + 1e-9)


def ecg(rng: np.random.Generator) -> Picture:
    """Electrocardiograms: heart beats in 1 to 12 leads on millimetre paper, named."""
    page, _ = _screen(rng, float(rng.uniform(5, 12)) if rng.random() < 0.8 else 0.0)
    leads, beat = int(rng.choice([1, 3, 4, 6, 12])), float(rng.uniform(50, 200))
    x = np.arange(0, page.width, 1.0)
    for k in range(leads):
        t, base, high = (x / beat) % 1, (k + 0.5) * page.height / leads, 0.5 * page.height / leads
        wave = 0.12 * np.exp(-(((t - 0.2) / 0.03) ** 2)) - 0.1 * np.exp(-(((t - 0.33) / 0.01) ** 2))
        wave += rng.uniform(0.3, 0.9) * np.exp(-(((t - 0.36) / 0.013) ** 2)) - 0.2 * np.exp(
            -(((t - 0.39) / 0.012) ** 2)
        )
        wave += rng.uniform(0.1, 0.3) * np.exp(-(((t - 0.62) / 0.06) ** 2))
        wave = wave * rng.choice([1, 1, -1]) + 0.01 * rng.standard_normal(x.size) + 0.03 * _walk(rng, x.size, 1.5)
        page.line(np.stack([x, base - high * wave], 1), float(rng.choice([1.0, 1.5])))
        page.text(
            8, base - 0.4 * high, ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")[k], 14
        )
    return page.done()


def seismogram(rng: np.random.Generator) -> Picture:
    """EEG, seismograms, polygraphs: many noisy traces close together, bursts, sometimes a grid."""
    page, _ = _screen(rng, float(rng.choice([0, 0, 40, 80])))
    tracks = int(rng.integers(3, 40))
    x, pitch = np.arange(0, page.width, 1.0), page.height / tracks
    rough, calm = float(rng.uniform(-0.3, 0.8)), float(rng.uniform(0.02, 0.3))
    for k in range(tracks):
        burst = calm + sum(np.exp(-(((x - at) / rng.uniform(20, 120)) ** 2)) for at in rng.uniform(0, page.width, 2))
        wave = _walk(rng, x.size, rough) * burst * pitch * 0.35
        page.line(np.stack([x, (k + 0.5) * pitch + wave], 1), float(rng.choice([0.5, 1.0])))
        if pitch > 25:
            page.text(4, (k + 0.3) * pitch, f"Fp{k}", 11)
    return page.done()


def timing_diagram(rng: np.random.Generator) -> Picture:
    """Logic timing diagrams and bus traces: parallel tracks of pulses with names, guide lines and arrows."""
    page, faint = _screen(rng)
    high, left = float(rng.uniform(7, 32)), float(rng.uniform(60, 150))
    gap, step, y = high * float(rng.uniform(0.4, 1.5)), float(rng.uniform(8, 40)), 30.0
    if rng.random() < 0.5:
        for k in range(int((page.width - left) / step)):
            page.down(left + k * step, 10, page.height - 10, 0.5, faint)
    while y + high < page.height - 10:
        page.text(left - 10, y + high * 0.8, words(rng, 1).upper()[:8], min(high * 0.8, 16), anchor="rs")
        kind, x, level = int(rng.integers(0, 4)), left, bool(rng.random() < 0.5)
        points: list[tuple[float, float]] = [(x, y + (0 if level else high))]
        while x < page.width - 30:
            ahead = x + step * (1 if kind == 0 else float(rng.integers(1, 7)))
            if kind == 1:
                page.line([(x, y + high / 2), (x + 4, y), (ahead - 4, y), (ahead, y + high / 2)])
                page.line([(x, y + high / 2), (x + 4, y + high), (ahead - 4, y + high), (ahead, y + high / 2)])
                page.text((x + ahead) / 2, y + high / 2, f"{rng.integers(0, 255):02X}", high * 0.6, anchor="mm")
            else:
                points += [(ahead, points[-1][1]), (ahead, y + (high if level else 0))]
                level = not level
            x = ahead
        if kind != 1:
            page.line(points, float(rng.choice([1.0, 1.0, 1.5])))
        y += high + gap
    return page.done()


def waveform(rng: np.random.Generator) -> Picture:
    """Sound waveforms in an audio editor's tracks, or a spectrogram below them."""
    page, faint = _screen(rng)
    tracks, bar = int(rng.integers(1, 7)), float(rng.uniform(0, 140))
    pitch = page.height / tracks
    for k in range(tracks):
        page.box(bar, k * pitch + 4, page.width, (k + 1) * pitch - 4, edge=faint)
        x = np.arange(bar, page.width, 1.5)
        loud = np.abs(_walk(rng, x.size, 1.0)) * np.abs(_walk(rng, x.size, 0.2)) * pitch * 0.12
        loud = np.minimum(loud + 0.5, pitch * 0.45)
        middle, tone = (k + 0.5) * pitch, tint(rng, 40, 220)
        for at, reach in zip(x, loud, strict=True):
            page.down(at, middle - reach, middle + reach, 1.0, tone)
        page.across(middle, bar, page.width, 1.0)
        if bar > 60:
            page.text(8, k * pitch + 24, words(rng, 1), 14)
    return page.done()


def spectrogram(rng: np.random.Generator) -> Picture:
    """Spectrograms: harmonics that glide over time on a noisy ground."""
    width, height = page_size(rng, WIDE)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    power = 0.25 * rng.random((height, width), np.float32) * (0.4 + 0.6 * y)
    for _ in range(int(rng.integers(1, 4))):
        base = np.clip(0.06 + 0.02 * _walk(rng, width, 1.5), 0.02, 0.2).astype(np.float32)
        loud = np.clip(0.5 + _walk(rng, width, 1.0), 0, 1).astype(np.float32)
        harmonic = 0.5 + 0.5 * np.cos(2 * np.pi * (1 - y) / base)
        power += 0.6 * loud * y**1.5 * harmonic ** float(rng.integers(4, 16))
    power = np.clip(power, 0, 1)
    if rng.random() < 0.4:
        return np.round(255 * (1 - power)).astype(np.uint8)
    stops = np.array([[5, 5, 40], [90, 20, 120], [230, 90, 60], [255, 250, 160]], np.float32)
    table = np.stack([np.interp(np.linspace(0, 3, 256), range(4), stops[:, c]) for c in range(3)], 1)
    return np.round(table[(255 * power).astype(np.int64)]).astype(np.uint8)


def piano_roll(rng: np.random.Generator) -> Picture:
    """Piano rolls and MIDI editors: bars on a grid of pitch and time, keys at the left, perforated paper rolls."""
    page, faint = _screen(rng)
    pitch, left = float(rng.uniform(6, 18)), float(rng.choice([0, 40, 90]))
    rows, beat = int(page.height / pitch), float(rng.uniform(20, 90))
    if rng.random() < 0.85:
        for r in range(rows + 1):
            page.across(r * pitch, left, page.width, 1.0, faint)
            if left and r % 12 in (1, 3, 6, 8, 10):
                page.box(0, r * pitch, left * 0.65, (r + 1) * pitch, fill=page.ink)
        for c in range(int(page.width / beat) + 1):
            page.down(left + c * beat, 0, page.height, 2.0 if c % 4 == 0 else 0.5, faint)
    for _ in range(int(rng.integers(1, 6))):
        tone, r, x = tint(rng, 30, 230), int(rng.integers(3, rows)), left
        while x < page.width:
            long = beat * float(rng.choice([0.25, 0.5, 0.5, 1, 2]))
            r = int(np.clip(r + rng.integers(-4, 5), 0, rows - 1))
            if rng.random() < 0.85:
                fill = page.ink if page.rng.random() < 0.2 else tone
                page.box(x, r * pitch + 1, x + long * 0.95, (r + 1) * pitch - 1, fill=fill, edge=page.ink)
            x += long
    return page.done()


def oscilloscope(rng: np.random.Generator) -> Picture:
    """An oscilloscope's screen: one to four waves on ten by eight divisions."""
    page, faint = _screen(rng)
    for k in range(11):
        page.down(k * page.width / 10, 0, page.height, 1.0, faint)
    for k in range(9):
        page.across(k * page.height / 8, 0, page.width, 1.0, faint)
    x = np.arange(0, page.width, 1.0)
    for _ in range(int(rng.integers(1, 5))):
        phase = 2 * np.pi * x / float(rng.uniform(20, 500)) + float(rng.uniform(0, 6))
        waves = (np.sin(phase), np.sign(np.sin(phase)), phase / np.pi % 2 - 1, np.sin(phase) * np.sin(phase / 7))
        wave = waves[int(rng.integers(4))] + 0.02 * rng.standard_normal(x.size)
        base, high = float(rng.uniform(0.2, 0.8)) * page.height, float(rng.uniform(0.05, 0.2)) * page.height
        page.line(np.stack([x, base - high * wave], 1), float(rng.choice([1.0, 2.0])), tint(rng, 40, 240))
    return page.done()


def train_graph(rng: np.random.Generator) -> Picture:
    """Graphic timetables: stations as horizontal lines, hours as uprights, trains as slanting lines."""
    page, faint = _screen(rng)
    stations = np.sort(rng.uniform(40, page.height - 20, int(rng.integers(5, 30))))
    for y in stations:
        page.across(y, 90, page.width, 1.0, page.ink if rng.random() < 0.5 else faint)
        page.text(86, y + 4, words(rng, 1).title(), 12, anchor="rs")
    for k in range(int(rng.integers(12, 60))):
        page.down(90 + k * (page.width - 90) / 24, 30, page.height - 10, 0.5, faint)
    for _ in range(int(rng.integers(15, 80))):
        x, speed = float(rng.uniform(0, page.width)), float(rng.choice([-1, 1])) * float(rng.uniform(0.2, 1.2))
        points = [(x + speed * (y - stations[0]) + 6 * k, float(y)) for k, y in enumerate(stations)]
        page.line(points, float(rng.choice([1.0, 1.5])))
    return page.done()


def alignment(rng: np.random.Generator) -> Picture:
    """Protein and DNA alignments: rows of letters in columns, names at the left, equal letters on a ground."""
    page, faint = _screen(rng)
    size, rows = float(rng.uniform(8, 16)), int(rng.integers(3, 12))
    letters = "ACGT" if rng.random() < 0.5 else "ACDEFGHIKLMNPQRSTVWY"
    mono = face(rng, "mono")
    columns, y, boxed = int((page.width - 150) / (0.6 * size)), 40.0, rng.random() < 0.5
    while y + rows * size * 1.2 < page.height:
        seed = rng.integers(0, len(letters), columns)
        for r in range(rows):
            row = np.where(rng.random(columns) < 0.2, rng.integers(0, len(letters), columns), seed)
            gap = rng.random(columns) < 0.05
            page.text(20, y, f"seq{r}_{rng.integers(10, 99)}", size, face=mono)
            for at in np.flatnonzero(row == seed)[::2] if boxed else ():
                page.box(
                    120 + at * 0.602 * size, y - size * 0.8, 120 + (at + 1) * 0.602 * size, y + size * 0.25, fill=faint
                )
            page.text(120, y, "".join("-" if g else letters[i] for i, g in zip(row, gap, strict=True)), size, face=mono)
            y += size * 1.15
        if rng.random() < 0.6:
            page.text(120, y, "".join("* .:"[int(i)] for i in rng.integers(0, 4, columns)), size, face=mono)
        y += size * 2.5
    return page.done()


def genome_tracks(rng: np.random.Generator) -> Picture:
    """Genome browsers and Gantt charts: lines with boxes, arrows and ticks in parallel tracks, captions at the left."""
    page, faint = _screen(rng)
    high, y = float(rng.uniform(6, 18)), 50.0
    left = float(rng.uniform(20, 160))
    while y < page.height - 10:
        x, tone = left, tint(rng, 20, 200)
        page.text(left - 8, y + high / 2, words(rng, 1), 11, anchor="rm")
        page.across(y + high / 2, left, page.width - 20, 1.0, page.ink if rng.random() < 0.7 else faint)
        while x < page.width - 40:
            wide = float(rng.choice([1, 2, 6, 25, 70])) * float(rng.uniform(0.5, 1.5))
            page.box(x, y, x + wide, y + high, fill=page.ink if rng.random() < 0.5 else tone)
            x += wide + float(rng.exponential(40)) + 3
        y += high * float(rng.uniform(1.3, 3))
    return page.done()


FAMILIES = {f.__name__: f for f in (ecg, seismogram, timing_diagram, waveform, spectrogram, piano_roll, oscilloscope)}
FAMILIES |= {f.__name__: f for f in (train_graph, alignment, genome_tracks)}
