"""The relay: tells Redis how many jobs wait, and takes rows back from lost workers."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import psycopg
import structlog
from redis.exceptions import RedisError

from infra.db import Connection, seconds
from infra.jobs.queues import Queue
from infra.jobs.reading import due
from infra.jobs.working import behind_log, expire_leases, set_back
from infra.runtime import Runtime
from workers.broker import MAX_HINTS, lengths, send_hints
from workers.owners import Owners
from workers.runner import Tuning
from workers.steady import JUMP_S, Rise, Steady

TICK_S = 0.5
PATIENCE_S = 2.0  # with Redis: workers look by themselves as well
ALLOWANCE_S = 5.0  # from an event to the row that it asks for

Take = Callable[[str, int], int]

log = structlog.get_logger()


class Relay:
    """Run by the leader of the job consumer. A second one would only send hints twice.

    `take(queue, jobs)` is this process's own share: how many of so many new jobs it has a place for
    and claims by itself, without the way over Redis.
    """

    def __init__(
        self,
        runtime: Runtime,
        queues: Sequence[Queue],
        tuning: Tuning,
        owners: Owners,
        take: Take,
    ) -> None:
        self._runtime, self._owners, self._take = runtime, owners, take
        self._queues = {queue.name: queue for queue in queues}
        self._tuning = tuning
        self._made: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._tokens = {queue.name: 0.0 for queue in queues if queue.per_minute}
        self._filled_at = asyncio.get_running_loop().time()

    def made(self, jobs: Mapping[str, int]) -> None:
        """There are so many new rows, by queue: do not wait for the next tick, nor for Redis."""
        for queue, new in jobs.items():
            self._made[queue] += new - (self._take(queue, new) if self._at_once(queue) else 0)
        if jobs:
            self._news.set()

    async def hint(self) -> None:
        """For ever: workers know of as many hints as there are due rows, whatever befalls Redis."""
        loop, looked = asyncio.get_running_loop(), -TICK_S
        while True:
            self._news.clear()
            made, self._made = self._made, Counter()
            try:
                at_once = {queue: jobs for queue, jobs in made.items() if self._at_once(queue)}
                async with asyncio.timeout(PATIENCE_S):
                    await self._send(at_once)
                    # also while new ones come all the time
                    if len(at_once) < len(made) or loop.time() - looked >= TICK_S:
                        looked = loop.time()
                        await self._top_up()
            except (psycopg.OperationalError, RedisError, OSError) as error:
                log.warning("hints_not_sent", error=repr(error))
                await asyncio.sleep(TICK_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._news.wait()

    async def expire(self) -> None:
        """For ever: the rows of lost workers are waiting again."""
        lease_s, loop = self._tuning.times.lease_s, asyncio.get_running_loop()
        steady, rise, back_s = Steady(lease_s), Rise(), 0.0
        while True:
            try:
                async with self._runtime.db.connection() as db:
                    now = await seconds(db)
                    judges = steady.beat(loop.time(), now)  # who lives renews first
                    # The log shows it as well where nobody looked meanwhile.
                    rose = rise.of(await behind_log(db), loop.time())
                    back_s = max(back_s, rose, -steady.jumped)
                    if back_s >= JUMP_S:
                        log.warning("clock_set_back", seconds=round(back_s, 3))
                        await set_back(db, back_s + ALLOWANCE_S)
                    back_s = 0.0
                    if judges:
                        await self._expire(db, now)
            except psycopg.OperationalError as error:
                log.warning("leases_not_expired", error=str(error).strip())
            await asyncio.sleep(min(TICK_S, lease_s / 4))

    def _at_once(self, queue: str) -> bool:
        """Whether its new jobs need no look at how things stand."""
        return queue in self._queues and queue not in self._tokens

    async def _send(self, hints: Mapping[str, int]) -> None:
        if any(hints.values()):
            await send_hints(self._runtime.redis, self._runtime.settings.redis_prefix, hints)

    async def _top_up(self) -> None:
        """As many hints as are missing.

        What was taken out of a stream but is not claimed yet is told of twice: that finds nothing.
        One always, where something is due: what is in a stream may be in a dead worker's hands.
        """
        self._fill()
        redis, prefix = self._runtime.redis, self._runtime.settings.redis_prefix
        there = await lengths(redis, prefix, list(self._queues))
        async with self._runtime.db.connection() as db:
            waiting = await due(db, dict.fromkeys(self._queues, MAX_HINTS))
        missing = {
            queue: self._let_through(queue, jobs, there[queue]) for queue, jobs in waiting.items()
        }
        await self._send(missing)

    def _fill(self) -> None:
        """A queue's rate, saved up for a second at most: a pause is not made good in one go."""
        now = asyncio.get_running_loop().time()
        for name, tokens in self._tokens.items():
            per_s = self._queues[name].per_minute / 60
            more = tokens + (now - self._filled_at) * per_s
            self._tokens[name] = min(more, max(per_s, 1.0))
        self._filled_at = now

    def _let_through(self, queue: str, jobs: int, there: int) -> int:
        """Of a queue with a rate as many as it has saved up for, and none while some are there."""
        if queue not in self._tokens:
            return max(jobs - there, min(jobs, 1))
        let = 0 if there else min(jobs, int(self._tokens[queue]))
        self._tokens[queue] -= let
        return let

    async def _expire(self, db: Connection, now: float) -> None:
        lost, freed = await expire_leases(db, now)
        if lost:
            log.warning("leases_expired", jobs=len(lost))
            self.made({"": len(lost)})
            self._owners.ended([*lost, *freed.cancelled])
