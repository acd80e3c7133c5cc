"""Every synthetic line-like negative by name; which of them are never trained on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from openset.sheetmusic import lines_staffs
from openset.sheetmusic.sketch import Picture

LINES: dict[str, Callable[[np.random.Generator], Picture]] = {**lines_staffs.FAMILIES}
