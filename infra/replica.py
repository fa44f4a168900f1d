"""A streaming replica for queries: asked while it follows closely, and never waited for."""

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from infra.db import Connection, Pool

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

log = structlog.get_logger()


class Replica:
    """Gives a connection only when its answer is as good as the primary's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rests_until = 0.0

    @asynccontextmanager
    async def at(self, consumer: str, position: int) -> AsyncGenerator[Connection | None]:
        """A connection that sees `consumer` at `position`; None: ask the primary."""
        async with AsyncExitStack() as stack:
            yield await self._connection(stack, consumer, position)

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
