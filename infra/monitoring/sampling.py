"""Every process writes down, again and again, what it has measured."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

import msgspec
import psutil
import psycopg
import structlog
from redis.exceptions import RedisError

from infra.db import Connection
from infra.metrics import (
    Family,
    Gauges,
    Kind,
    Labels,
    Metric,
    Metrics,
    Point,
    Totals,
    labelled,
)
from infra.monitoring.loop import Lag, watching
from infra.monitoring.machine import Machine
from infra.monitoring.partitions import make
from infra.monitoring.samples import UP, Batch, Increases, write
from infra.runtime import Runtime

BACKLOG_S = 300  # of samples that wait for Postgres; roll-ups look back for longer
PATIENCE_S = 2.0  # for a connection, and for the last sample
HERE = Family(UP, "1: it runs", Kind.GAUGE, (Point((), 1.0),))

log = structlog.get_logger()


class Sampler:
    """Writes what `metrics` tell, under a role.

    Without Postgres batches wait. When too many do, no more are taken: what is counted meanwhile
    is in the first one afterwards, so that no total is wrong; only gauges of that time are lost.
    """

    def __init__(
        self, runtime: Runtime, role: str, metrics: Metrics, *, begun: bool = True
    ) -> None:
        self._runtime = runtime
        self._role = role
        self._metrics = metrics
        self._increases = Increases(begun=begun)
        self._waiting: deque[Batch] = deque()
        self._day: date | None = None  # that there is a partition for
        self._most = max(BACKLOG_S // runtime.settings.metrics_every_s, 1)

    async def sample(self, at: datetime) -> list[Family]:
        """Take one, and write all that wait; what was read."""
        families = self._metrics.read()
        if len(self._waiting) < self._most:
            self._waiting.append(Batch(at, self._role, self._increases.take(families)))
        await self._write()
        return families

    async def _write(self) -> None:
        try:
            async with self._runtime.db.connection(timeout=PATIENCE_S) as db:
                while self._waiting:
                    await self._write_one(db, self._waiting[0])
                    self._waiting.popleft()
        except (psycopg.Error, TimeoutError) as error:
            log.warning("samples_wait", batches=len(self._waiting), error=str(error).strip())

    async def _write_one(self, db: Connection, batch: Batch) -> None:
        if self._day != batch.at.date():  # nobody may have made room for it
            await make(db, batch.at)
            self._day = batch.at.date()
        await write(db, self._runtime.node, batch)


@asynccontextmanager
async def sampling(runtime: Runtime, role: str, metrics: Metrics) -> AsyncGenerator[None]:
    """Sample this process while inside, and once more on leaving."""
    machine = Machine(runtime.settings)
    metrics.include(machine.metrics)
    metrics.include(lambda: _pool(runtime))
    with watching(metrics) as lag:
        sampler = Sampler(runtime, role, metrics)
        running = asyncio.create_task(_run(runtime, role, sampler, machine, lag), name="sampling")
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await sampler.sample(runtime.now())


async def _run(runtime: Runtime, role: str, sampler: Sampler, machine: Machine, lag: Lag) -> None:
    while True:
        at = await tick(runtime)
        try:
            await asyncio.to_thread(machine.look)
        except (OSError, psutil.Error) as error:
            log.warning("machine_not_seen", error=repr(error))
        families = await sampler.sample(at)
        lag.worst = 0.0
        if role != "api":
            whose = (("role", role), ("node", str(runtime.node)))
            told = [HERE, *families]
            await share(runtime, str(runtime.node), [labelled(one, *whose) for one in told])


async def tick(runtime: Runtime) -> datetime:
    """Wait for the next moment to sample, which all processes have in common; when that is."""
    every_s, now = runtime.settings.metrics_every_s, runtime.now().timestamp()
    due = (now // every_s + 1) * every_s
    await asyncio.sleep(due - now)
    return datetime.fromtimestamp(due, UTC)


def _pool(runtime: Runtime) -> list[Metric]:
    """Of connections to Postgres. What is nought, the pool does not tell."""
    told = runtime.db.get_stats()

    def value(key: str, scale: float = 1.0) -> dict[Labels, float]:
        return {(): told.get(key, 0) * scale}

    wait = "formula_pool_wait_seconds_total"
    return [
        Gauges("formula_pool_connections", "to Postgres, of the pool", value("pool_size")),
        Gauges("formula_pool_idle", "of them, that nobody uses", value("pool_available")),
        Gauges("formula_pool_waiting", "who wait for one now", value("requests_waiting")),
        Totals("formula_pool_taken_total", "times one was taken", value("requests_num")),
        Totals(wait, "that was waited for one", value("requests_wait_ms", 0.001)),
        Totals("formula_pool_errors_total", "who got none", value("requests_errors")),
    ]


async def share(runtime: Runtime, key: str, families: list[Family]) -> None:
    """Let API processes tell a scraper: they alone have a port. Without Redis they do not."""
    name = _key(runtime, key)
    life_s = 3 * runtime.settings.metrics_every_s
    try:
        await runtime.redis.set(name, msgspec.msgpack.encode(families), ex=life_s)
    except (RedisError, OSError) as error:
        log.debug("metrics_not_shared", error=repr(error))


async def shared(runtime: Runtime, keys: list[str]) -> list[Family]:
    """What other processes told last. Raises RedisError."""
    if not keys:
        return []
    found = await runtime.redis.mget([_key(runtime, key) for key in keys])
    decode = msgspec.msgpack.Decoder(list[Family]).decode
    told = [one.encode() if isinstance(one, str) else one for one in found if one is not None]
    return [family for one in told for family in decode(one)]


def _key(runtime: Runtime, key: str) -> str:
    return f"{runtime.settings.redis_prefix}metrics:{key}"
