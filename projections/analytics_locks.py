"""lock_holds: who held which resource from when until when, and how that ended."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from domain.kernel import Event, Recorded
from domain.lock import (
    LOCK,
    LockAcquired,
    LockEvent,
    LockExpired,
    LockGranted,
    LockReleased,
    LockStolen,
)
from projections.model import Insert, Projection, Row, Sql, Table, Write

LOCK_HOLDS = Table(
    name="lock_holds",
    columns={
        "stream": "uuid NOT NULL",
        "token": "bigint NOT NULL",
        "project": "uuid NOT NULL",
        "resource": "text NOT NULL",
        "holder": "uuid NOT NULL",
        "acquired_at": "timestamptz NOT NULL",
        "ended_at": "timestamptz",
        "ended": "text",
    },
    key=("stream", "token"),
    indexes=(
        "(stream) WHERE ended_at IS NULL",
        "(project, resource, acquired_at)",
        "(holder, acquired_at)",
    ),
)

END = """
UPDATE lock_holds h SET ended_at = v.at, ended = v.ended
FROM unnest(%(streams)s::uuid[], %(ats)s::timestamptz[], %(endeds)s::text[]) v(stream, at, ended)
WHERE h.stream = v.stream AND h.ended_at IS NULL
"""

ENDS: Mapping[type[Event], str] = {
    LockReleased: "released",
    LockExpired: "expired",
    LockStolen: "stolen",
}


def project(batch: Sequence[Recorded[LockEvent]]) -> list[Write]:
    """Ends of holds from before the batch come first: one resource has one hold at a time."""
    holds: list[Row] = []
    held: dict[UUID, Row] = {}  # begun in this batch
    earlier: dict[UUID, tuple[datetime, str]] = {}
    for one in batch:
        how = ENDS.get(type(one.event))
        if how is not None:
            _end(held, earlier, one.stream, one.at, how)
        if isinstance(one.event, LockAcquired | LockStolen | LockGranted):
            held[one.stream] = _hold(one, one.event)
            holds.append(held[one.stream])
    ends = Sql(
        END,
        {
            "streams": list(earlier),
            "ats": [at for at, _ in earlier.values()],
            "endeds": [how for _, how in earlier.values()],
        },
    )
    return [ends, Insert(LOCK_HOLDS, holds)]


def _end(
    held: dict[UUID, Row],
    earlier: dict[UUID, tuple[datetime, str]],
    stream: UUID,
    at: datetime,
    how: str,
) -> None:
    hold = held.pop(stream, None)
    if hold is None:
        earlier.setdefault(stream, (at, how))
    else:
        hold |= {"ended_at": at, "ended": how}


def _hold(one: Recorded[LockEvent], event: LockAcquired | LockStolen | LockGranted) -> Row:
    return {
        "stream": one.stream,
        "token": one.version,
        "project": event.project,
        "resource": event.resource,
        "holder": event.holder,
        "acquired_at": one.at,
        "ended_at": None,
        "ended": None,
    }


PROJECTION = Projection(
    name="analytics_locks",
    group="analytics",
    version=2,
    tables=(LOCK_HOLDS,),
    events=LOCK.events,
    project=project,
)
