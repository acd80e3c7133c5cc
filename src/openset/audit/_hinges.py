"""A stretch of a ray as its start, its slope there, and the changes of slope: what one switch changes, and no more.

q falls from `q` by t in [0, length]. Each value of the net is v(t) = v + t s + sum over k of max(t - t_k, 0) G_k, where
switch k at t_k adds G_k, at first a single unit, then what that unit reaches. Affine layers act on v, s and every G_k
alone. At a ReLU the pattern holds for all units but those whose |v|, on the whole stretch, could be outweighed by slope
and changes: these few are followed from knot to knot, and each change of sign is a new switch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ._patches import WHOLE, Patches, added, convs, each, halve, pad
from ._steps import AFFINE, Rows, pair
from ._trace import PiecewiseNet, Ref, Step

WIDE = 8192  # numbers in a layer: below, whole rows are cheaper
FOLLOWED = 1_000_000  # numbers in one table of units by knots


@dataclass(frozen=True)
class Value:
    """base: [2, ...], v and s. rows: [M, ...], the G_k of the switches `index` [M]. patches: more of them, by windows."""

    base: Tensor
    rows: Tensor
    index: Tensor
    patches: tuple[Patches, ...] = ()

    def dense(self) -> Value:
        """The same without windows."""
        if not self.patches:
            return self
        height, width = self.base.shape[2:]
        whole = [p.whole(height, width) for p in self.patches]
        index, at = torch.cat((self.index, *(p.row for p in whole))).unique(return_inverse=True)
        rows = self.rows.new_zeros(len(index), *self.base.shape[1:])
        rows[at[: len(self.index)]] = self.rows
        begin = len(self.index)
        for p in whole:
            rows[at[begin : begin + len(p.row)]] += p.v.permute(0, 3, 1, 2)
            begin += len(p.row)
        return Value(self.base, rows, index)

    def select(self, alive: Tensor) -> Value:
        kept = tuple(p.select(alive[p.row]) for p in self.patches)
        keep = alive[self.index]
        return Value(self.base, self.rows[keep], self.index[keep], tuple(p for p in kept if len(p.row)))


@dataclass
class Stretch:
    """The switches met so far. times: float64 [K]. alive: bool [K], those with t < length, at most `most`."""

    q: float
    length: float
    most: int
    values: dict[str, Value] = field(default_factory=dict)
    times: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    alive: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))

    def meet(self, times: Tensor) -> Tensor:
        """New switches -> their numbers. Where there are more than `most`, the stretch ends before the rest."""
        first = len(self.times)
        self.times = torch.cat((self.times, times))
        self.alive = torch.cat((self.alive, torch.ones(len(times), dtype=torch.bool)))
        if int(self.alive.sum()) > self.most:
            self.length = float(self.times[self.alive].kthvalue(self.most).values)
            self.alive &= self.times < self.length
            self.values = {name: value.select(self.alive) for name, value in self.values.items()}
        return torch.arange(first, len(self.times))


def suits(lines: PiecewiseNet) -> bool:
    """Is a sweep by changes of slope the cheaper one? Not on small pictures, and maxima are not read here."""
    return lines.width >= WIDE and not any(step.target in ("maximum", "max_pool2d") for step in lines.steps)


def stretch(lines: PiecewiseNet, x: Tensor, q: float, to: float, most: int) -> tuple[Tensor, Tensor]:
    """Knots q [R], falling from `q` to at best `to`, and the scaled logits there [R, K], as `_sweep.Pieces`."""
    s = Stretch(q, q - to, most)
    s.values[lines.source] = _new(torch.stack(((1 - q) * x, x)))
    for step in lines.steps:
        out = _step(s, step)
        s.values[step.out] = out.select(s.alive) if len(s.alive) and not bool(s.alive.all()) else out
        for name in step.last:
            s.values.pop(name, None)
    out = s.values[lines.output].dense()
    times, order = s.times[out.index].sort()
    base = out.base.flatten(1)
    changes = out.rows.flatten(1)[order]
    _, at = _walk(base, changes, times, s.length)
    knots = q - torch.cat((times.new_zeros(1), times, times.new_tensor([s.length])))
    if s.length >= q - to:
        knots[-1] = to
    fresh = torch.cat((torch.ones(1, dtype=torch.bool), knots[1:] < torch.cummin(knots, 0).values[:-1]))
    fresh[-1] = True
    fresh[1:-1] &= knots[1:-1] > knots[-1]
    return knots[fresh], at[fresh]


def _new(base: Tensor) -> Value:
    return Value(base, base.new_zeros(0, *base.shape[1:]), torch.zeros(0, dtype=torch.int64))


def _walk(base: Tensor, changes: Tensor, times: Tensor, length: float) -> tuple[Tensor, Tensor]:
    """base [2, N], changes [K, N] at times [K], rising -> slopes [K + 1, N] between knots, values [K + 2, N] at them."""
    slopes = torch.cat((base[1:], changes)).cumsum(0)
    steps = torch.cat((times, times.new_tensor([length]))).diff(prepend=times.new_zeros(1))
    return slopes, torch.cat((base[:1], slopes * steps[:, None])).cumsum(0)


# --- layers --------------------------------------------------------------------------------------------------------


def _step(s: Stretch, step: Step) -> Value:
    args, target = step.args, step.target
    if target in ("relu", "leaky_relu"):
        slope = 0.0 if target == "relu" else args[1] if len(args) > 1 else step.kwargs.get("negative_slope", 0.01)
        return _leaky(s, s.values[args[0].name], slope)
    names = [r.name for r in _refs(args)]
    given = {name: s.values[name] for name in names}
    if target in PATCHED and any(v.patches for v in given.values()):
        weight = torch.tensor((s.q, -1.0), dtype=torch.float64)
        base = AFFINE[target](_rows(weight, {n: v.base for n, v in given.items()}), _none, *args, **step.kwargs)
        patches = PATCHED[target](given, base, *args, **step.kwargs)
        if patches is not None:
            plain = {n: replace(v, patches=()) for n, v in given.items()}
            return replace(_affine(s, step, plain, base), patches=patches)
    return _affine(s, step, {name: v.dense() for name, v in given.items()}, None)


def _affine(s: Stretch, step: Step, given: Mapping[str, Value], base: Tensor | None) -> Value:
    run = AFFINE[step.target]
    if base is None:
        weight = torch.tensor((s.q, -1.0), dtype=torch.float64)
        base = run(_rows(weight, {n: v.base for n, v in given.items()}), _none, *step.args, **step.kwargs)
    index, aligned = _aligned(list(given.values()))
    if not len(index):
        return _new(base)
    weight = torch.zeros(len(index), dtype=torch.float64)
    rows = run(_rows(weight, dict(zip(given, aligned, strict=True))), _none, *step.args, **step.kwargs)
    return Value(base, rows, index)


def _none(_name: str, _rows: Rows) -> None:
    return None


def _rows(weight: Tensor, values: dict[str, Tensor]) -> Rows:
    return Rows(weight, values)


def _refs(args: Any) -> list[Ref]:
    if isinstance(args, Ref):
        return [args]
    return [r for a in args for r in _refs(a)] if isinstance(args, tuple) else []


def _aligned(values: list[Value]) -> tuple[Tensor, list[Tensor]]:
    """The dense rows of each value for the switches of all."""
    if all(len(v.index) == len(values[0].index) and torch.equal(v.index, values[0].index) for v in values[1:]):
        return values[0].index, [v.rows for v in values]
    index = torch.cat([v.index for v in values]).unique()
    out = []
    for v in values:
        rows = v.rows.new_zeros(len(index), *v.rows.shape[1:])
        rows[torch.searchsorted(index, v.index)] = v.rows
        out.append(rows)
    return index, out


# --- layers on windows ---------------------------------------------------------------------------------------------


Patched = tuple[Patches, ...]


def _conv(
    given: Mapping[str, Value],
    base: Tensor,
    x: Ref,
    weight: Tensor,
    _bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Patched | None:
    if groups != 1 or pair(dilation) != (1, 1) or isinstance(padding, str) or not isinstance(weight, Tensor):
        return None
    height, width = base.shape[2:]
    return convs(given[x.name].patches, weight, padding, stride, height, width)


def _norm(
    given: Mapping[str, Value], _base: Tensor, x: Ref, weight: Any, _b: Any, _m: Any, var: Tensor, *rest: Any
) -> Patched:
    scale = (var + rest[-1]).rsqrt() * (1 if weight is None else weight)
    return tuple(each(p, lambda v: v * scale) for p in given[x.name].patches)


def _add(given: Mapping[str, Value], base: Tensor, a: Any, b: Any, alpha: float = 1) -> Patched | None:
    if not (isinstance(a, Ref) and isinstance(b, Ref)):
        (value,) = given.values()
        same = base.shape == value.base.shape and not (isinstance(b, Ref) and alpha != 1)
        return value.patches if same else None
    if alpha != 1 or given[a.name].base.shape != given[b.name].base.shape:
        return None
    out = list(given[a.name].patches)
    for p in given[b.name].patches:
        for i in sorted(range(len(out)), key=lambda i: len(out[i].row) != len(p.row)):  # the likely one first
            other = out[i]
            both = added(other, p, *base.shape[2:]) or added(p, other, *base.shape[2:])
            if both is not None:
                out[i] = both
                break
        else:
            out.append(p)
    return tuple(out)


def _pool(
    given: Mapping[str, Value],
    _base: Tensor,
    x: Ref,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    _ceil: bool = False,
    _counted: bool = True,
    divisor: Any = None,
) -> Patched | None:
    height, width = given[x.name].base.shape[2:]
    if pair(kernel) != (2, 2) or pair(stride or kernel) != (2, 2) or pair(padding) != (0, 0) or divisor is not None:
        return None
    if height % 2 or width % 2:
        return None
    return tuple(halve(p, height // 2, width // 2) for p in given[x.name].patches)


def _pad(
    given: Mapping[str, Value], _base: Tensor, x: Ref, sides: Any, mode: Any = "constant", _value: Any = None
) -> Patched | None:
    if isinstance(mode, str) and mode != "constant":
        return None
    out = tuple(pad(p, sides) for p in given[x.name].patches)
    return None if any(p is None for p in out) else tuple(p for p in out if p is not None)


def _same(given: Mapping[str, Value], _base: Tensor, x: Ref, *_: Any, **__: Any) -> Patched:
    return given[x.name].patches


PATCHED: Mapping[str, Callable[..., Patched | None]] = {
    "conv2d": _conv,
    "_native_batch_norm_legit_no_training": _norm,
    "add": _add,
    "avg_pool2d": _pool,
    "pad": _pad,
    "constant_pad_nd": _pad,
    **dict.fromkeys(("alias", "clone", "detach", "contiguous", "_to_copy", "to", "dropout"), _same),
}


# --- kinks ---------------------------------------------------------------------------------------------------------


def _leaky(s: Stretch, z: Value, slope: float) -> Value:
    v, rise = z.base.flatten(1)
    spread = _spread(s, z)
    end = v + rise * s.length
    slack = spread + 1e-12 * (v.abs() + rise.abs() * s.length + spread)
    low, high = torch.minimum(v, end) - slack, torch.maximum(v, end) + slack
    followed = ((low <= 0) & (high >= 0) & (low < high)).nonzero()[:, 0]
    on = (v > 0) | ((v == 0) & (rise > 0))
    gain = torch.where(on, v.new_ones(()), slope)
    base = z.base * gain.view(1, *z.base.shape[1:])
    out = _masked(z, base, gain)
    if not len(followed):
        return _widened(out)
    ids = s.alive.nonzero()[:, 0]
    ids = ids[s.times[ids].argsort()]
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for some in followed.split(max(1, FOLLOWED // (len(ids) + 1))):
        _follow(s, z, out, some, ids, slope, found)
    times, unit, change = (torch.cat(column) for column in zip(*found, strict=True))
    if not len(times):
        return _widened(out)
    if int(s.alive.sum()) + len(times) > 4 * s.most:  # no need to keep what the stretch will not reach
        near = times <= times.kthvalue(s.most).values
        times, unit, change = times[near], unit[near], change[near]
        s.length = min(s.length, float(times.max()))
    s.values["_out"] = out
    number = s.meet(times)
    out = s.values.pop("_out")
    here = s.alive[number]
    return _widened(_with_units(out, number[here], unit[here], change[here]))


def _spread(s: Stretch, z: Value) -> Tensor:
    """[N]: sum over k of (length - t_k) |G_k|, which no unit's changes can exceed."""
    total = z.base.new_zeros(z.base[0].numel())
    weight = s.length - s.times
    if len(z.index):
        total += weight[z.index] @ z.rows.flatten(1).abs()
    if z.patches:
        channels, height, width = z.base.shape[1:]
        sums = z.base.new_zeros(height * width, channels)
        for p in z.patches:
            w = weight[p.row]
            if p.fixed is not None:
                sums += (w @ p.whole(height, width).v.flatten(1).abs()).view(height * width, channels)
            else:
                cells = (p.v.abs() * w.view(-1, 1, 1, 1)).reshape(-1, channels)
                sums.scatter_add_(0, p.places(height, width).view(-1, 1).expand(-1, channels), cells)
        total += sums.t().reshape(-1)
    return total


def _masked(z: Value, base: Tensor, gain: Tensor) -> Value:
    """Every change times the gain of its unit at the start of the stretch."""
    rows = z.rows * gain.view(1, *z.base.shape[1:])
    if not z.patches:
        return Value(base, rows, z.index)
    height, width = z.base.shape[2:]
    flat = gain.view(-1, height * width).t().contiguous()
    patches = []
    for p in z.patches:
        if p.fixed is not None:
            p = p.whole(height, width)
            patches.append(replace(p, v=p.v * flat.view(height, width, -1)))
        else:
            at = p.places(height, width)
            patches.append(replace(p, v=flat[at.flatten()].view(p.v.shape).mul_(p.v)))
    return Value(base, rows, z.index, tuple(patches))


def _follow(
    s: Stretch,
    z: Value,
    out: Value,
    units: Tensor,
    ids: Tensor,
    slope: float,
    found: list[tuple[Tensor, Tensor, Tensor]],
) -> None:
    """Units [n] from knot to knot: their changes in `out` are set right, their changes of sign added to `found`."""
    times = s.times[ids]
    changes = _read(z, units, ids, len(s.times))
    base = z.base.flatten(1)[:, units]
    rises, at = _walk(base, changes, times, s.length)
    rough = (
        1e-15 * len(at) * (changes.abs().sum(0) + base[1].abs())
    )  # what rounding leaves where nothing should be left
    rises = rises.masked_fill(rises.abs() <= rough, 0.0)
    at = at.masked_fill(at.abs() <= base[0].abs() * 1e-15 + rough * s.length, 0.0)
    before = (at[:-1] > 0) | ((at[:-1] == 0) & (rises > 0))  # on where the piece begins, on where it ends
    after = (at[1:] > 0) | ((at[1:] == 0) & (rises < 0))
    one = rises.new_ones(())
    gain0, gain1 = torch.where(before, one, slope), torch.where(after, one, slope)
    right = torch.where(gain0[1:] == gain1[:-1], gain0[1:] * changes, gain0[1:] * rises[1:] - gain1[:-1] * rises[:-1])
    left = _write(out, units, ids, len(s.times), right)
    piece, unit = (before != after).nonzero(as_tuple=True)
    width = torch.cat((times, times.new_tensor([s.length]))).diff(prepend=times.new_zeros(1))[piece]
    start = torch.cat((times.new_zeros(1), times))[piece]
    step = torch.minimum((-at[piece, unit] / rises[piece, unit]).clamp(min=0), width)
    found.append((start + step, units[unit], ((gain1 - gain0) * rises)[piece, unit]))
    knot, unit = left.nonzero(as_tuple=True)
    found.append((times[knot], units[unit], left[knot, unit]))


def _cells(value: Value, p: Patches, units: Tensor) -> tuple[Tensor, Tensor]:
    """Where each of `units` [n] lies in each window, as a place in p.v.view(-1), and whether it does. Both [K, n]."""
    height, width = value.base.shape[2:]
    h, w, channels = p.v.shape[1:]
    channel, cell = units // (height * width), units % (height * width)
    dy = cell // width - p.y[:, None]
    dx = cell % width - p.x[:, None]
    inside = (dy >= 0) & (dy < h) & (dx >= 0) & (dx < w)
    at = ((torch.arange(len(p.y))[:, None] * h + dy) * w + dx) * channels + channel
    return at, inside


def _read(z: Value, units: Tensor, ids: Tensor, count: int) -> Tensor:
    """The changes of `units` at the switches `ids`: [len(ids), n]."""
    table = z.base.new_zeros(count, len(units))
    if len(z.index):
        table[z.index] = z.rows.flatten(1)[:, units]
    for p in z.patches:
        v = p.v.contiguous().view(-1)
        at, inside = _cells(z, p, units)
        table[p.row] += torch.where(inside, v[at.clamp(0, len(v) - 1)], 0.0)
    return table[ids]


def _write(out: Value, units: Tensor, ids: Tensor, count: int, right: Tensor) -> Tensor:
    """Put the changes `right` [len(ids), n] of `units` into `out`; -> those it has no place for, elsewhere 0."""
    table = out.base.new_zeros(count, len(units))
    table[ids] = right
    if len(out.index):
        out.rows.view(len(out.index), -1)[:, units] = table[out.index]
        table[out.index] = 0.0
    for p in out.patches:
        at, inside = _cells(out, p, units)
        p.v.view(-1)[at[inside]] = table[p.row][inside]
        table[p.row] = torch.where(inside, 0.0, table[p.row])
    return table[ids]


def _with_units(out: Value, number: Tensor, unit: Tensor, change: Tensor) -> Value:
    """With new switches that change one unit each."""
    if not len(number):
        return out
    if out.base.dim() == 4:
        channels, height, width = out.base.shape[1:]
        v = out.base.new_zeros(len(number), 1, 1, channels)
        v[torch.arange(len(number)), 0, 0, unit // (height * width)] = change
        cell = unit % (height * width)
        return replace(out, patches=(*out.patches, Patches(v, cell // width, cell % width, number)))
    rows = out.base.new_zeros(len(number), *out.base.shape[1:])
    rows.view(len(number), -1)[torch.arange(len(number)), unit] = change
    return Value(out.base, torch.cat((out.rows, rows)), torch.cat((out.index, number)))


def _widened(out: Value) -> Value:
    """Windows that fill a good part of the picture are kept as whole pictures."""
    if not out.patches:
        return out
    height, width = out.base.shape[2:]
    enough = WHOLE * height * width
    patches = (p.whole(height, width) if p.v.shape[1] * p.v.shape[2] >= enough else p for p in out.patches)
    return replace(out, patches=tuple(patches))
