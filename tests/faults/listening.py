"""One who acts in a room and one who hears of it there, whatever happens in between."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from api.realtime.hub import Hub
from api.realtime.member import Member
from infra.runtime import Runtime
from tests.api.test_rooms import Peer
from tests.faults.projecting import LIMIT_S, PAUSE_S
from tests.infra.until import until
from tests.integration.test_projector import act

ROOM = f"project:{UUID(int=1)}"  # where `act` acts


@asynccontextmanager
async def heard(runtime: Runtime) -> AsyncGenerator[None]:
    """On leaving, all that was done meanwhile has been heard: once each, in its order."""
    async with _listening(runtime) as peer:
        async with _acting(runtime) as positions:
            yield
        await until(lambda: len(_positions(peer)) >= len(positions), LIMIT_S)
    assert positions
    assert _positions(peer) == positions


@asynccontextmanager
async def _listening(runtime: Runtime) -> AsyncGenerator[Peer]:
    """In ROOM by the hub of a gateway."""
    hub, peer = Hub(runtime), Peer()
    running = asyncio.create_task(hub.run())
    member = Member(peer, uuid4(), audience=0)
    (await hub.enter(ROOM, member)).start(member, 0)
    try:
        yield peer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def _acting(runtime: Runtime) -> AsyncGenerator[list[int]]:
    """The positions that were acknowledged."""
    positions, leaving = list[int](), asyncio.Event()

    async def run() -> None:
        while not leaving.is_set():
            positions.append(await act(runtime, uuid4(), "note"))
            await asyncio.sleep(PAUSE_S)

    running = asyncio.create_task(run())
    try:
        yield positions
    finally:
        leaving.set()
        await running


def _positions(peer: Peer) -> list[object]:
    return [frame["pos"] for frame in peer.frames if frame["op"] == "ev"]
