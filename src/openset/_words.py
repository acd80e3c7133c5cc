"""Numbers in words for people: "1 file", "2 files"; a confidence; and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_DOWN, Decimal


def counted(n: int, one: str, many: str = "") -> str:
    """n and its noun, thousands apart by commas. many: the plural where it is not one + "s".

    >>> counted(1, "file"), counted(0, "file"), counted(12345, "class", "classes")
    ('1 file', '0 files', '12,345 classes')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def shown(confidence: float, digits: int = 3) -> str:
    """A confidence, or the threshold of one, with further decimals cut off: what is below 1 never reads 1.000.

    >>> shown(0.9997), shown(0.57), shown(1.0), shown(0.99991, 4)
    ('0.999', '0.570', '1.000', '0.9999')
    """
    written = Decimal(repr(float(confidence)))  # 0.57 itself, not the float a little below it
    return f"{written.quantize(Decimal(10) ** -digits, ROUND_DOWN):f}"


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table. Raises ValueError for a row that has not as many cells as there are columns.

    >>> markdown(["net", "error"], [["lenet", ".7 %"]])
    ['| net | error |', '|---|---|', '| lenet | .7 % |']
    """
    lines = [columns, *rows]
    if any(len(line) != len(columns) for line in lines):
        raise ValueError(f"every row of the table must have {len(columns)} cells, as many as there are columns")
    told = [f"| {' | '.join(line)} |" for line in lines]
    return [told[0], "|---" * len(columns) + "|", *told[1:]]
