"""Jobs that waited for others: queued when those are done, cancelled when they never will be."""

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from infra.db import Connection
from infra.jobs.model import JobState

# One that is dead may be tried again: what needs it waits on, save what only needs it over.
FREE = """
WITH met AS (
    DELETE FROM formula_job_needs n
    USING unnest(%(ids)s::uuid[], %(states)s::text[]) e(id, state)
    WHERE n.needs = e.id AND (n.anyway OR e.state <> 'dead')
    RETURNING n.job, NOT n.anyway AND e.state <> 'done' AS failed, n.needs
), jobs AS (
    SELECT job, count(*) AS met, bool_or(failed) AS failed,
        min(needs::text) FILTER (WHERE failed) AS because
    FROM met GROUP BY job
)
UPDATE formula_jobs j SET needs = j.needs - m.met,
    state = CASE WHEN m.failed THEN 'cancelled' WHEN j.needs > m.met THEN 'blocked'
        ELSE 'queued' END,
    error = CASE WHEN m.failed THEN 'not done, and needed: ' || m.because END,
    finished_at = CASE WHEN m.failed THEN clock_timestamp() END
FROM jobs m WHERE j.id = m.job AND j.state = 'blocked'
RETURNING j.id, j.state, j.queue
"""


class Freed(msgspec.Struct, frozen=True):
    """How many are queued now, by queue, and which will never be."""

    queued: Mapping[str, int] = {}
    cancelled: Sequence[UUID] = ()


async def free(db: Connection, over: Mapping[UUID, JobState]) -> Freed:
    """Jobs ended as said; what became of others that waited for them.

    Runs in a statement after the one that ended them: who needs them may have come meanwhile.
    """
    queued: Counter[str] = Counter()
    cancelled: list[UUID] = []
    while over:
        states = {"ids": list(over), "states": [state.value for state in over.values()]}
        rows = await (await db.execute(FREE, states)).fetchall()
        queued.update(queue for _, state, queue in rows if state == JobState.QUEUED)
        over = {id_: JobState.CANCELLED for id_, state, _ in rows if state == JobState.CANCELLED}
        cancelled += over
    if cancelled:  # they wait for nothing else either
        await db.execute("DELETE FROM formula_job_needs WHERE job = ANY(%s)", (cancelled,))
    return Freed(queued, cancelled)
