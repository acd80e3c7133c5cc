"""The strongest attack we have on the sheet-music judge: noise pushed towards "sheet music" inside an l_inf ball.

The worst over random, block, score-projected starts, sign-gradient steps from each, and a gradient-free random search
over squares from the best. Where two looks disagree the judge says 1/2 whatever either says, which would hide every way up: what is
climbed is a soft minimum of the looks. Searched, not proved: a higher confidence may exist.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from .acet import noise_like, start
from .net import OUT, SHEET, SheetNet
from .pool import Pages, Reader, on_threads


def aim(net: SheetNet, gray: Tensor) -> Tensor:
    """[B, 1, H, W] -> [B]: a soft minimum over the looks of log P(sheet_music) - log P(other); with one look, that itself."""
    shared = torch.tensor([[0.0, -torch.inf], [-torch.inf, 0.0], 2 * [-math.log(2)]])  # inner class -> label
    looks = net.pooling.looks(net.features(gray.expand(-1, 3, -1, -1)))
    labels = [torch.logsumexp(torch.log_softmax(inner, 1).unsqueeze(2) + shared, 1) for inner in looks]
    return -torch.logsumexp(torch.stack([both[:, 1] - both[:, SHEET] for both in labels]), 0)


def attacked_noise(
    net: SheetNet,
    scores: Tensor,
    *,
    eps: float,
    n: int,
    seed: int,
    steps: int = 12,
    squares: int = 40,
    judge: Reader | None = None,
) -> np.ndarray:
    """[n, 2]: P(sheet_music) of n noise pictures before and after the attack. scores: real pages [M, 1, H, W] to project.

    judge: [1, 3, H, W] -> probabilities [1, 2] of the net in integers, which has no gradients: the net is climbed, and what is
    found is told as this one judges it. None: the net's own.
    """
    says = judge or (lambda pixels: net.outputs(pixels)["probabilities"])
    rng = np.random.default_rng([seed, n])
    result = np.zeros((n, 2))
    for i in range(n):
        found = attack(net, scores, eps, rng, steps, squares)
        with torch.inference_mode():
            told = [float(says(gray.expand(-1, 3, -1, -1))[0, SHEET]) for gray in found]
        result[i] = told[0], max(told)
    return result


def attack(
    net: SheetNet, scores: Tensor, eps: float, rng: np.random.Generator, steps: int, squares: int
) -> tuple[Tensor, Tensor, Tensor]:
    """One noise picture [1, 1, H, W]: as it was, after the gradient's steps, after the random search as well."""
    noise = noise_like(scores[[int(rng.integers(len(scores)))]], rng)
    low, high = (noise - eps).clamp(min=0), (noise + eps).clamp(max=1)
    many = noise.expand(4, -1, -1, -1).clone()
    moved = torch.cat([noise, start(many, scores, torch.full((4, 1, 1, 1), eps), rng)])
    climbed, value = _climb(net, moved, low, high, eps, steps)
    return noise, climbed, _squares(net, climbed, value, noise, eps, squares, rng)


def with_noise(net: SheetNet, pages: Pages, scores: Tensor, *, n: int, seed: int, eps: float = 0.12) -> Pages:
    """The pages and n noise pictures more, attacked up to eps (each draws its own radius from eps/4 on), as a family of class
    "neither": what a pooling learns from to say nothing of them. The net's own pooling is the one that is attacked."""

    def features(i: int) -> Tensor:
        rng = np.random.default_rng([seed, n, i])
        found = attack(net, scores, float(rng.uniform(eps / 4, eps)), rng, steps=8, squares=10)
        with torch.inference_mode():
            return net.features(found[-1].expand(-1, 3, -1, -1)).clone()

    rows = on_threads(features, n)
    return Pages(
        torch.cat([pages.features, *rows]),
        np.append(pages.family, np.repeat("attacked noise", n)),
        np.append(pages.sheet, np.zeros(n, bool)),
        np.append(pages.classes, np.full(n, OUT, np.uint8)),
        np.append(pages.use, np.ones(n, bool)),
    )


def _climb(net: SheetNet, moved: Tensor, low: Tensor, high: Tensor, eps: float, steps: int) -> tuple[Tensor, float]:
    """Sign-gradient ascent with a halving step from every start; the best point met and its log-odds."""
    best, top = moved[:1].detach(), -np.inf
    for k in range(steps + 1):
        moved = moved.detach().requires_grad_(True)
        value = aim(net, moved)
        lead = int(value.argmax())
        if value[lead].item() > top:
            best, top = moved[lead : lead + 1].detach().clone(), value[lead].item()
        if k < steps:
            (slope,) = torch.autograd.grad(value.sum(), moved)
            size = eps * 0.5 ** (1 + 4 * k // steps)
            moved = torch.minimum(torch.maximum(moved.detach() + size * slope.sign(), low), high)
    return best, top


def _squares(
    net: SheetNet, best: Tensor, value: float, noise: Tensor, eps: float, tries: int, rng: np.random.Generator
) -> Tensor:
    """Random search: a square or a horizontal bar is set to one end of the ball; kept when it helps."""
    h, w = noise.shape[-2:]
    with torch.inference_mode():
        for k in range(tries):
            side = max(2, int(min(h, w) * 0.5 * (1 - k / tries) * rng.uniform(0.2, 1)))
            tall, wide = (side, side) if rng.random() < 0.5 else (int(rng.integers(1, 4)), w)
            y, x = int(rng.integers(0, max(1, h - tall))), int(rng.integers(0, max(1, w - wide + 1)))
            trial = best.clone()
            part = noise[..., y : y + tall, x : x + wide] + eps * float(rng.choice([-1, 1]))
            trial[..., y : y + tall, x : x + wide] = part.clamp(0, 1)
            new = float(aim(net, trial))
            if new > value:
                best, value = trial, new
    return best
