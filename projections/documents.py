"""documents: what they say now, field by field, and who wrote each last."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import LiteralString, assert_never
from uuid import UUID

import msgspec
from msgspec import UNSET

from domain.document import (
    DOCUMENT,
    DocumentChanged,
    DocumentCreated,
    DocumentEvent,
    DocumentRemoved,
)
from domain.kernel import Recorded
from infra.db import Connection
from projections.filters import given, prefixes
from projections.model import Projection, Rows, Table, Write
from projections.rows import NEWEST, fetch_all, fetch_one

WORDS: LiteralString = "to_tsvector('simple', translate(title, '@.-_+/', '      '))"
SAID: LiteralString = "to_tsvector('simple', translate(text, '@.-_+/', '      '))"

# One that is removed stays, unseen: it may be restored.
DOCUMENTS = Table(
    name="documents",
    columns={
        "id": "uuid NOT NULL",
        "project": "uuid NOT NULL",
        "title": "text NOT NULL",
        "created_at": "timestamptz NOT NULL",
        "created_by": "uuid",
        "changed_at": "timestamptz NOT NULL",
        "changed_by": "uuid",
        "removed": "boolean NOT NULL",
        "version": "bigint NOT NULL",
        "position": "bigint NOT NULL",
    },
    key=("id",),
    indexes=(
        "(created_at, id) WHERE NOT removed",
        "(project, created_at, id) WHERE NOT removed",
        f"USING gin ({WORDS})",
    ),
)
FIELDS = Table(
    name="document_fields",
    columns={
        "document": "uuid NOT NULL",
        "name": "text NOT NULL",
        "text": "text NOT NULL",
        "changed_at": "timestamptz NOT NULL",
        "changed_by": "uuid",
        "version": "bigint NOT NULL",
    },
    key=("document", "name"),
    indexes=(f"USING gin ({SAID})",),
)

SELECT: LiteralString = (
    "SELECT id, project, title, created_at, created_by, changed_at, changed_by, removed, version,"
    " position FROM documents WHERE NOT removed"
)
FOUND: LiteralString = (
    f"SELECT d.id FROM documents d WHERE {WORDS} @@ to_tsquery('simple', %(search)s)"  # noqa: S608
    " UNION SELECT f.document FROM document_fields f"
    f" WHERE {SAID} @@ to_tsquery('simple', %(search)s)"
)
FILTERS: dict[str, LiteralString] = {
    "project": "project = %(project)s",
    "member": "project IN (SELECT m.project FROM project_members m WHERE m.user_id = %(member)s)",
    "search": f"id IN ({FOUND})",
}


class FieldRow(msgspec.Struct, frozen=True):
    """What a field says, since which version of the document, and who wrote it."""

    document: UUID
    name: str
    text: str
    changed_at: datetime
    changed_by: UUID | None
    version: int


class DocumentItem(msgspec.Struct, frozen=True):
    """A document in a list. `version` is the stream's, `position` that of its last event."""

    id: UUID
    project: UUID
    title: str
    created_at: datetime
    created_by: UUID | None
    changed_at: datetime
    changed_by: UUID | None
    removed: bool
    version: int
    position: int


class DocumentRow(DocumentItem, frozen=True):
    """A document with all that it says; its fields by name."""

    fields: list[FieldRow] = []


def project(batch: Sequence[Recorded[DocumentEvent]]) -> list[Write]:
    documents, fields = Rows(DOCUMENTS), Rows(FIELDS)
    for recorded in batch:
        documents.put(
            id=recorded.stream,
            changed_at=recorded.at,
            changed_by=recorded.meta.actor,
            version=recorded.version,
            position=recorded.position,
            **_changes(recorded),
        )
        _fields(fields, recorded)
    return documents.writes() + fields.writes()


def _changes(recorded: Recorded[DocumentEvent]) -> Mapping[str, object]:
    match recorded.event:
        case DocumentCreated() as event:
            return {
                "project": event.project,
                "title": event.title,
                "created_at": event.at,
                "created_by": recorded.meta.actor,
                "removed": False,
            }
        case DocumentChanged(title=title, restored=restored):
            return {"title": title, "removed": UNSET if restored is None else False}
        case DocumentRemoved():
            return {"removed": True}
        case _:
            assert_never(recorded.event)


def _fields(rows: Rows, recorded: Recorded[DocumentEvent]) -> None:
    event = recorded.event
    if isinstance(event, DocumentRemoved):
        return
    for name in event.dropped if isinstance(event, DocumentChanged) else ():
        rows.delete(recorded.stream, name)
    for name, text in event.fields.items():
        rows.put(
            document=recorded.stream,
            name=name,
            text=text,
            changed_at=recorded.at,
            changed_by=recorded.meta.actor,
            version=recorded.version,
        )


async def get_document(db: Connection, document: UUID) -> DocumentRow | None:
    item = await fetch_one(
        db,
        DocumentItem,
        SELECT + " AND id = %(id)s",
        {"id": document},
    )
    if item is None:
        return None
    fields = await fetch_all(
        db,
        FieldRow,
        "SELECT document, name, text, changed_at, changed_by, version FROM document_fields"
        ' WHERE document = %(id)s ORDER BY name COLLATE "C"',
        {"id": document},
    )
    return DocumentRow(**msgspec.structs.asdict(item), fields=fields)


async def list_documents(
    db: Connection,
    *,
    project: UUID | None = None,
    member: UUID | None = None,
    search: str | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[DocumentItem]:
    """Documents, newest first; (created_at, id) is the key to go on `after`.

    `member`: those of the projects that this person is a member of. `search`: the beginnings of
    words in titles and fields, whatever their case.
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
    return await fetch_all(
        db,
        DocumentItem,
        SELECT + f" AND (created_at, id) < (%(created_at)s, %(last)s){given(FILTERS, values)}"
        " ORDER BY created_at DESC, id DESC LIMIT %(limit)s",
        values,
    )


PROJECTION = Projection(
    name="documents",
    group="queries",
    version=1,
    tables=(DOCUMENTS, FIELDS),
    events=DOCUMENT.events,
    project=project,
)
