"""The schedules, with when each ran last and when it will."""

from datetime import datetime
from itertools import islice
from typing import Literal

import msgspec

from domain.schedules import SCHEDULES, ticks
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
