"""From a clean made picture to what a scanner, a fax or a phone gives; the engraver's boxes move along.

`degrade(sample, rng)` -> Sample with a gray uint8 image whose long side is 1024 px. Scores and other pictures pass
through the same effects, so that no effect tells them apart. One warp (rotation, perspective, curl) is one
interpolation; the rest is light, paper, ink, lens and coder.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from .sample import Gray, Points, Sample

SIDE = 1024
Floats = NDArray[np.float32]
KINDS = ("clean", "scan", "fax", "photo", "old", "inverted")
WEIGHTS = (0.25, 0.22, 0.08, 0.33, 0.07, 0.05)


def to_gray(image: NDArray[np.uint8]) -> Gray:
    """[H, W] or [H, W, 3] RGB -> [H, W], by the weights the judge's graph uses too (ITU-R BT.601)."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Floats:
    """A smooth random field [H, W] of about unit size, made of `cells` bumps a side."""
    coarse = rng.standard_normal((cells + 1, cells + 1)).astype(np.float32)
    return cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def angle(rng: np.random.Generator, kind: str) -> float:
    """Degrees. Scans lie almost straight or sideways; photographs lie as the hand held the phone."""
    turn = float(rng.choice([0, 90, 180, 270], p=[0.80, 0.08, 0.04, 0.08]))
    if kind != "photo":
        return turn + float(rng.normal(0, 0.8))
    if rng.random() < 0.25:
        return float(rng.uniform(0, 360))
    return turn + float(rng.normal(0, 6))


def homography(
    rng: np.random.Generator, h: int, w: int, degrees: float, tilt: float, margin: tuple[float, float]
) -> tuple[Floats, tuple[int, int]]:
    """The 3 x 3 map from the page (w, h) into a frame whose long side is SIDE, and the frame's (height, width).

    margin: how much of the frame's side stays free around the turned page; negative crops it.
    """
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    turned = corners + rng.uniform(-tilt, tilt, (4, 2)).astype(np.float32) * np.float32(max(h, w))
    a = np.deg2rad(degrees)
    rotation = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]], np.float32)
    turned = (turned - turned.mean(0)) @ rotation
    low, high = turned.min(0), turned.max(0)
    span = high - low
    free = rng.uniform(*margin, 4).astype(np.float32)
    low = low - free[:2] * span
    high = high + free[2:] * span
    frame = high - low
    if margin[1] > 0 and rng.random() < 0.5:  # a camera's own frame, 3:4 or 9:16, either way up
        ratio = float(rng.choice([3 / 4, 9 / 16, 1.0]))
        ratio = ratio if frame[0] < frame[1] else 1 / ratio
        grow = np.array([max(frame[1] * ratio, frame[0]), max(frame[0] / ratio, frame[1])], np.float32)
        low = low - (grow - frame) * rng.uniform(0, 1, 2).astype(np.float32)
        frame = grow
    scale = SIDE / float(frame.max())
    target = ((turned - low) * scale).astype(np.float32)
    size = np.maximum(np.rint(frame * scale), 24).astype(int)
    return cv2.getPerspectiveTransform(corners, target).astype(np.float32), (int(size[1]), int(size[0]))


def warp(
    rng: np.random.Generator,
    page: Gray,
    matrix: Floats,
    size: tuple[int, int],
    curl: float,
    ground: Gray | int,
) -> tuple[Gray, Callable[[Points], Points]]:
    """Draw `page` through `matrix` onto the ground; returns the frame and the map that points go through.

    curl: height in pixels of a smooth bend of the paper; the same bend moves the points (first order: a bend of a few
    pixels changes by less than a pixel over its own length).
    """
    h, w = size
    inverse = np.linalg.inv(matrix.astype(np.float64))
    # going a long way down in one step would drop thin lines: shrink by area first
    shrink = np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    source = page
    if shrink < 0.75:
        source = cv2.resize(page, None, fx=float(shrink), fy=float(shrink), interpolation=cv2.INTER_AREA)
        inverse = np.diag([source.shape[1] / page.shape[1], source.shape[0] / page.shape[0], 1.0]) @ inverse
    paint = ground if isinstance(ground, int) else 0
    if curl:
        bend_y, bend_x = curl * smooth_field(rng, size, 2), curl * smooth_field(rng, size, 2)
        ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
        ys, xs = ys + bend_y, xs + bend_x
        m = inverse.astype(np.float32)
        depth = m[2, 0] * xs + m[2, 1] * ys + m[2, 2]
        map_x = (m[0, 0] * xs + m[0, 1] * ys + m[0, 2]) / depth
        map_y = (m[1, 0] * xs + m[1, 1] * ys + m[1, 2]) / depth
        out = cv2.remap(source, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=paint)
        inside = (map_x > 0) & (map_x < source.shape[1] - 1) & (map_y > 0) & (map_y < source.shape[0] - 1)
    else:
        bend_x = bend_y = np.zeros((1, 1), np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        out = cv2.warpPerspective(
            source, inverse, (w, h), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=paint
        )
        inside = None
    if not isinstance(ground, int):
        if inside is None:
            ones = np.ones(source.shape, np.uint8)
            inside = cv2.warpPerspective(ones, inverse, (w, h), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP) > 0
        out = np.where(inside, out, ground)

    def move(points: Points) -> Points:
        if not points.size:
            return points
        moved = cv2.perspectiveTransform(points.reshape(-1, 1, 2).astype(np.float32), matrix).reshape(-1, 2)
        row = np.clip(moved[:, 1].astype(int), 0, bend_x.shape[0] - 1)
        col = np.clip(moved[:, 0].astype(int), 0, bend_x.shape[1] - 1)
        moved = moved - np.stack([bend_x[row, col], bend_y[row, col]], 1)
        return moved.reshape(points.shape).astype(np.float32)

    return out, move


def desk(rng: np.random.Generator, size: tuple[int, int], pictures: list[Gray]) -> Gray:
    """What lies under a photographed page: plain, cloth, wood, or another picture."""
    h, w = size
    if pictures and rng.random() < 0.35:
        picture = pictures[int(rng.integers(len(pictures)))]
        return cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA)
    base = rng.uniform(10, 235)
    field = base + rng.uniform(3, 25) * smooth_field(rng, size, int(rng.integers(2, 9)))
    if rng.random() < 0.4:  # grain along one direction
        grain = rng.standard_normal((h, 1) if rng.random() < 0.5 else (1, w)).astype(np.float32)
        field = field + rng.uniform(2, 14) * cv2.GaussianBlur(grain, (0, 0), float(rng.uniform(0.5, 4)))
    field = field + rng.uniform(1, 6) * rng.standard_normal(size).astype(np.float32)
    return np.clip(field, 0, 255).astype(np.uint8)


def light(rng: np.random.Generator, image: Floats, strength: float) -> Floats:
    """Uneven light: a slope, a smooth field, and now and then the edge of a shadow."""
    size = (image.shape[0], image.shape[1])
    gain = 1 + strength * 0.5 * np.clip(smooth_field(rng, size, int(rng.integers(1, 4))), -1.5, 1.5)
    if rng.random() < 0.4:
        ys, xs = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
        a = rng.uniform(0, 2 * np.pi)
        across = np.cos(a) * (xs - rng.uniform(0, size[1])) + np.sin(a) * (ys - rng.uniform(0, size[0]))
        gain = gain * (1 - strength * rng.uniform(0.2, 0.9) / (1 + np.exp(across / rng.uniform(3, 40))))
    return image * gain.astype(np.float32)


def ink(rng: np.random.Generator, image: Gray) -> Gray:
    """Thicker or thinner strokes, broken ink."""
    roll = rng.random()
    if roll < 0.25:
        return cv2.erode(image, np.ones((2, 2), np.uint8))
    if roll < 0.35 and image.mean() > 200:
        thin = cv2.dilate(image, np.ones((2, 2), np.uint8))
        return cv2.addWeighted(image, 0.5, thin, 0.5, 0)
    if roll < 0.45:
        gone = smooth_field(rng, (image.shape[0], image.shape[1]), int(rng.integers(6, 60))) > rng.uniform(1.0, 2.2)
        return np.where(gone, np.maximum(image, np.uint8(rng.integers(150, 256))), image).astype(np.uint8)
    return image


def paper(rng: np.random.Generator, image: Floats, age: float) -> Floats:
    """Paper tone, faded ink, stains, show-through from the back, dark rims. age in [0, 1]."""
    size = (image.shape[0], image.shape[1])
    white = 255 - rng.uniform(0, 90) * age - rng.uniform(0, 15)
    black = rng.uniform(0, 60) + rng.uniform(0, 90) * age
    out = black + image * ((white - black) / 255)
    if rng.random() < 0.3 + 0.4 * age:
        out = out - rng.uniform(2, 25) * age * np.abs(smooth_field(rng, size, int(rng.integers(3, 40))))
    if rng.random() < 0.35 * age + 0.1:
        back = cv2.GaussianBlur(image[:, ::-1], (0, 0), float(rng.uniform(1, 3)))
        out = out - (255 - back) * rng.uniform(0.03, 0.2)
    if rng.random() < 0.25:  # the scanner's dark rim
        rim = int(rng.integers(3, 40))
        side = int(rng.integers(4))
        view = (out[:rim], out[-rim:], out[:, :rim], out[:, -rim:])[side]
        view *= rng.uniform(0.1, 0.8)
    if rng.random() < 0.3 * age + 0.05:  # specks of dirt
        n = int(rng.integers(5, 200))
        for y, x, r in zip(
            rng.integers(0, size[0], n), rng.integers(0, size[1], n), rng.integers(0, 4, n), strict=True
        ):
            cv2.circle(out, (int(x), int(y)), int(r), float(black + rng.uniform(0, 80)), -1)
    return out


def lens(rng: np.random.Generator, image: Floats, strength: float) -> Floats:
    """Defocus, motion, or the softness of a picture enlarged from fewer pixels."""
    roll = rng.random()
    if roll < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 0.4 + 1.1 * strength)))
    elif roll < 0.5:
        n = int(rng.integers(2, 3 + int(4 * strength)))
        kernel = np.zeros((2 * n + 1, 2 * n + 1), np.float32)
        a = rng.uniform(0, np.pi)
        dx, dy = n * np.cos(a) / 2, n * np.sin(a) / 2
        cv2.line(kernel, (round(n - dx), round(n - dy)), (round(n + dx), round(n + dy)), 1.0)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    return image


def few_pixels(rng: np.random.Generator, image: Floats, least: float) -> Floats:
    """Shrink to `least`..1 of its size and enlarge again, as a small picture on the web is enlarged by the judge."""
    factor = float(rng.uniform(least, 1.0))
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)


def coder(rng: np.random.Generator, image: Gray) -> Gray:
    """JPEG at quality 25 to 95, or nothing."""
    if rng.random() < 0.35:
        return image
    quality = int(rng.choice([rng.integers(25, 60), rng.integers(60, 96)], p=[0.3, 0.7]))
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8) if done else image


def fax(rng: np.random.Generator, image: Floats) -> Floats:
    """One bit: a global or a local threshold, or ordered dots, at 500 to 1024 pixels."""
    image = image + rng.uniform(2, 25) * rng.standard_normal(image.shape).astype(np.float32)
    roll = rng.random()
    if roll < 0.6:
        level: Floats | float = float(np.clip(image.mean() * rng.uniform(0.6, 0.9), 60, 200))
    elif roll < 0.8:
        level = cv2.GaussianBlur(image, (0, 0), 20) * float(rng.uniform(0.75, 0.92))
    else:
        bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) * 16 + 8
        tiles = (image.shape[0] // 4 + 1, image.shape[1] // 4 + 1)
        level = np.tile(bayer, tiles)[: image.shape[0], : image.shape[1]]
    return np.where(image > level, 255, 0).astype(np.float32)


def degrade(
    sample: Sample, rng: np.random.Generator, *, kind: str | None = None, pictures: list[Gray] | None = None
) -> Sample:
    """One picture as it reaches a judge: uint8 gray [H, W], long side 1024. kind: one of KINDS, drawn if None.

    pictures: gray pictures that may lie under a photographed page. Notes outside the frame are dropped.
    """
    kind = kind or str(rng.choice(KINDS, p=WEIGHTS))
    page = ink(rng, to_gray(sample.image)) if kind != "clean" else to_gray(sample.image)
    h, w = page.shape
    degrees = angle(rng, kind)
    if kind == "photo":
        loose = rng.random() < 0.65
        margin = (0.0, 0.25) if loose else (-0.12, 0.02)
        matrix, size = homography(rng, h, w, degrees, float(rng.uniform(0, 0.06)), margin)
        ground: Gray | int = desk(rng, size, pictures or [])
        curl = float(rng.uniform(0, 5)) if rng.random() < 0.5 else 0.0
    else:
        if kind == "clean":
            degrees = round(degrees / 90) * 90.0
        margin = (0.0, 0.0) if rng.random() < 0.6 else (-0.06, 0.05)
        matrix, size = homography(rng, h, w, degrees, 0.0, margin)
        ground = int(np.median(page[:: max(1, h // 50), :: max(1, w // 50)]))
        curl = float(rng.uniform(0, 2)) if kind in ("old", "scan") and rng.random() < 0.3 else 0.0
    if kind == "photo":  # the paper darkens under the room's light before it is laid on the desk
        page = np.clip(paper(rng, page.astype(np.float32), float(rng.uniform(0, 0.4))), 0, 255).astype(np.uint8)
    frame, move = warp(rng, page, matrix, size, curl, ground)
    image = frame.astype(np.float32)
    if kind == "clean":
        if rng.random() < 0.4:
            image = few_pixels(rng, image, 0.45)
        if rng.random() < 0.2:  # coloured ink or paper on a screen
            low, high = rng.uniform(0, 110), rng.uniform(180, 255)
            image = low + image * ((high - low) / 255)
    elif kind == "scan":
        image = lens(rng, paper(rng, image, float(rng.uniform(0, 0.35))), 0.5)
    elif kind == "fax":
        image = fax(rng, few_pixels(rng, image, 0.6))
        image = few_pixels(rng, image, 0.7) if rng.random() < 0.5 else image
    elif kind == "photo":
        image = lens(rng, light(rng, image, float(rng.uniform(0, 0.8))), 1.0)
        if rng.random() < 0.3:
            image = few_pixels(rng, image, 0.5)
        gain, gamma = rng.uniform(0.45, 1.15), rng.uniform(0.7, 1.5)
        image = 255 * np.clip(image * (gain / 255), 0, 1) ** gamma
    elif kind == "old":
        image = lens(rng, paper(rng, image, float(rng.uniform(0.5, 1.0))), 0.8)
        image = few_pixels(rng, image, 0.5) if rng.random() < 0.4 else image
    elif kind == "inverted":
        image = 255 - image
        if rng.random() < 0.5:
            low, high = rng.uniform(0, 60), rng.uniform(150, 255)
            image = low + image * ((high - low) / 255)
    if kind in ("scan", "photo", "old"):
        image = image + rng.uniform(0, 9) * rng.standard_normal(image.shape).astype(np.float32)
    final = coder(rng, np.clip(image, 0, 255).astype(np.uint8))
    notes, staves = move(sample.notes), move(sample.staves)
    fh, fw = final.shape
    if len(notes):
        notes = notes[(notes[:, 0] > 2) & (notes[:, 1] > 2) & (notes[:, 0] < fw - 2) & (notes[:, 1] < fh - 2)]
    return Sample(final, sample.family, sample.sheet and len(notes) > 0, notes, staves)
