"""Waiting with a time-out: for what comes, and for the word to stop."""

import asyncio
import gc
from contextlib import suppress

import psutil
import pytest

from infra.db import connect
from infra.runtime import Runtime
from infra.waiting import wait_for

TURNS = 60  # of the event loop: more than a command takes


async def test_a_cancellation_that_meets_the_result_is_not_lost() -> None:
    done = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(wait_for(done, 60))
    await asyncio.sleep(0)
    done.set_result(None)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_takes_too_long_is_cancelled() -> None:
    never = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await wait_for(never, 0.001)
    assert never.cancelled()


@pytest.mark.parametrize("timeout", [None, 0, 1])
async def test_what_is_there_is_given_at_once(timeout: float | None) -> None:
    there = asyncio.get_running_loop().create_future()
    there.set_result(7)
    assert await wait_for(there, timeout) == 7


async def test_a_redis_command_that_is_cancelled_ends_wherever_it_is(runtime: Runtime) -> None:
    redis = runtime.redis
    for turns in range(TURNS):
        command = asyncio.ensure_future(redis.ping())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # untyped in redis-py
        for _ in range(turns):
            await asyncio.sleep(0)
        cancelled = command.cancel()
        (outcome,) = await asyncio.gather(command, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError) or not cancelled


async def test_who_is_cancelled_while_connecting_leaves_no_session_half_open(
    runtime: Runtime,
) -> None:
    """Postgres waits for one a minute long, and so does who drops a database."""
    before = sockets()
    gc.disable()  # what nobody needs any more is to be gone at once
    try:
        for turns in range(1, TURNS):
            connecting = asyncio.create_task(connect(runtime.settings.database_url))
            for _ in range(turns):
                await asyncio.sleep(0)
            connecting.cancel()
            with suppress(asyncio.CancelledError):
                await (await connecting).close()
            assert sockets() == before
    finally:
        gc.enable()


def sockets() -> int:
    return len(psutil.Process().net_connections("tcp"))
