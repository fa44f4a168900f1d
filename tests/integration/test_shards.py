"""Live frames over a real cluster: every shard's rooms are heard, a lost shard is no lost frame."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from redis.asyncio.cluster import RedisCluster
from redis.crc import key_slot

from infra.bus import Entry, Kind, channel, publish, unpack
from infra.runtime import open_runtime
from infra.settings import Settings
from infra.subscriptions import subscriptions
from tests.conftest import projecting
from tests.integration.sockets import live_gateway
from tests.shards import SHARDS, SLOTS, Shard, three_shards

pytestmark = pytest.mark.services

WAIT_S = 15.0
PREFIX = "t:"
ROOMS = [f"project:{uuid4()}" for _ in range(60)]


def shard_of(room: str, prefix: str = PREFIX) -> int:
    return key_slot(channel(prefix, room).encode()) * SHARDS // SLOTS


class Ear:
    """What was heard, by room."""

    def __init__(self) -> None:
        self.heard: Counter[str] = Counter()
        self._more = asyncio.Event()

    def __call__(self, room: str, message: bytes) -> None:
        self.heard.update({room: len(unpack(message))})
        self._more.set()

    async def until(self, rooms: list[str], times: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while not all(self.heard[room] >= times for room in rooms):
                self._more.clear()
                await self._more.wait()


@pytest.fixture
async def shards(tmp_path: Path) -> AsyncIterator[list[Shard]]:
    async with three_shards(tmp_path) as running:
        yield running


@pytest.fixture
async def cluster(shards: list[Shard]) -> AsyncIterator[RedisCluster]:
    connected = RedisCluster.from_url(shards[0].url, require_full_coverage=False)  # pyright: ignore[reportUnknownMemberType]
    yield connected
    await connected.aclose()


async def tell(cluster: RedisCluster, rooms: list[str]) -> None:
    await publish(cluster, PREFIX, {room: [Entry(Kind.MOTION, 1, b"{}")] for room in rooms})


async def test_rooms_of_every_shard_are_heard_once_and_no_others(cluster: RedisCluster) -> None:
    ear = Ear()
    bus = subscriptions(cluster, PREFIX, ear)
    running = asyncio.create_task(bus.run())
    assert {shard_of(room) for room in ROOMS} == {0, 1, 2}
    for room in ROOMS:
        await bus.subscribe(room)
    left, kept = ROOMS[0], ROOMS[1:]
    await bus.unsubscribe(left)
    for _ in range(2):
        await tell(cluster, ROOMS)
    await ear.until(kept, 2)
    assert ear.heard == Counter(dict.fromkeys(kept, 2))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_shard_that_crashes_takes_only_its_rooms_and_comes_back(
    cluster: RedisCluster, shards: list[Shard]
) -> None:
    ear = Ear()
    bus = subscriptions(cluster, PREFIX, ear)
    running = asyncio.create_task(bus.run())
    for room in ROOMS:
        await bus.subscribe(room)
    await tell(cluster, ROOMS)
    await ear.until(ROOMS, 1)
    others = [room for room in ROOMS if shard_of(room) != 1]
    await shards[1].stop()
    await tell(cluster, others)
    await ear.until(others, 2)
    await shards[1].start()
    async with asyncio.timeout(WAIT_S):
        while min(ear.heard[room] for room in ROOMS) < 3:
            await tell(cluster, ROOMS)
            await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_gateway_gets_its_frames_over_the_cluster(
    settings: Settings, shards: list[Shard]
) -> None:
    """And not from the log: nothing had to be mended."""
    settings = msgspec.structs.replace(settings, redis_cluster_url=shards[0].url)
    async with (
        open_runtime(settings) as runtime,
        projecting(runtime),
        live_gateway(runtime) as live,
    ):
        ann = await live.user("ann")
        socket = await live.open(ann)
        rooms = [f"project:{await live.project(ann)}" for _ in range(9)]
        for room in rooms:
            await socket.ask("join", room=room)
            await socket.ask("act", room=room, kind="n", data={})
        seen = [await socket.event("activity.recorded") for _ in rooms]
        assert {frame["room"] for frame in seen} == set(rooms)
        assert live.gateway.healed == 0
