"""Takes those who are gone out of the queues for locks, so that nobody waits behind them.

A gateway does so itself when a connection ends; this finds whom it could not: its node was lost,
its database was, or too many left one queue at once.
"""

from uuid import UUID

import msgspec
import structlog
from psycopg.rows import class_row

from domain.errors import Refused
from domain.lock import LOCK, StopWaiting, Unwaited
from infra.eventstore.types import Conflict
from infra.runtime import SYSTEM, Runtime
from projections.read import reading
from workers.together import together

PAGE = 500  # locks of one look

# Joining comes before waiting, and both tables are at one position: without a row, one has left.
GONE = """
SELECT w.stream, l.project, array_agg(w.participation ORDER BY w.place) AS participations
FROM lock_waiters w JOIN locks l ON l.stream = w.stream
WHERE NOT EXISTS (SELECT FROM members m WHERE m.participation = w.participation)
GROUP BY w.stream, l.project ORDER BY w.stream LIMIT %(limit)s
"""

log = structlog.get_logger()


class Queue(msgspec.Struct, frozen=True):
    """A lock's queue, and who of it is gone."""

    stream: UUID
    project: UUID
    participations: list[UUID]


class Waiters:
    """One look; what it cannot do now the next one does."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(self, _now: float) -> None:
        async with (
            reading(self._runtime, group="live") as db,
            db.cursor(row_factory=class_row(Queue)) as cursor,
        ):
            await cursor.execute(GONE, {"limit": PAGE})
            queues = await cursor.fetchall()
        await together(queues, self._leave)

    async def _leave(self, queue: Queue) -> None:
        await stop_waiting(self._runtime, queue, "gone")


async def stop_waiting(runtime: Runtime, queue: Queue, reason: Unwaited) -> None:
    """All of one queue at once. It may have come to one of them meanwhile: then it goes on."""
    stop = StopWaiting(participations=tuple(queue.participations), reason=reason, now=runtime.now())
    try:
        await runtime.execute(SYSTEM, LOCK, queue.stream, stop, project=queue.project)
    except (Refused, Conflict) as error:  # of this one; the others must not wait for it
        log.warning("waiters_not_removed", stream=str(queue.stream), error=repr(error))
