"""Temperature scaling: one number that makes a net's confidence fit its accuracy on held-out pictures.

Guo et al. 2017 (arXiv 1706.04599). It changes no answer and no order within a class pair's margin; far from the data it changes
nothing either: logits that grow without end still give confidence 1, whatever they are divided by.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..errors import TrainingError

COLDEST, HOTTEST = 0.02, 50.0


class Temperature(nn.Module):
    """log softmax(logits / temperature)."""

    temperature: Tensor

    def __init__(self, temperature: float) -> None:
        super().__init__()
        made = torch.tensor(float(temperature) if math.isfinite(temperature) else math.nan, dtype=torch.float32)
        if not 0 < made < math.inf:
            raise ValueError(f"a temperature must be above 0 and finite, in float32 too, got {temperature}")
        self.register_buffer("temperature", made)

    def forward(self, outputs: dict[str, Tensor]) -> Tensor:
        return torch.log_softmax(outputs["logits"] / self.temperature, 1)


@torch.inference_mode(False)  # or the head would hold a tensor that no gradient passes
def fit_temperature(logits: ArrayLike, targets: ArrayLike) -> Temperature:
    """The temperature with the least mean cross entropy. logits: [N, K] of held-out pictures; targets: [N], 0 to K - 1.

    The cross entropy is convex in 1 / temperature; the search is bounded to [.02, 50] and its optimum is checked. Raises
    ValueError for shapes, one-hot targets or numbers that are not finite, TrainingError where the optimum lies at a bound (all
    answers right, or no better than chance) or every row of logits is constant: no temperature is to be had from such pictures.
    """
    from scipy.optimize import minimize_scalar

    x, y = np.asarray(_plain(logits), np.float64), np.asarray(_plain(targets))
    if x.ndim != 2 or not len(x) or x.shape[1] < 2 or not np.isfinite(x).all():
        raise ValueError(f"logits {list(x.shape)}: give finite numbers [N, K] with N >= 1 and K >= 2")
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise ValueError(f"targets {list(y.shape)} of {y.dtype}: give class numbers [{len(x)}], not one-hot rows")
    if y.min() < 0 or y.max() >= x.shape[1]:
        raise ValueError(f"targets from {y.min()} to {y.max()}: classes are 0 to {x.shape[1] - 1}")
    if (x == x[:, :1]).all():
        raise TrainingError(
            "the logits of each picture are all the same, and no temperature changes what they say: give those of a trained net"
        )
    right = x[np.arange(len(x)), y]

    def loss(inverse: float) -> float:
        scaled = inverse * x
        top = scaled.max(1)
        return float((top + np.log(np.exp(scaled - top[:, None]).sum(1)) - inverse * right).mean())

    low, high = 1 / HOTTEST, 1 / COLDEST
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-9 * high, "maxiter": 1000})
    best = float(found.x)
    if not found.success:
        raise TrainingError(f"the search for a temperature did not converge: {found.message}")
    if min(loss(low), loss(high)) <= loss(best):
        where = (
            f"{COLDEST:g} (all answers right?)" if loss(high) <= loss(low) else f"{HOTTEST:g} (no better than chance?)"
        )
        raise TrainingError(
            f"the best temperature lies at the end of the range, {where}: {len(x)} held-out pictures do not tell one. "
            "Give more pictures that the net was not trained on"
        )
    return Temperature(1 / best)


def _plain(x: Any) -> Any:
    """What numpy can take: of torch's tensors the numbers, wherever they lie; bfloat16 is no dtype of numpy's."""
    if not isinstance(x, Tensor):
        return x
    x = x.detach().cpu()
    return (x.double() if x.is_floating_point() else x).numpy()
