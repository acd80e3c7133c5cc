"""Trains the backbone on crops: half scores, half other pictures, families in equal shares, the hard ones more often, and of
several crops the one that the net errs most on.

The loss is the cross entropy of the cells, ink counted twenty times as much as blank paper. Weights are averaged (EMA).
The state is kept every 200 steps; a run that was killed goes on from there.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from .acet import evidence
from .corpus import Corpus
from .crops import IGNORE, draw, jumble
from .fold import folded, refold
from .net import OUT, SHEET, WIDE, Backbone, Widths, ink

SIZE = 320
BATCH = 16
JUMBLED = 0.25
MINED = 4  # crops without music of a batch that are chosen as the net's worst
BACKBONE = "backbone.safetensors"  # the averaged weights of a finished training
Classes = NDArray[np.uint8]
Attack = Callable[[Backbone, Tensor, Tensor, int], tuple[Tensor, Tensor]]


def cell_loss(logits: Tensor, target: Tensor, gray: Tensor) -> Tensor:
    """[B]: each crop's weighted mean cross entropy. target [B, h, w] with IGNORE for doubtful cells.

    In a crop with sheet music its cells and the others weigh half each, so that a small stave is not drowned.
    """
    loss = F.cross_entropy(logits, target.long().masked_fill(target == IGNORE, 0), reduction="none")
    weight = torch.where(ink(gray) > 0.12, 1.0, 0.05) * (target != IGNORE)
    sheet = (target == SHEET).float() * weight
    rest = weight - sheet
    share = sheet.sum((1, 2)) + 1e-6
    balance = rest.sum((1, 2)).clamp(min=1e-6) / share
    weight = rest + sheet * balance.clamp(0.2, 20.0)[:, None, None]
    return (loss * weight).sum((1, 2)) / weight.sum((1, 2)).clamp(min=1.0)


def draw_batch(
    corpus: Corpus,
    classes: Classes,
    groups: list[NDArray[np.int64]],
    hard: NDArray[np.float32],
    seed: int,
    step: int,
    spare: int = 0,
) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
    """Step `step`'s crops [B, 1, S, S] in [0, 1], cell classes [B, S/16, S/16] and the samples they came from (-1: from several);
    then as many crops more, `spare`, all of families.

    groups[0] are the scores, the others one family each. hard: each sample's last loss; half the draws follow it, those
    of the families by their mean, those within one by their samples. Every fourth crop without music is a jumble of all.
    """
    rng = np.random.default_rng([seed, step])
    ids = np.empty(BATCH + spare, np.int64)
    weight = np.array([hard[group].mean() for group in groups[1:]]) + 1e-3
    odds = 0.5 / len(weight) + 0.5 * weight / weight.sum()
    for k in range(len(ids)):
        group = groups[0] if k % 2 == 0 and k < BATCH else groups[1 + int(rng.choice(len(odds), p=odds / odds.sum()))]
        if rng.random() < 0.5:
            group = rng.choice(group, min(6, len(group)), replace=False)
            ids[k] = group[int(np.argmax(hard[group]))]
        else:
            ids[k] = group[int(rng.integers(len(group)))]
    drawn = [draw(corpus[int(i)], rng, SIZE, int(classes[i])) for i in ids]
    crops, cells = [crop for crop, _ in drawn], np.stack([cells for _, cells in drawn])
    plain = [crop for crop, i in zip(crops, ids, strict=True) if not corpus.sheet[i]]
    for k in range(1, BATCH, 2):
        if rng.random() < JUMBLED and plain:
            crops[k], cells[k] = jumble(plain, rng), OUT
            ids[k] = -1
    return torch.from_numpy(np.stack(crops)).float().div_(255).unsqueeze(1), torch.from_numpy(cells), ids


def with_worst(
    net: Backbone, pixels: Tensor, target: Tensor, ids: NDArray[np.int64]
) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
    """The batch, its spare crops gone: of each of MINED groups of them the one in which the net finds most evidence of music
    takes the place of a crop without music."""
    spare = pixels[BATCH:].contiguous(memory_format=torch.channels_last)
    net.eval()
    with torch.no_grad():
        odds = evidence(net(spare).float()).view(MINED, -1)
    net.train()
    order = np.arange(BATCH)
    order[1 : 2 * MINED : 2] = BATCH + odds.argmax(1).numpy() + odds.shape[1] * np.arange(MINED)
    return pixels[order], target[order], ids[order]


def fit_backbone(
    corpus: Corpus,
    classes: Classes,
    folder: Path,
    *,
    steps: int,
    seed: int,
    lr: float = 3e-3,
    start: Path | None = None,
    attack: Attack | None = None,
    widths: Widths = WIDE,
    mined: int = 0,
    say: Callable[[str], None] = print,
) -> Backbone:
    """Train for `steps` steps of 16 crops; returns the averaged net in eval mode. classes: each sample's cell class.

    start: weights to begin from (warm start). attack: moves the crops before the step (ACET), given the step's number.
    mined: after the first quarter of the steps four of the eight crops without music are the net's worst, each of so many.
    A finished run in `folder` is loaded, an unfinished one goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state_file, mean_file = folder / "state.safetensors", folder / BACKBONE
    torch.manual_seed(seed)
    net = Backbone(widths).to(memory_format=torch.channels_last)
    mean = Backbone(widths)
    if start:
        net.load_state_dict(load_file(start))
    mean.load_state_dict(net.state_dict())
    optimiser = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.02, betas=(0.9, 0.98))
    forward = (
        torch.compile(net) if shutil.which("g++") else net
    )  # compiled: the same sums in three quarters of the time
    looked = folded(net).requires_grad_(False) if mined or attack else None  # what mining and attacks look at
    half = bool(torch.cpu.get_capabilities().get("avx512_bf16", False))  # bfloat16 where the processor computes in it
    hard = np.full(len(corpus), 0.7, np.float32)
    first = 0
    if state_file.exists():
        first = _load(load_file(state_file), net, mean, optimiser, hard)
    family = np.array(corpus.family)
    groups = [np.flatnonzero(corpus.sheet)]
    groups += [np.flatnonzero((family == name) & ~corpus.sheet) for name in sorted(set(family[~corpus.sheet]))]
    net.train()
    began, seen = time.monotonic(), []

    def drawn(step: int) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
        return draw_batch(corpus, classes, groups, hard, seed, step, MINED * mined if step >= steps // 4 else 0)

    with ThreadPoolExecutor(2) as pool:
        ahead = [pool.submit(drawn, step) for step in range(first, min(first + 3, steps))]
        for step in range(first, steps):
            pixels, target, ids = ahead.pop(0).result()
            if step + 3 < steps:
                ahead.append(pool.submit(drawn, step + 3))
            for group in optimiser.param_groups:
                group["lr"] = lr * min(1.0, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * step / steps)))
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                if looked is not None:
                    refold(looked, net)
                    if len(ids) > BATCH:
                        pixels, target, ids = with_worst(looked, pixels, target, ids)
                    if attack is not None:
                        pixels, target = attack(looked, pixels, target, step)
                pixels = pixels.contiguous(memory_format=torch.channels_last)
                logits = forward(pixels)
            each = cell_loss(logits.float(), target, pixels)
            optimiser.zero_grad(set_to_none=True)
            each.mean().backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            optimiser.step()
            mine = ids >= 0
            hard[ids[mine]] = 0.5 * hard[ids[mine]] + 0.5 * each.detach().numpy()[mine]
            keep = min(0.998, (step + 1) / (step + 20))
            with torch.no_grad():
                for a, b in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
                    if a.dtype.is_floating_point:
                        a.lerp_(b, 1 - keep)
                    else:
                        a.copy_(b)
            seen.append(float(each.detach().mean()))
            if (step + 1) % 200 == 0 or step + 1 == steps:
                _save(state_file, net, mean, optimiser, hard, step + 1)
                left = (time.monotonic() - began) / (step + 1 - first) * (steps - step - 1)
                say(f"step {step + 1}/{steps}  loss {np.mean(seen[-200:]):.4f}  {left / 60:.0f} min left")
    put(mean.state_dict(), mean_file)
    return mean.eval()


def put(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a safetensors file, whole or not at all."""
    part = path.with_suffix(".part")
    save_file(tensors, part)
    os.replace(part, path)


def _save(
    path: Path, net: Backbone, mean: Backbone, optimiser: torch.optim.AdamW, hard: NDArray[np.float32], step: int
) -> None:
    tensors = {f"net.{k}": v.contiguous() for k, v in net.state_dict().items()}
    tensors |= {f"mean.{k}": v.contiguous() for k, v in mean.state_dict().items()}
    for i, state in optimiser.state_dict()["state"].items():
        tensors |= {f"opt.{i}.{k}": v.contiguous() for k, v in state.items()}
    put(tensors | {"hard": torch.from_numpy(hard.copy()), "step": torch.tensor(step)}, path)


def _load(
    tensors: dict[str, Tensor], net: Backbone, mean: Backbone, optimiser: torch.optim.AdamW, hard: NDArray[np.float32]
) -> int:
    """Returns after which step these are."""
    net.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("net.")})
    mean.load_state_dict({k[5:]: v for k, v in tensors.items() if k.startswith("mean.")})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("opt."):
            _, i, name = key.split(".")
            state.setdefault(int(i), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    hard[:] = tensors["hard"].numpy()
    return int(tensors["step"])
