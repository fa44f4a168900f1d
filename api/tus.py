"""/realtime/files/tus: uploads that go on after a broken connection (tus 1.0)."""

from typing import Any
from uuid import UUID

from litestar import HttpMethod, Request, Response, Router, delete, head, patch, post, route
from litestar.datastructures import MutableScopeHeaders
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.params import FromPath
from litestar.types import Message, Scope

from api.arriving import check_file
from api.auth import Caller, Open, enter
from api.call import Call, Malformed, steered
from api.edge import header
from api.resuming import Part, finish, give_up, mine, out_of_step, take
from api.rights import require
from api.tus_protocol import (
    BODY,
    EXTENSIONS,
    HASHES,
    VERSION,
    UnknownProtocol,
    date,
    metadata,
    number,
)
from domain.access import Action
from domain.errors import Locked, WrongState
from infra import resumable
from infra.inspecting.names import proper
from infra.receiving import FileTooLarge
from infra.resumable import Resumable
from infra.runtime import Runtime
from infra.uploads import Upload
from projections.quotas import reserve

PATH = "/api/v1/realtime/files/tus"
LIVES_S = 86_400.0  # an upload that is not finished


async def say_version(message: Message, scope: Scope) -> None:
    """In every answer: refusals as well, whoever gave them."""
    if message["type"] == "http.response.start" and scope["path"].startswith(PATH):
        headers = MutableScopeHeaders.from_message(message)
        headers["Tus-Resumable"] = headers["Tus-Version"] = VERSION


async def enter_by_tus(request: Request[Any, Any, Any]) -> None:
    await enter(request)
    action = request.scope["route_handler"].opt["action"]
    is_asked = action is not Open.PUBLIC  # OPTIONS is how a client learns of it
    if is_asked and header(request.scope, b"tus-resumable") != VERSION:
        raise UnknownProtocol("upload.unknown_protocol", known=VERSION)


@route(
    ["/", "/{upload:uuid}"],
    http_method=[HttpMethod.OPTIONS],
    opt={"action": Open.PUBLIC},
    status_code=204,
)
async def options(runtime: NamedDependency[Runtime]) -> Response[None]:
    """What of tus there is."""
    headers = {
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(runtime.settings.max_file_size),
        "Tus-Checksum-Algorithm": ",".join(HASHES),
    }
    return Response(None, headers=headers)


@post("/", opt={"action": Open.SIGNED_IN}, status_code=201)
async def create(request: Request[Caller, Any, Any], call: NamedDependency[Call]) -> Response[None]:
    """Room for an upload of `Upload-Length` bytes, for a day.

    `Upload-Metadata`: `filename`, `project`, and `file` where it is to be a version of that one.
    """
    said = metadata(request.headers.get("upload-metadata", ""))
    length, most = number(request.headers, "upload-length"), call.runtime.settings.max_file_size
    if length > most:
        raise FileTooLarge("file.too_large", most=most)
    name, project = proper(said["filename"]), _id(said["project"])
    await require(call.runtime, call.caller, Action.FILE_WRITE, project=project)
    upload = Upload(call.runtime.new_id(), project, call.caller.id, length)
    file = _id(said["file"]) if said["file"] else upload.id
    if said["file"]:
        await check_file(call.runtime, project, file)
    await reserve(call.runtime, upload, LIVES_S)
    async with call.runtime.db.connection() as db:
        await resumable.begin(db, upload.id, file, name, said.given)
    headers = await _state(call, await mine(call, upload.id))
    return Response(None, status_code=201, headers=headers | {"Location": f"{PATH}/{upload.id}"})


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Malformed("upload.bad_metadata", given=text[:40]) from None


@head("/{upload:uuid}", opt={"action": Open.SIGNED_IN})
async def look(upload: FromPath[UUID], call: NamedDependency[Call]) -> Response[None]:
    """How far it is. One that is all there, and whose end a crash took, is ended now."""
    found = await mine(call, upload)
    headers = await _state(call, found)
    headers |= {"Upload-Length": str(found.length), "Upload-Metadata": found.metadata}
    return Response(None, headers=headers)


@patch("/{upload:uuid}", opt={"action": Open.SIGNED_IN}, request_max_body_size=None)
async def add(
    request: Request[Caller, Any, Any], upload: FromPath[UUID], call: NamedDependency[Call]
) -> Response[None]:
    """Bytes from `Upload-Offset` on; the last ones make it a file.

    With an `Upload-Checksum` (sha1, sha256) they are kept as a whole or not at all; without one, as
    many as came before the connection broke.
    """
    if request.headers.get("content-type") != BODY:
        raise HTTPException(status_code=415)
    found, offset = await mine(call, upload), number(request.headers, "upload-offset")
    if offset != found.received:
        raise out_of_step(found)
    await take(call, found, Part(request, call, found))
    return Response(None, status_code=204, headers=await _state(call, await mine(call, upload)))


async def _state(call: Call, upload: Resumable) -> dict[str, str]:
    """As headers, once nothing is left to be done that could be."""
    headers = {"Upload-Offset": str(upload.received), "X-File-Id": str(upload.file)}
    if upload.position is not None:
        return headers | ({"X-Position": str(upload.position)} if upload.position else {})
    if upload.is_whole:
        return headers | steered(await finish(call, upload))
    return headers | {"Upload-Expires": date(upload.expires_at)}


@delete("/{upload:uuid}", opt={"action": Open.SIGNED_IN})
async def terminate(upload: FromPath[UUID], call: NamedDependency[Call]) -> Response[None]:
    """It comes to nothing. What is a file by now is deleted as files are."""
    if (await mine(call, upload)).position is not None:
        raise WrongState("upload.is_a_file")
    if not await give_up(call.runtime, upload):
        raise Locked("upload.ending")
    return Response(None, status_code=204)


@post("/{upload:uuid}", opt={"action": Open.SIGNED_IN}, request_max_body_size=None)
async def instead(
    request: Request[Caller, Any, Any], upload: FromPath[UUID], call: NamedDependency[Call]
) -> Response[None]:
    """PATCH or DELETE for who cannot send that: as `X-HTTP-Method-Override` says."""
    match request.headers.get("x-http-method-override"):
        case "PATCH":
            return await add.fn(request, upload, call)
        case "DELETE":
            return await terminate.fn(upload, call)
        case _:
            raise MethodNotAllowedException


tus = Router(
    "/realtime/files/tus",
    route_handlers=[options, create, look, add, terminate, instead],
    before_request=enter_by_tus,
    tags=["files"],
)
