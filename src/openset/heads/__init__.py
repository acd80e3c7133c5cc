"""Heads: from a net's outputs to log-probabilities, fitted after training, baked into the judge file by `openset.export`.

Each is made by a `fit_x` and is then frozen: a pure module that takes a dict of "pixels" [B, 3, H, W], "logits" [B, K] and, where
the net has them, "features" [B, D], and gives log-probabilities [B, K]. In none of them a class overtakes the one that
the net found likeliest.
"""

from __future__ import annotations

from .density import DensityGuard, fit_density_guard
from .temperature import Temperature, fit_temperature

__all__ = ["DensityGuard", "Temperature", "fit_density_guard", "fit_temperature"]
