"""Participation: one connection in one room, from joining to leaving. It has a single writer."""

from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.errors import WrongState
from domain.kernel import Command, Decider, Event
from domain.rooms import Room
from domain.text import checked

MAX_STATUS = 60  # characters
MAX_DEVICE = 60  # characters
MAX_LOCATION = 200  # characters


class LeaveReason(StrEnum):
    SAID = "said"
    DROPPED = "dropped"
    NODE_LOST = "node_lost"
    EXPIRED = "expired"
    REMOVED = "removed"
    CLOSING = "closing"


class Joined(Event, frozen=True, kw_only=True, tag="participation.joined.v1"):
    user: UUID
    connection: UUID
    room: str
    project: UUID | None = None
    node: UUID
    device: str = ""
    location: str = ""


class StatusSet(Event, frozen=True, kw_only=True, tag="participation.status_set.v1"):
    user: UUID
    room: str
    status: str
    location: str | UnsetType = UNSET


class Left(Event, frozen=True, kw_only=True, tag="participation.left.v1"):
    user: UUID
    room: str
    reason: LeaveReason


class Join(Command, frozen=True, kw_only=True, tag="join"):
    user: UUID
    connection: UUID
    room: str
    project: UUID | None = None
    node: UUID
    device: str = ""
    location: str = ""


class SetStatus(Command, frozen=True, kw_only=True, tag="set_status"):
    status: str
    location: str | UnsetType = UNSET


class Leave(Command, frozen=True, kw_only=True, tag="leave"):
    reason: LeaveReason


ParticipationEvent: TypeAlias = Joined | StatusSet | Left
ParticipationCommand: TypeAlias = Join | SetStatus | Leave


class Participation(msgspec.Struct, frozen=True):
    user: UUID | None = None  # None: not joined yet
    room: str = ""
    status: str = "online"
    location: str = ""
    ended: bool = False


def decide(command: ParticipationCommand, participation: Participation) -> list[ParticipationEvent]:
    if participation.ended:
        if isinstance(command, Leave):
            return []
        raise WrongState("participation.ended")
    match command:
        case Join():
            return [] if participation.user else [_joined(command)]
        case SetStatus(status=status, location=location):
            return _set_status(status, location, participation)
        case Leave(reason=reason):
            if participation.user is None:
                return []
            return [Left(user=participation.user, room=participation.room, reason=reason)]
        case _:
            assert_never(command)


def _joined(command: Join) -> Joined:
    return Joined(
        user=command.user,
        connection=command.connection,
        room=str(Room.parse(command.room)),
        project=command.project,
        node=command.node,
        device=checked(command.device, "participation.bad_device", MAX_DEVICE, least=0),
        location=_location(command.location),
    )


def _set_status(
    status: str, location: str | UnsetType, participation: Participation
) -> list[ParticipationEvent]:
    if participation.user is None:
        raise WrongState("participation.not_joined")
    status = checked(status, "participation.bad_status", MAX_STATUS)
    if location is not UNSET:
        location = _location(location)
    if status == participation.status and location in (UNSET, participation.location):
        return []
    room = participation.room
    return [StatusSet(user=participation.user, room=room, status=status, location=location)]


def _location(location: str) -> str:
    return checked(location, "participation.bad_location", MAX_LOCATION, least=0)


def evolve(participation: Participation, event: ParticipationEvent) -> Participation:
    match event:
        case Joined(user=user, room=room, location=location):
            return Participation(user=user, room=room, location=location)
        case StatusSet(status=status, location=location):
            where = participation.location if location is UNSET else location
            return msgspec.structs.replace(participation, status=status, location=where)
        case Left():
            return msgspec.structs.replace(participation, ended=True)
        case _:
            assert_never(event)


PARTICIPATION = Decider(
    name="participation",
    initial=Participation(),
    decide=decide,
    evolve=evolve,
    events=(Joined, StatusSet, Left),
)
