"""Is a run as asked possible, and what is said of it when it is done."""

from __future__ import annotations

import copy
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from . import __version__
from ._loop import outputs
from ._schedule import Config, Optimiser, Scheme, State
from ._words import counted
from .decide import lower_bound
from .errors import TrainingError
from .loader import Augment, Material
from .nets import Net
from .runfile import RUN, STATE, read_run
from .types import MAX_SIDE, Preprocess

HELD_ASSUMPTION = "pictures to come are drawn like the held-out test pictures, each on its own"
STEPS = 3_000  # of a run by default, where that makes between 15 and 150 epochs


def check_config(config: Config) -> None:
    """Raises TrainingError that names the first setting that cannot be, its value and what may stand there."""
    rules: list[tuple[str, bool, str]] = [
        *(
            (name, getattr(config, name) in get_args(words), f"one of {', '.join(get_args(words))}")
            for name, words in (("scheme", Scheme), ("optimiser", Optimiser), ("augment", Augment))
        ),
        ("epochs", config.epochs >= 1, "at least 1"),
        ("batch_size", config.batch_size >= 1, "at least 1"),
        ("lr", config.lr > 0, "above 0"),
        ("weight_decay", config.weight_decay >= 0, "at least 0"),
        ("out_weight", config.out_weight >= 0, "at least 0"),
        ("eps", 0 <= config.eps <= 1, "in [0, 1], the unit of pixels"),
        ("attack_steps", config.attack_steps >= 1, "at least 1"),
        ("patience", config.patience >= 1, "at least 1"),
    ]
    for name, holds, allowed in rules:
        if not holds:
            raise TrainingError(f"{name}={getattr(config, name)!r} cannot be: it must be {allowed}")


def device_of(given: str | None) -> torch.device:
    """The device asked for, by default a GPU if there is one. Raises TrainingError for one that is not here."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = ["cpu", *["cuda"][:gpus], *(f"cuda:{n}" for n in range(gpus))]
    name = here[:2][-1] if given is None else given
    if name not in here:
        raise TrainingError(
            f"device={name!r} cannot be: it must be {' or '.join(here)}{'' if gpus else ', as torch finds no GPU here'}"
        )
    return torch.device(name)


def with_length(config: Config, epochs: int | None, patience: int | None, n: int) -> Config:
    """`config` with the epochs and the patience asked for, or those that suit n training pictures."""
    if epochs is None:
        epochs = min(150, max(15, -(-STEPS // -(-n // config.batch_size))))
    return replace(config, epochs=epochs, patience=max(5, epochs // 4) if patience is None else patience)


def check_apart(place: Path, folders: Sequence[str]) -> None:
    """Raises TrainingError for a run folder inside a folder of pictures, which could not be read as such again."""
    for folder in map(Path, folders):
        if place.resolve().is_relative_to(folder.resolve()):
            raise TrainingError(
                f"the run folder '{place}' lies inside '{folder}', whose folders are read as pictures: choose another "
                "with --output"
            )


def earlier_run(place: Path, settings: Mapping[str, Any], resume: bool) -> dict[str, Any] | None:
    """`run.json` of the run to go on with, or None for a fresh start. Raises TrainingError where neither is right."""
    home = next(p for p in (place, *place.absolute().parents) if p.exists())
    faults = {
        "its name is not valid UTF-8": any("\ud800" <= c <= "\udfff" for c in str(place.absolute())),
        f"'{home}' is a file": not home.is_dir(),
        f"you may not write into '{home}'": not os.access(home, os.W_OK),
    }
    for why in (why for why, holds in faults.items() if holds):
        raise TrainingError(f"the run folder '{place}' cannot be made: {why}. Choose another with --output")
    if not (place / RUN).exists():
        if (place / STATE).exists():
            raise TrainingError(f"'{place}' holds a state but no {RUN}: give another --output")
        return None
    if not resume:
        raise TrainingError(
            f"'{place}' already holds a run: go on with it by --resume (in Python: resume=True), "
            "or give another --output"
        )
    content = read_run(place)
    changed = [k for k, v in settings.items() if content["config"].get(k) != v]
    if changed:
        told = ", ".join(f"{k} was {content['config'].get(k)!r} and is now {settings[k]!r}" for k in changed)
        raise TrainingError(f"the run in '{place}' was started otherwise: {told}. Give the same, or another --output")
    return content


def sized(net: Net, size: int | None) -> Preprocess:
    if size is None:
        return net.preprocess
    if not 8 <= size <= MAX_SIDE or (net.name == "lenet" and size != net.preprocess.size):
        raise TrainingError(f"size={size} cannot be for {net.name!r}: lenet takes 28, the others 8 to {MAX_SIDE}")
    return replace(net.preprocess, size=size)


def try_net(net: Net, config: Config, n: int) -> None:
    """Run a copy of `net` as a run on n training pictures will: judging two, and learning from as few as its smallest batch.

    Raises TrainingError that names the net, the size and what to do, whatever goes wrong in the net.
    """
    pre = net.preprocess
    side = -(-pre.size // pre.multiple) * pre.multiple
    least = min(2, n // -(-n // config.batch_size) + (config.scheme != "plain"))  # out-pictures go through beside
    uses = (
        (2, False, "judge", "Give another --size (left out, it is the net's own), or name another --net"),
        (least, True, "learn from", "Give another --batch-size, so that no batch is too small, or name another --net"),
    )
    for count, learns, what, remedy in uses:
        try:
            pictures = torch.rand((count, 3, side, side), generator=torch.Generator().manual_seed(0))
            with torch.random.fork_rng(devices=[]):
                logits = copy.deepcopy(net).train(learns)(pictures)
                if logits.shape != (count, net.classes):
                    raise ValueError(f"it gives numbers of shape {list(logits.shape)}, not [{count}, {net.classes}]")
                if learns:
                    logits.sum().backward()
        except Exception as error:
            raise TrainingError(
                f"the net {net.name!r} cannot {what} {counted(count, 'picture')} of size {pre.size} "
                f"({type(error).__name__}: {' '.join(str(error).split())[:300]}). {remedy}"
            ) from error


def held_out(net: Net, material: Material, config: Config, device: torch.device) -> dict[str, torch.Tensor]:
    """logits, targets (class numbers) and `once` (does a promise count it?) of the test split, the held-out out-pictures after
    it with class -1."""
    inside = outputs(net, material.test.pictures, config.batch_size, device)
    outside = outputs(net, material.out_test, config.batch_size, device)
    targets = np.concatenate((material.test.targets, np.full(len(outside), -1, np.int64)))
    return {
        "logits": torch.cat((inside, outside)),
        "targets": torch.from_numpy(targets),
        "once": torch.from_numpy(material.once()),
    }


def facts_of(
    material: Material, settings: Mapping[str, Any], state: State, held: Mapping[str, torch.Tensor]
) -> dict[str, Any]:
    """What a judge file will say of the run. held: as `held_out` gives it."""
    logits, targets = held["logits"], held["targets"]
    counts = {
        side: {label: int((split.targets == k).sum()) for k, label in enumerate(material.labels)}
        for side, split in (("train", material.train), ("val", material.val), ("test", material.test))
    }
    inside = targets >= 0
    right, n = int((logits.argmax(1) == targets)[inside].sum()), int(inside.sum())
    confidence = logits.softmax(1).amax(1)
    return {
        "scheme": settings["scheme"],
        "net": settings["net"],
        "seed": settings["seed"],
        "settings": dict(settings),
        "pictures": counts,
        "out_pictures": {"train": len(material.out), "val": len(material.out_val), "test": len(material.out_test)},
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "test_accuracy": {"value": right / n, "n": n, "interval": _interval(right, n), "kind": "measured"}
        if n
        else None,
        "test_mmc_in": confidence[inside].mean().item() if n else None,
        "test_mmc_out": confidence[~inside].mean().item() if bool((~inside).any()) else None,
        "versions": versions(),
    }


def _interval(right: int, n: int) -> tuple[float, float]:
    """The exact two-sided 95 % interval of a share (Clopper and Pearson 1934)."""
    return lower_bound(right, n, 0.025), 1 - lower_bound(n - right, n, 0.025)


def versions() -> dict[str, str]:
    packages = {}
    for name in ("torch", "timm", "numpy", "Pillow", "safetensors"):
        with suppress(metadata.PackageNotFoundError):  # timm, where no net of timm's is asked for
            packages[name] = metadata.version(name)
    return {"openset": __version__, "python": platform.python_version(), **packages}
