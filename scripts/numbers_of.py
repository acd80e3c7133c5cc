"""Which judge a file of measured numbers is of: the card must not show another's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from openset.judge import SHIPPED
from openset.judgefile import graph_digest, info_of
from openset.onnxbytes import read_model

PACKAGE = Path(__file__).parents[1] / "src/openset"


def identity(judge: str) -> str:
    """16 hex digits of the graph, weights and thresholds of a judge file or shipped judge; its words do not count."""
    model = read_model(PACKAGE / SHIPPED[judge] if judge in SHIPPED else judge)
    thresholds = info_of(model).thresholds
    values = json.dumps({label: thresholds[label].value for label in sorted(thresholds)})
    return hashlib.sha256((graph_digest(model) + values).encode()).hexdigest()[:16]


def keep(file: Path | None, judge: str, numbers: object) -> None:
    """Write the numbers with whose they are, where a file is wanted."""
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"judge": identity(judge), "numbers": numbers}, indent=1) + "\n")


def kept(file: Path, judge: str | None) -> Any:
    """The numbers; None where there is no such file. judge: whose they must be, an identity; None: anybody's. Raises SystemExit."""
    if not file.exists():
        return None
    content = json.loads(file.read_text())
    whose = content.get("judge") if isinstance(content, dict) else None
    if whose is None or (judge is not None and whose != judge):
        raise SystemExit(
            f"{file} holds what was measured on another judge ({whose or 'which is not said'}): measure again, or remove it"
        )
    return content["numbers"]
