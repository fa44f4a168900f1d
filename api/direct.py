"""/realtime/files/direct: the client brings the bytes to S3 itself, in parts.

What came there is read once, from a key that no file has, and is treated as any upload: the parts
are one part of a resumable one (api/resuming.py), of which nobody knows yet what it is.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, Router, delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from api.arriving import again, check_file
from api.auth import Open
from api.call import Call, Done, done
from api.resuming import finish, give_up, mine, wanted
from api.rights import require
from api.tus import PATH as TUS
from domain.access import Action
from domain.errors import Invalid, Locked, NotFound, WrongState
from domain.file import FILE
from infra import resumable, uploads
from infra.blobs.model import Parts, Unavailable
from infra.blobs.tape import PART
from infra.eventstore.execute import Outcome, command_id
from infra.inspecting.names import proper
from infra.receiving import FileTooLarge
from infra.resumable import Resumable, part_key
from infra.runtime import Runtime
from infra.uploads import Upload
from projections.quotas import reserve

MOST_PARTS = 1_000
LIVES = timedelta(hours=12)  # an upload that is not completed; below infra.blobs.door.LONGEST_PUT


class NewUpload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`file`: where it is to be a version of that one."""

    project: UUID
    name: Annotated[str, Meta(max_length=1_000)]
    bytes: Annotated[int, Meta(ge=1)]
    file: UUID | None = None


class Begun(msgspec.Struct, frozen=True):
    """PUT `part_bytes` to each of the `urls` in turn, to the last what is left; keep the ETags."""

    upload: UUID
    file: UUID
    key: str
    part_bytes: int
    urls: tuple[str, ...]
    expires: datetime


class Came(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What S3 answered to each part, in their order."""

    etags: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=MOST_PARTS)]


@post("/", opt={"action": Open.SIGNED_IN})
async def begin(data: JSONBody[NewUpload], call: NamedDependency[Call]) -> Begun:
    """Room for an upload, and where its parts go. Without S3, or while it is away, a 409."""
    runtime, most = call.runtime, call.runtime.settings.max_file_size
    if data.bytes > most:
        raise FileTooLarge("file.too_large", most=most)
    await require(runtime, call.caller, Action.FILE_WRITE, project=data.project)
    if data.file is not None:
        await check_file(runtime, data.project, data.file)
    name, expires = proper(data.name), runtime.now() + LIVES
    upload = Upload(runtime.new_id(), data.project, call.caller.id, data.bytes)
    sizes = _sizes(data.bytes)
    await reserve(runtime, upload, LIVES.total_seconds())
    try:
        parts = await _opened(runtime, upload, sizes)
        file = data.file or upload.id
        async with runtime.db.connection() as db:
            await resumable.begin(db, upload.id, file, name, "", parts.upload)
    except BaseException:
        async with runtime.db.connection() as db:
            await uploads.give_up(db, upload.id)
        raise
    return Begun(upload.id, file, _key(upload.id), sizes[0], parts.urls, expires)


def _sizes(size: int) -> list[int]:
    """Of the parts: all alike but for the last."""
    part = max(PART, ceil(size / MOST_PARTS))
    return [min(part, size - at) for at in range(0, size, part)]


async def _opened(runtime: Runtime, upload: Upload, sizes: Sequence[int]) -> Parts:
    lives_s = int(LIVES.total_seconds())
    parts = await runtime.blobs.begin_parts(_key(upload.id), sizes, lives_s)
    if parts is None:
        raise WrongState("file.no_direct_upload", instead=TUS)
    return parts


def _key(upload: UUID) -> str:
    """Of a part: the purge takes those whose upload is gone."""
    return part_key(upload, 0, "direct")


@post("/{upload:uuid}/complete", opt={"action": Open.SIGNED_IN}, status_code=201)
async def complete(
    upload: FromPath[UUID], data: JSONBody[Came], call: NamedDependency[Call]
) -> Response[Done]:
    """All parts came: they are a file now, which nobody has before it was looked through.

    Asked again, it answers the same.
    """
    found = await _mine(call, upload)
    call.command_id = command_id(call.caller.id, upload)  # as a resumable upload's end
    if found.position is None:
        outcome = await finish(call, await _whole(call, found, data.etags))
    elif await call.repeated():
        outcome = await again(call, wanted(found))
    else:  # the file had these bytes
        outcome = Outcome((await call.runtime.load(FILE, found.file)).version, None)
    return done(outcome, found.file, created=True)


async def _mine(call: Call, upload: UUID) -> Resumable:
    """Raises NotFound."""
    found = await mine(call, upload)
    if found.direct is None:
        raise NotFound("upload.not_found", upload=upload)
    return found


async def _whole(call: Call, upload: Resumable, etags: Sequence[str]) -> Resumable:
    """Its parts joined, and as long as there was room for. Raises Invalid, NotFound."""
    if upload.is_whole or upload.direct is None:
        return upload
    blobs, key = call.runtime.blobs, _key(upload.id)
    if len(etags) != len(_sizes(upload.length)):
        raise Invalid("upload.wrong_parts", parts=len(_sizes(upload.length)))
    try:
        came = (await blobs.join_parts(key, upload.direct, etags)).bytes
    except NotFound:  # called off, or another has done it meanwhile
        return await _by_another(call, upload)
    if came != upload.length:
        await give_up(call.runtime, upload.id)
        await blobs.delete(key)
        raise Invalid("upload.wrong_length", bytes=came, length=upload.length)
    async with call.runtime.db.connection() as db:
        await resumable.append(db, upload.id, 0, key, came)
    return await _mine(call, upload.id)


async def _by_another(call: Call, upload: Resumable) -> Resumable:
    found = await _mine(call, upload.id)
    if not found.is_whole:
        raise NotFound("upload.not_found", upload=upload.id)
    return found


@delete("/{upload:uuid}", opt={"action": Open.SIGNED_IN})
async def abort(upload: FromPath[UUID], call: NamedDependency[Call]) -> None:
    """It comes to nothing. What is a file by now is deleted as files are."""
    found = await _mine(call, upload)
    if found.position is not None:
        raise WrongState("upload.is_a_file")
    if not await give_up(call.runtime, upload):
        raise Locked("upload.ending")
    with suppress(Unavailable):  # the nightly clean-up does it
        await call.runtime.blobs.drop_parts(_key(upload), found.direct or "")


direct = Router("/realtime/files/direct", route_handlers=[begin, complete, abort], tags=["files"])
