"""Fits the learned pooling on whole pages, with the backbone frozen: page features once, then a tiny net on them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .corpus import Corpus
from .crops import staff_space
from .net import FEATURES, OUT, PREPROCESS, SCALES, SHEET, Pooling, TwoLooks
from .sample import Gray


def pixels_of(page: Gray) -> Tensor:
    """uint8 [H, W] with a long side of 1024 -> [1, 3, H', W'] as the judge sees it: padded with white, in [0, 1]."""
    h, w = page.shape
    m = PREPROCESS.multiple
    padded = cv2.copyMakeBorder(np.asarray(page), 0, -h % m, 0, -w % m, cv2.BORDER_CONSTANT, value=255)
    gray = torch.from_numpy(np.asarray(padded)).float().div_(255)
    return gray.expand(1, 3, *gray.shape)


def corners(corpus: Corpus, n: int = 16) -> Tensor:
    """The upper left corners [N, 1, 512, 512] of the first n scores that are large enough: what attacks on noise begin from."""
    wide = (i for i in np.flatnonzero(corpus.sheet) if min(corpus[int(i)].image.shape) >= 512)
    return torch.cat([pixels_of(corpus[int(i)].image)[:, :1, :512, :512] for i in islice(wide, n)])


Reader = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Pages:
    """What was read of whole pages, pooled features [N, 27], or [N, 54] with a second look, or a judge's probabilities [N, 2], with
    what they are; use [N]: pages whose label is beyond doubt."""

    features: Tensor
    family: NDArray[np.str_]
    sheet: NDArray[np.bool_]
    classes: NDArray[np.uint8]
    use: NDArray[np.bool_]


def clear(corpus: Corpus, i: int) -> bool:
    """A score counts only if it can be read: at least three notes and a staff space of 2.8 pixels."""
    sample = corpus[i]
    return not sample.sheet or (len(sample.notes) >= 3 and staff_space(sample) >= 2.8)


def on_threads(made: Callable[[int], Tensor], n: int, told: Callable[[int], object] = lambda _: None) -> list[Tensor]:
    """made(0) to made(n - 1), one on each of torch's threads: a page on each takes less time than a page on all of them.
    told: called after each with how many are done."""
    rows, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            for k, row in enumerate(pool.map(made, range(n))):
                rows.append(row)
                told(k + 1)
    finally:
        torch.set_num_threads(threads)
    return rows


def read_pages(
    read: Reader,
    corpus: Corpus,
    classes: NDArray[np.uint8],
    ids: NDArray[np.int64],
    say: Callable[[str], None] = print,
) -> Pages:
    """Reads whole pages, as many at a time as torch has threads. read: [1, 3, H, W] -> [1, D], of a net in eval mode or a judge.
    classes: the inner class of each sample of the corpus."""

    def features(k: int) -> Tensor:
        with torch.inference_mode():
            return read(pixels_of(corpus[int(ids[k])].image))

    rows = on_threads(features, len(ids), lambda k: say(f"pages read: {k}/{len(ids)}") if k % 500 == 0 else None)
    family = np.array(corpus.family)[ids]
    use = np.array([clear(corpus, int(i)) for i in ids])
    sheet = np.asarray(corpus.sheet[ids] > 0)
    return Pages(torch.cat(rows).clone(), family, sheet, np.where(sheet, SHEET, classes[ids]).astype(np.uint8), use)


def balance(pages: Pages) -> Tensor:
    """Weights [N]: scores and others half each; within a half every family the same. Doubtful pages weigh nothing."""
    weight = np.zeros(len(pages.family))
    for side in (True, False):
        names = np.unique(pages.family[(pages.sheet == side) & pages.use])
        for name in names:
            mine = (pages.family == name) & (pages.sheet == side) & pages.use
            weight[mine] = 0.5 / len(names) / mine.sum()
    return torch.from_numpy(weight).float()


def fit_looks(pages: Pages, *, seed: int) -> TwoLooks:
    """The poolings of both looks, each on its own features."""
    split = FEATURES * len(SCALES)
    looks = pages.features[:, :split], pages.features[:, split:]
    return TwoLooks(*(fit_pooling(replace(pages, features=look), seed=seed) for look in looks)).eval()


def fit_pooling(pages: Pages, *, seed: int, steps: int = 1500, lr: float = 5e-3, two_classes: bool = False) -> Pooling:
    """Full-batch AdamW on the weighted cross entropy of the inner class. two_classes: the plain judge, without "neither"."""
    torch.manual_seed(seed)
    pooling = Pooling(pages.features.shape[1] // FEATURES)
    keep = torch.from_numpy(pages.use)
    pooling.mean.copy_(pages.features[keep].mean(0))
    pooling.std.copy_(pages.features[keep].std(0) + 0.05)
    target = torch.from_numpy(pages.classes.astype(np.int64))
    if two_classes:
        target = target.clamp(max=1)
    weight = balance(pages)
    optimiser = torch.optim.AdamW(pooling.parameters(), lr=lr, weight_decay=0.05)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = lr * 0.5 * (1 + np.cos(np.pi * step / steps))
        loss = torch.zeros(())
        for logits in pooling.each(pages.features):
            known = logits[:, :OUT] if two_classes else logits
            loss = loss + (F.cross_entropy(known, target, reduction="none") * weight).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    if two_classes:  # the third logit is out of reach
        with torch.no_grad():
            for member in pooling.members:
                member[-1].weight[OUT] = 0
                member[-1].bias[OUT] = -1e4
    return pooling.eval()
