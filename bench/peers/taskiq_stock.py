"""taskiq with taskiq-redis's stream broker as they come: nothing is durable but Redis's memory."""

import asyncio
import os
import time
from uuid import uuid4

import msgspec
import uvloop
from taskiq.receiver import Receiver
from taskiq_redis import RedisStreamBroker

from bench.child import Sample, answer, given
from bench.load.distribution import distribution
from bench.load.loops import Latencies, Window, open_loop

LIMIT_S = 120.0
ADDERS = 50  # kicks under way at once


class StockJobs(msgspec.Struct, frozen=True):
    """`part`: drain or pickup."""

    url: str
    part: str
    jobs: int = 0
    concurrency: int = 50
    rate: int = 0
    window: Window = Window(1.0)


class Noted:
    """What the task did: how many are left, when the first one ran, how late each was."""

    def __init__(self, jobs: int, since: float) -> None:
        self.left, self.first = jobs, 0.0
        self.over = asyncio.Event()
        self.late, self.due_late = Latencies(since), Latencies(since)

    def ping(self, added: float, due: float) -> None:
        self.first = self.first or time.perf_counter()
        self.late.record(added)
        self.due_late.record(due)
        self.left -= 1
        if not self.left:
            self.over.set()


async def play(load: StockJobs) -> Sample:
    broker = RedisStreamBroker(
        load.url, queue_name=f"stock-{uuid4()}", xread_count=load.concurrency
    )
    since = time.perf_counter() + load.window.before_s
    noted = Noted(load.jobs, since)

    async def ping(added: float, due: float) -> None:  # taskiq renames what it registers
        noted.ping(added, due)

    task = broker.register_task(ping, task_name="ping")
    await broker.startup()
    receiver = Receiver(broker, max_async_tasks=load.concurrency, run_startup=False)

    async def add(due: float) -> None:
        await task.kiq(time.perf_counter(), due)

    if load.part == "drain":
        for start in range(0, load.jobs, ADDERS):
            await asyncio.gather(*(add(0.0) for _ in range(min(ADDERS, load.jobs - start))))
    listening = asyncio.create_task(receiver.listen(asyncio.Event()))
    if load.part == "drain":
        await asyncio.wait_for(noted.over.wait(), LIMIT_S)
        sample = Sample({"per_s": load.jobs / (time.perf_counter() - noted.first)})
    else:
        tally = await open_loop(load.rate, load.window, add)
        await asyncio.sleep(0.5)
        if missing := tally.done + noted.left:  # it began at 0
            tally.failed(TimeoutError(f"{missing} jobs were not picked up"))
        late = distribution(noted.late, "pickup") | distribution(noted.due_late, "due")
        sample = tally.sample(late)
    if listening.done():
        listening.result()
    return sample


async def main() -> None:
    answer(await play(given(StockJobs)))
    os._exit(0)  # an idle receiver cannot be stopped, nor cancelled


if __name__ == "__main__":
    uvloop.run(main())
