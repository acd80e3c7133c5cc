"""The training loop: one loop and one loss for plain, CEDA, ACET and outlier exposure, resumable bit for bit.

All randomness is drawn from (seed, epoch, step) counters and the learning rate and eps are functions of them, so
the state is the weights, the optimiser's tensors and a few numbers; a killed run that goes on from its last state
computes the same bytes as one that was never killed (same machine, same thread count; tested by kill -9).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from . import losses
from ._mended import LIFE, UNIFORM, WEIGHT, Chains, climbed
from ._schedule import Config, State, eps_at, first_ctrl_c, learning_rate, make_optimiser
from .attack import evaluating, maximise_confidence
from .data.noise import paper_noise
from .errors import TrainingError
from .loader import Material, Pictures, augmented, join, pad_to, prefetched, stack
from .nets import Net
from .runfile import (
    BEST,
    STATE,
    generator,
    load_net,
    load_optimiser,
    net_tensors,
    numpy_generator,
    optimiser_tensors,
    read_tensors,
    seed_of,
    write_tensors,
)


class Halved(nn.Module):
    """A net run in bfloat16, as on a GPU: what goes in and what comes out is float32, and so is all that is done between runs."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            logits: Tensor = self.net(x)
        return logits.float()


def out_batch(
    net: nn.Module,
    x: Tensor,
    pictures: Tensor | None,
    config: Config,
    epoch: int,
    step: int,
    chains: Chains | None = None,
) -> tuple[Tensor | None, Chains | None]:
    """The out-pictures of one step, as many as x has, or None for plain; and acet-mended's chains.

    oe: `pictures`. Else the paper's noise made from x, and where `pictures` are given (half as many as x) they are the
    second half. acet moves them all inside the ball of `eps_at(epoch)`. acet-mended takes an eighth as many as x has, which
    begin chains, and gives the points of all that are under way, up to half as many as x has. All are float32,
    whatever the net runs in: a bfloat16 step of the attack is often none, and its points leave the ball.
    """
    if config.scheme in ("plain", "oe"):
        return pictures, None
    device, mended = x.device, config.scheme == "acet-mended"
    source = generator(device, config.seed, epoch, step, "noise")
    seen = x[: max(1 if pictures is None else 2, len(x) // 2 // LIFE)] if mended else x
    given = None if pictures is None else pictures[: len(seen) // 2]
    noise = paper_noise(
        seen if given is None else seen[: max(1, len(seen) - len(given))], source, UNIFORM if mended else 0.5
    )
    z = noise if given is None else join(noise, given)
    eps = eps_at(config, epoch)
    if mended:
        source = generator(device, config.seed, epoch, step, "attack")
        if chains is not None:
            chains = Chains(like(chains.z, z), like(chains.x, z), chains.aim)
        return climbed(net, chains, z, like(x, z), eps=eps, generator=source)
    if eps == 0:
        return z, None
    source = generator(device, config.seed, epoch, step, "attack")
    return maximise_confidence(net, z, eps=eps, steps=config.attack_steps, generator=source), None


def like(x: Tensor, z: Tensor) -> Tensor:
    """x [B, ...] with z's height and width: padded with white, or cut, at the right and bottom."""
    height, width = z.shape[2:]
    return pad_to(x[:, :, :height, :width], height, width)


def fit(
    net: Net,
    material: Material,
    config: Config,
    folder: Path,
    *,
    device: torch.device,
    save_seconds: float = 60.0,
    on_step: Callable[[int, int, int, float], None] = lambda *_: None,
    on_epoch: Callable[[State], None] = lambda *_: None,
) -> State:
    """Train `net` in place from the last state in `folder`, or from the start; gives the final state.

    Writes `state.safetensors` after every epoch and every `save_seconds`, `best.safetensors` when the validation loss
    is the lowest so far. on_step(epoch, step, steps, loss) and on_epoch(state) are told how it goes. Raises
    KeyboardInterrupt after the first Ctrl-C, the state saved; TrainingError when the disk refuses.
    """
    net.to(device)
    run = Halved(net) if device.type == "cuda" else net
    optimiser, state, chains = make_optimiser(net, config), State(), None
    if (folder / STATE).exists():
        tensors, note = read_tensors(folder / STATE)
        load_net(net, tensors)
        load_optimiser(optimiser, tensors)
        state, chains = State(**note), Chains.load(tensors, device)
    steps = -(-len(material.train.targets) // config.batch_size)

    def save() -> None:
        tensors = net_tensors(net) | optimiser_tensors(optimiser) | (chains.tensors() if chains else {})
        write_tensors(folder / STATE, tensors, asdict(state))

    saved = time.monotonic()
    with first_ctrl_c() as stop:
        while not state.finished:
            epoch = state.epoch
            for step, batch in enumerate(_batches(material, config, epoch, state.step, steps), state.step):
                parts, chains = _step(run, optimiser, batch, config, device, (epoch, step, steps), chains)
                state.sums = [a + b for a, b in zip(state.sums, parts, strict=True)]
                state.step = step + 1
                on_step(epoch, step + 1, steps, parts[0] / parts[1])
                if not math.isfinite(sum(parts)):
                    raise _diverged(f"loss is {parts[0] / parts[1]} in epoch {epoch + 1}, step {step + 1}", config)
                if stop.requested or time.monotonic() - saved >= save_seconds:
                    save()
                    saved = time.monotonic()
                if stop.requested:
                    raise KeyboardInterrupt(f"stopped in epoch {epoch + 1} after step {step + 1} of {steps}")
            _end_epoch(net, material, config, folder, state, device)
            save()
            saved = time.monotonic()
            on_epoch(state)
    return state


def _diverged(what: str, config: Config) -> TrainingError:
    remedy = f"Start again in a new folder with a lower lr (it was {config.lr:g})"
    return TrainingError(f"the {what}: training diverged. {remedy}")


Batch = tuple[Tensor, Tensor, Tensor | None]


def _batches(material: Material, config: Config, epoch: int, first: int, steps: int) -> Iterator[Batch]:
    """The batches of an epoch from step `first` on; their sizes differ by one at most."""
    order = numpy_generator(config.seed, epoch, "order").permutation(len(material.train.targets))
    parts = np.array_split(order, steps)
    mode = material.preprocess.mode

    def draw(pictures: Pictures, chosen: Any, rng: np.random.Generator) -> Tensor:
        return stack([augmented(pictures[int(i)], config.augment, mode, rng) for i in chosen])

    def make(step: int) -> Batch:
        rng = numpy_generator(config.seed, epoch, step, "pictures")
        x = draw(material.train.pictures, parts[step], rng)
        y = torch.from_numpy(material.train.targets[parts[step]])
        if config.scheme == "plain" or not len(material.out):
            return x, y, None
        many = len(x) if config.scheme == "oe" else len(x) // 2
        if not many:
            return x, y, None
        return x, y, draw(material.out, rng.integers(len(material.out), size=many), rng)

    return prefetched(make, range(first, steps))


def _step(
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    config: Config,
    device: torch.device,
    at: tuple[int, int, int],
    chains: Chains | None = None,
) -> tuple[list[float], Chains | None]:
    """One update. Gives [sum of the in-losses, n_in, sum of the out-losses, n_out] and acet-mended's chains."""
    epoch, step, steps = at
    x, y, pictures = (None if part is None else part.to(device) for part in batch)
    x, y = cast(Tensor, x), cast(Tensor, y)
    torch.manual_seed(seed_of(config.seed, epoch, step, "net"))  # dropout, drop path
    with torch.autocast(device.type, enabled=False):  # the caller's; `Halved` has its own
        outside, chains = out_batch(net, x, pictures, config, epoch, step, chains)
        net.train()
        logits = net(x if outside is None else join(x, outside))
    inside = losses.cross_entropy_in(logits[: len(x)], y)
    out_loss = losses.out_uniform if config.scheme == "oe" else losses.log_max_prob
    out_values = None if outside is None else out_loss(logits[len(x) :])
    weight = config.out_weight
    if outside is not None and config.scheme == "acet-mended":  # as one for each picture, however few are under way
        weight *= WEIGHT * len(x) / len(outside)
    loss = losses.total(inside, out_values, weight)
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(config, (epoch * steps + step) / (config.epochs * steps))
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    if out_values is None:
        return [inside.sum().item(), float(len(x)), 0.0, 0.0], chains
    return [inside.sum().item(), float(len(x)), out_values.sum().item(), float(len(out_values))], chains


def _end_epoch(net: Net, material: Material, config: Config, folder: Path, state: State, device: torch.device) -> None:
    """Measure on the validation split, keep the best, decide whether to stop; moves `state` to the next epoch."""
    epoch, (inside, n_in, outside, n_out) = state.epoch, state.sums
    record = {"epoch": epoch + 1.0, "loss_in": inside / n_in, "eps": eps_at(config, epoch)}
    if n_out:
        record["loss_out"] = outside / n_out
    record |= validate(net, material, config, device)
    if not math.isfinite(record["val_loss"]):  # after a step whose own loss, taken before it, was still finite
        raise _diverged(f"validation loss is {record['val_loss']} after epoch {epoch + 1}", config)
    state.history.append(record)
    if eps_at(config, epoch) == eps_at(config, config.epochs - 1):  # ACET: earlier epochs are another task
        if state.best is None or record["val_loss"] < state.best:
            state.best, state.best_epoch, state.worse = record["val_loss"], epoch + 1, 0
            write_tensors(folder / BEST, net_tensors(net), {"epoch": epoch + 1})
        else:
            state.worse += 1
    state.epoch, state.step, state.sums = epoch + 1, 0, [0.0] * 4
    state.finished = state.epoch >= config.epochs or state.worse >= config.patience


def validate(net: Net, material: Material, config: Config, device: torch.device) -> dict[str, float]:
    """val_loss (mean cross entropy), val_accuracy and mean max confidence inside, on noise and on out-pictures."""
    targets = torch.from_numpy(material.val.targets)
    logits = outputs(net, material.val.pictures, config.batch_size, device)
    noise = paper_noise(
        stack([material.val.pictures[i] for i in range(min(32, len(targets)))]),
        generator(torch.device("cpu"), config.seed, "val noise"),
    )
    with torch.no_grad(), evaluating(net):
        quiet = net(noise.to(device)).cpu()
    record = {
        "val_loss": losses.cross_entropy_in(logits, targets).mean().item(),
        "val_accuracy": (logits.argmax(1) == targets).float().mean().item(),
        "mmc_in": _mmc(logits),
        "mmc_noise": _mmc(quiet),
    }
    if len(material.out_val):
        record["mmc_out"] = _mmc(outputs(net, material.out_val, config.batch_size, device))
    return record


def outputs(net: Net, pictures: Pictures, batch_size: int, device: torch.device) -> Tensor:
    """Logits of all pictures as they are, float32 [N, K] on the CPU; the net in eval mode, nothing changed."""
    rows = [torch.zeros(0, net.classes)]
    with torch.no_grad(), evaluating(net):
        for start in range(0, len(pictures), batch_size):
            numbers = range(start, min(start + batch_size, len(pictures)))
            rows.append(net(stack([pictures[i] for i in numbers]).to(device)).float().cpu())
    return torch.cat(rows)


def _mmc(logits: Tensor) -> float:
    return logits.softmax(1).amax(1).mean().item()
