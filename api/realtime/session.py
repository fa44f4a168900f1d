"""One connection as a state machine: frames in, effects out, no I/O (see socket.py)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias, assert_never
from uuid import UUID

import msgspec

from api.realtime import protocol as p
from api.realtime.locking import LockFrame, Stay, lock_command
from domain import motion
from domain.access import Action, Who, allowed, in_scope
from domain.activity import ACTIVITY, RecordActivity, activity_stream
from domain.errors import Refused
from domain.kernel import Command, Decider, Event
from domain.lock import LOCK, lock_stream
from domain.participation import PARTICIPATION, LeaveReason, SetStatus
from domain.project import ProjectRole
from domain.rooms import RoomKind

REPLAYS = f"{RoomKind.REPLAY}:"  # how their rooms' names begin
OWN = f"{RoomKind.USER}:"  # nobody leaves their own: it tells what one may and what one was given


class Membership(msgspec.Struct, frozen=True):
    """A room this connection is in, with the rights it had when it came."""

    room: str
    participation: UUID
    project: UUID | None = None
    role: ProjectRole | None = None


class Session(msgspec.Struct, frozen=True):
    """What a connection is at a moment."""

    connection: UUID
    who: Who | None = None
    expires: datetime | None = None
    device: str = ""
    rooms: Mapping[str, Membership] = {}

    def entered(self, membership: Membership) -> "Session":
        return msgspec.structs.replace(self, rooms={**self.rooms, membership.room: membership})

    def exited(self, room: str) -> "Session":
        rooms = {name: one for name, one in self.rooms.items() if name != room}
        return msgspec.structs.replace(self, rooms=rooms)


class Authenticate(msgspec.Struct, frozen=True):
    """Find out who this is; for a `hello` then welcome and resume, for a `token` just renew."""

    token: str
    frame: p.Hello | p.Token


class Enter(msgspec.Struct, frozen=True):
    """Join a room, if its rules allow it."""

    room: str
    after: int | None
    location: str
    re: UUID | None


class Exit(msgspec.Struct, frozen=True):
    """Leave a room."""

    membership: Membership
    reason: LeaveReason
    re: UUID | None


class Part(msgspec.Struct, frozen=True):
    """A command for one stream."""

    decider: Decider[Any, Any, Any]
    stream: UUID
    command: Command
    blind: bool = False  # nothing to load: the stream has no rules


class Run(msgspec.Struct, frozen=True):
    """Do the parts in one transaction, then acknowledge."""

    re: UUID | None
    membership: Membership
    parts: tuple[Part, ...]


class Hold(msgspec.Struct, frozen=True):
    """A command on a lock's stream; the answer carries the lock as it is then."""

    frame: LockFrame
    at: Stay
    part: Part


class Move(msgspec.Struct, frozen=True):
    """A motion fact: no answer."""

    membership: Membership
    event: Event


class See(msgspec.Struct, frozen=True):
    """So much of the room was seen: no answer."""

    membership: Membership
    pos: int


InRoom: TypeAlias = p.Leave | p.Act | p.Cursor | p.Typing | p.Select | p.Seen | LockFrame


class Play(msgspec.Struct, frozen=True):
    """Open a replay."""

    frame: p.Replay


class Steer(msgspec.Struct, frozen=True):
    """What is said in a replay's room."""

    frame: InRoom


class Tell(msgspec.Struct, frozen=True):
    """Answer with a frame."""

    frame: p.ServerFrame


Effect: TypeAlias = Authenticate | Enter | Exit | Run | Hold | Move | See | Play | Steer | Tell


def receive(session: Session, frame: p.Incoming, now: datetime) -> list[Effect]:
    """What a frame asks for. Refusals are effects too: they tell why."""
    match frame:
        case p.Ping(t=t):
            return [Tell(p.Pong(t=t))]
        case p.Hello(token=token) | p.Token(token=token):
            return [Authenticate(token, frame)]
        case _ if session.who is None:
            return [_refuse(frame, "auth.missing")]
        case p.Join(room=room, after=after, location=location):
            if room not in session.rooms and len(session.rooms) >= p.MAX_ROOMS:
                return [_refuse(frame, "room.too_many", most=p.MAX_ROOMS)]
            return [Enter(room, after, location, frame.id)]
        case p.Status(status=status, location=location):
            return _set_status(session, session.who, frame, status, location)
        case p.Replay():
            return [Play(frame)]
        case _ if frame.room.startswith(REPLAYS):
            return [Steer(frame)]
        case _:
            membership = session.rooms.get(frame.room)
            if membership is None:
                return [_refuse(frame, "room.not_joined", room=frame.room)]
            return _in_room(session.who, membership, frame, now)


_ACTIONS: Mapping[type[InRoom], Action] = {
    p.Act: Action.ROOM_ACT,
    p.Cursor: Action.ROOM_ACT,
    p.Typing: Action.ROOM_ACT,
    p.Select: Action.ROOM_ACT,
    p.Lock: Action.ROOM_LOCK,
    p.Unwait: Action.ROOM_LOCK,
    p.Renew: Action.ROOM_LOCK,
    p.Unlock: Action.ROOM_LOCK,
    p.Steal: Action.ROOM_STEAL,
    p.Seen: Action.RECEIPT_WRITE,
}


def _in_room(who: Who, at: Membership, frame: InRoom, now: datetime) -> list[Effect]:
    action = _ACTIONS.get(type(frame))
    if action is not None and not allowed(action, who, project_role=at.role, oneself=True):
        return [_refuse(frame, "access.denied", action=action.value)]
    match frame:
        case p.Leave() if at.room.startswith(OWN):
            return [_refuse(frame, "room.own", room=at.room)]
        case p.Leave():
            return [Exit(at, LeaveReason.SAID, frame.id)]
        case p.Act(kind=kind, data=data):
            act = RecordActivity(room=at.room, kind=kind, data=data)
            stream = activity_stream(who.id, at.room)
            return [Run(frame.id, at, (Part(ACTIVITY, stream, act, blind=True),))]
        case p.Seen(pos=pos):
            return [See(at, pos)]
        case p.Cursor() | p.Typing() | p.Select():
            return [_motion(at, frame)]
        case _:
            return _lock(who, at, frame, now)


def _motion(at: Membership, frame: p.Cursor | p.Typing | p.Select) -> Effect:
    try:
        match frame:
            case p.Cursor(at=place):
                return Move(at, motion.cursor(at.room, place))
            case p.Typing(where=where, on=on):
                return Move(at, motion.typing(at.room, where, on))
            case p.Select(selection=selection):
                return Move(at, motion.selected(at.room, selection))
            case _:
                assert_never(frame)
    except Refused as error:
        return Tell(p.Err(re=frame.id, code=error.code, detail=error.detail))


def _lock(who: Who, at: Membership, frame: LockFrame, now: datetime) -> list[Effect]:
    if at.project is None:
        return [_refuse(frame, "lock.no_project", room=at.room)]
    stay = Stay(who.id, at.room, at.participation, at.project)
    command = lock_command(stay, frame, now)
    return [Hold(frame, stay, Part(LOCK, lock_stream(at.project, frame.resource), command))]


def _set_status(
    session: Session, who: Who, frame: p.Status, status: str, location: str | None
) -> list[Effect]:
    """One status for the person: every room of the connection gets it, in one transaction."""
    if not in_scope(Action.ROOM_ACT, who):
        return [_refuse(frame, "access.denied", action=Action.ROOM_ACT.value)]
    memberships = list(session.rooms.values())
    if not memberships:
        return [_refuse(frame, "room.not_joined")]
    command = SetStatus(status=status, location=msgspec.UNSET if location is None else location)
    parts = tuple(Part(PARTICIPATION, one.participation, command) for one in memberships)
    return [Run(frame.id, memberships[0], parts)]


def _refuse(frame: p.Incoming, code: str, **detail: str | int) -> Tell:
    return Tell(p.Err(re=frame.id, code=code, detail=detail))


def re_of(effect: Effect) -> UUID | None:
    """The id of the frame that asked for it, for the answer."""
    match effect:
        case Run(re=re) | Enter(re=re) | Exit(re=re):  # most are acts
            return re
        case Authenticate(frame=frame) | Hold(frame=frame) | Play(frame=frame) | Steer(frame=frame):
            return frame.id
        case _:
            return None
