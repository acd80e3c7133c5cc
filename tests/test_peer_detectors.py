"""pytorch-ood's detectors through one adapter: higher is surer, whatever the detector, and failures name it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from openset.errors import TrainingError
from openset.heads import PeerDetector
from openset.metrics import auroc

detectors = pytest.importorskip("pytorch_ood.detector")


class Net(nn.Module):
    """Features: the mean of each channel, ten times; logits: the same."""

    def features(self, x: Tensor) -> Tensor:
        return 10 * x.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)


def pictures(n: int, seed: int) -> tuple[Tensor, np.ndarray]:
    """Pictures with one channel lighter than the others: its number is the class."""
    g = np.random.default_rng(seed)
    y = g.integers(3, size=n)
    x = 0.2 + 0.1 * g.random((n, 3, 4, 4))
    x[np.arange(n), y] += 0.5
    return torch.from_numpy(x.astype(np.float32)), y


def gray(n: int) -> Tensor:
    return torch.full((n, 3, 4, 4), 0.3) + 0.02 * torch.rand((n, 3, 4, 4), generator=torch.Generator().manual_seed(0))


def test_the_score_is_the_formula_with_higher_surer() -> None:
    net, (x, _) = Net().eval(), pictures(9, 0)
    logits = net(x).double()
    softmax = PeerDetector(detectors.MaxSoftmax(net)).confidence(x, batch=4)
    energy = PeerDetector(detectors.EnergyBased(net)).confidence(x)
    np.testing.assert_allclose(softmax, torch.softmax(logits, 1).amax(1).numpy(), rtol=1e-5)
    np.testing.assert_allclose(energy, torch.logsumexp(logits, 1).numpy(), rtol=1e-5)


@pytest.mark.parametrize("name", ["MaxSoftmax", "MaxLogit", "Entropy", "EnergyBased", "Mahalanobis", "KNN"])
def test_every_detector_is_surer_of_the_classes_than_of_gray(name: str) -> None:
    net, (x, y) = Net().eval(), pictures(60, 1)
    inner = net.features if name in ("Mahalanobis", "KNN") else net
    options = {"k": 5} if name == "KNN" else {}
    peer = PeerDetector(getattr(detectors, name)(inner, **options)).fit(x, y)
    assert peer.name == name
    assert auroc(peer.confidence(pictures(30, 2)[0]), peer.confidence(gray(30))) == 1.0


def test_one_picture_and_none() -> None:
    peer = PeerDetector(detectors.MaxLogit(Net().eval()))
    x, _ = pictures(2, 3)
    np.testing.assert_allclose(peer.confidence(x[:1]), peer.confidence(x)[:1])
    assert peer.confidence(x[:0]).shape == (0,)


def test_what_is_wrong_is_said_with_the_detectors_name() -> None:
    x, y = pictures(8, 4)
    with pytest.raises(TypeError, match="no detector of pytorch-ood"):
        PeerDetector(Net())
    with pytest.raises(TrainingError, match="Mahalanobis failed"):
        PeerDetector(detectors.Mahalanobis(Net().features)).confidence(x)
    with pytest.raises(ValueError, match="class numbers"):
        PeerDetector(detectors.KNN(Net().features)).fit(x, np.eye(3)[y])
    with pytest.raises(TrainingError, match="MaxLogit gave no single finite score"):
        PeerDetector(detectors.MaxLogit(lambda pixels: torch.full((len(pixels), 2), torch.nan))).confidence(x)
