"""Takes from the locks, and out of their queues, those who may not lock in the project any more.

A gateway does so itself for who has a socket there. Who has none acts by single requests, on
whichever node, and none of them is there when the right is lost.
"""

from uuid import UUID

from psycopg.rows import class_row

from domain.access import RULES, Action
from domain.user import UserStatus
from infra.runtime import Runtime
from projections.read import reading
from workers.rights import may
from workers.together import together
from workers.waiters import Queue, stop_waiting

PAGE = 500  # locks of one look

# Who holds or waits and, by read models, may not: where those are behind, the aggregates tell.
SUSPECTS = """
SELECT w.stream, w.project, w.person, array_agg(w.participation) AS participations
FROM (
    SELECT stream, project, holder AS person, participation FROM locks
    UNION ALL
    SELECT q.stream, l.project, q.waiter, q.participation
    FROM lock_waiters q JOIN locks l ON l.stream = q.stream
) w
JOIN users u ON u.id = w.person
LEFT JOIN project_members m ON m.project = w.project AND m.user_id = w.person
WHERE u.status <> %(active)s
    OR (u.role <> ALL(%(roles)s) AND (m.role = ANY(%(members)s)) IS NOT TRUE)
GROUP BY w.stream, w.project, w.person ORDER BY w.stream, w.person LIMIT %(limit)s
"""


class Suspect(Queue, frozen=True):
    """A lock, and by which participations somebody wants it."""

    person: UUID


class Denied:
    """One look; what it cannot do now the next one does."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(self, _now: float) -> None:
        rule = RULES[Action.ROOM_LOCK]
        values = {
            "active": UserStatus.ACTIVE.value,
            "roles": [role.value for role in rule.roles],
            "members": [role.value for role in rule.members],
            "limit": PAGE,
        }
        async with (
            reading(self._runtime, group="live") as db,
            db.cursor(row_factory=class_row(Suspect)) as cursor,
        ):
            await cursor.execute(SUSPECTS, values)
            suspects = await cursor.fetchall()
        await together(suspects, self._look_at)

    async def _look_at(self, suspect: Suspect) -> None:
        if not await may(self._runtime, Action.ROOM_LOCK, suspect.person, suspect.project):
            await stop_waiting(self._runtime, suspect, "denied")
