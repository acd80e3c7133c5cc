"""ACET for the backbone: noise moved inside an l_inf ball towards "sheet music", taught as neither.

Some rows of a batch become noise: uniform or permuted pixels, low-passed, at one to eight times the pixel's size.
Starts are the ones that break masked gradients: random, block signs, and real scores projected into the ball; then a few
sign steps. Batch-norm is in eval mode during the attack (Hein et al. 2019, section 4, and its released code).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .net import OTHER, OUT, SHEET, Backbone


def noise_like(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Noise [B, 1, H, W] in [0, 1]: half uniform, half permuted pixels of the pictures given."""
    b, _, h, w = pixels.shape
    out = torch.empty_like(pixels)
    for k in range(b):
        f = int(rng.choice([1, 2, 4, 8]))
        if rng.random() < 0.5:
            raw = torch.from_numpy(rng.random((1, 1, h // f, w // f), dtype=np.float32))
        else:
            flat = pixels[k].flatten()
            raw = flat[torch.from_numpy(rng.permutation(len(flat)))][: (h // f) * (w // f)].view(1, 1, h // f, w // f)
        if rng.random() < 0.75:
            sigma = float(rng.uniform(1.0, 2.5))
            at = torch.arange(-7, 8, dtype=torch.float32)
            line = torch.exp(-(at**2) / (2 * sigma**2))
            kernel = (line / line.sum())[:, None] * (line / line.sum())[None]
            raw = F.conv2d(F.pad(raw, (7, 7, 7, 7), mode="reflect"), kernel[None, None])
        if rng.random() < 0.75:
            raw = (raw - raw.min()) / (raw.max() - raw.min()).clamp(min=1e-6)
        out[k] = F.interpolate(raw, (h, w), mode="bilinear", align_corners=False)[0] if f > 1 else raw[0]
    return out.clamp(0, 1)


def evidence(logits: Tensor) -> Tensor:
    """[B, 3, h, w] -> [B]: the soft maximum over the cells of the log-odds of sheet music."""
    odds = logits[:, SHEET] - torch.logsumexp(logits[:, OTHER:], 1)
    return torch.logsumexp(odds.flatten(1), 1)


def start(noise: Tensor, scores: Tensor, eps: Tensor, rng: np.random.Generator) -> Tensor:
    """Where the attack begins: random, blocks of signs, or a score projected into the ball; by turns, clipped to [0, 1]."""
    begun = noise.clone()
    h, w = noise.shape[-2:]
    for k in range(len(noise)):
        kind = k % 4
        if kind == 0:
            move = torch.from_numpy(rng.uniform(-1, 1, (1, h, w)).astype(np.float32)) * float(rng.random())
        elif kind == 1:
            block = int(rng.choice([2, 4, 8, 16, 32]))
            signs = rng.choice([-1.0, 1.0], (1, 1, h // block + 1, w // block + 1)).astype(np.float32)
            move = F.interpolate(torch.from_numpy(signs), scale_factor=float(block))[0, :, :h, :w]
        else:
            score = scores[int(rng.integers(len(scores)))]
            move = ((score - noise[k]) / eps[k]).clamp(-1, 1)
        begun[k] = noise[k] + eps[k] * move
    return begun.clamp(0, 1)


@dataclass(frozen=True)
class NoiseAttack:
    """Given to `fit_backbone(attack=...)`. eps: the largest radius, each image draws its own from eps/4 to eps.

    every: only one step in so many is attacked, the others train on the crops as they are.
    """

    eps: float
    steps: int = 3
    rows: int = 4
    every: int = 1
    seed: int = 0

    def __call__(self, net: Backbone, pixels: Tensor, target: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """The batch with its last rows replaced by attacked noise of class "neither"."""
        if step % self.every:
            return pixels, target
        rng = np.random.default_rng([self.seed, step, 7])
        scores = pixels[(target == SHEET).flatten(1).any(1)]
        scores = scores if len(scores) else pixels
        noise = noise_like(pixels[-self.rows :], rng)
        eps = torch.from_numpy(rng.uniform(self.eps / 4, self.eps, (self.rows, 1, 1, 1)).astype(np.float32))
        low, high = (noise - eps).clamp(min=0), (noise + eps).clamp(max=1)
        moved = start(noise, scores, eps, rng)
        net.eval()
        best, best_value = moved.clone(), torch.full((self.rows,), -torch.inf)
        for k in range(self.steps + 1):
            moved.requires_grad_(True)
            value = evidence(net(moved))
            better = value.detach() > best_value
            best = torch.where(better[:, None, None, None], moved.detach(), best)
            best_value = torch.maximum(best_value, value.detach())
            if k == self.steps:
                break
            (slope,) = torch.autograd.grad(value.sum(), moved)
            moved = torch.minimum(torch.maximum(moved.detach() + eps / 2 * slope.sign(), low), high)
        net.train()
        pixels, target = pixels.clone(), target.clone()
        pixels[-self.rows :] = best
        target[-self.rows :] = OUT
        return pixels, target
