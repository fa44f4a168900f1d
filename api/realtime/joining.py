"""Coming into a room: may one, what is it like now or what was missed, then live without a hole."""

from contextlib import suppress
from uuid import UUID

import msgspec

from api.realtime import protocol as p
from api.realtime.ready import framed, visible
from api.realtime.rooms import Member
from api.realtime.rooms import Room as Place
from api.realtime.session import Membership
from api.realtime.wire import text_frame
from domain.access import Action, Who, require
from domain.document import DOCUMENT
from domain.errors import NotAllowed, NotFound
from domain.project import PROJECT, ProjectRole
from domain.rooms import Room, RoomKind
from domain.task import TASK
from infra.runtime import Runtime
from projections.locks import LockRow
from projections.read import BehindPosition, reading, wait_for
from projections.room_log import MAX_MISSED, Snapshot, missed, snapshot

SHOWN_S = 1.0  # how long a join waits to see itself in its snapshot


async def admit(runtime: Runtime, who: Who, name: str, participation: UUID) -> Membership:
    """The membership that the rules allow, from the aggregates as they are now.

    Raises Invalid, NotFound and NotAllowed.
    """
    room = Room.parse(name)
    match room.kind:
        case RoomKind.PROJECT if room.id is not None:
            return await _in_project(runtime, who, name, participation, room.id)
        case RoomKind.TASK if room.id is not None:
            task = await runtime.load(TASK, room.id)
            if task.state.project is None:
                raise NotFound("room.not_found", room=name)
            return await _in_project(runtime, who, name, participation, task.state.project)
        case RoomKind.DOCUMENT if room.id is not None:
            document = await runtime.load(DOCUMENT, room.id)
            if document.state.project is None or document.state.removed:
                raise NotFound("room.not_found", room=name)
            return await _in_project(runtime, who, name, participation, document.state.project)
        case RoomKind.USER:
            if room.id != who.id:
                raise NotAllowed("access.denied", action=Action.ROOM_JOIN.value)
            return Membership(name, participation)
        case RoomKind.OPS:
            require(Action.OPS_JOIN, who)
            return Membership(name, participation)
        case _:
            raise NotFound("room.not_found", room=name)


async def _in_project(
    runtime: Runtime, who: Who, name: str, participation: UUID, project: UUID
) -> Membership:
    loaded = await runtime.load(PROJECT, project)
    role: ProjectRole | None = loaded.state.members.get(who.id)
    require(Action.ROOM_JOIN, who, project_role=role)
    if not loaded.version:
        raise NotFound("room.not_found", room=name)
    return Membership(name, participation, project, role)


class Opening(msgspec.Struct, frozen=True):
    """What a member is sent first, and the position up to which that tells everything."""

    frames: list[bytes]
    after: int
    mode: str


async def open_room(
    runtime: Runtime,
    epoch: str,
    place: Place,
    member: Member,
    membership: Membership,
    after: int | None,
    joined_at: int | None,
    re: UUID | None,
) -> Opening:
    """A resume from `after` where that is possible, else a snapshot. Whole, or not at all.

    `after` may be ahead of the projector (a crash took its last rows): what it projects again is
    not sent again. Only beyond the log's head there is nothing to resume: a new epoch.
    """
    await _shown(runtime, joined_at)
    if after is not None and after <= await runtime.store.head():
        resumed = await _resume(runtime, epoch, place, member, membership, after, re)
        if resumed is not None:
            return resumed
    async with reading(runtime) as db:
        now = await snapshot(db, membership.room, membership.project)
    place.sized(now.size)
    recent = [msgspec.Raw(one.frame) for one in now.recent if one.audience <= member.audience]
    frame = _joined(place, membership, now, epoch, "snapshot", now.pos, re, recent)
    return Opening([frame], now.pos, "snapshot")


async def _resume(
    runtime: Runtime,
    epoch: str,
    place: Place,
    member: Member,
    membership: Membership,
    after: int,
    re: UUID | None,
) -> Opening | None:
    room = membership.room
    async with reading(runtime) as db:
        frames = await missed(db, room, after, MAX_MISSED + 1)
        if len(frames) > MAX_MISSED:
            return None
        now = await snapshot(db, room, membership.project)
    place.sized(now.size)
    joined = _joined(place, membership, now, epoch, "resume", after, re, [])
    replay = [visible(room, framed(room, one.entry), member.audience) for one in frames]
    return Opening([joined, *replay], frames[-1].pos if frames else after, "resume")


async def _shown(runtime: Runtime, position: int | None) -> None:
    """Wait a little until a snapshot shows what was stored at `position`."""
    with suppress(BehindPosition):
        await wait_for(runtime, "live", position or 0, SHOWN_S)


def _joined(
    place: Place,
    membership: Membership,
    now: Snapshot,
    epoch: str,
    mode: str,
    pos: int,
    re: UUID | None,
    recent: list[msgspec.Raw],
) -> bytes:
    return text_frame(
        p.encode_frame(
            p.Joined(
                room=membership.room,
                pos=pos,
                epoch=epoch,
                mode=mode,
                participation=membership.participation,
                members=[msgspec.Raw(msgspec.json.encode(one)) for one in now.members],
                count=None if place.listed else now.size,
                cursors=place.moving(),
                locks=[held(lock) for lock in now.locks],
                receipts=now.receipts,
                recent=recent,
                re=re,
            )
        )
    )


def held(lock: LockRow) -> p.Held:
    return p.Held(
        resource=lock.resource,
        holder=lock.holder,
        token=lock.token,
        expires=lock.expires_at,
        participation=lock.participation,
        queue=lock.queue,
    )
