"""Measures a built judge on made pictures it was not trained on, for its card.

Everything here is measured, with n and an exact 95 % interval; the attack is searched. Families that were trained on and
families never trained on stand in separate tables.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TrainingError
from ..export import export
from ..judge import judge_of
from ..judgefile import graph_digest
from ..metrics import auroc, auroc_interval, clopper_pearson, mmc
from ..onnxbytes import read_model
from ..types import JudgeInfo
from .build import BUILT, load_backbone, two_looks
from .corpus import Corpus
from .data import MEASURED, make_data
from .net import LABELS, PREPROCESS, SHEET, SheetNet
from .plan import Plan
from .pool import Pages, corners, fit_pooling
from .readings import Say, judged, pages_of, probabilities, reader
from .stress import attacked_noise

HIGH = 0.95
RECALL = 0.97
COMPARED = 1_500  # pages that the poolings of the schemes compared with learn from, and of unseen families they meet
ATTACKED = 12
SCHEMES = (PLAIN, EXPOSED, OWN) = "plain", "outlier exposure", "shipped"
RADII = (0.03, 0.1, 0.3)


@dataclass(frozen=True)
class Row:
    """One family: n pictures, how many were accepted as sheet music (with the exact 95 % interval of the share), how many
    had P(sheet_music) above .95, the highest P(sheet_music), and the mean max confidence."""

    family: str
    n: int
    accepted: int
    low: float
    high: float
    above_95: int
    highest: float
    mmc: float


def rows(p: np.ndarray, pages: Pages, threshold: float, *, sheet: bool) -> list[Row]:
    """A row for each family among the scores (sheet=True) or the others."""
    made = []
    for name in sorted(set(pages.family[pages.sheet == sheet])):
        mine = p[(pages.family == name) & (pages.sheet == sheet) & pages.use]
        if not len(mine):
            continue
        k = int((mine[:, 0] >= threshold).sum())
        low, high = clopper_pearson(k, len(mine))
        above, top = int((mine[:, 0] > HIGH).sum()), float(mine[:, 0].max())
        made.append(Row(str(name), len(mine), k, low, high, above, top, mmc(mine.max(1))))
    return made


def at_recall(p_sheet: np.ndarray, recall: float) -> float:
    """The threshold that accepts this share of the scores."""
    return float(np.quantile(p_sheet, 1 - recall))


def plain_net(cache: Path, plan: Plan, say: Say, *, two_classes: bool) -> SheetNet:
    """The first backbone before ACET with one look and a pooling of its own. two_classes: without "neither"."""
    net = SheetNet(load_backbone(cache / "plain")).eval()
    pages = pages_of(cache, net.features, "plain", "train", COMPARED, say)
    net.pooling = fit_pooling(pages, seed=plan.seed, two_classes=two_classes)
    return net


def on_pages(cache: Path, plan: Plan, shipped: Path, say: Say, workers: int = 2) -> dict[str, Any]:
    """What plain, outlier exposure and the shipped judge say of made pictures; by family for the judge.

    Scores that cannot be read (`pool.clear`) are counted and left out. Writes plain.onnx beside.
    """
    judge = read_model(shipped)
    threshold = judge_of(judge, str(shipped)).info.thresholds[LABELS[SHEET]].value
    make_data(cache, plan, say, workers, MEASURED)
    result: dict[str, Any] = {}
    for title in SCHEMES:
        if title == OWN:
            test, unseen = (judged(cache, judge, part, say) for part in MEASURED)
            p, q = (pages.features.double().numpy() for pages in (test, unseen))
        else:
            net = plain_net(cache, plan, say, two_classes=title != EXPOSED)
            test, unseen = (pages_of(cache, net.features, "plain", part, None, say) for part in MEASURED)
            p, q = probabilities(net.pooling, test), probabilities(net.pooling, unseen)
            if title == PLAIN:
                export(net, cache / "plain.onnx", JudgeInfo(LABELS, PREPROCESS, name="plain"))
        inside, seen = p[test.sheet & test.use, 0], p[~test.sheet, 0]
        level = threshold if title == OWN else at_recall(inside, RECALL)
        entry: dict[str, Any] = {
            "recall": float((inside >= level).mean()),
            "n_scores": len(inside),
            "scores_left_out": int((test.sheet & ~test.use).sum()),
            "auroc_seen": (auroc(inside, seen), *auroc_interval(inside, seen)),
            "auroc_unseen": (auroc(inside, q[:, 0]), *auroc_interval(inside, q[:, 0])),
            "mmc_scores": mmc(p[test.sheet & test.use].max(1)),
            "mmc_seen": mmc(p[~test.sheet].max(1)),
            "mmc_unseen": mmc(q.max(1)),
            "false_seen": (int((seen >= level).sum()), len(seen)),
            "false_unseen": (int((q[:, 0] >= level).sum()), len(q)),
            "above_95_unseen": int((q[:, 0] > HIGH).sum()),
        }
        if title == OWN:
            entry["rows_scores"] = [asdict(r) for r in rows(p, test, level, sheet=True)]
            entry["rows_seen"] = [asdict(r) for r in rows(p, test, level, sheet=False)]
            entry["rows_unseen"] = [asdict(r) for r in rows(q, unseen, level, sheet=False)]
        result[title] = entry
    return result


def on_noise(cache: Path, plan: Plan, shipped: Path, say: Say, workers: int = 2) -> dict[str, Any]:
    """Noise attacked under the same three. Raises OpensetError unless `shipped` was made from the backbones in `cache`, since the
    attack climbs theirs."""
    model, built = read_model(shipped), cache / BUILT
    if not built.exists() or json.loads(built.read_text()).get("graph") != graph_digest(model):
        raise TrainingError(
            f"'{cache}' is not where '{shipped}' was built: the attack would climb another net. Measure noise where it was built"
        )
    judge = judge_of(model, str(shipped))
    make_data(cache, plan, say, workers, ("test",))
    scores = corners(Corpus.open(cache / "corpus" / "test"))
    result: dict[str, Any] = {}
    for title in SCHEMES:
        own = reader(judge) if title == OWN else None
        net = two_looks(cache, plan, say) if own else plain_net(cache, plan, say, two_classes=title != EXPOSED)
        result[title] = {}
        for eps in RADII:
            attacked = attacked_noise(net, scores, eps=eps, n=ATTACKED, seed=plan.seed, judge=own)[:, 1]
            result[title][str(eps)] = {"n": ATTACKED, "mean": float(attacked.mean()), "highest": float(attacked.max())}
            say(f"{title}: attacked noise at {eps}: mean {attacked.mean():.3f}, highest {attacked.max():.3f}")
    return result
