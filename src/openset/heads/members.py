"""Certified guards that must all believe: one member for each kind of out-pictures, the share is the least of theirs.

One guard that learns unlike kinds at once (photographs, letters) certifies less on each than two that learn one kind each: a picture needs one
member that refuses it. The least share has the least of the members' bounds, so the certificate is theirs, with no loss; where the
members' mean shares inside are 1 - a_i, the least has a mean of 1 - sum a_i or more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .certified import CertifiedGuard


class CertifiedGuards(CertifiedGuard):
    """The head. members: at least one, all with the same `refuse`. Raises ValueError otherwise."""

    def __init__(self, members: Sequence[CertifiedGuard]) -> None:
        if len({member.refuse for member in members}) != 1:
            raise ValueError(f"give at least one member, all with the same refuse, got {[m.refuse for m in members]}")
        nn.Module.__init__(self)  # a member's layers and weights are its own; there are none of the whole
        self.members, self.refuse, self.front = nn.ModuleList(members), members[0].refuse, None

    def _least(self, value: Callable[[CertifiedGuard], Tensor]) -> Tensor:
        return torch.stack([value(member) for member in self._guards()]).amin(0)

    def _guards(self) -> list[CertifiedGuard]:
        return [member for member in self.members if isinstance(member, CertifiedGuard)]

    def score(self, pixels: Tensor) -> Tensor:
        """The least of the members' scores: [B, 3, H, W] -> [B]."""
        return self._least(lambda member: member.score(pixels))

    def upper(self, low: Tensor, high: Tensor) -> Tensor:
        """[B]: no pixels between low and high [B, 3, H, W] have a larger score."""
        return self._least(lambda member: member.upper(low, high))

    def rounding(self, pixels: Tensor) -> Tensor:
        """[B]: at most so far from exact arithmetic are `score` and `upper`: as far as the worst member's."""
        return torch.stack([member.rounding(pixels) for member in self._guards()]).amax(0)

    def ray_bound(self, pixels: Tensor, alpha: float, classes: int) -> NDArray[np.float64]:
        """[B]: no alpha' >= alpha >= 0 gives alpha' * pixels a larger confidence. Proved. Raises as a member's does."""
        bounds = [member.ray_bound(pixels, alpha, classes) for member in self._guards()]
        least: NDArray[np.float64] = np.min(bounds, axis=0)
        return least
