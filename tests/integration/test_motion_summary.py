"""What somebody's motion came to is a durable event, once, when they leave."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from domain.motion_summary import MotionSummed
from domain.registry import tag_of
from infra.runtime import Runtime
from tests.integration.sockets import Live, Socket, live_gateway
from tests.workers.office import until

TYPES = [tag_of(MotionSummed)]


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


async def inside(live: Live) -> tuple[Socket, UUID, str]:
    ann = await live.user("ann")
    room = f"project:{await live.project(ann)}"
    one = await live.open(ann)
    await one.ask("join", room=room)
    return one, ann, room


async def move(one: Socket, room: str) -> None:
    await one.say("cursor", room=room, at={"x": 3})
    await one.say("cursor", room=room, at={"x": 4})
    await one.say("typing", room=room, where="title", on=True)


async def sums(live: Live) -> list[MotionSummed]:
    found = await live.runtime.store.read(0, 1_000, motion=False, types=TYPES)
    return [one.event for one in found if isinstance(one.event, MotionSummed)]


async def test_who_leaves_is_summed_up_once(live: Live) -> None:
    one, ann, room = await inside(live)
    await move(one, room)
    await one.ask("leave", room=room)
    [summed] = await sums(live)
    assert (summed.user, summed.room) == (ann, room)
    assert (summed.cursors, summed.typing, summed.selections) == (2, 1, 0)
    assert summed.first <= summed.last
    await one.ask("join", room=room)
    await one.ask("leave", room=room)
    assert await sums(live) == [summed], "who did not move has no sum"


async def test_who_drops_is_summed_up_as_well(live: Live) -> None:
    one, _, room = await inside(live)
    await move(one, room)
    await one.ask("act", room=room, kind="wave", data={})  # what came before was heard
    one.connection.transport.abort()

    async def is_summed() -> bool:
        return [event.cursors for event in await sums(live)] == [2]

    await until(is_summed)
