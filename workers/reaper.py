"""Ends what nobody ended: participations of nodes that no longer beat, readers that lapsed."""

from uuid import UUID

import structlog
from psycopg.rows import class_row

from domain.participation import LeaveReason
from infra.db import seconds
from infra.nodes import LEASE_S
from infra.readers import Reader, forget_lapsed, lapsed
from infra.runtime import Runtime
from projections.read import reading
from projections.rows import FIRST_ID
from workers.ending import end
from workers.steady import Steady

PAGE = 500  # participations

# A node without a row has said good-bye, or was lost long ago: its members are as gone, but those
# that read without a socket: no node owns them, their row does.
STRAYS = """
SELECT m.participation, m.user_id, m.room, m.project FROM members m
LEFT JOIN formula_nodes n ON n.node = m.node
WHERE m.participation > %(after)s
    AND (n.node IS NULL OR n.seen_at < to_timestamp(%(now)s) - make_interval(secs => %(lease_s)s))
    AND NOT EXISTS (SELECT FROM formula_readers r WHERE r.participation = m.participation)
ORDER BY m.participation LIMIT %(limit)s
"""

log = structlog.get_logger()


class Reaper:
    """Judges only after a lease of its own without a break: before, it might be the one cut off."""

    def __init__(self, runtime: Runtime, lease_s: float = LEASE_S) -> None:
        self._runtime = runtime
        self._lease_s = lease_s
        self._steady = Steady(lease_s)

    async def __call__(self, now: float) -> None:
        """One look at `now`, monotonic seconds."""
        async with self._runtime.db.connection() as db:
            theirs = await seconds(db)
        strays = await self._strays(FIRST_ID, theirs)
        if not self._steady.beat(now, theirs):
            return
        if not strays:
            await self._forget_nodes()
        while strays:
            log.warning("members_reaped", members=len(strays))
            await end(self._runtime, strays, LeaveReason.NODE_LOST)
            strays = await self._strays(strays[-1].participation, theirs)
        await self._end_lapsed()

    async def _strays(self, after: UUID, now: float) -> list[Reader]:
        values = {"after": after, "now": now, "lease_s": self._lease_s, "limit": PAGE}
        async with (
            reading(self._runtime, group="live") as db,
            db.cursor(row_factory=class_row(Reader)) as cursor,
        ):
            await cursor.execute(STRAYS, values)
            return await cursor.fetchall()

    async def _end_lapsed(self) -> None:
        """A page at a time; who reads again meanwhile hears of it and comes back as another."""
        async with self._runtime.db.connection() as db:
            gone = await lapsed(db, PAGE)
        if gone:
            await end(self._runtime, gone, LeaveReason.EXPIRED)
            async with self._runtime.db.connection() as db:
                await forget_lapsed(db, [one.participation for one in gone])

    async def _forget_nodes(self) -> None:
        """Gateways that are gone, now that nobody is counted as being there through them."""
        async with self._runtime.db.connection() as db:
            await db.execute(
                "DELETE FROM formula_nodes WHERE role = 'api'"
                " AND seen_at < clock_timestamp() - make_interval(secs => %s)",
                (self._lease_s,),
            )
