"""/realtime/files/upload: a file comes in as it is sent, and is looked through before it is had."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.arriving import Wanted, again, check_file, keep
from api.auth import Caller, Open
from api.bodies import body
from api.call import Call, Done, Malformed, done
from api.forms import is_form, read_form
from api.rights import require
from domain.access import Action
from domain.rooms import Room, RoomKind
from infra.blobs.blocks import Piece
from infra.receiving import FileTooLarge, receive
from infra.runtime import Runtime
from projections.frames import FILE_PROGRESS, FileProgress
from projections.quotas import room_for
from projections.telling import tell

EVERY_S = 0.5  # between two frames about an upload
MAX_FORM = 1 << 16  # bytes of a form around its file


@post("/upload", opt={"action": Open.SIGNED_IN}, request_max_body_size=None, status_code=201)
async def upload(
    request: Request[Caller, Any, Any],
    call: NamedDependency[Call],
    project: Annotated[UUID | None, QueryParameter(description="whose it will be")] = None,
    name: Annotated[str | None, QueryParameter(description="of a raw body")] = None,
    file: Annotated[UUID | None, QueryParameter(description="that this is a version of")] = None,
) -> Response[Done]:
    """A form with a file, or the bytes themselves. Nobody has it before it was looked through.

    In a form the field `project` may come before the file, in place of the parameter.
    """
    content: AsyncIterator[Piece] = body(request, call.caller.id)
    if is_form(request):
        form = await read_form(request)
        content, name = form.content, name or form.name
        project = project or _project(form.fields.get("project", ""))
    if project is None or not name:
        raise Malformed("upload.no_project" if project is None else "upload.no_name")
    await require(call.runtime, call.caller, Action.FILE_WRITE, project=project)
    wanted = Wanted(project, await _file(call, project, file), name, _length(request))
    if await call.repeated():
        return done(await again(call, wanted), wanted.file, created=True)
    return await _take(call, wanted, content)


def _project(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Malformed("upload.bad_project") from None


def _length(request: Request[Any, Any, Any]) -> int | None:
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < 19 else None


async def _file(call: Call, project: UUID, file: UUID | None) -> UUID:
    """A new file's id, or that of the one which gets a version. Raises NotFound."""
    if file is None:
        return call.new_id("file")
    await check_file(call.runtime, project, file)
    return file


async def _take(call: Call, wanted: Wanted, content: AsyncIterator[Piece]) -> Response[Done]:
    runtime, most = call.runtime, call.runtime.settings.max_file_size
    if wanted.length is not None and wanted.length > most + MAX_FORM:
        raise FileTooLarge("file.too_large", most=most)
    length = min(most if wanted.length is None else wanted.length, most)
    async with room_for(runtime, wanted.project, call.caller.id, length) as coming:
        key = f"f-{coming.upload.id.hex}"
        telling = Telling(runtime, wanted, call.caller.id)
        received = await receive(runtime.blobs, key, wanted.name, content, most, telling.note)
        outcome = await keep(call, wanted, received)
        coming.bytes, coming.position = received.bytes, outcome.position
        await telling.over(received.bytes)
    return done(outcome, wanted.file, created=True)


class Telling:
    """The project's room sees how far an upload is."""

    def __init__(self, runtime: Runtime, wanted: Wanted, person: UUID) -> None:
        self._runtime, self._wanted, self._person = runtime, wanted, person
        self._room = str(Room(RoomKind.PROJECT, wanted.project))
        self._at = asyncio.get_running_loop().time()

    async def note(self, received: int) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._at >= EVERY_S:
            self._at = now
            await self._tell(received, self._wanted.length)

    async def over(self, received: int) -> None:
        await self._tell(received, received)

    async def _tell(self, received: int, total: int | None) -> None:
        wanted = self._wanted
        frame = FileProgress(
            file=wanted.file,
            name=wanted.name,
            bytes=received,
            total=total,
            person=self._person,
        )
        await tell(self._runtime, self._room, FILE_PROGRESS, frame)
