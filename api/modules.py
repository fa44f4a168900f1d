"""Files that a browser imports, as the process has them: read once, with what caches ask for."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED

MEDIA = {
    ".js": "text/javascript",
    ".ts": "text/plain",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
}
ASKED_AGAIN = "no-cache"  # kept, but whether it has changed is asked each time


class Module(msgspec.Struct, frozen=True):
    content: bytes
    etag: str
    media: str


def module(content: bytes, suffix: str) -> Module:
    return Module(content, f'"{sha256(content).hexdigest()[:16]}"', MEDIA[suffix])


def read_module(path: Path) -> Module:
    return module(path.read_bytes(), path.suffix)


def sent(
    request: Request[Any, Any, Any], found: Module, cache: str = ASKED_AGAIN, **headers: str
) -> Response[bytes]:
    known = found.etag in request.headers.get("if-none-match", "")
    return Response(
        b"" if known else found.content,
        status_code=HTTP_304_NOT_MODIFIED if known else HTTP_200_OK,
        media_type=found.media,
        headers={"ETag": found.etag, "Cache-Control": cache, **headers},
    )
