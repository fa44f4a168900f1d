"""One connection to Redis hears all rooms, whoever asks for it first."""

import asyncio
from typing import Any, cast
from uuid import uuid4

import msgspec
import pytest

from infra.bus import channel
from infra.runtime import Runtime, open_redis
from infra.subscriptions import subscriptions

pytestmark = pytest.mark.services

SECONDS = 10.0


async def hearing(runtime: Runtime, name: str) -> int:
    """How many connections of a client have subscribed."""
    redis = cast("Any", runtime.redis)  # its types are unknown in part
    return sum(one["name"] == name and one["sub"] != "0" for one in await redis.client_list())


async def test_who_subscribes_while_it_is_opened_shares_it(runtime: Runtime) -> None:
    name, come, heard = uuid4().hex, asyncio.Event(), list[bytes]()
    url = f"{runtime.settings.redis_url}?client_name={name}"
    mine = msgspec.structs.replace(runtime.settings, redis_url=url)

    def hear(_room: str, message: bytes) -> None:
        heard.append(message)
        come.set()

    async with open_redis(mine) as redis:  # which has no connection yet
        bus = subscriptions(redis, mine.redis_prefix, hear)
        listening = asyncio.create_task(bus.run())
        await asyncio.gather(*(bus.subscribe(f"room:{number}") for number in range(5)))
        assert await hearing(runtime, name) == 1
        await cast("Any", redis).publish(channel(mine.redis_prefix, "room:0"), b"once")
        await asyncio.wait_for(come.wait(), SECONDS)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert heard == [b"once"]
