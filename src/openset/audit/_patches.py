"""Changes of slope that touch a part of a picture: small windows that grow from layer to layer, in float64.

A unit that switches changes the slopes behind it only in its cone. K such changes are kept as windows [K, h, w, C] at
(y, x) of a picture [C, H, W], zero outside; a layer is then computed on the windows alone. Windows grown to a good
part of the picture are kept as whole pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ._steps import pair

WHOLE = 0.45  # of the picture's area: from there on whole pictures are cheaper
FEW, MOST = (
    16,
    0.6,
)  # changes, and share of the units that they reach: from or up to here only the units reached are read
PLACES = 4096  # rows of one matrix product of a convolution: they stay in the cache


@dataclass(frozen=True)
class Patches:
    """v: [K, h, w, C]. y, x: int64 [K], where each window begins (it may stick out; it is 0 there). row: [K], whose.

    fixed: all windows begin at this (y, x), and the picture is 0 elsewhere: a whole picture, perhaps padded since.
    """

    v: Tensor
    y: Tensor
    x: Tensor
    row: Tensor
    fixed: tuple[int, int] | None = None

    def places(self, height: int, width: int) -> Tensor:
        """[K, h, w]: each window's cells in a flat picture [H * W]; cells outside, which hold 0, lie at the edge."""
        down = (self.y[:, None] + torch.arange(self.v.shape[1])).clamp(0, height - 1)
        along = (self.x[:, None] + torch.arange(self.v.shape[2])).clamp(0, width - 1)
        return down[:, :, None] * width + along[:, None, :]

    def select(self, keep: Tensor) -> Patches:
        return replace(self, v=self.v[keep], y=self.y[keep], x=self.x[keep], row=self.row[keep])

    def whole(self, height: int, width: int) -> Patches:
        """The same as whole pictures."""
        k, h, w, channels = self.v.shape
        if self.fixed == (0, 0) and (h, w) == (height, width):
            return self
        zero = torch.zeros_like(self.y)
        out = self.v.new_zeros(k, height, width, channels)
        if self.fixed is not None:
            top, left = self.fixed
            out[:, top : top + h, left : left + w] = self.v
        else:
            down = self.y[:, None] + torch.arange(h)
            along = self.x[:, None] + torch.arange(w)
            inside = ((down >= 0) & (down < height))[:, :, None] & ((along >= 0) & (along < width))[:, None, :]
            at = torch.arange(k)[:, None, None] * (height * width) + self.places(height, width)
            out.view(-1, channels)[at[inside]] = self.v[inside]
        return Patches(out, zero, zero, self.row, (0, 0))


def convs(
    patches: tuple[Patches, ...], weight: Tensor, padding: Any, stride: Any, height: int, width: int
) -> tuple[Patches, ...]:
    """The convolution without bias of each; (height, width): of the picture that comes out."""
    wide = [p for p in patches if p.fixed is not None]
    if sum(len(p.v) for p in wide) >= FEW and len({(p.fixed, p.v.shape[1:]) for p in wide}) == 1:
        done = _sparse(wide, weight, padding, pair(stride), height, width)
        if done is not None:
            rest = (p for p in patches if p.fixed is None)
            return (*done, *(conv(p, weight, padding, stride, height, width) for p in rest))
    return tuple(conv(p, weight, padding, stride, height, width) for p in patches)


def conv(p: Patches, weight: Tensor, padding: Any, stride: Any, height: int, width: int) -> Patches:
    """The convolution without bias; (height, width): of the picture that comes out."""
    (py, px), (sy, sx) = pair(padding), pair(stride)
    grow = (0, max(0, sx - weight.shape[3]), 0, max(0, sy - weight.shape[2]))
    weight = F.pad(weight, grow) if any(grow) else weight  # a kernel smaller than its stride skips cells
    kh, kw = weight.shape[2:]
    h, w = p.v.shape[1:3]
    if p.fixed is not None:
        y = x = torch.zeros_like(p.y)
        oh, ow, fixed = height, width, (0, 0)
    else:
        y = -((kh - 1 - py - p.y) // sy)
        x = -((kw - 1 - px - p.x) // sx)
        oh, ow, fixed = (h + kh - 2) // sy + 1, (w + kw - 2) // sx + 1, None
    taps = weight.permute(2, 3, 1, 0).contiguous()
    if (sy, sx) == (1, 1):
        top = (-py - p.fixed[0], -px - p.fixed[1]) if p.fixed is not None else (1 - kh, 1 - kw)
        v = _shifted(p.v, taps, top, oh, ow)
    else:
        v = _strided(p, taps, (p.y + py - sy * y, p.x + px - sx * x), (sy, sx), oh, ow)
    out = Patches(v, y, x, p.row, fixed)
    return out if fixed is not None else _inside(out, height, width)


def _sparse(
    wide: list[Patches], weight: Tensor, padding: Any, stride: tuple[int, int], oh: int, ow: int
) -> list[Patches] | None:
    """The convolution of whole pictures by the units that they reach, all pictures in the same products; None where these
    are MOST or more of all units. Behind a ReLU, a unit that is off is 0 in every change.

    For each line of the outcome the units of the kernel's lines are put side by side, column by column: what a place needs is one block.
    """
    (py, px), (sy, sx), (h, w, channels) = pair(padding), stride, wide[0].v.shape[1:]
    py, px = (p + edge for p, edge in zip((py, px), wide[0].fixed or (0, 0), strict=True))
    used = torch.stack([p.v.reshape(len(p.v), -1).abs().amax(0) for p in wide]).amax(0).nonzero()[:, 0]
    if len(used) >= MOST * h * w * channels:
        return None
    line, place, channel = used // (w * channels), used // channels % w, used % channels
    order = (place * h + line).argsort(stable=True)
    used, line, place, channel = used[order], line[order], place[order], channel[order]
    packed = torch.cat([p.v.reshape(len(p.v), -1).index_select(1, used) for p in wide]).t().contiguous()
    kh, kw = weight.shape[2:]
    taps = weight.permute(2, 3, 1, 0).reshape(kh * kw * channels, -1)
    out = packed.new_zeros(packed.shape[1], oh, ow, len(weight))
    for y in range(oh):
        top = y * sy - py
        here = ((line >= top) & (line < top + kh)).nonzero()[:, 0]
        block, column = packed.index_select(0, here), place[here]
        begin = torch.searchsorted(column, torch.arange(w + 1)).tolist()
        tap = ((line[here] - top) * kw + column + px) * channels + channel[here]
        for x in range(ow):
            left = x * sx - px
            a, b = begin[min(max(left, 0), w)], begin[min(max(left + kw, 0), w)]
            if a < b:
                out[:, y, x].addmm_(block[a:b].t(), taps.index_select(0, tap[a:b] - x * sx * channels))
    parts = out.split([len(p.v) for p in wide])
    return [Patches(v, p.y * 0, p.x * 0, p.row, (0, 0)) for p, v in zip(wide, parts, strict=True)]


def _shifted(v: Tensor, taps: Tensor, top: tuple[int, int], oh: int, ow: int) -> Tensor:
    """out[y, x] = sum over i, j of v[y + top + i, x + left + j] taps[i, j]: shifted products, zeros shared as padding."""
    k, h, w, channels = v.shape
    kh, kw, _, out_channels = taps.shape
    (up, left), (down, right) = top, (top[0] + kh - 1, top[1] + kw - 1)
    hp, wp = max(h - min(up, 0), oh + max(down, 0)), max(w - min(left, 0), ow + max(right, 0))
    lead, tail = max(0, -(up * wp + left)), max(0, down * wp + right)
    flat = v.new_zeros(lead + k * hp * wp + tail, channels)
    flat[lead : lead + k * hp * wp].view(k, hp, wp, channels)[:, :h, :w] = v
    out = v.new_empty(k * hp * wp, out_channels)
    for at in range(0, len(out), PLACES):
        part = out[at : at + PLACES]
        for i in range(kh):
            for j in range(kw):
                begin = lead + at + (up + i) * wp + left + j
                torch.addmm(part, flat[begin : begin + len(part)], taps[i, j], beta=float(i + j > 0), out=part)
    return out.view(k, hp, wp, out_channels)[:, :oh, :ow]


def _placed(p: Patches, shift: tuple[Tensor, Tensor], hp: int, wp: int) -> Tensor:
    """Zeros [K, hp, wp, C] with each window at its shift."""
    k, h, w, channels = p.v.shape
    out = p.v.new_zeros(k, hp, wp, channels)
    pairs = torch.stack(shift, 1)
    for dy, dx in pairs.unique(dim=0).tolist():
        here = ((pairs[:, 0] == dy) & (pairs[:, 1] == dx)).nonzero()[:, 0]
        if len(here) == k:
            out[:, dy : dy + h, dx : dx + w] = p.v
        else:
            out[here, dy : dy + h, dx : dx + w] = p.v[here]
    return out


def _strided(
    p: Patches, taps: Tensor, shift: tuple[Tensor, Tensor], stride: tuple[int, int], oh: int, ow: int
) -> Tensor:
    k, h, w, channels = p.v.shape
    kh, kw, _, out_channels = taps.shape
    (sy, sx), most = stride, (int(shift[0].max()), int(shift[1].max()))
    hp, wp = max(sy * (oh - 1) + kh, most[0] + h), max(sx * (ow - 1) + kw, most[1] + w)
    z = _placed(p, shift, hp, wp)
    out = p.v.new_empty(k * oh * ow, out_channels)
    for i in range(kh):
        for j in range(kw):
            part = z[:, i : i + sy * (oh - 1) + 1 : sy, j : j + sx * (ow - 1) + 1 : sx].reshape(-1, channels)
            torch.addmm(out, part, taps[i, j], beta=float(i + j > 0), out=out)
    return out.view(k, oh, ow, out_channels)


def _inside(p: Patches, height: int, width: int) -> Patches:
    """With zeros where a window sticks out of the picture."""
    h, w = p.v.shape[1:3]
    down, along = p.y[:, None] + torch.arange(h), p.x[:, None] + torch.arange(w)
    rows, columns = (down >= 0) & (down < height), (along >= 0) & (along < width)
    if bool(rows.all()) and bool(columns.all()):
        return p
    return replace(p, v=p.v * (rows[:, :, None] & columns[:, None, :])[..., None].to(p.v.dtype))


def halve(p: Patches, height: int, width: int) -> Patches:
    """Average pooling by 2; (height, width): of the picture that comes out, which came from an even one."""
    if p.fixed is not None:
        p = p.whole(2 * height, 2 * width)
    h, w = p.v.shape[1:3]
    oh, ow = (height, width) if p.fixed is not None else (h // 2 + 1, w // 2 + 1)
    y, x = p.y.div(2, rounding_mode="floor"), p.x.div(2, rounding_mode="floor")
    z = _placed(p, (p.y - 2 * y, p.x - 2 * x), 2 * oh, 2 * ow)
    v = (z[:, ::2, ::2] + z[:, 1::2, ::2] + z[:, ::2, 1::2] + z[:, 1::2, 1::2]) * 0.25
    return Patches(v, y, x, p.row, p.fixed)


def pad(p: Patches, sides: Any) -> Patches | None:
    """Padded by `sides` as in torch.nn.functional.pad, with zeros; None where a side is cut or the batch is padded."""
    sides = (*sides, *(0,) * (8 - len(sides)))
    left, _, top, _, front, back, first, last = sides
    if any(s < 0 for s in sides) or first or last:
        return None
    v = F.pad(p.v, (front, back)) if front or back else p.v
    fixed = None if p.fixed is None else (p.fixed[0] + top, p.fixed[1] + left)
    return Patches(v, p.y + top, p.x + left, p.row, fixed)


def each(p: Patches, what: Callable[[Tensor], Tensor]) -> Patches:
    return replace(p, v=what(p.v))


def added(big: Patches, small: Patches, height: int, width: int) -> Patches | None:
    """big + small in a picture [height, width], where each row of `small` is one of `big`; else None.

    Whole pictures take what lies in them; windows of `big` grow where they must.
    """
    if len(small.row) > len(big.row) or not len(small.row):
        return None
    at = torch.searchsorted(big.row, small.row).clamp(max=len(big.row) - 1)
    if not bool((big.row[at] == small.row).all()):
        return None
    if big.fixed is not None or small.fixed is not None:
        big = big.whole(height, width)
    dy, dx = small.y - big.y[at], small.x - big.x[at]
    if len(big.row) == len(at) and big.v.shape == small.v.shape and not bool(dy.any() | dx.any()):
        return replace(big, v=big.v + small.v)
    sh, sw = small.v.shape[1:3]
    if big.fixed is None:
        top, left = max(0, -int(dy.min())), max(0, -int(dx.min()))
        bottom, right = (
            max(0, int(d.max()) + n - m) for d, n, m in zip((dy, dx), (sh, sw), big.v.shape[1:3], strict=True)
        )
        v = F.pad(big.v, (0, 0, left, right, top, bottom))
        big = replace(big, v=v, y=big.y - top, x=big.x - left)
        dy, dx = dy + top, dx + left
    v = big.v.clone(memory_format=torch.contiguous_format)
    h, w, channels = v.shape[1:]
    down, along = dy[:, None] + torch.arange(sh), dx[:, None] + torch.arange(sw)
    inside = ((down >= 0) & (down < h))[:, :, None] & ((along >= 0) & (along < w))[:, None, :]
    cells = (at[:, None, None] * h + down[:, :, None]) * w + along[:, None, :]
    flat, cells, more = v.view(-1, channels), cells.flatten(), small.v.reshape(-1, channels)
    if not bool(inside.all()):  # what sticks out is 0
        keep = inside.flatten().nonzero()[:, 0]
        cells, more = cells[keep], more[keep]
    flat[cells] = flat[cells] + more
    return replace(big, v=v)
