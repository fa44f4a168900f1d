"""files: what a project keeps, each version with what was found in it and what was made of it.

Where the bytes of all that are, projections/contents.py tells.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import LiteralString, assert_never
from uuid import UUID

import msgspec

from domain.file import (
    FILE,
    FileDeleted,
    FileEvent,
    FileInspected,
    FileProcessed,
    FilePurged,
    FileRestored,
    FileUploaded,
    Rendition,
    Verdict,
)
from domain.kernel import Recorded
from infra.db import Connection
from projections.filters import given, prefixes
from projections.model import Projection, Rows, Table, Write
from projections.rows import FIRST_ID, NEWEST, fetch_all, fetch_one, json_text

OLDEST = (datetime.min.replace(tzinfo=UTC), FIRST_ID)

WORDS: LiteralString = "to_tsvector('simple', translate(name, '@.-_+/', '      '))"

# One that is deleted stays, unseen but for those who may restore it; of one that is purged the row.
FILES = Table(
    name="files",
    columns={
        "id": "uuid NOT NULL",
        "project": "uuid NOT NULL",
        "number": "integer NOT NULL",
        "name": "text NOT NULL",
        "content_type": "text NOT NULL",
        "bytes": "bigint NOT NULL",
        "sha256": "text NOT NULL",
        "created_at": "timestamptz NOT NULL",
        "created_by": "uuid",
        "changed_at": "timestamptz NOT NULL",
        "changed_by": "uuid",
        "deleted_at": "timestamptz",
        "purged": "boolean NOT NULL",
        "version": "bigint NOT NULL",
        "position": "bigint NOT NULL",
    },
    key=("id",),
    indexes=(
        "(created_at, id) WHERE deleted_at IS NULL",
        "(project, created_at, id) WHERE deleted_at IS NULL",
        "(deleted_at, id) WHERE deleted_at IS NOT NULL AND NOT purged",
        f"USING gin ({WORDS})",
    ),
)
VERSIONS = Table(
    name="file_versions",
    columns={
        "file": "uuid NOT NULL",
        "number": "integer NOT NULL",
        "project": "uuid NOT NULL",
        "person": "uuid",
        "name": "text NOT NULL",
        "key": "text NOT NULL",
        "content_type": "text NOT NULL",
        "bytes": "bigint NOT NULL",
        "sha256": "text NOT NULL",
        "at": "timestamptz NOT NULL",
        "verdict": "text",
        "reason": "text NOT NULL",
        "renditions": "jsonb NOT NULL",
        "failed": "text NOT NULL",
    },
    key=("file", "number"),
    indexes=(
        "(project, sha256)",
        "(person)",
        "(key)",
    ),
)
RENDITIONS = Table(
    name="file_renditions",
    columns={
        "file": "uuid NOT NULL",
        "number": "integer NOT NULL",
        "key": "text NOT NULL",
    },
    key=("file", "number", "key"),
    indexes=("(key)",),
)

SELECT: LiteralString = (
    "SELECT f.id, f.project, f.number, f.name, f.content_type, f.bytes, f.sha256, f.created_at,"
    " f.created_by, f.changed_at, f.changed_by, f.deleted_at, f.purged, f.version, f.position,"
    " v.verdict, v.reason, v.renditions, v.failed"
    " FROM files f JOIN file_versions v ON v.file = f.id AND v.number = f.number"
)
FILTERS: dict[str, LiteralString] = {
    "project": "f.project = %(project)s",
    "member": "f.project IN (SELECT m.project FROM project_members m WHERE m.user_id = %(member)s)",
    "search": f"to_tsquery('simple', %(search)s) @@ {WORDS.replace('name', 'f.name', 1)}",
}


class FileRow(msgspec.Struct, frozen=True):
    """A file as its newest version is. `verdict` null: nobody has looked through that yet.

    `number` counts its contents from 1; `version` is the stream's, `position` that of its last
    event. `failed`: why there are no renditions of a kind that has some.
    """

    id: UUID
    project: UUID
    number: int
    name: str
    content_type: str
    bytes: int
    sha256: str
    created_at: datetime
    created_by: UUID | None
    changed_at: datetime
    changed_by: UUID | None
    deleted_at: datetime | None
    purged: bool
    version: int
    position: int
    verdict: Verdict | None
    reason: str
    renditions: list[Rendition]
    failed: str


class VersionRow(msgspec.Struct, frozen=True):
    """What a file was, or is. `reason`: why it was refused, or what it is infected with."""

    file: UUID
    number: int
    person: UUID | None
    name: str
    content_type: str
    bytes: int
    sha256: str
    at: datetime
    verdict: Verdict | None
    reason: str
    renditions: list[Rendition]
    failed: str


def project(batch: Sequence[Recorded[FileEvent]]) -> list[Write]:
    files, versions, renditions = Rows(FILES), Rows(VERSIONS), Rows(RENDITIONS)
    for recorded in batch:
        _file(files, recorded)
        _version(versions, recorded)
        if isinstance(recorded.event, FileProcessed):
            number = recorded.event.number
            for one in recorded.event.renditions:
                renditions.put(file=recorded.stream, number=number, key=one.key)
    return files.writes() + versions.writes() + renditions.writes()


def _file(files: Rows, recorded: Recorded[FileEvent]) -> None:
    event = recorded.event
    always = {
        "id": recorded.stream,
        "version": recorded.version,
        "position": recorded.position,
    }
    by = {"changed_at": recorded.at, "changed_by": recorded.meta.actor}
    match event:
        case FileUploaded():
            first = {
                "project": event.project,
                "created_at": event.at,
                "created_by": recorded.meta.actor,
                "deleted_at": None,
                "purged": False,
            }
            files.put(
                **always,
                **by,
                **(first if event.number == 1 else {}),
                number=event.number,
                name=event.name,
                content_type=event.content_type,
                bytes=event.bytes,
                sha256=event.sha256,
            )
        case FileDeleted():
            files.put(**always, **by, deleted_at=recorded.at)
        case FileRestored():
            files.put(**always, **by, deleted_at=None)
        case FilePurged():
            files.put(**always, purged=True)
        case FileInspected() | FileProcessed():
            files.put(**always)
        case _:
            assert_never(event)


def _version(versions: Rows, recorded: Recorded[FileEvent]) -> None:
    event, file = recorded.event, recorded.stream
    match event:
        case FileUploaded():
            versions.put(
                file=file,
                number=event.number,
                project=event.project,
                person=recorded.meta.actor,
                name=event.name,
                key=event.key,
                content_type=event.content_type,
                bytes=event.bytes,
                sha256=event.sha256,
                at=event.at,
                verdict=None,
                reason="",
                renditions="[]",
                failed="",
            )
        case FileInspected(number=number, verdict=verdict, reason=reason):
            versions.put(file=file, number=number, verdict=verdict.value, reason=reason)
        case FileProcessed(number=number, renditions=made, failed=failed):
            versions.put(file=file, number=number, renditions=json_text(made), failed=failed)
        case FileDeleted() | FileRestored() | FilePurged():
            return
        case _:
            assert_never(event)


async def get_file(db: Connection, file: UUID) -> FileRow | None:
    """Also one that is deleted."""
    return await fetch_one(db, FileRow, SELECT + " WHERE f.id = %(id)s", {"id": file})


async def list_files(
    db: Connection,
    *,
    project: UUID | None = None,
    member: UUID | None = None,
    search: str | None = None,
    deleted: bool = False,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[FileRow]:
    """Files, newest first; (created_at, id) is the key to go on `after`.

    `deleted`: those that can be restored, and no others.
    `member`: those of the projects that this person is a member of. `search`: the beginnings of
    words in names, whatever their case.
    """
    created_at, last = after or NEWEST
    values: dict[str, object] = {
        "project": project,
        "member": member,
        "search": prefixes(search),
        "created_at": created_at,
        "last": last,
        "limit": limit,
    }
    which: LiteralString = (
        "f.deleted_at IS NOT NULL AND NOT f.purged" if deleted else "f.deleted_at IS NULL"
    )
    return await fetch_all(
        db,
        FileRow,
        f"{SELECT} WHERE {which} AND (f.created_at, f.id) < (%(created_at)s, %(last)s)"
        f"{given(FILTERS, values)} ORDER BY f.created_at DESC, f.id DESC LIMIT %(limit)s",
        values,
    )


class Deleted(msgspec.Struct, frozen=True):
    id: UUID
    project: UUID
    deleted_at: datetime


async def deleted_files(
    db: Connection,
    before: datetime,
    after: tuple[datetime, UUID] = OLDEST,
    limit: int = 500,
) -> list[Deleted]:
    """Those that were deleted before then and are not purged, oldest first."""
    return await fetch_all(
        db,
        Deleted,
        "SELECT id, project, deleted_at FROM files WHERE deleted_at IS NOT NULL AND NOT purged"
        " AND deleted_at < %(before)s AND (deleted_at, id) > (%(at)s, %(last)s)"
        " ORDER BY deleted_at, id LIMIT %(limit)s",
        {"before": before, "at": after[0], "last": after[1], "limit": limit},
    )


async def versions_of(
    db: Connection, file: UUID, after: int = 0, limit: int = 50
) -> list[VersionRow]:
    """All that it was, oldest first."""
    return await fetch_all(
        db,
        VersionRow,
        "SELECT file, number, person, name, content_type, bytes, sha256, at, verdict, reason,"
        " renditions, failed FROM file_versions"
        " WHERE file = %(file)s AND number > %(after)s ORDER BY number LIMIT %(limit)s",
        {"file": file, "after": after, "limit": limit},
    )


PROJECTION = Projection(
    name="files",
    group="queries",
    version=1,
    tables=(FILES, VERSIONS, RENDITIONS),
    events=FILE.events,
    project=project,
)
