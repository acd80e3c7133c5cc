"""What a person sees of a run: progress with time left on stderr, and event files that TensorBoard reads."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ._schedule import State
from .runfile import disk_errors


class Watch:
    """Progress bars on a terminal, lines anywhere, and event files; a context manager.

    `shown` False: nothing is printed, events are written.
    """

    def __init__(self, folder: Path, shown: bool) -> None:
        self.folder, self.shown = folder, shown
        self._console = Console(stderr=True, quiet=not shown)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            disable=not (shown and self._console.is_terminal),
        )
        self._tasks: dict[str, TaskID] = {}
        self._events: Any = None
        self._drawn = 0.0
        self._logged = 0

    def __enter__(self) -> Watch:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
        if self._events is not None:
            with disk_errors(self.folder):
                self._events.close()

    def say(self, text: str) -> None:
        """One line for people, above the bars."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def tell(self, what: str, done: int, total: int, note: str = "") -> None:
        """How far a job has come."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total, note=note)
        self._bars.update(self._tasks[what], completed=done, total=total, note=note)

    def step(self, epochs: int, epoch: int, step: int, steps: int, loss: float) -> None:
        """After a batch; drawn a few times a second at most."""
        now = time.monotonic()
        if now - self._drawn > 0.2:
            self._drawn = now
            self.tell("training", epoch * steps + step, epochs * steps, f"epoch {epoch + 1}/{epochs} loss {loss:.3f}")

    def epoch(self, state: State) -> None:
        """After an epoch: one line, and the epoch's numbers as TensorBoard events."""
        record = state.history[-1]
        numbers = "  ".join(f"{name} {value:.3f}" for name, value in record.items() if name != "epoch")
        self.say(f"epoch {state.epoch}  {numbers}{'  (best)' if state.best_epoch == state.epoch else ''}")
        self.log(state)

    def log(self, state: State) -> None:
        """The numbers of the epochs that are not in the event files yet. The first time all are written, in place of what lies
        there: a run may have been killed between an epoch's end and its events."""
        with disk_errors(self.folder):
            if self._events is None:
                from torch.utils.tensorboard import SummaryWriter

                self._events = SummaryWriter(str(self.folder / "tensorboard"), purge_step=0)
            for epoch, record in enumerate(state.history[self._logged :], self._logged + 1):
                for name, value in record.items():
                    if name != "epoch":
                        self._events.add_scalar(name, value, epoch)
            self._logged = len(state.history)
            self._events.flush()
