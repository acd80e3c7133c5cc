"""Numbers of things in a message: "1 file", "2 files"."""

from __future__ import annotations


def counted(n: int, one: str, many: str = "") -> str:
    """n and its noun, thousands apart by commas. many: the plural where it is not one + "s".

    >>> counted(1, "file"), counted(0, "file"), counted(12345, "class", "classes")
    ('1 file', '0 files', '12,345 classes')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"
