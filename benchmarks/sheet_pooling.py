"""Which pooling, which scales: the same backbone's cells pooled by different rules, on made pages it was not trained on.

Usage: python benchmarks/sheet_pooling.py runs/sheet-music [--backbone acet] [--train 1500] [--test 800] [--seeds 3]
Prints a table: AUROC against families trained on and never trained on, and the share of the latter accepted at recall .97.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from openset.metrics import auroc
from openset.sheetmusic.build import load_backbone
from openset.sheetmusic.corpus import Corpus
from openset.sheetmusic.net import FEATURES, OTHER, OUT, SCALES, SHEET, SheetNet, pooled
from openset.sheetmusic.pool import clear, pixels_of
from openset.sheetmusic.recipe import classes_of

INK = 0.12


def cells(maps: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The probability of sheet music of every inked cell of every scale, [cells], highest first."""
    found = [torch.softmax(logits, 1)[:, SHEET][spread > INK] for logits, spread in maps]
    joined = torch.cat(found)
    return joined.sort(descending=True).values if len(joined) else torch.zeros(1)


def fixed_rules(maps: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    p = cells(maps)
    fine = cells(maps[:1])
    top = max(1, len(p) // 4)
    return {
        "the best cell (max)": float(p[0]),
        "mean of the best 25 % of inked cells": float(p[:top].mean()),
        "mean of all inked cells": float(p.mean()),
        "mean of the best 25 %, finest scale only": float(fine[: max(1, len(fine) // 4)].mean()),
    }


def read(net: SheetNet, folder: Path, count: int) -> tuple[Tensor, list[dict[str, float]], np.ndarray, np.ndarray]:
    """Features [N, 21], the fixed rules' scores, sheet [N], inner class [N]."""
    corpus = Corpus.open(folder)
    classes = classes_of(corpus.family)
    features, rules, sheet, inner = [], [], [], []
    with torch.inference_mode():
        for i in np.random.default_rng(1).permutation(len(corpus))[:count]:
            if not clear(corpus, int(i)):
                continue
            maps = net.maps(pixels_of(corpus[int(i)].image))
            features.append(torch.cat([pooled(*scale) for scale in maps], 1))
            rules.append(fixed_rules(maps))
            sheet.append(bool(corpus.sheet[i]))
            inner.append(SHEET if corpus.sheet[i] else int(classes[i]))
    return torch.cat(features).clone(), rules, np.array(sheet), np.array(inner)


def learn(x: Tensor, y: np.ndarray, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(x.shape[1], 24), nn.ReLU(), nn.Linear(24, 3))
    optimiser = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=0.05)
    target = torch.from_numpy(y.astype(np.int64))
    weight = torch.tensor([0.5 / (y == SHEET).sum(), 0.5 / (y != SHEET).sum(), 0.5 / (y != SHEET).sum()])[target]
    for _ in range(1500):
        optimiser.zero_grad()
        (F.cross_entropy(net(x), target, reduction="none") * weight).sum().backward()
        optimiser.step()
    return net


def p_sheet(logits: Tensor) -> np.ndarray:
    q = torch.softmax(logits, 1)
    return (q[:, SHEET] + q[:, OUT] / 2).detach().double().numpy()


def line(name: str, inside: np.ndarray, seen: np.ndarray, unseen: np.ndarray) -> str:
    level = np.quantile(inside, 0.03)
    return f"| {name} | {auroc(inside, seen):.4f} | {auroc(inside, unseen):.4f} | {(seen >= level).mean():.4f} | {(unseen >= level).mean():.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--backbone", default="long")
    parser.add_argument("--train", type=int, default=1500)
    parser.add_argument("--test", type=int, default=800)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    net = SheetNet(load_backbone(args.cache / args.backbone)).eval()
    parts = {
        name: read(net, args.cache / "corpus" / name, n)
        for name, n in (("train", args.train), ("test", args.test), ("unseen", args.test))
    }
    (x, _, _, y), (x_test, rules, sheet, _), (x_un, rules_un, _, _) = parts["train"], parts["test"], parts["unseen"]
    assert OTHER == 1
    print(
        f"{len(y)} pages to learn from; {sheet.sum()} scores, {(~sheet).sum()} others of trained families, {len(x_un)} of unseen ones\n"
    )
    print(
        "| pooling | AUROC, seen | AUROC, unseen | seen accepted at recall .97 | unseen accepted |\n|---|---|---|---|---|"
    )
    for rule in rules[0]:
        p = np.array([r[rule] for r in rules])
        print(line(rule, p[sheet], p[~sheet], np.array([r[rule] for r in rules_un])))
    mean, std = x.mean(0), x.std(0) + 1e-3
    for title, columns in (
        ("learned, finest scale only", slice(0, FEATURES)),
        ("learned, two finest scales", slice(0, 2 * FEATURES)),
        (f"learned, all {len(SCALES)} scales", slice(0, 3 * FEATURES)),
    ):
        for seed in range(args.seeds):
            z, z_test, z_un = ((v - mean) / std for v in (x, x_test, x_un))
            model = learn(z[:, columns].clamp(-5, 5), y, seed)
            p, q = (p_sheet(model(v[:, columns].clamp(-5, 5))) for v in (z_test, z_un))
            print(line(f"{title}, seed {seed}", p[sheet], p[~sheet], q))


if __name__ == "__main__":
    main()
