"""Density guard (CCU): two Gaussian mixtures over the pixels decide how far the net is believed, with a proof far away.

Meinke and Hein 2020 (arXiv 1909.12180). With p_net the net's probabilities and weights lambda = p(out) / p(in):

    p(k | x) = ( p_net(k | x) p(x | in) + lambda p(x | out) / K ) / ( p(x | in) + lambda p(x | out) )

Whatever the net says, p(k | x) <= (q + 1 / K) / (q + 1) with q = p(x | in) / (lambda p(x | out)). Both mixtures are spherical in one
metric, and every out-variance is larger than every in-variance, so q, and with it the confidence, is bounded by distance alone.
No class overtakes the net's. What it is not: a detector of near pictures that are no class; it sees pixels, not objects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .._words import counted
from ..errors import TrainingError
from ._mixed import HUGE, Guard, at_least_two, mixed

Floats = NDArray[np.float64]
WIDER = 1.5  # every out-variance is at least so many times the largest in-variance
FLOOR = 1e-2  # the smallest eigenvalue of the metric, as a share of the largest


@dataclass(frozen=True)
class Mixture:
    """Spherical Gaussians in the metric: log weights [M], centres [M, D], variances [M]."""

    log_weights: Floats
    centres: Floats
    variances: Floats

    def log_heights(self) -> Floats:
        """[M]: the log of each weighted Gaussian at its centre."""
        d = self.centres.shape[1]
        return self.log_weights - 0.5 * d * np.log(2 * math.pi * self.variances)


class DensityGuard(Guard):
    """The head. Pixels are averaged down to `side` x `side` (area), flattened, centred and whitened; then the two mixtures.

    `ball_bound` and `far_bound` are proved: see their docstrings. Distances are measured in the metric, after averaging.
    """

    middle: Tensor
    whiten: Tensor
    log_lambda: Tensor

    def __init__(
        self, side: int, middle: Floats, whiten: Floats, inside: Mixture, outside: Mixture, log_lambda: float
    ) -> None:
        super().__init__()
        self.side = side
        self.register_buffer("middle", torch.from_numpy(middle).float())
        self.register_buffer("whiten", torch.from_numpy(whiten).float())
        self.register_buffer("log_lambda", torch.tensor(float(log_lambda)))
        for name, mixture in (("in", inside), ("out", outside)):
            self.register_buffer(f"centres_{name}", torch.from_numpy(mixture.centres).float())
            self.register_buffer(f"heights_{name}", torch.from_numpy(mixture.log_heights()).float())
            self.register_buffer(f"variances_{name}", torch.from_numpy(mixture.variances).float())
        self._mixtures()

    @property
    def inside(self) -> Mixture:
        """Of the in-pictures, as the buffers hold it now."""
        return self._mixture("in")

    @property
    def outside(self) -> Mixture:
        """Of the out-pictures, as the buffers hold it now."""
        return self._mixture("out")

    def _mixture(self, name: str) -> Mixture:
        heights, centres, variances = (
            getattr(self, f"{part}_{name}").detach().double().cpu().numpy()
            for part in ("heights", "centres", "variances")
        )
        return Mixture(heights + 0.5 * centres.shape[1] * np.log(2 * math.pi * variances), centres, variances)

    def _mixtures(self) -> tuple[Mixture, Mixture]:
        """Inside and outside. Raises ValueError where an out-variance is not larger than every in-variance."""
        inside, outside = self.inside, self.outside
        if not outside.variances.min() > inside.variances.max():
            raise ValueError("every out-variance must be larger than every in-variance: the bound rests on it")
        return inside, outside

    def place(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] -> points of the metric's space [B, D]."""
        return (
            F.adaptive_avg_pool2d(pixels.to(self.middle.dtype).clamp(-HUGE, HUGE), self.side).flatten(1) - self.middle
        ) @ self.whiten

    def log_density(self, z: Tensor, name: str) -> Tensor:
        """[B, D] -> [B]: log p(z | in) or, with name "out", log p(z | out)."""
        centres = getattr(self, f"centres_{name}")
        squares = ((z[:, None] - centres) ** 2).sum(2).clamp(max=1e30)  # or both densities would be 0 in float32
        return torch.logsumexp(getattr(self, f"heights_{name}") - squares / (2 * getattr(self, f"variances_{name}")), 1)

    def odds(self, outputs: dict[str, Tensor]) -> Tensor:
        z = self.place(outputs["pixels"])
        return self.log_density(z, "in") - self.log_density(z, "out") - self.log_lambda

    def believing(self, logits: Tensor, odds: Tensor) -> Tensor:
        return mixed(logits, odds)

    def ball_bound(self, pixels: Tensor, radius: float, classes: int) -> Floats:
        """[B]: no picture within the l2 distance `radius` of pixels [B, 3, H, W] has a larger confidence. Proved.

        `odds_bound` as a confidence. Raises what it raises, and ValueError for fewer than 2 classes.
        """
        return bound(self.odds_bound(pixels, radius), classes)

    def odds_bound(self, pixels: Tensor, radius: float) -> Floats:
        """[B]: no picture within the l2 distance `radius` of pixels [B, 3, H, W] has larger `odds`. Proved.

        Moving x by r in l2 moves its place by at most R = r * s, s the largest singular value of averaging and whitening.
        Every in-Gaussian is at most its value R nearer, every out-Gaussian at least its value R farther. Computed in float64; the
        head runs in float32 and may differ by rounding. Raises ValueError for a radius below 0 and pixels that are not finite.
        """
        if not radius >= 0 or not torch.isfinite(pixels).all():
            raise ValueError(f"radius {radius} must be at least 0, and the pixels finite")
        inside, outside = self._mixtures()
        step = radius * self.stretch(pixels.shape[-2], pixels.shape[-1])
        averaged = F.adaptive_avg_pool2d(pixels.detach().double(), self.side).flatten(1)
        z = ((averaged - self.middle.double()) @ self.whiten.double()).cpu().numpy()
        with np.errstate(over="ignore"):
            near = _log_sum(inside, np.maximum(_distances(z, inside.centres) - step, 0))
            far = _log_sum(outside, _distances(z, outside.centres) + step)
        odds: Floats = near - far - float(self.log_lambda)
        return odds

    def far_bound(self, distance: float, classes: int) -> float:
        """No picture whose place is at least `distance` from every in-centre has a larger confidence; -> 1 / K. Proved.

        Let D >= distance be the distance to the nearest in-centre. Every in-Gaussian is then at most its value at D, and an
        out-centre is at most D + M away, M its distance to the in-centre farthest from it. For one out-Gaussian the log
        of the ratio is a concave parabola in D, as in-variances are smaller; its largest value over D >= distance is taken
        exactly, for each in-Gaussian; the best out-Gaussian gives the bound. Raises ValueError for a distance below 0 and fewer than 2 classes.
        """
        if not distance >= 0:
            raise ValueError(f"distance {distance} must be at least 0")
        ratios = []
        inside, outside = self._mixtures()
        reach = _distances(outside.centres, inside.centres).max(1)
        heights_in, s = inside.log_heights(), inside.variances
        for height, t, m in zip(outside.log_heights(), outside.variances, reach, strict=True):
            top = np.maximum(distance, m * s / (t - s))  # where the parabola is highest, or the edge
            with np.errstate(over="ignore"):  # -top^2 / 2s + (top + m)^2 / 2t, without inf - inf
                exponents = top * (m / t - top * (t - s) / (2 * s * t)) + m**2 / (2 * t)
            ratios.append(np.logaddexp.reduce(heights_in - height + exponents))
        return float(bound(np.array([min(ratios)]) - float(self.log_lambda), classes)[0])

    def distance(self, pixels: Tensor) -> Floats:
        """[B]: how far the places of pixels [B, 3, H, W] are from the nearest in-centre, in the metric."""
        return _distances(self.place(pixels.detach()).double().cpu().numpy(), self.inside.centres).min(1)

    def stretch(self, height: int, width: int) -> float:
        """How many times at most the metric's distance grows with the l2 distance of pictures of this size.

        Averaging has row sums 1 and column sums at most c, so its norm is at most sqrt(c) (Schur's test).
        """
        with torch.inference_mode(False), torch.enable_grad():  # callers may have switched gradients off
            x = torch.zeros(1, 1, height, width, dtype=torch.float64, requires_grad=True)
            (columns,) = torch.autograd.grad(F.adaptive_avg_pool2d(x, self.side).sum(), x)
        return float(columns.max().sqrt() * torch.linalg.matrix_norm(self.whiten.double(), 2))


def bound(log_q: Floats, classes: int) -> Floats:
    """(q + 1 / K) / (q + 1) of log q, without overflow."""
    share = 0.5 * (1 + np.tanh(np.asarray(log_q) / 2))
    return share + (1 - share) / at_least_two(classes)


@torch.inference_mode(False)  # or the head would hold tensors that no gradient passes
def fit_density_guard(
    inside: Tensor,
    outside: Tensor,
    *,
    side: int = 16,
    centres: int = 100,
    seed: int = 0,
    steps: int = 20,
    weight: float = 1.0,
) -> DensityGuard:
    """Fit the guard on pictures [N, 3, H, W] in [0, 1] of the classes and [M, 3, H, W] that are none (noise, crops).

    side: pictures are averaged to side x side first. The metric is the whitening of the in-pictures, eigenvalues floored at a hundredth
    of the largest. Each mixture: k-means (scikit-learn), then `steps` of EM for weights, centres and variances; out-variances
    are raised to 1.5 times the largest in-variance. weight: lambda, p(out) / p(in). Raises TrainingError where there are fewer pictures
    than 2 a centre, or all in-pictures are alike; ValueError for shapes and for pixels that are not finite.
    """
    if inside.dim() != 4 or inside.shape[1:] != outside.shape[1:]:
        raise ValueError(f"give pictures of one shape [N, 3, H, W], got {list(inside.shape)} and {list(outside.shape)}")
    if not (torch.isfinite(inside).all() and torch.isfinite(outside).all()):
        raise ValueError("some pixels are not finite: give numbers in [0, 1]")
    if not weight > 0 or side < 1 or centres < 1:
        raise ValueError(f"weight {weight}, side {side} and centres {centres} must be above 0")
    if min(len(inside), len(outside)) < 2 * centres:
        raise TrainingError(
            f"{counted(centres, 'centre')} on each side: at least {2 * centres} pictures are needed there, got {len(inside)} and {len(outside)}: "
            "give more, or ask for fewer centres"
        )
    points = [_averaged(x, side) for x in (inside, outside)]
    middle = points[0].mean(0)
    values, vectors = np.linalg.eigh(np.cov(points[0].T, ddof=0).reshape(len(middle), len(middle)))
    if not values[-1] > 1e-12:  # what rounding leaves is far below
        raise TrainingError("all in-pictures are alike after averaging: there is no metric to be had from them")
    whiten = vectors / np.sqrt(np.maximum(values, FLOOR * values[-1]))
    z_in, z_out = ((x - middle) @ whiten for x in points)
    mixture = fit_mixture(z_in, centres, seed, steps)
    out = fit_mixture(z_out, centres, seed, steps, least=WIDER * float(mixture.variances.max()))
    return DensityGuard(side, middle, whiten, mixture, out, math.log(weight))


def _averaged(pictures: Tensor, side: int) -> Floats:
    """[N, 3, H, W] -> [N, 3 * side * side], few pictures at a time in float64."""
    return torch.cat([F.adaptive_avg_pool2d(x.double(), side).flatten(1) for x in pictures.split(64)]).cpu().numpy()


def fit_mixture(z: Floats, centres: int, seed: int, steps: int, least: float = 0.0) -> Mixture:
    """Spherical Gaussians by k-means, then EM; no variance below `least` or a hundredth of the data's own."""
    from sklearn.cluster import KMeans

    d, centres = z.shape[1], min(centres, len(np.unique(z, axis=0)))  # blank pictures are all one
    floor = max(least, 1e-2 * float(z.var(0).mean()))
    start = KMeans(centres, n_init=1, random_state=seed).fit(z)
    share = np.eye(centres)[start.labels_]
    for _ in range(steps + 1):
        mass = share.sum(0) + 1e-9
        middle = share.T @ z / mass[:, None]
        squares = _distances(z, middle) ** 2
        variances = np.maximum((share * squares).sum(0) / (d * mass), floor)
        made = Mixture(np.log(mass / mass.sum()), middle, variances)
        logs = made.log_heights() - squares / (2 * variances)
        share = np.exp(logs - np.logaddexp.reduce(logs, 1)[:, None])
    return made


def _distances(a: Floats, b: Floats) -> Floats:
    """[N, D], [M, D] -> [N, M], exact differences rather than the expanded square."""
    return np.stack([np.sqrt(((a - row) ** 2).sum(1)) for row in b], 1)


def _log_sum(mixture: Mixture, distances: Floats) -> Floats:
    return np.logaddexp.reduce(mixture.log_heights() - distances**2 / (2 * mixture.variances), 1)
