"""Hold: the legal holds on projects and records; while one stands, nothing of it is thrown away.

All are one stream: they are few, and whoever is about to delete must see them as they are now.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias, assert_never
from uuid import UUID

import msgspec

from domain.errors import NotFound, WrongState
from domain.kernel import Command, Decider, Event
from domain.text import checked

MAX_REASON = 500  # characters
MAX_HOLDS = 10_000  # at a time

HOLDS_STREAM = UUID("3c9b0c52-7d0c-5b8e-a3d6-0f4a1f0f7c55")

Kind: TypeAlias = Literal["project", "record"]


class HoldPlaced(Event, frozen=True, kw_only=True, tag="hold.placed.v1"):
    """`project`: whose motion is kept; for a record, the project it belongs to, if any."""

    subject: UUID
    kind: Kind
    project: UUID | None = None
    reason: str
    at: datetime


class HoldReleased(Event, frozen=True, kw_only=True, tag="hold.released.v1"):
    subject: UUID
    reason: str
    at: datetime


class PlaceHold(Command, frozen=True, kw_only=True, tag="place_hold"):
    subject: UUID
    kind: Kind
    project: UUID | None = None
    reason: str
    at: datetime


class ReleaseHold(Command, frozen=True, kw_only=True, tag="release_hold"):
    subject: UUID
    reason: str
    at: datetime


HoldEvent: TypeAlias = HoldPlaced | HoldReleased
HoldCommand: TypeAlias = PlaceHold | ReleaseHold


class Holds(msgspec.Struct, frozen=True):
    """Those that stand, by what is held."""

    standing: Mapping[UUID, HoldPlaced] = {}

    @property
    def projects(self) -> frozenset[UUID]:
        return frozenset(one.project for one in self.standing.values() if one.project is not None)


def decide(command: HoldCommand, holds: Holds) -> list[HoldEvent]:
    reason = checked(command.reason, "hold.bad_reason", MAX_REASON)
    match command:
        case PlaceHold():
            return _place(command, reason, holds)
        case ReleaseHold(subject=subject, at=at):
            if subject not in holds.standing:
                raise NotFound("hold.not_found", subject=subject)
            return [HoldReleased(subject=subject, reason=reason, at=at)]
        case _:
            assert_never(command)


def _place(command: PlaceHold, reason: str, holds: Holds) -> list[HoldEvent]:
    if command.subject in holds.standing:
        return []
    if len(holds.standing) >= MAX_HOLDS:
        raise WrongState("hold.too_many", most=MAX_HOLDS)
    return [
        HoldPlaced(
            subject=command.subject,
            kind=command.kind,
            project=command.subject if command.kind == "project" else command.project,
            reason=reason,
            at=command.at,
        )
    ]


def evolve(holds: Holds, event: HoldEvent) -> Holds:
    match event:
        case HoldPlaced(subject=subject):
            return Holds({**holds.standing, subject: event})
        case HoldReleased(subject=gone):
            return Holds({key: one for key, one in holds.standing.items() if key != gone})
        case _:
            assert_never(event)


HOLD = Decider(
    name="hold", initial=Holds(), decide=decide, evolve=evolve, events=(HoldPlaced, HoldReleased)
)
