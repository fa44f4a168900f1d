"""What operators ask for, done to the rows: by the job consumer, in the order of the log."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from infra.db import Connection
from infra.jobs.freeing import free
from infra.jobs.model import JobState, short

CANCEL = """
UPDATE formula_jobs SET state = 'cancelled', finished_at = clock_timestamp(), worker = NULL,
    lease_until = NULL, error = %(reason)s
WHERE (id = %(id)s OR batch = %(id)s) AND state IN ('blocked', 'queued', 'running', 'dead')
RETURNING id, needed
"""

DISCARD = """
UPDATE formula_jobs SET state = 'cancelled', finished_at = clock_timestamp(), error = %(reason)s
WHERE queue = %(queue)s AND state = 'dead' AND (%(name)s = '' OR name = %(name)s)
RETURNING id, needed
"""

# Of one kind only one may wait. The attempts go on counting: a worker that still has an older one
# in its hands cannot settle it.
RETRY = """
WITH chosen AS (
    SELECT j.id, j.singleton, a.attempts,
        row_number() OVER (PARTITION BY j.name, j.singleton ORDER BY j.id) AS place
    FROM formula_jobs j
    JOIN unnest(%(queues)s::text[], %(attempts)s::integer[]) a(queue, attempts) USING (queue)
    WHERE (%(id)s::uuid IS NULL OR (j.id = %(id)s OR j.batch = %(id)s)
            AND j.state IN ('dead', 'refused', 'cancelled'))
        AND (%(id)s::uuid IS NOT NULL OR j.state = 'dead'
            AND (%(name)s = '' OR j.name = %(name)s))
        AND NOT EXISTS (SELECT FROM formula_jobs other
            WHERE other.name = j.name AND other.singleton = j.singleton
                AND other.state IN ('blocked', 'queued', 'running'))
)
UPDATE formula_jobs j SET state = 'queued', run_at = clock_timestamp(), finished_at = NULL,
    error = NULL, result = NULL, progress = NULL, needs = 0, max_attempts = j.attempts + c.attempts
FROM chosen c WHERE c.id = j.id AND (c.singleton IS NULL OR c.place = 1)
"""

PAUSE = """
INSERT INTO formula_queues (name, paused_at, paused_by, reason)
VALUES (%(name)s, %(at)s, %(by)s, %(reason)s)
ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at, paused_by = excluded.paused_by,
    reason = excluded.reason
"""


async def cancel(db: Connection, job: UUID, reason: str) -> list[UUID]:
    """A job, or all of a batch, that are not over, or dead; whoever runs one loses it.

    Jobs that need it are cancelled as well; returns them all.
    """
    cursor = await db.execute(CANCEL, {"id": job, "reason": short(reason) or "cancelled"})
    return await _called_off(db, await cursor.fetchall())


async def discard_dead(db: Connection, queue: str, name: str, reason: str) -> list[UUID]:
    """All dead jobs of a queue, or those of a name, as `cancel`: nobody will try them again."""
    values = {"queue": queue, "name": name, "reason": short(reason)}
    return await _called_off(db, await (await db.execute(DISCARD, values)).fetchall())


async def _called_off(db: Connection, rows: Sequence[tuple[UUID, bool]]) -> list[UUID]:
    await db.execute(
        "DELETE FROM formula_job_needs WHERE job = ANY(%s)", ([id_ for id_, _ in rows],)
    )
    freed = await free(db, {id_: JobState.CANCELLED for id_, needed in rows if needed})
    return [*(id_ for id_, _ in rows), *freed.cancelled]


async def retry(db: Connection, job: UUID, attempts: Mapping[str, int]) -> int:
    """A job, or those of a batch, that came to nothing; how many there were.

    `attempts`: as many more as its queue allows. Nothing where another of its kind is waiting.
    """
    return await _retry(db, attempts, job, "")


async def retry_dead(db: Connection, queue: str, name: str, attempts: Mapping[str, int]) -> int:
    """All dead jobs of a queue, or those of a name."""
    return await _retry(db, {queue: attempts[queue]}, None, name)


async def _retry(db: Connection, attempts: Mapping[str, int], job: UUID | None, name: str) -> int:
    values = {
        "queues": list(attempts),
        "attempts": list(attempts.values()),
        "id": job,
        "name": name,
    }
    return (await db.execute(RETRY, values)).rowcount


async def pause(db: Connection, queue: str, at: datetime, by: UUID | None, reason: str) -> None:
    """Nothing more of the queue is claimed; what runs goes on."""
    await db.execute(PAUSE, {"name": queue, "at": at, "by": by, "reason": reason})


async def resume(db: Connection, queue: str) -> None:
    await db.execute(PAUSE, {"name": queue, "at": None, "by": None, "reason": ""})


PRUNE = """
WITH gone AS (
    DELETE FROM formula_jobs WHERE id IN (
        SELECT id FROM unnest(%(queues)s::text[]) q(name),
            unnest(ARRAY['done', 'refused', 'cancelled', 'dead']) s(state),
            LATERAL (SELECT j.id FROM formula_jobs j
                WHERE j.queue = q.name AND j.state = s.state AND j.finished_at <
                    statement_timestamp() - make_interval(secs =>
                        CASE s.state WHEN 'dead' THEN %(dead_s)s ELSE %(done_s)s END)
                    AND NOT EXISTS (SELECT FROM formula_job_needs n WHERE n.needs = j.id)
                ORDER BY j.finished_at LIMIT %(limit)s) old
        LIMIT %(limit)s)
    RETURNING id
), lines AS (
    DELETE FROM formula_job_log WHERE job IN (SELECT id FROM gone)
)
SELECT count(*) FROM gone
"""


async def prune(
    db: Connection, queues: list[str], *, done_s: int, dead_s: int, limit: int = 5_000
) -> int:
    """Remove jobs that ended so long ago, with their logs, at most `limit`; how many."""
    values = {"queues": queues, "done_s": done_s, "dead_s": dead_s, "limit": limit}
    row = await (await db.execute(PRUNE, values)).fetchone()
    return int(row[0]) if row else 0


async def outcomes(db: Connection, batch: UUID, but: UUID) -> Counter[JobState]:
    """How the jobs of a batch stand, all but one."""
    cursor = await db.execute(
        "SELECT state, count(*) FROM formula_jobs WHERE batch = %s AND id <> %s GROUP BY state",
        (batch, but),
    )
    return Counter({JobState(state): count for state, count in await cursor.fetchall()})
