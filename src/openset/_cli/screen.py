"""What people see of rows: a table as wide as their terminal, and a block for each row where columns would be too narrow."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

NARROW = 60  # columns of a terminal, below which a table would break words apart


def console(width: int = 100_000) -> Any:
    """A rich Console for standard output; where nobody watches it is `width` wide, by default enough for any line."""
    from rich.console import Console

    class Out(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would end the program with code 1

    watched = sys.stdout.isatty() or bool(os.environ.get("COLUMNS"))
    return Out(highlight=False, markup=False, emoji=False, width=None if watched else width)


def table(*names: str) -> Any:
    """A table with these columns, whose cells are folded where they are too long."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        made.add_column(name, overflow="fold")
    return made


def put_block(out: Any, head: Text, parts: Iterable[Text]) -> None:
    """A line that names the row, and below it its parts, indented and wrapped."""
    from rich.text import Text

    for part, indent in ((head, ""), *((part, "  ") for part in parts)):
        for line in part.wrap(out, max(8, out.width - len(indent))):
            line.rstrip()
            out.print(Text(indent) + line, soft_wrap=True)
