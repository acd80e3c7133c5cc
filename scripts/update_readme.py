"""Fill the README's block of numbers from docs/sheet-music.json.  `python scripts/update_readme.py [--check]`

The block lies between `<!-- numbers:begin -->` and `<!-- numbers:end -->`. --check: change nothing, exit 1 if the block is
not what the JSON says. docs/sheet-music.json is one object:

    judge      whose numbers these are (`numbers_of.identity`)
    date       "2026-11-25", the day of the measurement
    pictures   one sentence: what was measured on, and that none of it was trained on
    rows       a list of objects, one a line of the table:
        measure    what was measured, in words
        plain      the number for the plain net, or null
        shipped    the number for the shipped judge
        interval   [low, high], a 95 % interval of `shipped`, or null
        n          on how many pictures
        kind       "proved", "searched" or "measured"
        script     the script in this tree that measured it
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- numbers:begin -->", "<!-- numbers:end -->"
TOP = ("judge", "date", "pictures", "rows")
ROW = ("measure", "plain", "shipped", "interval", "n", "kind", "script")
KINDS = ("proved", "searched", "measured")


def table(facts: Mapping[str, Any]) -> str:
    """The block's text. Raises ValueError that names a key that is missing, unknown or wrong."""
    _must_have(facts, TOP, "the object")
    lines = [
        "| sheet music or not | plain | shipped judge (95 % interval) | pictures | kind | measured by |",
        "|---|---|---|---|---|---|",
    ]
    for number, row in enumerate(facts["rows"]):
        _must_have(row, ROW, f"rows[{number}]")
        if row["kind"] not in KINDS:
            raise ValueError(f"rows[{number}].kind is {row['kind']!r}; give one of {', '.join(KINDS)}.")
        if not (ROOT / row["script"]).exists():
            raise ValueError(f"rows[{number}].script is {row['script']!r}; give a file of this tree.")
        shipped = _number(row["shipped"])
        if row["interval"] is not None:
            low, high = row["interval"]
            shipped += f" ({_number(low)} to {_number(high)})"
        plain = "" if row["plain"] is None else _number(row["plain"])
        source = f"[`{row['script']}`]({row['script']})"
        lines.append(f"| {row['measure']} | {plain} | {shipped} | {row['n']:,} | {row['kind']} | {source} |")
    return "\n".join([*lines, "", f"{facts['pictures']} Measured on {facts['date']}."])


def filled(readme: str, text: str) -> str:
    """The README with `text` as its block of numbers. Raises ValueError unless both markers stand there once."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1 or readme.index(END) < readme.index(BEGIN):
        raise ValueError(f"README.md needs {BEGIN} once and {END} once after it.")
    head, rest = readme.split(BEGIN)
    return f"{head}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}"


def _must_have(value: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    if set(value) != set(keys):
        raise ValueError(f"{where} has the keys {sorted(value)}; it needs {sorted(keys)}.")


def _number(value: float) -> str:
    """Four significant digits, whole numbers as they are."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the block is out of date")
    only_check = parser.parse_args().check
    readme = ROOT / "README.md"
    before = readme.read_text(encoding="utf-8")
    facts = json.loads((ROOT / "docs" / "sheet-music.json").read_text(encoding="utf-8"))
    after = filled(before, table(facts))
    if only_check:
        return int(before != after)
    readme.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
