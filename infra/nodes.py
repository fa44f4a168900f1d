"""Who is running: a row for each process, kept alive by a heartbeat, judged by Postgres's clock."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg.rows import class_row

from infra import loggers
from infra.db import Connection, Pool
from infra.runtime import Clock, Runtime, open_pool, uuid7
from infra.services import Service, ServiceState, State
from infra.supervisor import ProcessState, Supervisor

BEAT_S = 1.0
LEASE_S = 5.0  # a node unseen for longer is gone
KEPT_S = 3_600.0  # rows of nodes long gone

MOST_SERVICES = 40  # told of

# Of a scheduler that leads: since when it should have looked at the rules of alerts; and the most.
ALERTS_LATE_S, LATE_S = "alerts_late_s", 60.0

ROLES = ("api", "projector", "worker", "scheduler")

log = structlog.get_logger()


class Node(msgspec.Struct, frozen=True):
    """A process as others see it."""

    node: UUID
    role: str
    name: str
    pid: int
    state: str  # starting, ready, unready (an essential service is not up), stopping
    detail: dict[str, Any]
    started_at: datetime
    seen_at: datetime
    alive: bool

    @property
    def status(self) -> str:
        return self.state if self.alive else "gone"

    @property
    def services(self) -> list[ServiceState]:
        """None of an older version's process."""
        return msgspec.convert(self.detail.get("services", []), list[ServiceState])


# Returns what it is told: the levels that operators want (infra/log_levels.py).
BEAT = """
WITH beat AS (
    INSERT INTO formula_nodes (node, role, name, pid, state, detail)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (node) DO UPDATE SET state = excluded.state,
    detail = excluded.detail, seen_at = clock_timestamp()
)
SELECT logger, level, until FROM formula_log_levels WHERE until > clock_timestamp() LIMIT 1000
"""


class Heart:
    """A process's row; what is set goes out with the next beat."""

    def __init__(
        self,
        db: Pool,
        node: UUID,
        role: str,
        services: Callable[[], Sequence[ServiceState]],
        now: Callable[[], datetime],
    ) -> None:
        self._db, self._node, self._role, self._services, self._now = db, node, role, services, now
        self._changed = asyncio.Event()
        self._levels: list[tuple[str, str, datetime]] = []
        self.state = "starting"
        self.started = False  # it was ready at least once
        self.detail: Mapping[str, object] = {}
        self.report: Callable[[], Mapping[str, object]] = dict  # what is new with every beat

    def set(self, state: str) -> None:
        self.state = state
        self.started |= state == "ready"
        self._changed.set()

    async def run(self) -> None:
        """Beat until cancelled; a beat that fails is simply followed by the next."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self.beat()
            except (psycopg.Error, TimeoutError) as error:
                log.warning("heartbeat_failed", error=str(error).strip())
            now = self._now()  # Postgres may be away
            levels = {name: level for name, level, until in self._levels if until > now}
            if loggers.ask(levels):
                log.warning("log_levels_changed", levels=levels)

    async def beat(self) -> None:
        services = self._services()[:MOST_SERVICES]
        lacks = any(one.essential and not one.is_up for one in services)
        state = "unready" if lacks and self.state == "ready" else self.state
        told = {**self.detail, **self.report(), "services": services}
        async with self._db.connection(timeout=BEAT_S) as connection:
            cursor = await connection.execute(
                BEAT,
                (
                    self._node,
                    self._role,
                    socket.gethostname(),
                    os.getpid(),
                    state,
                    msgspec.json.encode(told).decode(),
                ),
            )
            self._levels = await cursor.fetchall()

    async def leave(self) -> None:
        async with self._db.connection(timeout=BEAT_S) as connection:
            await connection.execute("DELETE FROM formula_nodes WHERE node = %s", (self._node,))


@asynccontextmanager
async def heartbeat(runtime: Runtime, role: str) -> AsyncGenerator[Heart]:
    """Beat while inside; on leaving, the row goes."""
    heart = Heart(runtime.pulse, runtime.node, role, runtime.services.state, runtime.now)
    beating = Service(name="heartbeat", needs=("postgres",), run=heart.run)
    await heart.beat()
    try:
        async with runtime.services.running(beating):
            yield heart
    finally:
        await gone(heart)


@asynccontextmanager
async def supervised(url: str, supervisor: Supervisor) -> AsyncGenerator[None]:
    """Beat for a supervisor, whose services are its processes; without Postgres it goes on."""
    clock = Clock()

    def told() -> list[ServiceState]:
        return [_as_service(one, clock.now()) for one in supervisor.state()]

    async with open_pool(url, 1) as pool:
        heart = Heart(pool, uuid7(clock.now()), "supervisor", told, clock.now)
        heart.set("ready")
        beating = asyncio.create_task(heart.run(), name="heartbeat")
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await gone(heart)


def _as_service(one: ProcessState, now: datetime) -> ServiceState:
    state = State.UP if one.state == "ready" else State(one.state)
    since = now - timedelta(seconds=one.for_s)
    return ServiceState(name=one.name, state=state, since=since, restarts=one.restarts)


async def gone(heart: Heart) -> None:
    """Nobody waits for its lease to end."""
    try:
        await heart.leave()
    except (psycopg.Error, TimeoutError) as error:
        log.warning("heartbeat_not_removed", error=str(error).strip())


NODES = """
SELECT node, role, name, pid, state, detail, started_at, seen_at,
    seen_at > clock_timestamp() - make_interval(secs => %(lease)s) AS alive
FROM formula_nodes WHERE seen_at > clock_timestamp() - make_interval(secs => %(kept_s)s)
ORDER BY role, started_at, node LIMIT 1000
"""


async def nodes(runtime: Runtime) -> list[Node]:
    """Every process of the last hour, by role and age."""
    async with (
        runtime.db.connection() as connection,
        connection.cursor(row_factory=class_row(Node)) as cursor,
    ):
        await cursor.execute(NODES, {"lease": LEASE_S, "kept_s": KEPT_S})
        return await cursor.fetchall()


def missing_roles(found: Iterable[Node]) -> list[str]:
    """The roles of which no process is alive and ready."""
    there = {node.role for node in found if node.status == "ready"}
    return [role for role in ROLES if role not in there]


def degraded(found: Sequence[Node], mine: Iterable[str]) -> list[str]:
    """What this process or another that is alive finds away, and does without; alerts as well,
    whose rules nobody looks at.
    """
    theirs = (one.name for node in found if node.alive for one in node.services if one.is_lacked)
    late = ["alerts"] if alerts_late_s(found) > LATE_S else []
    return sorted({*mine, *theirs, *late})


def alerts_late_s(found: Sequence[Node]) -> float:
    """Since when somebody should have looked at the rules of alerts. A scheduler that hangs, or has
    gone, is as late as it was, and later.
    """
    newest = max((node.seen_at for node in found), default=None)
    late = [
        node.detail[ALERTS_LATE_S] + (newest - node.seen_at).total_seconds()
        for node in found
        if newest is not None and node.detail.get(ALERTS_LATE_S) is not None
    ]
    return min(late, default=0.0)


async def forget_nodes(db: Connection) -> int:
    """Those that nobody has seen for KEPT_S; how many."""
    cursor = await db.execute(
        "DELETE FROM formula_nodes WHERE seen_at < clock_timestamp() - make_interval(secs => %s)",
        (KEPT_S,),
    )
    return cursor.rowcount
