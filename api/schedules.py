"""/realtime/jobs/schedules: what runs by the clock, when it ran, when it will."""

from datetime import datetime
from itertools import islice
from typing import Literal

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.status_codes import HTTP_202_ACCEPTED

from api.call import Call
from api.job_orders import answer
from api.job_rights import Accepted
from domain.access import Action
from domain.jobs import JOB, RequestJob, Wanted
from domain.schedules import SCHEDULES, Schedule, named, ticks
from infra.jobs.reading import seen
from infra.runtime import Runtime

NEXT = 3


class ScheduleRow(msgspec.Struct, frozen=True):
    """`cron` in `zone`, or `every_s`; of what was `missed` while none was there: none, last, all.

    `last_tick`: none before the first, from when the schedule was first looked after.
    """

    name: str
    cron: str
    every_s: int
    zone: str
    missed: Literal["none", "last", "all"]
    last_tick: datetime | None
    next: list[datetime]


@get("/schedules", opt={"action": Action.JOBS_READ})
async def list_schedules(runtime: NamedDependency[Runtime]) -> list[ScheduleRow]:
    return await schedules(runtime)


async def schedules(runtime: Runtime) -> list[ScheduleRow]:
    async with runtime.db.connection() as db:
        last = await seen(db)
    now, zone = runtime.now(), runtime.settings.time_zone
    return [
        ScheduleRow(
            name=one.name,
            cron=one.cron,
            every_s=one.every_s,
            zone=one.zone or zone,
            missed=one.missed,
            last_tick=last.get(one.name),
            next=list(islice(ticks(one, now, zone), NEXT)),
        )
        for one in SCHEDULES
    ]


@post(
    "/schedules/{name:str}/run", opt={"action": Action.JOBS_MANAGE}, status_code=HTTP_202_ACCEPTED
)
async def run(name: FromPath[str], call: NamedDependency[Call]) -> Response[Accepted]:
    """Now, as if a tick were due; the ticks to come stay as they are."""
    command = by_hand(named(name), call.runtime.now())
    job = call.new_id("job")
    return await answer(call, job, await call.execute(JOB, job, command))


def by_hand(schedule: Schedule, now: datetime) -> RequestJob:
    return RequestJob(wanted=Wanted(args=schedule.args(now)))
