"""The Redis client: what the processes rely on beyond its commands."""

import asyncio

from infra.runtime import open_redis
from infra.settings import Settings

TURNS = 40  # of the event loop: more than a command takes


async def test_a_command_that_is_cancelled_ends_wherever_it_is(settings: Settings) -> None:
    async with open_redis(settings) as redis:
        for turns in range(TURNS):
            await redis.ping()  # pyright: ignore[reportUnknownMemberType]  # untyped in redis-py
            command = asyncio.ensure_future(redis.ping())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # the same
            for _ in range(turns):
                await asyncio.sleep(0)
            cancelled = command.cancel()
            (outcome,) = await asyncio.gather(command, return_exceptions=True)
            assert isinstance(outcome, asyncio.CancelledError) or not cancelled
