"""How late a job is picked up: from the commit of the command that asks for it to its first line.

Commands and worker share a process, as the peers' do; consumer, row, hint and claim lie between.
"""

import asyncio
import time

import msgspec
import uvloop

from bench.child import Sample, answer, given
from bench.load.distribution import distribution
from bench.load.drain import QUEUE, worker
from bench.load.loops import Latencies, Window, open_loop
from domain.job_args import Ping
from domain.jobs import JOB, RequestJob, Wanted
from infra.runtime import SYSTEM, open_runtime
from infra.settings import Settings
from workers.model import Context, Job

SETTLE_S = 1.0  # the worker leads its consumer and listens by then


class Pickup(msgspec.Struct, frozen=True):
    settings: Settings
    rate: int  # jobs a second
    window: Window
    concurrency: int = 50


async def pickup(load: Pickup) -> Sample:
    """`pickup p50` …: ms since the commit; `due p50` …: since the command was due."""
    settings = msgspec.structs.replace(load.settings, notifications_workers=load.concurrency)
    wanted = Wanted(args=Ping(queue=QUEUE))
    async with open_runtime(settings) as runtime:
        since = time.perf_counter() + SETTLE_S + load.window.before_s
        late, due_late = Latencies(since), Latencies(since)
        started: dict[object, asyncio.Future[float]] = {}

        async def run(context: Context, _args: Ping) -> None:
            begun = started.setdefault(context.job, asyncio.get_running_loop().create_future())
            begun.set_result(time.perf_counter())

        async def ask(due: float) -> None:
            job = runtime.new_id()
            begun = started.setdefault(job, asyncio.get_running_loop().create_future())
            await runtime.execute(SYSTEM, JOB, job, RequestJob(wanted=wanted), command_id=job)
            committed = time.perf_counter()
            async with asyncio.timeout(30):
                at = await begun
            late.record_span(committed, at)
            due_late.record_span(due, at)
            del started[job]

        async with worker(settings, Job("ping", QUEUE, Ping, run)):
            await asyncio.sleep(SETTLE_S)
            tally = await open_loop(load.rate, load.window, ask)
        return tally.sample(distribution(late, "pickup") | distribution(due_late, "due"))


if __name__ == "__main__":
    answer(uvloop.run(pickup(given(Pickup))))
