"""/files: downloads by a signed link."""

from typing import Annotated

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from api.auth import Open
from infra.links import Links, Signed, disposition
from infra.runtime import Runtime


@get("/{key:str}/content", opt={"action": Open.PUBLIC})
async def content(
    key: FromPath[str],
    runtime: NamedDependency[Runtime],
    expires: Annotated[int, QueryParameter(description="seconds since 1970")] = 0,
    kid: Annotated[str, QueryParameter(description="the key that signed")] = "",
    signature: Annotated[str, QueryParameter(description="of the link")] = "",
) -> Stream:
    """The file, to be saved. The link is the right to it; a forged or expired one is a 403."""
    signed = Signed(expires, kid, signature)
    Links(runtime.settings).check(key, "GET", signed, runtime.now())
    opened = await runtime.blobs.open(key)
    headers = {
        "Content-Disposition": disposition(opened.blob.name),
        "Content-Length": str(opened.blob.bytes),
        "Content-Security-Policy": "sandbox; default-src 'none'",  # a file is never a page of ours
        "Cache-Control": "private, no-store",
        "Referrer-Policy": "no-referrer",  # the address is the right to it
    }
    return Stream(opened.content, media_type=opened.blob.content_type, headers=headers)


files = Router("/files", route_handlers=[content], tags=["files"])
