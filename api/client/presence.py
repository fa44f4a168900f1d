"""Who is in a room, by connection and by person, and what they do that is soon over."""

from collections.abc import Mapping
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from api.realtime import protocol as p
from domain.motion import CursorMoved, Typing
from projections.frames import Mo, public_type
from projections.members import ONLINE, Member

CURSOR_GONE_S, TYPING_GONE_S = 10.0, 6.0  # of silence, as the server counts
CURSOR, TYPING = public_type(CursorMoved), public_type(Typing)

T = TypeVar("T")


class Person(msgspec.Struct, frozen=True):
    """With all connections; `status` and `location` are of the most present one."""

    user: UUID
    status: str
    location: str
    away: bool  # all connections dropped a moment ago
    connections: tuple[Member, ...]


class Cursor(msgspec.Struct, frozen=True):
    """Where somebody points, in their own coordinates."""

    user: UUID
    at: Any


class Mark(msgspec.Struct, frozen=True):
    """Where somebody types."""

    user: UUID
    where: str


class Presence:
    """Kept current by the frames of a room."""

    def __init__(self) -> None:
        self.members: Mapping[UUID, Member] = {}  # by participation
        self.receipts: dict[UUID, int] = {}  # up to where each person has seen the room
        self._count: int | None = None
        self._away: set[UUID] = set()
        self._cursors: dict[UUID, tuple[Cursor, float]] = {}
        self._typing: dict[UUID, tuple[Mark, float]] = {}

    @property
    def count(self) -> int:
        """Of connections: those of `members`, or more than are listed."""
        return len(self.members) if self._count is None else self._count

    @property
    def people(self) -> list[Person]:
        """In the order in which they came."""
        found: dict[UUID, list[Member]] = {}
        for member in self.members.values():
            found.setdefault(member.user, []).append(member)
        return [self._person(user, connections) for user, connections in found.items()]

    @property
    def cursors(self) -> Mapping[UUID, Cursor]:
        """By participation: who has two windows here points in both."""
        return _newer(self._cursors, CURSOR_GONE_S)

    @property
    def typing(self) -> Mapping[UUID, Mark]:
        """By participation."""
        return _newer(self._typing, TYPING_GONE_S)

    def joined(self, frame: p.Joined) -> None:
        members = [msgspec.json.decode(member, type=Member) for member in frame.members]
        self.members = {member.participation: member for member in members}
        self._count, self._away = frame.count, set()
        self.receipts = {receipt.user: receipt.pos for receipt in frame.receipts}
        for raw in reversed(frame.cursors):
            self.moved(msgspec.json.decode(raw, type=Mo))
        self._forget()

    def changed(self, frame: p.Presence) -> None:
        self._count = frame.count
        if frame.count is not None:
            self.members = {}
        for raw in frame.join:
            member = msgspec.json.decode(raw, type=Member)
            self.members = {**self.members, member.participation: member}
        for raw in frame.update:
            self._change(msgspec.json.decode(raw, type=Member))
        self._away = (self._away | {*frame.away}) - {*frame.leave}
        gone = {*frame.leave}
        self.members = {key: one for key, one in self.members.items() if key not in gone}
        for raw in frame.seen:
            receipt = msgspec.json.decode(raw, type=p.Receipt)
            self.receipts[receipt.user] = receipt.pos
        self._forget()

    def moved(self, frame: Mo) -> None:
        user, participation = frame.by, frame.participation
        if user is None or participation is None:
            return
        if frame.type == CURSOR:
            at = msgspec.json.decode(frame.data)["at"]
            self._cursors[participation] = (Cursor(user, at), monotonic())
        elif frame.type == TYPING:
            typing = msgspec.json.decode(frame.data)
            self._typing.pop(participation, None)
            if typing["on"]:
                self._typing[participation] = (Mark(user, typing["where"]), monotonic())

    def _person(self, user: UUID, connections: list[Member]) -> Person:
        best = min(connections, key=self._rank)
        return Person(
            user=user,
            status=best.status or ONLINE,
            location=best.location or "",
            away=best.participation in self._away,
            connections=tuple(connections),
        )

    def _rank(self, member: Member) -> int:
        """The most present first; own texts rank between online and away."""
        if member.participation in self._away:
            return 3
        return {ONLINE: 0, "away": 2}.get(member.status or ONLINE, 1)

    def _change(self, change: Member) -> None:
        known = self.members.get(change.participation)
        if known is not None:
            fields = msgspec.structs.asdict(change)
            given = {name: one for name, one in fields.items() if one is not msgspec.UNSET}
            merged = msgspec.structs.replace(known, **given)
            self.members = {**self.members, change.participation: merged}

    def _forget(self) -> None:
        """What a connection did goes with it; of a crowd nobody is told who goes."""
        if self._count is None:
            here = self.members
            self._cursors = {key: one for key, one in self._cursors.items() if key in here}
            self._typing = {key: one for key, one in self._typing.items() if key in here}


def _newer(all_of: Mapping[UUID, tuple[T, float]], gone_s: float) -> dict[UUID, T]:
    since = monotonic() - gone_s
    return {key: value for key, (value, at) in all_of.items() if at > since}
