"""multipart/form-data as it comes: what is said first, then one file, never held in memory."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

import msgspec
from litestar import Request
from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,  # pyright: ignore[reportUnknownVariableType]  # untyped arguments
)

from api.bodies import body
from api.call import Malformed
from infra.blobs.blocks import Piece

MAX_FIELD = 1_000  # bytes of one that is no file
MAX_FIELDS = 10


class Form(msgspec.Struct, frozen=True):
    """`fields`: those before the file; `content`: the file's bytes."""

    fields: dict[str, str]
    name: str
    content: AsyncIterator[Piece]


def is_form(request: Request[Any, Any, Any]) -> bool:
    return _type(request)[0] == "multipart/form-data"


async def read_form(request: Request[Any, Any, Any]) -> Form:
    """Up to its file's first bytes. Raises Malformed for one without a file, or with much else."""
    _, options = _type(request)
    events = _events(body(request, request.user.id), options.get("boundary", ""))
    fields: dict[str, str] = {}
    try:
        async for event in events:
            if not isinstance(event, MultipartSegment):
                continue
            if event.filename:
                return Form(fields, event.filename, _content(events))
            fields[event.name or ""] = await _field(events)
            if len(fields) > MAX_FIELDS:
                break
    except (MultipartError, UnicodeDecodeError) as error:
        raise Malformed("upload.bad_form", why=str(error)) from None
    raise Malformed("upload.no_file")


def _type(request: Request[Any, Any, Any]) -> tuple[str, dict[str, str]]:
    header = request.headers.get("content-type", "")
    kind, options = cast(tuple[str, dict[str, str]], parse_options_header(header))
    return kind.lower(), options


async def _events(
    content: AsyncIterator[Piece], boundary: str
) -> AsyncGenerator[MultipartSegment | bytes | bytearray | None]:
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_FIELDS + 1) as parser:
            async for chunk in content:
                for event in parser.parse(bytes(chunk)):
                    yield event
    except ValueError as error:  # an empty boundary, or a body that ends too early
        raise Malformed("upload.bad_form", why=str(error)) from None


async def _field(events: AsyncIterator[MultipartSegment | bytes | bytearray | None]) -> str:
    value = bytearray()
    async for part in events:
        if not isinstance(part, bytes | bytearray):
            break
        value += part
        if len(value) > MAX_FIELD:
            raise Malformed("upload.bad_form", why="a field is too long")
    return value.decode()


async def _content(
    events: AsyncIterator[MultipartSegment | bytes | bytearray | None],
) -> AsyncGenerator[Piece]:
    """To the end of the whole body: one that ends too early is none."""
    is_over = False
    async for part in events:
        if isinstance(part, MultipartSegment):
            raise Malformed("upload.bad_form", why="more after the file")
        if part is None:
            is_over = True
        elif not is_over:
            yield part
