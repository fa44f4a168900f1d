"""A Postgres session that ends when more comes at once than its process has room for.

libpq keeps a message until all of it is there, however long it is: a row of one wide cell, or an
error that repeats what was wrong. So it is given a socket that we fill, a piece at a time: bytes
as they are, TLS or not.
"""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from infra.db import connect_as

MOST = 8_388_608  # bytes until libpq has what is waited for
PIECE = 65_536  # bytes
GOODBYE_S = 1.0

T = TypeVar("T")


class TooMuch(Exception):
    """More than MOST came at once; the session is over."""


class Bounded(psycopg.AsyncConnection[Any]):
    came = 0  # bytes since something was waited for

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        self.came = 0
        try:
            return await super().wait(gen, interval, timeout)
        except psycopg.OperationalError as error:
            if self.came > MOST:
                raise TooMuch from error
            raise


@asynccontextmanager
async def bounded(conninfo: str, **parameters: str | int) -> AsyncGenerator[Bounded]:
    """As `connect`, for as long as the context lasts. What waits on it may raise TooMuch."""
    connection = await connect_as(Bounded, conninfo, **parameters)
    with _between(connection) as (theirs, server):
        down = asyncio.create_task(_take(connection, server, theirs))
        up = asyncio.create_task(_carry(theirs, server))
        try:
            async with connection:
                yield connection
        finally:
            await asyncio.wait([up], timeout=GOODBYE_S)  # until the goodbye has been sent
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)


@contextmanager
def _between(connection: Bounded) -> Generator[tuple[socket.socket, socket.socket]]:
    """The other end of what libpq reads and writes from now on, and the server."""
    fd = connection.fileno()
    server = socket.socket(fileno=os.dup(fd))
    ours, theirs = socket.socketpair()
    with server, theirs:
        with ours:
            os.dup2(ours.fileno(), fd, inheritable=False)
        for one in (server, theirs):
            one.setblocking(False)
        os.set_blocking(fd, False)
        yield theirs, server


async def _take(connection: Bounded, server: socket.socket, theirs: socket.socket) -> None:
    """What the server says, no faster than libpq takes it."""
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while piece := await loop.sock_recv(server, PIECE):
            connection.came += len(piece)
            if connection.came > MOST:
                break
            await loop.sock_sendall(theirs, piece)
    with suppress(OSError):
        theirs.shutdown(socket.SHUT_RDWR)


async def _carry(theirs: socket.socket, server: socket.socket) -> None:
    """What libpq says."""
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while piece := await loop.sock_recv(theirs, PIECE):
            await loop.sock_sendall(server, piece)
