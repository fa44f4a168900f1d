"""Write down how each project stood when a day (UTC) was over."""

from datetime import UTC, date

from domain.errors import WrongState
from domain.job_args import SnapshotDay
from infra.runtime import Runtime
from projections.read import reading
from workers.model import ANALYTICS, Context, Job

# Days since the last one that was written down, so that none is missing after a pause.
SNAPSHOT = """
INSERT INTO formula_daily (day, project, tasks, open, in_progress, done, overdue, unassigned,
    assignees)
SELECT d.day, h.project, count(*),
    count(*) FILTER (WHERE h.status NOT IN ('done', 'cancelled')),
    count(*) FILTER (WHERE h.status IN ('in_progress', 'review')),
    count(*) FILTER (WHERE h.status = 'done'),
    count(*) FILTER (WHERE h.status NOT IN ('done', 'cancelled') AND h.due < d.day),
    count(*) FILTER (WHERE h.status NOT IN ('done', 'cancelled') AND h.assignee IS NULL),
    count(DISTINCT h.assignee) FILTER (WHERE h.status NOT IN ('done', 'cancelled'))
FROM (
    SELECT one::date AS day, (one + interval '1 day') AT TIME ZONE 'UTC' AS over
    FROM generate_series(
        coalesce((SELECT max(day) + 1 FROM formula_daily WHERE day < %(day)s), %(day)s)::timestamp,
        %(day)s::timestamp, interval '1 day') one
) d JOIN task_history h ON h.valid_from < d.over AND (h.valid_to IS NULL OR h.valid_to >= d.over)
GROUP BY d.day, h.project
ON CONFLICT (day, project) DO NOTHING
"""


async def run(context: Context, args: SnapshotDay) -> None:
    """Raises WrongState for a day that is not over: what is written down stays."""
    if args.day >= context.runtime.now().astimezone(UTC).date():
        raise WrongState("day.not_over", day=args.day)
    await write_down(context.runtime, args.day)


async def write_down(runtime: Runtime, day: date) -> None:
    """What was written down stays: a retry adds only what is missing."""
    head = await runtime.store.head()
    async with reading(runtime, min_position=head, group="analytics") as db:
        await db.execute(SNAPSHOT, {"day": day})


JOB = Job("snapshot_day", ANALYTICS, SnapshotDay, run, timeout_s=600.0)
