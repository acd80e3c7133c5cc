"""Every synthetic line-like negative by name, and the third of them that is never trained on.

The unseen families were chosen before any result: some of the hardest (tracks read in time, fretboards, comics,
circuits) and some of every kind, so that a table of seen beside unseen says what a judge does with pictures that nobody
thought of.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from openset.sheetmusic import lines_drawings, lines_noise, lines_sights, lines_staffs, lines_traces
from openset.sheetmusic.sketch import Picture

LINES: dict[str, Callable[[np.random.Generator], Picture]] = {
    **lines_staffs.FAMILIES,
    **lines_sights.FAMILIES,
    **lines_traces.FAMILIES,
    **lines_drawings.FAMILIES,
    **lines_noise.FAMILIES,
}
UNSEEN_LINES: frozenset[str] = frozenset(
    {
        "bass_tab",
        "five_lines_beads",
        "birds_on_wires",
        "fretboard",
        "fences",
        "blinds",
        "weave",
        "ecg",
        "timing_diagram",
        "piano_roll",
        "genome_tracks",
        "comics",
        "circuit",
        "knitting",
        "dance",
        "bus_map",
        "chess",
        "broken_jpeg",
        "gratings",
    }
)
