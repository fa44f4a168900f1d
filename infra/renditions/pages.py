"""A PDF's first pages as images, with PDFium: no scripts, no forms, nothing fetched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from PIL import Image
from pypdfium2 import PdfDocument, PdfPage

SIDE = 1600  # pixels, the longer one of a page


def pages(path: Path, most: int) -> Iterator[Image.Image]:
    """The first `most` at most."""
    document = PdfDocument(path)
    for number in range(min(len(document), most)):
        page = document[number]
        yield _drawn(page, SIDE / max(page.get_size()))


def cover(path: Path, width: int | None, most_side: int) -> Image.Image:
    """The first page, so wide, unless that makes a side longer than `most_side`."""
    page = PdfDocument(path)[0]
    wide, high = page.get_size()
    scale = SIDE / max(wide, high) if width is None else width / wide
    return _drawn(page, min(scale, most_side / max(wide, high)))


def _drawn(page: PdfPage, scale: float) -> Image.Image:
    bitmap = cast(Any, page).render(scale=scale)  # untyped in pypdfium2
    image = bitmap.to_pil().convert("RGB")  # a copy: the view ends with the bitmap
    bitmap.close()
    page.close()
    return image
