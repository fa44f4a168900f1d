"""Ends the participations of readers without a socket who may not be in their room any more.

Whose request is open hears of it there. Between two polls nobody does, and the next one is only
refused: others would see who was removed, or has logged out, until the lease is over.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from psycopg.rows import class_row

from domain.access import RULES, Action, Who, allowed
from domain.participation import LeaveReason
from domain.rooms import OPS
from domain.user import USER, User, UserStatus
from infra.readers import Reader, forget_lapsed, give_up
from infra.runtime import Runtime
from projections.locks import LockRow, locks_of_stays
from projections.read import reading
from workers.ending import end
from workers.rights import may
from workers.together import together
from workers.waiters import Queue, stop_waiting

PAGE = 500  # participations of one look

# By read models and refresh tokens; where those are behind, the aggregates tell. The tokens are
# counted, so that Postgres looks up each log-in's own: it would read them all for an EXISTS.
SUSPECTS = """
SELECT r.participation, r.user_id, r.room, r.project, r.session
FROM formula_readers r
JOIN users u ON u.id = r.user_id
LEFT JOIN project_members m ON m.project = r.project AND m.user_id = r.user_id
WHERE r.until > '-infinity' AND (
    u.status <> %(active)s
    OR (SELECT count(t.revoked_at) FROM formula_refresh_tokens t WHERE t.family = r.session) > 0
    OR (r.project IS NOT NULL
        AND u.role <> ALL(%(roles)s) AND (m.role = ANY(%(members)s)) IS NOT TRUE)
    OR (r.room = %(ops)s AND u.role <> ALL(%(operators)s)))
ORDER BY r.participation LIMIT %(limit)s
"""
VALUES: Mapping[str, object] = {
    "active": UserStatus.ACTIVE.value,
    "roles": [role.value for role in RULES[Action.ROOM_JOIN].roles],
    "members": [role.value for role in RULES[Action.ROOM_JOIN].members],
    "ops": OPS,
    "operators": [role.value for role in RULES[Action.OPS_JOIN].roles],
    "limit": PAGE,
}


class Dismissed:
    """Whom it sees twice nobody ended: a node that has their request open would have by then."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._before: set[UUID] = set()

    async def __call__(self, _now: float) -> None:
        async with (
            reading(self._runtime, group="live") as db,
            db.cursor(row_factory=class_row(Reader)) as cursor,
        ):
            await cursor.execute(SUSPECTS, VALUES)
            suspects = await cursor.fetchall()
        again = [one for one in suspects if one.participation in self._before]
        self._before = {one.participation for one in suspects}
        gone: dict[LeaveReason, list[Reader]] = {}
        for one in again:
            if reason := await self._why(one):
                gone.setdefault(reason, []).append(one)
        for reason, readers in gone.items():
            await self._end(readers, reason)

    async def _why(self, reader: Reader) -> LeaveReason | None:
        """What a socket's end would have said; None: they may be there."""
        user = (await self._runtime.load(USER, reader.user_id)).state
        if not user.active or not await self._may_be_in(reader, user):
            return LeaveReason.REMOVED
        return LeaveReason.EXPIRED if reader.session and user.entry.ended(reader.session) else None

    async def _may_be_in(self, reader: Reader, user: User) -> bool:
        if reader.project is not None:
            return await may(self._runtime, Action.ROOM_JOIN, reader.user_id, reader.project)
        return reader.room != OPS or allowed(Action.OPS_JOIN, Who(reader.user_id, user.role))

    async def _end(self, readers: Sequence[Reader], reason: LeaveReason) -> None:
        """The rows first: whoever hears of the end must not take it for a lapse."""
        participations = [one.participation for one in readers]
        projects = {one.project for one in readers if one.project is not None}
        async with reading(self._runtime, group="live") as db:
            await give_up(db, participations)
            locks = await locks_of_stays(db, [*projects], participations)
        await end(self._runtime, readers, reason)
        await together(_wanted(locks, participations), self._let_go)
        async with self._runtime.db.connection() as db:
            await forget_lapsed(db, participations)

    async def _let_go(self, queue: Queue) -> None:
        await stop_waiting(self._runtime, queue, "left")


def _wanted(locks: Sequence[LockRow], gone: Sequence[UUID]) -> list[Queue]:
    """What they wait for, and what they hold but were not to keep on leaving."""
    queues: list[Queue] = []
    for lock in locks:
        held = lock.participation in gone and not lock.keep
        participations = [*lock.queue, *([lock.participation] if held else [])]
        if participations:
            queues.append(Queue(lock.stream, lock.project, participations))
    return queues
