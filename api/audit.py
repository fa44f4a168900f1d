"""/audit: who did what, when, from where and on whose behalf; and streams as they are stored."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter

from api.paging import Cursor, Limit, Page, from_cursor, page
from api.reads import provide_audit_db
from domain.access import Action
from domain.kernel import Event, Metadata, Recorded
from domain.registry import tag_of
from infra.db import Connection
from infra.eventstore.reader import read_stream
from infra.runtime import Runtime
from projections.audit import AuditFilter, AuditRow, list_audit
from projections.rows import event_text


class Logged(msgspec.Struct, frozen=True):
    """An event of a stream; `type` and `data` are as today's code knows them."""

    position: int
    version: int
    type: str
    at: datetime
    data: dict[str, Any]
    meta: Metadata


@get("/", opt={"action": Action.AUDIT_READ}, dependencies={"db": Provide(provide_audit_db)})
async def list_all(
    db: NamedDependency[Connection],
    actor: FromQuery[UUID | None] = None,
    aggregate: FromQuery[str | None] = None,
    subject: FromQuery[UUID | None] = None,
    tag: Annotated[str | None, QueryParameter(name="type")] = None,
    project: FromQuery[UUID | None] = None,
    command_id: FromQuery[UUID | None] = None,
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditRow]:
    """Newest first. `type` is a whole tag such as task.created.v1; `until` is not in the range."""
    wanted = AuditFilter(
        actor=actor,
        aggregate=aggregate,
        subject=subject,
        type=tag,
        project=project,
        command_id=command_id,
        since=since,
        until=until,
    )
    rows = await list_audit(db, wanted, from_cursor(cursor, int), limit + 1)
    return page(rows, limit, lambda row: row.position)


@get("/streams/{stream:uuid}", opt={"action": Action.LOG_READ})
async def get_stream(
    stream: FromPath[UUID],
    runtime: NamedDependency[Runtime],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Logged]:
    """What is stored, newest last: read from the log itself, not from a projection."""
    after = from_cursor(cursor, int) or 0
    found = await read_stream(runtime.db, stream, after, limit + 1)
    return page([_logged(recorded) for recorded in found], limit, lambda row: row.version)


def _logged(recorded: Recorded[Event]) -> Logged:
    return Logged(
        position=recorded.position,
        version=recorded.version,
        type=tag_of(type(recorded.event)),
        at=recorded.at,
        data=msgspec.json.decode(event_text(recorded.event)),
        meta=recorded.meta,
    )


audit = Router("/audit", route_handlers=[list_all, get_stream], tags=["audit"])
