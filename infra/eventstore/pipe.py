"""One connection with several transactions on their way: libpq's pipeline mode on the event loop.

While Postgres commits one batch, the next one is already in its socket: between two commits there
is no round trip. psycopg connects; what goes over the connection then is sent by psycopg.pq.
"""

import asyncio
import fcntl
import sys
import termios
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, LiteralString, TypeAlias

import msgspec
import psycopg
from psycopg import errors, pq
from psycopg.pq.abc import PGresult

from infra.db import connect

Row: TypeAlias = tuple[bytes | None, ...]  # columns in Postgres's binary format
Statement: TypeAlias = tuple[bytes, Sequence[bytes | None]]  # the prepared name, and its values

Answer: TypeAlias = list[PGresult] | psycopg.Error  # of each statement, or why there is none

CONNECT_S = 10
OK = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class _Call(msgspec.Struct, eq=False):
    """One transaction on its way."""

    answered: Callable[[Answer], None]
    results: list[PGresult]
    error: psycopg.Error | None = None


class Pipe:
    """Sends transactions of prepared statements; they are answered in the order they were sent.

    `heard` is called for every notification, if the connection listens.
    `lost` is done once the connection is gone: what was not answered may or may not have been done,
    and will not be answered.
    """

    def __init__(
        self,
        connection: psycopg.AsyncConnection[Any],
        oids: Mapping[str, int],
        heard: Callable[[], None] | None = None,
    ) -> None:
        self.oids = oids
        self.connection = connection
        self._heard = heard
        self._pg = connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._calls: deque[_Call] = deque()
        self._socket = self._pg.socket
        self._writing = False
        self.lost: asyncio.Future[str] = self._loop.create_future()  # with the reason
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._readable)

    def send(self, answered: Callable[[Answer], None], *statements: Statement) -> None:
        """Send one transaction; `answered` is called in the event loop once it is committed."""
        self._calls.append(_Call(answered, []))
        try:
            for name, values in statements:
                self._pg.send_query_prepared(name, values, [pq.Format.BINARY] * len(values), 1)
            self._pg.pipeline_sync()
            self._flush()
        except psycopg.Error as error:  # what was sent in part leaves nothing to go on with
            self._lose(error)

    def cut(self) -> None:
        """It is lost."""
        self._lose(psycopg.OperationalError("cut"))

    async def close(self) -> None:
        self._lose(psycopg.OperationalError("closed"))
        await self.connection.close()

    def _flush(self) -> None:
        """What the socket does not take now goes when it is writable."""
        more = self._pg.flush() != 0
        if more and not self._writing:
            self._loop.add_writer(self._socket, self._writable)
        elif self._writing and not more:
            self._loop.remove_writer(self._socket)
        self._writing = more

    def _writable(self) -> None:
        try:
            self._pg.consume_input()  # or both sides may wait for the other to read
            self._flush()
        except psycopg.OperationalError as error:
            self._lose(error)

    def _readable(self) -> None:
        """Read until nothing is left: of a reset that comes with its last answers, libuv tells only
        once, and whoever left the rest for later would wait for ever.
        """
        try:
            left = True
            while left and not self.lost.done():
                left = _pending(self._socket) > 0
                self._pg.consume_input()
                while not self._pg.is_busy() and self._calls:
                    self._take(self._pg.get_result())
                while self._heard is not None and self._pg.notifies() is not None:
                    self._heard()
        except (psycopg.OperationalError, OSError) as error:
            self._lose(error)

    def _take(self, result: PGresult | None) -> None:
        if result is None:  # the end of one statement's results
            return
        call = self._calls[0]
        if result.status in OK:
            call.results.append(result)
        elif result.status == pq.ExecStatus.PIPELINE_SYNC:
            self._calls.popleft()
            call.answered(call.error or call.results)
        elif result.status == pq.ExecStatus.FATAL_ERROR:
            call.error = error_of(result)

    def _lose(self, error: Exception) -> None:
        if not self.lost.done():
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._calls.clear()
            self.lost.set_result(str(error).strip())


async def open_pipe(
    conninfo: str,
    options: str,
    statements: Mapping[str, str],
    types: Iterable[str],
    listening: tuple[LiteralString, Callable[[], None]] | None = None,
) -> Pipe:
    """Connect, prepare the statements by their names, and look up the oids of types.

    `listening`: to a channel, and what is called for each notification from here on. Raises
    psycopg.Error.
    """
    connection = await connect(conninfo, options=options, connect_timeout=CONNECT_S)
    try:
        for name, statement in statements.items():
            await connection.execute(f"PREPARE {name} AS {statement}".encode())
        found = await connection.execute(
            "SELECT name, name::regtype::oid FROM unnest(%s::text[]) name", (list(types),)
        )
        oids = dict(await found.fetchall())
        if listening is None:
            return Pipe(connection, oids)
        channel, heard = listening
        await connection.execute(f"LISTEN {channel}")
        return Pipe(connection, oids, heard)
    except BaseException:
        await connection.close()
        raise


def _pending(socket: int) -> int:
    """Bytes that can be read without waiting."""
    return int.from_bytes(fcntl.ioctl(socket, termios.FIONREAD, bytes(4)), sys.byteorder)


def rows(result: PGresult) -> list[Row]:
    return [
        tuple(result.get_value(row, column) for column in range(result.nfields))
        for row in range(result.ntuples)
    ]


def error_of(result: PGresult) -> psycopg.Error:
    """The exception that psycopg has for it; with the sqlstate, of our own codes as well."""
    state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
    text = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
    try:
        kind = errors.lookup(state.decode())
    except KeyError:
        kind = psycopg.DatabaseError
    error = kind(text.decode(errors="replace"))
    error.sqlstate = state.decode()
    return error
