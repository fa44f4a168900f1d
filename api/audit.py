"""/audit: who did what, when, from where, on whose behalf and why; and streams as they are stored.

That somebody looked is an event as well, stored before they are answered.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from api.audit_export import export
from api.audit_filters import (
    list_filters,
    provide_db_after,
    provide_filter,
    remove_filter,
    save_filter,
)
from api.audit_reads import note_read
from api.call import Call
from api.paging import Cursor, Limit, Page, from_cursor, page, to_cursor
from api.reads import provide_audit_db
from domain.access import Action
from domain.audit import AuditFilter
from domain.errors import NotFound
from domain.kernel import Event, Metadata, Recorded
from domain.registry import tag_of
from infra.db import Connection
from infra.eventstore.reader import read_stream
from projections.audit import AuditRow
from projections.audit_changes import Changes, changes_of
from projections.audit_list import list_audit
from projections.audit_tree import Node, tree
from projections.rows import event_text


class Shown(AuditRow, frozen=True):
    """`changes`: null where they were not asked for, or are too many versions away to tell."""

    changes: Changes | None = None


class Logged(msgspec.Struct, frozen=True):
    """An event of a stream; `type` and `data` are as today's code knows them."""

    position: int
    version: int
    type: str
    at: datetime
    data: dict[str, Any]
    meta: Metadata


@get(
    "/",
    opt={"action": Action.AUDIT_READ},
    dependencies={"wanted": Provide(provide_filter), "db": Provide(provide_db_after)},
)
async def list_all(
    db: NamedDependency[Connection],
    wanted: NamedDependency[AuditFilter],
    call: NamedDependency[Call],
    changes: Annotated[
        bool, QueryParameter(description="also each field before and after")
    ] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Shown]:
    """Newest first. A page may be short and still have a `next`: so far was looked for these."""
    found = await list_audit(db, wanted, from_cursor(cursor, int), limit)
    shown = await _shown(db, found.rows, changes=changes)
    await note_read(call.runtime, call.origin, "list", len(shown), wanted)
    return Page(shown, None if found.next is None else to_cursor(found.next))


@get("/{position:int}", opt={"action": Action.AUDIT_READ})
async def get_event(
    position: FromPath[int], db: NamedDependency[Connection], call: NamedDependency[Call]
) -> Shown:
    """One event with what it changed."""
    found = await list_audit(db, AuditFilter(), position + 1, 1)
    if not found.rows or found.rows[0].position != position:
        raise NotFound("audit.event_not_found", position=position)
    [shown] = await _shown(db, found.rows, changes=True)
    await note_read(call.runtime, call.origin, "event", 1, of=str(position))
    return shown


@get("/{position:int}/tree", opt={"action": Action.AUDIT_READ})
async def get_tree(
    position: FromPath[int], db: NamedDependency[Connection], call: NamedDependency[Call]
) -> list[Node]:
    """Its causes, the first one first, at negative depths; itself at 0; then its effects."""
    found = await tree(db, position)
    if not found:
        raise NotFound("audit.event_not_found", position=position)
    await note_read(call.runtime, call.origin, "tree", len(found), of=str(position))
    return found


@get("/streams/{stream:uuid}", opt={"action": Action.LOG_READ})
async def get_stream(
    stream: FromPath[UUID],
    call: NamedDependency[Call],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Logged]:
    """What is stored, newest last: read from the log itself, not from a projection."""
    after = from_cursor(cursor, int) or 0
    found = await read_stream(call.runtime.db, stream, after, limit + 1)
    logged = page([_logged(recorded) for recorded in found], limit, lambda row: row.version)
    await note_read(call.runtime, call.origin, "stream", len(logged.items), of=str(stream))
    return logged


async def _shown(db: Connection, rows: Sequence[AuditRow], *, changes: bool) -> list[Shown]:
    changed = await changes_of(db, rows) if changes else {}
    return [Shown(**msgspec.structs.asdict(row), changes=changed.get(row.position)) for row in rows]


def _logged(recorded: Recorded[Event]) -> Logged:
    return Logged(
        position=recorded.position,
        version=recorded.version,
        type=tag_of(type(recorded.event)),
        at=recorded.at,
        data=msgspec.json.decode(event_text(recorded.event)),
        meta=recorded.meta,
    )


audit = Router(
    "/audit",
    route_handlers=[
        list_all,
        export,
        get_event,
        get_tree,
        get_stream,
        list_filters,
        save_filter,
        remove_filter,
    ],
    dependencies={"db": Provide(provide_audit_db)},
    tags=["audit"],
)
