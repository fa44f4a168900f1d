"""A long body, from the socket straight into the blocks that are worked on.

The way through the parser and the ASGI server copies each byte four times, on the event loop. So
once such a body has begun, its connection reads into blocks of ours until it is all there, or
broken off; what comes then (its end, or that the client has gone) is the server's to say.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from litestar import Request

from api.http_protocol import HttpProtocol, serving
from api.limiting import RateLimited
from api.turns import turns
from infra.admission import aside
from infra.blobs.blocks import BLOCK, Piece, Shelf

LEAST = BLOCK  # bytes still to come: below, it is not worth it
AHEAD = 1  # blocks that wait, beside the one that is being filled
MOST_EACH, MOST_ALL = 24, 64  # bodies at once, of a person and of all: each takes some 6 MiB
RETRY_S = 1.0
WHILE_S = 0.25  # after which who waits gets what there is

coming = Counter[UUID]()  # of this process, by person


async def body(request: Request[Any, Any, Any], person: UUID) -> AsyncGenerator[Piece]:
    """As `request.stream()`. Each piece is whoever's it was given to.

    Raises RateLimited for who sends too many at once, and when all do.
    """
    with _coming(person):
        async for piece in request.stream():
            rest = _rest(request)  # at once: what the server has taken in meanwhile it gives itself
            try:
                yield piece
                while rest is not None and (block := await rest.next()):
                    yield block
            finally:
                if rest is not None:
                    rest.drop()


@contextmanager
def _coming(person: UUID) -> Generator[None]:
    """However slowly they are sent, each holds its blocks until it is there."""
    if coming[person] >= MOST_EACH or coming.total() >= MOST_ALL:
        raise RateLimited(RETRY_S)
    coming[person] += 1
    try:
        yield
    finally:
        coming[person] -= 1
        if not coming[person]:
            del coming[person]


def _rest(request: Request[Any, Any, Any]) -> "Rest | None":
    """None: there is little, or who knows how much, or another server, as in some tests."""
    server = serving(cast("dict[str, object]", request.scope))
    if server is None or (left := server.body_left) < LEAST:
        return None
    return Rest(server, left)


class Rest(asyncio.BufferedProtocol):
    """Has the connection until as many bytes have come."""

    def __init__(self, server: HttpProtocol, left: int) -> None:
        self._server, self._transport, self._left = server, server.transport, left
        self._shelf, self._full = Shelf(), deque[memoryview]()
        self._block, self._filled = self._shelf.take(), 0
        self._news, self._is_wanted, self._is_lost = asyncio.Event(), True, False
        self._turns = turns()
        server.lend(self, self.drop)
        self._turns.ask(self)

    async def next(self) -> Piece:
        """A block, or what came in a while, or before the end. Empty: no more comes."""
        while not (self._full or self._is_over):
            try:
                with aside():
                    async with asyncio.timeout(WHILE_S):
                        await self._news.wait()
            except TimeoutError:
                self._shelve()
            self._news.clear()
        if self._full:
            self._ask()
            return self._full.popleft()
        return b""

    @property
    def _is_over(self) -> bool:
        return self._is_lost or not self._left

    def drop(self) -> None:
        """Nobody wants the rest. It is read, for who sends it may look at our answer only then."""
        if self._is_wanted:
            self._is_wanted, self._filled = False, 0
            self._full.clear()
            self._ask()

    def _ask(self) -> None:
        if not self._is_over:  # else the connection is not ours any more
            self._turns.ask(self)

    def read_on(self) -> None:
        self._transport.resume_reading()

    def stand_by(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002, as asyncio calls it
        end = min(BLOCK, self._filled + self._left)
        return memoryview(self._block)[self._filled : end]

    def buffer_updated(self, nbytes: int) -> None:
        self._server.hear()
        self._left -= nbytes
        if self._is_wanted:
            self._filled += nbytes
            if self._filled == BLOCK or not self._left:
                self._shelve()
        if not self._left:
            self._turns.end(self)
            self._server.take_back()
        elif len(self._full) == AHEAD:
            self._transport.pause_reading()
            self._turns.end(self)

    def _shelve(self) -> None:
        if self._filled:
            self._full.append(memoryview(self._block)[: self._filled])
            self._shelf.put(self._block)
            self._block, self._filled = self._shelf.take(), 0
            self._news.set()

    def eof_received(self) -> None:
        self._server.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._turns.end(self)
        self._server.connection_lost(exc)
        self._is_lost = True
        self._shelve()
        self._news.set()

    def pause_writing(self) -> None:
        self._server.pause_writing()

    def resume_writing(self) -> None:
        self._server.resume_writing()
