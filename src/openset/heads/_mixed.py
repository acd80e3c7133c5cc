"""What the guards share: the net's probabilities P, believed by a share s, mixed with the uniform prediction.

    p_k = s P_k + (1 - s) / K,   s = sigmoid(odds) > 0

No class overtakes the net's: p_i - p_j = s (P_i - P_j), and P is ordered as the logits are; so the argmax stays, and where the net
is right, the guarded net is. In float32 logits closer than rounding could change places by a unit in the last place, so
what the class of the largest logit gets is the cap of all others. Far out, where s drowns in 1 / K, classes tie.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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


def mixed(logits: Tensor, odds: Tensor) -> Tensor:
    """log p: [B, K] of the net's logits [B, K] and the odds [B], any finite numbers."""
    believed = torch.log_softmax(logits, 1) + F.logsigmoid(odds)[:, None]
    log_p = torch.logaddexp(believed, F.logsigmoid(-odds)[:, None] - math.log(logits.shape[1]))
    return torch.minimum(log_p, log_p.gather(1, logits.argmax(1, keepdim=True)))
