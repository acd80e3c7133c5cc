"""Last-layer Laplace: a Gaussian over the last layer's weights, and the probit integral in closed form.

Kristiadi, Hein, Hennig 2020 (arXiv 2002.10118); laplace-torch fits the posterior (Kronecker factors of the Gauss-Newton matrix,
prior precision by marginal likelihood). With phi the features, every logit is divided by sqrt(1 + pi / 8 * v_k(phi)), v_k its
variance. v grows with the square of phi and the logit with phi, so along a ray on which the features grow confidence stays below
1; it does not go to 1 / K, and nothing is said of how far below 1 it stays.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..errors import MissingExtraError, TrainingError


class LastLayerLaplace(nn.Module):
    """log softmax of the logits over sqrt(1 + pi / 8 * variance); takes "logits" [B, K] and "features" [B, D].

    turn: [D, D]; scale: [D, K]; offset: [K]: the variance of logit k is sum_i (phi @ turn)_i^2 scale_ik + offset_k.
    """

    turn: Tensor
    scale: Tensor
    offset: Tensor

    def __init__(self, turn: Tensor, scale: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("turn", turn.float())
        self.register_buffer("scale", scale.float())
        self.register_buffer("offset", offset.float())

    def variances(self, features: Tensor) -> Tensor:
        """[B, D] -> [B, K], >= 0."""
        return (features @ self.turn) ** 2 @ self.scale + self.offset

    def forward(self, outputs: dict[str, Tensor]) -> Tensor:
        if "features" not in outputs:
            raise TrainingError("last-layer Laplace needs a net with features(x) and classify(features)")
        return torch.log_softmax(
            outputs["logits"] / torch.sqrt(1 + math.pi / 8 * self.variances(outputs["features"])), 1
        )


def fit_laplace(last: nn.Linear, features: Tensor, targets: ArrayLike, *, batch: int = 512) -> LastLayerLaplace:
    """The posterior of the net's last layer. features: [N, D] of training pictures; targets: [N], 0 to K - 1.

    `last` gives the logits from the features and is left as it is. Raises MissingExtraError without laplace-torch, ValueError for
    shapes or one-hot targets, TrainingError where the fit gives no positive precision.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own dependencies
            from laplace import Laplace
    except ImportError as error:
        raise MissingExtraError("Last-layer Laplace", "laplace-torch", "laplace") from error
    y = np.asarray(targets)
    if features.dim() != 2 or features.shape[1] != last.in_features or not len(features):
        raise ValueError(
            f"features {list(features.shape)}: give [N, {last.in_features}], N >= 1, as the last layer takes them"
        )
    if not (torch.isfinite(features).all() and all(torch.isfinite(p).all() for p in last.parameters())):
        raise ValueError("the features or the last layer's weights are not all finite: give finite numbers")
    if y.shape != (len(features),) or y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= last.out_features:
        raise ValueError(
            f"targets {list(y.shape)} of {y.dtype}: give class numbers [{len(features)}], not one-hot rows"
        )
    with torch.inference_mode(False), torch.enable_grad():  # callers may have switched gradients off
        return _posterior(Laplace, last, features, torch.from_numpy(y.astype(np.int64)), batch)


def _posterior(laplace: Any, last: nn.Linear, features: Tensor, targets: Tensor, batch: int) -> LastLayerLaplace:
    from torch.utils.data import DataLoader, TensorDataset

    layer = nn.Linear(last.in_features, last.out_features, bias=last.bias is not None).double()
    with torch.no_grad():
        layer.weight.copy_(last.weight)
        if last.bias is not None:
            layer.bias.copy_(last.bias)
    pairs = TensorDataset(features.detach().to(torch.float64, copy=True), targets)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        made: Any = laplace(nn.Sequential(layer), "classification", subset_of_weights="all", hessian_structure="kron")
        try:
            made.fit(DataLoader(pairs, batch_size=batch))
            made.optimize_prior_precision(method="marglik")
        except SystemExit as error:  # what laplace-torch does where eigenvalues cannot be had
            raise TrainingError(
                "laplace-torch gave up: the curvature has no eigenvalues. Scale the features"
            ) from error
    prior = float(made.prior_precision.reshape(-1)[0])
    if not (math.isfinite(prior) and prior > 0):
        raise TrainingError(f"the prior precision came out as {prior}: give more pictures, or a net that is trained")
    (classes, inputs), *biases = made.H.eigenvalues
    (u, turn), *turns = made.H.eigenvectors
    scale = (u**2) @ (1 / (classes[:, None] * inputs[None] + prior))  # [K, D]
    offset = torch.zeros(last.out_features)
    for (alone,), (w,) in zip(biases, turns, strict=True):  # of the layer's bias, where it has one
        offset = (w**2) @ (1 / (alone + prior))
    return LastLayerLaplace(turn, scale.T, offset)
