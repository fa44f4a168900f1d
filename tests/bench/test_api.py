"""The benchmark of requests measures what it says."""

import asyncio
from itertools import repeat
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from bench.contestant import contestant, play
from bench.load.loops import Window
from bench.load.requests import asked, request
from bench.load.rest import BARE, PROJECTS, Rest
from infra.settings import Settings
from tests.conftest import STORAGE_KEY

SHORT = Window(0.3, 0.1)


class Serving(asyncio.Protocol):
    """Gives that answer to every request, in two pieces; without one it hangs up."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert data.endswith(b"\r\n\r\n")
        if not self._answer:
            self._transport.close()
            return
        self._transport.write(self._answer[:20])
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._transport.write, self._answer[20:])


async def served(answer: bytes) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Serving(answer), "127.0.0.1", 0)


def port(server: asyncio.Server) -> int:
    return server.sockets[0].getsockname()[1]


async def test_answers_are_counted_whole() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    async with await served(answer) as server:
        asks = [repeat(request("GET", "/", {})) for _ in range(3)]
        measured = await asked(port(server), asks, SHORT)
    assert (measured.errors, measured.error) == (0, "")
    assert measured.values["per_s"] > 0
    assert 0 < measured.values["p50"] <= measured.values["p99"]


async def test_refusals_are_errors_and_no_answers() -> None:
    answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
    async with await served(answer) as server:
        measured = await asked(port(server), [repeat(request("GET", "/", {}))], SHORT)
    assert measured.errors > 0
    assert "503 Busy" in measured.error
    assert (measured.answers, measured.values["per_s"]) == (0, 0)


async def test_a_connection_that_is_lost_is_an_error() -> None:
    async with await served(b"") as server:
        measured = await asked(port(server), [repeat(request("GET", "/", {}))], SHORT)
    assert measured.errors == 1


@pytest.mark.services
def test_each_route_is_asked_beside_litestar(settings: Settings, tmp_path: Path) -> None:
    own = replace(settings, local_storage_path=str(tmp_path), local_storage_key=STORAGE_KEY)
    sample = play(contestant("rest", Rest(own, PROJECTS, SHORT)))
    assert (sample.errors, sample.error) == (0, "")
    for route in ("livez", "task", "tasks", "metadata", "change", BARE):
        assert sample.values[f"{route} per_s"] > 0
        assert sample.values[f"{route} p50"] <= sample.values[f"{route} p99"]
        assert sample.values[f"{route} cpu"] > 0
        if route != BARE:
            assert 0 < sample.values[f"{route} due p50"] <= sample.values[f"{route} due p99"]
