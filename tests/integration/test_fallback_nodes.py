"""Readers over two nodes: behind a proxy that blocks upgrades, and without any stickiness."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import cycle
from math import inf
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from api.realtime import protocol as p
from domain.kernel import Event
from domain.motion_summary import MotionSummed
from domain.participation import PARTICIPATION, Leave, LeaveReason, Left
from domain.registry import tag_of
from infra.runtime import SYSTEM, Runtime
from projections.read import wait_for
from tests.balancer import balancer
from tests.integration.reading import (
    Reader,
    Room,
    asking,
    http,
    joins,
    made,
    node,
    numbers_of,
)
from tests.integration.sockets import Live
from tests.workers.office import until
from workers.reaper import Reaper

pytestmark = pytest.mark.timeout(150)  # a proxy may be installed first


class Nodes:
    """Two api processes, and a project's room whose requests go to the first."""

    def __init__(self, one: Live, two: Live, room: Room, clients: Sequence[httpx.AsyncClient]):
        self.one, self.two, self.room, self.clients = one, two, room, clients

    @property
    def ports(self) -> list[int]:
        return [urlsplit(live.url).port or 0 for live in (self.one, self.two)]

    async def happened(self, kind: type[Event]) -> list[Event]:
        found = await self.two.runtime.store.read(0, 1_000, motion=False, types=[tag_of(kind)])
        return [one.event for one in found]


@pytest.fixture
async def first() -> AsyncIterator[AsyncExitStack]:
    """Closing it ends the first node."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def nodes(projected: Runtime, first: AsyncExitStack) -> AsyncIterator[Nodes]:
    async with node(projected.settings) as two:
        one = await first.enter_async_context(node(projected.settings))
        async with asking(http(one)) as here, asking(http(two)) as there:
            yield Nodes(one, two, await made(two, here), (here, there))


async def test_a_proxy_that_blocks_upgrades_blocks_nobody(nodes: Nodes) -> None:
    room = nodes.room
    async with balancer(nodes.ports, block_upgrades=True) as url, asking(url) as client:
        with pytest.raises(InvalidStatus):
            await connect(f"ws{url.removeprefix('http')}{p.PATH}", proxy=None)
        room.client = client
        ann, bob, carl = room.reader(room.ann), room.reader(), room.reader()
        numbers = list(range(40))
        found: list[int] = []
        async with bob.stream() as stream:
            await stream.op("joined")
            await ann.poll()
            await carl.poll()
            acting = asyncio.create_task(acts(ann, numbers))
            async with asyncio.timeout(60):
                while len(found) < len(numbers):
                    found += numbers_of((await carl.poll())["frames"])
            await acting
            await stream.act(numbers[-1])
        streamed = numbers_of(stream.frames)
    assert found == streamed == numbers


async def acts(reader: Reader, numbers: Sequence[int]) -> None:
    for number in numbers:
        await reader.do("act", kind="n", data={"n": number})


async def test_polls_of_any_node_are_one_member_that_misses_nothing(nodes: Nodes) -> None:
    ann, bob = await nodes.room.socket(), nodes.room.reader()
    clients, found, held = cycle(nodes.clients), list[int](), set[str]()
    for number in range(20):
        bob.client = next(clients)
        polled = await bob.poll(wait=0)
        held.add(polled["frames"][0]["participation"])
        found += numbers_of(polled["frames"])
        await nodes.room.act(ann, number)
    async with asyncio.timeout(20):
        while len(found) < 20:
            bob.client = next(clients)
            found += numbers_of((await bob.poll())["frames"])
    assert found == list(range(20))
    assert len(held) == 1
    bob.client = next(clients)
    await bob.do("act", kind="n", data={"n": 99})
    assert await nodes.happened(Left) == []


async def test_a_stream_goes_on_at_another_node_when_its_own_goes(
    nodes: Nodes, first: AsyncExitStack
) -> None:
    room = nodes.room
    ann, bob = await room.socket(), room.reader()
    async with balancer(nodes.ports, block_upgrades=True) as url, asking(url) as client:
        async with bob.stream() as stream:
            joined = await stream.op("joined")
            await room.act(ann, 0)
            await stream.act(0)
            going = asyncio.create_task(first.aclose())
            await stream.op("closing")
            assert (await stream.ended() or {})["code"] == p.CloseCode.RESTARTING
        missed = await room.act(ann, 1)
        await going
        bob.client = client
        async with bob.stream(stream.last_id) as again:
            back = await again.op("joined")
            assert (await again.act(1)).frame["pos"] == missed
    assert back.frame["participation"] == joined.frame["participation"]
    assert numbers_of(again.frames) == [1]
    assert await nodes.happened(Left) == []


@pytest.fixture(autouse=True)
def _runs_ahead(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """A reaper's own clock here goes faster than Postgres's, which was not set back for that."""
    monkeypatch.setattr("workers.steady.JUMP_S", inf)


async def test_who_asks_no_more_leaves_by_event_and_may_come_back(nodes: Nodes) -> None:
    ann, bob = await nodes.room.socket(), nodes.room.reader()
    reap = await steady(nodes.one.runtime)
    polled = await bob.poll()
    await bob.post("cursor", at={"x": 1})
    await ann.until(lambda frame: frame["op"] == "mo")
    await reap(7.0)
    assert await nodes.happened(Left) == [], "not within its lease"
    await lapse(nodes.one.runtime)
    await reap(8.0)
    (left,), (summed,) = await nodes.happened(Left), await nodes.happened(MotionSummed)
    assert isinstance(left, Left)
    assert (left.user, left.reason) == (nodes.room.bob, LeaveReason.EXPIRED)
    assert isinstance(summed, MotionSummed)
    assert (str(summed.participation), summed.cursors) == (
        polled["frames"][0]["participation"],
        1,
    )
    await ann.until(lambda frame: frame["op"] == "presence" and "leave" in frame)
    await nodes.room.act(ann, 1)
    bob.client = nodes.clients[1]
    back = await bob.poll()
    assert numbers_of(back["frames"]) == [1], "its place in the room is its own"
    assert back["frames"][0]["participation"] != polled["frames"][0]["participation"]
    await ann.until(lambda frame: joins(frame, nodes.room.bob))


async def test_who_is_held_to_have_gone_comes_back_at_once(nodes: Nodes) -> None:
    ann, bob = await nodes.room.socket(), nodes.room.reader()
    async with bob.stream() as stream:
        joined = await stream.op("joined")
        participation = UUID(joined.frame["participation"])
        lapsed = Leave(reason=LeaveReason.EXPIRED)
        await nodes.one.runtime.execute(SYSTEM, PARTICIPATION, participation, lapsed)
        again = await stream.op("joined")
        await nodes.room.act(ann, 1)
        await stream.act(1)
    assert again.frame["mode"] == "resume"
    assert again.frame["participation"] != joined.frame["participation"]


async def test_a_reader_outlives_the_node_that_let_it_in(
    nodes: Nodes, first: AsyncExitStack
) -> None:
    bob = nodes.room.reader()
    await bob.poll()
    await first.aclose()
    bob.client = nodes.clients[1]
    reap = await steady(nodes.two.runtime)
    before = await bob.poll(wait=0)
    await reap(7.0)
    assert await nodes.happened(Left) == []
    after = await bob.poll(wait=0)
    assert before["frames"][0]["participation"] == after["frames"][0]["participation"]


async def test_whoever_serves_a_reader_renews_its_lease(nodes: Nodes) -> None:
    bob, runtime = nodes.room.reader(), nodes.one.runtime
    async with bob.stream() as stream:
        await stream.op("joined")
        left_s = timedelta(seconds=5)
        async with runtime.db.connection() as db:
            await db.execute("UPDATE formula_readers SET until = clock_timestamp() + %s", (left_s,))

        async def renewed() -> bool:
            return await lease(runtime) > left_s

        await until(renewed)


async def steady(runtime: Runtime) -> Reaper:
    """A reaper that has looked long enough to judge."""
    reap = Reaper(runtime)
    for now in (0.0, 2.0, 4.0, 6.0):
        await wait_for(runtime, "live", await runtime.store.head())
        await reap(now)
    return reap


async def lapse(runtime: Runtime) -> None:
    """As if nobody had asked for a lease."""
    async with runtime.db.connection() as db:
        await db.execute("UPDATE formula_readers SET until = clock_timestamp() - interval '1 s'")


async def lease(runtime: Runtime) -> timedelta:
    """How long the one reader there is may still be silent."""
    async with runtime.db.connection() as db:
        cursor = await db.execute("SELECT until - clock_timestamp() FROM formula_readers")
        row = await cursor.fetchone()
    assert row is not None
    return row[0]
