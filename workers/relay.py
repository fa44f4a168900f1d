"""The relay: tells Redis of waiting rows, and takes rows back from lost workers."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import psycopg
import structlog
from redis.exceptions import RedisError

from infra import jobs
from infra.runtime import Runtime
from workers.broker import MAX_HINTS, rooms, send_hints
from workers.model import Queue
from workers.runner import Tuning
from workers.steady import Steady

TICK_S = 1.0
FULL_S = 0.1  # until the next look while a stream is filled as fast as it is emptied

log = structlog.get_logger()


class Relay:
    """Run by the leader of the job consumer. A second one would only send hints twice."""

    def __init__(self, runtime: Runtime, queues: Sequence[Queue], tuning: Tuning) -> None:
        self._runtime = runtime
        self._queues = queues
        self._tuning = tuning
        self._made = asyncio.Event()

    def wake(self) -> None:
        """There are new rows: do not wait for the next tick."""
        self._made.set()

    async def hint(self) -> None:
        """For ever: every waiting, due row is known to Redis, whatever happened to Redis."""
        while True:
            self._made.clear()
            pause_s = TICK_S
            try:
                if await self._hint():
                    pause_s = FULL_S
            except (psycopg.OperationalError, RedisError, OSError) as error:
                log.warning("hints_not_sent", error=repr(error))
                await asyncio.sleep(TICK_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._made.wait()

    async def expire(self) -> None:
        """For ever: the rows of lost workers are waiting again."""
        lease_s = self._tuning.lease_s
        steady = Steady(lease_s)
        while True:
            try:
                await self._expire(steady)
            except psycopg.OperationalError as error:
                log.warning("leases_not_expired", error=str(error).strip())
            await asyncio.sleep(min(TICK_S, lease_s / 4))

    async def _hint(self) -> bool:
        """Whether there may be more that did not fit.

        Only an empty stream can have lost a hint: what waits in one is not sent twice.
        """
        redis, prefix = self._runtime.redis, self._runtime.settings.redis_prefix
        free = await rooms(redis, prefix, self._queues)
        empty = {queue for queue, room in free.items() if room == MAX_HINTS}
        async with self._runtime.db.connection() as db:
            hints = await jobs.unhinted(db, free, empty, self._tuning.hint_again_s)
        if hints:
            await send_hints(redis, prefix, hints)
        sent = [hint.queue for hint in hints]
        return any(0 < room == sent.count(queue) for queue, room in free.items())

    async def _expire(self, steady: Steady) -> None:
        async with self._runtime.db.connection() as db:
            await db.execute("SELECT 1")
            if not steady.beat(asyncio.get_running_loop().time()):
                return
            lost = await jobs.expire_leases(db)
        if lost:
            log.warning("leases_expired", jobs=lost)
            self.wake()
