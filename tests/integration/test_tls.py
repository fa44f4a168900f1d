"""Postgres, Redis and S3 over TLS: each way to them asks for a right certificate, and no less."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import msgspec
import psycopg
import pytest
from msgspec.structs import replace
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisClusterException, RedisError

from api.commands.failures import said
from bench.seaweed import KEY_ID, SECRET, Seaweed, seaweed
from domain.lock import LOCK, lock_stream
from domain.project import PROJECT, ProjectRole
from infra.blobs.door import open_blobs
from infra.blobs.model import Unavailable
from infra.blobs.tape import PART
from infra.bounded import MOST, TooMuch, bounded
from infra.bus import channel
from infra.eventstore.lookout import Lookout
from infra.eventstore.pipe import open_pipe, rows
from infra.folder import free_port
from infra.jobs.queues import queues_of
from infra.reach import Reach
from infra.runtime import (
    Runtime,
    conninfo_ok,
    open_cluster,
    open_pool,
    open_redis,
    open_runtime,
)
from infra.settings import Settings
from infra.subscriptions import subscriptions
from migrations.runner import migrate, pending
from tests.integration.command import formula
from tests.integration.sockets import Live, live_gateway
from tests.integration.test_shards import PREFIX, Ear, tell
from tests.shards import SLOTS, Shard
from tests.tls import ELSEWHERE, HERE, Authority, Terminator, terminating
from tests.workers.office import until
from workers.broker import HintBroker, send_hints

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("seaweed")]

WAIT_S = 15.0
CONNECT_S = 5.0
TRIES = 5
CHANNELS = ("PUBSUB", "SHARDCHANNELS")
LARGE = 1 << 20  # characters: many records of TLS

ROOM = f"project:{UUID(int=1)}"
REFUSALS = (psycopg.OperationalError, PoolTimeout, RedisError, RedisClusterException, Unavailable)

Terminators = dict[str, Terminator]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("s3")) as running:
        running.bucket("tls").close()
        yield running


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


@contextmanager
def over_tls(
    plain: Settings, s3: str, trusted: Authority, signs: Authority, at: Any = HERE
) -> Generator[tuple[Settings, Terminators]]:
    """The settings that lead to all servers by TLS alone, and what stands before them."""
    upstream = {
        "postgres": int(conninfo_to_dict(plain.database_url)["port"] or 0),
        "redis": port_of(plain.redis_url),
        "s3": port_of(s3),
    }
    with ExitStack() as stack:
        before = {
            name: stack.enter_context(
                terminating(port, signs.serves(at), postgres=name == "postgres")
            )
            for name, port in upstream.items()
        }
        redis = urlsplit(plain.redis_url)
        where = redis.netloc.replace(f":{redis.port}", f":{before['redis'].port}")
        yield (
            replace(
                plain,
                database_url=make_conninfo(
                    plain.database_url,
                    port=before["postgres"].port,
                    sslmode="verify-full",
                    sslrootcert=str(trusted.file),
                ),
                redis_url=urlunsplit(
                    ("rediss", where, redis.path, f"ssl_ca_certs={trusted.file}", "")
                ),
                aws_access_key_id=KEY_ID,
                aws_secret_access_key=SECRET,
                aws_s3_bucket="tls",
                aws_endpoint_url=f"https://127.0.0.1:{before['s3'].port}",
                aws_ca_bundle=str(trusted.file),
                local_storage_enabled=False,
            ),
            before,
        )


class TestRight:
    @pytest.fixture
    def before(self) -> Terminators:
        return {}

    @pytest.fixture
    def settings(
        self, settings: Settings, server: Seaweed, ours: Authority, before: Terminators
    ) -> Iterator[Settings]:
        with over_tls(settings, server.url, ours, ours) as (secured, found):
            before.update(found)
            yield secured

    async def test_everything_goes_on_over_tls_and_nothing_beside_it(
        self, projected: Runtime, before: Terminators
    ) -> None:
        runtime, url = projected, projected.settings.database_url
        migrate(url)
        assert not pending(url)
        async with (
            open_runtime(runtime.settings) as elsewhere,
            live_gateway(runtime) as one,
            live_gateway(elsewhere) as other,
        ):
            await meet(one, other)
        for size in (LARGE, PART + 1):
            await runtime.blobs.put("k", bytes(size), content_type="text/plain", name="a.txt")
            opened = await runtime.blobs.open("k")
            assert b"".join([piece async for piece in opened.content]) == bytes(size)
        assert await runtime.redis.ping()  # pyright: ignore[reportUnknownMemberType]
        assert await hinted(runtime)
        code, out, err = await formula(runtime, "doctor", "--json")
        states = {one["name"]: one["state"] for one in msgspec.json.decode(out)["checks"]}
        assert {states[name] for name in ("Postgres", "S3")} == {"ok"}, (code, err)
        assert states["Redis"] != "fail"
        assert all(one.secured for one in before.values())
        assert not any(one.plain for one in before.values())

    async def test_large_answers_come_whole(self, runtime: Runtime) -> None:
        """More than libpq takes from TLS at a time: the rest is in no socket to wait for."""
        async with asyncio.timeout(WAIT_S), runtime.db.connection() as db:
            for size in (8_000, 8_192, 16_384, 20_000, LARGE):
                row = await (await db.execute("SELECT repeat('x', %s)", (size,))).fetchone()
                assert row == ("x" * size,)
        statement = {"many": "SELECT repeat('x', $1::int)"}
        pipe = await open_pipe(runtime.settings.database_url, "", statement, ())
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(WAIT_S):
            for size in (8_000, 8_192, 16_384, 20_000, LARGE):
                answer: asyncio.Future[Any] = loop.create_future()
                pipe.send(answer.set_result, (b"many", [size.to_bytes(4)]))
                [found] = await answer
                assert rows(found) == [(b"x" * size,)]
        await pipe.close()
        async with asyncio.timeout(WAIT_S), bounded(runtime.settings.database_url) as narrow:
            for size in (8_000, 8_192, 16_384, 20_000, LARGE):
                row = await (await narrow.execute("SELECT repeat('x', %s)", (size,))).fetchone()
                assert row == ("x" * size,)
            with pytest.raises(TooMuch):
                await narrow.execute("SELECT repeat('x', %s)", (2 * MOST,))


async def meet(one: Live, other: Live) -> None:
    """Somebody writes and locks at one node, and somebody hears of it at the other."""
    ann, ben = await one.user("ann"), await one.user("ben")
    project = await one.project(ann)
    room = f"project:{project}"
    await one.add(project, ben, ProjectRole.CONTRIBUTOR)
    hers, his = await one.open(ann), await other.open(ben)
    await hers.ask("join", room=room)
    await his.ask("join", room=room)
    locked = await hers.ask("lock", room=room, resource="desk")
    assert locked["lock"]["token"]
    await his.event("lock.acquired")
    assert (await one.runtime.load(LOCK, lock_stream(project, "desk"))).state
    assert (await other.runtime.load(PROJECT, project)).state.name == "P"


async def hinted(runtime: Runtime) -> bool:
    queue = queues_of(runtime.settings)[0]
    heard: list[bool] = []
    broker = HintBroker(runtime.settings, queue, runtime.node, lambda _, well: heard.append(well))
    await send_hints(runtime.redis, runtime.settings.redis_prefix, {queue.name: 1})
    async with asyncio.timeout(WAIT_S):
        async for _ in broker.listen():
            break
    await broker.shutdown()
    return heard == [True]


async def test_a_cluster_is_asked_over_tls_whatever_node_it_names(
    tmp_path: Path, ours: Authority
) -> None:
    shard = Shard(tmp_path, free_port(), free_port())
    try:
        await shard.start()
        await shard.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        with terminating(shard.port, ours.serves(HERE)) as before:
            await shard.ask("CONFIG", "SET", "cluster-announce-port", before.port)
            found = await heard(f"rediss://127.0.0.1:{before.port}?ssl_ca_certs={ours.file}", shard)
            assert found == {ROOM: 1}
            assert before.secured > 1  # the question which nodes there are, and their own
    finally:
        await shard.stop()


async def heard(url: str, shard: Shard) -> Counter[str]:
    """What comes of a frame for a room that is subscribed to."""
    cluster = open_cluster(Settings(redis_cluster_url=url))
    assert cluster is not None
    ear = Ear()

    async def subscribed() -> bool:
        """A busy machine is not within the second that it waits for that."""
        return channel(PREFIX, ROOM) in await shard.ask(*CHANNELS)

    bus = subscriptions(cluster, PREFIX, ear)
    running = asyncio.create_task(bus.run())
    try:
        await bus.subscribe(ROOM)
        async with asyncio.timeout(WAIT_S):
            await until(subscribed)
        await tell(cluster, [ROOM])
        await ear.until([ROOM], 1)
        return ear.heard
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await cluster.aclose()


async def by_session(settings: Settings) -> None:
    await conninfo_ok(settings.database_url)


async def by_bounded(settings: Settings) -> None:
    async with bounded(settings.database_url):
        pass


async def by_pool(settings: Settings) -> None:
    async with open_pool(settings.database_url, 1) as pool:
        await pool.open(wait=True, timeout=CONNECT_S)


async def by_pipe(settings: Settings) -> None:
    await open_pipe(settings.database_url, "", {}, ())


async def by_lookout(settings: Settings) -> None:
    await Lookout(settings.database_url).moved(0, 1)


async def by_reach(settings: Settings) -> None:
    async def back() -> None: ...

    await Reach(settings.database_url, lambda: None, back).begin(0)


async def by_migrations(settings: Settings) -> None:
    await asyncio.to_thread(pending, settings.database_url)


async def by_redis(settings: Settings) -> None:
    async with open_redis(settings) as redis:
        await redis.ping()  # pyright: ignore[reportUnknownMemberType]


async def by_cluster(settings: Settings) -> None:
    cluster = open_cluster(replace(settings, redis_cluster_url=settings.redis_url))
    assert cluster is not None
    await cluster.initialize()


async def by_broker(settings: Settings) -> None:
    def note(_queue: str, _well: bool) -> None: ...

    await HintBroker(settings, queues_of(settings)[0], UUID(int=1), note).startup()


async def by_s3(settings: Settings) -> None:
    blobs = open_blobs(settings, lambda: datetime.now(UTC))
    try:
        await blobs.probe()
    finally:
        blobs.close()


Way = Callable[[Settings], Awaitable[None]]
WAYS: tuple[Way, ...] = (
    by_session,
    by_bounded,
    by_pool,
    by_pipe,
    by_lookout,
    by_reach,
    by_migrations,
    by_redis,
    by_cluster,
    by_broker,
    by_s3,
)


async def refusal(way: Way, wrong: Settings) -> str:
    """What it says. A machine too busy to connect in time has not come as far as a certificate."""
    line = ""
    for _ in range(TRIES):
        with pytest.raises(REFUSALS) as caught:
            await way(wrong)
        line = said(caught.value)
        if "Timeout connecting" not in line:
            break
    return line


@contextmanager
def refused(
    kind: str, plain: Settings, s3: str, ours: Authority, folder: Path
) -> Generator[Settings]:
    """Servers with a certificate that somebody else signed, or that names somebody else."""
    signs = Authority(folder, "theirs") if kind == "another authority" else ours
    at = ELSEWHERE if kind == "another name" else HERE
    with over_tls(plain, s3, ours, signs, at) as (settings, _):
        yield settings


@pytest.mark.parametrize("kind", ["another authority", "another name"])
class TestWrong:
    async def test_no_way_goes_there_and_each_says_why_in_a_line(
        self, kind: str, settings: Settings, server: Seaweed, ours: Authority, tmp_path: Path
    ) -> None:
        with refused(kind, settings, server.url, ours, tmp_path) as wrong:
            for way in WAYS:
                line = await refusal(way, wrong)
                assert "\n" not in line
                assert way is by_pool or "certificate" in line, (way, line)

    async def test_the_doctor_names_it(
        self, kind: str, runtime: Runtime, server: Seaweed, ours: Authority, tmp_path: Path
    ) -> None:
        plain = runtime.settings
        with refused(kind, plain, server.url, ours, tmp_path) as wrong:
            for settings, names in (
                (wrong, {"Postgres": "DATABASE_URL"}),
                (
                    replace(wrong, database_url=plain.database_url),
                    {"Redis": "REDIS_URL", "S3": "AWS_ENDPOINT_URL"},
                ),
            ):
                asking = replace(runtime, settings=settings)
                code, out, err = await formula(asking, "doctor", "--json")
                assert code == 1, err
                checks = {one["name"]: one for one in msgspec.json.decode(out)["checks"]}
                for name, variable in names.items():
                    assert checks[name]["state"] == "fail"
                    assert "certificate" in checks[name]["detail"]
                    assert variable in checks[name]["detail"]
