"""What `openset.metrics` takes: scores [N] of any real dtype, checked, in one dtype in which every comparison is exact."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
EXACT = 2**53  # float64 holds every whole number up to this


def below(a: Array, b: Array) -> tuple[Array, Array]:
    """For each of a: how many of b are below it, and how many are at or below it."""
    b = np.sort(b)
    return np.searchsorted(b, a, side="left"), np.searchsorted(b, a, side="right")


def area(a: Array, b: Array) -> float:
    """P(one of a > one of b) + P(equal) / 2 over all pairs, of two sides that `pair` gave."""
    low, high = below(a, b)
    return (int(low.sum()) + int(high.sum())) / (2 * len(a) * len(b))


def pair(one: ArrayLike, other: ArrayLike, *names: str) -> tuple[Array, Array]:
    """Both sides in one dtype in which every comparison is exact."""
    a, b = (scores(x, name) for x, name in zip((one, other), names or ("inside", "outside"), strict=True))
    common = np.result_type(a, b)
    if common.kind == "f" and not (_in_floats(a) and _in_floats(b)):
        common = np.dtype(object)
    return a.astype(common), b.astype(common)


def _in_floats(x: Array) -> bool:
    """Whether the floating dtype that numpy chooses for x and another array holds every number of x exactly."""
    if x.dtype.kind == "f":
        return True  # result_type never narrows, and holds every whole number of fewer than 64 bits
    return x.dtype.itemsize < 8 or (int(x.max()) <= EXACT and int(x.min()) >= -EXACT)


def array(x: Any) -> Array:
    """What numpy makes of x, but whole numbers in a list stay exact where numpy would round them to floats.

    Of torch's tensors, and of a list of them, known by their methods, the numbers: bfloat16 is no dtype of numpy's.
    Raises ValueError for masked arrays, whose mask would be lost.
    """
    if np.ma.is_masked(x):
        raise ValueError("some numbers are masked: leave those out first, as x.compressed() or x[~x.mask] does.")
    if not isinstance(x, Sequence) or isinstance(x, str | bytes):
        return _plain(x)
    values = [_plain(v)[()] if _is_tensor(v) else v for v in x] if any(map(_is_tensor, x)) else x
    made = np.asarray(values)
    if made.dtype.kind == "f" and any(isinstance(v, int | np.integer) and abs(int(v)) > EXACT for v in values):
        return np.array([v.item() if isinstance(v, np.generic) else v for v in values], object)
    return made


def _is_tensor(x: Any) -> bool:
    return callable(getattr(x, "detach", None))


def _plain(x: Any) -> Array:
    if _is_tensor(x):
        x = x.detach().cpu()
        x = x.double() if x.is_floating_point() else x
    return np.asarray(x)


def scores(x: ArrayLike, name: str) -> Array:
    s = array(x)
    if s.ndim != 1 or not len(s):
        raise ValueError(f"{name} has the shape {list(s.shape)}; give scores [N], N >= 1: both sides are needed.")
    if s.dtype == object and all(isinstance(v, numbers.Real) for v in s):
        pass  # whole numbers too large for int64: Python compares them exactly
    elif s.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {s.dtype}; give real numbers.")
    if (s != s).any():
        raise ValueError(f"{name} holds NaN ({int((s != s).sum())} of {len(s)}); a score must be a number.")
    return s.astype(np.uint8) if s.dtype == np.bool_ else s


def floats(x: ArrayLike, name: str) -> NDArray[np.float64]:
    """Scores as float64. Raises ValueError also where one is too large for it."""
    s = scores(x, name)
    try:
        with np.errstate(over="raise"):
            return s.astype(np.float64)
    except ArithmeticError:
        raise ValueError(f"{name} holds a number too large for float64; give numbers up to 1.7e308.") from None


def confidences(x: ArrayLike) -> NDArray[np.float64]:
    c = floats(x, "confidence")
    if c.min() < 0 or c.max() > 1:
        raise ValueError(f"confidence reaches from {c.min()} to {c.max()}; give probabilities, from 0 to 1.")
    return c


def bools(x: ArrayLike) -> NDArray[np.float64]:
    """True and False, or 1 and 0, as float64."""
    made = floats(x, "correct")
    if not np.isin(made, (0, 1)).all():
        raise ValueError("correct holds other numbers than 0 and 1; give True where the answer is right.")
    return made


def number(x: float, name: str) -> float:
    if math.isnan(x):
        raise ValueError(f"{name} is NaN; give a number.")
    return x
