"""Any pytorch-ood detector beside our heads, for comparison: its sign turned round once, here and nowhere else.

pytorch-ood gives outlier scores, higher is stranger; everywhere in openset higher is surer. A detector is not baked into a judge
file, and its scores are no probabilities: compare them by AUROC, AUPR and FPR, which need an order only.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ..errors import MissingExtraError, TrainingError


class PeerDetector:
    """One detector of pytorch-ood, made by the caller: `PeerDetector(pytorch_ood.detector.EnergyBased(net))`."""

    def __init__(self, detector: Any) -> None:
        """Raises MissingExtraError without pytorch-ood, TypeError for what is none of its detectors."""
        try:
            from pytorch_ood.api import Detector
        except ImportError as error:
            raise MissingExtraError("PeerDetector", "pytorch-ood", "ood") from error
        if not isinstance(detector, Detector):
            raise TypeError(
                f"{type(detector).__name__} is no detector of pytorch-ood: give an instance such as EnergyBased(net)"
            )
        self.detector = detector
        self.name = type(detector).__name__

    def fit(self, pixels: Tensor, targets: ArrayLike, *, batch: int = 64) -> Self:
        """Fit on training pictures [N, 3, H, W] with class numbers [N], 0 to K - 1; detectors that need none are left as
        they are. Raises ValueError for other targets and for batch below 1, TrainingError where the detector fails."""
        from torch.utils.data import DataLoader, TensorDataset

        y = np.asarray(targets)
        if y.shape != (len(pixels),) or y.dtype.kind not in "iu" or (len(y) and y.min() < 0):
            raise ValueError(f"targets {list(y.shape)} of {y.dtype}: give class numbers [{len(pixels)}]")
        _check_batch(batch)
        pairs = TensorDataset(pixels, torch.from_numpy(y.astype(np.int64)))
        try:
            self.detector.fit(DataLoader(pairs, batch_size=batch))
        except Exception as error:
            raise TrainingError(f"{self.name} could not be fitted: {type(error).__name__}: {error}") from error
        return self

    def confidence(self, pixels: Tensor, *, batch: int = 64) -> NDArray[np.float64]:
        """[N, 3, H, W] -> [N], higher = surer, of any size and sign. Raises TrainingError where the detector fails, is not
        fitted, or gives other than one finite number for each picture, ValueError for batch below 1."""
        _check_batch(batch)
        parts = []
        for part in pixels.split(batch) if len(pixels) else ():
            try:
                score = torch.as_tensor(self.detector.predict(part)).detach().double().cpu()
            except Exception as error:
                raise TrainingError(f"{self.name} failed: {type(error).__name__}: {error}") from error
            if score.numel() != len(part) or not torch.isfinite(score).all():
                raise TrainingError(f"{self.name} gave no single finite score for each picture")
            parts.append(-score.reshape(-1).numpy())
        return np.concatenate(parts) if parts else np.zeros(0)


def _check_batch(batch: int) -> None:
    if batch < 1:
        raise ValueError(f"batch {batch} must be at least 1")
