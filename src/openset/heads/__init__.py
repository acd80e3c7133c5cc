"""Heads: from a net's outputs to log-probabilities, fitted after training, baked into the judge file by `openset.export`.

Each is made by a `fit_x` and is then frozen: a pure module that takes a dict of "pixels" [B, 3, H, W], "logits" [B, K] and, where
the net has them, "features" [B, D], and gives log-probabilities [B, K]. The guards let no class overtake the one that the net
found likeliest, but for the class that refuses where one is named. `fit_jointly` trains a net and its density guard together, `fit_semi_jointly` a net under a certified guard that is fixed. `PeerDetector` is no head: it puts a detector of pytorch-ood beside them.
"""

from __future__ import annotations

from .certified import CertifiedGuard
from .certifying import fit_certified_guard, fit_certified_guards
from .density import DensityGuard, fit_density_guard
from .features import FeatureGuard, fit_mahalanobis, fit_neighbours
from .front import TopHats
from .joint import fit_jointly
from .laplace import LastLayerLaplace, fit_laplace
from .members import CertifiedGuards
from .peers import PeerDetector
from .semijoint import fit_semi_jointly
from .temperature import Temperature, fit_temperature

__all__ = [
    "CertifiedGuard",
    "CertifiedGuards",
    "DensityGuard",
    "FeatureGuard",
    "LastLayerLaplace",
    "PeerDetector",
    "Temperature",
    "TopHats",
    "fit_certified_guard",
    "fit_certified_guards",
    "fit_density_guard",
    "fit_jointly",
    "fit_laplace",
    "fit_mahalanobis",
    "fit_neighbours",
    "fit_semi_jointly",
    "fit_temperature",
]
