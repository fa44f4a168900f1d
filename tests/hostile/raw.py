"""A client that keeps to no rule: any bytes out, frames in as they are."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from websockets.frames import Opcode

from api.realtime import protocol as p
from tests.api.wire_app import masked

WAIT_S = 15.0  # for whatever must happen
CUT = 0  # instead of a close code: the connection ended without one

Json = dict[str, Any]


class Raw:
    """One TCP connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.told: list[Json] = []  # what the server said, but for its close
        self.head = b""  # the answer to the upgrade

    async def send(self, data: bytes) -> None:
        """What the server no longer wants is lost, as it should be."""
        if self.writer.is_closing():
            return
        self.writer.write(data)
        try:
            async with asyncio.timeout(WAIT_S):
                await self.writer.drain()
        except ConnectionError:
            return

    async def say(self, text: bytes) -> None:
        await self.send(masked(text))

    async def frame(self) -> tuple[Opcode, bytes]:
        """Raises EOFError and ConnectionError once there are no more."""
        first, size = await self.reader.readexactly(2)
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
        return Opcode(first & 0x0F), await self.reader.readexactly(size)

    async def text(self) -> Json:
        """What the server says next. Raises EOFError, of the close's code if there is one."""
        async with asyncio.timeout(WAIT_S):
            while True:
                opcode, payload = await self.frame()
                if opcode is Opcode.CLOSE:
                    raise EOFError(int.from_bytes(payload[:2]))
                if opcode is Opcode.TEXT:
                    self.told.append(msgspec.json.decode(payload))
                    return self.told[-1]

    async def until(self, op: str) -> Json:
        """The next text with that `op`. Raises EOFError when the connection ends before."""
        while (said := await self.text())["op"] != op:
            pass
        return said

    async def end(self) -> int:
        """The code of the close, once it comes; CUT when there is none."""
        try:
            while True:
                await self.text()
        except EOFError as error:
            return code_of(error)
        except ConnectionError:
            return CUT

    async def half_close(self) -> None:
        if self.writer.can_write_eof() and not self.writer.is_closing():
            self.writer.write_eof()


def code_of(end: EOFError) -> int:
    return end.args[0] if isinstance(end.args[0], int) else CUT


@asynccontextmanager
async def connection(port: int) -> AsyncGenerator[Raw]:
    """No request is made yet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


def request(token: str = "", *, path: str = p.PATH, more: Sequence[str] = ()) -> bytes:
    """An upgrade to a WebSocket."""
    key = base64.b64encode(bytes(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: here",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *([f"Authorization: Bearer {token}"] if token else []),
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@asynccontextmanager
async def upgraded(
    port: int, token: str = "", *, path: str = p.PATH, more: Sequence[str] = ()
) -> AsyncGenerator[Raw]:
    """A WebSocket of the server's."""
    async with connection(port) as raw:
        await raw.send(request(token, path=path, more=more))
        async with asyncio.timeout(WAIT_S):
            raw.head = await raw.reader.readuntil(b"\r\n\r\n")
        assert raw.head.startswith(b"HTTP/1.1 101 "), raw.head
        yield raw
