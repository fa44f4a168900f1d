"""How far the rooms' projector is, as far as one hears of it."""

import asyncio

from api.realtime.reads import Progress

LONG_S = 10.0


async def test_a_position_that_was_heard_of_is_not_waited_for() -> None:
    progress = Progress()
    progress.reached(5)
    assert await progress.wait(5, 0.0)


async def test_who_waits_goes_on_when_its_position_is_heard_of_whoever_asked_first() -> None:
    progress = Progress()
    later, sooner = (asyncio.create_task(progress.wait(pos, LONG_S)) for pos in (9, 7))
    await asyncio.sleep(0)
    progress.reached(8)
    assert await sooner
    assert not later.done()
    progress.reached(9)
    assert await later


async def test_a_wait_is_bounded_and_leaves_nothing_behind() -> None:
    progress = Progress()
    assert not await progress.wait(5, 0.001)
    progress.reached(9)
    assert await progress.wait(9, 0.0)
