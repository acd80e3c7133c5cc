"""`python -m openset` is `openset`."""

from __future__ import annotations

from .cli import main

main()
