"""Could five evenly spaced dark lines with light gaps, a filter without learning, tell sheet music from other pages?

    python benchmarks/staff_comb.py runs/sheet-music [--pages 150]      # needs the corpora of `make sheet-music`

Why it was tried: means, minima, maxima and ranks of gray move by no more than the pixels do, so such a score is certified
in every l_inf ball by itself. For each strip of 16 pixels, slope and staff size, at three scales, both polarities and both
directions: the lightest of five lines (each the least of three neighbouring strips) minus the darkest of the four gaps. A page's
score is the k-th best of its cells. Prints the AUROC against ordinary pictures and against families never trained on.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from openset.metrics import auroc
from openset.sheetmusic.corpus import Corpus
from openset.sheetmusic.pool import pixels_of

STRIP, SLOPES = 16, range(-8, 9)  # slopes in 1/32
SPACES = (3, 3.4, 3.9, 4.4, 5, 5.6)  # staff spaces in pixels of the scale
RANKS = (4, 12, 32)


def strips() -> Tensor:
    """[slopes, 1, 11, 16]: the mean along a line of each slope through the middle of a strip."""
    kernel = torch.zeros(len(SLOPES), 1, 11, STRIP)
    for i, slope in enumerate(SLOPES):
        for x in range(STRIP):
            y = 5 + slope / 32 * (x - (STRIP - 1) / 2)
            low = math.floor(y)
            kernel[i, 0, low, x] += 1 - (y - low)
            kernel[i, 0, low + 1, x] += y - low
    return kernel / STRIP


def lines_and_gaps(dark: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Darkness [B, 1, H, W] -> [B, H, W/16] twice: as a line (three strips in a row, the least) and as a gap (their mean)."""
    means = F.conv2d(F.pad(dark, (0, 0, 5, 5), mode="replicate"), kernel, stride=(1, STRIP))[:, :, : dark.shape[2]]
    line, gap = [], []
    for i, slope in enumerate(SLOPES):
        part, step = means[:, i], round(slope / 2)
        rows = torch.arange(part.shape[1])
        left = F.pad(part[:, (rows - step).clamp(0, len(rows) - 1)], (1, 0), mode="replicate")[..., :-1]
        right = F.pad(part[:, (rows + step).clamp(0, len(rows) - 1)], (0, 1), mode="replicate")[..., 1:]
        row = torch.stack([left, part, right])
        line.append(row.amin(0))
        gap.append(row.mean(0))
    return torch.stack(line).amax(0), torch.stack(gap).amin(0)


def comb(line: Tensor, gap: Tensor, space: float) -> Tensor | None:
    """The contrast of five lines `space` apart, at the first line's row; None for a page too low for them."""
    n = math.ceil(4 * space) + 1
    height = line.shape[1] - n
    if height < 2:
        return None
    lines = torch.stack([line[:, (o := round(j * space)) : o + height] for j in range(5)]).amin(0)
    offsets = set()
    for j in range(4):
        middle = (j + 0.5) * space
        wide = (-0.18 * space, 0.18 * space) if space >= 4 else (0.0,)
        offsets |= {round(middle + d) for d in wide}
    return lines - torch.stack([gap[:, o : o + height] for o in sorted(offsets)]).amax(0)


def score(gray: Tensor, kernel: Tensor) -> np.ndarray:
    """[len(RANKS)]: the k-th best contrast of a page [1, 1, H, W], the largest over scales, polarities and directions."""
    best = np.full(len(RANKS), -1.0)
    for scale in (1, 2, 4):
        page = gray if scale == 1 else F.avg_pool2d(gray, scale)
        for dark in (1 - page, page, (1 - page).transpose(2, 3), page.transpose(2, 3)):
            line, gap = lines_and_gaps(dark, kernel)
            found = torch.full_like(line, -1)
            for space in SPACES:
                part = comb(line, gap, space)
                if part is not None:
                    found[:, : part.shape[1]] = torch.maximum(found[:, : part.shape[1]], part)
            cells = F.max_pool2d(found.unsqueeze(1), (STRIP, 1)).flatten().sort(descending=True).values
            best = np.maximum(best, [float(cells[min(k, len(cells)) - 1]) for k in RANKS])
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--pages", type=int, default=150, help="of each kind")
    options = parser.parse_args()
    kernel, rng = strips(), np.random.default_rng(0)

    def scores(part: str, sheet: bool) -> np.ndarray:
        corpus = Corpus.open(options.cache / "corpus" / part)
        ids = rng.permutation(np.flatnonzero((np.asarray(corpus.sheet) > 0) == sheet))[: options.pages]
        with torch.inference_mode():
            return np.stack([score(pixels_of(corpus[int(i)].image)[:, :1], kernel) for i in ids])

    music, ordinary, unseen = scores("calibration", True), scores("calibration", False), scores("unseen", False)
    print(f"{len(music)} scores, {len(ordinary)} ordinary pictures, {len(unseen)} of families never trained on\n")
    print(
        "| k-th best cell | AUROC, ordinary | AUROC, unseen | contrast, scores: 3 %, median | ordinary: median, 97 % |"
    )
    print("|---|---|---|---|---|")
    for i, rank in enumerate(RANKS):
        s, o, u = music[:, i], ordinary[:, i], unseen[:, i]
        ends = [f"{a:.3f}, {b:.3f}" for a, b in (np.quantile(s, [0.03, 0.5]), np.quantile(o, [0.5, 0.97]))]
        print(f"| {rank} | {auroc(s, o):.3f} | {auroc(s, u):.3f} | {ends[0]} | {ends[1]} |")


if __name__ == "__main__":
    main()
