"""Many questions, one read: a thousand people who come at once must not be a thousand queries."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Gathered(Generic[K, V]):
    """Answers by `read`, which is given at most `most` questions and answers all of them.

    What is asked in one turn of the loop, or while a read runs, goes into the next: no answer
    is older than its question, and the same question is read once for all who ask it.

    `at_once`: so many reads run side by side.
    """

    def __init__(
        self,
        read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]],
        most: int = 100,
        at_once: int = 1,
    ) -> None:
        self._read, self._most, self._at_once = read, most, at_once
        self._waiting: dict[K, list[asyncio.Future[V]]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def ask(self, question: K) -> V:
        """Raises what the read raised."""
        answer: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(question, []).append(answer)
        if len(self._reading) < self._at_once:
            self._reading.add(asyncio.create_task(self._work()))
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                asked = {key: self._waiting[key] for key in islice(self._waiting, self._most)}
                for key in asked:
                    del self._waiting[key]
                await self._answer(asked)
        finally:
            self._reading -= {asyncio.current_task()}

    async def _answer(self, asked: Mapping[K, Sequence[asyncio.Future[V]]]) -> None:
        try:
            found = await self._read(list(asked))
            for question, answers in asked.items():
                _settle(answers, found[question])
        except BaseException as error:
            for answers in asked.values():
                _fail(answers, error)
            if not isinstance(error, Exception):
                raise


def _settle(answers: Iterable[asyncio.Future[V]], value: V) -> None:
    for answer in answers:
        if not answer.done():  # who asked may have gone
            answer.set_result(value)


def _fail(answers: Iterable[asyncio.Future[Any]], error: BaseException) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)


class Shared:
    """One run for all who ask; who asks while it runs has the next."""

    def __init__(self, run: Callable[[], Awaitable[None]]) -> None:
        self._run = run
        self._waiting: list[asyncio.Future[None]] = []
        self._running: asyncio.Task[None] | None = None

    async def once(self) -> None:
        """Returns when a run has ended that began after this call. Raises what it raised."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._running is None:
            self._running = asyncio.create_task(self._work())
        await waiter

    async def _work(self) -> None:
        try:
            while self._waiting:
                served, self._waiting = self._waiting, []
                await self._serve(served)
        finally:
            self._running = None

    async def _serve(self, waiters: Sequence[asyncio.Future[None]]) -> None:
        try:
            await self._run()
        except BaseException as error:
            _fail(waiters, error)
            if not isinstance(error, Exception):
                raise
        _settle(waiters, None)
