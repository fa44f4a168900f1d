"""Postgres's clock is set forward and back while jobs run: none is lost, none is started twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from domain.job_args import Ping, QueueName
from domain.jobs import JOB, RequestJob, Wanted
from infra.db import seconds
from infra.runtime import SYSTEM, Runtime, open_runtime
from infra.settings import Settings
from tests.faults.children import LIMIT_S, serving, times
from tests.faults.clocks import Clock
from tests.faults.cluster import Cluster, own_cluster
from tests.faults.results import Counts

pytestmark = [
    pytest.mark.services,
    pytest.mark.faults,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("formula up"),
]

STEPS = times(20)
AHEAD_S = (3_600.0, 0.0, -3_600.0, 0.0, 90_000.0, -90_000.0, 30.0, 0.0)
LONG_S = 5  # of a job that runs across several leases
WORKERS = 2
NAMES = (QueueName.EMAIL, QueueName.NOTIFICATIONS)


@pytest.fixture
def clock(folder: Path) -> Clock:
    return Clock(folder.parent)


@pytest.fixture
async def cluster(folder: Path, clock: Clock) -> AsyncIterator[Cluster]:
    async with own_cluster(folder.parent / "postgres", clock) as one:
        yield one


async def ask(runtime: Runtime, queue: QueueName, seconds: int = 0) -> UUID:
    job = runtime.new_id()
    command = RequestJob(wanted=Wanted(args=Ping(queue=queue, seconds=seconds)))
    await runtime.execute(SYSTEM, JOB, job, command)
    return job


async def ended(runtime: Runtime, jobs: Sequence[UUID]) -> Counter[tuple[str, int]]:
    async with runtime.db.connection() as db:
        cursor = await db.execute(
            "SELECT state, attempts FROM formula_jobs WHERE id = ANY(%s)", (list(jobs),)
        )
        return Counter(await cursor.fetchall())


async def seconds_now(runtime: Runtime) -> float:
    async with runtime.db.connection() as db:
        return await seconds(db)


async def until_done(runtime: Runtime, jobs: Sequence[UUID]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while (await ended(runtime, jobs))["done", 1] < len(jobs):  # noqa: ASYNC110, in Postgres
            await asyncio.sleep(0.05)


def settings_of(cluster: Cluster) -> Settings:
    return msgspec.structs.replace(cluster.settings, reports_workers=20)


async def test_jobs_go_on_whatever_the_clock_says(
    cluster: Cluster, clock: Clock, tmp_path: Path, counts: Counts
) -> None:
    """Some run for longer than their lease, some are made right before the clock is set."""
    settings = settings_of(cluster)
    long: list[UUID] = []
    with ExitStack() as stack:
        for _ in range(WORKERS):
            stack.enter_context(
                serving("tests.workers.lone_worker", settings, tmp_path / "workers.log")
            )
        async with open_runtime(settings) as runtime:
            await until_done(runtime, [await ask(runtime, queue) for queue in NAMES])
            stood = 0.0
            for step in range(STEPS):
                long.append(await ask(runtime, QueueName.REPORTS, LONG_S))
                short = [await ask(runtime, queue) for queue in NAMES]
                before = await seconds_now(runtime)
                clock.set(ahead := AHEAD_S[step % len(AHEAD_S)])
                assert abs(await seconds_now(runtime) - before - ahead + stood) < LIMIT_S
                stood = ahead
                short += [await ask(runtime, queue) for queue in NAMES]
                await until_done(runtime, short)
            await until_done(runtime, long)
            assert await ended(runtime, long) == {("done", 1): STEPS}
    counts.add(STEPS)


async def test_a_clock_that_was_set_back_while_nobody_looked(
    cluster: Cluster, clock: Clock, tmp_path: Path, counts: Counts
) -> None:
    """As when the machine starts anew: the next leader sees it by the log."""
    settings = settings_of(cluster)
    async with open_runtime(settings) as runtime:
        with serving("tests.workers.lone_worker", settings, tmp_path / "workers.log"):
            first = [await ask(runtime, queue) for queue in NAMES]
            await until_done(runtime, first)
            late = await ask(runtime, QueueName.REPORTS, LONG_S)
            await until_running(runtime, late)
        async with runtime.db.connection() as db:
            await db.execute(
                "UPDATE formula_jobs SET state = 'queued', finished_at = NULL,"
                " run_at = clock_timestamp() WHERE id = %s",
                (first[0],),
            )
        clock.set(-3_600.0)
        with serving("tests.workers.lone_worker", settings, tmp_path / "workers.log"):
            async with asyncio.timeout(LIMIT_S):
                wanted = {("done", 1): 1, ("done", 2): 2}
                while await ended(runtime, [*first, late]) != wanted:  # noqa: ASYNC110, in Postgres
                    await asyncio.sleep(0.05)
    counts.add(1)


async def until_running(runtime: Runtime, job: UUID) -> None:
    async with asyncio.timeout(LIMIT_S):
        while ("running", 1) not in await ended(runtime, [job]):  # noqa: ASYNC110, in Postgres
            await asyncio.sleep(0.05)
