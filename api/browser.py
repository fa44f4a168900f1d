"""/client: the modules that a page imports to be live (api/client/browser), with their types."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED

from api.auth import Open
from domain.errors import NotFound

MEDIA = {".js": "text/javascript", ".ts": "text/plain"}


class Module(msgspec.Struct, frozen=True):
    content: bytes
    etag: str
    media: str


def _read(path: Path) -> Module:
    content = path.read_bytes()
    return Module(content, f'"{sha256(content).hexdigest()[:16]}"', MEDIA[path.suffix])


# They come with the code, so they change with the process.
_MODULES = {path.name: _read(path) for path in (Path(__file__).parent / "client/browser").iterdir()}


@get("/client/{name:str}", opt={"action": Open.PUBLIC}, include_in_schema=False)
async def browser_client(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """Kept by browsers, who ask each time whether it has changed: a deploy changes all at once."""
    module = _MODULES.get(name)
    if module is None:
        raise NotFound("module.not_found", name=name)
    known = module.etag in request.headers.get("if-none-match", "")
    return Response(
        b"" if known else module.content,
        status_code=HTTP_304_NOT_MODIFIED if known else HTTP_200_OK,
        media_type=module.media,
        headers={"ETag": module.etag, "Cache-Control": "no-cache"},
    )
