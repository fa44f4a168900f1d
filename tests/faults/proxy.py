"""A TCP proxy before Postgres that cuts a connection around one append, or keeps its answer.

All it knows of the protocol (chapter 54 of Postgres's manual): a request ends with Sync, and the
answer to it with ReadyForQuery. An append is told by the words that its events have in them.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from enum import StrEnum
from typing import Self

import msgspec

from tests.faults.children import LIMIT_S
from tests.faults.commands import KIND

APPEND = KIND.encode()
SYNC = b"S\x00\x00\x00\x04"
READY = b"Z\x00\x00\x00\x05"  # and one byte more: whether in a transaction
CHUNK = 1 << 16  # bytes


class Cut(StrEnum):
    """When the connection is lost."""

    BEFORE = "before the request is forwarded"
    HALFWAY = "when half of it is forwarded"
    FORWARDED = "once it is forwarded"
    ANSWERED = "in place of its answer"


class Link(msgspec.Struct, eq=False):
    """A client's connection, and the one to Postgres in its name."""

    client: StreamWriter
    server: StreamWriter
    appends: bool = False  # answers are to appends now, not to what opens a connection
    is_cut: bool = False  # nothing more goes to the client


class Proxy:
    """Everything passes, until a cut is armed or answers are kept."""

    def __init__(self, upstream: int) -> None:
        self.port = 0  # where it listens
        self._upstream = upstream
        self._armed: Cut | None = None
        self._admits, self._gives = asyncio.Event(), asyncio.Event()
        self._cut, self._answered, self._kept = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.let_pass()
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1")
        self.port = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.close()
        for serving in self._serving:
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def arm(self, cut: Cut) -> None:
        """Cut the next append's connection; then admit nobody until `let_pass`."""
        self._cut.clear()
        self._answered.clear()
        self._armed = cut

    async def has_cut(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            await self._cut.wait()

    def keep_answers(self) -> None:
        """What Postgres answers stays here until `let_pass`."""
        self._kept.clear()
        self._gives.clear()

    async def has_kept(self) -> None:
        """Return once an answer came."""
        async with asyncio.timeout(LIMIT_S):
            await self._kept.wait()

    def let_pass(self) -> None:
        """Everything again."""
        self._armed = None
        self._admits.set()
        self._gives.set()

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        serving = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, requests: StreamReader, client: StreamWriter) -> None:
        """One connection, both ways, until either end or a cut closes it."""
        await self._admits.wait()
        answers, server = await asyncio.open_connection("127.0.0.1", self._upstream)
        link = Link(client, server)
        ways = [
            asyncio.create_task(self._forward(requests, link)),
            asyncio.create_task(self._return(answers, link)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            client.close()
            server.close()
            if link.is_cut:
                self._cut.set()

    async def _forward(self, requests: StreamReader, link: Link) -> None:
        with suppress(ConnectionError):
            while data := await requests.read(CHUNK):
                link.appends |= APPEND in data
                if link.appends and self._armed is not None:
                    await self._cut_off(await _one(requests, data), link)
                    return
                link.server.write(data)
                await link.server.drain()

    async def _cut_off(self, request: bytes, link: Link) -> None:
        cut, self._armed = self._armed, None
        self._admits.clear()
        link.is_cut = True
        sent = {Cut.BEFORE: 0, Cut.HALFWAY: len(request) // 2}.get(cut or Cut.BEFORE, len(request))
        link.server.write(request[:sent])
        await link.server.drain()
        if cut is Cut.ANSWERED:
            await self._answered.wait()

    async def _return(self, answers: StreamReader, link: Link) -> None:
        end = b""
        with suppress(ConnectionError):
            while data := await answers.read(CHUNK):
                end = (end + data)[-len(READY) - 1 :]
                if link.is_cut:
                    if end.startswith(READY):
                        self._answered.set()
                    continue
                if link.appends:
                    self._kept.set()
                    await self._gives.wait()
                link.client.write(data)
                await link.client.drain()


async def _one(requests: StreamReader, data: bytes) -> bytes:
    """The whole of the first request; others may be on their way behind it."""
    while SYNC not in data:
        data += await requests.read(CHUNK)
    return data[: data.index(SYNC) + len(SYNC)]
