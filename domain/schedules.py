"""What is due by the clock: one line for each schedule, and when its ticks are."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim

from domain.errors import NotFound
from domain.job_args import (
    AnyArgs,
    CleanUp,
    HandOverFiles,
    Optimise,
    PurgeFiles,
    RefreshStatistics,
    RollUpMetrics,
    SendDigests,
    SendWeeklyReports,
    SnapshotDay,
)
from domain.jobs import RequestJob, Wanted

SPACE = UUID("1b8e2c62-40f1-5d0a-8d6c-5b2a8f3f9d10")


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


def _weekly(at: datetime) -> SendWeeklyReports:
    return SendWeeklyReports(last=_yesterday(at).day)


SCHEDULES = (
    Schedule("snapshot_day", _yesterday, cron="10 0 * * *", zone="UTC"),
    Schedule("roll_up_metrics", _roll_up, cron="20 0 * * *", zone="UTC"),
    Schedule("clean_up", lambda _at: CleanUp(), cron="30 1 * * *"),
    Schedule("purge_files", lambda _at: PurgeFiles(), cron="45 1 * * *"),
    Schedule("refresh_statistics", lambda _at: RefreshStatistics(), cron="5 * * * *"),
    Schedule("optimise", lambda _at: Optimise(), cron="30 2 * * 0"),
    Schedule("hand_over_files", lambda _at: HandOverFiles(), every_s=300),
    Schedule("send_digests", _digests, every_s=3_600, missed="all"),
    Schedule("send_weekly_reports", _weekly, cron="0 6 * * 1"),
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


def named(name: str) -> Schedule:
    """Raises NotFound."""
    for schedule in SCHEDULES:
        if schedule.name == name:
            return schedule
    raise NotFound("schedule.not_found", name=name)


def tick_id(schedule: Schedule, at: datetime, space: UUID = SPACE) -> UUID:
    """The job of a tick: of the job's row, and of the stream that asks for it."""
    return uuid5(space, f"{schedule.name}/{at.isoformat()}")


def by_hand(schedule: Schedule, now: datetime) -> RequestJob:
    """As at a tick, beside its ticks."""
    return RequestJob(wanted=Wanted(args=schedule.args(now)))
