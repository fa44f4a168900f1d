"""asyncio.wait_for as of Python 3.12, for the libraries that use it (psycopg_pool, redis-py).

That of 3.11 loses a cancellation which arrives just after the awaited thing is done
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
