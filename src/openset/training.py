"""Train a judge from folders of pictures: `train` and the `Run` it gives.

Five lines from pictures to a decision:

    import openset
    run = openset.train("data/", scheme="acet")
    judge = run.export("judge.onnx")
    print(judge("x.jpg"))
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from . import _material
from ._drawn import with_drawn
from ._field import shares
from ._loop import fit
from ._runfacts import (
    HELD_ASSUMPTION,
    check_apart,
    check_config,
    device_of,
    earlier_run,
    facts_of,
    held_out,
    sized,
    try_net,
    versions,
    with_length,
)
from ._schedule import Config, Optimiser, Scheme, State, reproducible
from ._watch import Watch
from .data.listing import list_pictures
from .decide import fit_thresholds
from .errors import MissingExtraError, TrainingError
from .loader import Augment
from .nets import Net, build, check_name
from .runfile import BEST, STATE, load_net, read_run, read_tensors, seed_of, write_run, write_tensors
from .types import JudgeInfo, Preprocess

if TYPE_CHECKING:
    from .judge import Judge

HELD_OUT = "held-out.safetensors"


@dataclass(frozen=True)
class Run:
    """A finished or stopped training run. `model` has the best weights so far and is in eval mode, on the CPU.

    facts: what the judge file will say of the training. history: one record an epoch (loss_in, loss_out, eps, val_loss,
    val_accuracy, and the mean max confidences mmc_in, mmc_noise, mmc_out).
    """

    folder: Path
    model: Net
    labels: tuple[str, ...]
    facts: Mapping[str, Any]
    history: tuple[Mapping[str, float], ...]
    config: Mapping[str, Any]

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Run:
        """The run in the folder that `train` wrote. Raises TrainingError if it holds none, or no epoch is done."""
        place = Path(folder)
        content = read_run(place)
        weights = next((place / name for name in (BEST, STATE) if (place / name).exists()), None)
        if weights is None:
            raise TrainingError(f"no epoch of the run in '{place}' is done yet: go on with train(..., resume=True)")
        net = build(content["config"]["net"], len(content["labels"]), size=content["config"]["size"])
        net.preprocess = Preprocess(**content["preprocess"])
        load_net(net, read_tensors(weights)[0])
        return cls(
            place, net.eval(), tuple(content["labels"]), content["facts"], tuple(content["history"]), content["config"]
        )

    def info(
        self, *, precision: float = 0.95, delta: float = 0.05, prevalence: float | Mapping[str, float] | None = None
    ) -> JudgeInfo:
        """What the judge file will say of itself, thresholds included.

        Each label's threshold is the lowest that keeps `precision` with probability 1 - delta (see `openset.decide`),
        fitted on the held-out test pictures, those of the out folders counted as no class, equal ones once. A label for which they are
        too few gets no threshold, and facts["no_threshold"] says why: its pictures are then "unknown" until
        `openset calibrate` is given more. prevalence: each label's share in the field, as in
        `openset.calibrate`. Raises TrainingError if the run is not finished, DataError or CalibrationError for other shares.
        """
        if not self.facts or not (self.folder / HELD_OUT).exists():  # the facts are written last
            raise TrainingError(
                f"the run in '{self.folder}' is not finished: go on with train(..., resume=True), then export"
            )
        held, _ = read_tensors(self.folder / HELD_OUT)
        once = held.get("once", torch.ones(len(held["targets"]), dtype=torch.bool))  # not there in older runs
        thresholds, without = fit_thresholds(
            held["logits"][once].double().softmax(1).numpy(),
            held["targets"][once].numpy(),
            self.labels,
            precision=precision,
            delta=delta,
            prevalence=shares(self.labels, prevalence),
            assumption=HELD_ASSUMPTION,
        )
        return JudgeInfo(self.labels, self.model.preprocess, thresholds, {**self.facts, "no_threshold": without})

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        precision: float = 0.95,
        delta: float = 0.05,
        prevalence: float | Mapping[str, float] | None = None,
    ) -> Judge:
        """Write the judge file `path`, with the thresholds that `info` describes, and open it.

        Raises what `info` raises, TrainingError if the net cannot be exported, JudgeFileError for the path.
        """
        info = self.info(precision=precision, delta=delta, prevalence=prevalence)
        from .export import export
        from .judge import open_judge

        export(self.model, path, replace(info, name=Path(path).stem))
        return open_judge(path)


def train(
    data: str | os.PathLike[str],
    *,
    out: Sequence[str | os.PathLike[str]] | str | os.PathLike[str] = (),
    scheme: Scheme = "oe",
    net: str = "docnet",
    size: int | None = None,
    pretrained: bool = False,
    weights: str | os.PathLike[str] | None = None,
    epochs: int | None = None,
    batch_size: int = 64,
    optimiser: Optimiser = "adamw",
    lr: float | None = None,
    weight_decay: float | None = None,
    out_weight: float = 1.0,
    eps: float = 0.1,
    attack_steps: int = 5,
    patience: int | None = None,
    augment: Augment = "light",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: str | None = None,
    threads: int | None = None,
    memory: int = 2_000_000_000,
    save_seconds: float = 60.0,
    progress: bool = True,
) -> Run:
    """Train on `data`/<class>/... (see `openset.data.folders`) and give the Run; everything is written to `output`.

    scheme: one loss, (sum of cross entropy inside + out_weight * sum of the out-loss outside) / (n_in + n_out), as
    many out-pictures as class pictures in every batch (Hein et al. 2019, arXiv 1812.05720):
      "plain"  no out-pictures.
      "ceda"   the paper's noise; out-loss log max probability.
      "acet"   the same, each moved by `attack_steps` sign-gradient steps inside the l_inf ball of `eps` to where the
               net is surest. Starts as CEDA for a fifth of the epochs, then eps grows over two fifths.
      "acet-mended"  the same on half as many out-pictures, moved by `_mended.climbed`: starts that need no gradient, then
               ascents through dead ReLUs that go on between updates where the net is surest. `attack_steps` is not used.
               Three quarters of its noise are permuted pictures; its out-loss weighs 0.4 of the others'.
      "oe"     pictures of the `out` folders; out-loss cross entropy to uniform (Hendrycks et al. 2019). Without such folders
               pictures are drawn as `openset.data.outliers` does, as many as train, 200 to 2,000: the default,
               chosen by `benchmarks/made_outliers.py` and `benchmarks/choosing.py`.
    out: folders of pictures that are no class. With several classes, ceda and acet take half of each out-batch from
    them (rounded down) and half noise; plain only measures on them. With ONE class folder they become the class
    "other", and the scheme's out-pictures are noise (ceda, acet) or drawn ones (oe).
    eps: .1 by default, below the paper's .3, which cost more accuracy in `benchmarks/defaults.py` and can erase thin lines.

    net: "docnet", "lenet", "resnet-small" or a timm name; size: side of its pictures in pixels (default the net's
    own); pretrained, weights: see `openset.nets.build`. optimiser: "adamw" (lr .002, decay .01, warm-up and cosine) or
    "sgd" (the paper's: lr .1, momentum .9, decay 5e-4, a tenth at 50, 75 and 90 %). augment: see `loader.augmented`.
    epochs: default about 3,000 steps, between 15 and 150 epochs (`benchmarks/defaults.py`). Stops when the validation loss is no better for
    `patience` epochs (default a quarter of `epochs`, at least 5; for acet counted once eps is whole); the best epoch's
    weights are the model, the last state is kept too.

    output: default runs/<data>-<scheme>. resume: go on with the run there, or start if there is none; the result is
    bit for bit that of a run never stopped, on the same machine. All settings and pictures must be those of the start;
    `device`, `memory`, `save_seconds` and `progress` may change, `threads` is taken from the start. save_seconds:
    at least this often the state is saved (also after every epoch). memory: bytes of decoded pictures kept. device:
    "cpu", "cuda"; default a GPU if there is one. The net trains in bfloat16 on CUDA only (on CPUs it was measured 5 to 9
    times SLOWER); noise and attacked points are float32 everywhere.

    Raises TrainingError (settings, a net that cannot take the pictures, a scheme or an out folder without pictures, output
    in use, disk full, diverged), DataError (folders, a class without pictures), KeyboardInterrupt on Ctrl-C with the state
    saved and the way to go on in its message.
    """
    outside = [os.fspath(f) for f in ([out] if isinstance(out, str | os.PathLike) else out)]
    config = Config(
        scheme,
        1 if epochs is None else epochs,
        batch_size,
        (0.1 if optimiser == "sgd" else 2e-3) if lr is None else lr,
        optimiser,
        (5e-4 if optimiser == "sgd" else 1e-2) if weight_decay is None else weight_decay,
        out_weight,
        eps,
        attack_steps,
        1 if patience is None else patience,
        augment,
        int(seed),
    )
    check_config(config)
    if find_spec("tensorboard") is None:  # told before hours of training, not at the first epoch's end
        raise MissingExtraError("Training", "tensorboard", "train")
    if threads is not None and threads < 1:
        raise TrainingError(f"threads={threads} cannot be: it must be at least 1, or None for all cores")
    where = device_of(device)
    root = os.fspath(data)
    place = Path(output if output is not None else Path("runs") / f"{Path(root).resolve().name}-{scheme}")
    settings = {k: v for k, v in asdict(config).items() if k != "ramp"} | {"epochs": epochs, "patience": patience}
    weights = None if weights is None else os.fspath(weights)
    settings |= {"net": net, "size": size, "pretrained": pretrained, "weights": weights}
    check_apart(place, [root, *outside])
    before = earlier_run(place, settings, resume)
    if before is not None and before["finished"]:
        return Run.load(place)
    threads = before["threads"] if before else threads or torch.get_num_threads()
    check_name(net, pretrained=pretrained)  # a slip in the command is told before a long reading
    with Watch(place, progress) as watch, reproducible(where, threads):
        listing = list_pictures(root, outside, scheme=scheme, seed=seed, tell=watch.tell)
        if before is not None and before["fingerprint"] != listing.fingerprint:
            raise TrainingError(
                f"the pictures in '{root}' or the out folders are no longer those that the run in '{place}' "
                "started with: put them back, or train into another --output"
            )
        torch.manual_seed(seed_of(seed, "weights"))
        fresh = not (place / STATE).exists()
        model = build(
            net,
            len(listing.labels),
            size=size,
            pretrained=pretrained and fresh,
            weights=weights if fresh else None,
        )
        model.preprocess = sized(model, size)
        try_net(model, config, listing.count("train"))
        material, notes = _material.decode(
            listing, model.preprocess, memory=memory, workers=max(2, threads), tell=watch.tell
        )
        if len(material.train.targets) < listing.count("train"):
            try_net(model, config, len(material.train.targets))
        config = with_length(config, epochs, patience, len(material.train.targets))
        if scheme == "oe" and not len(material.out):
            material, told = with_drawn(material, seed=seed_of(seed, "drawn"), tell=watch.tell)
            notes.append(told)
        notes = [*listing.notes, *notes]
        for note in notes:
            watch.say(note)
        content = {
            "config": settings,
            "labels": list(listing.labels),
            "preprocess": asdict(model.preprocess),
            "data": {"folder": root, "out": outside},
            "fingerprint": listing.fingerprint,
            "threads": threads,
            "versions": versions(),
            "facts": {},
            "history": [],
            "finished": False,
        }
        if before is None:
            write_run(place, content)

        def epoch_done(state: State) -> None:
            watch.epoch(state)
            write_run(place, content | {"history": state.history})

        try:
            state = fit(
                model,
                material,
                config,
                place,
                device=where,
                save_seconds=save_seconds,
                on_step=lambda *at: watch.step(config.epochs, *at),
                on_epoch=epoch_done,
            )
        except KeyboardInterrupt as stop:
            if not stop.args:  # a second Ctrl-C: nothing was promised
                raise
            text = (
                f"{stop.args[0]}; the state is saved in '{place}'. Go on with the same command and --resume "
                "(in Python: resume=True)."
            )
            watch.say(text[0].upper() + text[1:])
            raise KeyboardInterrupt(text) from None
        load_net(model, read_tensors(place / BEST)[0])
        watch.log(state)  # an epoch whose end was the last that a killed run wrote
        held = held_out(model, material, config, where)
        write_tensors(place / HELD_OUT, held, {})
        facts = facts_of(material, settings, state, held) | {"device": where.type, "notes": notes}
        write_run(place, content | {"facts": facts, "history": state.history, "finished": True})
        accuracy = facts["test_accuracy"]
        if accuracy:
            low, high = accuracy["interval"]
            watch.say(
                f"test accuracy {accuracy['value']:.3f} (95 % interval {low:.3f} to {high:.3f}, n = {accuracy['n']}); "
                f"the run is in '{place}'"
            )
    return Run.load(place)
