"""A server that has as much to do as it takes on: who is let in, and who does not count."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
import pytest

from api.main import config, front
from api.turning_away import MOST_BODY
from infra.admission import DOOR, aside, leave
from infra.settings import Settings
from tests.integration.sockets import WAIT_S, listening

MOST = 2


class Busy:
    """An application whose requests take until they are let go."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.begun: list[str] = []
        self._news = asyncio.Event()
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := (await receive())["type"]) != "lifespan.shutdown":
                await send({"type": f"{message}.complete"})
            await send({"type": f"{message}.complete"})
            return
        self.begun.append(scope["path"])
        self._news.set()
        match scope["path"]:
            case "/work":
                await self.go_on.wait()
            case "/upload":
                while (await receive()).get("more_body"):
                    pass
            case "/news":
                with aside():
                    await self.go_on.wait()
            case "/stream":
                leave()
                await self.go_on.wait()
            case _:
                pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def has_begun(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while len(self.begun) < count:
                self._news.clear()
                await self._news.wait()


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def ask(self, path: str, *lines: str, body: bytes = b"", length: int | None = None) -> None:
        size = len(body) if length is None else length
        head = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {size}", *lines, "", ""]
        self._writer.write("\r\n".join(head).encode() + body)

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(WAIT_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")[:-2]
            headers = dict(line.lower().split(": ", 1) for line in lines)
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return int(first.split()[1]), headers, body

    async def status(self, path: str, *lines: str, body: bytes = b"") -> int:
        self.ask(path, *lines, body=body)
        return (await self.answer())[0]

    def hang_up(self) -> None:
        self._writer.transport.abort()

    async def is_hung_up(self) -> bool:
        async with asyncio.timeout(WAIT_S):
            return not await self._reader.read(1)


@pytest.fixture
async def busy(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Busy]:
    monkeypatch.setattr(DOOR, "most", MOST)
    assert not DOOR.inside
    app, no_gateway = Busy(), cast("Any", None)
    async with listening(config(front(app, no_gateway), Settings())) as app.url:
        yield app
        app.go_on.set()
    assert not DOOR.inside


@asynccontextmanager
async def calling(busy: Busy, count: int) -> AsyncGenerator[list[Caller]]:
    where, opened = urlsplit(busy.url), list[tuple[Any, Any]]()
    for _ in range(count):
        opened.append(await asyncio.open_connection(where.hostname, where.port))
    try:
        yield [Caller(*one) for one in opened]
    finally:
        for _, writer in opened:
            writer.close()


async def test_who_comes_when_all_are_busy_is_told_to_come_again(busy: Busy) -> None:
    async with calling(busy, MOST + 1) as callers:
        *first, last = callers
        for one in first:
            one.ask("/work")
        await busy.has_begun(MOST)
        last.ask("/work", body=b"{}")
        status, headers, body = await last.answer()
        assert (status, headers["retry-after"]) == (503, "1")
        assert headers["content-type"] == "application/problem+json"
        problem = msgspec.json.decode(body)
        assert problem["code"] == "server.busy"
        assert problem["instance"] == f"urn:uuid:{headers['x-request-id']}"
        busy.go_on.set()
        assert [(await one.answer())[0] for one in first] == [204] * MOST
        assert await last.status("/work") == 204  # over the connection that was refused
    assert busy.begun == ["/work"] * (MOST + 1)  # nobody has seen what was turned away


async def test_probes_are_answered_all_the_same(busy: Busy) -> None:
    async with calling(busy, MOST + 1) as callers:
        *first, last = callers
        for one in first:
            one.ask("/work")
        await busy.has_begun(MOST)
        for probe in ("/livez", "/readyz", "/startupz", "/metrics"):
            assert await last.status(probe) == 204
        assert await last.status("/other") == 503


@pytest.mark.parametrize("waits", ["/news", "/stream", "/upload"])
async def test_who_waits_for_something_else_keeps_nobody_out(busy: Busy, waits: str) -> None:
    async with calling(busy, 3 * MOST) as callers:
        *waiting, last = callers
        for number, one in enumerate(waiting):
            one.ask(waits, body=b"a", length=2)
            await busy.has_begun(number + 1)
        assert await last.status("/quick") == 204
        for one in waiting:
            one.send(b"b")
        busy.go_on.set()
        assert [(await one.answer())[0] for one in waiting] == [204] * len(waiting)


async def test_who_hangs_up_counts_until_the_work_ends(busy: Busy) -> None:
    """Else asking and going away, again and again, would be a way past the bound."""
    async with calling(busy, MOST + 1) as callers:
        *first, last = callers
        for one in first:
            one.ask("/work")
        await busy.has_begun(MOST)
        for one in first:
            one.hang_up()
        assert await last.status("/quick") == 503
        busy.go_on.set()
        async with asyncio.timeout(WAIT_S):
            while await last.status("/quick") == 503:
                pass


@pytest.mark.parametrize(
    ("size", "lines", "kept"),
    [(MOST_BODY, (), True), (MOST_BODY + 1, (), False), (2, ("connection: close",), False)],
)
async def test_a_body_is_passed_over_where_that_is_little(
    busy: Busy, size: int, lines: tuple[str, ...], *, kept: bool
) -> None:
    async with calling(busy, MOST + 1) as callers:
        *first, last = callers
        for one in first:
            one.ask("/work")
        await busy.has_begun(MOST)
        assert await last.status("/work", *lines, body=b"x" * size) == 503
        busy.go_on.set()
        for one in first:
            await one.answer()
        if kept:
            assert await last.status("/quick") == 204
        else:
            assert await last.is_hung_up()


async def test_requests_sent_at_once_are_answered_in_their_order(busy: Busy) -> None:
    async with calling(busy, MOST) as (one, two):
        one.ask("/work")
        two.ask("/work")
        await busy.has_begun(MOST)
        two.ask("/quick")
        busy.go_on.set()
        assert [(await two.answer())[0] for _ in range(2)] == [204, 204]
