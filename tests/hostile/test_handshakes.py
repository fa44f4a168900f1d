"""Clients that never finish asking, or ask for what no request may: refused, or cut in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from api import http_protocol
from api.realtime import protocol as p
from tests.hostile.raw import WAIT_S, Raw, connection, request, upgraded
from tests.hostile.siege import Siege

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("hostile")]

SLOW = 20  # connections at once of each kind
DRIP_S = 0.25  # between two bytes of them

ODD: dict[str, bytes] = {
    "a header of 9 kB": request(more=["Cookie: " + "x" * 9_000]),
    "a path of 9 kB": request(path=p.PATH + "?" + "x" * 9_000),
    "200 headers": request(more=[f"X-{number}: y" for number in range(200)]),
    "no key": request().replace(b"Sec-WebSocket-Key", b"X-Key"),
    "a bad key": request().replace(b"Key: AAAA", b"Key: ????"),
    "another version": request().replace(b"Version: 13", b"Version: 8"),
    "POST": request().replace(b"GET", b"POST", 1),
    "a line in a header": request(more=["X-One: 1\nX-Two: 2"]),
    "a return in a header": request(more=["X-One: 1\rX-Two: 2"]),
    "NUL in a header": request(more=["X-One: \0"]),
    "space before a colon": request(more=["X-One : 1"]),
    "a folded header": request(more=["X-One: 1", " 2"]),
    "two lengths": request(more=["Content-Length: 5", "Content-Length: 6"]),
    "length and chunks": request(more=["Content-Length: 5", "Transfer-Encoding: chunked"]),
    "a header in a protocol's name": request(
        more=["Sec-WebSocket-Protocol: formula.v1.json%0d%0aSet-Cookie: a=b"]
    ),
    "another path": request(path="/api/v1/realtime/other"),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n",
}


async def test_odd_requests_are_refused_and_their_connections_end(here: Siege) -> None:
    for name, sent in ODD.items():
        async with connection(here.port) as raw:
            await raw.send(sent)
            answer = await rest(raw)
        assert not answer.startswith(b"HTTP/1.1 101"), name
        assert not answer or answer.startswith(b"HTTP/1.1 4"), (name, answer)
        assert b"\nset-cookie" not in answer.lower(), name


async def test_heads_that_never_end_are_cut_in_time(here: Siege) -> None:
    """Byte by byte, with pauses, or nothing at all; afterwards nothing of them is left."""
    async with AsyncExitStack() as stack, asyncio.timeout(http_protocol.HEAD_S + WAIT_S):
        slow = [await stack.enter_async_context(connection(here.port)) for _ in range(3 * SLOW)]
        dripping = [asyncio.create_task(drip(raw, number)) for number, raw in enumerate(slow)]
        for raw in slow:
            assert await rest(raw) == b""
        for task in dripping:
            await task


async def test_headers_without_end_are_refused_before_they_fill_anything(here: Siege) -> None:
    async with connection(here.port) as raw:
        await raw.send(request()[:-2])
        await raw.send(b"X: %s\r\n" % (b"y" * 1_000) * 33)
        assert (await rest(raw)).startswith(b"HTTP/1.1 431 ")
    async with connection(here.port) as raw:
        for _ in range(1_000):
            await raw.send(b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000)
        assert raw.writer.is_closing()


async def test_who_never_says_hello_is_cut_in_time(here: Siege) -> None:
    async with AsyncExitStack() as stack, asyncio.timeout(p.HELLO_S + WAIT_S):
        silent = [await stack.enter_async_context(upgraded(here.port)) for _ in range(SLOW)]
        for number, raw in enumerate(silent):
            if number % 2:
                await raw.say(b'{"op":"ping"}')  # whoever talks has not said who it is either
        for raw in silent:
            assert await raw.end() == p.CloseCode.NOT_AUTHENTICATED


async def drip(raw: Raw, number: int) -> None:
    """One of three kinds of sluggards, until it is cut off."""
    kinds: tuple[AsyncIterator[bytes], ...] = (one_by_one(), blank(), nothing())
    async for sent in kinds[number % 3]:
        if raw.reader.at_eof() or raw.writer.is_closing():  # a reset is no end of the stream
            return
        await raw.send(sent)


async def one_by_one() -> AsyncIterator[bytes]:
    for byte in request(more=["X-Slow: " + "z" * 10_000]):
        yield bytes([byte])
        await asyncio.sleep(DRIP_S)


async def blank() -> AsyncIterator[bytes]:
    while True:
        yield b"\r\n"  # which may come before a request
        await asyncio.sleep(DRIP_S)


async def nothing() -> AsyncIterator[bytes]:
    yield b""


async def rest(raw: Raw) -> bytes:
    """All that comes until the server hangs up."""
    async with asyncio.timeout(http_protocol.HEAD_S + WAIT_S):
        try:
            return await raw.reader.read()
        except ConnectionError:
            return b""
