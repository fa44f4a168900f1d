"""What was done on a day: read from the log and from the read models that analysts ask."""

from datetime import date, datetime, timedelta

from domain.registry import tag_of
from domain.task import CommentAdded, TaskCreated
from domain.upcasts import stored_as
from infra.db import Connection
from projections.replay.moments import resolve

MICROSECOND = timedelta(microseconds=1)

FIRST_MISSING = """
SELECT coalesce((SELECT max(day) + 1 FROM formula_system_days WHERE day < %(day)s), %(day)s)
"""

# A task that was done twice on a day is one task; its time is that of the last.
PROJECTS = """
WITH said AS (
    SELECT (metadata->>'project_id')::uuid AS project, count(*) AS events,
        count(DISTINCT metadata->>'actor') AS people,
        count(*) FILTER (WHERE tag = ANY(%(comments)s)) AS comments,
        count(*) FILTER (WHERE tag = ANY(%(tasks)s)) AS created
    FROM formula_log WHERE position > %(after)s AND position <= %(upto)s AND version > 0
    GROUP BY 1
), done AS (
    SELECT f.project, count(*) AS completed,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY m.hours) AS p50,
        percentile_cont(0.9) WITHIN GROUP (ORDER BY m.hours) AS p90
    FROM (
        SELECT m.task, extract(epoch FROM max(m.at) - min(f.started_at))::float8 / 3600 AS hours
        FROM task_moves m JOIN task_flow f USING (task)
        WHERE m.at >= %(start)s AND m.at < %(end)s AND m.status = 'done' GROUP BY m.task
    ) m JOIN task_flow f USING (task) GROUP BY f.project
), held AS (
    SELECT project, count(*) FILTER (WHERE acquired_at >= %(start)s) AS locks,
        sum(extract(epoch FROM least(coalesce(ended_at, %(end)s), %(end)s)
            - greatest(acquired_at, %(start)s)))::float8 AS seconds
    FROM lock_holds
    WHERE acquired_at < %(end)s AND (ended_at IS NULL OR ended_at > %(start)s) GROUP BY project
)
INSERT INTO formula_project_days (day, project, events, people, comments, created, completed,
    cycle_p50_hours, cycle_p90_hours, locks, locked_seconds)
SELECT %(day)s, project, coalesce(s.events, 0), coalesce(s.people, 0), coalesce(s.comments, 0),
    coalesce(s.created, 0), coalesce(d.completed, 0), d.p50, d.p90, coalesce(h.locks, 0),
    coalesce(h.seconds, 0)
FROM said s FULL JOIN done d USING (project) FULL JOIN held h USING (project)
WHERE project IS NOT NULL ON CONFLICT (day, project) DO NOTHING
"""

SYSTEM = """
WITH said AS (
    SELECT tag, metadata->>'actor' AS actor FROM formula_log
    WHERE position > %(after)s AND position <= %(upto)s AND version > 0
), ended AS (
    SELECT queue, jsonb_object_agg(state, jobs) AS states FROM (
        SELECT queue, state, count(*) AS jobs FROM formula_jobs
        WHERE finished_at >= %(start)s AND finished_at < %(end)s GROUP BY queue, state
    ) counted GROUP BY queue
)
INSERT INTO formula_system_days (day, events, people, by_type, jobs)
SELECT %(day)s, (SELECT count(*) FROM said), (SELECT count(DISTINCT actor) FROM said),
    coalesce((SELECT jsonb_object_agg(tag, events) FROM (
        SELECT tag, count(*) AS events FROM said GROUP BY tag) tags), '{}'),
    coalesce((SELECT jsonb_object_agg(queue, states) FROM ended), '{}')
ON CONFLICT (day) DO NOTHING
"""


async def first_missing(db: Connection, day: date) -> date:
    """The day after the last one before `day` that is written down; else `day`."""
    row = await (await db.execute(FIRST_MISSING, {"day": day})).fetchone()
    return row[0] if row else day


async def roll_up(db: Connection, start: datetime, end: datetime) -> int:
    """Write the day down; what is there stays. Returns of how many projects there are new rows."""
    values = {
        "day": start.date(),
        "start": start,
        "end": end,
        "after": (await resolve(db, start - MICROSECOND)).position,
        "upto": (await resolve(db, end - MICROSECOND)).position,
        "comments": list(stored_as((tag_of(CommentAdded),))),
        "tasks": list(stored_as((tag_of(TaskCreated),))),
    }
    async with db.transaction():
        rows = (await db.execute(PROJECTS, values)).rowcount
        await db.execute(SYSTEM, values)
    return rows
