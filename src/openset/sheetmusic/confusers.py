"""What a judge took for music and is none, by name: dense ruled tables, ink spots on rules, screens and hatching, lettering
in outline, scrolls across rules, rows of dots, rows of boxes.

Groups of lines here never have five: beads and marks on five lines are kept for testing (`lines.UNSEEN_LINES`), and so is
everything like an abacus, a map of stops or a punched roll.
"""

from __future__ import annotations

from collections.abc import Mapping

from openset.sheetmusic import confusers_boxes, confusers_print, confusers_ruled
from openset.sheetmusic.confusers_ruled import Draw

CONFUSERS: Mapping[str, Draw] = {**confusers_ruled.FAMILIES, **confusers_print.FAMILIES, **confusers_boxes.FAMILIES}
