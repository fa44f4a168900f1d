"""/documents: what people write together. A write to what is locked takes its token."""

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from typing import Annotated, cast
from uuid import UUID

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import UNSET, Meta, UnsetType

from api.auth import Caller
from api.call import Call, Done, done
from api.locks import LockTokens, free
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.reads import shown
from domain.access import Action
from domain.document import (
    DOCUMENT,
    ChangeDocument,
    CreateDocument,
    Document,
    DocumentEvent,
    RemoveDocument,
    RestoreDocument,
    evolve,
)
from domain.errors import NotFound
from domain.kernel import Event, Recorded
from infra.db import Connection
from infra.eventstore.types import MAX_READ
from infra.runtime import Runtime
from projections.documents import DocumentItem, DocumentRow, get_document, list_documents
from projections.frames import event_data, public_type

Title = Annotated[str, Meta(max_length=500, examples=["Plan for the north hall"])]
Text = Annotated[str, Meta(max_length=20_000)]
Name = Annotated[str, Meta(max_length=64, examples=["summary"])]


class NewDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: Title
    fields: dict[Name, Text] = {}


class DocumentChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is; a field that is null goes."""

    title: Title | UnsetType = UNSET
    fields: dict[Name, Text | None] = {}


class Restored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Annotated[int, Meta(ge=1)]


class Version(msgspec.Struct, frozen=True):
    """One change of a document, as its room saw it."""

    version: int
    position: int
    type: str
    at: datetime
    by: UUID | None
    data: msgspec.Raw


class Then(msgspec.Struct, frozen=True):
    """A document as it was at a version."""

    id: UUID
    version: int
    title: str
    fields: Mapping[str, str]
    removed: bool


@get("/documents", opt={"action": Action.PROJECT_LIST})
async def list_all(
    db: NamedDependency[Connection],
    caller: NamedDependency[Caller],
    project: FromQuery[UUID | None] = None,
    search: FromQuery[str | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DocumentItem]:
    """All documents for those who may read them all, those of one's own projects for others.

    `search`: the beginnings of words in titles and fields.
    """
    rows = await list_documents(
        db,
        project=project,
        search=search,
        member=None if caller.may(Action.DOCUMENT_READ) else caller.id,
        after=from_cursor(cursor, tuple[datetime, UUID]),
        limit=limit + 1,
    )
    return page(rows, limit, lambda row: (row.created_at, row.id))


@get("/documents/{document:uuid}", opt={"action": Action.DOCUMENT_READ})
async def get_one(
    document: FromPath[UUID], db: NamedDependency[Connection]
) -> Response[DocumentRow]:
    return shown(await get_document(db, document), "document.not_found")


@post("/projects/{project:uuid}/documents", opt={"action": Action.DOCUMENT_WRITE})
async def create(
    project: FromPath[UUID], data: JSONBody[NewDocument], call: NamedDependency[Call]
) -> Response[Done]:
    document = call.new_id("document")
    command = CreateDocument(
        project=project, title=data.title, fields=data.fields, at=call.runtime.now()
    )
    outcome = await call.execute(DOCUMENT, document, command, project=project)
    return done(outcome, document, created=True)


@patch("/documents/{document:uuid}", opt={"action": Action.DOCUMENT_WRITE})
async def change(
    document: FromPath[UUID],
    data: JSONBody[DocumentChanges],
    call: NamedDependency[Call],
    lock_token: LockTokens = None,
) -> Response[Done]:
    """Two who change other fields do not disturb each other, unless they say If-Match."""
    command = ChangeDocument(title=data.title, fields=data.fields)
    locks = free(call, f"document:{document}", data.fields, lock_token)
    outcome = await call.execute(DOCUMENT, document, command, *locks, project=call.project)
    return done(outcome, document)


@delete("/documents/{document:uuid}", opt={"action": Action.DOCUMENT_REMOVE}, status_code=200)
async def remove(
    document: FromPath[UUID], call: NamedDependency[Call], lock_token: LockTokens = None
) -> Response[Done]:
    """It can be restored, to any version."""
    now = (await call.runtime.load(DOCUMENT, document)).state
    locks = free(call, f"document:{document}", now.fields, lock_token)
    outcome = await call.execute(DOCUMENT, document, RemoveDocument(), *locks, project=call.project)
    return done(outcome, document)


@post("/documents/{document:uuid}/restore", opt={"action": Action.DOCUMENT_WRITE}, status_code=200)
async def restore(
    document: FromPath[UUID],
    data: JSONBody[Restored],
    call: NamedDependency[Call],
    lock_token: LockTokens = None,
) -> Response[Done]:
    """As it was at a version, as a new version: nothing in between is lost."""
    then = await _at(call.runtime, document, data.version)
    command = RestoreDocument(version=data.version, title=then.title, fields=then.fields)
    now = (await call.runtime.load(DOCUMENT, document)).state
    locks = free(call, f"document:{document}", {*now.fields, *then.fields}, lock_token)
    outcome = await call.execute(DOCUMENT, document, command, *locks, project=call.project)
    return done(outcome, document)


@get("/documents/{document:uuid}/versions", opt={"action": Action.DOCUMENT_READ})
async def versions(
    document: FromPath[UUID],
    runtime: NamedDependency[Runtime],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Version]:
    """Every change, oldest first, from the log itself."""
    after = from_cursor(cursor, int) or 0
    recorded = await runtime.store.read_stream(document, after, limit + 1)
    rows = [_version(one) for one in recorded]
    return page(rows, limit, lambda row: row.version)


@get("/documents/{document:uuid}/versions/{version:int}", opt={"action": Action.DOCUMENT_READ})
async def get_version(
    document: FromPath[UUID], version: FromPath[int], runtime: NamedDependency[Runtime]
) -> Then:
    then = await _at(runtime, document, version)
    return Then(document, version, then.title, then.fields, then.removed)


async def _at(runtime: Runtime, document: UUID, version: int) -> Document:
    """Folded from the log. Raises NotFound for a version that there is not."""
    state, seen = DOCUMENT.initial, 0
    while seen < version:
        recorded = await runtime.store.read_stream(document, seen, min(version - seen, MAX_READ))
        if not recorded:
            raise NotFound("document.no_such_version", version=version, newest=seen)
        state = reduce(evolve, (cast(DocumentEvent, one.event) for one in recorded), state)
        seen = recorded[-1].version
    return state


def _version(one: Recorded[Event]) -> Version:
    kind, data = public_type(type(one.event)), event_data(one.event)
    return Version(one.version, one.position, kind, one.at, one.meta.actor, data)


documents = Router(
    "/",
    route_handlers=[list_all, get_one, create, change, remove, restore, versions, get_version],
    tags=["documents"],
)
