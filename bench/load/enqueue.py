"""From events to rows and hints: how many jobs a second the consumer makes of a log."""

import asyncio
import time

import msgspec
import uvloop

from bench.child import Sample, answer, given
from bench.load.drain import QUEUE, states
from bench.load.streams import metadata
from domain.job_args import Ping
from domain.jobs import JobRequested, Wanted
from infra.eventstore.types import NEW, To
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from workers import ping
from workers.consumer import consume
from workers.owners import Owners
from workers.runner import Tuning

AT_ONCE = 100  # appends under way while the log is made
LIMIT_S = 120.0


class Enqueue(msgspec.Struct, frozen=True):
    settings: Settings
    jobs: int


async def fill(runtime: Runtime, jobs: int) -> None:
    """Events of streams of their own, each asks for one job."""
    event = JobRequested(wanted=Wanted(args=Ping(queue=QUEUE)))

    async def append() -> None:
        to = To(runtime.new_id(), NEW, (event,))
        await runtime.store.append(metadata(runtime.new_id()), to)

    for _ in range(0, jobs, AT_ONCE):
        await asyncio.gather(*(append() for _ in range(AT_ONCE)))


async def enqueue(load: Enqueue) -> Sample:
    async with open_runtime(load.settings) as runtime:
        await fill(runtime, load.jobs)
        async with runtime.db.connection() as db:
            await db.execute("TRUNCATE formula_jobs")
        head, leads = await runtime.store.head(), asyncio.Event()
        start = time.perf_counter()

        def note(leading: bool) -> None:
            nonlocal start
            if leading:
                start = time.perf_counter()
                leads.set()

        owners = Owners(runtime)
        consuming = asyncio.create_task(
            consume(runtime, (ping.JOB,), Tuning(), note, owners, lambda _queue, _jobs: 0)
        )
        async with asyncio.timeout(LIMIT_S):
            await leads.wait()
            while await _position(runtime) < head:  # noqa: ASYNC110, it is in Postgres
                await asyncio.sleep(0.02)
        took = time.perf_counter() - start
        made = sum((await states(runtime)).values())
        consuming.cancel()
        await asyncio.gather(consuming, return_exceptions=True)
    missing = abs(made - load.jobs)
    return Sample({"per_s": made / took}, missing, f"{made} of {load.jobs} jobs" * bool(missing))


async def _position(runtime: Runtime) -> int:
    async with runtime.db.connection() as db:
        cursor = await db.execute("SELECT position FROM formula_checkpoints WHERE name = 'jobs'")
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    answer(uvloop.run(enqueue(given(Enqueue))))
