"""Opens a judge file with onnxruntime and decides on pictures: files, bytes or arrays in, Decisions out. No torch.

The graph of a judge file takes "pixels", float32 [B, 3, H, W] in [0, 1], and gives "logits" [B, K],
"probabilities" [B, K] and "score" [B] (the guard's, higher = surer; without a guard the largest probability). Pictures are read ahead in a few threads
(Pillow lets go of Python's lock while it decodes), pictures of one shape are judged together, and Decisions come
in the order of the pictures. What is held in memory does not grow with the number of pictures.
"""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, final, overload

import numpy as np
from numpy.typing import NDArray

from . import decide, images
from .errors import ImageError, JudgeFileError
from .judgefile import info_of
from .onnxbytes import read_model
from .types import Decision, JudgeInfo, Preprocess

SHIPPED = {"sheet-music": "sheetmusic/sheet-music.onnx"}  # name -> file inside this package
OUTPUTS = ("logits", "probabilities", "score")
MAX_THREADS = 1024
MAX_BATCH_PIXELS = 4_000_000  # a batch of large pictures is cut to this: more would cost memory and gain no speed

Source = str | os.PathLike[str] | bytes | NDArray[np.uint8]
Pixels = NDArray[np.float32]
Read = tuple[Pixels | Decision, str]
T = TypeVar("T", bound=np.generic)


def open_judge(source: str | os.PathLike[str], *, threads: int | None = None) -> Judge:
    """Open the judge file `source`, or a shipped judge by its name ("sheet-music").

    threads: onnxruntime's threads for one batch; None = one for each core this process may use. A shipped name goes
    before a file of the same name; write "./sheet-music" for the file. Raises JudgeFileError for a file that is
    missing, broken, foreign, from a newer release, or whose graph is not a judge's.
    """
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise JudgeFileError(
            f"threads is {threads}; give a whole number from 1 to {MAX_THREADS}, or None for all cores."
        )
    name = os.fspath(source)
    try:
        model = read_model(Path(__file__).parent / SHIPPED[name] if name in SHIPPED else name)
    except JudgeFileError as error:
        if not isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            raise
        raise JudgeFileError(
            f"There is no judge file {name!r}. Give the path of a judge file (*.onnx) or the name of a shipped "
            f"judge: {', '.join(SHIPPED)}."
        ) from error.__cause__
    return judge_of(model, name, threads=threads)


def judge_of(model: bytes, name: str, *, threads: int | None = None) -> Judge:
    """The judge in a judge file's bytes; `name` stands in messages. Raises JudgeFileError."""
    info = info_of(model, name)
    session = _session(model, info, name, threads or usable_cores())
    _check_graph(session, info, name)
    return Judge(info, session)


@final
class Judge:
    """A judge file at work. Made by open_judge; safe to use from several threads."""

    def __init__(self, info: JudgeInfo, session: Any) -> None:
        self.info = info
        self._session = session

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, in the order of the logits."""
        return self.info.labels

    def __repr__(self) -> str:
        return f"Judge({self.info.name!r}, labels={self.labels!r})"

    @overload
    def __call__(self, x: Source, *, threshold: float | None = None) -> Decision: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, x: Sequence[Source], *, threshold: float | None = None) -> list[Decision]: ...
    def __call__(self, x: Source | Sequence[Source], *, threshold: float | None = None) -> Decision | list[Decision]:
        """Decide on one picture, or on a list of them in one go.

        x: a path, a file's bytes, an array uint8 [H, W, 3] (RGB), or a list or tuple of these. A file that cannot be read
        gives a Decision with outcome "error". threshold: used for every label instead of the judge's own.
        Raises ImageError for an array of another type or shape, ValueError for a threshold outside [0, 1].
        """
        one = not isinstance(x, list | tuple)
        many: Sequence[Source] = [x] if one else x  # type: ignore[assignment,list-item]
        for source in many:
            _check_source(source)
        made = list(self.stream(many, threshold=threshold))
        return made[0] if one else made

    def stream(
        self, paths: Iterable[Source] | Source, *, batch: int = 16, threshold: float | None = None
    ) -> Iterator[Decision]:
        """Decide on any number of pictures; one Decision for each, in the order given.

        `paths` may be a generator: it is read only a few batches ahead. A picture that cannot be read gives a
        Decision with outcome "error" and never stops the rest. batch: most pictures judged at once (fewer when
        they are large). threshold: used for every label instead of the judge's own. One path, one file's bytes or one
        array is one picture. The first Decision comes when four batches are named, or no more are to come: a source
        that waits for an answer before it goes on would wait for ever. Raises what the source raises, once all that it
        gave before is decided; ValueError for a batch below 1 or a threshold outside [0, 1], before anything is read.
        """
        decide.decide(np.zeros((0, len(self.labels))), self.info, [], threshold=threshold)  # refused now or never
        if batch < 1:
            raise ValueError(f"batch is {batch}; give a whole number of at least 1.")
        many = [paths] if isinstance(paths, str | os.PathLike | bytes | np.ndarray) else paths
        return self._stream(iter(many), min(batch, self._largest_batch()), threshold)

    def outputs(self, pixels: Pixels) -> dict[str, Pixels]:
        """What the graph gives for pixels float32 [B, 3, H, W] in [0, 1]: logits, probabilities [B, K], score [B].

        Values outside [0, 1] are passed on as they are. Raises ImageError for another type or shape.
        """
        pre = self.info.preprocess
        if pixels.dtype != np.float32 or pixels.ndim != 4 or pixels.shape[1] != 3 or not _fits(pixels.shape, pre):
            sides = f"H, W (multiples of {pre.multiple})" if pre.mode == "fit" else f"{pre.size}, {pre.size}"
            raise ImageError(
                "<array>",
                f"pixels are {pixels.dtype} {list(pixels.shape)}",
                f"Give float32 [B, 3, {sides}] in [0, 1], as openset.images.resize makes them.",
            )
        try:
            made = dict(zip(OUTPUTS, self._session.run(OUTPUTS, {"pixels": pixels}), strict=True))
        except Exception as error:  # onnxruntime's errors share no base class of their own
            raise JudgeFileError(
                f"The judge failed on pixels {list(pixels.shape)} ({_first_line(error)}). Export it again."
            ) from error
        rows, classes = len(pixels), len(self.labels)
        for name, shape in zip(OUTPUTS, ((rows, classes), (rows, classes), (rows,)), strict=True):
            if made[name].shape != shape:
                raise JudgeFileError(
                    f"The judge's output {name!r} has the shape {list(made[name].shape)} where {list(shape)} belongs. "
                    "The file is broken: export it again."
                )
        return made

    def _largest_batch(self) -> int:
        pre = self.info.preprocess
        step = pre.multiple if pre.mode == "fit" else 1
        side = -(-pre.size // step) * step  # as padded
        return max(1, MAX_BATCH_PIXELS // side**2)

    def _stream(self, paths: Iterator[Source], batch: int, threshold: float | None) -> Iterator[Decision]:
        """Chunks of two batches are decided while the next chunk is being read."""
        pool = ThreadPoolExecutor(min(8, usable_cores() + 1), thread_name_prefix="openset-read")
        failed: Exception | None = None

        def start() -> list[tuple[str, Future[Read]]]:
            nonlocal failed
            started: list[tuple[str, Future[Read]]] = []
            try:
                for x in itertools.islice(paths, 0 if failed else 2 * batch):
                    future = pool.submit(self._read, x)
                    started.append((_name(x), future))
            except Exception as error:  # of `paths`: raised when what came before it is decided
                failed = error
            return started

        try:
            current = start()
            while current:
                following = start()
                yield from self._decide([(name, *future.result()) for name, future in current], batch, threshold)
                current = following
            if failed is not None:
                raise failed
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, source: Source) -> Read:
        """The picture as pixels float32 [3, H, W], or the Decision there is without judging it, and `images.read`'s remark."""
        name, pre = _name(source), self.info.preprocess
        try:
            _check_source(source)
            if isinstance(source, np.ndarray):
                array, remark = source, ""
            else:
                array, remark = images.read(source, size_hint=pre.size_hint)
            if max(array.shape[:2]) < pre.min_side:
                return _too_small(name, array.shape, pre.min_side), remark
            return images.resize(array, pre), remark
        except ImageError as error:
            return _unread(name, error.reason, error.remedy), ""
        except Exception as error:  # among millions of files one that shows a fault of ours must not stop the rest
            reason = f"reading it failed ({type(error).__name__}: {error})"
            return _unread(name, reason, "Convert it to PNG or JPEG; if that is what it is, please report it."), ""

    def _decide(
        self, read: list[tuple[str, Pixels | Decision, str]], batch: int, threshold: float | None
    ) -> Iterator[Decision]:
        made = {at: x for at, (_, x, _) in enumerate(read) if isinstance(x, Decision)}
        pictures = ((at, x) for at, (_, x, _) in enumerate(read) if not isinstance(x, Decision))
        for places, pixels in batches(pictures, batch):
            names = [read[at][0] for at in places]
            made.update(zip(places, self._judge(pixels, names, threshold), strict=True))
        return (_remarked(made[at], remark) for at, (_, _, remark) in enumerate(read))

    def _judge(self, pixels: Pixels, names: list[str], threshold: float | None) -> list[Decision]:
        """Decisions on pixels [B, 3, H, W]."""
        try:
            made = self.outputs(pixels)
        except JudgeFileError as error:
            return [_failed(name, str(error)) for name in names]
        return decide.decide(made["probabilities"], self.info, names, score=made["score"], threshold=threshold)


def batches(pictures: Iterable[tuple[int, NDArray[T]]], most: int) -> Iterator[tuple[list[int], NDArray[T]]]:
    """Numbered pictures [3, h, w] as they are judged: those of one shape together, at most `most`, none padded.

    Gives their numbers and their pixels [B, 3, h, w].
    """
    shapes: dict[tuple[int, ...], list[tuple[int, NDArray[T]]]] = defaultdict(list)
    for number, x in pictures:
        shapes[x.shape].append((number, x))
    for group in shapes.values():
        for i in range(0, len(group), most):
            numbers, pixels = zip(*group[i : i + most], strict=True)
            yield list(numbers), np.stack(pixels)


def usable_cores() -> int:
    """The cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _name(source: Source) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    return "<bytes>" if isinstance(source, bytes) else "<array>"


def _check_source(source: object) -> None:
    if isinstance(source, str | os.PathLike | bytes):
        return
    if not isinstance(source, np.ndarray):
        got = type(source).__name__
        raise ImageError(
            "<array>",
            f"a picture is given as {got}",
            "Give a path, bytes, or an array uint8 [H, W, 3]; of a PIL picture: np.asarray(picture.convert('RGB')).",
        )
    if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or 0 in source.shape:
        raise ImageError(
            "<array>",
            f"an array {source.dtype} {list(source.shape)} is no picture",
            "Give uint8 [H, W, 3], RGB, values 0 to 255, at least one pixel.",
        )


def _remarked(made: Decision, remark: str) -> Decision:
    return replace(made, why=f"{made.why}; {remark}") if remark else made


def _too_small(name: str, shape: tuple[int, ...], least: int) -> Decision:
    why = f"too small: {shape[1]} x {shape[0]} pixels, this judge needs a longer side of at least {least}"
    return Decision(name, "unknown", None, None, None, {}, None, why)


def _unread(name: str, reason: str, remedy: str) -> Decision:
    return _failed(name, f"{reason}. {remedy}", f"unreadable: {reason}")


def _failed(name: str, error: str, why: str = "not judged: the judge itself failed") -> Decision:
    return Decision(name, "error", None, None, None, {}, None, why, error=error)


def _session(model: bytes, info: JudgeInfo, name: str, threads: int) -> Any:
    """An onnxruntime session on the CPU. Raises JudgeFileError where onnxruntime refuses the graph."""
    import onnxruntime as ort  # here, so that importing this module stays light

    options = ort.SessionOptions()
    # the last level lays out the memory of float convolutions anew; convolutions in integers gain nothing and open later
    level = "ORT_ENABLE_EXTENDED" if b"QLinearConv" in model else "ORT_ENABLE_ALL"
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # a pattern is kept for every input shape ever seen: with pictures of all shapes that would grow for ever
    options.enable_mem_pattern = info.preprocess.mode != "fit"
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # waiting threads would burn a sixth more CPU, which the reading threads need
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")

    class Session(ort.InferenceSession):
        """One that never tries a second time and says so on standard output; onnxruntime 1.20 has no argument for it."""

        _enable_fallback = property(lambda _: False, lambda *_: None)

    try:
        return Session(model, options, providers=["CPUExecutionProvider"], enable_fallback=False)
    except Exception as error:  # onnxruntime's errors share no base class of their own
        raise JudgeFileError(
            f"{name!r} cannot be used as a judge file: onnxruntime refuses its graph ({_first_line(error)}). "
            "Export it again, or update onnxruntime:  pip install -U onnxruntime"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300] if str(error) else type(error).__name__


def _fits(shape: tuple[int, ...], pre: Preprocess) -> bool:
    """Pixels [B, 3, H, W] of this shape are what `pre` makes, or (mode "fit") other multiples of `multiple`."""
    if pre.mode != "fit":
        return 0 not in shape and shape[2:] == (pre.size, pre.size)
    return 0 not in shape and shape[2] % pre.multiple == 0 and shape[3] % pre.multiple == 0


def _check_graph(session: Any, info: JudgeInfo, name: str) -> None:
    """The graph's inputs and outputs are a judge's. A side given by name (or not at all) is a free one."""
    classes, size = len(info.labels), info.preprocess.size
    side = None if info.preprocess.mode == "fit" else size
    wanted_in = {"pixels": ("B", 3, side or "H", side or "W")}
    wanted_out = {"logits": ("B", classes), "probabilities": ("B", classes), "score": ("B",)}
    for what, nodes, wanted in (
        ("inputs", session.get_inputs(), wanted_in),
        ("outputs", session.get_outputs(), wanted_out),
    ):
        got = {node.name: (node.type, tuple(node.shape)) for node in nodes}
        fits = got.keys() == wanted.keys() and all(
            kind == "tensor(float)" and len(shape) == len(wanted[key]) and all(map(_agrees, shape, wanted[key]))
            for key, (kind, shape) in got.items()
        )
        if not fits:
            raise JudgeFileError(
                f"{name!r} cannot be used as a judge file: its graph has the {what} {_shown(got)} where "
                f"{_shown({key: ('tensor(float)', shape) for key, shape in wanted.items()})} belong "
                f"(for its {classes} labels and its preprocessing {info.preprocess.mode!r}, size {size}). "
                "Make judge files with `openset export`."
            )


def _agrees(got: object, wanted: object) -> bool:
    """A number agrees with itself or with a free side; a free side is wanted where a name stands."""
    return not isinstance(got, int) or got == wanted


def _shown(tensors: dict[str, tuple[str, tuple[Any, ...]]]) -> str:
    return ", ".join(f"{name} {kind} [{', '.join(map(str, shape))}]" for name, (kind, shape) in tensors.items())
