"""Heads on features: Laplace against laplace-torch's own prediction, guards against plain numpy, all into a judge file."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from openset import open_judge
from openset.errors import TrainingError
from openset.export import TOLERANCE, export
from openset.heads import fit_laplace, fit_mahalanobis, fit_neighbours
from openset.nets import build
from openset.types import JudgeInfo
from test_export import real_difference

D, K = 6, 3


def features(n: int, seed: int, spread: float = 1.0) -> tuple[Tensor, np.ndarray]:
    g = np.random.default_rng(seed)
    y = g.integers(K, size=n)
    return torch.from_numpy((4 * np.eye(D)[y] + spread * g.normal(size=(n, D))).astype(np.float32)), y


def far(n: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 8, (n, D)).astype(np.float32))


@pytest.fixture(scope="module")
def last() -> nn.Linear:
    return trained(K)


def trained(classes: int, bias: bool = True) -> nn.Linear:
    """A last layer trained on the features, for the first classes and the rest as the last."""
    torch.manual_seed(0)
    x, y = features(400, 0)
    y, layer = np.minimum(y, classes - 1), nn.Linear(D, classes, bias=bias)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        nn.functional.cross_entropy(layer(x), torch.from_numpy(y)).backward()
        optimiser.step()
    return layer


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("classes", [2, 3])
def test_laplace_is_what_laplace_torch_predicts(classes: int, bias: bool) -> None:
    last, (x, y) = trained(classes, bias), features(400, 0)
    y = np.minimum(y, classes - 1)
    head = fit_laplace(last, x, y)
    probe = torch.cat([features(20, 1)[0], far(20, 2)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from laplace import Laplace
        from torch.utils.data import DataLoader, TensorDataset

        model = nn.Sequential(nn.Linear(D, classes, bias=bias)).double()
        model[0].load_state_dict(last.state_dict())
        theirs = Laplace(model, "classification", subset_of_weights="all", hessian_structure="kron")
        theirs.fit(DataLoader(TensorDataset(x.double(), torch.from_numpy(y)), batch_size=512))
        theirs.optimize_prior_precision(method="marglik")
        expected = theirs(probe.double(), pred_type="glm", link_approx="probit")
    with torch.no_grad():
        found = head({"logits": last(probe), "features": probe}).exp().double()
    torch.testing.assert_close(found, expected.double(), rtol=1e-4, atol=1e-5)


def test_laplace_stays_below_one_along_rays_where_softmax_goes_to_one(last: nn.Linear) -> None:
    x, y = features(400, 0)
    head = fit_laplace(last, x, y)
    for ray in features(5, 3)[0]:
        with torch.no_grad():
            out = {"features": 1e4 * ray[None], "logits": last(1e4 * ray[None])}
            farther = {"features": 1e6 * ray[None], "logits": last(1e6 * ray[None])}
            assert out["logits"].softmax(1).amax() == 1
            assert head(out).exp().amax() < 0.9999
            # both logit and its spread grow in proportion: the limit is reached, by the formula without the 1
            limit = (last.weight @ ray) / (math.pi / 8 * (head.variances(ray[None])[0] - head.offset)).sqrt()
            torch.testing.assert_close(head(farther)[0], limit.log_softmax(0), rtol=1e-3, atol=1e-3)


def test_mahalanobis_distance_is_numpys() -> None:
    x, y = features(500, 0)
    guard = fit_mahalanobis(x, y, features(200, 1)[0], far(200, 2), shrink=0.01)
    a, probe = x.double().numpy(), far(30, 5).double().numpy()
    means = np.stack([a[y == k].mean(0) for k in range(K)])
    cov = (a - means[y]).T @ (a - means[y]) / len(a)
    inverse = np.linalg.inv(cov + 0.01 * np.diag(cov).mean() * np.eye(D))
    expected = np.min([np.sqrt(np.einsum("nd,de,ne->n", probe - m, inverse, probe - m)) for m in means], axis=0)
    np.testing.assert_allclose(guard.distance(torch.from_numpy(probe).float()).numpy(), expected, rtol=1e-3)


def test_six_pictures_of_64_features_have_distances_and_classes_may_have_gaps() -> None:
    """Others gave "distances" from -4e6 to 7.5e7. By Woodbury: along directions without spread only the shrinkage counts."""
    rng = np.random.default_rng(0)
    a, y, probe = rng.normal(size=(6, 64)), np.array([0, 0, 2, 2, 5, 5]), rng.normal(0, 3, (40, 64))
    a, probe = a.astype(np.float32).astype(float), probe.astype(np.float32).astype(float)
    x = torch.from_numpy(a).float()
    guard = fit_mahalanobis(x, y, x + 0.01, x + 9)
    means = np.stack([a[y == k].mean(0) for k in (0, 2, 5)])
    centred = a - np.repeat(means, 2, 0)
    floor = 0.01 * (centred**2).sum() / 6 / 64
    small = np.linalg.inv(6 * floor * np.eye(6) + centred @ centred.T)
    gaps = probe[:, None] - means
    along = gaps @ centred.T
    expected = np.sqrt(((gaps**2).sum(2) - np.einsum("nkd,de,nke->nk", along, small, along)) / floor).min(1)
    np.testing.assert_allclose(guard.distance(torch.from_numpy(probe).float()).numpy(), expected, rtol=1e-3)


def test_neighbours_distance_is_numpys() -> None:
    x = features(300, 0)[0]
    guard = fit_neighbours(x, features(100, 1)[0], far(100, 2), k=7)
    probe = far(30, 5).numpy()
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (probe, x.numpy())]
    expected = np.sort(np.linalg.norm(unit[0][:, None] - unit[1][None], axis=2), axis=1)[:, 6]
    np.testing.assert_allclose(guard.distance(torch.from_numpy(probe)).numpy(), expected, rtol=1e-3, atol=1e-3)


def test_guards_believe_near_pictures_and_let_no_class_overtake() -> None:
    x, y = features(500, 0)
    near, away = features(200, 1)[0], far(200, 2)
    for guard in (fit_mahalanobis(x, y, near, away), fit_neighbours(x, near, away)):
        logits = torch.randn((100, K), generator=torch.Generator().manual_seed(0)) * 5
        inside = guard({"features": features(100, 3)[0], "logits": logits}).exp()
        outside = guard({"features": far(100, 4), "logits": logits}).exp()
        torch.testing.assert_close(inside.sum(1), torch.ones(100))
        assert torch.equal(inside.argmax(1), logits.argmax(1))
        assert inside.amax(1).mean() > outside.amax(1).mean() + 0.1
        believed = torch.sigmoid(guard.at - guard.slope * torch.log1p(guard.distance(far(9, 6))))[:, None]
        expected = believed * logits[:9].softmax(1) + (1 - believed) / K
        torch.testing.assert_close(guard({"features": far(9, 6), "logits": logits[:9]}).exp(), expected)


def test_features_that_do_not_tell_are_an_error() -> None:
    x, y = features(200, 0)
    with pytest.raises(TrainingError, match="not farther away"):
        fit_mahalanobis(x, y, far(100, 1), x[:50])
    with pytest.raises(ValueError, match="not one-hot"):
        fit_mahalanobis(x, np.eye(K, dtype=int)[y], x, far(10, 1))
    for shrink in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="shrink is"):
            fit_mahalanobis(x, y, x, far(10, 1), shrink=shrink)
    with pytest.raises(ValueError, match=r"give \[M, 6\] of both"):
        fit_mahalanobis(x, y, x[:, :5], far(10, 1))
    with pytest.raises(ValueError, match="finite"):  # laplace-torch ends the program there, with exit code 0
        fit_laplace(nn.Linear(D, K), x * math.nan, y)
    with pytest.raises(ValueError, match="k is 900"):
        fit_neighbours(x, x, far(10, 1), k=900)
    with pytest.raises(ValueError, match="not one-hot"):
        fit_laplace(nn.Linear(D, K), x, np.eye(K, dtype=int)[y])
    with pytest.raises(ValueError, match=r"give \[N, 6\]"):
        fit_laplace(nn.Linear(D, K), x[:, :5], y)


def test_every_head_goes_into_a_judge_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = build("lenet", K)
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        inside = net.features(torch.rand((60, 3, 28, 28), generator=g))
        outside = net.features(3 * torch.rand((60, 3, 28, 28), generator=g))
    y = np.arange(60) % K
    heads = {
        "laplace": fit_laplace(net.head, inside, y),  # type: ignore[arg-type]
        "mahalanobis": fit_mahalanobis(inside, y, inside, outside),
        "neighbours": fit_neighbours(inside, inside + 0.01, outside, k=3),
    }
    for name, head in heads.items():
        export(net, tmp_path / f"{name}.onnx", JudgeInfo(("a", "b", "c"), net.preprocess), head=head)
        judge = open_judge(tmp_path / f"{name}.onnx")
        assert real_difference(net, judge, head) < TOLERANCE
        made = judge.outputs(np.full((2, 3, 28, 28), 0.4, np.float32))
        assert made["probabilities"].sum(1) == pytest.approx([1, 1], abs=1e-4)
