"""Progress on standard error, for people who watch it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@dataclass(frozen=True, slots=True)
class Bar:
    """step: is told the counts so far. aside: a context in which the bar is away, to print on the same terminal."""

    step: Callable[[Mapping[str, int]], None]
    aside: Callable[[], AbstractContextManager[None]]


def _bar(*more: Any) -> Progress:
    left = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # results go to standard output, past the bar: rich would catch them and draw them on standard error
    return Progress(
        *left, *more, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    )


@contextmanager
def counting(total: int | None) -> Iterator[Bar]:
    """A bar over pictures judged, `total` of them (None: not known), with how many were unknown or unreadable."""
    with _bar(TextColumn("{task.fields[note]}")) as progress:
        task = progress.add_task("judging", total=total, note="")

        def step(seen: Mapping[str, int]) -> None:
            note = ", ".join(f"{seen[what]} {what}" for what in ("unknown", "error") if seen.get(what))
            progress.update(task, completed=sum(seen.values()), note=note)

        @contextmanager
        def aside() -> Iterator[None]:
            progress.stop()
            yield
            progress.start()

        yield Bar(step, aside)


@contextmanager
def done_of(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that is told (done, total)."""
    with _bar() as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """Bars that are told (what, done, total), a bar for each `what`; the one before it is then done with."""
    with _bar() as progress:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for task in tasks.values():
                    progress.update(task, visible=False)
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield tell
