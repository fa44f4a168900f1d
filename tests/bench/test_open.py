"""Requests that are due count, whether they are answered or not."""

import asyncio
from itertools import repeat
from typing import cast

import pytest

from bench.load import open as opened
from bench.load.loops import Window
from bench.load.open import due
from bench.load.requests import request

RATE, SHORT = 100, Window(0.4, 0.1)
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
ASKS = repeat(request("GET", "/", {}))


class Serving(asyncio.Protocol):
    """Gives an answer to the first `most` requests of each connection, and then none."""

    def __init__(self, answer: bytes, most: int) -> None:
        self._answer, self._left = answer, most

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002, asyncio's
        if not self._left:
            return
        self._left -= 1
        if self._answer:
            self._transport.write(self._answer)
        else:
            self._transport.close()


async def measured(answer: bytes, lines: int, most: int = 10_000) -> tuple[dict[str, float], int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Serving(answer, most), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        values, tally = await due(port, ASKS, RATE, lines, SHORT)
    return values, tally.errors


async def test_all_that_is_due_is_answered() -> None:
    values, errors = await measured(GOOD, 5)
    assert (errors, values["failed"], values["refused"]) == (0, 0.0, 0.0)
    assert values["offered"] == pytest.approx(RATE, rel=0.05)
    assert 0 < values["asked p1"] <= values["asked p50"] <= values["asked p99.9"]
    assert "refused p50" not in values


async def test_who_is_turned_away_is_no_error_and_has_no_answer() -> None:
    values, errors = await measured(BUSY, 5)
    assert (errors, values["failed"], values["good"]) == (0, 100.0, 0.0)
    assert values["refused p99"] > 0
    assert "asked p50" not in values


async def test_who_is_never_answered_has_waited_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "END_S", 0.2)
    values, _ = await measured(GOOD, 1, most=30)
    assert values["failed"] == pytest.approx(50, abs=10)
    assert values["good p99.9"] < 100 < values["asked p90"]


async def test_a_connection_that_is_lost_is_an_error_and_is_given_nothing_more() -> None:
    values, errors = await measured(b"", 3)
    assert errors == 3
    assert values["failed"] == 100.0
