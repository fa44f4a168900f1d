"""A batch: how far its jobs are, and the one that comes after them."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from domain.jobs import member_id
from infra.db import Connection
from infra.jobs.model import OVER, JobState
from infra.jobs.reading import JobRow, get_job

COUNTED = """
SELECT state, count(*), coalesce(sum(progress), 0)::float8,
    (array_agg(owner) FILTER (WHERE asked))[1]
FROM formula_jobs WHERE batch = %(batch)s AND id <> %(then)s GROUP BY state ORDER BY state
"""


class Batch(msgspec.Struct, frozen=True):
    """`states` and `progress` (0 to 1) are of its `jobs`; `then` is the one that follows them."""

    id: UUID
    owner: UUID | None
    jobs: int
    states: Mapping[JobState, int]
    progress: float
    then: JobRow | None


async def get_batch(db: Connection, batch: UUID) -> Batch | None:
    then = member_id(batch, -1)
    cursor = await db.execute(COUNTED, {"batch": batch, "then": then})
    rows = await cursor.fetchall()
    if not rows:
        return None
    states = {JobState(state): int(count) for state, count, _, _ in rows}
    running = sum(done for state, _, done, _ in rows if state not in OVER)
    over = sum(states.get(state, 0) for state in OVER)
    jobs = sum(states.values())
    owner = next((owner for *_, owner in rows if owner is not None), None)
    return Batch(
        batch, owner, jobs, states, round((over + running) / jobs, 3), await get_job(db, then)
    )
