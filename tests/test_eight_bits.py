"""The judge in integers: what is rounded and by how much, against formulas and the float net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="judges are exported with openset[train]")

import onnx
import onnxruntime
import torch
from torch import nn

from openset.export import export
from openset.judge import judge_of
from openset.judgefile import with_info
from openset.sheetmusic.eight_bits import eight_bits, whole
from openset.sheetmusic.fold import folded, refold
from openset.sheetmusic.net import LABELS, NARROW, Backbone, SheetNet
from openset.types import JudgeInfo, Preprocess

INFO = JudgeInfo(LABELS, Preprocess(mode="fit", size=128, multiple=64, min_side=64), name="small")


@pytest.fixture(scope="module")
def net() -> SheetNet:
    """One look with batch-norms that have seen pictures."""
    torch.manual_seed(0)
    made = SheetNet(Backbone(NARROW))
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.3, 0.3)
        for _ in range(10):
            made.maps(pages(4))
    return made.eval()


def pages(n: int) -> torch.Tensor:
    """Gray pages with lines: float32 [n, 3, 128, 128]."""
    gray = torch.rand(n, 1, 128, 128) * 0.2 + 0.8
    gray[:, :, ::9] = torch.rand(n, 1, 1, 1)
    return gray.expand(-1, 3, -1, -1).contiguous()


@pytest.fixture(scope="module")
def files(net: SheetNet, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The graph in float and in integers."""
    file = tmp_path_factory.mktemp("eight") / "float.onnx"
    export(folded(net), file, INFO)
    model = file.read_bytes()
    torch.manual_seed(1)
    return model, eight_bits(model, pages(8).split(1))


def test_folding_batch_norms_changes_nothing_and_leaves_the_net(net: SheetNet) -> None:
    made, x = folded(net), pages(2)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in made.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    with torch.no_grad():
        torch.testing.assert_close(made.features(x), net.features(x), rtol=1e-3, atol=1e-4)
        assert torch.equal(folded(made).features(x), made.features(x))


def test_a_folded_copy_follows_a_net_that_learns() -> None:
    torch.manual_seed(5)
    net, x = Backbone(NARROW), torch.rand(4, 1, 64, 64)
    made = folded(net)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    net.train()(x).square().mean().backward()  # the statistics of its batch-norms move too
    optimiser.step()
    net.eval()
    with torch.no_grad():
        assert not torch.allclose(made(x), net(x), atol=1e-2)
        refold(made, net)
        torch.testing.assert_close(made(x), net(x), rtol=1e-4, atol=1e-4)


def alone(node: Any, graph: Any, x: Any) -> Any:
    """What onnxruntime gives for one node of the graph."""
    of, helper = onnx.TensorProto.UINT8, onnx.helper
    tensors = [t for t in graph.initializer if t.name in node.input]
    ends = [helper.make_tensor_value_info(name, of, [None] * 4) for name in (node.input[0], node.output[0])]
    made = helper.make_model(
        helper.make_graph([node], "one", ends[:1], ends[1:], tensors),
        opset_imports=[helper.make_opsetid("", 20)], ir_version=10,
    )  # fmt: skip
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {node.input[0]: x})[0]


def test_all_convolutions_but_the_first_of_a_look_are_in_integers(files: tuple[bytes, bytes]) -> None:
    graph = onnx.load_from_string(files[0])
    chosen, kinds = set(whole(graph)), {node.name: node.op_type for node in graph.graph.node}
    left = [name for name, kind in kinds.items() if kind == "Conv" and name not in chosen]
    assert len(left) == 3  # one a scale
    assert sum(kinds[name] == "Conv" for name in chosen) == 3 * 14
    assert sum(kinds[name] == "Add" for name in chosen) == 3 * 5  # a shortcut's sum in each block


def test_a_convolution_is_one_node_of_the_standard_and_the_same_integers(files: tuple[bytes, bytes]) -> None:
    """The node gives what its definition says: the convolution of what its integers stand for, rounded."""
    graph = onnx.load_from_string(files[1]).graph
    node = next(node for node in graph.node if node.op_type == "QLinearConv")
    given = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias = (given[name] for name in node.input[1:])
    x = np.random.default_rng(3).integers(0, 256, (1, w.shape[1], 9, 9), dtype=np.uint8)
    real = (x.astype(np.float64) - x_zero) * x_scale
    weight = (w.astype(np.float64) - w_zero.reshape(-1, 1, 1, 1)) * w_scale.reshape(-1, 1, 1, 1)
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    y = nn.functional.conv2d(
        torch.tensor(real), torch.tensor(weight), torch.tensor(bias * x_scale.astype(np.float64) * w_scale),
        stride=attributes["strides"], padding=attributes["pads"][0], groups=attributes.get("group", 1),
    ).numpy()  # fmt: skip
    wanted = np.clip(np.rint(y / y_scale) + y_zero, 0, 255)
    got = alone(node, graph, x)
    assert np.abs(got.astype(int) - wanted).max() <= 1  # ties of rounding
    assert (got == wanted).mean() > 0.99
    kinds = [n.op_type for n in graph.node]
    assert kinds.count("QLinearConv") == 3 * 14
    assert kinds.count("Conv") == 3
    assert {n.domain for n in graph.node} == {""}


def test_convolutions_without_a_bias_are_joined_too(tmp_path: Path) -> None:
    """The exporter leaves out biases of zeros, which a net has whose batch-norms saw nothing."""
    torch.manual_seed(4)
    export(folded(SheetNet(Backbone(NARROW)).eval()), tmp_path / "float.onnx", INFO)
    real = (tmp_path / "float.onnx").read_bytes()
    made = eight_bits(real, pages(4).split(1))
    nodes = [node for node in onnx.load_from_string(made).graph.node if node.op_type == "QLinearConv"]
    assert len(nodes) == 3 * 14
    assert min(len(node.input) for node in nodes) == 8  # nine with a bias
    x = pages(2).numpy()
    outputs = [judge_of(with_info(model, INFO), "small", threads=1).outputs(x) for model in (real, made)]
    np.testing.assert_allclose(outputs[1]["probabilities"], outputs[0]["probabilities"], atol=0.02)


def test_a_weight_is_rounded_to_seven_bits_of_its_channel(files: tuple[bytes, bytes]) -> None:
    before, after = (onnx.load_from_string(model) for model in files)
    real, rounded = (
        {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer} for model in (before, after)
    )
    weights = [name for name in real if f"{name}_quantized" in rounded and real[name].ndim == 4]
    assert len(weights) == 14  # shared by the scales
    for name in weights:
        whole_numbers, scale = rounded[f"{name}_quantized"], rounded[f"{name}_scale"]
        assert whole_numbers.dtype == np.int8
        assert abs(whole_numbers.astype(int)).max() <= 64
        assert len(scale) == len(real[name])  # of its own for each output channel
        steps = abs(real[name] / scale[:, None, None, None] - whole_numbers)
        assert steps.max() <= 0.5 + 1e-3


def test_the_judge_in_integers_agrees_with_the_float_one(files: tuple[bytes, bytes]) -> None:
    judges = [judge_of(with_info(model, INFO), "small", threads=1) for model in files]
    torch.manual_seed(2)
    x = pages(6).numpy()
    real, made = (judge.outputs(x)["probabilities"] for judge in judges)
    np.testing.assert_allclose(made, real, atol=0.02)
    np.testing.assert_allclose(made.sum(1), 1, atol=1e-5)
    assert (made != real).any()  # it is another graph
    assert len(files[1]) < 0.5 * len(files[0])
    wide: Any = judges[1].outputs(np.ones((1, 3, 64, 128), np.float32))  # every shape is taken
    assert wide["probabilities"].shape == (1, 2)
    assert b"/tmp" not in files[1]
    assert str(Path.home()).encode() not in files[1]
