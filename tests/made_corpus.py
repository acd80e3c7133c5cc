"""A corpus as `make sheet-music` writes it, small and made on the spot: scores, dots, diagonals."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openset.sheetmusic.corpus import write_shard
from openset.sheetmusic.sample import Sample

NONE = np.zeros((0, 2), np.float32), np.zeros((0, 4, 2), np.float32)


def score(rng: np.random.Generator) -> Sample:
    """One staff of 8-pixel spaces across the page, a note every 20 pixels."""
    page = np.full((200, 400), 255, np.uint8)
    top = int(rng.integers(60, 100))
    page[top : top + 33 : 8] = 0
    notes = np.array([[x, top + int(rng.integers(0, 33))] for x in range(20, 390, 20)], np.float32)
    for x, y in notes.astype(int):
        page[y - 3 : y + 4, x - 4 : x + 5] = 0
    corners = np.array([[[0, top], [399, top], [399, top + 32], [0, top + 32]]], np.float32)
    return Sample(page, "verovio", True, notes, corners)


def other(family: str, rng: np.random.Generator) -> Sample:
    """Dots for what is ordinary, diagonals for what is strange; its first half is blank."""
    page = np.full((200, 400), 255, np.uint8)
    if family == "prose_page":
        page[:, 200:][rng.random((200, 200)) < 0.3] = 0
    else:
        y, x = np.mgrid[:200, :200]
        page[:, 200:][(x + y) % 11 < 3] = 0
    return Sample(page, family, False, *NONE)


def corpora(folder: Path) -> Path:
    """folder/corpus/train, real, calibration, test, unseen: six pages of each kind that belongs there. Returns folder."""
    for part in ("train", "real", "calibration", "test", "unseen"):
        (folder / "corpus" / part).mkdir(parents=True)
        rng = np.random.default_rng([len(part), 1])
        pages = [other(family, rng) for family in ("prose_page", "contours") for _ in range(6)]
        if part not in ("unseen", "real"):
            pages += [score(rng) for _ in range(6)]
        write_shard(folder / "corpus" / part / "00000", pages)
    return folder
