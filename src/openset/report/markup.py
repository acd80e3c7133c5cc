"""Text made safe for HTML: the one place where a stranger's string becomes markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import NewType

Markup = NewType("Markup", str)
"""HTML that is already safe; a plain `str` never is."""

# what XML 1.0 has no place for, lone surrogates of undecodable file names among them
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escaped(text: str) -> Markup:
    """Any string as text or attribute value; characters that a page cannot hold become U+FFFD."""
    return Markup(html.escape(_FORBIDDEN.sub("\ufffd", text), quote=True))


def named(text: str) -> Markup:
    """A name from outside (a file, a class) whose writing direction cannot turn what stands beside it."""
    return Markup(f"<bdi>{escaped(text)}</bdi>")


def joined(parts: Iterable[Markup], by: str = "\n") -> Markup:
    return Markup(by.join(parts))
