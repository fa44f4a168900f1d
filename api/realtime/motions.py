"""What a connection's cursor and typing came to, room by room, until it leaves."""

from datetime import datetime
from uuid import UUID

import msgspec

from api.realtime.session import Membership, Part
from domain.kernel import Event
from domain.motion import CursorMoved, Typing
from domain.motion_summary import MOTION_SUMMARY, SumMotion, summary_stream


class _Sum(msgspec.Struct):
    """Of one participation; changed for each motion, so not made anew each time."""

    room: str
    user: UUID
    first: datetime
    last: datetime
    cursors: int = 0
    typing: int = 0
    selections: int = 0


class Motions:
    """Sums by participation."""

    def __init__(self) -> None:
        self._sums: dict[UUID, _Sum] = {}

    def add(self, membership: Membership, user: UUID, event: Event, now: datetime) -> None:
        one = self._sums.get(membership.participation)
        if one is None:
            one = self._sums[membership.participation] = _Sum(membership.room, user, now, now)
        one.last = now
        match event:
            case CursorMoved():
                one.cursors += 1
            case Typing():
                one.typing += 1
            case _:
                one.selections += 1

    def taken(self, participation: UUID) -> list[Part]:
        """What to append when it ends; nothing where nothing moved."""
        one = self._sums.pop(participation, None)
        if one is None:
            return []
        command = SumMotion(participation=participation, **msgspec.structs.asdict(one))
        return [Part(MOTION_SUMMARY, summary_stream(participation), command)]
