"""One made picture with what its engraver knows about it: where the staves and the notes are.

Coordinates are pixels (x right, y down) of `image`. A negative picture has no staves and no notes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Points = NDArray[np.float32]


def no_notes() -> Points:
    return np.zeros((0, 2), np.float32)


def no_staves() -> Points:
    return np.zeros((0, 4, 2), np.float32)


@dataclass(frozen=True)
class Sample:
    """image: uint8 [H, W] gray (0 black ink, 255 white paper) or [H, W, 3] RGB.
    family: what made it ("verovio", "handdrawn", "table", "tablature" ...). sheet: does it count as sheet music.
    notes: float32 [N, 2], centre (x, y) of every notehead of a five-line staff.
    staves: float32 [M, 4, 2], corners of every five-line staff that bears notes, from its top to its bottom line, in the
    order top-left, top-right, bottom-right, bottom-left; a staff space is a quarter of its height.
    """

    image: NDArray[np.uint8]
    family: str
    sheet: bool
    notes: Points = field(default_factory=no_notes)
    staves: Points = field(default_factory=no_staves)
