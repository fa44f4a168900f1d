"""Moments: which position a time was at, which time a position was, who pointed where then."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import LiteralString, TypeAlias
from uuid import UUID

import msgspec
from psycopg.rows import args_row

from domain.errors import Invalid
from domain.kernel import Event, Recorded
from domain.motion import CursorMoved, Selected, Typing
from infra.db import Connection
from infra.eventstore.motion import State, partitions
from infra.eventstore.reader import HEAD
from infra.eventstore.reader import Row as LogRow
from infra.eventstore.reader import recorded as decoded

FADES = timedelta(seconds=10)  # what has not moved for so long is not shown
TYPING_FADES = timedelta(seconds=6)
PAGE = 1_000  # motion facts

Wanted: TypeAlias = int | datetime | None

# Times never decrease along the log: halve the positions until one is left.
POSITION_AT = """
WITH RECURSIVE search (low, high) AS (
    SELECT 0::bigint, %(head)s::bigint
    UNION ALL
    SELECT CASE WHEN found.before THEN (low + high + 1) / 2 ELSE low END,
        CASE WHEN found.before THEN high ELSE (low + high + 1) / 2 - 1 END
    FROM search CROSS JOIN LATERAL (
        SELECT coalesce(greatest(
            (SELECT recorded_at FROM formula_events
             WHERE notification_id <= (low + high + 1) / 2 ORDER BY notification_id DESC LIMIT 1),
            (SELECT recorded_at FROM formula_motion_events
             WHERE position <= (low + high + 1) / 2 ORDER BY position DESC LIMIT 1)
        ) <= %(time)s, true) AS before
    ) found
    WHERE low < high
)
SELECT low FROM search WHERE low = high
"""
TIME_OF = """
SELECT greatest(
    (SELECT recorded_at FROM formula_events
     WHERE notification_id <= %(position)s ORDER BY notification_id DESC LIMIT 1),
    (SELECT recorded_at FROM formula_motion_events
     WHERE position <= %(position)s ORDER BY position DESC LIMIT 1))
"""
DURABLE = """
SELECT coalesce(max(notification_id), 0) FROM formula_events WHERE notification_id <= %(position)s
"""
MOTION_BEFORE = """
SELECT position, participation, 0::bigint, tag, state, NULL, recorded_at, actor, project
FROM formula_motion_events WHERE project = %(project)s AND position < %(before)s
ORDER BY position DESC LIMIT %(limit)s
"""
MOTION_BETWEEN = """
SELECT position, participation, 0::bigint, tag, state, NULL, recorded_at, actor, project
FROM formula_motion_events
WHERE project = %(project)s AND position > %(after)s AND position <= %(upto)s
ORDER BY position LIMIT %(limit)s
"""


class Moment(msgspec.Struct, frozen=True):
    """A place in the log; `at` is None before its first event."""

    position: int
    at: datetime | None


class Pointer(msgspec.Struct, frozen=True):
    """The newest that somebody's cursor, selection or typing said."""

    participation: UUID
    user: UUID | None
    type: str  # cursor, selection or typing
    room: str
    at: datetime
    data: msgspec.Raw


def moment(text: str | None) -> Wanted:
    """What was asked for: a position, or a time in RFC 3339. Raises Invalid."""
    if text is None:
        return None
    if text.isascii() and text.isdigit() and int(text) < 2**63:
        return int(text)
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a "+" that was not encoded
    except ValueError as error:
        raise Invalid("replay.bad_moment", moment=text) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


async def resolve(db: Connection, wanted: Wanted) -> Moment:
    """Where that is in the log; None is its head. Raises Invalid for what is to come."""
    head = int(((await (await db.execute(HEAD)).fetchone()) or (0,))[0])
    if isinstance(wanted, datetime):
        row = await (
            await db.execute(POSITION_AT, {"head": head, "time": wanted}, prepare=True)
        ).fetchone()
        return Moment(int(row[0]) if row else 0, wanted)
    position = head if wanted is None else wanted
    if position > head:
        raise Invalid("replay.not_yet", position=position, head=head)
    row = await (await db.execute(TIME_OF, {"position": position}, prepare=True)).fetchone()
    return Moment(position, row[0] if row else None)


async def durable(db: Connection, moment: Moment) -> int:
    """The newest durable position of a moment: what a projection has to reach."""
    cursor = await db.execute(DURABLE, {"position": moment.position}, prepare=True)
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def motion_kept(db: Connection, position: int) -> int:
    """The first position from this one on whose motion retention has not dropped; 0 for none."""
    kept = [one for one in await partitions(db) if one.state is State.ATTACHED]
    return next((max(one.start, position) for one in kept if one.end > position), 0)


async def pointers(db: Connection, project: UUID, moment: Moment) -> list[Pointer]:
    """The newest of each participation and kind, as far as it had not faded, newest first."""
    if moment.at is None:
        return []
    found: dict[tuple[UUID, type[Event]], Recorded[Event]] = {}
    for one in await _recent(db, project, moment.position + 1, moment.at - FADES):
        found.setdefault((one.stream, type(one.event)), one)
    return [_pointer(one) for one in found.values() if _shown(one, moment.at)]


async def _recent(
    db: Connection, project: UUID, before: int, since: datetime
) -> list[Recorded[Event]]:
    """A project's motion below a position and not before a time, newest first."""
    found: list[Recorded[Event]] = []
    while True:
        values = {"project": project, "before": before, "limit": PAGE}
        rows = await _motion(db, MOTION_BEFORE, values)
        recent = [row for row in rows if row.recorded_at >= since]
        found += [decoded(row) for row in recent]
        if len(recent) < PAGE:
            return found
        before = rows[-1].position


def _shown(one: Recorded[Event], at: datetime) -> bool:
    return not isinstance(one.event, Typing) or (one.event.on and one.at >= at - TYPING_FADES)


async def motion_of(
    db: Connection, project: UUID, after: int, upto: int, limit: int
) -> list[Recorded[Event]]:
    """A project's motion above `after` and not above `upto`, oldest first."""
    values = {"project": project, "after": after, "upto": upto, "limit": limit}
    return [decoded(row) for row in await _motion(db, MOTION_BETWEEN, values)]


async def _motion(
    db: Connection, statement: LiteralString, values: Mapping[str, object]
) -> list[LogRow]:
    async with db.cursor(binary=True, row_factory=args_row(LogRow)) as cursor:
        await cursor.execute(statement, values, prepare=True)
        return await cursor.fetchall()


def _pointer(recorded: Recorded[Event]) -> Pointer:
    event = recorded.event
    match event:
        case CursorMoved(room=room, at=at):
            kind, data = "cursor", at
        case Selected(room=room, selection=selection):
            kind, data = "selection", selection
        case Typing(room=room, where=where):
            kind, data = "typing", msgspec.Raw(msgspec.json.encode({"where": where}))
        case _:
            raise LookupError(f"{type(event).__name__} is no motion")
    return Pointer(recorded.stream, recorded.meta.actor, kind, room, recorded.at, data)
