"""Ends what nobody ended: participations of nodes that no longer beat, readers that lapsed."""

from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

import msgspec
import structlog
from psycopg.rows import class_row

from domain.errors import Refused
from domain.motion_summary import MOTION_SUMMARY, SumMotion, summary_stream
from domain.participation import PARTICIPATION, Leave, LeaveReason
from infra.eventstore.execute import Do
from infra.eventstore.types import Conflict
from infra.nodes import LEASE_S
from infra.readers import Reader, forget_lapsed, lapsed
from infra.runtime import SYSTEM, Runtime
from projections.motion_sums import MotionSum, motion_sums
from projections.read import reading
from projections.rows import FIRST_ID
from workers.steady import Steady
from workers.together import together

PAGE = 500  # participations

# A node without a row has said good-bye, or was lost long ago: its members are as gone, but those
# that read without a socket: no node owns them, their row does.
STRAYS = """
SELECT m.participation, m.user_id, m.room, m.project FROM members m
LEFT JOIN formula_nodes n ON n.node = m.node
WHERE m.participation > %(after)s
    AND (n.node IS NULL OR n.seen_at < clock_timestamp() - make_interval(secs => %(lease_s)s))
    AND NOT EXISTS (SELECT FROM formula_readers r WHERE r.participation = m.participation)
ORDER BY m.participation LIMIT %(limit)s
"""

log = structlog.get_logger()


def summary(gone: Reader, moved: MotionSum) -> Do:
    """What the audit keeps of how one moved; nothing where the gateway said it in time."""
    command = SumMotion(user=gone.user_id, room=gone.room, **msgspec.structs.asdict(moved))
    return Do(MOTION_SUMMARY, summary_stream(gone.participation), command)


class Reaper:
    """Judges only after a lease of its own without a break: before, it might be the one cut off."""

    def __init__(self, runtime: Runtime, lease_s: float = LEASE_S) -> None:
        self._runtime = runtime
        self._lease_s = lease_s
        self._steady = Steady(lease_s)

    async def __call__(self, now: float) -> None:
        """One look at `now`, monotonic seconds."""
        strays = await self._strays(FIRST_ID)
        if not self._steady.beat(now):
            return
        if not strays:
            await self._forget_nodes()
        while strays:
            log.warning("members_reaped", members=len(strays))
            await self._end(strays, LeaveReason.NODE_LOST)
            strays = await self._strays(strays[-1].participation)
        await self._end_lapsed()

    async def _strays(self, after: UUID) -> list[Reader]:
        values = {"after": after, "lease_s": self._lease_s, "limit": PAGE}
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
            await self._end(gone, LeaveReason.EXPIRED)
            async with self._runtime.db.connection() as db:
                await forget_lapsed(db, [one.participation for one in gone])

    async def _end(self, gone: Sequence[Reader], reason: LeaveReason) -> None:
        sums = await motion_sums(self._runtime, [one.participation for one in gone])
        await together(gone, partial(self._leave, sums, reason))

    async def _leave(
        self, sums: Mapping[UUID, MotionSum], reason: LeaveReason, gone: Reader
    ) -> None:
        moved = sums.get(gone.participation)
        try:
            await self._runtime.execute(
                SYSTEM,
                PARTICIPATION,
                gone.participation,
                Leave(reason=reason),
                *([summary(gone, moved)] if moved else []),
                project=gone.project,
            )
        except (Refused, Conflict) as error:  # of this one; the others must not wait for it
            log.warning("member_not_reaped", stream=str(gone.participation), error=repr(error))

    async def _forget_nodes(self) -> None:
        """Gateways that are gone, now that nobody is counted as being there through them."""
        async with self._runtime.db.connection() as db:
            await db.execute(
                "DELETE FROM formula_nodes WHERE role = 'api'"
                " AND seen_at < clock_timestamp() - make_interval(secs => %s)",
                (self._lease_s,),
            )
