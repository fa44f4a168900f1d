"""Job rows: what is waiting, who works on it until when, how it ended. Every write is durable.

A claim is fenced by worker and attempt: whoever lost its lease can no longer settle the job.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

import msgspec
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from infra.db import Connection

NAMESPACE = UUID("6f3c5d0e-6d1c-5b1a-9a53-0c6a3a4f5014")
MAX_ERROR = 2_000  # characters


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"  # a rule of the domain said no: done, and not worth a retry
    DEAD = "dead"  # out of attempts, or never runnable


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to be; the same consumer, position, name and key is the same job."""

    queue: str
    name: str
    consumer: str
    position: int
    key: str
    args: Mapping[str, Any]
    max_attempts: int
    run_at: datetime | None = None  # None: at once
    correlation_id: UUID | None = None
    owner: UUID | None = None  # who did what led to it
    error: str | None = None  # given: dead from the start, for operators to see

    @property
    def id(self) -> UUID:
        return uuid5(NAMESPACE, f"{self.consumer}/{self.position}/{self.name}/{self.key}")


class Claim(msgspec.Struct, frozen=True):
    """A job that this worker may run until its lease ends."""

    id: UUID
    queue: str
    name: str
    position: int
    args: Any
    correlation_id: UUID | None
    owner: UUID | None
    attempt: int


class End(msgspec.Struct, frozen=True):
    """How an attempt ended. `retry`: run again after a while, dead after the last attempt."""

    id: UUID
    attempt: int
    state: JobState = JobState.DONE
    error: str | None = None
    retry: bool = False


class Hint(msgspec.Struct, frozen=True):
    id: UUID
    queue: str
    name: str


class JobRow(msgspec.Struct, frozen=True):
    """A row as operators see it."""

    id: UUID
    queue: str
    name: str
    consumer: str
    position: int
    key: str
    args: Any
    state: str
    attempts: int
    max_attempts: int
    run_at: datetime
    worker: UUID | None
    lease_until: datetime | None
    error: str | None
    made_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    owner: UUID | None
    progress: float | None  # 0 to 1, of jobs that say


class Count(msgspec.Struct, frozen=True):
    queue: str
    state: str
    jobs: int


INSERT = """
INSERT INTO formula_jobs (id, queue, name, consumer, position, key, args, correlation_id, owner,
    max_attempts, run_at, state, error, finished_at)
SELECT n.id, n.queue, n.name, n.consumer, n.position, n.key, n.args, n.correlation_id, n.owner,
    n.max_attempts, coalesce(n.run_at, clock_timestamp()),
    CASE WHEN n.error IS NULL THEN 'queued' ELSE 'dead' END, n.error,
    CASE WHEN n.error IS NOT NULL THEN clock_timestamp() END
FROM unnest(%(id)s::uuid[], %(queue)s::text[], %(name)s::text[], %(consumer)s::text[],
    %(position)s::bigint[], %(key)s::text[], %(args)s::jsonb[], %(correlation_id)s::uuid[],
    %(owner)s::uuid[], %(max_attempts)s::integer[], %(run_at)s::timestamptz[], %(error)s::text[])
    n(id, queue, name, consumer, position, key, args, correlation_id, owner, max_attempts, run_at,
        error)
ON CONFLICT DO NOTHING
"""


async def insert_jobs(db: Connection, jobs: Sequence[NewJob]) -> int:
    """Store those that are not there yet; returns how many. Runs in the caller's transaction."""
    columns: dict[str, list[object]] = {
        name: [getattr(job, name) for job in jobs]
        for name in ("id", *NewJob.__struct_fields__)
        if name not in ("args", "error")
    }
    columns["args"] = [Jsonb(msgspec.to_builtins(job.args)) for job in jobs]
    columns["error"] = [_short(job.error) for job in jobs]
    return (await db.execute(INSERT, columns)).rowcount


CLAIM = """
WITH free AS (
    SELECT id FROM formula_jobs
    WHERE id = ANY(%(ids)s) AND state = 'queued' AND run_at <= clock_timestamp()
    ORDER BY id FOR UPDATE SKIP LOCKED
)
UPDATE formula_jobs j SET state = 'running', attempts = attempts + 1, worker = %(worker)s,
    started_at = clock_timestamp(),
    lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
FROM free WHERE j.id = free.id
RETURNING j.id, j.queue, j.name, j.position, j.args, j.correlation_id, j.owner,
    j.attempts AS attempt
"""


async def claim(db: Connection, ids: Sequence[UUID], worker: UUID, lease_s: float) -> list[Claim]:
    """Those of the jobs that were waiting and due; the others are somebody else's, or over."""
    async with db.cursor(row_factory=class_row(Claim)) as cursor:
        await cursor.execute(CLAIM, {"ids": list(ids), "worker": worker, "lease_s": lease_s})
        return await cursor.fetchall()


async def renew_leases(
    db: Connection, worker: UUID, claims: Mapping[UUID, int], lease_s: float
) -> set[UUID]:
    """The jobs, of those given with their attempts, that are still this worker's."""
    cursor = await db.execute(
        "UPDATE formula_jobs j"
        " SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)"
        " FROM unnest(%(ids)s::uuid[], %(attempts)s::integer[]) mine(id, attempt)"
        " WHERE j.id = mine.id AND j.attempts = mine.attempt AND j.worker = %(worker)s"
        " AND j.state = 'running' RETURNING j.id",
        {**_held(claims), "worker": worker, "lease_s": lease_s},
    )
    return {row[0] for row in await cursor.fetchall()}


async def note_progress(db: Connection, worker: UUID, claim: Claim, progress: float) -> None:
    """Nothing where the job is no longer this worker's."""
    await db.execute(
        "UPDATE formula_jobs SET progress = %s"
        " WHERE id = %s AND attempts = %s AND worker = %s AND state = 'running'",
        (progress, claim.id, claim.attempt, worker),
    )


# Full jitter (a random part of the exponential bound): failures of one cause do not come back
# together.
SETTLE = """
UPDATE formula_jobs j SET
    state = CASE WHEN NOT e.retry THEN e.state
        WHEN j.attempts < j.max_attempts THEN 'queued' ELSE 'dead' END,
    run_at = CASE WHEN e.retry THEN clock_timestamp() + make_interval(secs =>
        random() * least(%(most_s)s, %(base_s)s * 2 ^ (j.attempts - 1))) ELSE j.run_at END,
    finished_at = CASE WHEN NOT e.retry OR j.attempts >= j.max_attempts
        THEN clock_timestamp() END,
    progress = CASE WHEN e.state = 'done' AND NOT e.retry AND j.progress IS NOT NULL THEN 1
        ELSE j.progress END,
    error = e.error, worker = NULL, lease_until = NULL, hinted_at = NULL
FROM unnest(%(ids)s::uuid[], %(attempts)s::integer[], %(states)s::text[], %(errors)s::text[],
    %(retries)s::boolean[]) e(id, attempt, state, error, retry)
WHERE j.id = e.id AND j.attempts = e.attempt AND j.worker = %(worker)s AND j.state = 'running'
RETURNING j.id, j.state
"""


async def settle(
    db: Connection, worker: UUID, ends: Sequence[End], *, base_s: float, most_s: float
) -> dict[UUID, JobState]:
    """Write down how attempts ended; returns the new states of those that were still held.

    A retry waits a random part of base_s * 2 ** (attempts - 1) seconds, at most `most_s`.
    """
    cursor = await db.execute(
        SETTLE,
        {
            "worker": worker,
            "ids": [end.id for end in ends],
            "attempts": [end.attempt for end in ends],
            "states": [end.state.value for end in ends],
            "errors": [_short(end.error) for end in ends],
            "retries": [end.retry for end in ends],
            "base_s": base_s,
            "most_s": most_s,
        },
    )
    return {id_: JobState(state) for id_, state in await cursor.fetchall()}


async def release(db: Connection, worker: UUID, claims: Mapping[UUID, int]) -> None:
    """Give jobs back that were not worked to an end: the attempt does not count."""
    await db.execute(
        "UPDATE formula_jobs j SET state = 'queued', attempts = attempts - 1, worker = NULL,"
        " lease_until = NULL, hinted_at = NULL"
        " FROM unnest(%(ids)s::uuid[], %(attempts)s::integer[]) mine(id, attempt)"
        " WHERE j.id = mine.id AND j.attempts = mine.attempt AND j.worker = %(worker)s"
        " AND j.state = 'running'",
        {**_held(claims), "worker": worker},
    )


UNHINTED = """
WITH due AS (
    SELECT waiting.id
    FROM unnest(%(queues)s::text[], %(rooms)s::integer[], %(again)s::boolean[]) q(name, room, again)
    CROSS JOIN LATERAL (
        SELECT j.id FROM formula_jobs j
        WHERE j.queue = q.name AND j.state = 'queued' AND j.run_at <= statement_timestamp()
            AND (j.hinted_at IS NULL OR q.again
                AND j.hinted_at < statement_timestamp() - make_interval(secs => %(stale_s)s))
        ORDER BY j.hinted_at NULLS FIRST, j.run_at LIMIT q.room
        FOR UPDATE SKIP LOCKED
    ) waiting
)
UPDATE formula_jobs j SET hinted_at = clock_timestamp()
FROM due WHERE j.id = due.id RETURNING j.id, j.queue, j.name
"""


async def unhinted(
    db: Connection, rooms: Mapping[str, int], again: Collection[str], stale_s: float
) -> list[Hint]:
    """Waiting jobs that Redis was not told of, at most `rooms` of each queue.

    In the queues `again` also those that it was told of more than `stale_s` ago. All of them
    count as told from now on.
    """
    values = {
        "queues": list(rooms),
        "rooms": list(rooms.values()),
        "again": [queue in again for queue in rooms],
        "stale_s": stale_s,
    }
    async with db.cursor(row_factory=class_row(Hint)) as cursor:
        await cursor.execute(UNHINTED, values)
        return await cursor.fetchall()


async def expire_leases(db: Connection) -> int:
    """Put the jobs of lost workers back; a job that outlived every attempt is dead."""
    cursor = await db.execute(
        "UPDATE formula_jobs SET worker = NULL, lease_until = NULL, hinted_at = NULL,"
        " error = 'the worker was lost',"
        " state = CASE WHEN attempts < max_attempts THEN 'queued' ELSE 'dead' END,"
        " finished_at = CASE WHEN attempts >= max_attempts THEN clock_timestamp() END"
        " WHERE state = 'running' AND lease_until < statement_timestamp()"
    )
    return cursor.rowcount


async def counts(db: Connection) -> list[Count]:
    """Jobs by queue and state."""
    async with db.cursor(row_factory=class_row(Count)) as cursor:
        await cursor.execute(
            "SELECT queue, state, count(*) AS jobs FROM formula_jobs"
            " GROUP BY queue, state ORDER BY queue, state LIMIT 100"
        )
        return await cursor.fetchall()


# Those that are done are most of all, and not counted: each count reads what it counts.
DEPTHS = """
SELECT q.queue, s.state, c.jobs
FROM unnest(%(queues)s::text[]) q(queue), unnest(ARRAY['dead', 'queued', 'running']) s(state),
    LATERAL (SELECT count(*) AS jobs FROM formula_jobs j
        WHERE j.queue = q.queue AND j.state = s.state) c
WHERE c.jobs > 0 ORDER BY q.queue, s.state
"""


async def depths(db: Connection, queues: Sequence[str]) -> list[Count]:
    """What waits, runs or has died in each of the queues."""
    async with db.cursor(row_factory=class_row(Count)) as cursor:
        await cursor.execute(DEPTHS, {"queues": list(queues)})
        return await cursor.fetchall()


LIST = """
SELECT id, queue, name, consumer, position, key, args, state, attempts, max_attempts, run_at,
    worker, lease_until, error, made_at, started_at, finished_at, owner, progress
FROM formula_jobs
WHERE (%(queue)s::text IS NULL OR queue = %(queue)s)
    AND (%(name)s::text IS NULL OR name = %(name)s)
    AND (%(state)s::text IS NULL OR state = %(state)s)
    AND (%(made_at)s::timestamptz IS NULL OR (made_at, id) < (%(made_at)s, %(id)s::uuid))
ORDER BY made_at DESC, id DESC LIMIT %(limit)s
"""


async def list_jobs(
    db: Connection,
    *,
    queue: str | None = None,
    name: str | None = None,
    state: JobState | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[JobRow]:
    """Newest first; `after` is the last row's (made_at, id)."""
    made_at, id_ = after or (None, None)
    values = {"queue": queue, "name": name, "state": state, "limit": limit}
    async with db.cursor(row_factory=class_row(JobRow)) as cursor:
        await cursor.execute(LIST, {**values, "made_at": made_at, "id": id_}, prepare=False)
        return await cursor.fetchall()


async def get_job(db: Connection, job: UUID) -> JobRow | None:
    async with db.cursor(row_factory=class_row(JobRow)) as cursor:
        await cursor.execute(
            "SELECT id, queue, name, consumer, position, key, args, state, attempts,"
            " max_attempts, run_at, worker, lease_until, error, made_at, started_at, finished_at,"
            " owner, progress"
            " FROM formula_jobs WHERE id = %s",
            (job,),
        )
        return await cursor.fetchone()


def _held(claims: Mapping[UUID, int]) -> dict[str, object]:
    return {"ids": list(claims), "attempts": list(claims.values())}


def _short(error: str | None) -> str | None:
    """As Postgres can store it."""
    return None if error is None else error.replace("\x00", "")[:MAX_ERROR]
