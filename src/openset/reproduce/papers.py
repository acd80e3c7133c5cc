"""What Hein et al. 2019 (arXiv 1812.05720) print in Tables 1 and 2: data, and nothing is computed here.

Table 1: test error, then mean max confidence (MMC), AUROC and FPR@95 (in-distribution positive) of each out-set.
Table 2: median first alpha at confidence .999, and the share of inputs above .95 when alpha x is clipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Scheme = Literal["plain", "ceda", "acet"]
Three = tuple[float, float, float]

NOISE, ATTACKED, ADVERSARIAL = "noise", "adversarial noise", "adversarial samples"

ERROR: Mapping[str, Mapping[Scheme, float]] = {
    "svhn": {"plain": 0.0353, "ceda": 0.0350, "acet": 0.0352},
    "cifar100": {"plain": 0.3197, "ceda": 0.3274, "acet": 0.3224},
}
MMC_IN: Mapping[str, Mapping[Scheme, float]] = {
    "svhn": {"plain": 0.980, "ceda": 0.977, "acet": 0.978},
    "cifar100": {"plain": 0.751, "ceda": 0.734, "acet": 0.728},
}
OUT: Mapping[str, Mapping[str, Mapping[Scheme, Three]]] = {
    "svhn": {
        "cifar10": {"plain": (0.732, 0.938, 0.348), "ceda": (0.551, 0.960, 0.209), "acet": (0.435, 0.973, 0.140)},
        "cifar100": {"plain": (0.730, 0.935, 0.350), "ceda": (0.527, 0.959, 0.205), "acet": (0.414, 0.971, 0.139)},
        NOISE: {"plain": (0.720, 0.943, 0.325), "ceda": (0.100, 1.000, 0.000), "acet": (0.100, 1.000, 0.000)},
        ATTACKED: {"plain": (1.000, 0.004, 1.000), "ceda": (0.946, 0.062, 0.940), "acet": (0.101, 1.000, 0.000)},
        ADVERSARIAL: {"plain": (1.000, 0.004, 1.000), "ceda": (0.995, 0.009, 0.994), "acet": (0.369, 0.778, 0.279)},
    },
    "cifar100": {
        "svhn": {"plain": (0.570, 0.710, 0.865), "ceda": (0.290, 0.874, 0.410), "acet": (0.234, 0.912, 0.345)},
        "cifar10": {"plain": (0.560, 0.718, 0.856), "ceda": (0.547, 0.711, 0.855), "acet": (0.530, 0.720, 0.860)},
        NOISE: {"plain": (0.614, 0.672, 0.928), "ceda": (0.010, 1.000, 0.000), "acet": (0.010, 1.000, 0.000)},
        ATTACKED: {"plain": (1.000, 0.000, 1.000), "ceda": (0.985, 0.015, 0.985), "acet": (0.013, 0.998, 0.003)},
    },
}
ALPHA: Mapping[str, Mapping[Scheme, tuple[float, float]]] = {
    "mnist": {"plain": (1.5, 0.987), "acet": (3.0e15, 0.000)},
    "svhn": {"plain": (28.1, 0.999), "acet": (49.8, 0.502)},
    "cifar10": {"plain": (8.1, 0.999), "acet": (45.3, 0.034)},
    "cifar100": {"plain": (9.9, 0.998), "acet": (9.9, 0.000)},
}
