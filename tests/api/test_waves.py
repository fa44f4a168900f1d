"""Who comes in a crowd comes in together; who comes alone waits for nobody."""

import asyncio

import pytest

from api.realtime import waves as module
from api.realtime.waves import AT_ONCE, Waves


class Crowd:
    """People who come in and stay on the threshold until they are let in."""

    def __init__(self) -> None:
        self.waves = Waves()
        self.inside: list[int] = []
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._go: dict[int, asyncio.Event] = {}

    async def come(self, *numbers: int) -> list[int]:
        """Who is coming in once these have come."""
        for number in numbers:
            self._go[number] = asyncio.Event()
            self._tasks[number] = asyncio.create_task(self._one(number))
        return await self._settled()

    async def through(self, *numbers: int) -> list[int]:
        for number in numbers:
            self._go[number].set()
        await asyncio.gather(*(self._tasks[number] for number in numbers))
        return await self._settled()

    async def give_up(self, number: int) -> list[int]:
        self._tasks[number].cancel()
        await asyncio.gather(self._tasks[number], return_exceptions=True)
        return await self._settled()

    async def _one(self, number: int) -> None:
        async with self.waves.joined():
            self.inside.append(number)
            try:
                await self._go[number].wait()
            finally:
                self.inside.remove(number)

    async def _settled(self) -> list[int]:
        for _ in range(5):  # turns of the loop
            await asyncio.sleep(0)
        return sorted(self.inside)


async def test_who_comes_alone_waits_for_nobody_and_who_comes_meanwhile_comes_together() -> None:
    crowd = Crowd()
    assert AT_ONCE == 2
    assert await crowd.come(1) == [1]
    assert await crowd.come(2, 3) == [1, 2, 3], "one wave, for they came at once"
    assert await crowd.come(4) == [1, 2, 3]
    assert await crowd.come(5) == [1, 2, 3]
    assert await crowd.through(2) == [1, 3], "a wave is over with its last"
    assert await crowd.through(3) == [1, 4, 5]
    assert await crowd.through(1, 4, 5) == []


async def test_a_wave_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    crowd = Crowd()
    assert await crowd.come(1, 2, 3, 4, 5) == [1, 2, 3, 4]
    assert await crowd.through(1, 2) == [3, 4, 5]
    assert await crowd.through(3, 4, 5) == []


async def test_one_who_gives_up_keeps_nobody_waiting() -> None:
    crowd = Crowd()
    await crowd.come(1)
    await crowd.come(2)
    await crowd.come(3, 4)
    assert await crowd.give_up(3) == [1, 2], "it had not begun"
    assert await crowd.give_up(1) == [2, 4]
    assert await crowd.give_up(4) == [2]
    assert await crowd.come(5) == [2, 5]
    assert await crowd.through(2, 5) == []


async def test_one_who_takes_long_keeps_the_next_ones_waiting_no_longer_than_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONGEST_S", 0.01)
    crowd = Crowd()
    await crowd.come(1)
    await crowd.come(2)
    await crowd.come(3)
    async with asyncio.timeout(5.0):
        while 3 not in crowd.inside:  # noqa: ASYNC110, nobody tells
            await asyncio.sleep(0.001)
    assert await crowd.through(1, 2, 3) == []
    monkeypatch.setattr(module, "LONGEST_S", 60.0)
    await crowd.come(4)
    await crowd.come(5)
    assert await crowd.come(6) == [4, 5], "who was late was not counted twice"
    assert await crowd.through(4, 5) == [6]
    assert await crowd.through(6) == []


async def test_who_gives_up_just_as_a_wave_begins_keeps_nobody_back() -> None:
    waves, came = Waves(), list[int]()

    async def come(number: int) -> None:
        async with waves.joined():
            came.append(number)

    tasks = [asyncio.create_task(come(number)) for number in (1, 2, 3)]
    await asyncio.sleep(0)  # all wait, and the wave begins with the next turn
    tasks[1].cancel()
    await asyncio.wait(tasks)
    assert came == [1, 3]
    await asyncio.wait_for(come(4), 5)
