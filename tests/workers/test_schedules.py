"""Schedules: which ticks are due, which are made good, and that each is one run."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from uuid import UUID

import pytest

from domain.job_args import Ping
from domain.jobs import JobRequested
from domain.registry import tag_of
from domain.schedules import SCHEDULES, Schedule, missed, tick_id, ticks
from infra.eventstore.types import MAX_READ
from infra.runtime import Runtime
from tests.clocks import showing
from workers.schedules import Schedules

NINE = datetime(2026, 3, 28, 9, 0, tzinfo=UTC)


def ping(_at: datetime) -> Ping:
    return Ping()


def daily(cron: str = "30 2 * * *", zone: str = "Europe/Berlin") -> Schedule:
    return Schedule("daily", ping, cron=cron, zone=zone)


def first(schedule: Schedule, after: datetime, count: int, zone: str = "UTC") -> list[str]:
    return [at.isoformat() for at in islice(ticks(schedule, after, zone), count)]


def test_hours_are_those_of_the_zone() -> None:
    assert first(daily("0 8 * * 1"), NINE, 2) == [
        "2026-03-30T06:00:00+00:00",
        "2026-04-06T06:00:00+00:00",
    ]
    assert first(daily("0 8 * * *", zone=""), NINE, 1, zone="Asia/Tokyo") == [
        "2026-03-28T23:00:00+00:00"
    ]


def test_an_hour_that_is_left_out_or_comes_twice_is_one_tick() -> None:
    """Germany goes from 2:00 to 3:00 on 29 March, and back from 3:00 to 2:00 on 25 October."""
    spring = first(daily(), NINE, 3)
    assert spring == [
        "2026-03-29T01:00:00+00:00",  # 3:00 there, at once
        "2026-03-30T00:30:00+00:00",
        "2026-03-31T00:30:00+00:00",
    ]
    autumn = first(daily(), datetime(2026, 10, 24, 9, tzinfo=UTC), 2)
    assert autumn == ["2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"]


def test_an_interval_is_counted_from_1970() -> None:
    often = Schedule("often", ping, every_s=90)
    assert first(often, NINE, 2) == ["2026-03-28T09:01:30+00:00", "2026-03-28T09:03:00+00:00"]


@pytest.mark.parametrize(("policy", "kept"), [("none", []), ("last", [2]), ("all", [0, 1, 2])])
def test_what_was_missed_is_made_good_as_the_schedule_says(policy: str, kept: list[int]) -> None:
    due = [NINE + timedelta(hours=n) for n in range(3)]
    schedule = Schedule("s", ping, every_s=3_600, missed=policy)  # pyright: ignore[reportArgumentType]
    assert missed(schedule, due, NINE + timedelta(hours=5)) == [due[n] for n in kept]


def test_what_is_on_time_runs_whatever_the_policy() -> None:
    due = [NINE, NINE + timedelta(hours=1)]
    schedule = Schedule("s", ping, every_s=3_600, missed="none")
    assert missed(schedule, due, NINE + timedelta(minutes=59)) == due[1:]


def test_every_schedule_has_a_name_of_its_own_and_a_next_tick() -> None:
    assert len({schedule.name for schedule in SCHEDULES}) == len(SCHEDULES)
    for schedule in SCHEDULES:
        at = next(ticks(schedule, NINE, "UTC"))
        assert schedule.args(at)


# With a log


async def requested(runtime: Runtime) -> list[UUID]:
    events = await runtime.store.read(0, MAX_READ, types=[tag_of(JobRequested)])
    return [one.stream for one in events]


async def look(runtime: Runtime, schedule: Schedule, late_s: float = 60.0) -> None:
    await Schedules(runtime, (schedule,), late_s)(0.0)


async def seen(runtime: Runtime, at: datetime) -> None:
    async with runtime.db.connection() as db:
        await db.execute("UPDATE formula_schedules SET seen_at = %s", (at,))


async def test_a_new_schedule_begins_now(runtime: Runtime) -> None:
    await look(runtime, Schedule("often", ping, every_s=86_400, missed="all"))
    assert await requested(runtime) == []


async def test_a_tick_is_one_run_however_many_lead(runtime: Runtime) -> None:
    schedule = Schedule("often", ping, every_s=3_600, missed="all")
    await look(runtime, schedule)
    now = runtime.now()
    before = now - timedelta(hours=5)
    await seen(runtime, before)
    await asyncio.gather(*(look(runtime, schedule) for _ in range(4)))
    await seen(runtime, before)  # as if killed before it wrote down what it did
    await look(runtime, schedule)
    jobs = await requested(runtime)
    due = takewhile(lambda at: at <= now, ticks(schedule, before, "UTC"))
    assert {tick_id(schedule, at) for at in due} <= set(jobs)
    assert len(set(jobs)) == len(jobs)


async def test_a_long_pause_is_one_run_where_the_last_one_counts(runtime: Runtime) -> None:
    schedule = Schedule("often", ping, every_s=3_600, missed="last")
    later = showing(runtime, lambda: NINE + timedelta(minutes=30))
    await look(later, schedule)
    await seen(runtime, NINE - timedelta(days=3))
    await look(later, schedule, late_s=0.0)
    assert await requested(runtime) == [tick_id(schedule, NINE)]
    await look(later, schedule, late_s=0.0)
    assert len(await requested(runtime)) == 1


async def test_a_clock_that_was_ahead_holds_no_schedule_up(runtime: Runtime) -> None:
    """Neither the leader that has seen it nor the next one."""
    hour, days = timedelta(hours=1), timedelta(days=30)
    schedule = Schedule("often", ping, every_s=3_600, missed="last")
    now = NINE - hour / 2

    def show() -> datetime:
        return now

    leader = Schedules(showing(runtime, show), (schedule,))
    for at in (now, NINE + days, NINE - hour / 3):  # ahead, and put right
        now = at
        await leader(0.0)
    now = NINE
    await leader(0.0)
    assert tick_id(schedule, NINE) in await requested(runtime)
    now = NINE + hour
    await Schedules(showing(runtime, show), (schedule,))(0.0)
    assert tick_id(schedule, NINE + hour) in await requested(runtime)
