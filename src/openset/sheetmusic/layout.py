"""A random page layout for Verovio, and the drawing of a window of its SVG."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
from PIL import Image

from . import fonts
from .sample import Gray

SPACE = 180.0  # a staff space in units of the SVG's inner view box at Verovio's `unit` 9
_SIGNS = {0x266D: "b", 0x266F: "#", 0xE260: "b", 0xE262: "#"}  # in chord names: text fonts lack them
_PRIVATE = re.compile("[\ue000-\uf8ff]|&#xE[0-9A-F]{3};")


def options(rng: np.random.Generator, font: str, space: float) -> dict[str, Any]:
    """Verovio's options for a page on which a staff space is `space` pixels when its long side is 1024 pixels."""

    def some(low: float, high: float, digits: int = 2) -> float:
        return round(float(rng.uniform(low, high)), digits)

    long = int(np.clip(18 * 1024 / space, 900, 8000))
    short = max(700, int(long * rng.uniform(0.62, 0.86)))
    width, height = (short, long) if rng.random() < 0.72 else (long, short)
    margins = [int(share * long) for share in rng.uniform(0.01, 0.09, 4)]
    chosen: dict[str, Any] = {
        "font": font,
        "pageWidth": width,
        "pageHeight": height,
        "pageMarginLeft": margins[0],
        "pageMarginRight": margins[1],
        "pageMarginTop": margins[2],
        "pageMarginBottom": margins[3],
        "header": str(rng.choice(["auto", "none"])),
        "footer": "none",  # Verovio's own footer is its logo
        "spacingStaff": int(rng.integers(4, 19)),
        "spacingSystem": int(rng.integers(2, 16)),
        "spacingLinear": some(0.12, 0.5),
        "spacingNonLinear": some(0.45, 0.8),
        "staffLineWidth": some(0.12, 0.3),
        "stemWidth": some(0.12, 0.3),
        "barLineWidth": some(0.18, 0.5),
        "ledgerLineThickness": some(0.15, 0.4),
        "beamMaxSlope": int(rng.integers(0, 20)),
        "slurMidpointThickness": some(0.3, 0.9),
        "lyricSize": some(3.2, 6.0),
        "lyricTopMinMargin": some(1.5, 4.0),
        "justifyVertically": bool(rng.random() < 0.3),
        "mnumInterval": int(rng.choice([0, 0, 1, 5])),
        "systemDivider": "auto" if rng.random() < 0.7 else "none",
        "evenNoteSpacing": bool(rng.random() < 0.05),
        "breaks": str(rng.choice(["auto", "auto", "auto", "smart", "line"])),
        "condense": str(rng.choice(["auto", "none"])),
    }
    if rng.random() < 0.35:
        chosen["transpose"] = str(rng.choice(["M2", "-M2", "m3", "-m3", "P4", "-P4", "P5", "m2", "-m2", "P8", "-P8"]))
    return chosen


def draw(rng: np.random.Generator, svg: str, window: tuple[float, float, float, float], shape: tuple[int, int]) -> Gray:
    """The window (left, top, right, bottom in the SVG's inner units) as uint8 [H, W] of `shape`."""
    import resvg_py

    left, top, right, bottom = window
    inner = f'viewBox="{left:.2f} {top:.2f} {right - left:.2f} {bottom - top:.2f}" preserveAspectRatio="none"'
    svg = re.sub(r'<svg width="[^"]*" height="[^"]*"', f'<svg width="{shape[1]}px" height="{shape[0]}px"', svg, count=1)
    svg = re.sub(r'(class="definition-scale"[^>]*?)viewBox="[^"]*"', rf"\1{inner}", svg, count=1)
    svg = _PRIVATE.sub("", svg.translate(_SIGNS))
    font = fonts.choose(rng, "accented") or fonts.choose(rng)
    given: dict[str, Any] = {}
    if font is not None:
        svg = svg.replace('font-family="Times, serif"', f'font-family="{font.family}"', 1)
        given = {"font_files": [font.path], "serif_family": font.family, "font_family": font.family}
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, background="white", skip_system_fonts=True, **given))
    image = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    assert image.shape == shape
    return image
