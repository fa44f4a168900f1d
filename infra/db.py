"""Postgres connections: the types used everywhere, and leadership by advisory lock."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias, TypeVar

import psycopg
import structlog
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

Connection: TypeAlias = psycopg.AsyncConnection[Any]
Pool: TypeAlias = AsyncConnectionPool[Connection]

LEASE_POLL_S = 0.5  # a standby asks for the lease this often
FENCED = "FM001"  # formula_advance: the checkpoint is not where this leader left it
LEADERS = 5_014_003  # the class of advisory locks that leaders hold

# A process that hangs keeps its session, and Postgres's own time-outs do not see all of those.
END_SILENT = """
SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND classid = %s AND objid = hashtext(%s)::bit(32)::bigint::oid
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND granted AND wait_event = 'ClientRead'
    AND state_change < clock_timestamp() - make_interval(secs => %s)
"""

log = structlog.get_logger()


C = TypeVar("C", bound=Connection)


async def connect(conninfo: str, **parameters: str | int) -> Connection:
    """A session of one's own, in autocommit mode; `parameters` are libpq's.

    Raises psycopg.OperationalError.
    """
    return await connect_as(psycopg.AsyncConnection[Any], conninfo, **parameters)


async def connect_as(kind: type[C], conninfo: str, **parameters: str | int) -> C:
    """The same, of a kind of one's own.

    Who is cancelled meanwhile leaves none behind: in the traceback a half-open one would live on,
    and whoever drops a database waits for it (authentication_timeout: a minute).

    Raises psycopg.OperationalError.
    """
    whole = make_conninfo(conninfo, **parameters)
    with suppress(asyncio.CancelledError):
        return await kind.connect(whole, autocommit=True)
    raise asyncio.CancelledError


async def seconds(db: Connection) -> float:
    """Of Postgres's clock, since 1970."""
    cursor = await db.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
    row = await cursor.fetchone()
    if row is None:
        raise psycopg.DataError("no time")
    return float(row[0])


@asynccontextmanager
async def leading(
    conninfo: str, name: str, options: str = "", *, silent_s: float | None = None
) -> AsyncGenerator[Connection]:
    """A connection that holds the lease `name` for as long as it lives; waits until it is free.

    The lease ends with the session, so it passes on when this process dies, or says nothing on
    the connection for `silent_s`. What a leader writes it must write on this connection, or fence
    by a checkpoint.
    """
    async with await connect(conninfo, options=f"-c lock_timeout=5s {options}") as connection:
        while not await _locked(connection, name):
            await asyncio.sleep(LEASE_POLL_S)
            if silent_s is not None:
                await connection.execute(END_SILENT, (LEADERS, name, silent_s))
        log.info("leading", name=name)
        yield connection


async def _locked(connection: Connection, name: str) -> bool:
    cursor = await connection.execute(
        "SELECT pg_try_advisory_lock(%s, hashtext(%s))", (LEADERS, name)
    )
    row = await cursor.fetchone()
    return bool(row and row[0])
