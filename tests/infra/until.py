"""Waiting for something another process does, with a limit."""

import asyncio
import time
from collections.abc import Callable

LIMIT_S = 20.0


def wait_until(condition: Callable[[], object]) -> None:
    late = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < late, "waited in vain"
        time.sleep(0.01)


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, condition)
