"""Motion summary: what somebody's cursor and typing came to while they were in a room.

Motion itself is kept for a while only; this is what the audit has of it for ever.
"""

from datetime import datetime
from uuid import UUID, uuid5

import msgspec

from domain.kernel import Command, Decider, Event
from domain.text import no_nul


class MotionSummed(Event, frozen=True, kw_only=True, tag="motion_summary.recorded.v1"):
    """How often, as the client said it; of quick ones the log, and so the sum of who was lost with
    their gateway, has the newest alone.
    """

    participation: UUID
    user: UUID
    room: str
    cursors: int = 0
    typing: int = 0
    selections: int = 0
    first: datetime
    last: datetime


class SumMotion(Command, frozen=True, kw_only=True, tag="sum_motion"):
    participation: UUID
    user: UUID
    room: str
    cursors: int = 0
    typing: int = 0
    selections: int = 0
    first: datetime
    last: datetime


class MotionSummary(msgspec.Struct, frozen=True):
    """Of a participation that ended, whoever ended it: its gateway, or who found that one lost."""

    recorded: bool = False


def summary_stream(participation: UUID) -> UUID:
    return uuid5(participation, "motion")


def decide(command: SumMotion, summary: MotionSummary) -> list[MotionSummed]:
    no_nul(command.room)
    if summary.recorded:
        return []
    return [MotionSummed(**msgspec.structs.asdict(command))]


def evolve(_summary: MotionSummary, _event: MotionSummed) -> MotionSummary:
    return MotionSummary(recorded=True)


MOTION_SUMMARY = Decider(
    name="motion_summary",
    initial=MotionSummary(),
    decide=decide,
    evolve=evolve,
    events=(MotionSummed,),
)
