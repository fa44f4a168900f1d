"""How much a project and a person may keep: exact, however many uploads come at once."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec

from domain.errors import Invalid
from infra import uploads
from infra.runtime import Runtime
from infra.uploads import Upload
from projections.contents import used
from projections.read import reading

LIVES_S = 3_600.0  # an upload of which nothing more is heard


class Coming(msgspec.Struct):
    """An upload that has room. `position`: of its event, once there is one."""

    upload: Upload
    bytes: int = 0
    position: int | None = None


@asynccontextmanager
async def room_for(
    runtime: Runtime, project: UUID, person: UUID, length: int
) -> AsyncGenerator[Coming]:
    """Room for so many bytes; given back where nothing comes of it. Raises Invalid."""
    coming = Coming(Upload(runtime.new_id(), project, person, length))
    await reserve(runtime, coming.upload, LIVES_S)
    try:
        yield coming
    finally:
        async with runtime.db.connection() as db:
            if coming.position is None:
                await uploads.give_up(db, coming.upload.id)
            else:
                await uploads.arrived(db, coming.upload.id, coming.bytes, coming.position)


async def reserve(runtime: Runtime, upload: Upload, lives_s: float) -> None:
    """One of a process at a time: waiting for a quota's lock, many would take the whole pool.

    Raises Invalid.
    """
    settings = runtime.settings
    async with runtime.reserving, reading(runtime) as db, db.transaction():
        await uploads.lock_quotas(db, upload)
        kept = await used(db, upload.project, upload.person)
        of_project, of_person = await uploads.coming(db, upload, kept.position)
        for what, most, there in (
            ("project", settings.files_quota_project, kept.project + of_project),
            ("person", settings.files_quota_person, kept.person + of_person),
        ):
            if most and there + upload.length > most:
                raise Invalid(f"file.{what}_is_full", most=most, used=there, more=upload.length)
        await uploads.begin(db, upload, lives_s)
