"""A report on what was done on some days: in a project, or by a person."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import LiteralString
from uuid import UUID

import msgspec

from domain.errors import NotFound
from domain.job_args import ReportActivity, ReportFormat
from domain.project import PROJECT
from domain.user import USER
from infra.runtime import Runtime
from projections.rows import NEWEST_POSITION, fetch_all, fetch_one
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
from workers.reports.model import (
    MOST_ROWS,
    Chart,
    Column,
    Figure,
    Listing,
    Report,
    Series,
    counted,
    short,
)
from workers.reports.sheets import Row

PAGE = 1_000  # rows
TOP = 30  # people, kinds

# Times never decrease along the log, and the audit has all of it by time.
SPAN = """
SELECT coalesce((SELECT position FROM audit WHERE at >= %(since)s ORDER BY at, position LIMIT 1),
        %(newest)s) - 1 AS above,
    coalesce((SELECT position FROM audit WHERE at >= %(over)s ORDER BY at, position LIMIT 1),
        %(newest)s) AS below
"""
WITHIN: LiteralString = " AND a.position > %(above)s AND a.position < %(below)s"
IN_PROJECT: LiteralString = f"FROM activity a WHERE a.project = %(of)s{WITHIN}"
BY_PERSON: LiteralString = f"FROM activity a WHERE a.actor = %(of)s{WITHIN}"

NAME: LiteralString = "coalesce(u.name, CASE WHEN a.actor IS NULL THEN '(system)' ELSE '' END)"
COLUMNS = ("position", "at", "person", "verb", "project", "subject", "detail")


class Span(msgspec.Struct, frozen=True):
    """Positions, both not in it."""

    above: int
    below: int


class Count(msgspec.Struct, frozen=True):
    name: str
    times: int


class Daily(msgspec.Struct, frozen=True):
    day: date
    times: int


class Deed(msgspec.Struct, frozen=True):
    position: int
    at: datetime
    person: str
    verb: str
    project: UUID | None
    subject: UUID
    detail: dict[str, object]


async def run(context: Context, args: ReportActivity) -> Made:
    user = await owner(context, args)
    subject = await _subject(context.runtime, args)
    days = Days(args.first, args.last)
    name = f"{subject} activity {args.first} {args.last}"
    chosen = IN_PROJECT if args.project is not None else BY_PERSON
    if args.format is ReportFormat.CSV:
        async with moment(context.runtime, "queries", "audit") as now:
            values = await _values(now, args, days)
            made = await keep_sheet(context, name, COLUMNS, _rows(context, now, chosen, values))
    else:
        about = (Figure("Days (UTC)", str(days)), Figure("Asked for by", user.name))
        async with moment(context.runtime, "queries", "audit") as now:
            values = await _values(now, args, days)
            report = await _report(now, chosen, values, f"Activity: {subject}", about)
        made = await keep_paper(context, name, report)
    return await hand_over(context, made, f"Activity of {subject[:150]}", args.project)


async def _subject(runtime: Runtime, args: ReportActivity) -> str:
    """The name of what it is about."""
    if args.project is not None:
        project = await runtime.load(PROJECT, args.project)
        if not project.version:
            raise NotFound("project.not_found", project=args.project)
        return project.state.name
    person = await runtime.load(USER, args.person or UUID(int=0))
    if not person.version:
        raise NotFound("user.not_found", user=args.person)
    return person.state.name


async def _values(now: Moment, args: ReportActivity, days: Days) -> dict[str, object]:
    asked = {"since": days.since, "over": days.over, "newest": NEWEST_POSITION}
    span = await fetch_one(now.db, Span, SPAN, asked) or Span(0, 0)
    of = args.person if args.project is None else args.project
    return {"of": of, **msgspec.structs.asdict(span), "top": TOP, "most": MOST_ROWS}


async def _rows(
    context: Context, now: Moment, chosen: LiteralString, values: Mapping[str, object]
) -> AsyncIterator[list[Row]]:
    """All of them, oldest first."""
    done, total = 0, await _number(now, chosen, values)
    async with now.db.cursor(name="report") as cursor:
        await cursor.execute(_deeds(chosen) + " ORDER BY a.position", values)
        while rows := await cursor.fetchmany(PAGE):
            done += len(rows)
            await context.report(done, total)
            yield rows


def _deeds(chosen: LiteralString) -> LiteralString:
    return (
        f"SELECT a.position, a.at, {NAME} AS person, a.verb, a.project, a.subject, a.detail"  # noqa: S608
        f" FROM (SELECT a.* {chosen}) a LEFT JOIN users u ON u.id = a.actor"
    )


async def _number(now: Moment, chosen: LiteralString, values: Mapping[str, object]) -> int:
    counted: LiteralString = f"SELECT 'all' AS name, count(*) AS times {chosen}"
    row = await fetch_one(now.db, Count, counted, values)
    return row.times if row else 0


async def _report(
    now: Moment,
    chosen: LiteralString,
    values: Mapping[str, object],
    title: str,
    about: tuple[Figure, ...],
) -> Report:
    total = await _number(now, chosen, values)
    days = await fetch_all(
        now.db,
        Daily,
        f"SELECT (a.at AT TIME ZONE 'UTC')::date AS day, count(*) AS times {chosen}"
        " GROUP BY 1 ORDER BY 1",
        values,
    )
    kinds = await fetch_all(
        now.db,
        Count,
        f"SELECT a.verb AS name, count(*) AS times {chosen}"
        " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(top)s",
        values,
    )
    people = await fetch_all(
        now.db,
        Count,
        f"SELECT {NAME} AS name, a.times FROM (SELECT a.actor, count(*) AS times {chosen}"  # noqa: S608
        " GROUP BY 1) a LEFT JOIN users u ON u.id = a.actor"
        " ORDER BY 2 DESC, 1, a.actor LIMIT %(top)s",
        values,
    )
    newest = _deeds(chosen) + " ORDER BY a.position DESC LIMIT %(most)s"
    deeds = await fetch_all(now.db, Deed, newest, values)
    return Report(
        title=title,
        about=about,
        position=now.position,
        made_at=now.at,
        figures=(Figure("Done in all", str(total)), Figure("Days with any", str(len(days)))),
        charts=(_chart(days),) if days else (),
        listings=(
            counted("By kind", [(one.name, one.times) for one in kinds], TOP),
            counted("By person", [(one.name, one.times) for one in people], TOP),
            _newest(deeds, total),
        ),
    )


def _chart(days: list[Daily]) -> Chart:
    """From the first day with any to the last; the days between with none are nothing high."""
    times = {one.day: float(one.times) for one in days}
    spread = (days[-1].day - days[0].day).days + 1
    every = [days[0].day + timedelta(days=n) for n in range(spread)]
    labels = tuple(f"{day:%m-%d}" for day in every)
    return Chart(
        "Done, by day",
        "bars",
        labels,
        (Series("done", tuple(times.get(day, 0.0) for day in every)),),
    )


def _newest(deeds: list[Deed], total: int) -> Listing:
    columns = (Column("Position", 13), Column("When (UTC)", 20), Column("Who", 25))
    return Listing(
        "What was done, newest first",
        (*columns, Column("What", 20), Column("Details", 22)),
        tuple(
            (
                str(one.position),
                f"{one.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                one.person,
                one.verb,
                short(one.detail),
            )
            for one in deeds
        ),
        f"The newest {len(deeds)} of {total}; the CSV has all." if len(deeds) < total else "",
    )


JOB = Job("report_activity", REPORTS, ReportActivity, run, timeout_s=TIMEOUT_S)
