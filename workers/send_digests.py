"""Start the digests of all whose hour has come where they are.

Whose it is, is one query for every so many people; a digest is an event, once for each person and
day there, however often this runs and wherever it is killed.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from domain.digest import DIGEST, StartDigest, digest_stream
from domain.job_args import SendDigests
from infra.eventstore.types import NEW
from projections.digests import DueRow, Hour, due_digests
from projections.preferences import zones_of_digests
from projections.read import reading
from workers.model import NOTIFICATIONS, Context, Job
from workers.together import together

PAGE = 500  # people
SPAN = timedelta(hours=1)


class Started(msgspec.Struct, frozen=True):
    """For how many people it was the hour."""

    digests: int


def hours(zones: Sequence[str], at: datetime, usual: str) -> Iterator[Hour]:
    """Those that came in the hour that ends `at`; `usual`: the zone of who has named none.

    One that a clock change leaves out comes when it would have, one that it repeats the first time.
    """
    for zone in zones:
        there = ZoneInfo(zone or usual)
        for day in sorted({one.astimezone(there).date() for one in (at - SPAN, at)}):
            for hour in range(24):
                came = datetime(day.year, day.month, day.day, hour, tzinfo=there).astimezone(UTC)
                if at - SPAN < came <= at:
                    yield Hour(zone, hour, day)


async def run(context: Context, args: SendDigests) -> Started:
    runtime, after, started = context.runtime, None, 0
    upto = await runtime.store.head()
    async with reading(runtime, min_position=upto) as db:
        zones = await zones_of_digests(db)
    come = list(hours(zones, args.at, runtime.settings.time_zone))

    async def start(due: DueRow) -> None:
        stream = digest_stream(due.user, due.day)
        command = StartDigest(user=due.user, day=due.day, after=due.after, upto=upto)
        await runtime.execute(
            context.origin, DIGEST, stream, command, command_id=stream, expected=NEW
        )

    while page := await _due(context, come, after, upto):
        await together(page, start, at_once=PAGE)
        after, started = page[-1].user, started + len(page)
    return Started(started)


async def _due(
    context: Context, come: Sequence[Hour], after: UUID | None, upto: int
) -> list[DueRow]:
    async with reading(context.runtime, min_position=upto) as db:
        return await due_digests(db, come, after, PAGE)


JOB = Job("send_digests", NOTIFICATIONS, SendDigests, run, timeout_s=900.0)
