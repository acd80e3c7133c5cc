"""A torch net becomes a judge file: one ONNX graph, pixels -> (logits, probabilities, score), checked against torch.

The graph is traced by torch.export, freed of every trace of the machine it was made on (stack traces, doc
strings), given its metadata and run in onnxruntime beside torch on random, picture-like and extreme pixels. Only
a graph whose outputs agree within 1e-4 (`check_parity`) is written, in one step.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .errors import MissingExtraError, TrainingError
from .judge import OUTPUTS, Judge, Pixels, judge_of
from .judgefile import info_to_json, with_info
from .onnxbytes import MAX_BYTES, check_target, write_atomic
from .types import JudgeInfo, Preprocess

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("Exporting a judge", "torch", "train") from error

TOLERANCE = 1e-4
Head = Callable[[dict[str, Tensor]], Tensor]


def export(
    net: nn.Module,
    path: str | os.PathLike[str],
    info: JudgeInfo,
    head: Head | None = None,
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """Write `net`, with `head` baked in, to the judge file `path`.

    net: float32 pixels [B, 3, H, W] in [0, 1] -> logits [B, K], K = the number of info.labels, or a net with a
    method `outputs(pixels)` that gives a dict of logits, probabilities [B, K] and score [B]. head: takes a dict of
    "pixels", "logits" and, where the net has features(x) and classify(features), "features" [B, D]; gives
    log-probabilities [B, K]. Without one probabilities are the softmax of the logits. The score of a guard, a head with
    odds(outputs) [B] and believing(logits, odds), is sigmoid(odds), how far it believes the net; else the largest probability.

    The batch is dynamic; for info.preprocess.mode "fit" height and width are too (multiples of `multiple`), else
    they are `size`. `net` and `head` are left as they are; a copy on the CPU in eval mode is exported.

    Raises TrainingError when the graph cannot be made or differs from torch by more than `tolerance` (logits relative to
    max(1, the picture's largest |logit|), probabilities and score absolute; see `check_parity`), JudgeFileError when `info` or `path`
    cannot be written, MissingExtraError. On any error `path` is left as it was.
    """
    info_to_json(info)  # refused before minutes are spent, not after
    check_target(path)
    graph = Graph(net, head).cpu().float().eval()
    model = with_info(_trace(graph, info.preprocess), info, os.fspath(path))
    check_parity(graph, judge_of(model, os.fspath(path), threads=1), tolerance)
    write_atomic(path, model)


class Graph(nn.Module):
    """pixels -> (logits, probabilities, score): a copy of a net with its head, as a judge file holds it."""

    def __init__(self, net: nn.Module, head: Head | None = None) -> None:
        super().__init__()
        if head is not None and hasattr(net, "outputs"):
            raise TrainingError("This net has its own outputs(); export it without a head.")
        self.net: Any = copy.deepcopy(net)
        self.head: Any = copy.deepcopy(head)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if hasattr(self.net, "outputs"):
            made = self.net.outputs(pixels)
            return made["logits"], made["probabilities"], made["score"]
        outputs: dict[str, Tensor] = {"pixels": pixels}
        if hasattr(self.net, "features") and hasattr(self.net, "classify"):
            outputs["features"] = self.net.features(pixels)
            outputs["logits"] = self.net.classify(outputs["features"])
        else:
            outputs["logits"] = self.net(pixels)
        logits = outputs["logits"]
        if hasattr(self.head, "odds"):
            odds = self.head.odds(outputs)
            return logits, self.head.believing(logits, odds).exp(), odds.sigmoid()
        probabilities = logits.softmax(dim=1) if self.head is None else self.head(outputs).exp()
        return logits, probabilities, probabilities.amax(dim=1)


def check_parity(graph: nn.Module, judge: Judge, tolerance: float = TOLERANCE) -> Mapping[str, float]:
    """The worst difference between torch and onnxruntime for each output. Raises TrainingError above `tolerance`, and where torch fails.

    Outside [0, 1], where a difference is larger, four times what torch's own float32 differs from its float64 on these pixels is taken
    off: there a deep net can round to more than 1e-4, and on which side is chance.
    """
    worst = dict.fromkeys(OUTPUTS, 0.0)
    for name, pixels in parity_pixels(judge.info.preprocess):
        try:
            with torch.no_grad():
                expected = dict(zip(OUTPUTS, graph(torch.from_numpy(pixels)), strict=True))
        except Exception as error:  # whatever a stranger's net raises
            fit = judge.info.preprocess.mode == "fit"
            remedy = 'use mode "stretch" or "crop"' if fit else "its forward must take any number of pictures"
            raise TrainingError(
                f"The net fails on the pixels {name!r} of shape {list(pixels.shape)}, which a judge of mode "
                f'"{judge.info.preprocess.mode}" meets: {remedy}. Nothing was written. {str(error)[:300]}'
            ) from error
        got = judge.outputs(pixels)
        for key in OUTPUTS:
            right = expected[key].numpy().astype(np.float64)
            far = _distance(got[key], right, key)
            if not far <= tolerance and (pixels.min() < 0 or pixels.max() > 1):
                exact = _in_float64(graph, pixels)
                far = far if exact is None else max(far - 4 * _distance(right, exact[key], key), 0.0)  # NaN stays
            if not far <= tolerance:
                raise TrainingError(
                    f"The exported graph differs from torch by {far:.2g} in {key!r}, more than {tolerance:g}, "
                    f"on the pixels {name!r} of shape {list(pixels.shape)}. Nothing was written. Numbers that are not "
                    "finite, or layers that depend on the batch, are the usual causes."
                )
            worst[key] = max(worst[key], far)
    return worst


def _distance(a: np.ndarray, b: np.ndarray, key: str) -> float:
    """The largest |a - b|; that of logits relative to max(1, the picture's largest |logit|). NaN where a number is none."""
    scale = np.maximum(1, abs(b).max(axis=1, keepdims=True)) if key == "logits" else 1.0
    return float(np.max(abs(a - b) / scale))


def _in_float64(graph: nn.Module, pixels: Pixels) -> dict[str, np.ndarray] | None:
    """What the graph gives in float64; None where it cannot be run so."""
    try:
        with torch.no_grad():
            made = copy.deepcopy(graph).double()(torch.from_numpy(pixels).double())
        return {key: value.numpy() for key, value in zip(OUTPUTS, made, strict=True)}
    except (RuntimeError, TypeError):  # a layer of a fixed type
        return None


def parity_pixels(pre: Preprocess) -> Iterator[tuple[str, Pixels]]:
    """Named batches float32 [B, 3, H, W]: random, picture-like and extreme; B = 1 and 3; several shapes for "fit"."""
    rng = np.random.default_rng(0)
    (full, _), *others = parity_shapes(pre)
    yield "random, three", rng.random((3, 3, full, full), dtype=np.float32)
    for name, pixels in _pictures(full, full, rng).items():
        yield name, pixels[None]
    for h, w in others:
        pictures = _pictures(h, w, rng)
        yield "pictures of another shape, three", np.stack([pictures[k] for k in ("gradient", "blocks", "page")])
        yield "random, another shape", rng.random((1, 3, h, w), dtype=np.float32)


def parity_shapes(pre: Preprocess) -> list[tuple[int, int]]:
    """[(height, width)] that a judge meets: the largest square first; for "fit" also lower, narrower and line-thin ones."""
    if pre.mode != "fit":
        return [(pre.size, pre.size)]
    full, thin = math.ceil(pre.size / pre.multiple) * pre.multiple, pre.multiple
    some = max(thin, round(0.7 * full / thin) * thin)
    return [(full, full), (full, some), (some, full), (full, thin), (thin, full)]


def _pictures(h: int, w: int, rng: np.random.Generator) -> dict[str, Pixels]:
    """One picture [3, h, w] of each kind."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    colours = rng.random((3, 1, 1), dtype=np.float32)
    side = max(1, min(h, w) // 5)
    blocks = rng.random((3, h // side + 1, w // side + 1), dtype=np.float32)
    page = np.where((y % 7 < 1) & (x > w / 8) & (x < w * 7 / 8), 0.1, 1.0)
    made = {
        "gradient": colours * (x / w) + (1 - colours) * (y / h),
        "blocks": blocks.repeat(side, 1).repeat(side, 2)[:, :h, :w],
        "page": page + np.zeros((3, 1, 1)),
        "noise": rng.random((3, h, w)),
        "all 0": np.zeros((3, h, w)),
        "all 1": np.ones((3, h, w)),
        "all 1000": np.full((3, h, w), 1e3),
        "all -1000": np.full((3, h, w), -1e3),
        "noise times 1000": 2e3 * rng.random((3, h, w)) - 1e3,
        "checkerboard": (x + y) % 2 + np.zeros((3, 1, 1)),
        "checkerboard of 4": (x // 4 + y // 4) % 2 + np.zeros((3, 1, 1)),
    }
    return {name: np.ascontiguousarray(pixels, dtype=np.float32) for name, pixels in made.items()}


def _trace(graph: nn.Module, pre: Preprocess) -> bytes:
    """The ONNX model of `graph`, without metadata. Raises TrainingError."""
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Exporting a judge", "onnxscript", "train") from error
    sides: dict[int, Any] = {0: torch.export.Dim("batch")}
    height = width = pre.size
    if pre.mode == "fit":
        # two sides that differ, neither 0 nor 1 steps long: torch.export takes 0, 1 and equal sides for fixed
        height, width = 3 * pre.multiple, 4 * pre.multiple
        sides |= {2: _multiple("height", pre.multiple), 3: _multiple("width", pre.multiple)}
    example = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    try:
        with _quiet():
            program = torch.onnx.export(
                graph,
                (example,),
                input_names=["pixels"],
                output_names=list(OUTPUTS),
                dynamic_shapes=(sides,),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            if program is None:
                raise RuntimeError("torch.onnx.export gave no program")
            return _stripped(program.model_proto)
    except TrainingError:
        raise
    except Exception as error:  # the exporter's errors share no base class
        cause = error.__cause__ or error
        reason = " ".join(str(cause).split())[:500]
        raise TrainingError(
            f"This net cannot be exported to ONNX ({type(cause).__name__}: {reason}). "
            "Its forward must not branch on the values or the shape of its input."
        ) from error


def _multiple(name: str, step: int) -> Any:
    """A side that is any multiple of `step`."""
    return torch.export.Dim(name) if step == 1 else step * torch.export.Dim(name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporter's own warnings, log lines and prints, which name its inner workings, not our user's."""
    logger, level = logging.getLogger("torch.onnx"), logging.getLogger("torch.onnx").level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _stripped(model: Any) -> bytes:
    """The model's bytes without stack traces, doc strings and shapes of inner values: none is needed to run it."""
    for function in model.functions:
        del function.metadata_props[:], function.value_info[:]
        function.doc_string = ""
        _strip_nodes(function.node)
    _strip_graph(model.graph)
    del model.metadata_props[:]
    model.doc_string = ""
    if model.ByteSize() > MAX_BYTES:
        raise TrainingError(
            f"The net has {model.ByteSize():,} bytes; a judge file holds at most 2 GB. Use a smaller net."
        )
    return model.SerializeToString()


def _strip_graph(graph: Any) -> None:
    del graph.metadata_props[:], graph.value_info[:]
    graph.doc_string = ""
    for tensor in (*graph.input, *graph.output, *graph.initializer):
        del tensor.metadata_props[:]
        tensor.doc_string = ""
    _strip_nodes(graph.node)


def _strip_nodes(nodes: Any) -> None:
    for node in nodes:
        del node.metadata_props[:]
        node.doc_string = ""
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _strip_graph(attribute.g)
