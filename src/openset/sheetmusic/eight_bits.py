"""The judge's convolutions in eight-bit integers: less time, a smaller file.

Done by onnxruntime's own static quantisation. What each layer puts out is measured on pages (the least and the largest value),
and rounded to 256 steps between. Weights have 7 bits, a scale for each channel: sums of products of 8 and 7 bits never
overflow the 16 bits that processors without VNNI add them in, so all processors give the same. The learned pooling, and the
first convolution of each look, stay float.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .net import Block, SheetNet


def folded(net: SheetNet) -> SheetNet:
    """A copy in eval mode with each batch-norm folded into the convolution before it; the same function."""
    made = copy.deepcopy(net).eval()
    for module in list(made.modules()):
        if isinstance(module, Block):
            module.conv1, module.norm1 = fuse_conv_bn_eval(module.conv1, module.norm1), nn.Identity()
            module.conv2, module.norm2 = fuse_conv_bn_eval(module.conv2, module.norm2), nn.Identity()
        elif isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.BatchNorm2d):
            module[0], module[1] = fuse_conv_bn_eval(module[0], module[1]), nn.Identity()
    return made


class _Pages(CalibrationDataReader):
    def __init__(self, pages: Iterable[Tensor]) -> None:
        self.pages = iter(pages)

    def get_next(self) -> dict[str, Any] | None:
        page = next(self.pages, None)
        return None if page is None else {"pixels": page.numpy()}


def eight_bits(model: bytes, pages: Iterable[Tensor]) -> bytes:
    """The graph of `model`, made by `export` from a `folded` net, with its convolutions, sums of convolutions and ReLUs
    in integers.

    pages: float32 [B, 3, H, W] as the judge sees them, at least one; they set the range of every layer, so all kinds should
    be among them. Metadata is left out. The graph's answers differ from the float one's: thresholds belong to what they were fitted
    on.
    """
    graph = onnx.load_from_string(model)
    nodes = whole(graph)
    with tempfile.TemporaryDirectory() as room, _quiet():
        target = Path(room) / "eight.onnx"
        quantize_static(
            graph,
            target,
            _Pages(pages),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Add", "Relu"],
            nodes_to_quantize=nodes,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        made = onnx.load(target)
    del made.metadata_props[:]
    return bytes(made.SerializeToString())


def whole(graph: Any) -> list[str]:
    """The names of the nodes that are computed in integers."""
    maker = {name: node for node in graph.graph.node for name in node.output}
    shape = {tensor.name: tensor.dims for tensor in graph.graph.initializer}
    chosen, convolved = [], set()
    for node in graph.graph.node:  # in the order of computing
        fed = {maker[name].name for name in node.input if name in maker}
        if node.op_type == "Conv":
            convolved.add(node.name)
            if shape[node.input[1]][1] > 1:
                chosen.append(node.name)
        elif node.op_type in ("Add", "Relu") and fed & convolved:
            convolved.add(node.name)
            chosen.append(node.name)
    return chosen


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the advice to prepare the graph: it is prepared."""
    logger, level = logging.getLogger(), logging.getLogger().level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
