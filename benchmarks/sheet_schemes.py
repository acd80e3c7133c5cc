"""Which scheme, eps and start for the sheet-music backbone: short trainings side by side, over seeds, judged on crops.

Usage: python benchmarks/sheet_schemes.py runs/sheet-music [--steps 200] [--seeds 2] [--out runs/sheet-schemes]
Every training is kept in OUT and not done again. Prints a table: AUROC of the mean of the 16 best cells of a crop, scores
against families trained on and never trained on; the cells' mean max confidence on the latter; the highest P(sheet music)
of a cell on noise attacked in radii up to .1 and .3 (the same attack as in training, 12 steps: searched, not proved).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from openset.metrics import auroc
from openset.sheetmusic.acet import NoiseAttack
from openset.sheetmusic.corpus import Corpus
from openset.sheetmusic.crops import draw
from openset.sheetmusic.fit import SIZE, fit_backbone
from openset.sheetmusic.net import OTHER, OUT, SHEET, Backbone
from openset.sheetmusic.recipe import classes_of

RADII = (0.1, 0.3)


@dataclass(frozen=True)
class Variant:
    """warm: starts from the plain stage's weights. eps None: no noise at all; 0: noise that is not attacked (CEDA)."""

    name: str
    warm: bool
    eps: float | None
    lr: float


VARIANTS = (
    Variant("from scratch, no noise", False, None, 3e-3),
    Variant("from scratch, ACET .3", False, 0.3, 3e-3),
    Variant("warm, no noise", True, None, 6e-4),
    Variant("warm, CEDA", True, 0.0, 6e-4),
    Variant("warm, ACET .1", True, 0.1, 6e-4),
    Variant("warm, ACET .3", True, 0.3, 6e-4),
)


def crops(folder: Path, count: int) -> tuple[Tensor, np.ndarray]:
    """`count` crops [N, 1, S, S] of a corpus with, for each, whether any of its cells shows sheet music."""
    corpus, rng = Corpus.open(folder), np.random.default_rng(0)
    classes = classes_of(corpus.family)
    drawn = [draw(corpus[int(i)], rng, SIZE, int(classes[i])) for i in rng.integers(len(corpus), size=count)]
    pixels = torch.from_numpy(np.stack([crop for crop, _ in drawn])).float().div_(255).unsqueeze(1)
    return pixels, np.array([bool((cells == SHEET).any()) for _, cells in drawn])


def best_cells(net: Backbone, pixels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Each crop's mean log-odds of its 16 best cells, and its cells' mean max confidence over the two labels."""
    odds, confidence = [], []
    with torch.inference_mode():
        for part in pixels.split(16):
            logits = net(part)
            cell = (logits[:, SHEET] - torch.logsumexp(logits[:, OTHER:], 1)).flatten(1)
            odds.append(cell.topk(16, 1).values.mean(1))
            q = torch.softmax(logits, 1)
            p = q[:, SHEET] + q[:, OUT] / 2
            confidence.append(torch.maximum(p, 1 - p).mean((1, 2)))
    return torch.cat(odds).double().numpy(), torch.cat(confidence).double().numpy()


def attacked(net: Backbone, scores: Tensor, eps: float, count: int) -> float:
    """The mean over `count` attacked noise crops of the highest P(sheet music) of a cell."""
    attack = NoiseAttack(eps, steps=12, rows=4, seed=1)
    none = torch.full((4, SIZE // 16, SIZE // 16), SHEET)
    highest = []
    for step in range(min(count, len(scores)) // 4):
        noise, _ = attack(net, scores[4 * step : 4 * step + 4], none, step)
        with torch.inference_mode():
            q = torch.softmax(net.eval()(noise), 1)
        highest.append((q[:, SHEET] + q[:, OUT] / 2).flatten(1).amax(1))
    return float(torch.cat(highest).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--crops", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path("runs/sheet-schemes"))
    args = parser.parse_args()
    corpus = Corpus.open(args.cache / "corpus" / "train", args.cache / "corpus" / "real")
    classes, warm = classes_of(corpus.family), args.cache / "plain" / "backbone.safetensors"
    (seen, is_score), (unseen, _) = (crops(args.cache / "corpus" / part, args.crops) for part in ("test", "unseen"))
    print(
        f"{args.steps} steps of 16 crops each; {is_score.sum()} crops of scores, {(~is_score).sum()} of other pictures\n"
    )
    print("| scheme | seed | AUROC, seen | AUROC, unseen | mean max confidence, unseen | noise at .1 | noise at .3 |")
    print("|---|---|---|---|---|---|---|")
    for variant in VARIANTS:
        for seed in range(args.seeds):
            folder = args.out / f"{variant.name.replace(' ', '-').replace(',', '')}-{args.steps}-{seed}"
            attack = None
            if variant.eps is not None:
                attack = NoiseAttack(max(variant.eps, 1e-6), steps=3 if variant.eps else 0, rows=3, seed=seed)
            if not (folder / "row.json").exists():
                net = fit_backbone(
                    corpus, classes, folder, steps=args.steps, seed=seed, lr=variant.lr,
                    start=warm if variant.warm else None, attack=attack, say=lambda _: None,
                )  # fmt: skip
                (odds, _), (odds_un, confidence) = best_cells(net, seen), best_cells(net, unseen)
                row = [auroc(odds[is_score], odds[~is_score]), auroc(odds[is_score], odds_un), float(confidence.mean())]
                row += [attacked(net, seen[torch.from_numpy(is_score)][:32], eps, 32) for eps in RADII]
                (folder / "row.json").write_text(json.dumps(row))
            row = json.loads((folder / "row.json").read_text())
            print(f"| {variant.name} | {seed} | " + " | ".join(f"{value:.3f}" for value in row) + " |", flush=True)


if __name__ == "__main__":
    main()
