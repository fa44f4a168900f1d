"""How every process and server is, as seen by the process that answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from redis.exceptions import RedisError

from infra.nodes import ROLES, Node, nodes
from infra.runtime import Runtime

PATIENCE_S = 2.0


class ServiceHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """A server that the processes need. `since`: when this process first saw it so."""

    name: str
    status: str  # up, down
    since: datetime
    latency_ms: float | None = None


class ProcessHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """`since`: when it started. `detail` only for those who may see it."""

    role: str
    status: str  # starting, ready, stopping, gone
    since: datetime
    latency_ms: float | None = None  # since its last heartbeat
    detail: dict[str, Any] | None = None


class Summary(msgspec.Struct, frozen=True):
    """`status`: up; degraded, when a role or Redis is missing; down, when Postgres is."""

    status: str
    services: list[ServiceHealth]
    processes: list[ProcessHealth]


class Watch:
    """Remembers since when each server has been as it is."""

    def __init__(self, started: datetime) -> None:
        self.started = started
        self._seen: dict[str, tuple[str, datetime]] = {}

    async def summary(self, runtime: Runtime, *, detailed: bool) -> Summary:
        postgres, redis = await asyncio.gather(
            self._check(runtime, "postgres", _ask_postgres),
            self._check(runtime, "redis", _ask_redis),
        )
        found = await nodes(runtime) if postgres.status == "up" else []
        return Summary(
            status=_overall(postgres, redis, found),
            services=[postgres, redis],
            processes=[_process(runtime, node, detailed=detailed) for node in found],
        )

    async def _check(
        self, runtime: Runtime, name: str, ask: Callable[[Runtime], Awaitable[None]]
    ) -> ServiceHealth:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await ask(runtime)
        except (psycopg.OperationalError, RedisError, OSError, TimeoutError):
            return ServiceHealth(name, "down", self._since(name, "down", runtime.now()))
        latency = round((time.perf_counter() - started) * 1_000, 2)
        return ServiceHealth(name, "up", self._since(name, "up", runtime.now()), latency)

    def _since(self, name: str, status: str, now: datetime) -> datetime:
        was, since = self._seen.get(name, ("", now))
        if was != status:
            since = now
        self._seen[name] = (status, since)
        return since


async def _ask_postgres(runtime: Runtime) -> None:
    async with runtime.db.connection(timeout=PATIENCE_S) as connection:
        await connection.execute("SELECT 1")


async def _ask_redis(runtime: Runtime) -> None:
    await runtime.redis.ping()  # pyright: ignore[reportUnknownMemberType]  # untyped in redis-py


def _overall(postgres: ServiceHealth, redis: ServiceHealth, found: list[Node]) -> str:
    if postgres.status == "down":
        return "down"
    ready = {node.role for node in found if node.alive and node.state == "ready"}
    return "up" if redis.status == "up" and ready.issuperset(ROLES) else "degraded"


def _process(runtime: Runtime, node: Node, *, detailed: bool) -> ProcessHealth:
    status = node.state if node.alive else "gone"
    if not detailed:
        return ProcessHealth(node.role, status, node.started_at)
    silent = (runtime.now() - node.seen_at).total_seconds() * 1_000
    about = {"node": str(node.node), "host": node.name, "pid": node.pid, **node.detail}
    return ProcessHealth(node.role, status, node.started_at, round(max(silent, 0.0), 1), about)
