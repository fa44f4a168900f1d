"""What is made of a file, within which bounds, and why not."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import msgspec

WIDTHS = (1920, 1280, 640)  # pixels, the widest first: each is made of the one before
THUMBNAIL = 320  # pixels wide
MOST_SIDE = 4096  # pixels wide, of what is converted on request
ANSWER = "answer.json"

IMAGES: Mapping[str, str] = {  # and by which decoder they are read: no other one is tried
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
}
PDF = "application/pdf"
TEXTS = frozenset({"application/json", "application/xml", "application/yaml"})


class Format(StrEnum):
    """What can be written."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"

    @property
    def suffix(self) -> str:
        return "jpg" if self is Format.JPEG else self.value


class Limits(msgspec.Struct, frozen=True):
    """For one file. `timeout_s`: more than the CPU's, for there are neighbours."""

    pixels: int = 50_000_000  # a phone takes 48 million
    memory: int = 2 << 30  # bytes of addresses: as AVIF, 48 million take 1.5 GiB
    cpu_s: int = 120
    timeout_s: float = 300.0
    file_bytes: int = 1 << 27  # of the largest that may be written
    pages: int = 3  # of a document, from the first


class Rendition(msgspec.Struct, frozen=True):
    """`width`, `height`: pixels; None for a text."""

    name: str
    content_type: str
    width: int | None
    height: int | None
    bytes: int
    path: Path


class Cause(StrEnum):
    UNREADABLE = "unreadable"  # broken, encrypted, or not what it says it is
    TOO_LARGE = "too_large"  # more pixels than the limits allow
    STOPPED = "stopped"  # it went out of bounds, crashed, or was killed


class Failed(Exception):
    """Nothing was made. `detail` is for the log: it may quote the file."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail


class Render(msgspec.Struct, frozen=True, tag="render"):
    """All that is made of any file."""

    path: str
    content_type: str
    limits: Limits


class Convert(msgspec.Struct, frozen=True, tag="convert"):
    """One image, on request."""

    path: str
    content_type: str
    limits: Limits
    to: Format
    width: int | None
    quality: int | None


Order: TypeAlias = Render | Convert


class Made(msgspec.Struct, frozen=True):
    name: str
    width: int | None = None
    height: int | None = None


class AllMade(msgspec.Struct, frozen=True, tag="made"):
    made: tuple[Made, ...]


class NotMade(msgspec.Struct, frozen=True, tag="not_made"):
    cause: Cause
    detail: str


Answer: TypeAlias = AllMade | NotMade


def is_text(content_type: str) -> bool:
    return content_type.startswith("text/") or content_type in TEXTS


def renderable(content_type: str) -> bool:
    return content_type in IMAGES or content_type == PDF or is_text(content_type)
