"""An answer's head goes out with what follows it at once, and by itself where nothing does."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from api.serving import config, front
from infra.settings import Settings
from tests.integration.sockets import WAIT_S, listening

BODY = b"all of it"
LENGTH = (b"content-length", b"%d" % len(BODY))


class Answering:
    """An application that answers at once, or begins and goes on when it is told."""

    def __init__(self) -> None:
        self.go_on, self.url = asyncio.Event(), ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := (await receive())["type"]) != "lifespan.shutdown":
                await send({"type": f"{message}.complete"})
            await send({"type": f"{message}.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [LENGTH]})
        if scope["path"] == "/later":
            await self.go_on.wait()
        await send({"type": "http.response.body", "body": BODY[:3], "more_body": True})
        await send({"type": "http.response.body", "body": BODY[3:]})


@pytest.fixture
async def answering() -> AsyncIterator[Answering]:
    app = Answering()
    async with listening(config(front(app, cast("Any", None)), Settings())) as app.url:
        yield app
        app.go_on.set()


class Asker:
    """Waits in the kernel: it is woken by each write, not when this loop has a turn for it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def ask(self, path: str, *, method: str = "GET", more: str = "") -> None:
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n"
        await asyncio.to_thread(self._sock.sendall, head.encode())

    async def heard(self) -> bytes:
        """What one read gives; empty at the end."""
        return await asyncio.to_thread(self._sock.recv, 65_536)


@asynccontextmanager
async def asking(url: str) -> AsyncGenerator[Asker]:
    parts = urlsplit(url)
    address = (parts.hostname, parts.port)
    with await asyncio.to_thread(socket.create_connection, address, WAIT_S) as sock:
        yield Asker(sock)


async def test_who_asks_wakes_once_for_head_and_body(answering: Answering) -> None:
    async with asking(answering.url) as asker:
        for _ in range(50):  # two writes are now and then heard as one
            await asker.ask("/")
            head, _, body = (await asker.heard()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert BODY.startswith(body)
            assert body
            while len(body) < len(BODY):
                body += await asker.heard()


async def test_a_head_waits_for_no_body_that_is_still_to_come(answering: Answering) -> None:
    async with asking(answering.url) as asker:
        await asker.ask("/later")
        assert (await asker.heard()).endswith(b"\r\n\r\n")
        answering.go_on.set()
        body = b""
        while len(body) < len(BODY):
            body += await asker.heard()
        assert body == BODY


async def test_what_has_no_body_and_what_is_the_last_go_out_whole(answering: Answering) -> None:
    async with asking(answering.url) as asker:
        await asker.ask("/", method="HEAD")
        assert (await asker.heard()).endswith(b"\r\n\r\n")
        await asker.ask("/", more="connection: close\r\n")
        answer = b""
        while heard := await asker.heard():
            answer += heard
        assert answer.endswith(b"\r\n\r\n" + BODY)
