"""A worker's queues: a taskiq receiver for each, stopped within a bound."""

import asyncio
from collections.abc import Callable, Sequence

from taskiq.receiver import Receiver

from infra.jobs.queues import Queue
from infra.runtime import Runtime
from workers.broker import TASK, HintBroker
from workers.runner import Runner


async def listen(
    runtime: Runtime,
    runner: Runner,
    queues: Sequence[Queue],
    note: Callable[[str, bool], None],
    stop_s: float,
) -> None:
    """Run the queues' jobs until cancelled; `note(queue, listening)` hears of each.

    Then nothing more is taken, what runs may end within `stop_s`, and the rest is given back.
    """
    brokers = [_broker(runtime, runner, queue, note) for queue in queues]
    stop = asyncio.Event()
    receiving = [
        asyncio.create_task(_receiver(broker, queue, stop_s).listen(stop), name=queue.name)
        for broker, queue in zip(brokers, queues, strict=True)
    ]
    try:
        ended, _ = await asyncio.wait(
            [*receiving, runner.failed], return_when=asyncio.FIRST_COMPLETED
        )
        ended.pop().result()
    finally:
        stop.set()
        await asyncio.wait(receiving, timeout=stop_s + 1.0)
        await runner.stop()
        for task in receiving:
            task.cancel()
        await asyncio.gather(*receiving, return_exceptions=True)
        for broker in brokers:
            await broker.shutdown()


def _broker(
    runtime: Runtime, runner: Runner, queue: Queue, note: Callable[[str, bool], None]
) -> HintBroker:
    async def run() -> None:
        await runner.run(queue.name)

    broker = HintBroker(runtime.settings, queue, runtime.node, note)
    broker.register_task(run, task_name=TASK)
    return broker


def _receiver(broker: HintBroker, queue: Queue, stop_s: float) -> Receiver:
    return Receiver(
        broker,
        validate_params=False,
        max_async_tasks=queue.concurrency,
        run_startup=False,  # the broker makes its group when Redis is there
        wait_tasks_timeout=stop_s,
    )
