"""Waves: who comes in a crowd comes in together, so that what they need is read and stored at once.

As commits do in the writer, and without a timer: the first wait for nobody, and whoever comes while
they come in makes the next wave. Alone each would be a read, a commit and a step of the projector.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

AT_ONCE = 2  # waves on their way: one has the CPU while the other waits for Postgres
MOST = 100  # of a wave: other work of the loop has its turn between
LONGEST_S = 1.0  # who takes longer does not keep the next ones waiting


class _Wave:
    """Over once, by the last of it or by the clock."""

    def __init__(self, size: int, over: Callable[[], None]) -> None:
        self._left, self._over = size, over
        loop = asyncio.get_running_loop()
        self._clock: asyncio.TimerHandle | None = loop.call_later(LONGEST_S, self._end)

    def out(self) -> None:
        self._left -= 1
        if not self._left:
            self._end()

    def _end(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
            self._over()


class Waves:
    """Of one node."""

    def __init__(self) -> None:
        self._under_way = 0
        self._waiting: list[asyncio.Future[_Wave]] = []
        self._beginning = False

    @asynccontextmanager
    async def joined(self) -> AsyncGenerator[None]:
        """Inside one comes in; begin when the wave does."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if not self._beginning:
            self._beginning = True
            loop.call_soon(self._begin)  # who comes in this turn of the loop comes along
        try:
            await turn
            yield
        finally:
            if not turn.cancelled():
                turn.result().out()

    def _begin(self) -> None:
        self._beginning = False
        self._waiting = [turn for turn in self._waiting if not turn.cancelled()]  # who gave up
        while self._waiting and self._under_way < AT_ONCE:
            turns, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            self._under_way += 1
            wave = _Wave(len(turns), self._over)
            for turn in turns:
                turn.set_result(wave)

    def _over(self) -> None:
        self._under_way -= 1
        self._begin()
