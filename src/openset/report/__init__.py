"""Finished numbers and decisions in, one self-contained HTML file out. No torch, no plotting library, no script.

A page is a title and sections of blocks: paragraphs, tables, picture cards, histograms. It is light or dark as the
reader's system is, narrow on a phone, prints, loads nothing from anywhere, and is well-formed XML as well as HTML.
"""

from .markup import Markup
from .page import Card, Section, Table, cards, paragraph, render, table, thumbnail, write
from .plots import Series, histogram, side_by_side

__all__ = [
    "Card",
    "Markup",
    "Section",
    "Series",
    "Table",
    "cards",
    "histogram",
    "paragraph",
    "render",
    "side_by_side",
    "table",
    "thumbnail",
    "write",
]
