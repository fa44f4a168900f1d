"""What somebody's motion came to, as the log has it: for who cannot say so any more."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from domain.kernel import Event
from domain.motion import CursorMoved, Selected, Typing
from domain.registry import tag_of
from domain.upcasts import stored_as
from infra.runtime import Runtime
from projections.rows import fetch_all

# Motion has no index but its positions: those since the first of these came are looked through.
SUMS = """
SELECT participation, count(*) FILTER (WHERE tag = ANY(%(cursors)s)) AS cursors,
    count(*) FILTER (WHERE tag = ANY(%(typing)s)) AS typing,
    count(*) FILTER (WHERE tag = ANY(%(selections)s)) AS selections,
    min(recorded_at) AS first, max(recorded_at) AS last
FROM formula_motion_events
WHERE participation = ANY(%(participations)s) AND position > (
    SELECT min(notification_id) FROM formula_events
    WHERE originator_id = ANY(%(participations)s) AND originator_version = 1)
GROUP BY participation
"""


class MotionSum(msgspec.Struct, frozen=True):
    """Of one participation: what retention has left of it."""

    participation: UUID
    cursors: int
    typing: int
    selections: int
    first: datetime
    last: datetime


async def motion_sums(runtime: Runtime, participations: Sequence[UUID]) -> Mapping[UUID, MotionSum]:
    """Of those that moved."""
    values = {
        "participations": list(participations),
        "cursors": _tags(CursorMoved),
        "typing": _tags(Typing),
        "selections": _tags(Selected),
    }
    async with runtime.db.connection() as db:
        found = await fetch_all(db, MotionSum, SUMS, values)
    return {one.participation: one for one in found}


def _tags(event: type[Event]) -> list[str]:
    return list(stored_as((tag_of(event),)))
