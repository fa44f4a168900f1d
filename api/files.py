"""/files: downloads by a signed link, whole or in part."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

import psycopg
from litestar import Request, Router, route
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.params import FromPath, QueryParameter
from litestar.response.base import ASGIResponse
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import ASGIApp, Receive, Scope, Send

from api.auth import Open
from api.ranges import has, require_same, span
from domain.errors import NotFound
from domain.file import FILE
from infra.blobs.model import Blob, Flow
from infra.limits import address_of
from infra.links import Links, Signed, disposition, served
from infra.runtime import Runtime
from projections.contents import deleted_with
from projections.read import reading

PATIENCE_S = 0.5  # with Postgres
METHODS = (HttpMethod.GET, HttpMethod.HEAD)


class Sending(ASGIStreamingResponse):
    """Whatever becomes of its reader, the file is closed."""

    def __init__(self, content: Flow, status: int, headers: Mapping[str, str], kind: str) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # of any kind of content
            iterator=content, status_code=status, headers=dict(headers), media_type=kind
        )
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._content.aclose()


@route("/{key:str}/content", http_method=METHODS, opt={"action": Open.PUBLIC})
async def content(
    request: Request[Any, Any, Any],
    key: FromPath[str],
    runtime: NamedDependency[Runtime],
    expires: Annotated[int, QueryParameter(description="seconds since 1970")] = 0,
    kid: Annotated[str, QueryParameter(description="the key that signed")] = "",
    signature: Annotated[str, QueryParameter(description="of the link")] = "",
    address: Annotated[str, QueryParameter(description="from where alone it is good")] = "",
) -> ASGIApp:
    """The file, to be saved. The link is the right to it; a forged or expired one is a 403.

    It is good no longer than the file: one that is deleted is a 404.
    """
    signed = Signed(expires, kid, signature, address)
    asking = address_of(request.scope["client"])
    # who may have a file may ask about it: a link for GET is one for HEAD
    Links(runtime.settings).check(key, "GET", signed, runtime.now(), asking)
    await _require_kept(runtime, key)
    blob = await runtime.blobs.head(key)
    tag = f'"{key}-{blob.bytes}"'  # a key names the same bytes for ever, but for a report made anew
    headers = {**_headers(blob), "ETag": tag}
    require_same(request.headers, tag)
    if has(request.headers, tag):
        return ASGIResponse(status_code=304, headers=headers)
    if request.method == HttpMethod.HEAD:
        headers["Content-Length"] = str(blob.bytes)
        return ASGIResponse(headers=headers, is_head_response=True)
    part = span(request.headers, tag, blob.bytes)
    start, end = part or (0, blob.bytes)
    headers["Content-Length"] = str(end - start)
    if part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.bytes}"
    opened = await runtime.blobs.open(key, *part or ())
    return Sending(opened.content, 206 if part else 200, headers, blob.content_type)


async def _require_kept(runtime: Runtime, key: str) -> None:
    """Raises NotFound. Links are good without Postgres too: what it does not say is not known."""
    if runtime.reach.away:
        return
    with suppress(psycopg.Error, TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            async with reading(runtime) as db:
                deleted = await deleted_with(db, key)
            # As the log says: who restores one opens it at once.
            if deleted and all([(await runtime.load(FILE, one)).state.deleted for one in deleted]):
                raise NotFound("file.not_found")


def _headers(blob: Blob) -> dict[str, str]:
    return {
        "Accept-Ranges": "bytes",
        "Content-Type": served(blob.content_type),
        "Content-Disposition": disposition(blob.name),
        "Content-Security-Policy": "sandbox; default-src 'none'",  # a file is never a page of ours
        "Cache-Control": "private, no-store",
        "Cross-Origin-Resource-Policy": "cross-origin",  # whoever has the link may show it
    }


files = Router("/files", route_handlers=[content], tags=["files"])
