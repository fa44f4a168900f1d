"""What fault tests rest on: requests go round, a dead process is left out, sockets get through."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from api.realtime import protocol as p
from infra.runtime import Runtime
from tests.api.served import Served, served
from tests.balancer import balancer
from tests.integration.reading import asking

pytestmark = [pytest.mark.services, pytest.mark.timeout(150)]  # it may be installed first


class Backend:
    """A listener that says who it is, whatever it is asked."""

    def __init__(self, name: str) -> None:
        self.name, self.stopping = name, False

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        body = self.name
        if b"/readyz" in request:
            body = '{"status":"stopping"}' if self.stopping else '{"status":"ready"}'
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(backend: Backend) -> AsyncGenerator[int]:
    server = await asyncio.start_server(backend.answer, "127.0.0.1")
    async with server:
        yield server.sockets[0].getsockname()[1]


async def names(client: httpx.AsyncClient, count: int) -> list[str]:
    return [(await client.get("/")).text for _ in range(count)]


async def test_requests_go_round_and_past_what_stops() -> None:
    one, two = Backend("one"), Backend("two")
    async with (
        listening(one) as first,
        listening(two) as second,
        balancer([first, second]) as url,
        asking(url) as client,
    ):
        both = ["one", "one", "two", "two"]
        await asked_until(client, both)
        two.stopping = True
        await asked_until(client, ["one"] * 4)
        two.stopping = False
        await asked_until(client, both)


async def asked_until(client: httpx.AsyncClient, wanted: list[str]) -> None:
    async with asyncio.timeout(10):
        while sorted(await names(client, 4)) != wanted:
            pass


async def test_a_request_meets_the_living_the_moment_a_process_died() -> None:
    one, two = Backend("one"), Backend("two")
    async with listening(one) as first, listening(two) as second:
        dying = await asyncio.start_server(two.answer, "127.0.0.1")
        gone = dying.sockets[0].getsockname()[1]
        async with (
            balancer([first, second, gone]) as url,
            asking(url) as client,
        ):
            assert len(await names(client, 3)) == 3
            dying.close()
            await dying.wait_closed()
            assert set(await names(client, 12)) == {"one", "two"}


async def test_sockets_get_through_and_can_be_blocked(projected: Runtime) -> None:
    async with served(projected) as api:
        assert await dial(api, block_upgrades=False) is None
        refused = await dial(api, block_upgrades=True)
        assert isinstance(refused, InvalidStatus)


async def dial(api: Served, *, block_upgrades: bool) -> Exception | None:
    """Open a socket through a balancer; why that failed."""
    port = int(api.url.rpartition(":")[2])
    async with balancer([port], block_upgrades=block_upgrades) as url:
        try:
            async with connect(f"ws{url.removeprefix('http')}{p.PATH}", proxy=None) as socket:
                await socket.send('{"op":"ping","t":7}')
                assert await socket.recv() == '{"op":"pong","t":7}'
        except InvalidStatus as error:
            return error
    return None
