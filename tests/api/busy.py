"""A server whose requests take until they are let go, and who calls it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from infra.admission import aside, leave
from tests.integration.sockets import WAIT_S


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
        status, headers = await self.head()
        async with asyncio.timeout(WAIT_S):
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return status, headers, body

    async def head(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(WAIT_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")[:-2]
        return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines)

    async def status(self, path: str, *lines: str, body: bytes = b"") -> int:
        self.ask(path, *lines, body=body)
        return (await self.answer())[0]

    def hang_up(self) -> None:
        self._writer.transport.abort()

    async def is_hung_up(self) -> bool:
        async with asyncio.timeout(WAIT_S):
            return not await self._reader.read(1)


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
