"""The paper's nets trained here: plain, CEDA and ACET on one of its data sets, by the recipe or by a shorter one; and beside them
ACET mended and outlier exposure, which the paper does not have.

The recipe (Hein et al. 2019, arXiv 1812.05720): as many out-pictures as pictures in a batch of 128, SGD with momentum .9,
weight decay 5e-4, a tenth of the rate at 50, 75 and 90 % of 100 epochs; ACET with eps .3 and 40 steps from the first batch
on. Noise, attack, loss, nets and rates are the released code's (github.com/max-andr/relu_networks_overconfident, train.py,
regularizers.py, data.py, models.py). Known differences, kept because the tables were measured with them:

- weight decay: there 5e-4 * sum of w^2, no 1/2, so torch's 1e-3, and on biases of convolutions and linear layers; here 5e-4;
- batch-norm's running averages: there 1 % of each batch, here torch's 10 %;
- initial weights: there normal with variance 2 / inputs (cut off for convolutions), biases 0; here torch's own;
- the last, smaller batch of an epoch: there left out, here taken;
- MNIST and Fashion-MNIST: there crops moved by up to 4 pixels, here none. No net and no command for them was released; the
  script's own default is Adam at .001, and its one command, for SVHN, is momentum at .1, which is what they get here too.

"short" keeps losses, noise, eps and rates and shortens the training only: fewer epochs, fewer and
larger attack steps (eps / 5), and ACET goes on from CEDA's weights. Evaluation is never shortened. ACET mended starts from
random weights, and its eps grows (`_schedule.eps_at`); outlier exposure takes out-pictures that it is given.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .._loop import fit
from .._mended import RECIPE
from .._runfacts import device_of
from .._schedule import Config, reproducible
from .._schedule import Scheme as AnyScheme
from ..errors import TrainingError
from ..loader import Augment, Material, Pixels, Split
from ..nets import Net, build
from ..runfile import STATE, load_net, read_tensors, seed_of, write_atomic
from .datasets import SETS, read
from .papers import Scheme

SCHEMES: tuple[Scheme, ...] = ("plain", "ceda", "acet")  # the paper's
ALL_SCHEMES: tuple[AnyScheme, ...] = (*SCHEMES, "acet-mended", "oe")
BATCH, WATCHED = 128, 500  # WATCHED: training pictures that the progress line is measured on; nothing is chosen by it
Step = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Schedule:
    """How long the schemes are trained, and how ACET's noise is attacked meanwhile. warm: ACET starts from CEDA's weights."""

    name: str
    epochs: Mapping[AnyScheme, int]
    attack_steps: int
    lr: float
    warm: bool


SCHEDULES: Mapping[str, Schedule] = {
    "paper": Schedule("paper", dict.fromkeys(ALL_SCHEMES, 100), 40, 0.1, False),
    "short": Schedule("short", {"plain": 6, "ceda": 6, "acet": 3, "acet-mended": 8, "oe": 6}, 5, 0.1, True),
}


class Arrays(Sequence[Pixels]):
    """uint8 [N, C, H, W] as the loop's pictures."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Pixels:  # type: ignore[override]
        return self.images[index]


def config_of(scheme: AnyScheme, schedule: Schedule, dataset: str, seed: int) -> Config:
    """Random crops and mirrors for CIFAR, crops for SVHN, as released; none for the gray sets, where crops were released."""
    augment: Augment = "none" if SETS[dataset].net == "lenet" else "crop" if dataset == "svhn" else "crop-flip"
    epochs = schedule.epochs[scheme]
    return Config(
        scheme=scheme,
        epochs=epochs,
        batch_size=BATCH,
        lr=schedule.lr,
        optimiser="sgd",
        weight_decay=5e-4,
        out_weight=1.0,
        eps=0.3,
        attack_steps=schedule.attack_steps,
        patience=epochs,
        augment=augment,
        seed=seed,
        ramp=scheme == "acet-mended",
    )


def home_of(runs: Path, dataset: str, scheme: AnyScheme, schedule: Schedule, seed: int) -> Path:
    return runs / f"{dataset}-{scheme}-{schedule.name}-{seed}"


def trained(
    dataset: str,
    scheme: AnyScheme,
    schedule: Schedule,
    *,
    data: Path,
    runs: Path,
    seed: int,
    threads: int,
    tell: Step,
    outside: np.ndarray | None = None,
) -> Net:
    """The net in eval mode: loaded where it was trained before, else trained (resumed) and kept in `runs`.

    data: a folder as `datasets.read` wants it. tell(what, done, total) as it goes. outside: uint8 [N, C, H, W], the out-pictures
    of "oe" and of no other scheme. Raises DataError, TrainingError, KeyboardInterrupt with the state saved.
    """
    known = SETS[dataset]
    home, config = home_of(runs, dataset, scheme, schedule, seed), config_of(scheme, schedule, dataset, seed)
    if (scheme == "oe") != (outside is not None and len(outside) > 0):
        raise TrainingError(f"scheme {scheme!r}: give out-pictures for 'oe', and for no other scheme")
    asked = json.loads(json.dumps({"config": asdict(config), "warm": schedule.warm, "dataset": dataset}))
    if scheme == "acet-mended":
        asked["mended"] = list(RECIPE)
    if outside is not None:
        asked["outside"] = hashlib.sha256(outside.tobytes()).hexdigest()
    note = home / "asked.json"
    if note.exists() and _noted(note) != asked:
        raise TrainingError(f"'{home}' was trained with other settings: give another --runs folder, or remove it")
    device = device_of(None)
    with reproducible(device, threads):
        torch.manual_seed(seed_of(seed, "weights"))
        net = build(known.net, known.classes)
        if (home / "done").exists():
            load_net(net, read_tensors(home / STATE)[0])
            return net.eval()
        if scheme == "acet" and schedule.warm and not (home / STATE).exists():
            start = trained(dataset, "ceda", schedule, data=data, runs=runs, seed=seed, threads=threads, tell=tell)
            net.load_state_dict(start.state_dict())
        write_atomic(note, json.dumps(asked).encode())
        images, labels = read(dataset, "train", data)
        everything = Split(Arrays(images), labels)
        watched = Split(Arrays(images[:WATCHED]), labels[:WATCHED])
        names = tuple(map(str, range(known.classes)))
        out = () if outside is None else Arrays(outside)
        material = Material(names, net.preprocess, everything, watched, watched, out)
        what = f"{dataset} {scheme}"
        try:
            fit(
                net,
                material,
                config,
                home,
                device=device,
                on_step=lambda epoch, step, steps, _loss: tell(what, epoch * steps + step, config.epochs * steps),
            )
        except KeyboardInterrupt as stop:
            if not stop.args:  # a second Ctrl-C: nothing was promised
                raise
            raise KeyboardInterrupt(
                f"{stop.args[0]}; the state is saved: run the same command again to go on"
            ) from None
        write_atomic(home / "done", b"")
    return net.cpu().eval()


def _noted(note: Path) -> Any:
    """What the run was asked for, or None where the note is spoilt."""
    try:
        return json.loads(note.read_bytes())
    except ValueError:
        return None


def shortened(schedule: Schedule, epochs: int | None) -> Schedule:
    """The schedule with every scheme trained for `epochs` (None: as it is); its name then says so."""
    if epochs is None:
        return schedule
    counts: dict[AnyScheme, int] = dict.fromkeys(ALL_SCHEMES, epochs)
    return dataclasses.replace(schedule, name=f"{schedule.name}{epochs}", epochs=counts)
