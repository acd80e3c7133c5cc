"""Export: every net's judge file agrees with torch, holds nothing of its machine, and is never half written."""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from openset import images, nets
from openset.errors import JudgeFileError, TrainingError
from openset.export import TOLERANCE, Graph, check_parity, export, parity_pixels
from openset.judge import OUTPUTS, Judge, open_judge
from openset.sheetmusic.net import NARROW, Backbone, SheetNet
from openset.types import JudgeInfo, Preprocess

LABELS = ("a", "b", "c")
EXAMPLES = Path(images.__file__).parent / "examples"


def info(preprocess: Preprocess, labels: tuple[str, ...] = LABELS) -> JudgeInfo:
    return JudgeInfo(labels=labels, preprocess=preprocess, facts={"seed": 0}, name="made by a test")


def trained(net: nn.Module, preprocess: Preprocess, steps: int = 3) -> nn.Module:
    """`net` after a few steps, so that weights and batch statistics are no longer those of the start; eval mode."""
    torch.manual_seed(1)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.02)
    side = -(-preprocess.size // preprocess.multiple) * preprocess.multiple
    net.train()
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(torch.rand(6, 3, side, side)), torch.arange(6) % 3)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net.eval()


def difference(graph: nn.Module, judge: Judge, pixels: np.ndarray[Any, Any]) -> float:
    with torch.no_grad():
        right = graph(torch.from_numpy(pixels))
    made = judge.outputs(pixels)
    return max(float(abs(made[key] - value.numpy()).max()) for key, value in zip(OUTPUTS, right, strict=True))


def real_difference(net: nn.Module, judge: Judge, head: Any = None) -> float:
    """The worst difference from torch on the bundled photographs, scans and pages, read as the judge reads them."""
    pre, graph = judge.info.preprocess, Graph(net, head).eval()
    examples = [p for p in sorted(EXAMPLES.iterdir()) if p.suffix in (".jpg", ".png") and p.stem != "truncated"]
    assert len(examples) >= 10
    read = (images.resize(images.load(path, size_hint=pre.size_hint), pre) for path in examples)
    return max(difference(graph, judge, pixels[None]) for pixels in read)


class Small(nn.Module):
    """Convolution, batch-norm, mean over the picture, linear."""

    def __init__(self, width: int = 4, classes: int = 3) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, width, 3, stride=2, padding=1), nn.BatchNorm2d(width)
        self.last = nn.Linear(width, classes)

    def features(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu().mean((2, 3))

    def classify(self, features: Tensor) -> Tensor:
        return self.last(features)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x))


class Guarded(Small):
    """A net with outputs of its own, as a guard gives them."""

    def outputs(self, pixels: Tensor) -> dict[str, Tensor]:
        logits = self(pixels)
        guard = torch.sigmoid(self.features(pixels).sum(1) - 1)
        p = logits.softmax(1) * guard[:, None] + (1 - guard[:, None]) / logits.shape[1]
        return {"logits": logits, "probabilities": p, "score": guard}


class Temperature(nn.Module):
    """A head: logits divided by one number."""

    def __init__(self, t: float) -> None:
        super().__init__()
        self.t = nn.Parameter(torch.tensor(t))

    def forward(self, outputs: dict[str, Tensor]) -> Tensor:
        return (outputs["logits"] / self.t).log_softmax(1)


def by_features(outputs: dict[str, Tensor]) -> Tensor:
    """A head that is a plain function: the nearest of three fixed points among the features."""
    points = torch.arange(12, dtype=torch.float32).view(3, 4) / 12
    return (-(outputs["features"][:, None] - points).pow(2).sum(2)).log_softmax(1)


SMALL = Preprocess(mode="stretch", size=12)
FIT = Preprocess(mode="fit", size=40, multiple=8)


@pytest.mark.parametrize(
    "name",
    ["lenet", "resnet-small", "timm:resnet10t", pytest.param("mobilenetv3_small_050", marks=pytest.mark.long)],
)
def test_every_net_agrees_with_torch_after_some_training(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nets.build(name, 3)
    pre = net.preprocess if net.preprocess.size <= 32 else Preprocess(mode="crop", size=48)
    trained(net, pre)
    export(net, tmp_path / "j.onnx", info(pre))
    judge = open_judge(tmp_path / "j.onnx", threads=1)
    worst = check_parity(Graph(net).eval(), judge)
    assert set(worst) == set(OUTPUTS)
    assert all(value <= TOLERANCE for value in worst.values())
    pixels = np.random.default_rng(5).random((5, 3, pre.size, pre.size), dtype=np.float32)
    assert difference(Graph(net).eval(), judge, pixels) < TOLERANCE  # a batch of another size than any checked
    assert real_difference(net, judge) < TOLERANCE


@pytest.mark.parametrize("name", ["docnet", "sheet-music", "sheet-music, two looks"])
def test_a_net_for_pages_takes_every_shape_that_preprocessing_makes(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = (
        nets.build(name, 3) if name == "docnet" else SheetNet(second=Backbone(NARROW) if "two" in name else None).eval()
    )
    pre = Preprocess(mode="fit", size=70, multiple=net.preprocess.multiple)
    labels = LABELS if name == "docnet" else ("sheet", "other")
    if name == "docnet":
        trained(net, pre)
    export(net, tmp_path / "j.onnx", info(pre, labels))
    judge = open_judge(tmp_path / "j.onnx", threads=1)
    rng = np.random.default_rng(0)
    for height, width in [(1, 50), (50, 1), (30, 30), (90, 20), (200, 170)]:
        pixels = images.resize(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), pre)
        assert difference(Graph(net).eval(), judge, pixels[None]) < TOLERANCE
    assert real_difference(net, judge) < TOLERANCE


@pytest.mark.parametrize("pre", [FIT, Preprocess(mode="fit", size=20, multiple=1)])
def test_probabilities_are_the_softmax_and_the_score_the_largest(pre: Preprocess, tmp_path: Path) -> None:
    net = trained(Small(), pre)
    export(net, tmp_path / "j.onnx", info(pre))
    made = open_judge(tmp_path / "j.onnx", threads=1).outputs(next(parity_pixels(pre))[1])
    e = np.exp(made["logits"].astype(np.float64))
    np.testing.assert_allclose(made["probabilities"], e / e.sum(1, keepdims=True), atol=1e-6)
    np.testing.assert_array_equal(made["score"], made["probabilities"].max(1))


def test_a_net_with_outputs_of_its_own_keeps_them(tmp_path: Path) -> None:
    net = trained(Guarded(), SMALL)
    export(net, tmp_path / "j.onnx", info(SMALL))
    judge = open_judge(tmp_path / "j.onnx", threads=1)
    pixels = np.random.default_rng(0).random((4, 3, 12, 12), dtype=np.float32)
    with torch.no_grad():
        right = net.outputs(torch.from_numpy(pixels))  # type: ignore[operator]
    for key, value in judge.outputs(pixels).items():
        np.testing.assert_allclose(value, right[key].numpy(), atol=1e-6)
    with pytest.raises(TrainingError, match="own outputs"):
        Graph(net, Temperature(2.0))


@pytest.mark.parametrize("head", [Temperature(2.5), by_features])
def test_a_head_is_baked_in_and_leaves_the_logits(head: Any, tmp_path: Path) -> None:
    net = trained(Small(), SMALL)
    export(net, tmp_path / "j.onnx", info(SMALL), head)
    made = open_judge(tmp_path / "j.onnx", threads=1)
    pixels = np.random.default_rng(0).random((4, 3, 12, 12), dtype=np.float32)
    got = made.outputs(pixels)
    with torch.no_grad():
        features = net.features(torch.from_numpy(pixels))  # type: ignore[operator]
        logits = net(torch.from_numpy(pixels))
        right = head({"logits": logits, "features": features}).exp()
    np.testing.assert_allclose(got["logits"], logits.numpy(), atol=1e-5)
    np.testing.assert_allclose(got["probabilities"], right.numpy(), atol=1e-5)
    np.testing.assert_array_equal(got["score"], got["probabilities"].max(1))  # these heads are no guards


def test_export_is_quiet_leaves_the_net_alone_and_writes_one_sound_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path, net = tmp_path / "j.onnx", Small().train().double()
    before, filters = copy.deepcopy(net.state_dict()), list(warnings.filters)
    export(net, path, info(FIT))
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert warnings.filters == filters
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []

    assert list(tmp_path.iterdir()) == [path]
    model = onnx.load(path, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.key for entry in model.metadata_props] == ["openset"]
    data = path.read_bytes()
    for trace in (b"stack_trace", b".py", str(Path(__file__).parent).encode(), str(Path.home()).encode() + b"/"):
        assert trace not in data
    assert open_judge(path, threads=1).info == info(FIT)


class Infinite(Small):
    """Divides by the spread of the pixels, which is 0 on a plain picture."""

    def features(self, x: Tensor) -> Tensor:
        return super().features(x / x.std(dim=(1, 2, 3), keepdim=True))


class Branching(nn.Module):
    """Its forward looks at the values: no graph can hold that."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Small()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) if bool(x.mean() > 0.5) else self.net(1 - x)


@pytest.mark.parametrize(
    ("net", "labels", "error", "said"),
    [
        (Branching(), LABELS, TrainingError, "cannot be exported to ONNX .*must not branch"),
        (Infinite(), LABELS, TrainingError, "differs from torch by nan .*'all 0'.*Nothing was written"),
        (Small(classes=4), LABELS, JudgeFileError, r"\[B, 3\].*3 labels"),
        (Small(), ("a", "a", "b"), JudgeFileError, "'labels'"),
    ],
)
def test_on_an_error_the_old_file_stays_and_no_other_appears(
    net: nn.Module, labels: tuple[str, ...], error: type[Exception], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "j.onnx"
    path.write_bytes(b"old")
    with pytest.raises(error, match=said):
        export(net, path, info(SMALL, labels))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_graph_that_differs_from_torch_is_found(tmp_path: Path) -> None:
    """A weight moved by 0.01 after the export: less than any eye sees, more than the check allows."""
    net = Small().eval()
    export(net, tmp_path / "j.onnx", info(SMALL))
    judge = open_judge(tmp_path / "j.onnx", threads=1)
    with torch.no_grad():
        net.last.bias[1] += 0.01
    with pytest.raises(TrainingError, match=r"differs from torch by 0\.01"):
        check_parity(Graph(net).eval(), judge)


def test_parity_is_checked_on_one_and_three_in_and_out_of_range_and_on_several_shapes() -> None:
    seen = [pixels for _, pixels in parity_pixels(FIT)]
    assert {len(pixels) for pixels in seen} == {1, 3}
    assert {pixels.shape[2:] for pixels in seen} == {(40, 40), (40, 32), (32, 40), (40, 8), (8, 40)}
    assert {pixels.dtype for pixels in seen} == {np.dtype(np.float32)}
    lows, highs = [float(p.min()) for p in seen], [float(p.max()) for p in seen]
    assert min(lows) == -1000
    assert max(highs) == 1000
    constant = {low for low, high in zip(lows, highs, strict=True) if low == high}
    assert constant == {0, 1, 1000, -1000}
