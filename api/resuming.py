"""An upload in parts: each is kept as it comes, and the last one makes them a file."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any
from uuid import UUID

from litestar import Request
from litestar.exceptions import InternalServerException

from api.arriving import Wanted, again, keep
from api.bodies import body
from api.call import Call, Malformed
from api.rights import Caller, require
from api.tus_protocol import Checksum
from api.uploading import Telling
from domain.access import Action
from domain.errors import Invalid, Locked, NotFound, WrongState
from infra import resumable, uploads
from infra.blobs.blocks import PATIENT, Piece
from infra.blobs.model import Unavailable
from infra.eventstore.execute import Outcome, command_id
from infra.receiving import FileTooLarge, receive
from infra.resumable import LEASE_S, Resumable, part_key
from infra.runtime import Runtime

MAX_PARTS = 10_000


async def mine(call: Call, upload: UUID) -> Resumable:
    """One that the caller began. Raises NotFound."""
    async with call.runtime.db.connection() as db:
        found = await resumable.find(db, upload, call.caller.id)
    if found is None:
        raise NotFound("upload.not_found", upload=upload)
    return found


def wanted(upload: Resumable) -> Wanted:
    return Wanted(upload.project, upload.file, upload.name, upload.length)


class Part:
    """The body of a request, as it comes. `bytes`: that there are so far."""

    def __init__(self, request: Request[Caller, Any, Any], call: Call, upload: Resumable) -> None:
        self.bytes = 0
        self._request, self._upload = request, upload
        self._telling = Telling(call.runtime, wanted(upload), call.caller.id)
        header = request.headers.get("upload-checksum")
        self._checksum = Checksum(header) if header is not None else None

    async def content(self) -> AsyncGenerator[Piece]:
        """What came before the connection broke is a part as well, unless it was to be checked."""
        try:
            async for chunk in body(self._request, self._request.user.id):
                yield await self._counted(chunk)
        except InternalServerException:  # Litestar's word for a client that has gone
            if self._checksum is not None:
                raise Malformed("upload.cut_off") from None
        if self._checksum is not None:
            self._checksum.check()

    async def _counted(self, chunk: Piece) -> Piece:
        upload = self._upload
        self.bytes += len(chunk)
        if upload.received + self.bytes > upload.length:
            raise FileTooLarge("upload.too_long", length=upload.length)
        if self._checksum is not None:
            in_thread = asyncio.get_running_loop().run_in_executor
            await in_thread(PATIENT, self._checksum.update, chunk)
        await self._telling.note(upload.received + self.bytes)
        return chunk


async def take(call: Call, upload: Resumable, part: Part) -> None:
    """Keep the part. Raises WrongState where another came before it."""
    if upload.is_whole:
        async for _ in part.content():  # there can be none
            pass
        return
    if upload.parts >= MAX_PARTS:
        raise Invalid("upload.too_many_parts", most=MAX_PARTS)
    runtime = call.runtime
    key = part_key(upload.id, upload.received, runtime.new_id().hex[-8:])
    await runtime.blobs.put(key, part.content(), content_type="application/octet-stream", name="")
    if not await _appended(runtime, upload, key, part.bytes):
        await runtime.blobs.delete(key)
        if part.bytes:
            raise out_of_step(await mine(call, upload.id))


async def _appended(runtime: Runtime, upload: Resumable, key: str, size: int) -> bool:
    if size == 0:
        return False
    async with runtime.db.connection() as db:
        return await resumable.append(db, upload.id, upload.received, key, size)


def out_of_step(upload: Resumable) -> WrongState:
    return WrongState("upload.wrong_offset", offset=upload.received)


async def finish(call: Call, upload: Resumable) -> Outcome:
    """Make the parts a file, once, however often it is asked for.

    Content that is refused ends the upload. Raises Locked while another is about it.
    """
    await require(call.runtime, call.caller, Action.FILE_WRITE, project=upload.project)
    call.command_id = command_id(call.caller.id, upload.id)  # a crash, and again: one version
    async with _claimed(call.runtime, upload.id) as parts:
        if await call.repeated():
            outcome = await again(call, wanted(upload))
        else:
            outcome = await _joined(call, upload, parts)
        async with call.runtime.db.connection() as db:
            await uploads.arrived(db, upload.id, upload.length, outcome.position or 0)
    await _throw_away(call.runtime, parts)
    await Telling(call.runtime, wanted(upload), call.caller.id).over(upload.length)
    return outcome


@asynccontextmanager
async def _claimed(runtime: Runtime, upload: UUID) -> AsyncGenerator[list[str]]:
    """The lease spares work; that nothing is done twice rests on the command's id."""
    async with runtime.db.connection() as db:
        parts = await resumable.claim(db, upload)
    if parts is None:
        raise Locked("upload.ending")
    try:
        yield parts
    except (Invalid, NotFound, WrongState):
        await _release(runtime, upload)
        await give_up(runtime, upload)
        raise
    except BaseException:
        await _release(runtime, upload)
        raise


async def _release(runtime: Runtime, upload: UUID) -> None:
    async with runtime.db.connection() as db:
        await resumable.release(db, upload)


async def _joined(call: Call, upload: Resumable, parts: Sequence[str]) -> Outcome:
    runtime, renewed = call.runtime, call.runtime.now()

    async def note(_bytes: int) -> None:
        nonlocal renewed
        if (runtime.now() - renewed).total_seconds() > LEASE_S / 3:
            renewed = runtime.now()
            async with runtime.db.connection() as db:
                await resumable.renew(db, upload.id)

    # A key for this attempt alone: another, with a lease that has run out, cannot throw it away.
    key = f"f-{upload.id.hex}-{runtime.new_id().hex[-8:]}"
    async with aclosing(_content(runtime, parts)) as content:
        received = await receive(runtime.blobs, key, upload.name, content, upload.length, note)
    return await keep(call, wanted(upload), received)


async def _content(runtime: Runtime, parts: Sequence[str]) -> AsyncGenerator[Piece]:
    for key in parts:
        try:
            opened = await runtime.blobs.open(key)
        except NotFound:  # another has put them together meanwhile: the client finds it done
            raise Unavailable(f"{key} is gone") from None
        try:
            async for chunk in opened.content:
                yield chunk
        finally:
            await opened.content.aclose()


async def give_up(runtime: Runtime, upload: UUID) -> bool:
    """Whether it is over now: not where it is a file, or about to be one."""
    async with runtime.db.connection() as db:
        parts = await resumable.end(db, upload)
    if parts is not None:
        await _throw_away(runtime, parts)
    return parts is not None


async def _throw_away(runtime: Runtime, parts: Sequence[str]) -> None:
    """What cannot be reached now, the purge finds."""
    for key in parts:
        try:
            await runtime.blobs.delete(key)
        except Unavailable:
            return
