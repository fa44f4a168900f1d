"""Runtime: what every process works with, and the one place where it is put together."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from domain.kernel import Command, Decider, Metadata
from infra.api_keys import ApiKeys
from infra.blobs.door import Blobs, open_blobs
from infra.db import Pool, connect
from infra.eventstore.execute import Do, Guard, Outcome, execute
from infra.eventstore.reader import Follower
from infra.eventstore.states import Loaded, States
from infra.eventstore.store import PostgresStore
from infra.eventstore.writer import Writer
from infra.keyring import Keyring
from infra.limits import Limits
from infra.replica import Replica
from infra.settings import Settings
from infra.waiting import mend_wait_for

S = TypeVar("S")
C = TypeVar("C", bound=Command)

_VERSION_7 = 0x7 << 76 | 0x2 << 62  # and the variant
_RANDOM_BITS = (1 << 76) - 1 & ~(0x3 << 62)


class Clock:
    """Postgres's time on this machine's monotonic clock: it never jumps and nodes agree."""

    def __init__(self) -> None:
        self._base: datetime = datetime.now(UTC)
        self._started = time.monotonic()

    def now(self) -> datetime:
        """UTC, microseconds."""
        return self._base + timedelta(seconds=time.monotonic() - self._started)

    async def adjust(self, pool: Pool) -> None:
        """Take Postgres's time; half of the round trip is the error."""
        async with pool.connection() as connection:
            await connection.execute("SELECT 1")  # a warm connection makes the round trip short
            sent = time.monotonic()
            row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
            received = time.monotonic()
        if row is not None:
            self._base = row[0].astimezone(UTC)
            self._started = (sent + received) / 2


class Origin(msgspec.Struct, frozen=True):
    """By whom something is done and where it came from: the events' metadata."""

    actor: UUID | None = None
    ip: str = ""
    user_agent: str = ""
    correlation_id: UUID | None = None
    causation: int | UUID | None = None
    on_behalf_of: UUID | None = None
    api_key: UUID | None = None


SYSTEM = Origin()


class Runtime(msgspec.Struct, frozen=True):
    """The composition root's product: passed in, never imported."""

    settings: Settings
    db: Pool
    redis: Redis
    store: PostgresStore
    states: States
    clock: Clock
    node: UUID
    limits: Limits
    blobs: Blobs
    keys: Keyring
    api_keys: ApiKeys
    replica: Replica | None = None
    cluster: RedisCluster | None = None

    @property
    def bus(self) -> Redis | RedisCluster:
        """Of the live frames. No field: Litestar refuses a type of two classes."""
        return self.redis if self.cluster is None else self.cluster

    def now(self) -> datetime:
        return self.clock.now()

    def new_id(self) -> UUID:
        return uuid7(self.now())

    async def load(self, decider: Decider[S, C, Any], stream: UUID) -> Loaded[S]:
        """An aggregate's state as it is now."""
        return await self.states.load(decider, stream)

    async def execute(
        self,
        origin: Origin,
        decider: Decider[Any, Any, Any],
        stream: UUID,
        command: Command,
        *also: Do,
        command_id: UUID | None = None,
        expected: int | None = None,
        project: UUID | None = None,
        guards: Sequence[Guard] = (),
        blind: bool = False,
    ) -> Outcome:
        """Do a command, and the parts in `also` in the same transaction. See execute.execute.

        `command_id` is the stored id (execute.command_id); without one the command is not
        repeatable from outside, but still survives a lost connection.
        """
        metadata = Metadata(
            actor=origin.actor,
            on_behalf_of=origin.on_behalf_of,
            command=str(command.__struct_config__.tag),
            command_id=command_id or self.new_id(),
            correlation_id=origin.correlation_id,
            causation=origin.causation,
            project_id=project,
            ip=origin.ip,
            user_agent=origin.user_agent[:200],
            api_key=origin.api_key,
        )
        first = Do(decider, stream, command, expected, blind)
        return await execute(self.store, self.states, metadata, first, *also, guards=guards)


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncGenerator[Runtime]:
    """Everything connected and running; on leaving, what was accepted is stored first.

    `settings.database_url` and `redis_url` must be set (infra.instance finds a running one).
    """
    mend_wait_for()
    pool = _pool(settings.database_url, settings)
    clock = Clock()
    writer = Writer(settings.database_url, compress_above=settings.event_compress_above)
    follower = Follower(settings.database_url)
    redis, node = open_redis(settings), uuid4()
    limits, blobs = Limits(settings, redis, node), open_blobs(settings, clock.now)
    async with pool, _replica(settings) as replica, _cluster(settings) as cluster:
        await pool.wait(timeout=10.0)
        await clock.adjust(pool)
        keys = Keyring(settings)
        await keys.load(pool)
        store = PostgresStore(pool, writer, follower)
        states = States(store)
        writing = asyncio.create_task(writer.run(), name="writer")
        following = asyncio.create_task(states.follow(), name="states")
        sharing = asyncio.create_task(limits.run(), name="limits")
        rotating = asyncio.create_task(keys.run(pool), name="keys")
        try:
            yield Runtime(
                settings=settings,
                db=pool,
                redis=redis,
                store=store,
                states=states,
                clock=clock,
                node=node,
                limits=limits,
                blobs=blobs,
                keys=keys,
                api_keys=ApiKeys(pool),
                replica=replica,
                cluster=cluster,
            )
        finally:
            following.cancel()
            sharing.cancel()
            rotating.cancel()
            writer.close()
            await asyncio.gather(writing, following, sharing, rotating, return_exceptions=True)
            await follower.close()
            await redis.aclose()
            blobs.close()


def _pool(url: str, settings: Settings) -> Pool:
    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=settings.database_pool_size,
        kwargs={"autocommit": True},
        open=False,
        timeout=10.0,
    )


@asynccontextmanager
async def _replica(settings: Settings) -> AsyncGenerator[Replica | None]:
    """Nobody waits for it: a process starts, and answers, without."""
    if settings.database_replica_url:
        async with _pool(settings.database_replica_url, settings) as pool:
            yield Replica(pool)
    else:
        yield None


@asynccontextmanager
async def _cluster(settings: Settings) -> AsyncGenerator[RedisCluster | None]:
    """Connects when first used; a shard that is away is a gap that gateways mend from the log."""
    if not settings.redis_cluster_url:
        yield None
        return
    cluster = RedisCluster.from_url(  # pyright: ignore[reportUnknownMemberType]  # untyped options
        settings.redis_cluster_url,
        require_full_coverage=False,
        socket_connect_timeout=2.0,
        health_check_interval=15,
    )
    try:
        yield cluster
    finally:
        await cluster.aclose()


def open_redis(settings: Settings) -> Redis:
    """A client that connects when first used and retries over a short restart."""
    return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # untyped options
        settings.redis_url,
        password=settings.redis_password or None,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.02), 5),
        retry_on_error=[RedisConnectionError],
        socket_connect_timeout=2.0,
        health_check_interval=15,
    )


def uuid7(at: datetime) -> UUID:
    """A time-ordered id (RFC 9562, 5.7): 48 bits of milliseconds, 74 random bits."""
    milliseconds = int(at.timestamp() * 1_000) & (1 << 48) - 1
    random = int.from_bytes(os.urandom(10)) & _RANDOM_BITS
    return UUID(int=milliseconds << 80 | random | _VERSION_7)


async def conninfo_ok(conninfo: str) -> None:
    """Raise psycopg.OperationalError unless Postgres answers there."""
    async with await connect(conninfo, connect_timeout=5) as connection:
        await connection.execute("SELECT 1")
