"""Cancellations that libraries lose (psycopg_pool, redis-py), and asyncio.wait_for of Python 3.12.

That of 3.11, which they use, loses one which arrives just after the awaited thing is done
(python/cpython#86296): a loop that was told to stop then goes on, and its process for ever.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

_of_311 = asyncio.wait_for


async def wait_for(fut: Awaitable[T], timeout: float | None) -> T:
    """What `fut` gives, within `timeout` seconds. Raises TimeoutError."""
    if timeout is None or timeout <= 0:
        return await _of_311(fut, timeout)
    async with asyncio.timeout(timeout):
        return await fut


def mend_wait_for() -> None:
    """Let everything in this process use the one above."""
    asyncio.wait_for = wait_for


def cancelled() -> bool:
    """Whether whoever asks was told to stop.

    redis-py can swallow that while it connects: a loop around it goes on only while nobody has.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
