"""Runtime: what every process works with, and the one place where it is put together."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4
from weakref import WeakSet

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
from infra.db import Connection, Pool, connect
from infra.eventstore.execute import Do, Guard, Outcome, execute
from infra.eventstore.follower import Follower
from infra.eventstore.lookout import Lookout
from infra.eventstore.states import Loaded, States
from infra.eventstore.store import PostgresStore
from infra.eventstore.writer import Writer
from infra.keyring import Keyring
from infra.limits import Limits
from infra.reach import EVERY_S, Reach, cut
from infra.replica import Replica
from infra.services import Service, Services
from infra.settings import Settings
from infra.tracing import doing, followed
from infra.waiting import mend_wait_for

S = TypeVar("S")
C = TypeVar("C", bound=Command)

_VERSION_7 = 0x7 << 76 | 0x2 << 62  # and the variant
_RANDOM_BITS = (1 << 76) - 1 & ~(0x3 << 62)
START_S = 10.0  # for Postgres to answer at all
CONNECT_S = 5
RECONNECT_S = 2.0  # that a pool tries by itself: else it waits ever longer, when all is well again


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
    correlation_id: UUID | None = None  # a trace's id; None: that of the current one
    causation: int | UUID | None = None
    on_behalf_of: UUID | None = None
    api_key: UUID | None = None


SYSTEM = Origin()


class Runtime(msgspec.Struct, frozen=True):
    """The composition root's product: passed in, never imported."""

    settings: Settings
    db: Pool
    pulse: Pool  # one connection, for the heartbeat: it waits behind no request
    redis: Redis
    store: PostgresStore
    states: States
    clock: Clock
    node: UUID
    limits: Limits
    blobs: Blobs
    services: Services
    reach: Reach
    keys: Keyring
    api_keys: ApiKeys
    replica: Replica | None = None
    cluster: RedisCluster | None = None
    reserving: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)  # see projections.quotas

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
        name = str(command.__struct_config__.tag)
        first = Do(decider, stream, command, expected, blind)
        command_id = command_id or self.new_id()
        trace = followed(origin.correlation_id, otherwise=command_id)
        with doing(name, trace) as open_:
            metadata = Metadata(
                actor=origin.actor,
                on_behalf_of=origin.on_behalf_of,
                command=name,
                command_id=command_id,
                correlation_id=None if trace.id is command_id else trace.id,  # not twice
                causation=origin.causation,
                project_id=project,
                ip=origin.ip,
                user_agent=origin.user_agent[:200],
                api_key=origin.api_key,
                span=open_.stored,
            )
            return await execute(self.store, self.states, metadata, first, *also, guards=guards)


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncGenerator[Runtime]:
    """Everything connected and running; on leaving, what was accepted is stored first.

    `settings.database_url` and `redis_url` must be set (infra.instance finds a running one).
    """
    mend_wait_for()
    clock, redis, node = Clock(), open_redis(settings), uuid4()
    lent: WeakSet[Connection] = WeakSet()
    pool = open_pool(settings.database_url, settings.database_pool_size, lent)
    pulse = open_pool(settings.database_url, 1, lent)
    writer = Writer(settings.database_url, compress_above=settings.event_compress_above)
    follower, lookout = Follower(settings.database_url), Lookout(settings.database_url)
    store = PostgresStore(pool, writer, follower, lookout)

    def lost() -> None:
        for connection in lent:
            cut(connection)
        writer.cut()
        follower.cut()
        lookout.cut()

    async def back() -> None:
        await pool.check()
        await pulse.check()

    reach = Reach(settings.database_url, lost, back)
    services = Services(clock.now)
    runtime = Runtime(
        settings,
        pool,
        pulse,
        redis,
        store,
        States(store),
        clock,
        node,
        Limits(settings, redis, node),
        open_blobs(settings, clock.now),
        services,
        reach,
        Keyring(settings),
        ApiKeys(pool),
        _replica(settings),
        open_cluster(settings),
    )
    try:
        async with services.running(*_parts(runtime, writer)):
            yield runtime
    finally:
        runtime.blobs.close()


def _parts(runtime: Runtime, writer: Writer) -> list[Service]:
    """What runs by itself in every process."""
    reach, limits, blobs = runtime.reach, runtime.limits, runtime.blobs
    found = [
        Service(
            name="postgres",
            open=partial(_connected, runtime),
            check=reach.ping,
            server=True,
            every_s=EVERY_S,
            most_s=EVERY_S,
            patience_s=2 * CONNECT_S,
            stop_s=10.0,
        ),
        Service(
            name="redis",
            open=partial(_closing, runtime.redis.aclose),
            check=partial(_redis_answers, runtime.redis),
            essential=False,
            server=True,
            every_s=2.0,
            most_s=5.0,
        ),
        Service(name="writer", needs=("postgres",), run=partial(_write, writer), stop_s=15.0),
        Service(name="states", needs=("postgres",), run=runtime.states.follow),
        Service(
            name="keys",
            needs=("postgres",),
            open=partial(_loaded, runtime),
            run=partial(runtime.keys.run, runtime.db),
        ),
        Service(name="limits", needs=("redis",), run=limits.run, essential=False),
    ]
    if blobs.far is not None:
        found.append(outside("s3", blobs.probe))
    if (replica := runtime.replica) is not None:
        follows = outside("replica", replica.require)
        found.append(msgspec.structs.replace(follows, open=replica.open))
    if (cluster := runtime.cluster) is not None:
        found.append(
            Service(name="cluster", open=partial(_closing, cluster.aclose), essential=False)
        )
    return found


def outside(name: str, check: Callable[[], Awaitable[None]]) -> Service:
    """A server without which all else goes on, looked at beside the work."""
    return Service(
        name=name, check=check, essential=False, server=True, patience_s=4.0, most_s=10.0
    )


@asynccontextmanager
async def _connected(runtime: Runtime) -> AsyncGenerator[None]:
    reach, pool, pulse = runtime.reach, runtime.db, runtime.pulse
    async with pool, pulse:
        try:
            if not await reach.begin(START_S):
                await pool.check()
                await pulse.check()
            await pool.wait(timeout=START_S)
            await pulse.wait(timeout=START_S)
            await runtime.clock.adjust(pool)
            yield
        finally:
            await runtime.store.follower.close()
            await runtime.store.lookout.close()
            await reach.close()


@asynccontextmanager
async def _loaded(runtime: Runtime) -> AsyncGenerator[None]:
    await runtime.keys.load(runtime.db)
    yield


async def _redis_answers(redis: Redis) -> None:
    await redis.ping()  # pyright: ignore[reportUnknownMemberType]  # untyped in redis-py


@asynccontextmanager
async def _closing(close: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await close()


async def _write(writer: Writer) -> None:
    """Until cancelled; then what was accepted is stored first."""
    running = asyncio.ensure_future(writer.run())
    try:
        await asyncio.shield(running)
    finally:
        writer.close()
        await running


def open_pool(url: str, size: int, lent: WeakSet[Connection] | None = None) -> Pool:
    """To be entered. What it connects is put into `lent`."""

    async def lend(connection: Connection) -> None:
        if lent is not None:
            lent.add(connection)

    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=size,
        kwargs={"autocommit": True, "connect_timeout": CONNECT_S},
        configure=lend,
        open=False,
        timeout=10.0,
        reconnect_timeout=RECONNECT_S,
    )


def _replica(settings: Settings) -> Replica | None:
    if not settings.database_replica_url:
        return None
    return Replica(open_pool(settings.database_replica_url, settings.database_pool_size))


def open_cluster(settings: Settings) -> RedisCluster | None:
    """Connects when first used; a shard that is away is a gap that gateways mend from the log."""
    if not settings.redis_cluster_url:
        return None
    return RedisCluster.from_url(  # pyright: ignore[reportUnknownMemberType]  # untyped options
        settings.redis_cluster_url,
        require_full_coverage=False,
        socket_connect_timeout=2.0,
        health_check_interval=15,
    )


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
