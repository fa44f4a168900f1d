"""The end of every upload: what came in becomes a file's next version."""

from contextlib import suppress
from uuid import UUID

import msgspec

from api.call import Call
from domain.errors import NotFound, Refused
from domain.file import FILE, UploadFile
from infra.blobs.door import Blobs
from infra.blobs.model import Unavailable
from infra.eventstore.execute import Outcome
from infra.receiving import Received
from infra.runtime import Runtime
from projections.contents import same_content
from projections.read import reading


class Wanted(msgspec.Struct, frozen=True):
    """What is being uploaded. `length`: as declared; None: not said."""

    project: UUID
    file: UUID
    name: str
    length: int | None


async def check_file(runtime: Runtime, project: UUID, file: UUID) -> None:
    """One that is to get a version is in that project. Raises NotFound."""
    if (await runtime.load(FILE, file)).state.project != project:
        raise NotFound("file.not_found", file=file)


async def keep(call: Call, wanted: Wanted, received: Received) -> Outcome:
    """The file's next version. Bytes that the project has already, or that are refused, go again.

    Where nobody knows what came of the command they stay: the purge finds those that no file has.
    """
    blobs = call.runtime.blobs
    known = await _known(call.runtime, wanted.project, received)
    stored = msgspec.structs.replace(received, key=known or received.key)
    try:
        outcome = await _store(call, wanted, stored)
    except Refused:
        await _drop(blobs, received.key)
        raise
    if known is not None or outcome.position is None:
        await _drop(blobs, received.key)
    return outcome


async def _drop(blobs: Blobs, key: str) -> None:
    """Where S3 is away they stay: what was done, or refused, is the answer all the same."""
    with suppress(Unavailable):
        await blobs.delete(key)


async def again(call: Call, wanted: Wanted) -> Outcome:
    """What a command that was done before led to: nothing of the content is looked at."""
    return await _store(call, wanted, Received("", wanted.name, "", 0, ""))


async def _store(call: Call, wanted: Wanted, received: Received) -> Outcome:
    command = UploadFile(
        project=wanted.project,
        name=received.name,
        key=received.key,
        content_type=received.content_type,
        bytes=received.bytes,
        sha256=received.sha256,
        at=call.runtime.now(),
    )
    return await call.execute(FILE, wanted.file, command, project=wanted.project)


async def _known(runtime: Runtime, project: UUID, received: Received) -> str | None:
    """Where the project keeps the same bytes: they are kept once."""
    async with reading(runtime) as db:
        return await same_content(db, project, received.sha256, received.bytes)
