"""A worker's ear on its queues: a taskiq receiver for each."""

import asyncio
from collections.abc import Callable, Sequence

from taskiq.receiver import Receiver

from infra.jobs.queues import Queue
from infra.runtime import Runtime
from workers.broker import TASK, HintBroker
from workers.runner import Runner

HINTS_AT_ONCE = 100  # each is nothing but a call


async def listen(
    runtime: Runtime,
    runner: Runner,
    queues: Sequence[Queue],
    note: Callable[[str, bool], None],
) -> None:
    """Wake the runner for what comes until cancelled; `note(queue, listening)` hears of each."""
    brokers = [_broker(runtime, runner, queue, note) for queue in queues]
    stop = asyncio.Event()
    receiving = [
        asyncio.create_task(_receiver(broker).listen(stop), name=queue.name)
        for broker, queue in zip(brokers, queues, strict=True)
    ]
    try:
        ended, _ = await asyncio.wait(
            [*receiving, runner.failed], return_when=asyncio.FIRST_COMPLETED
        )
        ended.pop().result()
    finally:
        stop.set()
        for task in receiving:
            task.cancel()
        await asyncio.gather(*receiving, return_exceptions=True)
        for broker in brokers:
            await broker.shutdown()


def _broker(
    runtime: Runtime, runner: Runner, queue: Queue, note: Callable[[str, bool], None]
) -> HintBroker:
    async def wake() -> None:
        runner.wake(queue.name)

    broker = HintBroker(runtime.settings, queue, runtime.node, note)
    broker.register_task(wake, task_name=TASK)
    return broker


def _receiver(broker: HintBroker) -> Receiver:
    return Receiver(
        broker,
        validate_params=False,
        max_async_tasks=HINTS_AT_ONCE,
        run_startup=False,  # the broker makes its group when Redis is there
    )
