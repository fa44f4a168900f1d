"""A transaction whose statements are known beforehand: out in one piece, back in one piece.

psycopg's cursors cost more time than the statements of a small batch do; libpq's pipeline mode is
used directly, on the connection that psycopg made and under its lock.
"""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import TypeAlias

import psycopg
from psycopg import pq
from psycopg.pq.abc import PGconn

from infra.db import Connection
from infra.eventstore.pipe import error_of

_numbers = count()  # no name twice on a connection, whoever used it before

Piece: TypeAlias = tuple[bytes, Sequence[bytes | None]]  # a statement with $1, $2, …; binary values


class Pipelined:
    """Remembers what it has prepared on its connection, which must be in autocommit mode."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._names: dict[bytes, bytes] = {}  # of prepared statements

    async def transact(self, pieces: Sequence[Piece]) -> None:
        """Run them in one transaction, a round trip. Raises psycopg.Error: nothing was done then.

        Cancelled on its way, or without an answer, it ends the session: nobody could tell what of
        the stream belongs to whom.
        """
        async with self._connection.lock:
            try:
                error = await self._round_trip(self._connection.pgconn, pieces)
            except BaseException:
                self._connection.pgconn.finish()
                raise
        if error is not None:
            raise error

    async def _round_trip(self, pg: PGconn, pieces: Sequence[Piece]) -> psycopg.Error | None:
        fresh: dict[bytes, bytes] = {}
        pg.enter_pipeline_mode()
        for query, values in pieces:
            name = self._names.get(query) or fresh.get(query)
            if name is None:
                name = fresh[query] = b"formula_%d" % next(_numbers)
                pg.send_prepare(name, query)
            pg.send_query_prepared(name, values, [pq.Format.BINARY] * len(values))
        pg.pipeline_sync()
        error = await _answered(pg)
        pg.exit_pipeline_mode()
        if error is None:  # else it is not known which of them were prepared
            self._names |= fresh
        return error


async def _answered(pg: PGconn) -> psycopg.Error | None:
    """Once everything is sent and answered: the first error, if there was one."""
    error: psycopg.Error | None = None
    while True:
        await _ready(pg.socket, writing=pg.flush() != 0)
        pg.consume_input()
        while not pg.is_busy():
            result = pg.get_result()
            if result is None:  # the end of one statement's results
                continue
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return error
            if result.status == pq.ExecStatus.FATAL_ERROR:
                error = error or error_of(result)


async def _ready(socket: int, *, writing: bool) -> None:
    """Until the socket can be read, or written where there is more to write."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    loop.add_reader(socket, wake)
    if writing:
        loop.add_writer(socket, wake)
    try:
        await waiter
    finally:
        loop.remove_reader(socket)
        if writing:
            loop.remove_writer(socket)
