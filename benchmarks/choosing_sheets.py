"""The sheet-music task of `choosing.py`: crops of 64 pixels out of the judge's made pictures; and its training, by `openset.train`.

Classes: crops at least half of whose cells show readable staves with notes, and crops of ordinary pictures (text, documents,
photographs, screens). Strange families (the judge's "neither") teach, with every fourth out-picture noise. No page gives crops to two of what
teaches, what calibrates and what measures. Unseen: crops of the families that the judge never trains on; other pictures of the
strange ones; noise.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import openset
from choosing_material import CALIBRATING, Sizes, Task
from costs import Setup
from openset._schedule import Config, Scheme
from openset.nets import Net, build
from openset.reproduce.material import seeded
from openset.reproduce.trained import Step
from openset.sheetmusic.corpus import Corpus, digest_of
from openset.sheetmusic.crops import draw
from openset.sheetmusic.net import OTHER, OUT, SHEET
from openset.sheetmusic.recipe import classes_of
from outside import noises

CROP, BATCH, EPOCHS, EPS, LR, DECAY = 64, 128, 4, 0.3, 2e-3, 1e-2
LABELS = ("other", "sheet_music")  # in the order of the folders' names
LEAST, DULL, DRAWS = 0.5, 8.0, 20  # share of music in a score's crop; std of an empty crop; draws until one will do
PARTS = ("train", "real", "calibration", "test", "unseen")
SHEETS = Sizes(taught=20_000, guard_steps=1_000)


def crops(corpus: Corpus, members: np.ndarray, n: int, seed: int) -> np.ndarray:
    """uint8 [n, 1, 64, 64] out of these members in turns, each drawn until it shows something, a score's its music."""
    rng = np.random.default_rng([seed, len(members)])
    classes, made = classes_of(corpus.family), np.empty((n, 1, CROP, CROP), np.uint8)
    at = draws = 0
    while at < n:
        i = int(members[(at + draws // DRAWS) % len(members)])  # one with nothing to show is left after DRAWS draws
        sample = corpus[i]
        crop, cells = draw(sample, rng, CROP, int(classes[i]))
        good = (cells == SHEET).mean() >= LEAST if sample.sheet else crop.std() >= DULL
        draws += 1
        if good:
            made[at], at, draws = crop, at + 1, 0
        elif draws > DRAWS * len(members):
            raise ValueError(f"none of {len(members)} pictures gives a crop with something on it")
    return made


def apart(pages: np.ndarray, calibrating: bool | None) -> np.ndarray:
    """Every fifth of the pages, or the four others; None: all."""
    every = np.arange(len(pages)) % CALIBRATING == 0
    return pages if calibrating is None else pages[every == calibrating]


def as_images(crops: np.ndarray) -> Tensor:
    return torch.from_numpy(crops).float().div_(255)


class Sheets(Task):
    """Crops [N, 1, 64, 64]; class 1 is sheet music. `data` is the judge's cache, with corpus/train, real, test, unseen."""

    classes, side, default = 2, CROP, SHEETS
    balls = ("noise", "unseen families")

    def __init__(self, name: str, data: Path, seed: int, sizes: Sizes) -> None:
        self.name, self.data, self.seed, self.sizes = name, data, seed, sizes
        n = sizes.test // CALIBRATING
        held, self.held_targets = self._classes("test", n, calibrating=True)
        test, self.test_targets = self._classes("test", sizes.test - n, calibrating=False)
        self.held, self.test = as_images(held), as_images(test)

    def _kinds(self, *parts: str) -> tuple[Corpus, dict[int, np.ndarray]]:
        """A corpus and, for scores, ordinary and strange pictures, where they stand in it, shuffled."""
        corpus = Corpus.open(*(self.data / "corpus" / part for part in parts))
        kinds = np.where(corpus.sheet, SHEET, classes_of(corpus.family))
        shuffled = np.random.default_rng(0).permutation(len(kinds))
        return corpus, {kind: shuffled[kinds[shuffled] == kind] for kind in (SHEET, OTHER, OUT)}

    def _classes(self, part: str, n: int, *, calibrating: bool | None = None) -> tuple[np.ndarray, np.ndarray]:
        """n crops, every second one sheet music, and their classes."""
        corpus, kinds = self._kinds(*(("train", "real") if part == "train" else (part,)))
        members = [apart(kinds[kind], calibrating) for kind in (OTHER, SHEET)]
        sides = [crops(corpus, pages, n // 2, seed) for seed, pages in enumerate(members)]
        return np.stack(sides, 1).reshape(-1, 1, CROP, CROP), np.tile(np.arange(2), n // 2)

    @cached_property
    def inside(self) -> tuple[Tensor, np.ndarray]:
        images, y = self._classes("train", self.sizes.train)
        return as_images(images), y

    @property
    def kinds(self) -> tuple[Tensor, ...]:
        """Strange pictures; noise."""
        return self.taught.split([len(self.taught) - len(self.taught) // 4, len(self.taught) // 4])

    @cached_property
    def taught(self) -> Tensor:
        return self._strange(self.sizes.taught, self.seed, calibrating=False)

    @cached_property
    def held_taught(self) -> Tensor:
        return self._strange(self.sizes.held, 10_000 + self.seed, calibrating=True)

    def _strange(self, n: int, seed: int, *, calibrating: bool) -> Tensor:
        noisy, (corpus, kinds) = n // 4, self._kinds("train")
        strange = as_images(crops(corpus, apart(kinds[OUT], calibrating), n - noisy, seed))
        return torch.cat((strange, noises(self.inside[0], noisy, seeded("sheets", str(seed)))))

    @cached_property
    def unseen(self) -> Mapping[str, Tensor]:
        n = self.sizes.seen
        unseen, members = self._kinds("unseen")
        test, kinds = self._kinds("test")
        return {
            "unseen families": as_images(crops(unseen, members[OUT], n, 1)),
            "taught families": as_images(crops(test, kinds[OUT], n, 2)),
            "noise": self._noise(n, "unseen"),
            "raw noise": torch.rand((n, 1, CROP, CROP), generator=seeded("choosing", "raw sheets")),
        }

    def settings(self) -> dict[str, Any]:
        sizes, training = dataclasses.asdict(self.sizes), dataclasses.asdict(self.config("plain"))
        del sizes["repeats"], training["scheme"], training["seed"]
        return sizes | {
            "training": training,
            "corpora": {part: digest_of(self.data / "corpus" / part) for part in PARTS},
        }

    def config(self, scheme: Scheme) -> Config:
        epochs = self.sizes.epochs or EPOCHS
        return Config(scheme, epochs, BATCH, LR, "adamw", DECAY, 1.0, EPS, 5, epochs, "none", self.seed)

    def setup(self) -> Setup:
        x, y = self.inside
        return Setup(x[:BATCH], torch.from_numpy(y[:BATCH]), lambda: build("docnet", 2, size=CROP), self.config, len(y))

    def home(self, runs: Path, scheme: Scheme) -> Path:
        return runs / f"{self.name}-{scheme}-{self.config(scheme).epochs}-{self.seed}"

    def net(self, scheme: Scheme, runs: Path, threads: int, tell: Step) -> Net:
        folder, config = runs / f"{self.name}-crops-{self.sizes.train}", self.config(scheme)
        save(folder / "train", lambda: self.inside)
        save(folder / "val", lambda: self._classes("calibration", self.sizes.held))
        strange = runs / f"{self.name}-strange-{self.sizes.taught}-{self.seed}"
        if scheme == "oe":
            save(strange, lambda: (self.taught, np.zeros(len(self.taught))))
        run = openset.train(
            folder, out=strange if scheme == "oe" else (), scheme=scheme, net="docnet", size=CROP, epochs=config.epochs,
            batch_size=BATCH, lr=LR, weight_decay=DECAY, eps=EPS, attack_steps=config.attack_steps, patience=config.patience,
            augment="none", seed=self.seed, output=self.home(runs, scheme), resume=True, threads=threads, progress=False,
        )  # fmt: skip
        tell(f"{self.name} {scheme}", config.epochs, config.epochs)
        return run.model


def save(folder: Path, pictures: Callable[[], tuple[Tensor | np.ndarray, np.ndarray]]) -> None:
    """A folder for each class and a PNG file for each crop, whole or not there."""
    if folder.exists():
        return
    images, y = pictures()
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    pixels = (255 * images).round().byte().numpy() if isinstance(images, Tensor) else images
    for i, (image, label) in enumerate(zip(pixels, y, strict=True)):
        home = part / LABELS[int(label)]
        home.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(home / f"{i:05d}.png")
    part.rename(folder)
