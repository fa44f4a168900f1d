"""What nodes count together in Redis: each tells what it did, and hears how it stands everywhere.

Nobody waits for it. What was done since the last exchange goes out in the next one, in a pipeline
with one key a call, as a cluster wants it: however much is counted, that is little for Redis.
"""

import asyncio
import time
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra.waiting import cancelled

BATCH = 500  # calls of one exchange
MOST = 100_000  # that wait for one: more than the people and addresses of a node's connections
EVERY_S = 0.05  # between two exchanges
SHARE = 20  # one with much to tell takes a twentieth of the time,
SELDOM_S = 0.5  # unless that would leave too long between two
ANSWER_S = 1.0
RETRY_S = 1.0

log = structlog.get_logger()


class Counted(Protocol):
    """A node's copy of something that is counted at a key of Redis."""

    @property
    def key(self) -> str: ...

    @property
    def script(self) -> str:
        """Lua over the one key; it answers with a number."""
        ...

    def report(self) -> Sequence[str | int | float]:
        """The script's arguments: what is to be told now."""
        ...

    def heard(self, answer: float) -> None:
        """How it stands everywhere, what was reported included."""
        ...


class Sharing:
    """While Redis is away each node goes by its own copies; what it does then is not told later.

    At most MOST wait to be told. Who finds no place is told of with the next that they do, or as a
    lease that is renewed.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis, self._prefix = redis, prefix
        self._changed: dict[str, Counted] = {}
        self._wake = asyncio.Event()

    def tell(self, counted: Counted) -> None:
        if len(self._changed) < MOST or counted.key in self._changed:
            self._changed[counted.key] = counted
            self._wake.set()

    def __len__(self) -> int:
        return len(self._changed)

    async def run(self) -> None:
        """Until cancelled."""
        away = False
        while not cancelled():
            await self._wake.wait()
            started = time.monotonic()
            try:
                await self._exchange()
                away = False
                took_s = time.monotonic() - started
                await asyncio.sleep(min(max(EVERY_S, took_s * SHARE), SELDOM_S))
            except (RedisError, OSError, TimeoutError) as error:
                if not away:
                    log.warning("limits_not_shared", error=repr(error))
                away = True
                await asyncio.sleep(RETRY_S)

    async def _exchange(self) -> None:
        now = [self._changed.pop(key) for key in list(islice(self._changed, BATCH))]
        if not self._changed:
            self._wake.clear()
        pipeline = self._redis.pipeline(transaction=False)
        for one in now:
            pipeline.eval(one.script, 1, self._prefix + one.key, *one.report())
        async with asyncio.timeout(ANSWER_S):
            answers = await pipeline.execute()
        for one, answer in zip(now, answers, strict=True):
            one.heard(float(answer))
