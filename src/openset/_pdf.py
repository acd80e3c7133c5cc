"""Pages of PDF documents, drawn by pdfium through pypdfium2 (Apache-2.0 or BSD-3-Clause), imported at first need."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ._formats import DAMAGED, UnreadableError
from ._pixels import Pixels

if TYPE_CHECKING:
    from ._decode import Budget

LONG_SIDE = 2000  # pixels of a page's longer side: 171 dpi for A4
_lock = threading.Lock()  # pdfium is not thread-safe


def count(data: bytes) -> int:
    """How many pages a PDF has; 0 where it cannot be opened (`draw` then says why)."""
    import pypdfium2

    with _lock:
        try:
            with pypdfium2.PdfDocument(data) as document:
                return len(document)
        except Exception:  # pdfium's errors, ctypes' errors
            return 0


def draw(data: bytes, page: int, size_hint: int | None, budget: Budget) -> tuple[Pixels, int]:
    """A page, from 0, as uint8 [H, W, 3], and how many there are. Raises UnreadableError, and what pypdfium2 raises."""
    import pypdfium2

    with _lock:
        budget.begin()  # waiting for other threads' pages is no drawing of this one
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            if "password" in str(error).lower():
                raise UnreadableError("the PDF is locked with a password", "Save it without the password") from error
            raise
        with document:
            pages = len(document)
            if page >= pages:
                raise UnreadableError(f"page {page + 1} was asked for, but the PDF has {pages}", "Ask for a page in it")
            sheet = document[page]
            wide, tall = sheet.get_size()
            if not (0 < wide < 1e6 and 0 < tall < 1e6):
                raise UnreadableError(f"the page measures {wide:g} x {tall:g} points", DAMAGED)
            scale = max(LONG_SIDE, size_hint or 0) / max(wide, tall)
            width, height = max(1, round(wide * scale)), max(1, round(tall * scale))
            budget.spend(width, height)
            return _drawn(sheet, width, height, budget), pages


def _drawn(sheet: Any, width: int, height: int, budget: Budget) -> Pixels:
    """A page drawn on white in steps, so that a page that never ends meets the deadline."""
    import pypdfium2
    import pypdfium2.raw as pdfium

    bitmap = pypdfium2.PdfBitmap.new_native(width, height, pdfium.FPDFBitmap_BGR, rev_byteorder=True)
    bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
    late = pdfium.IFSDK_PAUSE(version=1)
    callback = type(late.NeedToPauseNow)(lambda _: time.monotonic() >= budget.deadline)
    late.NeedToPauseNow = callback
    flags = pdfium.FPDF_ANNOT | pdfium.FPDF_REVERSE_BYTE_ORDER
    try:
        status = pdfium.FPDF_RenderPageBitmap_Start(bitmap, sheet, 0, 0, width, height, 0, flags, late)
        budget.check()
    finally:
        pdfium.FPDF_RenderPage_Close(sheet)
    if status != pdfium.FPDF_RENDER_DONE:
        raise UnreadableError("the page cannot be drawn", DAMAGED)
    return np.array(bitmap.to_numpy()[:, :, :3])
