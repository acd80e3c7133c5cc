"""The type case of the library pages: words drawn once and set often, pictures cropped often, PDF pages drawn once.

A page of 2,000 words takes Pillow 80 ms and this case 10 ms: a galley holds some hundred words of one face as pictures
in reading order, and setting a line is pasting arrays. Galleys and pictures are replaced as pages go by, so that no
page repeats another. Everything depends on the generator that is handed in alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from . import fonts, pictures
from .degrade import to_gray
from .library_stock import Text, speaks_of_music
from .sample import Gray
from .typeset import chance
from .words import RIGHT_TO_LEFT, UNSPACED, number, pick, prose

Draw = Callable[[np.random.Generator], np.ndarray]
KEPT = {"body": 20, "head": 14, "hand": 6, "figures": 6}
SIZES = {"body": (8.0, 22.0), "head": (18.0, 72.0), "hand": (13.0, 34.0), "figures": (9.0, 18.0)}
WORDS = {"body": 160, "head": 12, "hand": 90, "figures": 60}


@dataclass
class Galley:
    """Words of one face as gray pictures [line, width] in reading order; taking the last one begins anew."""

    words: list[Gray]
    size: int
    line: int
    gap: int
    backwards: bool
    at: int = 0

    def take(self) -> Gray:
        self.at = (self.at + 1) % len(self.words)
        return self.words[self.at]

    def back(self) -> None:
        self.at = (self.at - 1) % len(self.words)


def draw_words(words: Sequence[str], font: fonts.Font | None, size: int, script: str) -> Galley:
    """The words in black on white, all as high as a line."""
    face = fonts.sized(font, size, script) if font else None
    if face is None:
        raise ValueError(f"no font in use writes {script!r}; fetch fonts first (fonts.fetch_fonts)")
    ascent, descent = face.getmetrics()
    line = int(np.clip(ascent + descent, size, 2 * size))
    drawn: list[Gray] = []
    for word in words:
        width = int(face.getlength(word)) + 2
        image = Image.new("L", (max(2, min(width, 1200)), line), 255)
        ImageDraw.Draw(image).text((1, 0), word, fill=0, font=face)
        drawn.append(np.asarray(image))
    return Galley(drawn, size, line, 0 if script in UNSPACED else max(2, round(0.26 * size)), script in RIGHT_TO_LEFT)


class Case:
    """Galleys, pictures and PDF pages to draw from. `turn` replaces a few of them; called once before every page."""

    def __init__(self, texts: Sequence[Text], draws: Sequence[Draw], documents: Sequence[Path]) -> None:
        self._texts, self._draws, self._documents = list(texts), list(draws), list(documents)
        weights = np.array([max(1, path.stat().st_size) for path in documents], float) ** 0.5
        self._likely = weights / weights.sum() if len(weights) else weights
        self._galleys: dict[str, list[Galley]] = {kind: [] for kind in KEPT}
        self._plates: list[Gray] = []

    def turn(self, rng: np.random.Generator) -> None:
        for kind, kept in KEPT.items():
            shelf = self._galleys[kind]
            while len(shelf) < 2 or (len(shelf) < kept and chance(rng, 0.4)):
                shelf.append(self._new(rng, kind))
            if chance(rng, {"body": 0.25, "head": 0.25, "hand": 0.08, "figures": 0.08}[kind]):
                shelf[int(rng.integers(len(shelf)))] = self._new(rng, kind)
        if self._draws and (len(self._plates) < 3 or chance(rng, 0.3 if len(self._plates) < 12 else 0.12)):
            plate = to_gray(self._draws[int(rng.integers(len(self._draws)))](rng))
            if len(self._plates) < 12:
                self._plates.append(plate)
            else:
                self._plates[int(rng.integers(12))] = plate

    def galley(self, rng: np.random.Generator, kind: str, high: float = 1e9) -> Galley:
        """One of the kind, its size at most `high` where there is one so small; it goes on at a random word."""
        shelf = self._galleys[kind]
        fit = [g for g in shelf if g.size <= high] or [min(shelf, key=lambda g: g.size)]
        chosen = fit[int(rng.integers(len(fit)))]
        chosen.at = int(rng.integers(len(chosen.words)))
        return chosen

    def _new(self, rng: np.random.Generator, kind: str) -> Galley:
        low, high = SIZES[kind]
        size = round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))
        if kind == "figures":
            script, words = "latin", [number(rng) for _ in range(WORDS[kind])]
        else:
            script, words = self._words(rng, WORDS[kind])
        want = {"hand": "hand", "figures": pick(rng, ("mono", "serif", "sans"))}.get(kind) or pick(
            rng, ("serif", "serif", "serif", "sans", "mono", "black", None)
        )
        font = fonts.choose(rng, script, want) or fonts.choose(rng, script)  # type: ignore[arg-type]
        if font is None or (kind == "hand" and font.kind != "hand"):
            script, words = "latin", prose(rng, WORDS[kind])
            font = fonts.choose(rng, script, want) or fonts.choose(rng, script)  # type: ignore[arg-type]
        if kind == "head" and chance(rng, 0.3):
            words = [word.upper() for word in words]
        return draw_words(words, font, size, script)

    def _words(self, rng: np.random.Generator, count: int) -> tuple[str, list[str]]:
        if self._texts and chance(rng, 0.6):
            text = self._texts[int(rng.integers(len(self._texts)))]
            start = int(rng.integers(max(1, len(text.words) - count)))
            return text.script, list(text.words[start : start + count])
        script = pick(rng, fonts.scripts() or ["latin"])
        return script, prose(rng, count, script)

    def plate(self, rng: np.random.Generator, width: int, height: int) -> Gray:
        """A window of a held-out picture at that size, at times printed as dots or as black and white."""
        if not self._plates:
            return np.full((height, width), int(rng.integers(60, 220)), np.uint8)
        source = self._plates[int(rng.integers(len(self._plates)))]
        high, wide = source.shape
        share = float(rng.uniform(0.35, 1.0))
        w = min(wide, high * width / height) * share
        h = w * height / width
        x, y = rng.uniform(0, wide - w), rng.uniform(0, high - h)
        cut = source[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1]
        out = cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
        roll = rng.random()
        if roll < 0.12:
            return np.where(out > int(rng.integers(90, 170)), 255, 0).astype(np.uint8)
        if roll < 0.25:
            side = int(rng.integers(3, 9))
            grid = np.mgrid[0:height, 0:width].astype(np.float32) * np.float32(2 * np.pi / side)
            return np.where(127 + 60 * (np.sin(grid[0] + grid[1]) + np.sin(grid[0] - grid[1])) < out, 255, 0).astype(
                np.uint8
            )
        return out[:, ::-1] if roll > 0.6 else out

    @property
    def documents(self) -> bool:
        return bool(self._documents)

    def document(self, rng: np.random.Generator) -> tuple[str, Gray]:
        """A page of a PDF document whose text does not speak of music, and "file#page"; ValueError if none opens."""
        import pypdfium2

        for _ in range(8):
            path = self._documents[int(rng.choice(len(self._documents), p=self._likely))]
            try:
                with pypdfium2.PdfDocument(path) as document:
                    at = int(rng.integers(len(document)))
                    page = document[at]
                    if speaks_of_music(page.get_textpage().get_text_bounded()):
                        continue
                    scale = float(rng.uniform(900, 1400)) / max(page.get_size())
                    return f"{path.parent.name}/{path.stem}#{at}", np.asarray(
                        page.render(scale=scale, grayscale=True).to_numpy()
                    ).squeeze()
            except pypdfium2.PdfiumError:
                continue
        raise ValueError("no PDF document opens")


def picture_draws(root: Path) -> list[Draw]:
    """The held-out picture families of `root` (assets.fetch), without those that are pages of text themselves."""
    held = pictures.families(root, held_out=True)
    return [draw for name, draw in held.items() if name not in ("pdf_pages", "captioned")]
