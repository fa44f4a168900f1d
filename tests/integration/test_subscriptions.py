"""One connection to Redis hears all rooms, whoever asks for it first."""

import asyncio
from typing import Any, cast
from uuid import uuid4

import msgspec
import pytest

from infra.bus import Entry, Kind, Publisher, channel, unpack
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


async def test_what_is_published_comes_though_the_kept_connection_ends(runtime: Runtime) -> None:
    name, come = uuid4().hex, asyncio.Queue[bytes]()
    url = f"{runtime.settings.redis_url}?client_name={name}"
    prefix, redis = runtime.settings.redis_prefix, cast("Any", runtime.redis)
    bus = subscriptions(runtime.redis, prefix, lambda _room, message: come.put_nowait(message))
    listening = asyncio.create_task(bus.run())
    await bus.subscribe("room:1")
    mine = msgspec.structs.replace(runtime.settings, redis_url=url)
    async with open_redis(mine) as client:
        publisher, seen = Publisher(client, prefix), set[str]()
        for number in range(3):
            await publisher.publish({"room:1": [Entry(Kind.EVENT, number, b"%d" % number)]})
            [entry] = unpack(await asyncio.wait_for(come.get(), SECONDS))
            assert entry.payload == b"%d" % number
            mine_now = [one["id"] for one in await redis.client_list() if one["name"] == name]
            seen |= set(mine_now)
            for one in mine_now:
                await redis.client_kill_filter(_id=one)
        await publisher.close()
        assert len(seen) >= 3, "each connection was ended"
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert come.empty(), "once each"
