"""Waiting for something another process does, with a limit."""

import asyncio
import time
from collections.abc import Callable

LIMIT_S = 20.0


def wait_until(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    late = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < late, "waited in vain"
        time.sleep(0.01)


async def until(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    await asyncio.to_thread(wait_until, condition, limit_s)
