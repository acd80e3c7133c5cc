"""What a benchmark says: how far a long run is, a line every half minute; and its table, printed and kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from openset.runfile import write_atomic


def teller(seconds: float = 30.0) -> Callable[..., None]:
    """A function of (done, of, loss) or (what, done, of) that prints what it is told, at most once in `seconds`."""
    last = time.monotonic()

    def tell(*told: str | float) -> None:
        nonlocal last
        if time.monotonic() - last > seconds:
            print("  " + " ".join(f"{x:.3f}" if isinstance(x, float) else str(x) for x in told), flush=True)
            last = time.monotonic()

    return tell


def show(lines: Sequence[str], file: Path | None) -> None:
    """Prints them, and writes them to the file where one is given."""
    text = "\n".join(lines)
    print(text)
    if file is not None:
        write_atomic(file, f"{text}\n".encode())
