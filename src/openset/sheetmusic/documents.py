"""Negative pictures of the document kind: every family by name, each a function of a random generator.

A family is called with a `numpy.random.Generator` and returns a clean uint8 picture, [H, W] gray or [H, W, 3] RGB, of
long side 900 to 1300 px; the same generator state and the same fonts in use (`fonts.use`) give the same picture. None
shows a five-line staff with notes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from openset.sheetmusic.charts import CHARTS
from openset.sheetmusic.composed import COMPOSED
from openset.sheetmusic.diagrams import DIAGRAMS
from openset.sheetmusic.letters import LETTERS
from openset.sheetmusic.papers import PAPERS
from openset.sheetmusic.plates import PLATES
from openset.sheetmusic.screens import SCREENS
from openset.sheetmusic.shelf import SHELF
from openset.sheetmusic.tables import TABLES
from openset.sheetmusic.texts import TEXTS
from openset.sheetmusic.typeset import Picture

Family = Callable[[np.random.Generator], Picture]
DOCUMENTS: dict[str, Family] = {
    **TEXTS,
    **LETTERS,
    **PAPERS,
    **TABLES,
    **SCREENS,
    **CHARTS,
    **DIAGRAMS,
    **PLATES,
    **SHELF,
    **COMPOSED,
}
