"""A project's life at a glance: its events, or of very many some that are spread over it."""

from datetime import datetime
from uuid import UUID

import msgspec
from psycopg.rows import args_row

from domain.kernel import Event, Recorded
from infra.eventstore.reader import Row as LogRow
from infra.eventstore.reader import recorded as decoded
from infra.runtime import Runtime
from projections.frames import public_type
from projections.read import reading
from projections.replay.moments import Moment, Wanted
from projections.replay.room import span

MOST_MARKS = 500

# Where there are too many: the newest at or before each of so many places, by an index each.
SPREAD = """
SELECT DISTINCT found.position FROM (
    SELECT min(position) AS low, max(position) AS high FROM timeline
    WHERE project = %(project)s AND position > %(after)s AND position <= %(upto)s
) ends
CROSS JOIN generate_series(0, %(limit)s - 1) part
CROSS JOIN LATERAL (
    SELECT position FROM timeline WHERE project = %(project)s
    AND position <= ends.low + (ends.high - ends.low) * part / (%(limit)s - 1)
    ORDER BY position DESC LIMIT 1
) found
"""
FIRST = """
SELECT position FROM timeline
WHERE project = %(project)s AND position > %(after)s AND position <= %(upto)s
ORDER BY position LIMIT %(limit)s + 1
"""
EVENTS = """
SELECT notification_id, originator_id, originator_version, topic, state, metadata, recorded_at,
    NULL::uuid, NULL::uuid
FROM formula_events WHERE notification_id = ANY(%(positions)s) ORDER BY notification_id
"""


class Mark(msgspec.Struct, frozen=True):
    """That something happened; the event itself: /audit/{pos}."""

    pos: int
    at: datetime
    type: str
    by: UUID | None
    subject: UUID


class Outline(msgspec.Struct, frozen=True):
    """`whole`: the marks are all events between the two moments."""

    was: Moment
    now: Moment
    whole: bool
    marks: list[Mark]  # oldest first


async def outlined(
    runtime: Runtime, project: UUID, start: Wanted, end: Wanted, limit: int
) -> Outline:
    """At most `limit` marks above one moment and not above the other. Raises as `span` does."""
    was, now = await span(runtime, start, end)
    values: dict[str, object] = {
        "project": project,
        "after": was.position,
        "upto": now.position,
        "limit": limit,
    }
    async with reading(runtime) as db:
        found = await (await db.execute(FIRST, values, prepare=True)).fetchall()
        whole = len(found) <= limit
        if not whole:
            found = await (await db.execute(SPREAD, values, prepare=True)).fetchall()
        values["positions"] = [position for (position,) in found]
        async with db.cursor(binary=True, row_factory=args_row(LogRow)) as cursor:
            await cursor.execute(EVENTS, values, prepare=True)
            marks = [_mark(decoded(row)) for row in await cursor.fetchall()]
    return Outline(was, now, whole, marks)


def _mark(one: Recorded[Event]) -> Mark:
    return Mark(one.position, one.at, public_type(type(one.event)), one.meta.actor, one.stream)
