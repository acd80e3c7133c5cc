"""Certified guard (ProoD, mended): how far a net is believed, with a proved upper bound on every l_inf ball and along every ray.

Meinke, Bitterwolf, Hein 2022 (arXiv 2106.04260). A small net of its own looks at the pixels x:

    g(x) = b - sum_j w_j relu(h_j(x)) - sum_i (relu(x_i - 1) + relu(-x_i)),   w_j > 0,   s = sigmoid(g + shift)
    p(k | x) = s p_net(k | x) + (1 - s) / K          two classes, yes or no: P(yes | x) = s P_net(yes | x)

Interval bounds through h give an upper bound of s on a ball, whatever the net says: confidence <= s + (1 - s) / K. The published
guard has no box term (the last sum): rays on which all h_j stay dead kept s for ever. The term is exactly 0 inside [0, 1] and
grows along every ray but 0, so s -> 0 there. Behind a front end, whose output lies in [0, 1], w may have any sign: what the layers make of
[0, 1] is bounded, and the box term does the rest. No class overtakes the net's, so the argmax cannot change (the proof stands in
`_mixed.py`); with a class that refuses, only that one can. The guard covers what resembles the out-pictures that
taught it and no more; on bare pixels, certificates of thin-lined pictures were found to be vacuous.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ._layers import applied, bounded, sized, through
from ._mixed import HUGE, Guard, at_least_two, mixed, ordered
from ._pictures import in_the_box
from .front import STEPS, TopHats

SLACK = 1e-6  # added to every bound of g, beside what rounding in float64 can do
WIDER = 2.0**-23  # of every ball: x + eps in float32 may lie this far outside


class CertifiedGuard(Guard):
    """The head. layers: convolutions, then dense ones, a ReLU after each; weight: [D], minus its exponential weighs
    the last features, flattened; behind a front end it is itself their weight.

    refuse: the class that gets what is not believed (for "is it this, or not?"); None: all classes share it evenly. front: what the
    pixels go through first, None for the pixels themselves. Raises ValueError for layers that `_layers.bounded` refuses.
    """

    shift: Tensor

    def __init__(
        self, layers: nn.ModuleList, features: int, refuse: int | None = None, front: TopHats | None = None
    ) -> None:
        super().__init__()
        bounded(layers)
        self.layers, self.refuse, self.front = layers, refuse, front
        self.weight = nn.Parameter(torch.full((features,), -math.log(features)))
        self.bias = nn.Parameter(torch.zeros(()))
        self.register_buffer("shift", torch.zeros(()))

    def last(self) -> Tensor:
        """[D]: what the last features are multiplied by."""
        return -self.weight.exp() if self.front is None else self.weight

    def score(self, pixels: Tensor) -> Tensor:
        """g(x) + shift: [B, 3, H, W] -> [B]."""
        h = pixels if self.front is None else self.front(pixels.clamp(-HUGE, HUGE))
        for layer in self.layers:
            h = F.relu(applied(layer, h))
        outside = (F.relu(pixels - 1) + F.relu(-pixels)).flatten(1).sum(1)
        return self.bias + self.shift + F.linear(h.flatten(1), self.last()[None])[:, 0] - outside

    def upper(self, low: Tensor, high: Tensor) -> Tensor:
        """[B]: no pixels between low and high [B, 3, H, W] have a larger score. Interval bounds (Gowal et al. 2018)."""
        outside = (F.relu(low - 1) + F.relu(-high)).flatten(1).sum(1)  # the least the box term can be
        return self._highest(*((low, high) if self.front is None else self.front.interval(low, high))) - outside

    def _highest(self, low: Tensor, high: Tensor) -> Tensor:
        """[B]: the bound without the box term, of what enters the layers."""
        for layer in self.layers:
            low, high = through(layer, low, high)
        weight = self.last()[None]
        most = F.linear(low.flatten(1), weight.clamp(max=0)) + F.linear(high.flatten(1), weight.clamp(min=0))
        return self.bias + self.shift + most[:, 0]

    def odds(self, outputs: dict[str, Tensor]) -> Tensor:
        return self.score(outputs["pixels"])

    def believing(self, logits: Tensor, odds: Tensor) -> Tensor:
        """Logits [B, K] and scores [B] -> guarded log-probabilities [B, K]. Raises ValueError where no class is `refuse`."""
        if self.refuse is None:
            return mixed(logits, odds)
        if not 0 <= self.refuse < logits.shape[1]:
            raise ValueError(
                f"refuse is {self.refuse}: give the number of one of the {logits.shape[1]} classes, from 0"
            )
        believed = torch.log_softmax(logits, 1) + F.logsigmoid(odds)[:, None]
        rest = F.logsigmoid(-odds)[:, None]
        given = torch.where(torch.arange(logits.shape[1], device=logits.device) == self.refuse, 0.0, -1e4)
        return ordered(torch.logaddexp(believed, rest + given), logits, self.refuse)

    def rounding(self, pixels: Tensor) -> Tensor:
        """[B]: at most so far from exact arithmetic are `score` and `upper` of pixels [B, 3, H, W] in [0, 1], in their dtype.

        A sum of n products in any order, of unit roundoff u, is off by at most n u / (1 - n u) times the sum of their sizes
        (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1). Sizes go through the layers as the
        pixels do, all signs dropped; n counts every step from pixels to score, doubled for a bound's centre and radius.
        """
        sizes, n = (pixels.abs(), 0) if self.front is None else (self.front.sizes(pixels), 2 * STEPS)
        for layer in self.layers:
            sizes = sized(layer, sizes, offset=True)
            n += 2 * (layer.weight[0].numel() + 6)
        n += 2 * (sizes[0].numel() + 6)
        total = self.bias.abs() + self.shift.abs() + F.linear(sizes.flatten(1), self.last().abs()[None])[:, 0]
        share = n * torch.finfo(pixels.dtype).eps / 2
        return (1.01 * share / (1 - share)) * total

    def certify(self, pixels: Tensor, eps: float, classes: int) -> NDArray[np.float64]:
        """[B]: the proved highest confidence in the l_inf ball of eps around pixels [B, 3, H, W], inside [0, 1].

        Holds for any net behind the guard. With `refuse` it bounds the probability of every other class. Sound under
        rounding: the score's bound is taken in float64 and raised by 1e-6 and by `rounding`, and the ball is wider by 2^-23, so that
        pixels moved in float32 (x + eps, rounded) lie in it. The head itself runs in float32: what it prints may lie above
        by its own rounding. Raises ValueError for eps < 0, no pixels or some outside [0, 1], pictures of another size, or fewer than 2 classes.
        """
        if not eps >= 0:
            raise ValueError(f"eps {eps} must be >= 0")
        in_the_box(pixels)
        exact, reach = copy.deepcopy(self).double(), eps + (WIDER if eps else 0)
        with torch.no_grad():
            x = pixels.double()
            try:
                high = exact.upper((x - reach).clamp(min=0), (x + reach).clamp(max=1))
            except RuntimeError as error:
                raise ValueError(
                    f"no bounds of pictures {list(pixels.shape)}: was the guard made for others? {error}"
                ) from error
            high += SLACK + exact.rounding((x + reach).clamp(max=1))
        return self._confidence(high, classes)

    def ray_bound(self, pixels: Tensor, alpha: float, classes: int) -> NDArray[np.float64]:
        """[B]: no alpha' >= alpha >= 0 gives alpha' * pixels a larger confidence; -> 1 / K for every picture but 0. Proved.

        All that is subtracted from b is >= 0 (or, behind a front end, all that is added is bounded), and the box term does not fall with alpha: each pixel x adds relu(alpha x - 1)
        or relu(-alpha x), and one that is not 0 adds a share that grows without end. In float64, with the slack of `certify`.
        With `refuse` it bounds every other class, and goes to 0. Raises ValueError for alpha < 0, pixels that are not
        finite or fewer than 2 classes.
        """
        if not 0 <= alpha < math.inf or not len(pixels) or not torch.isfinite(pixels).all():
            raise ValueError(f"alpha {alpha} must be >= 0 and finite; the pixels must be finite, and some")
        x = alpha * pixels.detach().double()
        box = (F.relu(x - 1) + F.relu(-x)).flatten(1).sum(1)
        most = (self.bias.double() + self.shift.double()).detach()
        if self.front is not None:
            with torch.no_grad():
                exact = copy.deepcopy(self).double()
                shown = exact.front(torch.zeros_like(x[:1]))  # its shape; what comes out lies in [0, 1]
                ones = torch.ones_like(shown)
                most = (exact._highest(0 * ones, ones) + exact.rounding(torch.ones_like(x[:1])))[0]
        return self._confidence(most + SLACK * (1 + most.abs()) - (1 - 1e-9) * box, classes)

    def _confidence(self, score: Tensor, classes: int) -> NDArray[np.float64]:
        """The highest confidence that a score of at most this allows, rounded up."""
        if at_least_two(classes) <= (self.refuse or 0):
            raise ValueError(f"refuse is {self.refuse} and classes {classes}: it is none of them")
        share: NDArray[np.float64] = torch.sigmoid(score).cpu().numpy()
        highest = share if self.refuse is not None else share + (1 - share) / classes
        return np.minimum(highest + 1e-15, 1.0)
