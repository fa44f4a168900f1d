"""locks: who holds which resource of a project, with which fencing token, until when."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never
from uuid import UUID

import msgspec

from domain.kernel import Recorded
from domain.lock import (
    LOCK,
    LockAcquired,
    LockEvent,
    LockExpired,
    LockReleased,
    LockRenewed,
    LockStolen,
)
from infra.db import Connection
from projections.model import Projection, Rows, Table, Write
from projections.rows import fetch_all

LOCKS = Table(
    name="locks",
    columns={
        "stream": "uuid NOT NULL",
        "project": "uuid NOT NULL",
        "resource": "text NOT NULL",
        "holder": "uuid NOT NULL",
        "participation": "uuid NOT NULL",
        "token": "bigint NOT NULL",
        "expires_at": "timestamptz NOT NULL",
        "keep": "boolean NOT NULL",
        "acquired_at": "timestamptz NOT NULL",
    },
    key=("stream",),
    indexes=(
        "(project, resource)",
        "(holder, stream)",
        "(expires_at, stream)",
        "(participation, stream)",
    ),
)


class LockRow(msgspec.Struct, frozen=True):
    """A lock that was granted and neither released nor expired by an event yet."""

    stream: UUID
    project: UUID
    resource: str
    holder: UUID
    participation: UUID
    token: int
    expires_at: datetime
    keep: bool
    acquired_at: datetime


def project(batch: Sequence[Recorded[LockEvent]]) -> list[Write]:
    rows = Rows(LOCKS)
    for recorded in batch:
        _fold(rows, recorded)
    return rows.writes()


def _fold(rows: Rows, recorded: Recorded[LockEvent]) -> None:
    event = recorded.event
    match event:
        case LockAcquired(project=project, resource=resource):
            rows.put(stream=recorded.stream, project=project, resource=resource)
            _grant(rows, recorded, event)
        case LockStolen():
            _grant(rows, recorded, event)
        case LockRenewed(expires=expires):
            rows.put(stream=recorded.stream, expires_at=expires)
        case LockReleased() | LockExpired():
            rows.delete(recorded.stream)
        case _:
            assert_never(event)


def _grant(rows: Rows, recorded: Recorded[LockEvent], event: LockAcquired | LockStolen) -> None:
    rows.put(
        stream=recorded.stream,
        holder=event.holder,
        participation=event.participation,
        token=recorded.version,
        expires_at=event.expires,
        keep=event.keep,
        acquired_at=recorded.at,
    )


async def locks_of(
    db: Connection, project: UUID, after: str | None = None, limit: int = 500
) -> list[LockRow]:
    """The locks of a project, by resource."""
    return await fetch_all(
        db,
        LockRow,
        "SELECT stream, project, resource, holder, participation, token, expires_at, keep,"
        " acquired_at FROM locks WHERE project = %(project)s AND resource > %(after)s"
        " ORDER BY resource LIMIT %(limit)s",
        {"project": project, "after": after or "", "limit": limit},
    )


async def expired_locks(db: Connection, now: datetime, limit: int) -> list[LockRow]:
    """The locks whose time is over, the longest over first. Expiring one takes it off the list."""
    return await fetch_all(
        db,
        LockRow,
        "SELECT stream, project, resource, holder, participation, token, expires_at, keep,"
        " acquired_at FROM locks WHERE expires_at <= %(now)s"
        " ORDER BY expires_at, stream LIMIT %(limit)s",
        {"now": now, "limit": limit},
    )


PROJECTION = Projection(
    name="locks",
    group="live",
    version=2,
    tables=(LOCKS,),
    events=LOCK.events,
    project=project,
)
