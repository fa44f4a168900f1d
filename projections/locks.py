"""locks: who holds which resource of a project, by which fencing token, until when; who waits."""

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
    LockGranted,
    LockQueued,
    LockReleased,
    LockRenewed,
    LockStolen,
    LockUnqueued,
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

LOCK_WAITERS = Table(
    name="lock_waiters",
    columns={
        "stream": "uuid NOT NULL",
        "participation": "uuid NOT NULL",
        "waiter": "uuid NOT NULL",
        "place": "bigint NOT NULL",
        "since": "timestamptz NOT NULL",
    },
    key=("stream", "participation"),
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
    queue: list[UUID] = []  # participations that wait, the longest first


class WaiterRow(msgspec.Struct, frozen=True):
    """Who waits for a lock. Of two, the one whose `place` is lower gets it first."""

    stream: UUID
    participation: UUID
    waiter: UUID
    place: int
    since: datetime


def project(batch: Sequence[Recorded[LockEvent]]) -> list[Write]:
    rows, waiters = Rows(LOCKS), Rows(LOCK_WAITERS)
    for recorded in batch:
        _fold(rows, waiters, recorded)
    return [*rows.writes(), *waiters.writes()]


def _fold(rows: Rows, waiters: Rows, recorded: Recorded[LockEvent]) -> None:
    event, stream = recorded.event, recorded.stream
    match event:
        case LockAcquired(project=project, resource=resource):
            rows.put(stream=stream, project=project, resource=resource)
            _grant(rows, recorded, event)
        case LockGranted(project=project, resource=resource, participation=participation):
            rows.put(stream=stream, project=project, resource=resource)
            _grant(rows, recorded, event)
            waiters.delete(stream, participation)
        case LockStolen(participation=participation):
            _grant(rows, recorded, event)
            waiters.delete(stream, participation)  # the thief may have waited
        case LockRenewed(expires=expires):
            rows.put(stream=stream, expires_at=expires)
        case LockReleased() | LockExpired():
            rows.delete(stream)
        case LockQueued(participation=participation, waiter=waiter):
            waiters.put(
                stream=stream,
                participation=participation,
                waiter=waiter,
                place=recorded.version,
                since=recorded.at,
            )
        case LockUnqueued(participation=participation):
            waiters.delete(stream, participation)
        case _:
            assert_never(event)


def _grant(
    rows: Rows, recorded: Recorded[LockEvent], event: LockAcquired | LockStolen | LockGranted
) -> None:
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
    """The locks of a project with their queues, by resource."""
    return await fetch_all(
        db,
        LockRow,
        "SELECT stream, project, resource, holder, participation, token, expires_at, keep,"
        " acquired_at, ARRAY(SELECT w.participation FROM lock_waiters w"
        "  WHERE w.stream = l.stream ORDER BY w.place) AS queue"
        " FROM locks l WHERE project = %(project)s AND resource > %(after)s"
        " ORDER BY resource LIMIT %(limit)s",
        {"project": project, "after": after or "", "limit": limit},
    )


async def locks_of_stays(
    db: Connection, projects: Sequence[UUID], participations: Sequence[UUID]
) -> list[LockRow]:
    """The locks of those projects that one of the participations holds, or waits for.

    Of a queue only these are listed.
    """
    return await fetch_all(
        db,
        LockRow,
        "SELECT stream, project, resource, holder, participation, token, expires_at, keep,"
        " acquired_at, q.queue FROM locks l CROSS JOIN LATERAL ("
        "  SELECT coalesce(array_agg(w.participation ORDER BY w.place), '{}') AS queue"
        "  FROM lock_waiters w"
        "  WHERE w.stream = l.stream AND w.participation = ANY(%(participations)s)) q"
        " WHERE l.project = ANY(%(projects)s)"
        " AND (l.participation = ANY(%(participations)s) OR q.queue <> '{}') ORDER BY l.stream",
        {"projects": list(projects), "participations": list(participations)},
    )


async def expired_locks(db: Connection, now: datetime, limit: int) -> list[LockRow]:
    """The locks whose time is over, the longest over first; without their queues.

    Expiring one takes it off the list.
    """
    return await fetch_all(
        db,
        LockRow,
        "SELECT stream, project, resource, holder, participation, token, expires_at, keep,"
        " acquired_at FROM locks WHERE expires_at <= %(now)s"
        " ORDER BY expires_at, stream LIMIT %(limit)s",
        {"now": now, "limit": limit},
    )


def with_queues(locks: Sequence[LockRow], waiters: Sequence[WaiterRow]) -> list[LockRow]:
    """As `locks_of` gives them, of rows that were read apart."""
    queues: dict[UUID, list[UUID]] = {}
    for waiter in sorted(waiters, key=lambda one: one.place):
        queues.setdefault(waiter.stream, []).append(waiter.participation)
    return [msgspec.structs.replace(one, queue=queues.get(one.stream, [])) for one in locks]


PROJECTION = Projection(
    name="locks",
    group="live",
    version=3,
    tables=(LOCKS, LOCK_WAITERS),
    events=LOCK.events,
    project=project,
)
