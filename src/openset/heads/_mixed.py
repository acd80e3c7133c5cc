"""What the guards share: the net's probabilities P, believed by a share s, mixed with the uniform prediction.

    p_k = s P_k + (1 - s) / K,   s = sigmoid(odds) > 0

No class overtakes the net's: p_i - p_j = s (P_i - P_j), and P is ordered as the logits are; so the argmax stays, and where the net
is right, the guarded net is. Rounding could let logits that are close change places, or tie, as far out, where s drowns in
1 / K, all would: so the logarithm of no other class's probability comes nearer to that of the net's class than 8 units of rounding
(1e-6 of it in float32). The net's class keeps its own.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HUGE = 1e20  # pixels farther out are taken for this: their squares overflow float32, and inf - inf is no number
APART = 8  # units of rounding between two logarithms: enough to tell their exponentials, whatever takes them


class Guard(nn.Module, ABC):
    """A head that believes the net by the share s = sigmoid(odds); s is the `score` of its judge file."""

    @abstractmethod
    def odds(self, outputs: dict[str, Tensor]) -> Tensor:
        """[B], any finite numbers, higher = surer."""

    @abstractmethod
    def believing(self, logits: Tensor, odds: Tensor) -> Tensor:
        """The net's logits [B, K] and the odds [B] -> guarded log-probabilities [B, K]."""

    def forward(self, outputs: dict[str, Tensor]) -> Tensor:
        return self.believing(outputs["logits"], self.odds(outputs))


def at_least_two(classes: int) -> int:
    """The number of a net's classes, that a bound is asked for. Raises ValueError."""
    if isinstance(classes, bool) or classes != int(classes) or classes < 2:
        raise ValueError(f"classes is {classes}: give the number of the net's classes, at least 2")
    return int(classes)


def mixed(logits: Tensor, odds: Tensor) -> Tensor:
    """log p: [B, K] of the net's logits [B, K] and the odds [B], any finite numbers."""
    believed = torch.log_softmax(logits, 1) + F.logsigmoid(odds)[:, None]
    log_p = torch.logaddexp(believed, F.logsigmoid(-odds)[:, None] - math.log(logits.shape[1]))
    return ordered(log_p, logits)


def ordered(log_p: Tensor, logits: Tensor, free: int | None = None) -> Tensor:
    """log p [B, K], no class but `free` nearer to the net's, the first of the largest logits [B, K], than APART units of rounding.

    Written as a sum: onnxscript takes a factor so near to 1 for 1 and leaves it out of the judge file.
    """
    classes, best = torch.arange(logits.shape[1], device=logits.device), logits.argmax(1, keepdim=True)
    top = log_p.gather(1, best)
    below = top + top * (APART * torch.finfo(log_p.dtype).eps)
    kept = classes == best if free is None else (classes == best) | (classes == free)
    return torch.where(kept, log_p, torch.minimum(log_p, below))
