"""The judge's convolutions in eight-bit integers: less time, a smaller file.

Done by onnxruntime's own static quantisation. What each layer puts out is measured on pages (the least and the largest value),
and rounded to 256 steps between. Weights have 7 bits, a scale for each channel: sums of products of 8 and 7 bits never
overflow the 16 bits that processors without VNNI add them in, so all processors give the same. The learned pooling, and the
first convolution of each look, stay float. Each convolution is then one node, QLinearConv: a graph of fewer nodes opens sooner.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from torch import Tensor


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
    join(made.graph)
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


def join(graph: onnx.GraphProto) -> None:
    """Replaces each convolution between DequantizeLinear and QuantizeLinear by one QLinearConv, as onnxruntime would when it
    opens the file: the same integers. Shapes noted on the way are dropped too; both make a file open sooner."""
    maker = {name: node for node in graph.node for name in node.output}
    readers = Counter(name for node in graph.node for name in node.input)
    made = []
    for node in graph.node:
        conv = maker.get(node.input[0]) if node.op_type == "QuantizeLinear" else None
        if conv is not None and conv.op_type == "Conv" and readers[conv.output[0]] == 1:
            x, w, *bias = (maker[name] for name in conv.input)  # a bias of zeros is left out
            inputs = [*x.input, *w.input, *node.input[1:], *(one.input[0] for one in bias)]
            node = onnx.helper.make_node("QLinearConv", inputs, node.output, conv.name)
            node.attribute.extend(conv.attribute)
        made.append(node)
    needed, kept = {output.name for output in graph.output}, []
    for node in reversed(made):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    tensors = [tensor for tensor in graph.initializer if tensor.name in needed]
    _put(graph.node, kept[::-1])
    _put(graph.initializer, tensors)
    del graph.value_info[:]


def _put(field: Any, what: Iterable[Any]) -> None:
    """Makes a repeated field hold copies of `what`, which may be its own parts."""
    copies = [copy.deepcopy(one) for one in what]
    del field[:]
    field.extend(copies)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the advice to prepare the graph: it is prepared."""
    logger, level = logging.getLogger(), logging.getLogger().level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
