"""Audits of trained nets: what they say where no picture of training lies. Every result names its kind.

Rays (docs/rays.md): `limits`, `ray`, `pieces` and the two searches of the literature. Needs torch: openset[train].
"""

from __future__ import annotations

from ._limit import Limits, limits
from ._search import first_alpha_by_bisection, first_alpha_on_grid
from ._sweep import Pieces, pieces
from ._trace import PiecewiseNet, trace
from .rays import First, Ray, first_alpha, ray

__all__ = [
    "First",
    "Limits",
    "Pieces",
    "PiecewiseNet",
    "Ray",
    "first_alpha",
    "first_alpha_by_bisection",
    "first_alpha_on_grid",
    "limits",
    "pieces",
    "ray",
    "trace",
]
