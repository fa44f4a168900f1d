"""Following the log: what comes next, over the connection that hears of it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg.adapt import Transformer

from domain.kernel import Event, Recorded
from infra.db import Pool
from infra.eventstore.line import BIGINT, Line
from infra.eventstore.reader import Row, head, read, read_statement, recorded

POLL_S = 1.0  # backstop: a notification may be lost with its connection

_VALUES = {"%(after)s": "$1::bigint", "%(limit)s": "$2::bigint"}

log = structlog.get_logger()


def _numbered(statement: str) -> str:
    for name, number in _VALUES.items():
        statement = statement.replace(name, number)
    return statement


STATEMENTS = {
    "durable": _numbered(read_statement(motion=False)),
    "everything": _numbered(read_statement(motion=True)),
}


class Follower(Line):
    """Wakes whoever follows the log, and reads on: one connection for the process, once needed.

    Listen, catch up, wait, with a poll as the backstop: a waiter reads, and only waits again
    when it has read everything.
    """

    def __init__(self, conninfo: str) -> None:
        super().__init__(conninfo, STATEMENTS, ("formula_events", self._heard))
        self._count = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._transformer = Transformer()

    @property
    def count(self) -> int:
        """Take it before a read; pass it to `wait` after the read."""
        return self._count

    async def read(self, after: int, limit: int, *, motion: bool = True) -> list[Recorded[Event]]:
        """Events above position `after`, oldest first, at most `limit`; one read at a time.

        Raises UnknownTag and psycopg.Error.
        """
        name = b"everything" if motion else b"durable"
        found = await self.ask(name, [BIGINT.pack(after), BIGINT.pack(limit)])
        self._transformer.set_pgresult(found)
        return [recorded(row) for row in self._transformer.load_rows(0, found.ntuples, _row)]

    async def wait(self, seen: int, timeout_s: float = POLL_S) -> None:
        """Return once something was appended since `count` was `seen`, or after the time-out."""
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep(), name="listener")
        if self._count > seen:
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.add(waiter)
        late = loop.call_later(timeout_s, _wake, waiter)
        try:
            await waiter
        finally:
            late.cancel()
            self._waiting.discard(waiter)

    async def close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await super().close()

    async def _keep(self) -> None:
        """Connects again when the connection is lost."""
        while True:
            try:
                pipe = await self.opened()
                self._heard()  # what came while nobody listened
                await asyncio.wait({pipe.lost})
                error = pipe.lost.result()
            except psycopg.Error as lost:  # whatever it is, who waits must not wait for ever
                error = str(lost).strip()
            log.warning("listener_lost", error=error)
            await asyncio.sleep(POLL_S / 2)

    def _heard(self) -> None:
        self._count += 1
        for waiter in self._waiting:
            _wake(waiter)


def _row(values: Sequence[Any]) -> Row:  # psycopg's
    return Row(*values)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


async def tail(
    pool: Pool,
    follower: Follower,
    after: int,
    *,
    limit: int = 1_000,
    motion: bool = True,
    types: Collection[str] | None = None,
    streams: Collection[UUID] | None = None,
) -> AsyncIterator[Sequence[Recorded[Event]]]:
    """Batches of events above `after`, for ever, in position order; filtered as in read_rows."""
    filtered = types is not None or streams is not None
    while True:
        seen = follower.count
        top = await head(pool) if filtered else after  # what is up to here need not be read again
        batch = await read(pool, after, limit, motion=motion, types=types, streams=streams)
        if batch:
            after = batch[-1].position
            yield batch
        if len(batch) < limit:
            after = max(after, top)
            await follower.wait(seen)
