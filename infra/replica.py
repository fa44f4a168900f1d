"""A streaming replica for queries: asked while it follows closely, and never waited for."""

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import psycopg
import structlog
from psycopg.rows import class_row
from psycopg_pool import PoolTimeout

from infra.db import Connection, Pool, connect

CONNECT_S = 0.2  # for a connection of the pool
REST_S = 5.0  # that a replica is left alone after it failed

# It receives, and has replayed what it received or all but the last seconds: an idle primary
# sends nothing, so the age of the last transaction alone says little.
FOLLOWS = """
SELECT coalesce((SELECT position FROM formula_checkpoints WHERE name = %s), 0) >= %s
    AND EXISTS (SELECT FROM pg_stat_wal_receiver)
    AND (pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn()
        OR pg_last_xact_replay_timestamp() > clock_timestamp() - interval '5 s')
"""

STANDING = """
SELECT pg_is_in_recovery() AS standby, EXISTS (SELECT FROM pg_stat_wal_receiver) AS receives,
    greatest(pg_wal_lsn_diff(%s, pg_last_wal_replay_lsn()), 0)::bigint AS behind
"""
CONNECT_TIMEOUT_S = 5

log = structlog.get_logger()


class NotFollowing(Exception):
    """The replica does not answer, or is behind."""


class Standing(msgspec.Struct, frozen=True):
    """What a server is to the primary. `behind`: bytes of WAL; None: it replays none."""

    standby: bool
    receives: bool
    behind: int | None


async def standing(primary: Pool, url: str) -> Standing:
    """Of the server at `url`. Raises psycopg.OperationalError where it does not answer."""
    async with primary.connection() as connection:
        cursor = await connection.execute("SELECT pg_current_wal_lsn()")
        [head] = await anext(cursor)
    connecting = connect(url, connect_timeout=CONNECT_TIMEOUT_S)
    async with await connecting as replica, replica.cursor(row_factory=class_row(Standing)) as rows:
        await rows.execute(STANDING, (head,))
        return await anext(rows)


class Replica:
    """Gives a connection only when its answer is as good as the primary's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rests_until = 0.0

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Nobody waits for it: a process starts, and answers, without."""
        async with self._pool:
            yield

    async def require(self) -> None:
        """Raises NotFollowing where it is not asked now."""
        if not await self.follows():
            raise NotFollowing

    @asynccontextmanager
    async def at(self, consumer: str, position: int) -> AsyncGenerator[Connection | None]:
        """A connection that sees `consumer` at `position`; None: ask the primary."""
        async with AsyncExitStack() as stack:
            yield await self._connection(stack, consumer, position)

    async def follows(self) -> bool:
        """Whether it is as good as the primary for who wants no position."""
        async with self.at("", 0) as connection:
            return connection is not None

    async def _connection(
        self, stack: AsyncExitStack, consumer: str, position: int
    ) -> Connection | None:
        if time.monotonic() < self._rests_until:
            return None
        try:
            connection = await stack.enter_async_context(self._pool.connection(timeout=CONNECT_S))
            cursor = await connection.execute(FOLLOWS, (consumer, position))
            row = await cursor.fetchone()
        except (psycopg.OperationalError, PoolTimeout) as error:
            self._rests_until = time.monotonic() + REST_S
            log.warning("replica_failed", error=str(error).strip())
            return None
        return connection if row and row[0] else None
