"""What has to happen at its time: one leader looks after every timer, others stand by."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import NoReturn
from uuid import uuid5

import msgspec
import psycopg
import structlog
from psycopg.errors import UndefinedTable

from domain.errors import Refused
from domain.lock import LOCK, ExpireLock
from infra.db import Connection, leading
from infra.eventstore.motion import maintain
from infra.eventstore.types import Conflict, StoreOverloaded
from infra.monitoring.partitions import drop_old
from infra.monitoring.rolling import LEVELS, Level, roll
from infra.monitoring.rules import load_rules
from infra.monitoring.servers import Servers
from infra.nodes import LEASE_S
from infra.runtime import SYSTEM, Runtime
from projections.analytics_views import refresh_views
from projections.locks import LockRow, expired_locks
from projections.read import reading
from projections.replay.keyframes import keep_up
from workers.alarms import Alarms
from workers.alerting import Alerting
from workers.denied import Denied
from workers.dismissed import Dismissed
from workers.nightly import NightlyCheck
from workers.ops import TellOps
from workers.reaper import Reaper
from workers.schedules import Schedules
from workers.together import side_by_side, together
from workers.waiters import Waiters

LOCKS = 500  # expired at one tick
HOLD_S = 1.0
SILENT_S = 5.0  # a leader that hangs loses its lease
RETRY_S = 1.0
ALERT = "alert"  # the tick that looks at the rules

log = structlog.get_logger()


class Tick(msgspec.Struct, frozen=True):
    """Something done again and again; `run` gets the time, in monotonic seconds."""

    name: str
    every_s: float
    run: Callable[[float], Awaitable[None]]


class Dues:
    """When what is done again and again is to be done next; nothing where somebody else leads."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def set(self, name: str, in_s: float = 0.0) -> None:
        self._at[name] = monotonic() + in_s

    def clear(self) -> None:
        self._at.clear()

    def late_s(self, name: str) -> float | None:
        """None: it is not this process's to do."""
        due = self._at.get(name)
        return None if due is None else max(monotonic() - due, 0.0)


def ticks(runtime: Runtime, lease_s: float = LEASE_S) -> tuple[Tick, ...]:
    """Everything that is due by itself, fresh for a new leader. Raises SettingsError."""
    schedule, every_s = Schedule(runtime), runtime.settings.metrics_every_s
    return (
        Tick("expire_locks", 1.0, schedule.expire_locks),
        Tick("reap", 1.0, Reaper(runtime, lease_s)),
        Tick("unqueue", 1.0, Waiters(runtime)),
        Tick("deny", 2.0, Denied(runtime)),
        Tick("dismiss", 1.0, Dismissed(runtime)),
        Tick("maintain_motion", 60.0, schedule.maintain_motion),
        Tick("refresh_views", 5.0, schedule.refresh_views),
        Tick("schedules", 1.0, Schedules(runtime)),
        Tick("keyframes", 60.0, schedule.keyframes),
        Tick("tell_ops", 2.0, TellOps(runtime)),
        Tick("alarms", 5.0, Alarms(runtime)),
        Tick("check", 600.0, NightlyCheck(runtime)),
        Tick("measure", every_s, Servers(runtime)),
        Tick(ALERT, every_s, Alerting(runtime, load_rules(runtime.settings))),
        Tick("drop_samples", 600.0, schedule.drop_samples),
        *(Tick("roll_up", one.every_s, partial(schedule.roll_up, one)) for one in LEVELS),
    )


async def schedule(
    runtime: Runtime,
    note: Callable[[bool], None],
    lease_s: float = LEASE_S,
    dues: Dues | None = None,
) -> NoReturn:
    """Lead, or wait to lead, for ever; `note(leads)` hears about it, `dues` tell what is late."""
    dues = dues or Dues()
    while True:
        dues.clear()
        note(False)
        try:
            url = runtime.settings.database_url
            async with leading(url, "scheduler", silent_s=SILENT_S) as connection:
                note(True)
                due = [repeat(tick, dues) for tick in ticks(runtime, lease_s)]
                await side_by_side(_hold(connection), *due)
        except psycopg.OperationalError as error:
            log.warning("scheduler_stepped_down", error=str(error).strip())
            await asyncio.sleep(RETRY_S)


async def _hold(connection: Connection) -> NoReturn:
    """A lost session is a lost lease; without asking, nobody would notice."""
    while True:
        await connection.execute("SELECT 1")
        await asyncio.sleep(HOLD_S)


async def repeat(tick: Tick, dues: Dues) -> NoReturn:
    """What fails now is tried at the next tick: each looks at things as they are."""
    dues.set(tick.name)
    while True:
        try:
            await tick.run(asyncio.get_running_loop().time())
            dues.set(tick.name, tick.every_s)
        except UndefinedTable:
            log.debug("tick_too_early", name=tick.name)  # the projector makes its tables first
        except (psycopg.Error, StoreOverloaded) as error:
            log.warning("tick_failed", name=tick.name, error=str(error).strip())
        await asyncio.sleep(tick.every_s)


class Schedule:
    """The ticks that remember nothing."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def expire_locks(self, _now: float) -> None:
        async with reading(self._runtime, group="live") as db:
            over = await expired_locks(db, self._runtime.now(), LOCKS)
        await together(over, self._expire)

    async def _expire(self, lock: LockRow) -> None:
        """The id makes it one expiry a grant, however many leaders believe they lead."""
        try:
            await self._runtime.execute(
                SYSTEM,
                LOCK,
                lock.stream,
                ExpireLock(token=lock.token, now=self._runtime.now()),
                command_id=uuid5(lock.stream, f"{lock.token} expire"),
                project=lock.project,
            )
        except (Refused, Conflict) as error:  # of this one; the others must not wait for it
            log.warning("lock_not_expired", stream=str(lock.stream), error=repr(error))

    async def maintain_motion(self, _now: float) -> None:
        settings = self._runtime.settings
        done = await maintain(settings.database_url, settings.motion_retention_s)
        if done is not None and done.dropped:
            log.info("motion_dropped", partitions=done.dropped)
        if done is not None and done.held is not None:
            log.warning("motion_held", table=done.held.table, pid=done.held.pid)

    async def refresh_views(self, _now: float) -> None:
        """The analysts' views follow every switch, whoever made it."""
        async with self._runtime.db.connection() as db:
            await refresh_views(db)

    async def drop_samples(self, _now: float) -> None:
        async with self._runtime.db.connection() as db:
            dropped = await drop_old(db, self._runtime.now())
        if dropped:
            log.info("samples_dropped", partitions=dropped)

    async def roll_up(self, level: Level, _now: float) -> None:
        async with self._runtime.db.connection() as db:
            await roll(db, level, self._runtime.now())

    async def keyframes(self, _now: float) -> None:
        async with reading(self._runtime) as db:
            await keep_up(db)
