"""A sign of life of a queue, for operators: it does nothing, for as long as it is told to."""

import asyncio

import msgspec

from domain.job_args import Ping
from workers.model import MAINTENANCE, Context, Job

STEP_S = 1.0


class Pong(msgspec.Struct, frozen=True):
    queue: str
    seconds: float


async def run(context: Context, args: Ping) -> Pong:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while (passed := loop.time() - begun) < args.seconds:
        await context.report(int(passed * 1_000), int(args.seconds * 1_000))
        await asyncio.sleep(min(STEP_S, args.seconds - passed))
    return Pong(args.queue.value, round(passed, 3))


JOB = Job("ping", MAINTENANCE, Ping, run, timeout_s=3_660.0)  # the queue is what it is asked for in
