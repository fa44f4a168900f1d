"""Many questions, one read: a thousand people who come at once must not be a thousand queries."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Gathered(Generic[K, V]):
    """Answers by `read`, which is given at most `most` questions and answers all of them.

    What is asked in one turn of the loop, or while a read runs, goes into the next: no answer
    is older than its question, and the same question is read once for all who ask it.
    """

    def __init__(
        self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], most: int = 100
    ) -> None:
        self._read, self._most = read, most
        self._waiting: dict[K, asyncio.Future[V]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def ask(self, question: K) -> V:
        """Raises what the read raised."""
        answer = self._waiting.get(question)
        if answer is None:
            answer = self._waiting[question] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._work())
        return await asyncio.shield(answer)  # one who is cancelled does not take it from others

    async def _work(self) -> None:
        try:
            while self._waiting:
                asked = {key: self._waiting[key] for key in islice(self._waiting, self._most)}
                for key in asked:
                    del self._waiting[key]
                await self._answer(asked)
        finally:
            self._reading = None

    async def _answer(self, asked: Mapping[K, asyncio.Future[V]]) -> None:
        try:
            found = await self._read(list(asked))
            for question, answer in asked.items():
                answer.set_result(found[question])
        except BaseException as error:
            for answer in asked.values():
                if not answer.done():
                    answer.set_exception(error)
                    answer.exception()  # nobody may be waiting any more
            if not isinstance(error, Exception):
                raise
