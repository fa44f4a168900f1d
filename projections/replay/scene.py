"""The scene that a replay opens with: who was there, what was locked, what had just happened."""

from datetime import datetime
from uuid import UUID

import msgspec
from psycopg.rows import args_row

from domain.errors import Invalid
from domain.kernel import Event, Recorded
from infra.db import Connection
from infra.eventstore.reader import Row as LogRow
from infra.eventstore.reader import recorded as decoded
from infra.runtime import Runtime
from projections.locks import LockRow, with_queues
from projections.members import MemberRow
from projections.read import reading
from projections.replay.keyframes import seek
from projections.replay.moments import Moment, Pointer, motion_kept, pointers, resolve

RECENT = 20  # events, as many as a live room shows

NEWEST = """
SELECT e.notification_id AS position, e.originator_id AS stream, e.originator_version AS version,
    e.topic AS tag, e.state, e.metadata, e.recorded_at, NULL::uuid AS actor, NULL::uuid AS project
FROM (
    SELECT t.position FROM timeline t
    WHERE t.project = %(project)s AND t.position <= %(upto)s
    ORDER BY t.position DESC LIMIT %(limit)s
) t JOIN formula_events e ON e.notification_id = t.position
ORDER BY e.notification_id
"""


class Scene(msgspec.Struct, frozen=True):
    """A project's rooms at a moment. Before the project was created nobody is there."""

    moment: Moment
    members: list[MemberRow]
    locks: list[LockRow]
    cursors: list[Pointer]
    cursors_from: int | None  # retention has dropped them: the next position that has them
    recent: list[Recorded[Event]]  # oldest first


async def scene_at(runtime: Runtime, project: UUID, wanted: int | datetime, upto: Moment) -> Scene:
    """The scene at a moment not after `upto`, which the timeline must have reached."""
    async with reading(runtime) as db:
        moment = await resolve(db, wanted)
        if moment.position > upto.position:
            raise Invalid("replay.past_its_end", position=moment.position, end=upto.position)
        then = await seek(db, project, moment.position)
        kept = await motion_kept(db, moment.position)
        here = {member.participation for member in then.members}
        gone = kept != moment.position
        shown = [] if gone else await pointers(db, project, moment)
        return Scene(
            moment=moment,
            members=then.members,
            locks=with_queues(then.locks, then.lock_waiters),
            cursors=[one for one in shown if one.participation in here],
            cursors_from=kept if gone else None,
            recent=await _newest(db, project, moment.position),
        )


async def _newest(db: Connection, project: UUID, upto: int) -> list[Recorded[Event]]:
    values = {"project": project, "upto": upto, "limit": RECENT}
    async with db.cursor(binary=True, row_factory=args_row(LogRow)) as cursor:
        await cursor.execute(NEWEST, values, prepare=True)
        return [decoded(row) for row in await cursor.fetchall()]
