"""Jobs that do nothing, all there before the one worker process starts: how many it does a second.

Each has its durable row: two commits of Postgres, shared by those that go through together.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import uvloop

from bench.child import Sample, answer, given
from domain.job_args import JobArgs, Ping, QueueName
from infra.jobs.making import insert_jobs
from infra.jobs.model import NewJob
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from workers.main import run_worker
from workers.model import Context, Job

QUEUE = QueueName.NOTIFICATIONS
PAGE = 1_000
LIMIT_S = 120.0


class Drain(msgspec.Struct, frozen=True):
    settings: Settings
    jobs: int
    concurrency: int
    round: int = 0


class Counter:
    """Counts the jobs that were run, and remembers when the last of them was."""

    def __init__(self, jobs: int) -> None:
        self._left = jobs
        self.first = self.last = 0.0
        self.over = asyncio.Event()

    async def run(self, _context: Context, _args: JobArgs) -> None:
        self.last = time.perf_counter()
        self.first = self.first or self.last
        self._left -= 1
        if not self._left:
            self.over.set()


@asynccontextmanager
async def worker(settings: Settings, *kinds: Job[Ping]) -> AsyncGenerator[None]:
    """A whole worker in this process, for the one queue."""
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(run_worker(settings, (QUEUE.value,), kinds=kinds))
        try:
            yield
        finally:
            working.cancel()


def new_jobs(count: int, consumer: str) -> list[NewJob]:
    args = msgspec.to_builtins(Ping(queue=QUEUE))
    return [
        NewJob(
            queue=QUEUE.value,
            name="ping",
            consumer=consumer,
            position=number,
            key="",
            args=args,
            max_attempts=1,
        )
        for number in range(count)
    ]


async def states(runtime: Runtime) -> dict[str, int]:
    async with runtime.db.connection() as db:
        cursor = await db.execute("SELECT state, count(*) FROM formula_jobs GROUP BY state")
        return dict(await cursor.fetchall())


async def until_done(runtime: Runtime) -> None:
    """Their rows say so: what is measured is not over before."""
    async with asyncio.timeout(LIMIT_S):
        while set(await states(runtime)) != {"done"}:  # noqa: ASYNC110, it is in Postgres
            await asyncio.sleep(0.05)


async def drain(load: Drain) -> Sample:
    settings = msgspec.structs.replace(load.settings, notifications_workers=load.concurrency)
    async with open_runtime(settings) as runtime:
        async with runtime.db.connection() as db:
            await db.execute("TRUNCATE formula_jobs")
            jobs = new_jobs(load.jobs, f"round {load.round}")
            for start in range(0, len(jobs), PAGE):
                await insert_jobs(db, jobs[start : start + PAGE])
            await db.execute("VACUUM ANALYZE formula_jobs")
        counter = Counter(load.jobs)
        async with worker(settings, Job("ping", QUEUE, Ping, counter.run)):
            await asyncio.wait_for(counter.over.wait(), LIMIT_S)
            await until_done(runtime)
            took = time.perf_counter() - counter.first
    return Sample({"per_s": load.jobs / took})


if __name__ == "__main__":
    answer(uvloop.run(drain(given(Drain))))
