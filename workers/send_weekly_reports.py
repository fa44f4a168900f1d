"""Ask for the weekly reports: each active project's, for each of its managers who wants it.

Who they are, is one query for every so many; a request is an event, once for each project, person
and week, however often this runs and wherever it is killed.
"""

from datetime import timedelta
from uuid import UUID, uuid5

import msgspec

from domain.job_args import ReportProject, SendWeeklyReports
from domain.jobs import JOB as DECIDER
from domain.jobs import RequestJob, Wanted
from infra.eventstore.types import NEW
from infra.runtime import Origin
from projections.read import reading
from projections.replay.moments import resolve
from projections.weekly import START, DueReport, due_reports
from workers.mail_notice import BULK
from workers.model import NOTIFICATIONS, Context, Job
from workers.reports.making import Days
from workers.together import together

PAGE = 500  # reports
WEEK = timedelta(days=7)


class Asked(msgspec.Struct, frozen=True):
    """For how many reports."""

    reports: int


async def run(context: Context, args: SendWeeklyReports) -> Asked:
    runtime, last, asked = context.runtime, START, 0
    week = Days(args.last - WEEK + timedelta(days=1), args.last)
    head = await runtime.store.head()
    async with runtime.db.connection() as db:
        after, upto = [(await resolve(db, at)).position for at in (week.since, week.over)]

    async def ask(due: DueReport) -> None:
        report = ReportProject(project=due.project, first=week.first, last=week.last, weekly=True)
        wanted = Wanted(args=report, priority=BULK)
        stream = report_id(due, week)
        await runtime.execute(
            _origin(context, due.manager),
            DECIDER,
            stream,
            RequestJob(wanted=wanted),
            command_id=stream,
            expected=NEW,
        )

    while page := await _due(context, head, (after, upto), last):
        await together(page, ask, at_once=PAGE)
        last, asked = page[-1].key, asked + len(page)
    return Asked(asked)


def report_id(due: DueReport, week: Days) -> UUID:
    return uuid5(due.project, f"weekly report {week.last} {due.manager}")


def _origin(context: Context, manager: UUID) -> Origin:
    """The manager's job, though nobody but the system has asked for it."""
    return msgspec.structs.replace(context.origin, on_behalf_of=manager)


async def _due(
    context: Context, head: int, done: tuple[int, int], last: tuple[UUID, UUID]
) -> list[DueReport]:
    async with reading(context.runtime, min_position=head) as db:
        return await due_reports(db, *done, last, PAGE)


JOB = Job("send_weekly_reports", NOTIFICATIONS, SendWeeklyReports, run, timeout_s=900.0)
