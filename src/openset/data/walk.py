"""Which files below a folder are pictures by their name, and what was passed over and why.

Of each only the first bytes are read, to know a PDF, whatever it is called, and its pages; decoded is nothing.

Names are visited sorted, links are followed, each real folder once, and never up to a folder that holds the walked one. Hidden files, what macOS, Windows and Synology
leave behind, and files without a picture's suffix are counted, never silently dropped.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..errors import DataError
from ..images import SUFFIXES, find, is_hidden

HIDDEN = "hidden or left behind by the system"
OTHER = "not pictures by their names"
SPECIAL = "not ordinary files"
SEEN = "folders reached by a link a second time or from within"


@dataclass(frozen=True, slots=True)
class Found:
    """pictures: paths below the folder, sorted; each page of a PDF is one, "file.pdf#page=N". ignored: reason ->
    how many entries were passed over. suffixes: of those passed over for their name. leaving: links that lead out
    of the folder they were looked for in."""

    pictures: tuple[str, ...] = ()
    ignored: Counter[str] = field(default_factory=Counter)
    suffixes: Counter[str] = field(default_factory=Counter)
    leaving: tuple[str, ...] = ()


def together(parts: Iterable[Found]) -> Found:
    """What several folders hold, as one; pictures sorted."""
    parts = list(parts)
    ignored: Counter[str] = Counter()
    suffixes: Counter[str] = Counter()
    for part in parts:
        ignored.update(part.ignored)
        suffixes.update(part.suffixes)
    pictures = sorted(path for part in parts for path in part.pictures)
    return Found(tuple(pictures), ignored, suffixes, tuple(sorted(p for part in parts for p in part.leaving)))


def told(found: Found) -> list[str]:
    """What was passed over, in one sentence; none where nothing was."""
    if not found.ignored:
        return []
    passed = "; ".join(f"{n} {reason}" for reason, n in sorted(found.ignored.items()))
    kinds = ", ".join(suffix for suffix, _ in found.suffixes.most_common(4))
    return [f"passed over: {passed}{f' ({kinds})' if kinds else ''}."]


def entries(folder: str) -> list[os.DirEntry[str]]:
    """The folder's entries sorted by name. Raises DataError where it cannot be listed."""
    try:
        with os.scandir(folder) as listing:
            return sorted(listing, key=lambda entry: entry.name)
    except OSError as e:
        raise DataError(
            f"the folder {folder!r} cannot be listed ({e.strerror}). Check the path and that you may read it."
        ) from e


def sort_entries(listing: Iterable[os.DirEntry[str]]) -> tuple[list[os.DirEntry[str]], Found]:
    """(folders to look into, what the files beside them are)."""
    folders: list[os.DirEntry[str]] = []
    pictures: list[str] = []
    ignored: Counter[str] = Counter()
    suffixes: Counter[str] = Counter()
    for entry in listing:
        suffix = os.path.splitext(entry.name)[1].lower()
        if is_hidden(entry.name):
            ignored[HIDDEN] += 1
        elif _is_folder(entry):
            folders.append(entry)
        elif suffix not in SUFFIXES:
            ignored[OTHER] += 1
            suffixes[suffix or "no suffix"] += 1
        elif _is_special(entry.path):
            ignored[SPECIAL] += 1
        else:  # a dangling link too: reading it says what is wrong
            pictures.extend(find([entry.path]))
    return folders, Found(tuple(pictures), ignored, suffixes)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """A folder, or a link to one; a link that goes round in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_special(path: str) -> bool:
    """A pipe, a device or a socket: opening one may wait for ever."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def walk(folder: str, *, root: str | None = None) -> Found:
    """The pictures below `folder`. root: the folder that links should not leave (default: `folder`).

    Raises DataError where a folder cannot be listed.
    """
    home, own = root or folder, os.path.realpath(folder)
    seen: set[str] = set()
    parts: list[Found] = []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        above = own.startswith(real.rstrip(os.sep) + os.sep)  # through it lie other classes
        if real in seen or above:
            parts.append(Found(ignored=Counter({SEEN: 1})))
            continue
        seen.add(real)
        listing = entries(here)
        folders, files = sort_entries(listing)
        parts += [files, Found(leaving=links_out(listing, home))]
        waiting += [entry.path for entry in reversed(folders)]
    return together(parts)


def links_out(listing: Iterable[os.DirEntry[str]], home: str) -> tuple[str, ...]:
    """Links among the entries, hidden ones aside, that lead out of the folder `home`."""
    real = os.path.realpath(home)
    inside = real.rstrip(os.sep) + os.sep
    links = [e.path for e in listing if e.is_symlink() and not is_hidden(e.name)]
    return tuple(path for path in links if not (os.path.realpath(path) + os.sep).startswith(inside))
