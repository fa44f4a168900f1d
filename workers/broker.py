"""taskiq on Redis streams, one a queue: what is sent is a hint, "one more job waits here".

Which job that is, the rows say: whoever takes the hint claims the first ones of the queue. So a
late job of high priority is not behind the hints of others, and a hint lost or doubled is nothing.

taskiq-redis 1.2 leaves out what this adds: entries are deleted with their acknowledgement,
those of lost workers are taken over on time, and without Redis workers look at the rows by
themselves.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from taskiq import AckableMessage
from taskiq.formatters.json_formatter import JSONFormatter
from taskiq.message import TaskiqMessage
from taskiq_redis import RedisStreamBroker

from infra.jobs.queues import Queue
from infra.settings import Settings

GROUP = "workers"
MAX_HINTS = 100  # of a queue at a time: who follows one goes on until nothing is due
BLOCK_MS = 2_000  # below the socket's time-out: 5 s
IDLE_MS = 15_000  # an entry that nobody acknowledged for so long is handed to another
RECLAIM_S = 5.0
GONE_MS = 3_600_000  # a consumer silent for so long belongs to a process that ended
RETRY_S = (0.05, 0.2, 0.5, 1.0, 2.0)

FORMAT = JSONFormatter()
TASK = "job"
HINT = FORMAT.dumps(
    TaskiqMessage(task_id="hint", task_name=TASK, labels={}, args=[], kwargs={})
).message

log = structlog.get_logger()


def stream(prefix: str, queue: str) -> str:
    return f"{prefix}jobs:{queue}"


async def send_hints(redis: Redis, prefix: str, hints: Mapping[str, int]) -> None:
    """Wake the workers of each queue for so many jobs, in one round trip.

    Of too many the oldest go: the rest is told of when those are done.
    """
    async with redis.pipeline(transaction=False) as pipe:
        for queue, jobs in hints.items():
            for _ in range(min(jobs, MAX_HINTS)):
                pipe.xadd(stream(prefix, queue), {"data": HINT}, maxlen=MAX_HINTS, approximate=True)
        await pipe.execute()


async def lengths(redis: Redis, prefix: str, queues: Sequence[str]) -> dict[str, int]:
    """How many hints each queue's stream holds."""
    async with redis.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.xlen(stream(prefix, queue))
        found: list[int] = await pipe.execute()
    return dict(zip(queues, found, strict=True))


class HintBroker(RedisStreamBroker):
    """Listens to one queue's stream for ever; `note(queue, listening)` hears whether it can."""

    def __init__(
        self, settings: Settings, queue: Queue, consumer: UUID, note: Callable[[str, bool], None]
    ) -> None:
        super().__init__(
            settings.redis_url,
            queue_name=stream(settings.redis_prefix, queue.name),
            max_connection_pool_size=2,
            consumer_group_name=GROUP,
            consumer_name=str(consumer),
            consumer_id="0",  # a group made anew sees the hints that came before it
            xread_block=BLOCK_MS,
            xread_count=queue.concurrency,  # the rest is for others
            idle_timeout=IDLE_MS,
            password=settings.redis_password or None,
            socket_connect_timeout=2.0,
        )
        self.formatter = FORMAT
        self._queue = queue
        self._note = note
        self._reclaim_at = 0.0

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Hints as they come. A group that was flushed away is made again."""
        failures = 0
        while True:
            try:
                async for message in self._listen():
                    failures = 0
                    yield message
            except (RedisError, OSError) as error:
                self._note(self._queue.name, False)
                log.warning("broker_lost", queue=self._queue.name, error=repr(error))
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
                if not self._queue.per_minute:  # nobody could count those of all workers
                    yield AckableMessage(data=HINT, ack=_acknowledged)

    async def _listen(self) -> AsyncGenerator[AckableMessage, None]:
        async with Redis(connection_pool=self.connection_pool) as redis:
            await self._declare_consumer_group()
            await self._forget_consumers(redis)
            self._note(self._queue.name, True)
            while True:
                entries = [*await self._stale(redis), *await self._fresh(redis)]
                if entries:
                    await self._acknowledge(redis, [entry for entry, _ in entries])
                for _, fields in entries:
                    yield AckableMessage(data=fields.get(b"data", b""), ack=_acknowledged)

    async def _acknowledge(self, redis: Any, entries: Sequence[str]) -> None:
        """Before the jobs run: a hint that comes to nothing is sent again, since the row waits."""
        async with redis.pipeline() as pipe:
            pipe.xack(self.queue_name, self.consumer_group_name, *entries)
            pipe.xdel(self.queue_name, *entries)
            await pipe.execute()

    async def _forget_consumers(self, redis: Any) -> None:
        """Every process is a consumer of its own: without this, the group grows for ever."""
        group = self.consumer_group_name
        for consumer in await redis.xinfo_consumers(self.queue_name, group):
            if consumer["idle"] > GONE_MS and not consumer["pending"]:
                await redis.xgroup_delconsumer(self.queue_name, group, consumer["name"])

    async def _fresh(self, redis: Any) -> list[tuple[str, dict[bytes, bytes]]]:
        async with asyncio.timeout(2 * BLOCK_MS / 1_000):  # the client would try again for longer
            fetched = await redis.xreadgroup(
                self.consumer_group_name,
                self.consumer_name,
                {self.queue_name: ">"},
                count=self.count,
                block=self.block,
            )
        return fetched[0][1] if fetched else []

    async def _stale(self, redis: Any) -> list[tuple[str, dict[bytes, bytes]]]:
        now = asyncio.get_running_loop().time()
        if now < self._reclaim_at:
            return []
        self._reclaim_at = now + RECLAIM_S
        taken = await redis.xautoclaim(
            self.queue_name,
            self.consumer_group_name,
            self.consumer_name,
            min_idle_time=self.idle_timeout,
            count=self.unacknowledged_batch_size,
        )
        return taken[1]


def _acknowledged() -> None:
    """taskiq wants to acknowledge each message by itself: that took a round trip a job."""
