"""Several things at once, so that the first error ends them all and is raised as it is."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def side_by_side(*work: Coroutine[Any, Any, None]) -> None:
    """Until all have ended; nothing of it runs on after this returns or raises."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def together(
    items: Iterable[T], act: Callable[[T], Awaitable[None]], at_once: int = 50
) -> None:
    """Do `act` to every item, at most so many at a time."""
    free = asyncio.Semaphore(at_once)

    async def one(item: T) -> None:
        async with free:
            await act(item)

    await side_by_side(*(one(item) for item in items))
