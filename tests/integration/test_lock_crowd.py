"""A crowd that wants the same lock at once, and leaves at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.lock import LOCK, lock_stream
from domain.project import ProjectRole
from infra.runtime import Runtime
from tests.integration.sockets import Live, live_gateway
from tests.workers.office import until

CROWD = 40


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


async def test_a_crowd_queues_at_once_and_leaves_at_once(live: Live) -> None:
    project, bob = await live.project(await live.user("ann")), await live.user("bob")
    await live.add(project, bob, ProjectRole.CONTRIBUTOR)
    room, stream = f"project:{project}", lock_stream(project, "desk")
    sockets = [await live.open(bob) for _ in range(CROWD)]
    for socket in sockets:
        await socket.ask("join", room=room)
    answers = await asyncio.gather(
        *(socket.ask("lock", room=room, resource="desk", wait=True) for socket in sockets)
    )
    places = sorted(answer.get("queued", 0) for answer in answers)
    assert places == [*range(CROWD)], "one has it, the others wait"
    for socket in sockets:
        socket.connection.transport.abort()

    async def nobody_waits() -> bool:
        return not (await live.runtime.load(LOCK, stream)).state.queue

    await until(nobody_waits)
