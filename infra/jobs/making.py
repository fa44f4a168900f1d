"""New job rows, each stored once, with what they wait for."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from infra.db import Connection
from infra.jobs.freeing import free
from infra.jobs.model import OVER, JobState, NewJob, short

INSERT = """
INSERT INTO formula_jobs (id, queue, name, consumer, position, key, args, correlation_id, owner,
    max_attempts, run_at, priority, singleton, batch, asked, state, error, span, finished_at)
SELECT n.id, n.queue, n.name, n.consumer, n.position, n.key, n.args, n.correlation_id, n.owner,
    n.max_attempts, coalesce(n.run_at, clock_timestamp()), n.priority, n.singleton, n.batch,
    n.asked, n.state, n.error, n.span, CASE WHEN n.state <> 'queued' THEN clock_timestamp() END
FROM unnest(%(id)s::uuid[], %(queue)s::text[], %(name)s::text[], %(consumer)s::text[],
    %(position)s::bigint[], %(key)s::text[], %(args)s::jsonb[], %(correlation_id)s::uuid[],
    %(owner)s::uuid[], %(max_attempts)s::integer[], %(run_at)s::timestamptz[],
    %(priority)s::smallint[], %(singleton)s::text[], %(batch)s::uuid[], %(asked)s::boolean[],
    %(state)s::text[], %(error)s::text[], %(span)s::bigint[])
    n(id, queue, name, consumer, position, key, args, correlation_id, owner, max_attempts, run_at,
        priority, singleton, batch, asked, state, error, span)
ON CONFLICT DO NOTHING RETURNING id
"""

# Of those that have no row: which one of the same kind is in the way, if it still is.
IN_THE_WAY = """
SELECT n.id, other.id
FROM unnest(%s::uuid[], %s::text[], %s::text[]) n(id, name, singleton)
LEFT JOIN formula_jobs other ON other.name = n.name AND other.singleton = n.singleton
    AND other.state IN ('blocked', 'queued', 'running')
WHERE NOT EXISTS (SELECT FROM formula_jobs j WHERE j.id = n.id)
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

    A second one of its kind is kept for whoever asked for it to see, and never runs. Runs in the
    caller's transaction.
    """
    made: set[UUID] = set()
    left = jobs
    while left:
        made |= await _insert(db, left)
        ways = await _in_the_way(db, [job for job in left if job.id not in made])
        doubles = {job: f"there is one that is not over: {other}" for job, other in ways if other}
        await _insert(db, [job for job in left if job.id in doubles], doubles)
        ended = {job for job, other in ways if other is None}  # meanwhile
        left = [job for job in left if job.id in ended]
    if waiting := [job for job in jobs if job.needs and job.id in made]:
        await _block(db, waiting)
    return made


async def _insert(
    db: Connection, jobs: Sequence[NewJob], doubles: Mapping[UUID, str] = MappingProxyType({})
) -> set[UUID]:
    columns: dict[str, list[object]] = {
        name: [getattr(job, name) for job in jobs]
        for name in ("id", *NewJob.__struct_fields__)
        if name not in ("args", "error", "needs", "anyway", "stream")
    }
    columns["args"] = [Jsonb(msgspec.to_builtins(job.args)) for job in jobs]
    columns["asked"] = [job.stream is not None for job in jobs]
    columns["state"] = [_state(job, doubles).value for job in jobs]
    columns["error"] = [short(doubles.get(job.id, job.error)) for job in jobs]
    return (
        {id_ for (id_,) in await (await db.execute(INSERT, columns)).fetchall()} if jobs else set()
    )


def _state(job: NewJob, doubles: Mapping[UUID, str]) -> JobState:
    if job.id in doubles:
        return JobState.CANCELLED
    return JobState.QUEUED if job.error is None else JobState.DEAD


async def _in_the_way(db: Connection, jobs: Sequence[NewJob]) -> list[tuple[UUID, UUID | None]]:
    single = [job for job in jobs if job.singleton is not None]
    if not single:
        return []
    columns = [
        [job.id for job in single],
        [job.name for job in single],
        [job.singleton for job in single],
    ]
    return await (await db.execute(IN_THE_WAY, columns)).fetchall()


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
