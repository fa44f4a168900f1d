"""The child: takes an order, writes what is asked for into its folder, and answer.json.

A program of its own (see rendering.py): what it decodes was written by anybody. To begin is a
quarter of what a thumbnail takes, so PDFium is imported only for what is a PDF.
"""

import errno
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image

from infra.renditions import encoding, images, texts
from infra.renditions.model import (
    ANSWER,
    IMAGES,
    MOST_SIDE,
    PDF,
    THUMBNAIL,
    WIDTHS,
    AllMade,
    Answer,
    Cause,
    Convert,
    Failed,
    Format,
    Made,
    NotMade,
    Order,
    Render,
)
from infra.sealed import seal

SHORT = 200  # characters
PAGE = Format.WEBP


def _all(order: Render) -> Iterator[Made]:
    path = Path(order.path)
    if order.content_type in IMAGES:
        yield from _image(path, order)
    elif order.content_type == PDF:
        from infra.renditions.pages import pages  # noqa: PLC0415

        for number, page in enumerate(pages(path, order.limits.pages), 1):
            if number == 1:
                yield from _thumbnails(images.scaled(page, THUMBNAIL))
            yield _written(page, f"page-{number}", PAGE)
    else:
        Path("preview.txt").write_bytes(texts.preview(path))
        yield Made("preview.txt")


def _image(path: Path, order: Render) -> Iterator[Made]:
    image = images.opened(path, order.content_type, order.limits.pixels)
    tables = getattr(image, "quantization", None) if image.mode in {"L", "RGB"} else None
    upright = images.upright(image)
    yield _original(upright, path, order.content_type, tables)
    size = upright
    for width, size in images.sizes(upright, WIDTHS):
        for to in (Format.WEBP, Format.AVIF):
            yield _written(size, f"w{width}", to)
    yield from _thumbnails(images.scaled(size, THUMBNAIL))


def _thumbnails(image: Image.Image) -> Iterator[Made]:
    """Also as what a mail's reader shows."""
    old = Format.PNG if image.mode in {"LA", "RGBA"} else Format.JPEG
    for to in (Format.WEBP, Format.AVIF, old):
        yield _written(image, "thumbnail", to)


def _original(image: Image.Image, path: Path, content_type: str, tables: Any) -> Made:
    """In the same format, where that can be written."""
    _, _, name = content_type.partition("/")
    to = Format(name) if name in set(Format) else Format.PNG
    made = _written(image, "original", to)
    if tables and Path(made.name).stat().st_size > path.stat().st_size:
        encoding.requantised(image, tables, Path(made.name))
    return made


def _converted(order: Convert) -> Iterator[Made]:
    path = Path(order.path)
    if order.content_type == PDF:
        from infra.renditions.pages import cover  # noqa: PLC0415

        image = cover(path, order.width, MOST_SIDE)
    else:
        width = order.width or MOST_SIDE
        image = images.opened(path, order.content_type, order.limits.pixels)
        images.reduce(image, width)
        image = images.scaled(images.upright(image), width)
    yield _written(image, "converted", order.to, order.quality)


def _written(image: Image.Image, stem: str, to: Format, quality: int | None = None) -> Made:
    name = f"{stem}.{to.suffix}"
    encoding.write(image, to, Path(name), quality)
    return Made(name, image.width, image.height)


def _answer(order: Order) -> Answer:
    try:
        made = _all(order) if isinstance(order, Render) else _converted(order)
        return AllMade(tuple(made))
    except Failed as failed:
        return NotMade(failed.cause, failed.detail)
    except MemoryError:
        return NotMade(Cause.STOPPED, "out of memory")
    except Exception as error:  # noqa: BLE001, a broken file raises any of a dozen, and it's the answer
        sys.excepthook(type(error), error, error.__traceback__)
        full = isinstance(error, OSError) and error.errno == errno.EFBIG
        return NotMade(Cause.STOPPED if full else Cause.UNREADABLE, repr(error)[:SHORT])


def main() -> int:
    order = msgspec.json.decode(sys.argv[1], type=Order)
    seal()
    Path(ANSWER).write_bytes(msgspec.json.encode(_answer(order)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
