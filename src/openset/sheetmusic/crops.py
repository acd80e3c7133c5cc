"""Square crops of made pages at many scales, and what every 16-pixel cell of a crop shows.

A cell is sheet music when it lies on a staff near a note and the staff is readable (a staff space of 2.8 to 18 pixels);
doubtful cells (beside a staff, an empty stretch of one) are ignored. All other cells carry the class of their page.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .net import OTHER, SHEET, STRIDE
from .sample import Gray, Sample

IGNORE = 255
READABLE = (2.8, 18.0)
NEAR = 56.0  # pixels of the crop between a cell and the nearest note
Cells = NDArray[np.uint8]


def staff_space(sample: Sample) -> float:
    """The median distance of neighbouring staff lines in pixels; 0 without staves."""
    if not len(sample.staves):
        return 0.0
    left = np.linalg.norm(sample.staves[:, 3] - sample.staves[:, 0], axis=1)
    right = np.linalg.norm(sample.staves[:, 2] - sample.staves[:, 1], axis=1)
    return float(np.median((left + right) / 8))


def cell_targets(sample: Sample, origin: tuple[float, float], scale: float, size: int, page_class: int) -> Cells:
    """uint8 [size/16, size/16]. origin: the crop's corner (x, y) in the page; scale: crop pixels per page pixel."""
    n = size // STRIDE
    target = np.full((n, n), page_class if not sample.sheet else OTHER, np.uint8)
    if not sample.sheet:
        return target
    centre = (np.arange(n) + 0.5) * STRIDE / scale
    points = np.stack(np.meshgrid(centre + origin[0], centre + origin[1]), -1).astype(np.float32)
    on = np.zeros((n, n), bool)
    beside = np.zeros((n, n), bool)
    readable = np.ones((n, n), bool)
    for tl, tr, br, bl in sample.staves:
        along, across = tr - tl, bl - tl
        length, height = float(along @ along), float(across @ across)
        if length < 1 or height < 1:
            continue
        det = along[0] * across[1] - along[1] * across[0]
        if abs(det) < 1e-3 * np.sqrt(length * height):
            continue
        d = points - tl
        u = (d[..., 0] * across[1] - d[..., 1] * across[0]) / det
        v = (along[0] * d[..., 1] - along[1] * d[..., 0]) / det
        # the right end may be taller than the left one: let the height follow
        taller = np.linalg.norm(br - tr) / np.sqrt(height)
        v = (v - 0.5) / (1 + (taller - 1) * np.clip(u, 0, 1)) + 0.5
        here = (u > -0.01) & (u < 1.01) & (v > -0.35) & (v < 1.35)
        on |= here
        beside |= (u > -0.08) & (u < 1.08) & (v > -1.6) & (v < 2.6)
        space = np.sqrt(height) / 4 * scale
        if not READABLE[0] <= space <= READABLE[1]:
            readable &= ~here
    target[beside] = IGNORE
    if len(sample.notes):
        far = points[on][:, None] - sample.notes[None]
        nearest = np.sqrt((far**2).sum(-1).min(1)) * scale if on.any() else np.zeros(0)
        target[on] = np.where((nearest < NEAR) & readable[on], SHEET, IGNORE)
    return target


def cut(page: Gray, origin: tuple[float, float], scale: float, size: int) -> Gray:
    """The size x size crop; beyond the page it is white, as the judge pads."""
    x, y = round(origin[0]), round(origin[1])
    side = max(8, round(size / scale))
    h, w = page.shape
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + side, w), min(y + side, h)
    part = np.asarray(page[y0:y1, x0:x1])
    if part.shape != (side, side):
        part = cv2.copyMakeBorder(part, y0 - y, y + side - y1, x0 - x, x + side - x1, cv2.BORDER_CONSTANT, value=255)
    how = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (size, size), interpolation=how), np.uint8)


def choose_scale(sample: Sample, rng: np.random.Generator) -> float:
    space = staff_space(sample)
    if sample.sheet and space > 0:
        wanted = np.exp(rng.uniform(np.log(3.0), np.log(14.0)))
        return float(np.clip(wanted / space, 0.2, 1.6))
    return float(rng.choice([1.0, 0.5, 0.25], p=[0.55, 0.28, 0.17]) * rng.uniform(0.8, 1.25))


def choose_origin(sample: Sample, rng: np.random.Generator, side: float) -> tuple[float, float]:
    h, w = sample.image.shape
    if sample.sheet and len(sample.notes) and rng.random() < 0.75:
        note = sample.notes[int(rng.integers(len(sample.notes)))]
        x, y = note - side / 2 + rng.uniform(-0.35, 0.35, 2) * side
    else:
        x, y = rng.uniform(0, 1, 2) * (w - side, h - side)
    return float(x), float(y)


def tone(crop: Gray, rng: np.random.Generator) -> Gray:
    """Contrast, brightness, gamma and a little noise, drawn anew for each crop."""
    if rng.random() < 0.5:
        return crop
    table = (np.arange(256) / 255.0) ** rng.uniform(0.7, 1.4)
    low, high = rng.uniform(0, 0.25), rng.uniform(0.6, 1.0)
    table = 255 * (low + table * (high - low)) if rng.random() < 0.5 else 255 * table
    crop = np.asarray(cv2.LUT(crop, np.clip(table, 0, 255).astype(np.uint8)), np.uint8)
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(1, 8), crop.shape).astype(np.float32)
        crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    return crop


def inverted(crop: Gray, rng: np.random.Generator, share: float = 0.1) -> Gray:
    """The crop, light on dark with this probability; contiguous."""
    return np.ascontiguousarray(255 - crop if rng.random() < share else crop)


def spread(crop: Gray) -> float:
    """The standard deviation of its pixels."""
    return float(cv2.meanStdDev(crop)[1][0, 0])  # a tenth of numpy's time


def draw(sample: Sample, rng: np.random.Generator, size: int, page_class: int) -> tuple[Gray, Cells]:
    """One training crop uint8 [size, size] and its cells' classes uint8 [size/16, size/16]."""
    scale = choose_scale(sample, rng)
    origin = choose_origin(sample, rng, size / scale)
    if not sample.sheet:  # of two places take the one with more on it
        other = choose_origin(sample, rng, size / scale)
        first, second = cut(sample.image, origin, scale, size), cut(sample.image, other, scale, size)
        crop = first if spread(first) >= spread(second) or rng.random() < 0.25 else second
        flips = rng.random(2) < 0.5
        crop = crop[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
        crop = np.rot90(crop) if rng.random() < 0.2 else crop
        return tone(inverted(crop, rng), rng), np.full((size // STRIDE,) * 2, page_class, np.uint8)
    crop = cut(sample.image, origin, scale, size)
    rounded = (float(round(origin[0])), float(round(origin[1])))
    target = cell_targets(sample, rounded, scale, size, page_class)
    turns = int(rng.choice(4, p=[0.85, 0.06, 0.03, 0.06]))
    return tone(inverted(np.rot90(crop, turns), rng), rng), np.ascontiguousarray(np.rot90(target, turns))


def jumble(crops: list[Gray], rng: np.random.Generator) -> Gray:
    """One crop pasted together of small pieces of others, none of which shows music: unlike things side by side."""
    out = crops[int(rng.integers(len(crops)))].copy()
    size = len(out)
    if rng.random() < 0.5:
        out[:] = (0, 255, int(rng.integers(0, 256)))[int(rng.integers(3))]
    small = rng.random() < 0.6
    for _ in range(int(rng.integers(8, 60) if small else rng.integers(2, 10))):
        h, w = (min(size, int(v)) for v in rng.integers(10, 70 if small else 200, 2))
        source = crops[int(rng.integers(len(crops)))]
        zoom = float(np.exp(rng.uniform(np.log(0.5), np.log(1.6))))
        sh, sw = min(size, max(4, int(h / zoom))), min(size, max(4, int(w / zoom)))
        sy, sx = (int(rng.integers(0, size - side + 1)) for side in (sh, sw))
        how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
        piece = inverted(cv2.resize(source[sy : sy + sh, sx : sx + sw], (w, h), interpolation=how), rng)
        y, x = int(rng.integers(0, size - h + 1)), int(rng.integers(0, size - w + 1))
        out[y : y + h, x : x + w] = piece
    return out
