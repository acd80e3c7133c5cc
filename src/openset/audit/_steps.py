"""What each layer does to rows: z[i] is a point of a ray, or a slope, with the constants weighed by weight[i].

A net of affine layers and kinks is homogeneous in (input, constants) together. So one set of rules serves the plain
pass (weight 1), the pair (slope, offset) at infinity (weights 0 and 1) and points p x with constants q (alpha = p/q).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import AuditError

Positive = Callable[[str, "Rows"], "Tensor | None"]


@dataclass
class Rows:
    """The rows under way. weight: float64 [R]. values: name -> [R, ...], all that later steps need."""

    weight: Tensor
    values: dict[str, Tensor] = field(default_factory=dict)

    def get(self, value: Any) -> Any:
        """An argument: an earlier result by its name, anything else as it is."""
        name = getattr(value, "name", None)
        return self.values[name] if name is not None and not isinstance(value, Tensor) else value

    def constant(self, c: Any, like: Tensor) -> Tensor:
        """The constant c, broadcast against one row of `like`, weighed for each row."""
        c = torch.as_tensor(c, dtype=torch.float64)
        if c.dim() >= like.dim() and c.shape[0] != 1:
            raise AuditError(f"a constant of shape {tuple(c.shape)} differs between pictures of a batch: audit one net")
        return self.weight.view(-1, *[1] * (like.dim() - 1)) * c


class Batch:
    """Stands for the free batch size in the arguments of a step."""


def _moving(rows: Rows, value: Any) -> bool:
    return not isinstance(value, Tensor) and getattr(value, "name", None) in rows.values


def _inner(dim: int, dims: int, what: str) -> int:
    dim = dim + dims if dim < 0 else dim
    if dim == 0:
        raise AuditError(f"{what!r} mixes the pictures of a batch: a net must treat each picture on its own")
    return dim


def _linear(rows: Rows, _p: Positive, x: Any, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    out = F.linear(rows.get(x), weight)
    return out if bias is None else out.add_(rows.constant(bias, out))


def _addmm(rows: Rows, _p: Positive, bias: Any, x: Any, weight: Any, **_: Any) -> Tensor:
    return _linear(rows, _p, x, weight.t(), bias)


def _matmul(rows: Rows, _p: Positive, x: Any, weight: Any) -> Tensor:
    if not isinstance(weight, Tensor):
        raise AuditError("'matmul' of two results is not affine: use the searches (openset.audit.first_alpha_on_grid)")
    return torch.matmul(rows.get(x), weight)


def conv(z: Tensor, weight: Tensor, stride: Any, padding: Any, dilation: Any, groups: int) -> Tensor:
    """float64 convolution without bias: for stride 1 a sum of shifted matrix products, 2 to 6 times torch's speed."""
    out_channels, channels, kh, kw = weight.shape
    if padding == "same" or padding == "valid" or groups != 1 or any(s != 1 for s in stride) or channels < 8:
        return F.conv2d(z, weight, None, stride, padding, dilation, groups)
    (ph, pw), (dh, dw) = pair(padding), pair(dilation)
    n, _, h, w = z.shape
    tall, wide = h + 2 * ph, w + 2 * pw
    oh, ow = tall - dh * (kh - 1), wide - dw * (kw - 1)
    step = max(1, 400_000 // (channels * tall * wide))
    taps = weight.permute(2, 3, 0, 1).contiguous()
    out = z.new_empty(n, out_channels, oh, ow)
    reach = dh * (kh - 1) * wide + dw * (kw - 1)
    for at in range(0, n, step):
        part = z[at : at + step]
        padded = z.new_zeros(channels, len(part), tall, wide)
        padded[:, :, ph : ph + h, pw : pw + w] = part.transpose(0, 1)
        flat = padded.view(channels, -1)
        length = flat.shape[1] - reach
        total = z.new_empty(out_channels, flat.shape[1])
        body = total[:, :length]
        for i in range(kh):
            for j in range(kw):
                shift = i * dh * wide + j * dw
                torch.addmm(body, taps[i, j], flat[:, shift : shift + length], beta=float(i + j > 0), out=body)
        shaped = total.view(out_channels, len(part), tall, wide)
        out[at : at + step] = shaped[:, :, :oh, :ow].transpose(0, 1)
    return out


def pair(value: Any) -> tuple[int, int]:
    """One number for both axes of a picture, or one for each."""
    pair = (value,) if isinstance(value, int) else tuple(value)
    return (pair[0], pair[-1])


def _conv2d(
    rows: Rows,
    _p: Positive,
    x: Any,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    groups: int = 1,
) -> Tensor:
    padding = padding if isinstance(padding, str) else pair(padding)
    out = conv(rows.get(x), weight, pair(stride), padding, pair(dilation), groups)
    return out if bias is None else out.add_(rows.constant(bias.view(-1, 1, 1), out))


def _batch_norm(
    rows: Rows, _p: Positive, x: Any, weight: Any, bias: Any, mean: Tensor, var: Tensor, _momentum: float, eps: float
) -> Tensor:
    z = rows.get(x)
    scale = (var + eps).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    view = (-1, *[1] * (z.dim() - 2))
    return torch.addcmul(rows.constant(shift.view(view), z), z, scale.view(view))


def _add(rows: Rows, _p: Positive, a: Any, b: Any, alpha: float = 1) -> Tensor:
    left, right = rows.get(a), rows.get(b)
    if _moving(rows, a) and _moving(rows, b):
        return torch.add(left, right, alpha=alpha)
    if _moving(rows, a):
        return torch.add(left, rows.constant(right, left), alpha=alpha)
    return torch.add(rows.constant(left, right), right, alpha=alpha)


def _sub(rows: Rows, p: Positive, a: Any, b: Any, alpha: float = 1) -> Tensor:
    return _add(rows, p, a, b, -alpha)


def _rsub(rows: Rows, p: Positive, a: Any, b: Any, alpha: float = 1) -> Tensor:
    return _add(rows, p, b, a, -alpha)


def _mul(rows: Rows, _p: Positive, a: Any, b: Any) -> Tensor:
    if _moving(rows, a) and _moving(rows, b):
        raise AuditError("a product of two results is not affine: use the searches (openset.audit.first_alpha_on_grid)")
    return rows.get(a) * rows.get(b)


def _div(rows: Rows, _p: Positive, a: Any, b: Any) -> Tensor:
    if _moving(rows, b):
        raise AuditError("a quotient of results is not affine: use the searches (openset.audit.first_alpha_on_grid)")
    return rows.get(a) / b


def _view(rows: Rows, _p: Positive, x: Any, shape: Any) -> Tensor:
    z = rows.get(x)
    if not shape or not (isinstance(shape[0], Batch) or shape[0] == -1):
        raise AuditError(f"a reshape to {tuple(map(str, shape))} moves the batch axis: keep it first")
    return z.reshape(len(z), *shape[1:])


def _flatten(rows: Rows, _p: Positive, x: Any, start: int = 0, end: int = -1) -> Tensor:
    z = rows.get(x)
    return z.flatten(_inner(start, z.dim(), "flatten"), end)


def _permute(rows: Rows, _p: Positive, x: Any, dims: Any) -> Tensor:
    if dims[0] != 0:
        raise AuditError("'permute' moves the batch axis: keep it first")
    return rows.get(x).permute(dims)


def _transpose(rows: Rows, _p: Positive, x: Any, a: int, b: int) -> Tensor:
    z = rows.get(x)
    return z.transpose(_inner(a, z.dim(), "transpose"), _inner(b, z.dim(), "transpose"))


def _pad(rows: Rows, _p: Positive, x: Any, sides: Any, mode: str = "constant", value: Any = None) -> Tensor:
    z = rows.get(x)
    if mode != "constant":
        return F.pad(z, sides, mode)
    out = F.pad(z, sides)
    return out + rows.constant(F.pad(torch.zeros_like(z[:1]), sides, value=value), out) if value else out


def _constant_pad(rows: Rows, p: Positive, x: Any, sides: Any, value: float = 0) -> Tensor:
    return _pad(rows, p, x, sides, "constant", value)


def _cat(rows: Rows, _p: Positive, parts: Any, dim: int = 0) -> Tensor:
    like = next(rows.get(part) for part in parts if _moving(rows, part))
    dim = _inner(dim, like.dim(), "cat")
    return torch.cat([rows.get(c) if _moving(rows, c) else rows.constant(c, like) for c in parts], dim)


def _reduce(what: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    def step(rows: Rows, _p: Positive, x: Any, dims: Any = None, keep: bool = False, **_: Any) -> Tensor:
        z = rows.get(x)
        if not dims and dims != 0:
            raise AuditError(f"{name!r} over the whole batch mixes its pictures: name the axes")
        dims = [dims] if isinstance(dims, int) else dims
        return what(z, [_inner(d, z.dim(), name) for d in dims], keep)

    return step


def _same(what: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A linear layer without constants that treats each row on its own."""

    def step(rows: Rows, _p: Positive, x: Any, *args: Any, **kwargs: Any) -> Tensor:
        return what(rows.get(x), *args, **kwargs)

    return step


def _along(what: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    """A linear layer without constants whose first argument is an axis."""

    def step(rows: Rows, _p: Positive, x: Any, dim: int, *args: Any) -> Tensor:
        z = rows.get(x)
        return what(z, _inner(dim, z.dim() + (name == "unsqueeze"), name), *args)

    return step


def _slice(
    rows: Rows, _p: Positive, x: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    z = rows.get(x)
    if dim == 0 and not start and (end is None or end >= 2**31) and step == 1:
        return z  # x[:, ...] takes the whole batch
    return z[(slice(None),) * _inner(dim, z.dim(), "slice") + (slice(start, end, step),)]


def _keep(z: Tensor, *_: Any, **__: Any) -> Tensor:
    return z


def _leaky(rows: Rows, positive: Positive, x: Any, slope: float = 0.0) -> Tensor:
    mask = positive(x.name, rows)
    z = rows.get(x)
    if mask is None:
        return F.leaky_relu(z, slope) if slope else z.clamp(min=0)
    return torch.where(mask, z, z * slope if slope else 0.0)


def _leaky_default(rows: Rows, positive: Positive, x: Any, slope: float = 0.01) -> Tensor:
    return _leaky(rows, positive, x, slope)


def _maximum(rows: Rows, positive: Positive, a: Any, b: Any) -> Tensor:
    left, right = (rows.get(v) if _moving(rows, v) else None for v in (a, b))
    like = left if left is not None else right
    assert like is not None
    rows.values["_a"] = left if left is not None else rows.constant(a, like).expand_as(like)
    rows.values["_b"] = right if right is not None else rows.constant(b, like).expand_as(like)
    return _larger(rows, positive)


def _larger(rows: Rows, positive: Positive) -> Tensor:
    """The larger of the values "_a" and "_b", which are taken away."""
    rows.values["_d"] = rows.values["_a"] - rows.values["_b"]
    mask = positive("_d", rows)
    a, b, _ = rows.values.pop("_a"), rows.values.pop("_b"), rows.values.pop("_d")
    return torch.maximum(a, b) if mask is None else torch.where(mask, a, b)


def _max_pool(
    rows: Rows,
    positive: Positive,
    x: Any,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Rows, then columns, each a chain of pairwise maxima; a place outside the picture repeats one of its window."""
    z = rows.get(x)
    out = F.max_pool2d(z[:1], kernel, stride or None, padding, dilation, ceil_mode)
    for axis in (2, 3):
        i = axis - 2
        k, s, p, d = (pair(v)[i] for v in (kernel, stride or kernel, padding, dilation))
        places = torch.arange(out.shape[axis])[:, None] * s - p + torch.arange(k) * d
        inside = (places >= 0) & (places < z.shape[axis])
        some = places.gather(1, inside.int().argmax(1, keepdim=True))
        places = torch.where(inside, places, some)
        rows.values["_x"] = z
        best = z.index_select(axis, places[:, 0])
        for j in range(1, k):
            rows.values["_a"], rows.values["_b"] = best, rows.values["_x"].index_select(axis, places[:, j])
            best = _larger(rows, positive)
        z = best
        del rows.values["_x"]
    return z


AFFINE: Mapping[str, Callable[..., Tensor]] = {
    "linear": _linear,
    "addmm": _addmm,
    "matmul": _matmul,
    "mm": _matmul,
    "conv2d": _conv2d,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "add": _add,
    "sub": _sub,
    "rsub": _rsub,
    "neg": _same(torch.neg),
    "mul": _mul,
    "div": _div,
    "view": _view,
    "reshape": _view,
    "_unsafe_view": _view,
    "flatten": _flatten,
    "permute": _permute,
    "transpose": _transpose,
    "pad": _pad,
    "constant_pad_nd": _constant_pad,
    "cat": _cat,
    "sum": _reduce(torch.sum, "sum"),
    "mean": _reduce(torch.mean, "mean"),
    "avg_pool2d": _same(F.avg_pool2d),
    "adaptive_avg_pool2d": _same(F.adaptive_avg_pool2d),
    "unsqueeze": _along(torch.unsqueeze, "unsqueeze"),
    "squeeze": _along(torch.squeeze, "squeeze"),
    "select": _along(torch.select, "select"),
    "slice": _slice,
    "alias": _same(_keep),
    "clone": _same(_keep),
    "detach": _same(_keep),
    "contiguous": _same(_keep),
    "_to_copy": _same(_keep),
    "to": _same(_keep),
    "dropout": _same(_keep),
}
KINKS: Mapping[str, Callable[..., Tensor]] = {
    "relu": _leaky,
    "leaky_relu": _leaky_default,
    "maximum": _maximum,
    "max_pool2d": _max_pool,
}
