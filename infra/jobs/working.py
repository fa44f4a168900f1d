"""What workers do to job rows. Every write is durable.

A claim is fenced by worker and attempt: whoever lost its lease can no longer settle the job. A job
has a worker as long as it is running, so nothing asks for both: Postgres would go by the index of
what is running, and compare each with each.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from infra.db import Connection
from infra.jobs.freeing import Freed, free
from infra.jobs.model import OVER, Claim, End, JobState, short

# The time of the statement's start is a constant to the index, clock_timestamp() is none; and of an
# array Postgres expects few rows, of a LIMIT that it does not know a tenth of the table.
CLAIM = """
UPDATE formula_jobs j SET state = 'running', attempts = attempts + 1, worker = %(worker)s,
    started_at = clock_timestamp(),
    lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE j.id = ANY (ARRAY (
    SELECT first.id FROM unnest(%(queues)s::text[], %(most)s::integer[]) asked(queue, most)
    CROSS JOIN LATERAL (
        SELECT w.id FROM formula_jobs w
        WHERE w.queue = asked.queue AND w.state = 'queued' AND w.run_at <= statement_timestamp()
            AND (%(kinds)s::text[] IS NULL OR w.name = ANY (%(kinds)s))
            AND NOT EXISTS (SELECT FROM formula_queues q
                WHERE q.name = asked.queue AND q.paused_at IS NOT NULL)
        ORDER BY w.priority, w.run_at LIMIT asked.most FOR UPDATE SKIP LOCKED
    ) first
))
RETURNING j.id, j.queue, j.name, j.position, j.args, j.correlation_id, j.span, j.owner,
    j.attempts AS attempt, j.asked
"""

LONGEST_LEASE_S = 60.0  # that the setting allows

RENEW = """
UPDATE formula_jobs j SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
FROM unnest(%(ids)s::uuid[], %(attempts)s::integer[]) mine(id, attempt)
WHERE j.id = mine.id AND j.attempts = mine.attempt AND j.worker = %(worker)s
RETURNING j.id
"""


def renewal(worker: UUID, claims: Mapping[UUID, int], lease_s: float) -> dict[str, object]:
    """What RENEW is given; it returns the jobs, of those given with attempts, still held."""
    return {**_held(claims), "worker": worker, "lease_s": lease_s}


async def note_progress(db: Connection, worker: UUID, claim: Claim, progress: float) -> None:
    """Nothing where the job is no longer this worker's."""
    await db.execute(
        "UPDATE formula_jobs SET progress = %s"
        " WHERE id = %s AND attempts = %s AND worker = %s AND state = 'running'",
        (progress, claim.id, claim.attempt, worker),
    )


async def note_line(db: Connection, claim: Claim, line: str) -> None:
    """A line of the job's log."""
    await db.execute(
        "INSERT INTO formula_job_log (job, attempt, level, line)"
        " SELECT id, %s, 'info', %s FROM formula_jobs WHERE id = %s",
        (claim.attempt, short(line), claim.id),
    )


# Full jitter (a random part of the exponential bound): failures of one cause do not come back
# together.
SETTLE = """
WITH ended AS (
    UPDATE formula_jobs j SET
        state = CASE WHEN NOT e.retry THEN e.state
            WHEN j.attempts < j.max_attempts THEN 'queued' ELSE 'dead' END,
        run_at = CASE WHEN e.retry THEN clock_timestamp() + make_interval(secs =>
            random() * least(%(most_s)s, %(base_s)s * 2 ^ (j.attempts - 1))) ELSE j.run_at END,
        finished_at = CASE WHEN NOT e.retry OR j.attempts >= j.max_attempts
            THEN clock_timestamp() END,
        progress = CASE WHEN e.state = 'done' AND NOT e.retry AND j.progress IS NOT NULL THEN 1
            ELSE j.progress END,
        result = e.result, error = e.error, worker = NULL, lease_until = NULL
    FROM unnest(%(ids)s::uuid[], %(attempts)s::integer[], %(states)s::text[], %(errors)s::text[],
        %(retries)s::boolean[], %(results)s::jsonb[]) e(id, attempt, state, error, retry, result)
    WHERE j.id = e.id AND j.attempts = e.attempt AND j.worker = %(worker)s
    RETURNING j.id, j.state, j.needed, j.attempts, j.error
), told AS (
    INSERT INTO formula_job_log (job, attempt, level, line)
    SELECT id, attempts, 'error', error FROM ended WHERE error IS NOT NULL
)
SELECT id, state, needed FROM ended
"""


class Times(msgspec.Struct, frozen=True):
    """Of leases and retries, in seconds.

    A retry waits a random part of retry_base_s * 2 ** (attempts - 1), at most retry_most_s.
    """

    lease_s: float = 3.0  # a worker silent for longer is lost; renewed four times within
    retry_base_s: float = 15.0
    retry_most_s: float = 600.0


class Exchanged(msgspec.Struct, frozen=True):
    """`states`: of those ends that were still held; `freed`: jobs that waited for them."""

    states: Mapping[UUID, JobState]
    freed: Freed
    claims: Sequence[Claim]


async def exchange(
    db: Connection,
    worker: UUID,
    ends: Sequence[End],
    most: Mapping[str, int],
    times: Times,
    kinds: Sequence[str] | None = None,
) -> Exchanged:
    """Write down how attempts ended, and claim the first jobs that are due, at most so many.

    By queue; of each queue by priority, then by time. In one transaction. `kinds`: the names that
    this worker knows; None: all. Those of a newer version wait for its workers.
    """
    values = _claiming(most, worker, times.lease_s, kinds)
    if not ends:
        return Exchanged({}, Freed(), await _claim(db, values))
    async with db.pipeline(), db.cursor(row_factory=class_row(Claim)) as cursor:
        async with db.transaction():
            states, freed = await settle(db, worker, ends, times)
            if any(most.values()):
                await cursor.execute(CLAIM, values)
        claims = await cursor.fetchall() if any(most.values()) else []  # goes with the commit
    return Exchanged(states, freed, claims)


async def claim(
    db: Connection,
    most: Mapping[str, int],
    worker: UUID,
    lease_s: float,
    kinds: Sequence[str] | None = None,
) -> list[Claim]:
    """See exchange."""
    return await _claim(db, _claiming(most, worker, lease_s, kinds))


async def _claim(db: Connection, values: Mapping[str, object]) -> list[Claim]:
    async with db.cursor(row_factory=class_row(Claim)) as cursor:
        await cursor.execute(CLAIM, values)
        return await cursor.fetchall()


def _claiming(
    most: Mapping[str, int], worker: UUID, lease_s: float, kinds: Sequence[str] | None
) -> dict[str, object]:
    return {
        "queues": list(most),
        "most": list(most.values()),
        "worker": worker,
        "lease_s": lease_s,
        "kinds": None if kinds is None else list(kinds),
    }


async def settle(
    db: Connection, worker: UUID, ends: Sequence[End], times: Times
) -> tuple[dict[UUID, JobState], Freed]:
    """In the caller's transaction."""
    values = {
        "worker": worker,
        "ids": [end.id for end in ends],
        "attempts": [end.attempt for end in ends],
        "states": [end.state.value for end in ends],
        "errors": [short(end.error) for end in ends],
        "retries": [end.retry for end in ends],
        "results": [None if end.result is None else end.result.decode() for end in ends],
        "base_s": times.retry_base_s,
        "most_s": times.retry_most_s,
    }
    rows = await (await db.execute(SETTLE, values)).fetchall()
    states = {id_: JobState(state) for id_, state, _ in rows}
    needed = {id_: states[id_] for id_, _, needed in rows if needed and states[id_] in OVER}
    return states, await free(db, needed)


async def release(db: Connection, worker: UUID, claims: Mapping[UUID, int]) -> None:
    """Give jobs back that were not worked to an end: the attempt does not count."""
    await db.execute(
        "UPDATE formula_jobs j SET state = 'queued', attempts = attempts - 1, worker = NULL,"
        " lease_until = NULL, run_at = least(run_at, clock_timestamp())"
        " FROM unnest(%(ids)s::uuid[], %(attempts)s::integer[]) mine(id, attempt)"
        " WHERE j.id = mine.id AND j.attempts = mine.attempt AND j.worker = %(worker)s",
        {**_held(claims), "worker": worker},
    )


EXPIRE = """
WITH lost AS (
    UPDATE formula_jobs SET worker = NULL, lease_until = NULL, error = 'the worker was lost',
        run_at = least(run_at, clock_timestamp()),
        state = CASE WHEN attempts < max_attempts THEN 'queued' ELSE 'dead' END,
        finished_at = CASE WHEN attempts >= max_attempts THEN clock_timestamp() END
    WHERE state = 'running' AND lease_until < to_timestamp(%(now)s)
    RETURNING id, state, needed, attempts, error
), told AS (
    INSERT INTO formula_job_log (job, attempt, level, line)
    SELECT id, attempts, 'error', error FROM lost
)
SELECT id, state, needed FROM lost
"""


async def expire_leases(db: Connection, now: float) -> tuple[dict[UUID, JobState], Freed]:
    """Put the jobs of workers lost at `now` back; a job that outlived every attempt is dead.

    The caller knows that Postgres's clock went on steadily until then: see `seconds`.
    Their new states, and what became of jobs that waited for them.
    """
    async with db.transaction():
        rows = await (await db.execute(EXPIRE, {"now": now})).fetchall()
        freed = await free(
            db, {id_: JobState(state) for id_, state, needed in rows if needed and state in OVER}
        )
    return {id_: JobState(state) for id_, state, _ in rows}, freed


# A job made right before would wait until the clock is there again, and so would a lost worker's.
SET_BACK = """
WITH due AS (
    UPDATE formula_jobs SET run_at = clock_timestamp() WHERE state = 'queued'
        AND run_at > clock_timestamp()
        AND run_at <= clock_timestamp() + make_interval(secs => %(back_s)s)
)
UPDATE formula_jobs SET lease_until = least(lease_until - make_interval(secs => %(back_s)s),
    clock_timestamp() + make_interval(secs => %(longest_s)s))
WHERE state = 'running'
    AND lease_until > clock_timestamp() + make_interval(secs => %(longest_s)s)
"""


async def set_back(db: Connection, back_s: float) -> None:
    """Postgres's clock was, so far: what was due still is, and no lease is longer for it.

    Leases that were renewed by the new time stay as they are.
    """
    await db.execute(SET_BACK, {"back_s": back_s, "longest_s": LONGEST_LEASE_S})


BEHIND = """
SELECT extract(epoch FROM recorded_at - clock_timestamp())::float8 FROM formula_events
ORDER BY notification_id DESC LIMIT 1
"""


async def behind_log(db: Connection) -> float:
    """How far Postgres's clock is behind what was done last, in seconds; negative: it is not."""
    row = await (await db.execute(BEHIND)).fetchone()
    return float(row[0]) if row else 0.0


def _held(claims: Mapping[UUID, int]) -> dict[str, object]:
    return {"ids": list(claims), "attempts": list(claims.values())}
