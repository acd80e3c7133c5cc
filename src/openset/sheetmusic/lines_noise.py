"""Negatives without any object: noise of many kinds, gratings, gradients, constant pictures and broken JPEG.

A family gives uint8 [H, W] or [H, W, 3] from a numpy generator, long side about 900 to 1300 pixels.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openset.sheetmusic.sketch import Picture, page_size

Field = NDArray[np.float32]


def _up(rng: np.random.Generator, size: tuple[int, int], block: float, channels: int, smooth: bool) -> Field:
    """Uniform noise in [0, 1] of blocks `block` pixels wide, [H, W, channels], blocky or smooth."""
    small = (max(1, round(size[0] / block)), max(1, round(size[1] / block)))
    cells = rng.integers(0, 256, (small[1], small[0], 3), np.uint8)
    way = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(cells).resize(size, way), np.float32)[..., :channels] / np.float32(255)


def _picture(field: Field) -> Picture:
    out = np.round(255 * np.clip(field, 0, 1)).astype(np.uint8)
    return out[..., 0] if out.ndim == 3 and out.shape[2] == 1 else out


def _channels(rng: np.random.Generator) -> int:
    return int(rng.choice([1, 3]))


def white_noise(rng: np.random.Generator) -> Picture:
    """Uniform or normal noise by pixel, at a random contrast about a random gray."""
    width, height = page_size(rng)
    shape, contrast = (height, width, _channels(rng)), float(rng.uniform(0.05, 1))
    if rng.random() < 0.5:
        return _picture(0.5 + contrast * (rng.random(shape, np.float32) - 0.5))
    return _picture(float(rng.uniform(0.2, 1)) + 0.3 * contrast * rng.standard_normal(shape, np.float32))


def block_noise(rng: np.random.Generator) -> Picture:
    """Blocks of random tones: mosaics, censored pictures, random one-bit squares."""
    field = _up(rng, page_size(rng), float(rng.uniform(2, 90)), _channels(rng), smooth=False)
    return _picture((field > 0.5).astype(np.float32) if rng.random() < 0.3 else field)


def low_noise(rng: np.random.Generator) -> Picture:
    """Low-passed noise of one scale, stretched to the whole range: the paper's noise, large."""
    field = _up(rng, page_size(rng), float(rng.uniform(3, 120)), _channels(rng), smooth=True)
    low, high = float(field.min()), float(field.max())
    return _picture((field - low) / max(1e-6, high - low))


def cloud_noise(rng: np.random.Generator) -> Picture:
    """Perlin-like clouds: smooth noise summed over octaves; sometimes cut at a level into islands."""
    size, channels, block = page_size(rng), _channels(rng), float(rng.uniform(60, 300))
    field = np.zeros((size[1], size[0], channels), np.float32)
    gain = float(rng.uniform(0.4, 0.75))
    for octave in range(5):
        field += gain**octave * (_up(rng, size, max(2.0, block / 2**octave), channels, smooth=True) - 0.5)
    return _picture((field > 0).astype(np.float32) if rng.random() < 0.3 else 0.5 + field)


def salt_pepper(rng: np.random.Generator) -> Picture:
    """White paper with specks, or black and white points at any density."""
    width, height = page_size(rng)
    spots = rng.random((height, width), np.float32) < float(rng.choice([0.001, 0.01, 0.1, 0.5]))
    ground = np.full((height, width), int(rng.choice([255, 255, 0, 128])), np.uint8)
    ground[spots] = rng.choice(np.array([0, 255], np.uint8), int(spots.sum()))
    return ground


def gratings(rng: np.random.Generator) -> Picture:
    """Checkerboards, sinusoids and Gabor patches, one or summed."""
    width, height = page_size(rng)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    if rng.random() < 0.3:
        side = float(rng.uniform(3, 90))
        return _picture(((x // side + y // side) % 2).astype(np.float32))
    field = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        turn, period = float(rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])), float(rng.uniform(3, 90))
        wave = np.cos(2 * np.pi * (x * np.cos(turn) + y * np.sin(turn)) / period)
        if rng.random() < 0.4:
            cx, cy, wide = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(40, 300)
            wave *= np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / np.float32(2 * wide**2))
        field += wave
    return _picture(0.5 + 0.5 * field)


def flat(rng: np.random.Generator) -> Picture:
    """One tone all over, a linear or round gradient, or vignetted paper."""
    width, height = page_size(rng)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    turn = float(rng.uniform(0, 6.28))
    fields = (np.zeros_like(x), 0.5 + 0.35 * (x * np.cos(turn) + y * np.sin(turn)), np.hypot(x, y) / 1.42)
    field = fields[int(rng.integers(3))]
    dark, light = rng.uniform(0, 1, 3), rng.uniform(0, 1, 3)
    if rng.random() < 0.4:
        dark, light = np.full(3, rng.uniform(0.4, 1)), np.full(3, rng.uniform(0.7, 1))
    return _picture((light + (dark - light) * field[..., None]).astype(np.float32))


def broken_jpeg(rng: np.random.Generator) -> Picture:
    """What a JPEG decoder makes of damaged data: shifted blocks, false colours, smeared rows."""
    size = page_size(rng)
    field = _up(rng, size, float(rng.uniform(8, 80)), 3, smooth=rng.random() < 0.5)
    buffer = io.BytesIO()
    Image.fromarray(_picture(field)).save(buffer, "JPEG", quality=int(rng.integers(3, 40)), subsampling=2)
    data = bytearray(buffer.getvalue())
    start = data.find(b"\xff\xda") + 20
    for at in rng.integers(start, len(data) - 2, int(rng.integers(2, 30))):
        data[at] = int(rng.integers(0, 255))
    try:
        with Image.open(io.BytesIO(bytes(data))) as opened:
            return np.asarray(opened.convert("RGB"))
    except OSError:
        return _picture(field)


def shuffled(rng: np.random.Generator) -> Picture:
    """A picture of lines and discs whose pixels, tiles, rows or columns are permuted."""
    width, height = (v // 16 * 16 for v in page_size(rng))
    y = np.mgrid[0:height, 0:width][0]
    gray = np.where((y % 60 < 48) & (y % 12 < 2), 0, 255).astype(np.uint8)
    for cx, cy in rng.uniform(0, 1, (60, 2)) * (width - 20, height - 20):
        gray[int(cy) : int(cy) + 9, int(cx) : int(cx) + 12] = 0
    kind = int(rng.integers(4))
    if kind == 0:
        return rng.permutation(gray, axis=0)
    if kind == 1:
        return rng.permutation(gray, axis=1)
    side = 16 if kind == 2 else 1
    tiles = gray.reshape(height // side, side, width // side, side).swapaxes(1, 2).reshape(-1, side, side)
    mixed = rng.permutation(tiles, axis=0).reshape(height // side, width // side, side, side)
    return np.ascontiguousarray(mixed.swapaxes(1, 2).reshape(height, width))


FAMILIES = {f.__name__: f for f in (white_noise, block_noise, low_noise, cloud_noise, salt_pepper, gratings, flat)}
FAMILIES |= {f.__name__: f for f in (broken_jpeg, shuffled)}
