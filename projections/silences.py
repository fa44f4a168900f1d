"""silences: for how long nobody is notified of what, newest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, assert_never
from uuid import UUID

import msgspec

from domain.alert_events import Severity
from domain.kernel import Recorded
from domain.silence import SILENCE, SilenceEnded, SilenceEvent, SilencePlaced
from infra.db import Connection
from projections.model import Projection, Rows, Table, Write
from projections.rows import NEWEST_POSITION, fetch_all

SILENCES = Table(
    name="silences",
    columns={
        "id": "uuid NOT NULL",
        "rule": "text NOT NULL",
        "severity": "text",
        "reason": "text NOT NULL",
        "until": "timestamptz NOT NULL",
        "placed_by": "uuid",
        "placed_at": "timestamptz NOT NULL",
        "ended_by": "uuid",
        "ended_at": "timestamptz",
        "position": "bigint NOT NULL",
    },
    key=("id",),
)


class SilenceRow(msgspec.Struct, frozen=True):
    """`rule` empty: of all; `severity` null: of both. `ended_at`: before its time."""

    id: UUID
    rule: str
    severity: Severity | None
    reason: str
    until: datetime
    placed_by: UUID | None
    placed_at: datetime
    ended_by: UUID | None
    ended_at: datetime | None
    position: int


def project(batch: Sequence[Recorded[SilenceEvent]]) -> list[Write]:
    rows = Rows(SILENCES)
    for recorded in batch:
        event, who = recorded.event, recorded.meta.actor
        match event:
            case SilencePlaced():
                rows.put(
                    id=event.silence,
                    rule=event.rule,
                    severity=event.severity,
                    reason=event.reason,
                    until=event.until,
                    placed_by=who,
                    placed_at=event.at,
                    ended_by=None,
                    ended_at=None,
                    position=recorded.position,
                )
            case SilenceEnded(silence=silence, at=at):
                rows.put(id=silence, ended_by=who, ended_at=at)
            case _:
                assert_never(event)
    return rows.writes()


SELECT: LiteralString = (
    "SELECT id, rule, severity, reason, until, placed_by, placed_at, ended_by, ended_at, position"
    " FROM silences"
)


async def list_silences(
    db: Connection, now: datetime, *, over: bool = False, after: int | None = None, limit: int = 50
) -> list[SilenceRow]:
    """Newest first, by position: those that stand, or with `over` all."""
    only: LiteralString = "" if over else " AND ended_at IS NULL AND until > %(now)s"
    return await fetch_all(
        db,
        SilenceRow,
        f"{SELECT} WHERE position < %(after)s{only} ORDER BY position DESC LIMIT %(limit)s",
        {"now": now, "after": NEWEST_POSITION if after is None else after, "limit": limit},
    )


PROJECTION = Projection(
    name="silences",
    group="queries",
    version=1,
    tables=(SILENCES,),
    events=SILENCE.events,
    project=project,
)
