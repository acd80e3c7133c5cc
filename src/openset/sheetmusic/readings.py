"""What nets and judges say of whole pages of a part of the data, read once and kept in the cache folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..judge import Judge, judge_of
from .corpus import Corpus, as_text, digest, digest_of
from .fit import BACKBONE
from .net import Pooling, TwoLooks
from .pool import Pages, Reader, read_pages
from .recipe import classes_of

EVERYTHING = ("train", "real", "more", "hard")
Say = Callable[[str], None]


def names_of(part: str) -> tuple[str, ...]:
    """The corpora of a part; "train" is everything that is trained on."""
    return EVERYTHING if part == "train" else (part,)


def corpus_of(cache: Path, part: str) -> Corpus:
    """A part's corpora as one."""
    return Corpus.open(*(cache / "corpus" / name for name in names_of(part)))


def inputs(cache: Path, corpora: Iterable[str], stages: Iterable[str]) -> dict[str, object]:
    """The digests of what something is made from: of corpora, and of the backbones of stages as far as they are trained."""
    return {
        "corpora": {name: digest_of(cache / "corpus" / name) for name in corpora},
        "backbones": {name: digest(cache / name / BACKBONE) for name in stages},
    }


def key_of(made_from: Mapping[str, object]) -> str:
    """What the name of a file ends in that is made from this, so that one made from something else is never met."""
    return hashlib.sha256(as_text(made_from).encode()).hexdigest()[:16]


def pages_of(
    cache: Path, read: Reader, name: str, part: str, count: int | None, say: Say, stages: Sequence[str] = ()
) -> Pages:
    """What is read of a part's pages by the backbones or the judge called `name`; read once, then kept for these weights and this
    data. stages: whose backbones read; none given: the one called `name`, if there is one."""
    key = key_of({"count": count, **inputs(cache, names_of(part), stages or (name,))})
    file = cache / "pages" / f"{name}-{part}-{key}.npz"
    if not file.exists():
        corpus = corpus_of(cache, part)
        ids = np.random.default_rng(0).permutation(len(corpus))[:count]
        pages = read_pages(read, corpus, classes_of(corpus.family), ids, say)
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch = file.with_suffix(".part")
        with scratch.open("wb") as handle:
            arrays: dict[str, Any] = {k: np.asarray(v) for k, v in vars(pages).items()}
            np.savez(handle, **arrays)
        os.replace(scratch, file)
    with np.load(file, allow_pickle=False) as data:
        kept = {key: data[key] for key in data.files}
    return Pages(torch.from_numpy(kept.pop("features")), **kept)


def reader(judge: Judge) -> Reader:
    """[1, 3, H, W] -> the judge's probabilities [1, 2]."""
    return lambda page: torch.from_numpy(judge.outputs(page.numpy())["probabilities"])


def judged(cache: Path, model: bytes, part: str, say: Say) -> Pages:
    """What a judge file's bytes say of a part's pages: `features` are its probabilities [N, 2]."""
    read = reader(judge_of(model, "the judge", threads=1))
    return pages_of(cache, read, f"judge-{hashlib.sha256(model).hexdigest()[:16]}", part, None, say)


def probabilities(pooling: Pooling | TwoLooks, pages: Pages) -> np.ndarray:
    """[N, 2]: P(sheet_music), P(other) of pages whose features are known."""
    with torch.inference_mode():
        inner = torch.softmax(pooling(pages.features).double(), 1).numpy()
    return np.stack([inner[:, 0] + inner[:, 2] / 2, inner[:, 1] + inner[:, 2] / 2], 1).clip(0, 1)
