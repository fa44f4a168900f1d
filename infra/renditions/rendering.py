"""Thumbnails, sizes, conversions and previews, made by a child process within bounds.

Nothing of a file is decoded here, and nothing that the child says is taken on trust: what it
decodes could have taken it over.
"""

import asyncio
import os
import re
import stat
import sys
from pathlib import Path

import msgspec

from domain.errors import Invalid
from infra import confined
from infra.processes import ProcessSpec
from infra.renditions.model import (
    ANSWER,
    IMAGES,
    MOST_SIDE,
    PDF,
    AllMade,
    Answer,
    Cause,
    Convert,
    Failed,
    Format,
    Limits,
    Made,
    Order,
    Render,
    Rendition,
    renderable,
)

LEAST_SIDE, MOST_QUALITY = 16, 95  # pixels; of 100: above it only the bytes grow
MOST_ANSWER = 1 << 16  # bytes
NAME = re.compile(r"[a-z0-9-]{1,40}\.(jpg|png|webp|avif|txt)")
TYPES = {f".{to.suffix}": f"image/{to.value}" for to in Format} | {
    ".txt": "text/plain; charset=utf-8"
}
NO_LIMITS_GIVEN = Limits()


async def render(
    path: Path, content_type: str, folder: Path, limits: Limits = NO_LIMITS_GIVEN
) -> tuple[Rendition, ...]:
    """All that is made of such a file, in `folder`, which is the caller's and empty.

    Images: `original`, optimised, in its own format where that is JPEG, PNG, WebP or AVIF, else
    PNG; `w1920`, `w1280`, `w640` as WebP and AVIF, as far as it is wider; `thumbnail` also as JPEG,
    or PNG where it is transparent. PDFs: `thumbnail`, and `page-1` and so on as WebP. Texts:
    `preview.txt`. Of other types nothing. Raises Failed.
    """
    if not renderable(content_type):
        return ()
    return await _carried_out(Render(_place(path), content_type, limits), folder)


async def convert(
    path: Path,
    content_type: str,
    to: Format,
    folder: Path,
    *,
    width: int | None = None,
    quality: int | None = None,
    limits: Limits = NO_LIMITS_GIVEN,
) -> Rendition:
    """An image, or a PDF's first page, in a format: `converted`, as wide as `width` at most.

    Left out, `quality` is encoding.QUALITY's. Raises Invalid and Failed.
    """
    if content_type not in IMAGES and content_type != PDF:
        raise Invalid("file.not_convertible", content_type=content_type)
    if width is not None and not LEAST_SIDE <= width <= MOST_SIDE:
        raise Invalid("file.bad_width", least=LEAST_SIDE, most=MOST_SIDE)
    if quality is not None and not 1 <= quality <= MOST_QUALITY:
        raise Invalid("file.bad_quality", least=1, most=MOST_QUALITY)
    order = Convert(_place(path), content_type, limits, to, width, quality)
    (converted,) = await _carried_out(order, folder)
    return converted


def _place(path: Path) -> str:
    """From anywhere: the child works in its folder."""
    return str(path.absolute())


async def _carried_out(order: Order, folder: Path) -> tuple[Rendition, ...]:
    try:
        await confined.run_confined(_spec(order, folder), order.limits.timeout_s)
    except confined.Failed as failed:
        raise Failed(Cause.STOPPED, str(failed)) from None
    return await asyncio.to_thread(_read, folder)


def _spec(order: Order, folder: Path) -> ProcessSpec:
    """It is told nothing of the servers, nor any secret, and imports nothing from its folder."""
    return ProcessSpec(
        name="renditions",
        argv=(
            sys.executable,
            *("-P", "-m", "infra.renditions.main", msgspec.json.encode(order).decode()),
        ),
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(folder)},
        cwd=folder,
        log_file=folder / "log",
        memory=order.limits.memory,
        cpu_s=order.limits.cpu_s,
        file_bytes=order.limits.file_bytes,
    )


def _read(folder: Path) -> tuple[Rendition, ...]:
    try:
        with (folder / ANSWER).open("rb") as file:
            answer = msgspec.json.decode(file.read(MOST_ANSWER), type=Answer)
    except (FileNotFoundError, msgspec.DecodeError) as error:
        raise Failed(Cause.STOPPED, f"no answer: {error}") from None
    if isinstance(answer, AllMade):
        return tuple(_checked(made, folder) for made in answer.made)
    raise Failed(answer.cause, answer.detail)


def _checked(made: Made, folder: Path) -> Rendition:
    """A file of its own in the folder: no link out of it, no pipe."""
    path = folder / made.name
    if NAME.fullmatch(made.name):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            content_type = TYPES[path.suffix]
            return Rendition(made.name, content_type, made.width, made.height, found.st_size, path)
    raise Failed(Cause.STOPPED, f"not a file of its own: {made.name!r}")
