"""Ends what lost gateways left behind: the participations of nodes that no longer beat."""

from collections.abc import Mapping
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
from infra.runtime import SYSTEM, Runtime
from projections.read import reading
from projections.rows import FIRST_ID
from workers.motion_sums import MotionSum, motion_sums
from workers.steady import Steady
from workers.together import together

PAGE = 500  # participations

# A node without a row has said good-bye, or was lost long ago: its members are as gone.
STRAYS = """
SELECT m.participation, m.user_id, m.room, m.project FROM members m
LEFT JOIN formula_nodes n ON n.node = m.node
WHERE m.participation > %(after)s
    AND (n.node IS NULL OR n.seen_at < clock_timestamp() - make_interval(secs => %(lease_s)s))
ORDER BY m.participation LIMIT %(limit)s
"""

log = structlog.get_logger()


class Stray(msgspec.Struct, frozen=True):
    """A member whose node is not there to say that it left."""

    participation: UUID
    user_id: UUID
    room: str
    project: UUID | None

    def summary(self, moved: MotionSum) -> Do:
        """What the audit keeps of how one moved; nothing where the gateway said it in time."""
        command = SumMotion(user=self.user_id, room=self.room, **msgspec.structs.asdict(moved))
        return Do(MOTION_SUMMARY, summary_stream(self.participation), command)


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
            sums = await motion_sums(self._runtime, [one.participation for one in strays])
            await together(strays, partial(self._leave, sums))
            strays = await self._strays(strays[-1].participation)

    async def _strays(self, after: UUID) -> list[Stray]:
        values = {"after": after, "lease_s": self._lease_s, "limit": PAGE}
        async with (
            reading(self._runtime, group="live") as db,
            db.cursor(row_factory=class_row(Stray)) as cursor,
        ):
            await cursor.execute(STRAYS, values)
            return await cursor.fetchall()

    async def _leave(self, sums: Mapping[UUID, MotionSum], stray: Stray) -> None:
        moved = sums.get(stray.participation)
        try:
            await self._runtime.execute(
                SYSTEM,
                PARTICIPATION,
                stray.participation,
                Leave(reason=LeaveReason.NODE_LOST),
                *([stray.summary(moved)] if moved else []),
                project=stray.project,
            )
        except (Refused, Conflict) as error:  # of this one; the others must not wait for it
            log.warning("member_not_reaped", stream=str(stray.participation), error=repr(error))

    async def _forget_nodes(self) -> None:
        """Gateways that are gone, now that nobody is counted as being there through them."""
        async with self._runtime.db.connection() as db:
            await db.execute(
                "DELETE FROM formula_nodes WHERE role = 'api'"
                " AND seen_at < clock_timestamp() - make_interval(secs => %s)",
                (self._lease_s,),
            )
