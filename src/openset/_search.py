"""Attacks that need no gradient: structured patterns, projected pictures, and random search over squares.

These broke the released ACET nets that gradient attacks leave at 1/K (the last ReLU layer is dead around noise, so
the gradient is exactly zero). Every one only evaluates the net; all keep the best point met, z counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ._ball import Best, Objective, better, check, evaluating, signs, uniform
from ._patterns import PATTERNS, channel_signs, places
from .losses import log_max_prob

CEILING = -1e-3  # a log-confidence above this (confidence .999) is as broken as it gets: squares stop there
FIRST, LAST = 0.9, 1 / 16  # sides of the first and last squares, as shares of the picture's


def structured(
    net: nn.Module,
    z: Tensor,
    *,
    eps: float,
    generator: torch.Generator,
    objective: Objective = log_max_prob,
    families: Sequence[str] = tuple(PATTERNS),
    tries: int = 8,
) -> Tensor:
    """The best of `tries` patterns d of each family, at z + eps * d: one-shot guesses, each image with its own draw.

    What the images of a batch share all the same is said in `_patterns`. z: [B, C, H, W] in [0, 1]. families: names in
    `PATTERNS`; the sizes of a family take turns. Gives a tensor like z in the ball, never worse than z. Raises as
    `maximise_confidence`, and KeyError for an unknown family. Not a bound.
    """
    check(net, z, eps, dims=4, generator=generator, tries=tries)
    with torch.no_grad(), torch.inference_mode(False), evaluating(net):
        best = Best(net, z, eps, objective)
        if eps > 0 and len(z):
            for draws in (PATTERNS[name] for name in families):
                for i in range(tries):
                    best.look(best.centre + eps * draws[i % len(draws)](best.centre, generator))
        return best.x


def projected(
    net: nn.Module,
    z: Tensor,
    images: Tensor,
    *,
    eps: float,
    generator: torch.Generator,
    objective: Objective = log_max_prob,
    tries: int = 16,
) -> Tensor:
    """The best of `tries` pictures moved to their nearest point in the ball around z; each image draws its own.

    images: [N, C, H, W] in [0, 1] of z's shape, clean pictures that the net knows. They were measured to be the starts
    that matter most. Otherwise as `structured`; with no images z is given back.
    """
    check(net, z, eps, dims=4, generator=generator, images=images, tries=tries)
    with torch.no_grad(), torch.inference_mode(False), evaluating(net):
        best = Best(net, z, eps, objective)
        if eps > 0 and len(z) and len(images):
            for _ in range(tries):
                u = uniform((len(z),), best.centre, generator)
                chosen = (u * len(images)).long().clamp(max=len(images) - 1).to(images.device)
                best.look(images[chosen].to(z))
        return best.x


def square_side(done: float, side: int) -> int:
    """The side of the squares when the share `done` of the steps is done: shrinks evenly from .9 to 1/16 of `side`."""
    return max(1, round(side * FIRST * (LAST / FIRST) ** done))


def squares(
    net: nn.Module,
    z: Tensor,
    *,
    eps: float,
    generator: torch.Generator,
    objective: Objective = log_max_prob,
    steps: int = 250,
    start: Tensor | None = None,
    ceiling: float | None = None,
) -> Tensor:
    """Random search: a square at a random place is set to z - eps or z + eps, and kept where the objective rises.

    Square Attack (Andriushchenko et al. 2020, arXiv 1912.00049, section 3.2), with three changes: sides shrink evenly
    (in a few hundred steps the paper's schedule is soon down to tiny squares, which find nothing on a plateau), by a
    fair coin all channels move together, and a square that would change nothing takes the other signs.
    start: default the paper's vertical stripes. ceiling: an image whose objective is above it is left alone (default
    for the log-confidence: confidence .999), and for the log-confidence not evaluated any more: another objective may
    hold something for each image of the batch, and always sees all of it. Otherwise as `structured`.
    """
    check(net, z, eps, dims=4, generator=generator, start=start, steps=steps)
    if ceiling is None:
        ceiling = CEILING if objective is log_max_prob else float("inf")
    with torch.no_grad(), torch.inference_mode(False), evaluating(net):
        best = Best(net, z, eps, objective)
        if eps == 0 or not len(z):
            return best.x
        b, c, h, w = z.shape
        stripes = signs((b, c, 1, w), best.centre, generator)
        best.look(best.centre + eps * stripes if start is None else start)
        rows, cols = places(z)
        for i in range(steps):
            side = square_side(i / steps, min(h, w))
            u = uniform((2, b, 1, 1, 1), best.centre, generator)
            top, left = (u[0] * (h - side + 1)).floor(), (u[1] * (w - side + 1)).floor()
            move = eps * channel_signs(best.centre, generator)
            live = ~(best.value >= ceiling)
            if not live.any():
                break
            at = (live if objective is log_max_prob else torch.ones_like(live)).nonzero()[:, 0]
            x, centre, move = best.x[at], best.centre[at], move[at]
            down, along = rows - top[at], cols - left[at]
            inside = (down >= 0) & (down < side) & (along >= 0) & (along < side)
            new = best.project(torch.where(inside, centre + move, x), at)
            same = (new == x).flatten(1).all(1)[:, None, None, None]
            new = torch.where(same, best.project(torch.where(inside, centre - move, x), at), new)
            value = best.values(new)
            rises = better(value, best.value[at]) & live[at]
            best.x[at[rises]], best.value[at[rises]] = new[rises], value[rises]
        return best.x
