"""Every breakpoint of a ray, layer by layer, segment by segment, in bounded memory.

alpha = p / q with p + q = 1: a ray from alpha = 0 to infinity is the segment from q = 1 to q = 0, and input p x with
constants weighed by q gives q times the logits, exactly. By values, a layer is known at the knots so far, and where a
unit changes sign between two of them, that point becomes a knot of all values (they are affine there). On large pictures
a segment is swept by changes of slope instead (`_hinges`), and its end compared with the net itself; where they differ,
it is swept again by values. A segment that grows too long is cut off. Segments join, to the end, or AuditError is raised.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

import torch
from loky import ProcessPoolExecutor
from torch import Tensor, nn

from ..errors import AuditError
from ._hinges import stretch, suits
from ._limit import limits
from ._steps import Rows
from ._trace import PiecewiseNet, trace

CHANGES = 64_000_000  # bytes: of the widest layer, for all changes of slope of a segment
BYTES = 24_000_000  # of the widest layer at all knots of a segment, row by row
RANGES = 6  # for each worker
REACH = 1e4  # of one range of alpha
AGREE = 1e-10  # of the largest logit, between the sum of changes and the net itself
FAULT = "this is a fault of ours, please report it; the searches take any net"

Segments = Callable[[PiecewiseNet, Tensor, float, float], Iterator["Pieces"]]


@dataclass(frozen=True)
class Pieces:
    """Consecutive knots of a ray: between two of them the logits are affine in alpha.

    q: float64 [R], falling; alpha = (1 - q) / q, so that q = 0 is alpha = infinity. scaled: float64 [R, K], the
    logits times q. The first knot is the last one of the Pieces before. A knot may be a switch that the logits do not
    show, and switches closer than rounding may stand as one or as several.
    """

    q: Tensor
    scaled: Tensor

    @property
    def alpha(self) -> Tensor:
        """[R], rising; the last may be inf."""
        return (1 - self.q) / self.q

    def logits(self) -> Tensor:
        """[R, K] at the knots; not finite at alpha = infinity."""
        return self.scaled / self.q[:, None]


def pieces(
    net: nn.Module | PiecewiseNet, x: Tensor, *, start: float = 1.0, stop: float = float("inf"), workers: int = 1
) -> Iterator[Pieces]:
    """The knots of alpha * x for alpha from `start` >= 0 to `stop`, in order, a segment at a time. x: one input.

    The first knot is `start`, the last is `stop`. workers: processes that sweep disjoint ranges of alpha, each with its own
    copy of the net, and of the segment, in memory; 1: this process does it.
    Raises AuditError as `limits`, or for start and stop out of order, or workers < 1.
    """
    if not 0 <= start < stop:
        raise AuditError(f"a ray goes from start >= 0 to a larger stop, got {start} to {stop}")
    if workers < 1:
        raise AuditError(f"a sweep needs at least one worker, got {workers}")
    if not bool(torch.isfinite(x).all()):
        raise AuditError("rays need finite inputs: check the picture")
    lines = trace(net, tuple(x.shape))
    last = float(limits(lines, x[None]).last_alpha[0])
    return _by_scale(lines, x.detach().to("cpu", torch.float64), start, stop, last, workers)


def _by_scale(lines: PiecewiseNet, x: Tensor, start: float, stop: float, last: float, workers: int) -> Iterator[Pieces]:
    """Ranges of alpha that end a factor REACH apart until nothing switches any more, each along x * scale.

    A knot q lies within rounding of 1, not of q: at alpha = 1e16, swept from alpha = 1, nothing would be left of it.
    """
    segments = by_changes if suits(lines) else by_rows
    scale, more = start or min(1.0, last) or 1.0, True
    while more:
        more = scale * REACH < min(last, stop)
        to = scale * REACH if more else stop
        along, q, end = x * scale, 1 / (1 + start / scale), 1 / (1 + to / scale)
        one = segments(lines, along, q, end) if workers == 1 else _in_ranges(segments, lines, along, q, end, workers)
        for part in joined(one, q, end):
            share = 1 / (part.q + scale * (1 - part.q))  # of q along x in q along x * scale
            yield Pieces(part.q * share, part.scaled * share[:, None])
        start = scale = to


def joined(parts: Iterator[Pieces], q: float, end: float) -> Iterator[Pieces]:
    """The same parts. Raises AuditError unless each begins where the one before ended, from `q` down to `end`."""
    for part in parts:
        first, last = float(part.q[0]), float(part.q[-1])
        if first != q or not last < first:
            raise AuditError(f"the sweep has a gap at q = {q} (a part from {first} to {last}): {FAULT}")
        q = last
        yield part
    if q != end:
        raise AuditError(f"the sweep stopped at q = {q} and not at {end}: {FAULT}")


def _in_ranges(
    segments: Segments, lines: PiecewiseNet, x: Tensor, q: float, end: float, workers: int
) -> Iterator[Pieces]:
    """The ranges between equal steps of q, in order, `workers` at a time and no more than twice as many ahead."""
    edges = [q + (end - q) * i / (RANGES * workers) for i in range(RANGES * workers)] + [end]
    ranges = iter(list(pairwise(edges)))
    pool = ProcessPoolExecutor(workers, initializer=_given, initargs=(segments, lines, x))
    try:
        ahead = deque(pool.submit(_swept, a, b) for a, b in islice(ranges, 2 * workers))
        while ahead:
            yield from ahead.popleft().result()
            ahead.extend(pool.submit(_swept, a, b) for a, b in islice(ranges, 1))
    finally:
        pool.shutdown(kill_workers=True)


_work: tuple[Segments, PiecewiseNet, Tensor] | None = None  # of a worker: what it sweeps, sent to it once


def _given(segments: Segments, lines: PiecewiseNet, x: Tensor) -> None:
    global _work
    _work = segments, lines, x
    torch.set_num_threads(1)


def _swept(q: float, end: float) -> list[Pieces]:
    assert _work is not None, "a worker is given its net first"
    segments, lines, x = _work
    return list(segments(lines, x, q, end))


def by_changes(lines: PiecewiseNet, x: Tensor, q: float, end: float) -> Iterator[Pieces]:
    """From 1 / (1 + alpha) = q down to `end`, by what each switch changes; no maxima in the net."""
    most = max(16, min(4096, CHANGES // (8 * lines.width)))
    width = q - end
    while q > end:
        to = _target(q, width, end)
        with torch.no_grad():
            part = Pieces(*stretch(lines, x, q, to, most))
            agrees = _agrees(lines, x, part)
        if float(part.q[-1]) >= q:  # more units switch at q than a segment holds, as they do on flat pictures
            part, agrees = next(by_rows(lines, x, q, to)), True
        reached = float(part.q[-1])
        if agrees:
            yield part
        else:
            yield from by_rows(lines, x, q, reached)
        width = (q - reached) * min(4.0, 0.8 * most / len(part.q))
        q = reached


def _target(q: float, width: float, end: float) -> float:
    """Where a segment from q should end: below q, by `width` if floats can tell; `end` where little would be left."""
    to = max(end, min(q - width, math.nextafter(q, end)))
    return end if to - end < 1e-3 * width else to


def _agrees(lines: PiecewiseNet, x: Tensor, part: Pieces) -> bool:
    """Do the changes of slope, summed over the segment, end where the net itself does?"""
    q = part.q[-1:]
    there = lines.run(Rows(q), (1 - q).view(-1, *[1] * x.dim()) * x, lambda _name, _rows: None)
    return bool((there - part.scaled[-1:]).abs().amax() <= AGREE * part.scaled.abs().amax())


def by_rows(lines: PiecewiseNet, x: Tensor, q: float, end: float) -> Iterator[Pieces]:
    """The same by values: every layer at every knot of the layers before it, with no sum over changes."""
    most = max(16, min(4096, BYTES // (8 * lines.width)))
    width = q - end
    while q > end:
        with torch.no_grad():
            part = _segment(lines, x, q, _target(q, width, end), most)
        reached = float(part.q[-1])
        if reached >= q:
            raise AuditError(f"the sweep cannot leave q = {q}: {FAULT}")
        yield part
        width = (q - reached) * min(4.0, 0.8 * most / len(part.q))
        q = reached


def _segment(lines: PiecewiseNet, x: Tensor, q: float, to: float, most: int) -> Pieces:
    weight = torch.tensor((q, to), dtype=torch.float64)
    rows = Rows(weight)
    start = (1 - weight).view(-1, *[1] * x.dim()) * x

    def positive(name: str, under_way: Rows) -> None:
        _insert(name, under_way, most)

    scaled = lines.run(rows, start, positive)
    return Pieces(rows.weight, scaled)


def _insert(name: str, rows: Rows, most: int) -> None:
    """Make every change of sign of the value `name` between two rows a row of all values; keep the first `most`."""
    value = rows.values[name].flatten(1)
    above = value > 0
    left, unit = (above[1:] != above[:-1]).nonzero(as_tuple=True)
    if not len(left):
        return
    a, b = value[left, unit], value[left + 1, unit]
    real = ((a < 0) & (b > 0)) | ((a > 0) & (b < 0))
    left, a, b = left[real], a[real], b[real]
    share = a / (a - b)
    q0, q1 = rows.weight[left], rows.weight[left + 1]
    q = torch.lerp(q0, q1, share)
    inside = (q < q0) & (q > q1)
    left, share, q = left[inside], share[inside], q[inside]
    if not len(q):
        return
    q, order = q.sort(descending=True)
    fresh = torch.cat((torch.ones(1, dtype=torch.bool), q[1:] < q[:-1]))
    left, share, q = left[order][fresh], share[order][fresh], q[fresh]
    count = len(rows.weight)
    at = left + 1 + torch.arange(len(q))  # the place of each new row
    old = torch.arange(count)
    old = old + torch.searchsorted(left, old)  # new rows before old row i: those with left < i
    keep_new, keep_old = int((at < most).sum()), int((old < most).sum())
    at, left, share, q, old = at[:keep_new], left[:keep_new], share[:keep_new], q[:keep_new], old[:keep_old]
    size = keep_new + keep_old
    weight = rows.weight.new_empty(size)
    weight[old], weight[at] = rows.weight[:keep_old], q
    for key, was in rows.values.items():
        made = was.new_empty((size, *was.shape[1:]))
        made[old] = was[:keep_old]
        made[at] = torch.lerp(was[left], was[left + 1], share.view(-1, *[1] * (was.dim() - 1)))
        rows.values[key] = made
    rows.weight = weight
