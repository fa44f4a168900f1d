"""What is due by the clock: one line for each schedule, and the ticks that became due.

A tick is an event, in a stream of its own named by schedule and time: however many schedulers
believe they lead, and however often one is killed at it, there is one run of each tick.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Literal
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec
import psycopg
import structlog
from cronsim import CronSim

from domain.errors import WrongState
from domain.jobs import (
    JOB,
    AnyArgs,
    CleanUp,
    Optimise,
    RefreshStatistics,
    RequestJob,
    RollUpMetrics,
    SendDigests,
    SnapshotDay,
    Wanted,
)
from infra.db import Connection
from infra.eventstore.types import Conflict
from infra.runtime import SYSTEM, Runtime

SPACE = UUID("1b8e2c62-40f1-5d0a-8d6c-5b2a8f3f9d10")
MOST_MISSED = 1_000  # ticks of a schedule that are made good, where all are

log = structlog.get_logger()


class Schedule(msgspec.Struct, frozen=True):
    """`cron`: five fields, in `zone` (none: the setting TIME_ZONE), or `every_s` since 1970.

    `args` gets the tick's time. `missed`: while no scheduler ran, of the ticks in that time none
    is made good, the last one, or all.
    """

    name: str
    args: Callable[[datetime], AnyArgs]
    cron: str = ""
    every_s: int = 0
    zone: str = ""
    missed: Literal["none", "last", "all"] = "last"


def _yesterday(at: datetime) -> SnapshotDay:
    return SnapshotDay(day=at.astimezone(UTC).date() - timedelta(days=1))


def _roll_up(at: datetime) -> RollUpMetrics:
    return RollUpMetrics(day=_yesterday(at).day)


def _digests(at: datetime) -> SendDigests:
    return SendDigests(at=at)


SCHEDULES = (
    Schedule("snapshot_day", _yesterday, cron="10 0 * * *", zone="UTC"),
    Schedule("roll_up_metrics", _roll_up, cron="20 0 * * *", zone="UTC"),
    Schedule("clean_up", lambda _at: CleanUp(), cron="30 1 * * *"),
    Schedule("refresh_statistics", lambda _at: RefreshStatistics(), cron="5 * * * *"),
    Schedule("optimise", lambda _at: Optimise(), cron="30 2 * * 0"),
    Schedule("send_digests", _digests, every_s=3_600, missed="all"),
)


def ticks(schedule: Schedule, after: datetime, zone: str) -> Iterator[datetime]:
    """Its times after that one, in UTC. An hour that a clock change leaves out is made up for
    right after, one that it repeats counts once (cronsim, as Debian's cron)."""
    if schedule.every_s:
        step = timedelta(seconds=schedule.every_s)
        since = datetime.fromtimestamp(0, UTC)
        at = since + ((after - since) // step + 1) * step
        while True:
            yield at
            at += step
    local = after.astimezone(ZoneInfo(schedule.zone or zone))
    for at in CronSim(schedule.cron, local):
        yield at.astimezone(UTC)


def missed(schedule: Schedule, due: list[datetime], late: datetime) -> list[datetime]:
    """Of the ticks that are due those to run; before `late` they were missed."""
    if schedule.missed == "all":
        return due
    kept = [at for at in due if at >= late]
    if schedule.missed == "last" and not kept:
        return due[-1:]
    return kept


class Schedules:
    """A tick of the scheduler: asks for the jobs whose time has come."""

    def __init__(
        self, runtime: Runtime, schedules: tuple[Schedule, ...] = SCHEDULES, late_s: float = 60.0
    ) -> None:
        self._runtime = runtime
        self._schedules = schedules
        self._late = timedelta(seconds=late_s)
        self._seen: dict[str, datetime] = {}

    async def __call__(self, _now: float) -> None:
        now = self._runtime.now()
        for schedule in self._schedules:
            after = self._seen.get(schedule.name)
            if after is None:
                async with self._runtime.db.connection() as db:
                    after = await _seen_at(db, schedule.name, now)
            self._seen[schedule.name] = after
            await self._catch_up(schedule, after, now)

    async def _catch_up(self, schedule: Schedule, after: datetime, now: datetime) -> None:
        coming = ticks(schedule, after, self._runtime.settings.time_zone)
        due = list(islice(takewhile(lambda at: at <= now, coming), MOST_MISSED))
        for at in missed(schedule, due, now - self._late):
            await ask(self._runtime, schedule, at, SPACE)
        if due:
            async with self._runtime.db.connection() as db:
                await _note_seen(db, schedule.name, due[-1])
            self._seen[schedule.name] = due[-1]


def tick_id(schedule: Schedule, at: datetime, space: UUID = SPACE) -> UUID:
    """The job of a tick: of the job's row, and of the stream that asks for it."""
    return uuid5(space, f"{schedule.name}/{at.isoformat()}")


async def ask(runtime: Runtime, schedule: Schedule, at: datetime, space: UUID) -> UUID:
    """Ask for the tick's job, once."""
    job = tick_id(schedule, at, space)
    command = RequestJob(wanted=Wanted(args=schedule.args(at)))
    try:
        await runtime.execute(SYSTEM, JOB, job, command, command_id=job)
    except (WrongState, Conflict) as error:  # another scheduler's, which is as well
        log.debug("tick_taken", name=schedule.name, error=repr(error))
    else:
        log.info("tick", name=schedule.name, at=at.isoformat(), job=str(job))
    return job


async def _seen_at(db: Connection, name: str, now: datetime) -> datetime:
    """A schedule that is new begins now."""
    cursor = await db.execute(
        "INSERT INTO formula_schedules (name, seen_at) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET seen_at = formula_schedules.seen_at RETURNING seen_at",
        (name, now),
    )
    row = await cursor.fetchone()
    if row is None:
        raise psycopg.DataError("no row of the schedule")
    return row[0].astimezone(UTC)


async def _note_seen(db: Connection, name: str, at: datetime) -> None:
    await db.execute(
        "UPDATE formula_schedules SET seen_at = %s WHERE name = %s AND seen_at < %s",
        (at, name, at),
    )
