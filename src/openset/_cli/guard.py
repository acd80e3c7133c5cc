"""What every command shares: errors become one line and an exit code, names become printable, extras are asked for.

Exit codes: 0 done; 1 it could not be done (one line on standard error says why and what to do); 2 the command line is
wrong; 3 `predict` judged some files but could not read others; 130 stopped with Ctrl-C; 141 the reader of our output
went away. `check` has its own: 0 nothing that harms, 1 warnings, 2 errors or a folder that cannot be used.
"""

from __future__ import annotations

import errno
import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from typing import ParamSpec

import typer

from ..errors import MissingExtraError, OpensetError

FAILED, USAGE, PARTLY, STOPPED, PIPE = 1, 2, 3, 130, 141

P = ParamSpec("P")


def guarded(command: Callable[P, int | None], *, failure: int = FAILED) -> Callable[P, None]:
    """`command` with its errors told to people. Its result is the exit code, None being 0; `failure`: on an error."""

    @functools.wraps(command)
    def run(*args: P.args, **options: P.kwargs) -> None:
        try:
            code = command(*args, **options) or 0
            flush()
        except OpensetError as error:
            complain(str(error))
            code = failure
        except KeyboardInterrupt as stop:
            complain(str(stop) or "stopped")
            code = STOPPED
        except BrokenPipeError:
            code = PIPE
        except MemoryError:
            complain("there is not enough memory. Close other programs, or give smaller pictures or fewer at once.")
            code = failure
        except OSError as error:
            complain(told(error))
            code = failure
        settle()
        raise typer.Exit(code)

    return run


def told(error: OSError) -> str:
    """An error of the operating system, for people."""
    where = f" ({os.fsdecode(error.filename)!r})" if isinstance(error.filename, str | bytes) else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{where}. Free some space, or write to another disk, and run the command again."
    return f"{error.strerror or error}{where}. Check the path, its permissions and the disk."


def flush() -> None:
    """Write what is buffered now, while an error can still be told."""
    if sys.stdout is not None:
        sys.stdout.flush()


def settle() -> None:
    """Drop what standard output cannot take, so that Python's last flush does not fail as well."""
    try:
        flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def complain(message: str) -> None:
    """An error on standard error, red on a terminal."""
    typer.secho("error: " + "\n".join(map(printable, message.split("\n"))), fg=None if _bare() else "red", err=True)


def remark(message: str) -> None:
    """A warning on standard error, yellow on a terminal."""
    typer.secho("note: " + printable(message), fg=None if _bare() else "yellow", err=True)


def _bare() -> bool:
    return bool(os.environ.get("NO_COLOR"))


def printable(text: str) -> str:
    """`text` in one line that does nothing to a terminal.

    Line breaks, controls, bytes that are no text and what standard output cannot encode are shown as escapes.
    """
    seen = text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return seen.encode(encoding, "backslashreplace").decode(encoding)


def say(text: str = "") -> None:
    """A line for people on standard output."""
    print(printable(text))


def needs(feature: str, packages: Iterable[str], extra: str) -> None:
    """Raises MissingExtraError, which holds the pip command, unless all the packages are there. Imports none."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(feature, package, extra)


def on_terminal() -> bool:
    """Is a person watching standard error? Progress bars are drawn only then."""
    return sys.stderr is not None and sys.stderr.isatty()
