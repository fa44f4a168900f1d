"""A node enters a room: nothing is missed that came meanwhile, and nothing stays of a failure."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast
from uuid import uuid4

import pytest

from api.realtime import hub as hubs
from api.realtime.hub import Hub
from api.realtime.member import Member
from infra.bus import channel
from infra.runtime import Runtime
from projections.read import wait_for
from tests.api.test_rooms import Peer
from tests.faults.listening import ROOM
from tests.integration.test_projector import act

LONG = 300  # frames
TICKS_S = 0.1  # some looks at the heads
LIMIT_S = 10.0


@pytest.fixture
async def hub(projected: Runtime, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    monkeypatch.setattr(hubs, "HEADS_S", 0.01)
    hub = Hub(projected)
    running = asyncio.create_task(hub.run())
    yield hub
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def member() -> Member:
    return Member(Peer(), uuid4(), audience=0)


async def acted(runtime: Runtime, times: int) -> list[int]:
    """Positions in ROOM that the rooms' projector has told."""
    positions = [await act(runtime, uuid4(), "note") for _ in range(times)]
    await wait_for(runtime, "live", positions[-1], LIMIT_S)
    return positions


async def listeners(runtime: Runtime) -> int:
    """Nodes that Redis tells of ROOM."""
    name = channel(runtime.settings.redis_prefix, ROOM)
    bus = cast(Any, runtime.bus)  # its commands are typed in part only
    return (await bus.execute_command("PUBSUB", "NUMSUB", name))[1]


async def abandoned(hub: Hub, runtime: Runtime) -> None:
    async with asyncio.timeout(LIMIT_S):
        while await listeners(runtime):  # noqa: ASYNC110, Redis tells nobody when one goes
            await asyncio.sleep(0.01)
    assert hub.meters.short()["rooms"] == 0


async def test_a_long_room_is_not_mended_from_its_start_while_it_is_entered(
    hub: Hub, projected: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    positions = await acted(projected, LONG)
    monkeypatch.setattr(hubs, "MEND", 1)
    subscribe = hub.bus.subscribe

    async def slowly(room: str) -> None:
        await subscribe(room)
        await asyncio.sleep(TICKS_S)

    monkeypatch.setattr(hub.bus, "subscribe", slowly)
    room = await hub.enter(ROOM, member())
    assert room.last == positions[-1]
    assert room.since(positions[-20]) is None, "it is in the log, and nothing of it here"
    assert hub.meters.gaps.value == 0


@pytest.mark.parametrize("answer", ["before", "after"])
async def test_what_comes_before_the_head_is_known_is_neither_lost_nor_taken_twice(
    hub: Hub, projected: Runtime, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    *_, known = await acted(projected, 3)
    head, met = hub.reads.head, list[int]()

    async def overtaken(room: str) -> int:
        was = await head(room)
        met.extend(await acted(projected, 3))
        assert await hub.reads.progress.wait(met[-1], LIMIT_S), "heard while it is entered"
        return was if answer == "before" else await head(room)

    monkeypatch.setattr(hub.reads, "head", overtaken)
    monkeypatch.setattr(hubs, "HEADS_S", LIMIT_S)
    room = await hub.enter(ROOM, member())
    assert room.last == met[-1]
    kept = room.since(known)
    assert (kept and [one.pos for one in kept]) == (met if answer == "before" else None)
    assert hub.meters.gaps.value == 0


async def test_a_room_that_could_not_be_entered_is_left(
    hub: Hub, projected: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, last = await acted(projected, 3)
    with monkeypatch.context() as failing:

        async def fails(_room: str) -> int:
            raise OSError("no database")

        failing.setattr(hub.reads, "head", fails)
        with pytest.raises(OSError, match="no database"):
            await hub.enter(ROOM, member())
    await abandoned(hub, projected)
    room = await hub.enter(ROOM, member())
    assert room.last == last
    assert hub.meters.gaps.value == 0


async def test_who_gives_up_while_entering_takes_the_room_from_nobody_else(
    hub: Hub, projected: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, last = await acted(projected, 3)
    asked, head = asyncio.Event(), hub.reads.head

    async def hangs(_room: str) -> int:
        asked.set()
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr(hub.reads, "head", hangs)
    first = asyncio.create_task(hub.enter(ROOM, member()))
    await asked.wait()
    second = member()
    monkeypatch.setattr(hub.reads, "head", head)
    here = asyncio.create_task(hub.enter(ROOM, second))
    await asyncio.sleep(0)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    room = await here
    await asyncio.sleep(TICKS_S)
    assert (room.last, await listeners(projected)) == (last, 1)
    hub.leave(room, second)
    await abandoned(hub, projected)
