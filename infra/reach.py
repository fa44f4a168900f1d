"""Whether Postgres answers, asked on a session of its own: nobody waits for one that is away.

A server that hangs breaks no connection. So those of this process are cut when it has not answered
for AWAY_S: whoever waits there hears of it as of any lost connection.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import psycopg
import structlog

from infra.db import Connection, connect

EVERY_S = 0.5
AWAY_S = 2.0
LATE_S = 0.5  # later than that, this process stood still, which says nothing of Postgres
CUT_S = 0.2  # for those whose connection was cut to hear of it, before all others are told
CONNECT_S = 2
RETRY_S = 0.1

log = structlog.get_logger()


class Away(psycopg.OperationalError):
    """Postgres has not answered for a while; what was asked may have been done."""


class Reach:
    """`lost` is called when Postgres is away, `back` when it answers on a new session."""

    def __init__(
        self, conninfo: str, lost: Callable[[], None], back: Callable[[], Awaitable[None]]
    ) -> None:
        self.away = False
        self._conninfo, self._lost, self._back = conninfo, lost, back
        self._loop = asyncio.get_running_loop()
        self._session: Connection | None = None
        self._answered = self._loop.time()
        self._waiting: set[Bound] = set()

    async def begin(self, within_s: float) -> bool:
        """Return once it answers; whether it did at once. Raises psycopg.OperationalError."""
        late, at_once = self._loop.time() + within_s, True
        while True:
            try:
                self._session = await connect(self._conninfo, connect_timeout=CONNECT_S)
            except psycopg.OperationalError:
                if self._loop.time() > late:
                    raise
                at_once = False
                await asyncio.sleep(RETRY_S)
            else:
                self._answered = self._loop.time()
                return at_once

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def bounded(self) -> "Bound":
        """Raises Away at once while Postgres is away, and when it turns out to be meanwhile."""
        return Bound(self, self._waiting)

    def require(self) -> None:
        """Raises Away while it is."""
        if self.away:
            raise Away("Postgres is away")

    async def ping(self) -> None:
        """To be called again and again. Raises psycopg.Error while it does not answer."""
        started, fresh = self._loop.time(), self._session is None
        try:
            await self._ask()
        except psycopg.Error:
            session, self._session = self._session, None
            if session is not None:
                await session.close()
            now = self._loop.time()
            if now - self._answered > AWAY_S and now - started < AWAY_S + LATE_S:
                self._gone()
            raise
        self._answered = self._loop.time()
        if fresh:
            await self._back()
        if self.away:
            self.away = False
            log.info("postgres_back")

    async def _ask(self) -> None:
        if self._session is None:
            self._session = await connect(self._conninfo, connect_timeout=CONNECT_S)
        late = self._loop.call_later(AWAY_S, cut, self._session)
        try:
            await self._session.execute("SELECT 1")
        finally:
            late.cancel()

    def _gone(self) -> None:
        if self.away:
            return
        self.away = True
        log.warning("postgres_away", waiting=len(self._waiting))
        self._lost()
        self._loop.call_later(CUT_S, self._tell)

    def _tell(self) -> None:
        for bound in self._waiting:
            bound.end()
        self._waiting.clear()


class Bound:
    """`with`: what is done there ends with Away when Postgres does.

    As asyncio.timeout cancels, without a time: every request and every action enters one.
    """

    __slots__ = ("_cancelling", "_ended", "_reach", "_task", "_waiting")

    def __init__(self, reach: Reach, waiting: "set[Bound]") -> None:
        self._reach, self._waiting = reach, waiting
        self._task: asyncio.Task[Any] | None = None
        self._cancelling, self._ended = 0, False

    def __enter__(self) -> Self:
        self._reach.require()
        if (task := asyncio.current_task()) is not None:
            self._task, self._cancelling = task, task.cancelling()
            self._waiting.add(self)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._waiting.discard(self)
        if not self._ended or self._task is None:
            return
        told_by_others = self._task.uncancel() > self._cancelling
        if isinstance(error, TimeoutError | asyncio.CancelledError) and not told_by_others:
            raise Away("Postgres went away") from None

    def end(self) -> None:
        """Postgres is away."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()

    def drop(self) -> None:
        """Who waits so needs Postgres no more."""
        self._waiting.discard(self)


def cut(connection: Connection) -> None:
    """End it as a network would: a cancelled query would wait for the server's answer."""
    with (
        suppress(psycopg.Error, OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as same,
    ):
        same.shutdown(socket.SHUT_RDWR)
