"""What a replay shows, in the frames of a live room: `joined`, then `ev`, `mo` and `presence`."""

from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

import msgspec

from api.realtime import protocol as p
from api.realtime.joining import held
from domain.kernel import Event, Recorded
from domain.motion import MOTION, CursorMoved, Selected, Typing
from domain.participation import PARTICIPATION, Joined, Left, StatusSet
from domain.rooms import Room, RoomKind
from projections.frames import Ev, Mo, event_data, public_type
from projections.members import ONLINE, Member, MemberRow
from projections.replay.moments import Pointer
from projections.replay.scene import Scene


class Seen(Member, frozen=True, kw_only=True):
    """A member, and which of the project's rooms they were in: a replay shows all of them."""

    room: str


class _Where(msgspec.Struct, frozen=True):
    where: str


def joined(replay: UUID, scene: Scene, rewound: p.Rewound, epoch: str, re: UUID | None) -> p.Joined:
    room = replay_room(replay)
    return p.Joined(
        room=room,
        pos=scene.moment.position,
        epoch=epoch,
        mode="snapshot",
        participation=replay,
        members=[_raw(_seen(member)) for member in scene.members],
        locks=[held(lock) for lock in scene.locks],
        recent=_recent(room, scene.recent),
        cursors=[_raw(_pointed(room, scene.moment.position, one)) for one in scene.cursors],
        replay=rewound,
        re=re,
    )


def replay_room(replay: UUID) -> str:
    return str(Room(RoomKind.REPLAY, replay))


def shown(room: str, one: Recorded[Event], prev: int) -> Ev | Mo | p.Presence:
    """As a live room tells it; `prev` is the room's previous `ev`."""
    event = one.event
    if isinstance(event, MOTION):
        return _mo(room, one.position, event, one.stream, one.meta.actor)
    if isinstance(event, Joined | StatusSet | Left):
        return _presence(room, one.position, one.stream, event)
    return Ev(
        room=room,
        pos=one.position,
        prev=prev,
        type=public_type(type(event)),
        by=one.meta.actor,
        at=one.at,
        subject=one.stream,
        data=event_data(event),
    )


def _presence(
    room: str, pos: int, participation: UUID, event: Joined | StatusSet | Left
) -> p.Presence:
    match event:
        case Joined():
            seen = Seen(
                participation=participation,
                user=event.user,
                connection=event.connection,
                status=ONLINE,
                location=event.location,
                device=event.device,
                room=event.room,
            )
            return p.Presence(room=room, pos=pos, join=[_raw(seen)])
        case StatusSet(user=user, status=status, location=location):
            change = Seen(
                participation=participation,
                user=user,
                status=status,
                location=location,
                room=event.room,
            )
            return p.Presence(room=room, pos=pos, update=[_raw(change)])
        case Left():
            return p.Presence(room=room, pos=pos, leave=[participation])


def _seen(member: MemberRow) -> Seen:
    return Seen(
        participation=member.participation,
        user=member.user_id,
        connection=member.connection,
        status=member.status,
        location=member.location,
        device=member.device,
        room=member.room,
    )


def _recent(room: str, newest: Sequence[Recorded[Event]]) -> list[msgspec.Raw]:
    """The first one's predecessor is not looked for: nothing can be missing before it."""
    events = [one for one in newest if not isinstance(one.event, PARTICIPATION.events)]
    chain = pairwise([0, *(one.position for one in events)])
    return [_raw(shown(room, one, prev)) for one, (prev, _) in zip(events, chain, strict=True)]


def _pointed(room: str, pos: int, pointer: Pointer) -> Mo:
    """The newest motion of somebody, as the fact that it was."""
    return _mo(room, pos, _fact(pointer), pointer.participation, pointer.user)


def _fact(pointer: Pointer) -> CursorMoved | Selected | Typing:
    match pointer.type:
        case "cursor":
            return CursorMoved(room=pointer.room, at=pointer.data)
        case "selection":
            return Selected(room=pointer.room, selection=pointer.data)
        case _:
            where = msgspec.json.decode(pointer.data, type=_Where).where
            return Typing(room=pointer.room, where=where, on=True)


def _mo(room: str, pos: int, event: Event, participation: UUID, by: UUID | None) -> Mo:
    return Mo(
        room=room,
        pos=pos,
        type=public_type(type(event)),
        by=by,
        participation=participation,
        data=event_data(event),
    )


def _raw(value: msgspec.Struct) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
