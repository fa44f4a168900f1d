"""Who is running: a row for each process, kept alive by a heartbeat, judged by Postgres's clock."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg.rows import class_row

from infra import loggers
from infra.db import Connection
from infra.runtime import Runtime

BEAT_S = 1.0
LEASE_S = 5.0  # a node unseen for longer is gone
KEPT_S = 3_600.0  # rows of nodes long gone

ROLES = ("api", "projector", "worker", "scheduler")

log = structlog.get_logger()


class Node(msgspec.Struct, frozen=True):
    """A process as others see it."""

    node: UUID
    role: str
    name: str
    pid: int
    state: str  # starting, ready, stopping
    detail: dict[str, Any]
    started_at: datetime
    seen_at: datetime
    alive: bool


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
    """This process's row; `ready` and `detail` go out with the next beat."""

    def __init__(self, runtime: Runtime, role: str) -> None:
        self._runtime = runtime
        self._role = role
        self._changed = asyncio.Event()
        self._levels: list[tuple[str, str, datetime]] = []
        self.state = "starting"
        self.detail: Mapping[str, object] = {}
        self.report: Callable[[], Mapping[str, object]] = dict  # what is new with every beat

    def set(self, state: str) -> None:
        self.state = state
        self._changed.set()

    async def run(self) -> None:
        """Beat until cancelled; a beat that fails is simply followed by the next."""
        while True:
            try:
                await self.beat()
            except (psycopg.Error, TimeoutError) as error:
                log.warning("heartbeat_failed", error=str(error).strip())
            now = self._runtime.now()  # Postgres may be away
            levels = {name: level for name, level, until in self._levels if until > now}
            if loggers.ask(levels):
                log.warning("log_levels_changed", levels=levels)
            self._changed.clear()
            try:
                async with asyncio.timeout(BEAT_S):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def beat(self) -> None:
        async with self._runtime.db.connection(timeout=BEAT_S) as connection:
            cursor = await connection.execute(
                BEAT,
                (
                    self._runtime.node,
                    self._role,
                    socket.gethostname(),
                    os.getpid(),
                    self.state,
                    msgspec.json.encode({**self.detail, **self.report()}).decode(),
                ),
            )
            self._levels = await cursor.fetchall()

    async def leave(self) -> None:
        async with self._runtime.db.connection(timeout=BEAT_S) as connection:
            await connection.execute(
                "DELETE FROM formula_nodes WHERE node = %s", (self._runtime.node,)
            )


@asynccontextmanager
async def heartbeat(runtime: Runtime, role: str) -> AsyncGenerator[Heart]:
    """Beat while inside; on leaving, the row says "stopping" and then goes."""
    heart = Heart(runtime, role)
    await heart.beat()
    beating = asyncio.create_task(heart.run(), name="heartbeat")
    try:
        yield heart
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
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


async def missing_roles(runtime: Runtime) -> list[str]:
    """The roles of which no process is alive and ready."""
    there = {node.role for node in await nodes(runtime) if node.alive and node.state == "ready"}
    return [role for role in ROLES if role not in there]


async def forget_nodes(db: Connection) -> int:
    """Those that nobody has seen for KEPT_S; how many."""
    cursor = await db.execute(
        "DELETE FROM formula_nodes WHERE seen_at < clock_timestamp() - make_interval(secs => %s)",
        (KEPT_S,),
    )
    return cursor.rowcount
