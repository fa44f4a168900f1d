"""/realtime/files: what projects keep. A file is had by a link, which says for how long."""

from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from api.answer import Answer
from api.auth import Asked, Caller
from api.cached import Cached
from api.call import Call, Done, done, etag
from api.edge import runtime_of
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.ranges import has
from api.uploading import upload
from domain.access import Action, require
from domain.errors import Invalid, NotFound
from domain.file import FILE, Content, DeleteFile, RestoreFile, readable
from infra.db import Connection
from infra.limits import address_of
from infra.runtime import Runtime
from projections.files import FileRow, VersionRow, get_file, list_files, versions_of
from projections.read import reading

LIVES_S = 300  # a link, if nothing else is asked for
MOST_S = 7 * 86_400


class Link(msgspec.Struct, frozen=True):
    """An address that whoever has it may read until it expires."""

    url: str
    expires: datetime
    name: str
    content_type: str
    bytes: int


@get("/", opt={"action": Action.PROJECT_LIST})
async def list_all(
    db: NamedDependency[Connection],
    caller: NamedDependency[Caller],
    project: FromQuery[UUID | None] = None,
    search: FromQuery[str | None] = None,
    deleted: FromQuery[bool] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[FileRow]:
    """All files for those who may read them all, those of one's own projects for others.

    `search`: the beginnings of words in names. `deleted`: instead those that can be restored, for
    who may do it.
    """
    if deleted:
        require(Action.FILE_DELETE, caller.who)
    rows = await list_files(
        db,
        project=project,
        search=search,
        deleted=deleted,
        member=None if caller.may(Action.FILE_READ) else caller.id,
        after=from_cursor(cursor, tuple[datetime, UUID]),
        limit=limit + 1,
    )
    return page(rows, limit, lambda row: (row.created_at, row.id))


@get("/{file:uuid}/metadata", opt={"action": Action.FILE_READ})
async def metadata(file: FromPath[UUID], request: Asked) -> Response[bytes]:
    """A file as it is now, from the cache: whatever happens to it gives it another version."""
    now = await runtime_of(request.scope).states.known(FILE, file)
    told: Cached = request.app.state["told_of_files"]
    content, headers = await told.at(file, now.version), {"ETag": etag(now.version)}
    if has(request.headers, headers["ETag"]):
        return Answer(b"", status_code=304, headers=headers)
    return Answer(content, headers=headers)


@get("/{file:uuid}/versions", opt={"action": Action.FILE_READ})
async def versions(
    file: FromPath[UUID],
    caller: NamedDependency[Caller],
    runtime: NamedDependency[Runtime],
    db: NamedDependency[Connection],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[VersionRow]:
    """All that it was, oldest first, with what was found in each. Deleted: for who may restore."""
    now = (await runtime.load(FILE, file)).state
    if now.deleted and not caller.may(Action.FILE_DELETE):
        raise NotFound("file.not_found")
    rows = await versions_of(db, file, from_cursor(cursor, int) or 0, limit + 1)
    return page(rows, limit, lambda row: row.number)


@get("/{file:uuid}/url", opt={"action": Action.FILE_READ})
async def url(
    file: FromPath[UUID],
    runtime: NamedDependency[Runtime],
    version: Annotated[int | None, QueryParameter(description="its number; the newest")] = None,
    rendition: Annotated[str | None, QueryParameter(description="such as w640.webp")] = None,
    expires_s: Annotated[int, QueryParameter(description="seconds", ge=1, le=MOST_S)] = LIVES_S,
    address: Annotated[str | None, QueryParameter(description="from where alone it opens")] = None,
) -> Link:
    """Of the newest version that may be had, or of the one named; or of what was made of it."""
    content = readable((await runtime.load(FILE, file)).state, version)
    expires = runtime.now() + timedelta(seconds=expires_s)
    key, name, kind, size = _wanted(content, rendition)
    link = await runtime.blobs.link(key, name, kind, expires, _asking(address))
    return Link(link, expires, name, kind, size)


def _asking(address: str | None) -> str:
    """Whom that stands for. Raises Invalid."""
    if address is None:
        return ""
    try:
        return address_of((str(ip_address(address)), 0))
    except ValueError:
        raise Invalid("file.bad_address", address=address) from None


def _wanted(content: Content, rendition: str | None) -> tuple[str, str, str, int]:
    if rendition is None:
        return content.key, content.name, content.content_type, content.bytes
    for one in content.renditions:
        if one.name == rendition:
            return one.key, one.name, one.content_type, one.bytes
    raise NotFound("file.no_such_rendition", rendition=rendition)


@delete("/{file:uuid}", opt={"action": Action.FILE_DELETE}, status_code=200)
async def remove(
    file: FromPath[UUID], call: NamedDependency[Call], reason: FromQuery[str] = ""
) -> Response[Done]:
    """Nobody has it any more; it can be restored for DELETED_FILES_KEPT_S."""
    command = DeleteFile(reason=reason)
    return done(await call.execute(FILE, file, command, project=call.project), file)


@post("/{file:uuid}/restore", opt={"action": Action.FILE_DELETE}, status_code=200)
async def restore(file: FromPath[UUID], call: NamedDependency[Call]) -> Response[Done]:
    return done(await call.execute(FILE, file, RestoreFile(), project=call.project), file)


def told_of_files(runtime: Runtime) -> Cached:
    async def tell(file: UUID, version: int) -> bytes:
        return msgspec.json.encode(await _row(runtime, file, version))

    return Cached(runtime, "file", tell)


async def _row(runtime: Runtime, file: UUID, version: int) -> FileRow:
    """At least as new as that version."""
    made = await runtime.store.read_stream(file, version - 1, 1)
    position = made[0].position if made else None
    async with reading(runtime, min_position=position) as db:
        row = await get_file(db, file)
    if row is None or row.deleted_at is not None:
        raise NotFound("file.not_found", file=file)
    return row


project_files = Router(
    "/realtime/files",
    route_handlers=[upload, list_all, metadata, versions, url, remove, restore],
    tags=["files"],
)
