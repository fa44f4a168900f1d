"""A worker killed with SIGKILL while it holds jobs: how long until others run them, by default.

Beside them a long job runs, twenty leases and more, which must be started once.
"""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import uvloop

from bench.child import Sample, answer, given
from domain.job_args import Ping, QueueName
from domain.jobs import JOB, RequestJob, Wanted
from infra.runtime import SYSTEM, Runtime, open_runtime
from infra.settings import Settings, child_environment

HELD = 5
LIMIT_S = 60.0


class Takeover(msgspec.Struct, frozen=True):
    settings: Settings
    long_s: int = 66  # of a lease of 3 s


@asynccontextmanager
async def worker(
    settings: Settings, queue: QueueName
) -> AsyncGenerator[asyncio.subprocess.Process]:
    command = (sys.executable, "-m", "workers.main", "worker", "--queue", queue.value)
    process = await asyncio.create_subprocess_exec(
        *command, env=child_environment(settings), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ask(runtime: Runtime, queue: QueueName, seconds: int) -> UUID:
    job, wanted = runtime.new_id(), Wanted(args=Ping(queue=queue, seconds=seconds))
    await runtime.execute(SYSTEM, JOB, job, RequestJob(wanted=wanted))
    return job


async def until(runtime: Runtime, jobs: list[UUID], condition: str) -> None:
    """All of them are so."""
    statement = f"SELECT count(*) FROM formula_jobs WHERE id = ANY(%s) AND ({condition})"  # noqa: S608
    async with asyncio.timeout(LIMIT_S + 60), runtime.db.connection() as db:
        while True:
            row = await (await db.execute(statement.encode(), (jobs,))).fetchone()
            if row == (len(jobs),):
                return
            await asyncio.sleep(0.02)  # it is in Postgres


async def takeover(load: Takeover) -> Sample:
    settings = msgspec.structs.replace(load.settings, notifications_workers=HELD, email_workers=1)
    queue = QueueName.NOTIFICATIONS
    async with open_runtime(settings) as runtime, worker(settings, QueueName.EMAIL):
        long = await ask(runtime, QueueName.EMAIL, load.long_s)
        begun = time.perf_counter()
        async with worker(settings, queue) as first:
            held = [await ask(runtime, queue, 600) for _ in range(HELD)]
            await until(runtime, held, "state = 'running'")
            async with worker(settings, queue):
                await until_listening(runtime, 3)
                first.send_signal(signal.SIGKILL)
                killed = time.perf_counter()
                await until(runtime, held, "state = 'running' AND attempts = 2")
                seconds = time.perf_counter() - killed
        await until(runtime, [long], "state = 'done'")
        lasted = time.perf_counter() - begun
        async with runtime.db.connection() as db:
            cursor = await db.execute("SELECT attempts FROM formula_jobs WHERE id = %s", (long,))
            row = await cursor.fetchone()
    started = int(row[0]) if row else 0
    return Sample({"seconds": seconds, "started": started, "lasted": lasted})


async def until_listening(runtime: Runtime, workers: int) -> None:
    async with asyncio.timeout(LIMIT_S), runtime.db.connection() as db:
        while True:
            cursor = await db.execute(
                "SELECT count(*) FROM formula_nodes WHERE role = 'worker' AND state = 'ready'"
            )
            if await cursor.fetchone() == (workers,):
                return
            await asyncio.sleep(0.02)  # it is in Postgres


if __name__ == "__main__":
    answer(uvloop.run(takeover(given(Takeover))))
