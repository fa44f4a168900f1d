"""/client: the modules that a page imports to be live (api/client/browser), with their types."""

from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from api.auth import Open
from api.modules import read_module, sent
from domain.errors import NotFound

# They come with the code, so they change with the process.
CLIENT = {
    path.name: read_module(path) for path in (Path(__file__).parent / "client/browser").iterdir()
}


@get("/client/{name:str}", opt={"action": Open.PUBLIC}, include_in_schema=False)
async def browser_client(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """Kept by browsers, who ask each time whether it has changed: a deploy changes all at once."""
    found = CLIENT.get(name)
    if found is None:
        raise NotFound("module.not_found", name=name)
    return sent(request, found)
