"""A connection that has ended is freed at once: whoever waits for the collector stops everybody."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from api.http_protocol import HttpProtocol
from api.realtime.attendance import Attendance
from api.realtime.socket import Connection
from api.realtime.wire import Wire
from api.realtime.wire_protocol import WireProtocol
from infra.runtime import Runtime
from tests.integration.sockets import WAIT_S, Live, live_gateway, pair
from tests.workers.office import until

OF_ONE = (HttpProtocol, WireProtocol, Wire, Connection, Attendance)


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


@pytest.fixture
def before() -> Iterator[list[object]]:
    """What other tests have left for good; from here on nothing is collected."""
    gc.collect()
    gc.disable()
    yield of_one([])
    gc.enable()


def of_one(but: list[object]) -> list[object]:
    others = {id(one) for one in but}
    return [one for one in gc.get_objects() if type(one) in OF_ONE and id(one) not in others]


def kept(before: list[object]) -> list[str]:
    return [type(one).__name__ for one in of_one(before)]


async def test_of_connections_that_end_nothing_is_left_for_the_collector(
    before: list[object], live: Live
) -> None:
    one, two, room = await pair(live)
    await one.ask("lock", room=room, resource="task:1")
    await two.ask("act", room=room, kind="note", data={})
    assert set(kept(before)) >= {"WireProtocol", "Wire", "Connection", "Attendance"}
    await one.connection.close()
    two.connection.transport.abort()

    async def freed() -> bool:
        return not live.gateway.connections and not kept(before)

    with suppress(TimeoutError):  # what is left says more
        async with asyncio.timeout(WAIT_S):
            await until(freed)
    assert (len(live.gateway.connections), kept(before)) == (0, [])
