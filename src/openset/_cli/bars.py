"""Progress on standard error, for people who watch it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def _bar(*more: Any) -> Progress:
    left = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*left, *more, console=Console(stderr=True), transient=True)


@contextmanager
def counting(
    paths: Iterator[str], total: int | None
) -> Iterator[tuple[Iterator[str], Callable[[Mapping[str, int]], None]]]:
    """A bar over pictures judged, `total` of them (None: not known), with how many were unknown or unreadable."""
    with _bar(TextColumn("{task.fields[note]}")) as progress:
        task = progress.add_task("judging", total=total, note="")

        def step(seen: Mapping[str, int]) -> None:
            note = ", ".join(f"{seen[what]} {what}" for what in ("unknown", "error") if seen.get(what))
            progress.update(task, completed=sum(seen.values()), note=note)

        yield paths, step


@contextmanager
def done_of(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that is told (done, total)."""
    with _bar() as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
