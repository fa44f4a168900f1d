"""How the queues do: what waits and runs, how fast, how long it takes, who works."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from infra.db import Connection

SAMPLE = 1_000  # of the newest jobs that are done: the times are theirs

STATS = """
SELECT q.name AS queue, p.paused_at, p.paused_by, coalesce(p.reason, '') AS pause_reason,
    w.waiting, w.delayed, w.retrying, c.blocked, c.active, c.done, c.refused, c.cancelled, c.dead,
    w.oldest_s, r.last_minute AS done_last_minute, r.last_hour AS done_last_hour,
    f.failed_last_hour,
    t.wait_p50_ms, t.wait_p99_ms, t.run_p50_ms, t.run_p99_ms
FROM unnest(%(queues)s::text[]) WITH ORDINALITY q(name, place)
LEFT JOIN formula_queues p ON p.name = q.name
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE run_at <= statement_timestamp()) AS waiting,
        count(*) FILTER (WHERE run_at > statement_timestamp()) AS delayed,
        count(*) FILTER (WHERE attempts > 0) AS retrying,
        coalesce(extract(epoch FROM statement_timestamp() - min(run_at)
            FILTER (WHERE run_at <= statement_timestamp())), 0)::float8 AS oldest_s
    FROM formula_jobs WHERE queue = q.name AND state = 'queued'
) w
CROSS JOIN LATERAL (  -- from the index alone
    SELECT count(*) FILTER (WHERE state = 'blocked') AS blocked,
        count(*) FILTER (WHERE state = 'running') AS active,
        count(*) FILTER (WHERE state = 'done') AS done,
        count(*) FILTER (WHERE state = 'refused') AS refused,
        count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
        count(*) FILTER (WHERE state = 'dead') AS dead
    FROM formula_jobs WHERE queue = q.name
) c
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE finished_at > statement_timestamp() - interval '1 minute')
            AS last_minute,
        count(*) AS last_hour
    FROM formula_jobs WHERE queue = q.name AND state = 'done'
        AND finished_at > statement_timestamp() - interval '1 hour'
) r
CROSS JOIN LATERAL (
    SELECT count(*) AS failed_last_hour
    FROM formula_jobs WHERE queue = q.name AND state = 'dead'
        AND finished_at > statement_timestamp() - interval '1 hour'
) f
CROSS JOIN LATERAL (
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY wait_ms) AS wait_p50_ms,
        percentile_disc(0.99) WITHIN GROUP (ORDER BY wait_ms) AS wait_p99_ms,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY run_ms) AS run_p50_ms,
        percentile_disc(0.99) WITHIN GROUP (ORDER BY run_ms) AS run_p99_ms
    FROM (
        SELECT extract(epoch FROM started_at - run_at)::float8 * 1000 AS wait_ms,
            extract(epoch FROM finished_at - started_at)::float8 * 1000 AS run_ms
        FROM formula_jobs WHERE queue = q.name AND state = 'done'
        ORDER BY finished_at DESC LIMIT %(sample)s
    ) newest
) t
ORDER BY q.place
"""


class QueueStats(msgspec.Struct, frozen=True):
    """A queue now. `oldest_s`: how long the job that is due for longest has waited.

    `retrying` are queued and failed before; times are of the last 1,000 that are done, null where
    none is: `wait` from when it was due until its last attempt began, `run` that attempt.
    """

    queue: str
    paused_at: datetime | None
    paused_by: UUID | None
    pause_reason: str
    waiting: int
    delayed: int
    retrying: int
    blocked: int
    active: int
    done: int
    refused: int
    cancelled: int
    dead: int
    oldest_s: float
    done_last_minute: int
    done_last_hour: int
    failed_last_hour: int
    wait_p50_ms: float | None
    wait_p99_ms: float | None
    run_p50_ms: float | None
    run_p99_ms: float | None


TROUBLES = """
SELECT q.name AS queue, p.paused_at IS NOT NULL AS paused, w.due, w.oldest_s, d.dead
FROM unnest(%(queues)s::text[]) WITH ORDINALITY q(name, place)
LEFT JOIN formula_queues p ON p.name = q.name
CROSS JOIN LATERAL (
    SELECT count(*) AS due,
        coalesce(extract(epoch FROM statement_timestamp() - min(run_at)), 0)::float8 AS oldest_s
    FROM formula_jobs
    WHERE queue = q.name AND state = 'queued' AND run_at <= statement_timestamp()
) w
CROSS JOIN LATERAL (
    SELECT count(*) AS dead FROM formula_jobs WHERE queue = q.name AND state = 'dead'
) d
ORDER BY q.place
"""


class Trouble(msgspec.Struct, frozen=True):
    """What may be wrong with a queue: `due` and `oldest_s` as waiting jobs are counted above."""

    queue: str
    paused: bool
    due: int
    oldest_s: float
    dead: int


async def troubles(db: Connection, queues: Sequence[str]) -> list[Trouble]:
    """In the order given; far less to read than all statistics."""
    async with db.cursor(row_factory=class_row(Trouble)) as cursor:
        await cursor.execute(TROUBLES, {"queues": list(queues)})
        return await cursor.fetchall()


async def stats(db: Connection, queues: Sequence[str]) -> list[QueueStats]:
    """In the order given."""
    async with db.cursor(row_factory=class_row(QueueStats)) as cursor:
        await cursor.execute(STATS, {"queues": list(queues), "sample": SAMPLE})
        return await cursor.fetchall()
