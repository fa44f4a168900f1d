"""Write down what was done on a day (UTC), in each project and in all; kept for ever."""

from datetime import UTC, date, datetime, time, timedelta

import msgspec

from domain.errors import WrongState
from domain.job_args import RollUpMetrics
from infra.db import Connection
from projections import days as recorded
from projections.read import reading
from workers.model import ANALYTICS, Context, Job


class RolledUp(msgspec.Struct, frozen=True):
    """The days that were written down now, and the rows of projects."""

    days: list[date]
    projects: int


async def run(context: Context, args: RollUpMetrics) -> RolledUp:
    """Also the days since the last one that was written down. Raises WrongState for today."""
    if args.day >= context.runtime.now().astimezone(UTC).date():
        raise WrongState("day.not_over", day=args.day)
    head = await context.runtime.store.head()
    async with reading(context.runtime, min_position=head, group="analytics") as db:
        days = await _missing(db, args.day)
        projects = 0
        for done, day in enumerate(days):
            await context.report(done, len(days))
            rows = await recorded.roll_up(db, *_span(day))
            await context.log(f"{day}: {rows} projects")
            projects += rows
    return RolledUp(days, projects)


async def _missing(db: Connection, day: date) -> list[date]:
    """Up to that day, oldest first; where there is none before it begins with it."""
    first = await recorded.first_missing(db, day)
    return [first + timedelta(days=n) for n in range((day - first).days + 1)]


def _span(day: date) -> tuple[datetime, datetime]:
    start = datetime.combine(day, time(), UTC)
    return start, start + timedelta(days=1)


JOB = Job("roll_up_metrics", ANALYTICS, RollUpMetrics, run, timeout_s=3_600.0)
