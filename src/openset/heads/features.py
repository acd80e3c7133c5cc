"""Guards on features: believe the net less, the farther a picture's features are from those it learnt from.

Mahalanobis: the distance to the nearest class mean in the classes' shared covariance (Lee et al. 2018, arXiv 1807.03888). Nearest
neighbours: the distance to the k-th nearest of the training pictures, features of length 1 (Sun et al. 2022, arXiv 2204.06507).
A logistic regression on held-out pictures of both kinds turns the distance d into s(d) in (0, 1), falling; then

    p(k | x) = s(d) p_net(k | x) + (1 - s(d)) / K

Nothing is proved: features of a strange picture can lie among the others, and along rays they may or may not go away.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import TrainingError
from ._mixed import Guard, mixed


class FeatureGuard(Guard):
    """The head, for any `distance` module from features [B, D] to [B]: believes the net by sigmoid(at - slope * log(1 + d))."""

    at: Tensor
    slope: Tensor

    def __init__(self, distance: nn.Module, at: float, slope: float) -> None:
        super().__init__()
        self.distance = distance
        self.register_buffer("at", torch.tensor(float(at)))
        self.register_buffer("slope", torch.tensor(float(slope)))

    def odds(self, outputs: dict[str, Tensor]) -> Tensor:
        if "features" not in outputs:
            raise TrainingError("a guard on features needs a net with features(x) and classify(features)")
        return self.at - self.slope * torch.log1p(self.distance(outputs["features"]))

    def believing(self, logits: Tensor, odds: Tensor) -> Tensor:
        return mixed(logits, odds)


class Mahalanobis(nn.Module):
    """Features [B, D] -> the least distance to a class mean, [B]. whiten: [D, D]; means: [K, D], whitened."""

    whiten: Tensor
    means: Tensor

    def __init__(self, whiten: Tensor, means: Tensor) -> None:
        super().__init__()
        self.register_buffer("whiten", whiten.float())
        self.register_buffer("means", means.float())

    def forward(self, features: Tensor) -> Tensor:
        z = features @ self.whiten
        return ((z[:, None] - self.means) ** 2).sum(2).amin(1).clamp(min=1e-12).sqrt()


class Neighbours(nn.Module):
    """Features [B, D] -> the distance to the k-th nearest row of `bank` [N, D], both of length 1: [B] in [0, 2]."""

    bank: Tensor

    def __init__(self, bank: Tensor, k: int) -> None:
        super().__init__()
        self.register_buffer("bank", F.normalize(bank.float(), dim=1))
        self.k = k

    def forward(self, features: Tensor) -> Tensor:
        near = (F.normalize(features, dim=1) @ self.bank.T).topk(self.k, 1).values[:, -1]
        return (2 - 2 * near).clamp(min=1e-12).sqrt()


@torch.inference_mode(False)  # or the head would hold tensors that no gradient passes
def fit_mahalanobis(
    features: Tensor, targets: ArrayLike, held_in: Tensor, held_out: Tensor, *, shrink: float = 1e-2
) -> FeatureGuard:
    """features: [N, D] of training pictures with targets [N]; held_in, held_out: [M, D] of held-out pictures that are and are
    not of the classes. shrink: share of the mean variance added to the covariance. Raises ValueError, TrainingError."""
    if not 0 < shrink < math.inf:
        raise ValueError(f"shrink is {shrink}: give a number above 0, or few pictures have no covariance to invert")
    x, y = _checked(features), np.asarray(targets)
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise ValueError(f"targets {list(y.shape)} of {y.dtype}: give class numbers [{len(x)}], not one-hot rows")
    means = torch.stack([x[torch.from_numpy(y == k)].mean(0) for k in np.unique(y)])
    centred = x - means[torch.from_numpy(np.searchsorted(np.unique(y), y))]
    covariance = centred.T @ centred / len(x)
    covariance += shrink * covariance.diagonal().mean().clamp(min=1e-12) * torch.eye(x.shape[1], dtype=torch.float64)
    values, vectors = torch.linalg.eigh(covariance)
    whiten = vectors / values.sqrt()
    return _calibrated(Mahalanobis(whiten, means @ whiten), x.shape[1], held_in, held_out)


@torch.inference_mode(False)
def fit_neighbours(
    features: Tensor, held_in: Tensor, held_out: Tensor, *, k: int = 10, most: int = 5000
) -> FeatureGuard:
    """As `fit_mahalanobis`, without targets; the bank holds at most `most` rows, evenly spaced. Raises ValueError."""
    x = _checked(features)
    bank = x[torch.linspace(0, len(x) - 1, min(len(x), most)).round().long()]
    if not 1 <= k <= len(bank):
        raise ValueError(f"k is {k}: give 1 to {len(bank)}, the number of rows kept")
    return _calibrated(Neighbours(bank, k), x.shape[1], held_in, held_out)


def _checked(features: Tensor) -> Tensor:
    if features.dim() != 2 or not len(features) or not torch.isfinite(features).all():
        raise ValueError(f"features {list(features.shape)}: give finite numbers [N, D], N >= 1")
    return features.detach().double()


def _calibrated(distance: nn.Module, width: int, held_in: Tensor, held_out: Tensor) -> FeatureGuard:
    """Both kinds weigh the same, however many there are. Raises TrainingError where the out-pictures are not farther away."""
    from sklearn.linear_model import LogisticRegression

    if held_in.shape[1:] != (width,) or held_out.shape[1:] != (width,):
        raise ValueError(
            f"held-out features {list(held_in.shape)} and {list(held_out.shape)}: give [M, {width}] of both"
        )
    with torch.no_grad():
        parts = [torch.log1p(distance(_checked(part).float())).double().numpy() for part in (held_in, held_out)]
    x = np.concatenate(parts)[:, None]
    y = np.repeat([1, 0], [len(part) for part in parts])
    weight = np.repeat([0.5 / len(part) for part in parts], [len(part) for part in parts]) * len(y)
    fitted = LogisticRegression(C=100.0).fit(x, y, sample_weight=weight)
    slope = -float(fitted.coef_[0, 0])
    if not slope > 0:
        raise TrainingError(
            "held-out pictures that are no class are not farther away than the others: these features do not tell "
            "them apart. Use another guard, or other out-pictures"
        )
    return FeatureGuard(distance, float(fitted.intercept_[0]), slope)
