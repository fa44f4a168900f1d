"""A report on a project: how it stood at the end of some days, and how work flowed on them."""

from collections.abc import AsyncIterator
from datetime import date

import msgspec

from domain.errors import NotFound
from domain.job_args import ReportFormat, ReportProject
from domain.preferences import Notice
from domain.project import PROJECT
from infra.db import Connection
from projections.rows import fetch_all, fetch_one
from workers.model import REPORTS, Context, Job
from workers.reports.making import (
    TIMEOUT_S,
    Days,
    Made,
    Moment,
    hand_over,
    keep_paper,
    keep_sheet,
    moment,
    owner,
)
from workers.reports.model import MOST_ROWS, Chart, Column, Figure, Listing, Report, Series
from workers.reports.sheets import Row

PAGE = 1_000  # rows

# As the tasks stood when the last day was over.
STOOD = """
FROM task_history h WHERE h.project = %(project)s
    AND h.valid_from < %(over)s AND (h.valid_to IS NULL OR h.valid_to >= %(over)s)
"""
COUNTS = f"""
SELECT count(*) AS tasks,
    count(*) FILTER (WHERE h.status NOT IN ('done', 'cancelled')) AS open,
    count(*) FILTER (WHERE h.status IN ('in_progress', 'review')) AS in_progress,
    count(*) FILTER (WHERE h.status = 'done') AS done,
    count(*) FILTER (WHERE h.status = 'cancelled') AS cancelled,
    count(*) FILTER (WHERE h.status NOT IN ('done', 'cancelled') AND h.due < %(last)s) AS overdue,
    count(*) FILTER (WHERE h.status NOT IN ('done', 'cancelled') AND h.assignee IS NULL)
        AS unassigned
{STOOD}
"""
TIMES = """
SELECT count(*) AS tasks,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM done_at - started_at)::float8)
        / 3600 AS p50,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM done_at - started_at)::float8)
        / 3600 AS p90
FROM task_flow WHERE project = %(project)s AND done_at >= %(since)s AND done_at < %(over)s
"""
FLOW = """
WITH moves AS (
    SELECT (m.at AT TIME ZONE 'UTC')::date AS day, count(*) FILTER (WHERE m.was IS NULL) AS created,
        count(*) FILTER (WHERE m.status = 'done') AS done, sum(m.opened)::bigint AS opened
    FROM task_moves m JOIN task_flow f USING (task)
    WHERE f.project = %(project)s AND m.at < %(over)s GROUP BY 1
)
SELECT d.day::date AS day, coalesce(m.created, 0) AS created, coalesce(m.done, 0) AS done,
    (SELECT coalesce(sum(b.opened), 0)::bigint FROM moves b WHERE b.day <= d.day::date) AS open
FROM generate_series(%(first)s::timestamp, %(last)s::timestamp, interval '1 day') d(day)
LEFT JOIN moves m ON m.day = d.day::date ORDER BY d.day
"""
PEOPLE = f"""
SELECT coalesce(u.name, CASE WHEN p.assignee IS NULL THEN '(nobody)' ELSE '(unknown)' END) AS name,
    p.open, p.in_progress, p.overdue, p.done
FROM (
    SELECT h.assignee, count(*) FILTER (WHERE h.status NOT IN ('done', 'cancelled')) AS open,
        count(*) FILTER (WHERE h.status IN ('in_progress', 'review')) AS in_progress,
        count(*) FILTER (WHERE h.status NOT IN ('done', 'cancelled') AND h.due < %(last)s)
            AS overdue,
        count(*) FILTER (WHERE h.status = 'done') AS done
    {STOOD} GROUP BY h.assignee
) p LEFT JOIN users u ON u.id = p.assignee
ORDER BY p.open DESC, 1, p.assignee LIMIT %(limit)s
"""  # noqa: S608, our own text
OVERDUE = f"""
SELECT h.title, coalesce(u.name, '') AS name, h.priority, h.due
FROM (SELECT h.* {STOOD}) h LEFT JOIN users u ON u.id = h.assignee
WHERE h.status NOT IN ('done', 'cancelled') AND h.due < %(last)s
ORDER BY h.due, h.task LIMIT %(limit)s
"""  # noqa: S608, our own text
TASKS = f"""
SELECT h.task, h.title, h.status, h.priority, coalesce(u.name, ''), h.due, f.created_at,
    f.started_at, f.done_at
FROM (SELECT h.* {STOOD}) h JOIN task_flow f USING (task) LEFT JOIN users u ON u.id = h.assignee
ORDER BY f.created_at, h.task
"""  # noqa: S608, our own text
COLUMNS = (
    "task",
    "title",
    "status",
    "priority",
    "assignee",
    "due",
    "created_at",
    "started_at",
    "done_at",
)


class Counts(msgspec.Struct, frozen=True):
    tasks: int
    open: int
    in_progress: int
    done: int
    cancelled: int
    overdue: int
    unassigned: int


class Times(msgspec.Struct, frozen=True):
    """Hours from begun to done."""

    tasks: int
    p50: float | None
    p90: float | None


class Day(msgspec.Struct, frozen=True):
    day: date
    created: int
    done: int
    open: int


class Person(msgspec.Struct, frozen=True):
    name: str
    open: int
    in_progress: int
    overdue: int
    done: int


class Late(msgspec.Struct, frozen=True):
    title: str
    name: str
    priority: str
    due: date


async def run(context: Context, args: ReportProject) -> Made:
    user = await owner(context, args)
    days = Days(args.first, args.last)
    project = await context.runtime.load(PROJECT, args.project)
    if not project.version:
        raise NotFound("project.not_found", project=args.project)
    name = f"{project.state.name} {args.first} {args.last}"
    values: dict[str, object] = {
        "project": args.project,
        "first": args.first,
        "last": args.last,
        "since": days.since,
        "over": days.over,
        "limit": MOST_ROWS,
    }
    if args.format is ReportFormat.CSV:
        async with moment(context.runtime, "analytics", "queries") as now:
            made = await keep_sheet(context, name, COLUMNS, _tasks(now.db, values))
    else:
        about = (
            Figure("Days (UTC)", str(days)),
            Figure("For" if args.weekly else "Asked for by", user.name),
        )
        async with moment(context.runtime, "analytics", "queries") as now:
            report = await _report(now, values, f"Project: {project.state.name}", about)
        made = await keep_paper(context, name, report)
    title, kind = f"Report on {project.state.name[:150]}", Notice.REPORT
    if args.weekly:
        title, kind = f"Weekly report on {project.state.name[:150]}", Notice.WEEKLY_REPORT
    return await hand_over(context, made, title, args.project, kind)


async def _tasks(db: Connection, values: dict[str, object]) -> AsyncIterator[list[Row]]:
    async with db.cursor(name="report") as cursor:
        await cursor.execute(TASKS, values)
        while rows := await cursor.fetchmany(PAGE):
            yield rows


async def _report(
    now: Moment, values: dict[str, object], title: str, about: tuple[Figure, ...]
) -> Report:
    counts = await fetch_one(now.db, Counts, COUNTS, values) or Counts(0, 0, 0, 0, 0, 0, 0)
    times = await fetch_one(now.db, Times, TIMES, values) or Times(0, None, None)
    flow = await fetch_all(now.db, Day, FLOW, values)
    people = await fetch_all(now.db, Person, PEOPLE, values)
    late = await fetch_all(now.db, Late, OVERDUE, values)
    return Report(
        title=title,
        about=about,
        position=now.position,
        made_at=now.at,
        figures=_figures(counts, times, flow),
        charts=_charts(flow),
        listings=(_people(people), _late(late, counts.overdue)),
    )


def _figures(counts: Counts, times: Times, flow: list[Day]) -> tuple[Figure, ...]:
    return (
        Figure("Tasks at the end", str(counts.tasks)),
        Figure("Made on these days", str(sum(day.created for day in flow))),
        Figure("Open", str(counts.open)),
        Figure("Done on these days", str(sum(day.done for day in flow))),
        Figure("In progress or review", str(counts.in_progress)),
        Figure("From begun to done, median", _hours(times.p50)),
        Figure("Done", str(counts.done)),
        Figure("The same, nine of ten within", _hours(times.p90)),
        Figure("Cancelled", str(counts.cancelled)),
        Figure("Overdue", str(counts.overdue)),
        Figure("Nobody's", str(counts.unassigned)),
    )


def _hours(hours: float | None) -> str:
    if hours is None:
        return "–"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def _charts(flow: list[Day]) -> tuple[Chart, ...]:
    labels = tuple(f"{day.day:%m-%d}" for day in flow)
    made = Series("made", tuple(float(day.created) for day in flow))
    done = Series("done", tuple(float(day.done) for day in flow))
    left = Series("open", tuple(float(day.open) for day in flow))
    return (
        Chart("Tasks made and done, by day", "bars", labels, (made, done)),
        Chart("Open tasks at the end of each day", "lines", labels, (left,)),
    )


def _people(people: list[Person]) -> Listing:
    counted = ("Open", "In progress", "Overdue", "Done")
    return Listing(
        "Who has what",
        (Column("Person", 40), *(Column(name, 15, "right") for name in counted)),
        tuple(
            (one.name, str(one.open), str(one.in_progress), str(one.overdue), str(one.done))
            for one in people
        ),
        _first(len(people)),
    )


def _late(late: list[Late], all_: int) -> Listing:
    return Listing(
        "Overdue",
        (Column("Task", 50), Column("Person", 22), Column("Priority", 13), Column("Due", 15)),
        tuple((one.title, one.name, one.priority, one.due.isoformat()) for one in late),
        f"The first {len(late)} of {all_}." if len(late) < all_ else "" if late else "None.",
    )


def _first(rows: int) -> str:
    return f"The first {rows}." if rows == MOST_ROWS else ""


JOB = Job("report_project", REPORTS, ReportProject, run, timeout_s=TIMEOUT_S)
