"""The ticks that became due, by the clock: see domain/schedules.py.

A tick is an event, in a stream of its own named by schedule and time: however many schedulers
believe they lead, and however often one is killed at it, there is one run of each tick.
"""

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from uuid import UUID

import psycopg
import structlog

from domain.errors import WrongState
from domain.jobs import JOB, RequestJob, Wanted
from domain.schedules import SCHEDULES, SPACE, Schedule, missed, tick_id, ticks
from infra.db import Connection
from infra.eventstore.types import Conflict
from infra.runtime import SYSTEM, Runtime

MOST_MISSED = 1_000  # ticks of a schedule that are made good, where all are

log = structlog.get_logger()


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
            if after is None or after > now:  # clocks are set back, and rows with them
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
    """A schedule that is new begins now; nothing is seen before its time."""
    cursor = await db.execute(
        "INSERT INTO formula_schedules (name, seen_at) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE"
        " SET seen_at = least(formula_schedules.seen_at, excluded.seen_at) RETURNING seen_at",
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
