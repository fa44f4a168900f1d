"""New job rows, each stored once, with what they wait for."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from infra.db import Connection
from infra.jobs.freeing import free
from infra.jobs.model import OVER, JobState, NewJob, short
from infra.jobs.reading import missing

INSERT = """
INSERT INTO formula_jobs (id, queue, name, consumer, position, key, args, correlation_id, owner,
    max_attempts, run_at, priority, singleton, batch, asked, state, error, finished_at)
SELECT n.id, n.queue, n.name, n.consumer, n.position, n.key, n.args, n.correlation_id, n.owner,
    n.max_attempts, coalesce(n.run_at, clock_timestamp()), n.priority, n.singleton, n.batch,
    n.asked, CASE WHEN n.error IS NULL THEN 'queued' ELSE 'dead' END, n.error,
    CASE WHEN n.error IS NOT NULL THEN clock_timestamp() END
FROM unnest(%(id)s::uuid[], %(queue)s::text[], %(name)s::text[], %(consumer)s::text[],
    %(position)s::bigint[], %(key)s::text[], %(args)s::jsonb[], %(correlation_id)s::uuid[],
    %(owner)s::uuid[], %(max_attempts)s::integer[], %(run_at)s::timestamptz[],
    %(priority)s::smallint[], %(singleton)s::text[], %(batch)s::uuid[], %(asked)s::boolean[],
    %(error)s::text[])
    n(id, queue, name, consumer, position, key, args, correlation_id, owner, max_attempts, run_at,
        priority, singleton, batch, asked, error)
ON CONFLICT DO NOTHING RETURNING id
"""

# A second one of its kind is kept for whoever asked for it to see, and never runs.
DOUBLES = """
INSERT INTO formula_jobs (id, queue, name, consumer, position, key, args, correlation_id, owner,
    max_attempts, priority, singleton, batch, asked, state, error, finished_at)
SELECT n.id, n.queue, n.name, n.consumer, n.position, n.key, n.args, n.correlation_id, n.owner,
    n.max_attempts, n.priority, n.singleton, n.batch, n.asked, 'cancelled',
    'there is one that is not over: ' || other.id, clock_timestamp()
FROM unnest(%(id)s::uuid[], %(queue)s::text[], %(name)s::text[], %(consumer)s::text[],
    %(position)s::bigint[], %(key)s::text[], %(args)s::jsonb[], %(correlation_id)s::uuid[],
    %(owner)s::uuid[], %(max_attempts)s::integer[], %(priority)s::smallint[],
    %(singleton)s::text[], %(batch)s::uuid[], %(asked)s::boolean[])
    n(id, queue, name, consumer, position, key, args, correlation_id, owner, max_attempts,
        priority, singleton, batch, asked)
JOIN formula_jobs other ON other.name = n.name AND other.singleton = n.singleton
    AND other.state IN ('blocked', 'queued', 'running') AND other.id <> n.id
ON CONFLICT DO NOTHING
"""

# Marked first: whoever ends one of them meanwhile then looks for those that need it.
NEEDED = "UPDATE formula_jobs SET needed = true WHERE id = ANY(%s) RETURNING id, state"

# What is not there any more was over long ago.
NEEDS = """
INSERT INTO formula_job_needs (job, needs, anyway)
SELECT n.job, n.needs, n.anyway
FROM unnest(%(job)s::uuid[], %(needs)s::uuid[], %(anyway)s::boolean[]) n(job, needs, anyway)
JOIN formula_jobs j ON j.id = n.needs
"""

BLOCK = """
UPDATE formula_jobs j SET state = 'blocked', needs = n.needs
FROM (SELECT job, count(*) AS needs FROM formula_job_needs WHERE job = ANY(%s) GROUP BY job) n
WHERE j.id = n.job AND j.state = 'queued'
"""


async def insert_jobs(db: Connection, jobs: Sequence[NewJob]) -> set[UUID]:
    """Store those that are not there yet; the ids of those that are new.

    Runs in the caller's transaction.
    """
    columns: dict[str, list[object]] = {
        name: [getattr(job, name) for job in jobs]
        for name in ("id", *NewJob.__struct_fields__)
        if name not in ("args", "error", "needs", "anyway", "stream")
    }
    columns["args"] = [Jsonb(msgspec.to_builtins(job.args)) for job in jobs]
    columns["asked"] = [job.stream is not None for job in jobs]
    columns["error"] = [short(job.error) for job in jobs]
    made: set[UUID] = set()
    while True:
        made |= {id_ for (id_,) in await (await db.execute(INSERT, columns)).fetchall()}
        if len(made) == len(jobs) or all(job.singleton is None for job in jobs):
            break
        await db.execute(DOUBLES, columns)
        if not await missing(db, [job.id for job in jobs]):
            break
        # what was in the way of one has ended meanwhile
    if waiting := [job for job in jobs if job.needs and job.id in made]:
        await _block(db, waiting)
    return made


async def _block(db: Connection, jobs: Sequence[NewJob]) -> None:
    pairs = [(job, need) for job in jobs for need in job.needs if need != job.id]
    cursor = await db.execute(NEEDED, [sorted({need for _, need in pairs})])
    states = {id_: JobState(state) for id_, state in await cursor.fetchall()}
    columns = {
        "job": [job.id for job, _ in pairs],
        "needs": [need for _, need in pairs],
        "anyway": [job.anyway for job, _ in pairs],
    }
    await db.execute(NEEDS, columns)
    await db.execute(BLOCK, [[job.id for job in jobs]])
    await free(db, {id_: state for id_, state in states.items() if state in OVER})
