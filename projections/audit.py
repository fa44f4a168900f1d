"""audit: every durable event with who did it, by which command, from where and on whose behalf."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import msgspec

from domain.kernel import Event, Recorded
from domain.registry import EVENTS, tag_of
from infra.db import Connection
from projections.model import Insert, Projection, Row, Table, Write
from projections.rows import NEWEST_POSITION, event_text, fetch_all, fetch_one

AUDIT = Table(
    name="audit",
    columns={
        "position": "bigint NOT NULL",
        "at": "timestamptz NOT NULL",
        "actor": "uuid",
        "on_behalf_of": "uuid",
        "command": "text NOT NULL",
        "command_id": "uuid",
        "correlation_id": "uuid",
        "causation": "text",
        "aggregate": "text NOT NULL",
        "subject": "uuid NOT NULL",
        "version": "bigint NOT NULL",
        "type": "text NOT NULL",
        "project": "uuid",
        "ip": "text NOT NULL",
        "user_agent": "text NOT NULL",
        "data": "jsonb NOT NULL",
    },
    key=("position",),
    indexes=(
        "(at)",
        "(actor, position)",
        "(aggregate, position)",
        "(subject, position)",
        "(type, position)",
        "(project, position)",
        "(command_id)",
    ),
)


class AuditRow(msgspec.Struct, frozen=True):
    """An event as auditors see it.

    `actor` is None for the system itself; `causation` is a position or a command's id.
    """

    position: int
    at: datetime
    actor: UUID | None
    on_behalf_of: UUID | None
    command: str
    command_id: UUID | None
    correlation_id: UUID | None
    causation: str | None
    aggregate: str
    subject: UUID
    version: int
    type: str
    project: UUID | None
    ip: str
    user_agent: str
    data: dict[str, object]  # the event's own fields


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for; None is everything. `type` is a whole tag, `until` is not in the range."""

    actor: UUID | None = None
    aggregate: str | None = None
    subject: UUID | None = None
    type: str | None = None
    project: UUID | None = None
    command_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


class _Count(msgspec.Struct, frozen=True):
    count: int


def project(batch: Sequence[Recorded[Event]]) -> list[Write]:
    """Rests on the checkpoint."""
    return [Insert(AUDIT, [_row(recorded) for recorded in batch])]


def _row(recorded: Recorded[Event]) -> Row:
    meta, tag = recorded.meta, tag_of(type(recorded.event))
    return {
        "position": recorded.position,
        "at": recorded.at,
        "actor": meta.actor,
        "on_behalf_of": meta.on_behalf_of,
        "command": meta.command,
        "command_id": meta.command_id,
        "correlation_id": meta.correlation_id,
        "causation": None if meta.causation is None else str(meta.causation),
        "aggregate": tag.partition(".")[0],
        "subject": recorded.stream,
        "version": recorded.version,
        "type": tag,
        "project": meta.project_id,
        "ip": meta.ip,
        "user_agent": meta.user_agent,
        "data": event_text(recorded.event),
    }


_MATCHES: LiteralString = (
    " (%(actor)s::uuid IS NULL OR actor = %(actor)s)"
    " AND (%(aggregate)s::text IS NULL OR aggregate = %(aggregate)s)"
    " AND (%(subject)s::uuid IS NULL OR subject = %(subject)s)"
    " AND (%(type)s::text IS NULL OR type = %(type)s)"
    " AND (%(project)s::uuid IS NULL OR project = %(project)s)"
    " AND (%(command_id)s::uuid IS NULL OR command_id = %(command_id)s)"
    " AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)"
    " AND (%(until)s::timestamptz IS NULL OR at < %(until)s)"
)


async def list_audit(
    db: Connection, wanted: AuditFilter, after: int | None = None, limit: int = 50
) -> list[AuditRow]:
    """The matching events, newest first, by position."""
    return await fetch_all(
        db,
        AuditRow,
        "SELECT position, at, actor, on_behalf_of, command, command_id,"  # noqa: S608, literals
        " correlation_id, causation, aggregate, subject, version, type, project, ip,"
        " user_agent, data FROM audit WHERE position < %(after)s AND"
        + _MATCHES
        + " ORDER BY position DESC LIMIT %(limit)s",
        {
            **msgspec.structs.asdict(wanted),
            "after": NEWEST_POSITION if after is None else after,
            "limit": limit,
        },
    )


async def count(db: Connection, wanted: AuditFilter) -> int:
    """How many events match, exactly: it takes as long as reading them."""
    row = await fetch_one(
        db,
        _Count,
        "SELECT count(*) AS count FROM audit WHERE" + _MATCHES,  # noqa: S608, literals
        msgspec.structs.asdict(wanted),
    )
    return row.count if row else 0


PROJECTION = Projection(
    name="audit",
    group="audit",
    version=1,
    tables=(AUDIT,),
    events=tuple(EVENTS.values()),
    project=project,
)
