"""Job rows as operators, owners and the relay see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from infra.db import Connection
from infra.jobs.model import JobState

SEARCHED = 10_000  # of the newest jobs that the other filters leave

COLUMNS: LiteralString = (
    "id, queue, name, consumer, position, key, args, state, priority, attempts, max_attempts,"
    " run_at, worker, lease_until, error, made_at, started_at, finished_at, owner, progress,"
    " needs, singleton, batch, asked, result"
)


class JobRow(msgspec.Struct, frozen=True):
    """A row. `progress`: 0 to 1, of jobs that say; `needs`: jobs that it still waits for."""

    id: UUID
    queue: str
    name: str
    consumer: str
    position: int
    key: str
    args: Any
    state: str
    priority: int
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
    progress: float | None
    needs: int
    singleton: str | None
    batch: UUID | None
    asked: bool
    result: Any


class Line(msgspec.Struct, frozen=True):
    """Of a job's log. `level`: info, said by the job; error, how an attempt failed."""

    id: int
    attempt: int
    at: datetime
    level: str
    line: str


class Standing(msgspec.Struct, frozen=True):
    """`asker`: whoever asked for the job; None: an event or a schedule did."""

    state: str
    asker: UUID | None


class Ending(msgspec.Struct, frozen=True):
    """How a job ended, for its owner."""

    id: UUID
    name: str
    state: JobState
    progress: float
    error: str | None
    owner: UUID


class Count(msgspec.Struct, frozen=True):
    queue: str
    state: str
    jobs: int


class Filter(msgspec.Struct, frozen=True):
    """None and "" leave everything in. `owner`: who asked for them (as no event does).

    `text`: a part of the key, the error or the arguments.
    """

    queue: str | None = None
    name: str | None = None
    state: JobState | None = None
    owner: UUID | None = None
    batch: UUID | None = None
    text: str = ""


LIST: LiteralString = f"""
SELECT {COLUMNS} FROM (
    SELECT * FROM formula_jobs
    WHERE (%(queue)s::text IS NULL OR queue = %(queue)s)
        AND (%(name)s::text IS NULL OR name = %(name)s)
        AND (%(state)s::text IS NULL OR state = %(state)s)
        AND (%(owner)s::uuid IS NULL OR asked AND owner = %(owner)s)
        AND (%(batch)s::uuid IS NULL OR batch = %(batch)s)
        AND (%(made_at)s::timestamptz IS NULL OR (made_at, id) < (%(made_at)s, %(id)s::uuid))
    ORDER BY made_at DESC, id DESC LIMIT %(searched)s
) found
WHERE %(text)s = '' OR position(lower(%(text)s) IN lower(concat_ws(' ', key, error, args))) > 0
ORDER BY made_at DESC, id DESC LIMIT %(limit)s
"""  # noqa: S608, both parts are literals


async def list_jobs(
    db: Connection,
    which: Filter = Filter(),  # noqa: B008, frozen
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[JobRow]:
    """Newest first; `after` is the last row's (made_at, id).

    A text is looked for in the newest 10,000 that the other filters leave.
    """
    made_at, id_ = after or (None, None)
    values = {
        **msgspec.structs.asdict(which),
        "searched": SEARCHED if which.text else limit,
        "limit": limit,
        "made_at": made_at,
        "id": id_,
    }
    async with db.cursor(row_factory=class_row(JobRow)) as cursor:
        await cursor.execute(LIST, values, prepare=False)
        return await cursor.fetchall()


async def get_job(db: Connection, job: UUID) -> JobRow | None:
    async with db.cursor(row_factory=class_row(JobRow)) as cursor:
        await cursor.execute(f"SELECT {COLUMNS} FROM formula_jobs WHERE id = %s", (job,))  # noqa: S608
        return await cursor.fetchone()


async def lines(db: Connection, job: UUID, after: int = 0, limit: int = 100) -> list[Line]:
    """A job's log, oldest first; `after` is the last line's id."""
    async with db.cursor(row_factory=class_row(Line)) as cursor:
        await cursor.execute(
            "SELECT id, attempt, at, level, line FROM formula_job_log"
            " WHERE job = %s AND id > %s ORDER BY id LIMIT %s",
            (job, after, limit),
        )
        return await cursor.fetchall()


MISSING = """
SELECT id FROM unnest(%(jobs)s::uuid[]) wanted(id)
WHERE NOT EXISTS (SELECT FROM formula_jobs j WHERE j.id = wanted.id
    AND (%(owner)s::uuid IS NULL OR j.asked AND j.owner = %(owner)s))
"""


async def missing(db: Connection, jobs: Sequence[UUID], owner: UUID | None = None) -> list[UUID]:
    """Those that there are no rows of; or none that `owner` asked for."""
    cursor = await db.execute(MISSING, {"jobs": list(jobs), "owner": owner})
    return [id_ for (id_,) in await cursor.fetchall()]


async def standing(db: Connection, job: UUID) -> list[Standing]:
    """A job's, or of each job of a batch; none where there is no such thing."""
    async with db.cursor(row_factory=class_row(Standing)) as cursor:
        await cursor.execute(
            "SELECT state, CASE WHEN asked THEN owner END AS asker FROM formula_jobs"
            " WHERE id = %(id)s OR batch = %(id)s",
            {"id": job},
        )
        return await cursor.fetchall()


async def endings(db: Connection, jobs: Sequence[UUID]) -> list[Ending]:
    """Of these, those that are over and that somebody asked for."""
    async with db.cursor(row_factory=class_row(Ending)) as cursor:
        await cursor.execute(
            "SELECT id, name, state, coalesce(progress, 0)::float8 AS progress, error, owner"
            " FROM formula_jobs WHERE id = ANY(%s) AND asked AND owner IS NOT NULL"
            " AND finished_at IS NOT NULL",
            (list(jobs),),
        )
        return await cursor.fetchall()


async def seen(db: Connection) -> dict[str, datetime]:
    """Up to which tick each schedule was looked after, by name."""
    return dict(await (await db.execute("SELECT name, seen_at FROM formula_schedules")).fetchall())


DUE = """
SELECT q.name, (SELECT count(*) FROM (SELECT FROM formula_jobs j
    WHERE j.queue = q.name AND j.state = 'queued' AND j.run_at <= statement_timestamp()
    LIMIT q.most) due)
FROM unnest(%(queues)s::text[], %(most)s::integer[]) q(name, most)
WHERE NOT EXISTS (SELECT FROM formula_queues p WHERE p.name = q.name AND p.paused_at IS NOT NULL)
"""


async def due(db: Connection, most: Mapping[str, int]) -> dict[str, int]:
    """How many jobs of each queue could be claimed now, up to `most`; without the paused."""
    values = {"queues": list(most), "most": list(most.values())}
    return dict(await (await db.execute(DUE, values)).fetchall())


# Those that are done are most of all, and not counted: each count reads what it counts.
DEPTHS = """
SELECT q.queue, s.state, c.jobs
FROM unnest(%(queues)s::text[]) q(queue),
    unnest(ARRAY['blocked', 'dead', 'queued', 'running']) s(state),
    LATERAL (SELECT count(*) AS jobs FROM formula_jobs j
        WHERE j.queue = q.queue AND j.state = s.state) c
WHERE c.jobs > 0 ORDER BY q.queue, s.state
"""


async def depths(db: Connection, queues: Sequence[str]) -> list[Count]:
    """What waits, runs or has died in each of the queues."""
    async with db.cursor(row_factory=class_row(Count)) as cursor:
        await cursor.execute(DEPTHS, {"queues": list(queues)})
        return await cursor.fetchall()
