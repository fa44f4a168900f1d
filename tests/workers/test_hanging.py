"""Redis that hangs, a loop that is stuck, a job that will not end: the others go on."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest

from domain.job_args import Ping
from domain.jobs import JOB, RequestBatch, Wanted
from infra.jobs.model import Claim, End
from infra.jobs.queues import Queue
from infra.nodes import Node, nodes
from infra.runtime import SYSTEM, Runtime
from tests.infra.until import wait_until
from tests.integration.test_job_control import cancel, retry
from tests.integration.test_job_rows import claim, insert, new_job
from tests.workers.office import QUICK, until
from tests.workers.test_running import QUEUE, all_over, ask, lane, over, working
from workers.broker import lengths
from workers.leases import Leases
from workers.model import Context
from workers.owners import Owners
from workers.relay import Relay

PATIENCE_S = 10.0  # the client of Redis alone would wait for three times as long


@asynccontextmanager
async def before(url: str, passes: asyncio.Event) -> AsyncGenerator[str]:
    """The address of a Redis that answers for as long as `passes` is set."""
    redis = urlsplit(url)
    assert redis.hostname is not None

    async def forward(reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            await passes.wait()
            writer.write(data)
        writer.close()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        there = await asyncio.open_connection(redis.hostname, redis.port)
        ways = forward(reader, there[1]), forward(there[0], writer)
        await asyncio.gather(*ways, return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        yield redis._replace(netloc=f":{redis.password}@127.0.0.1:{port}").geturl()
        passes.set()


async def test_redis_that_hangs_holds_no_lane_up(runtime: Runtime) -> None:
    """Nor what waits for others, of which it would be told."""

    async def nothing(_context: Context, _args: Ping) -> None: ...

    passes, ping = asyncio.Event(), Wanted(args=Ping(queue=QUEUE))
    passes.set()
    async with (
        before(runtime.settings.redis_url, passes) as url,
        working(msgspec.structs.replace(runtime.settings, redis_url=url), nothing),
    ):
        await over(runtime, await ask(runtime))
        passes.clear()
        batch = RequestBatch(jobs=(ping,), then=ping)
        async with asyncio.timeout(PATIENCE_S):
            await runtime.execute(SYSTEM, JOB, runtime.new_id(), batch)
            await until(lambda: ended(runtime, 3))
            await over(runtime, await ask(runtime))
        passes.set()


async def test_a_worker_stays_ready_without_redis(runtime: Runtime) -> None:
    """It looks at the rows by itself; that it listens to no queue, it says."""

    async def nothing(_context: Context, _args: Ping) -> None: ...

    async def seen(*, listens: bool) -> Node | None:
        told = {"listens": {QUEUE.value: listens}}
        found = [one for one in await nodes(runtime) if one.role == "worker"]
        return next((one for one in found if told.items() <= one.detail.items()), None)

    passes = asyncio.Event()
    passes.set()
    async with (
        before(runtime.settings.redis_url, passes) as url,
        working(msgspec.structs.replace(runtime.settings, redis_url=url), nothing),
    ):
        for listens in (True, False, True):
            passes.set() if listens else passes.clear()
            worker = await until(lambda listens=listens: seen(listens=listens))
            assert worker is not None
            assert worker.status == "ready"
            await over(runtime, await ask(runtime))


async def ended(runtime: Runtime, jobs: int) -> bool:
    async with runtime.db.connection() as db:
        cursor = await db.execute("SELECT count(*) FROM formula_jobs WHERE state = 'done'")
        return await cursor.fetchone() == (jobs,)


async def test_a_job_called_off_and_tried_again_at_once_runs_once_at_a_time(
    runtime: Runtime,
) -> None:
    go, started, running = asyncio.Event(), list[int](), list[int]()
    most = 0

    async def attempt(claim: Claim, _progress: object) -> End:
        nonlocal most
        started.append(claim.attempt)
        running.append(claim.attempt)
        most = max(most, len(running))
        try:
            await go.wait()
        finally:
            running.remove(claim.attempt)
        return End(claim.id, claim.attempt)

    async def begun(attempts: int) -> bool:
        return len(started) == attempts

    job = new_job()
    await insert(runtime, job)
    async with lane(runtime, attempt) as one:
        one.wake()
        await until(lambda: begun(1))
        await cancel(runtime, job.id)
        assert await retry(runtime, job.id) == 1
        one.wake()
        await until(lambda: begun(2))
        go.set()
        await until(lambda: all_over(runtime, [job]))
    assert (started, most) == ([1, 2], 1)


async def test_a_loop_that_does_not_come_back_loses_what_it_holds(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.leases.STUCK_S", 0.3)
    await insert(runtime, new_job())
    (held,) = await claim(runtime, worker=runtime.node, lease_s=60.0)
    url = runtime.settings.database_url
    leases = Leases(url, runtime.node, 0.4, lambda _job, _attempt: None)
    leases.held[held.id] = held.attempt
    with psycopg.connect(url, autocommit=True) as db:
        async with leases:
            wait_until(lambda: is_over(db))  # and no turn of the loop meanwhile


def is_over(db: psycopg.Connection[Any]) -> bool:
    row = db.execute("SELECT lease_until < clock_timestamp() FROM formula_jobs").fetchone()
    return row == (True,)


async def test_hints_of_a_queue_with_a_rate_are_not_saved_up(runtime: Runtime) -> None:
    """While no worker takes them: all at once would be more than it lets through."""
    await insert(runtime, *(new_job(str(n)) for n in range(60)))
    queue, there = Queue("email", 2, 3, per_minute=600), list[int]()
    async with Owners(runtime) as owners:
        relay = Relay(runtime, [queue], QUICK, owners, lambda _queue, _jobs: 0)
        for _ in range(3):
            relay._filled_at -= 1.0  # pyright: ignore[reportPrivateUsage]  # a second goes by
            await relay._top_up()  # pyright: ignore[reportPrivateUsage]
            prefix = runtime.settings.redis_prefix
            there.append((await lengths(runtime.redis, prefix, ["email"]))["email"])
    assert there == [10, 10, 10]
