"""Coming into a room: may one, what is it like now or what was missed, then live without a hole."""

from uuid import UUID

import msgspec

from api.paging import to_cursor
from api.realtime import protocol as p
from api.realtime.member import Member
from api.realtime.reads import Reads
from api.realtime.ready import Frame, framed, visible
from api.realtime.rooms import Room as Place
from api.realtime.session import Membership
from api.realtime.wire import text_frame
from domain.access import Action, Who, allowed, require
from domain.document import DOCUMENT
from domain.errors import Hidden, NotAllowed, NotFound
from domain.project import PROJECT, ProjectRole
from domain.rooms import Room, RoomKind
from domain.task import TASK
from infra.runtime import Runtime
from projections.locks import LockRow
from projections.snapshots import Snapshot, Wanted

# What REST asks for to read what one's own room tells: of a key, its scopes.
OWN_ROOM = (Action.NOTIFICATION_READ, Action.JOBS_READ)


async def admit(runtime: Runtime, who: Who, name: str, participation: UUID) -> Membership:
    """The membership that the rules allow, from the aggregates as they are now.

    Raises Invalid, NotFound and NotAllowed.
    """
    room = Room.parse(name)
    match room.kind:
        case RoomKind.PROJECT if room.id is not None:
            return await _in_project(runtime, who, name, participation, room.id)
        case RoomKind.TASK if room.id is not None:
            task = (await runtime.load(TASK, room.id)).state
            return await _within(runtime, who, name, participation, task.project)
        case RoomKind.DOCUMENT if room.id is not None:
            document = (await runtime.load(DOCUMENT, room.id)).state
            project = None if document.removed else document.project
            return await _within(runtime, who, name, participation, project)
        case RoomKind.USER:
            if room.id != who.id:
                raise NotAllowed("access.denied", action=Action.ROOM_JOIN.value)
            for action in OWN_ROOM:
                require(action, who, oneself=True)
            return Membership(name, participation)
        case RoomKind.OPS:
            require(Action.OPS_JOIN, who)
            return Membership(name, participation)
        case _:
            raise NotFound("room.not_found", room=name)


async def _within(
    runtime: Runtime, who: Who, name: str, participation: UUID, project: UUID | None
) -> Membership:
    """Of what is in a project: whether it is there is told to those alone who may read that."""
    if project is None:
        raise NotFound("room.not_found", room=name)
    role = (await runtime.load(PROJECT, project)).state.members.get(who.id)
    owner = Who(who.id, who.role)  # what a key is not for its owner knows of
    if not allowed(Action.PROJECT_READ, owner, project_role=role):
        raise Hidden("room.not_found", room=name)
    return await _in_project(runtime, who, name, participation, project)


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
    reads: Reads,
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
    await reads.shown(joined_at or 0)
    frames = None if after is None else await _missed(reads, place, after)
    now = await reads.snapshot(Wanted(membership.room, membership.project))
    place.sized(now.size)
    if after is None or frames is None:
        recent = [msgspec.Raw(one.frame) for one in now.recent if one.audience <= member.audience]
        joined = _joined(place, membership, now, epoch, "snapshot", now.pos, re, recent)
        return Opening([joined], now.pos, "snapshot")
    joined = _joined(place, membership, now, epoch, "resume", after, re, [])
    replay = [visible(place.name, frame, member.audience) for frame in frames]
    return Opening([joined, *replay], frames[-1].pos if frames else after, "resume")


async def _missed(reads: Reads, place: Place, after: int) -> list[Frame] | None:
    """What came above `after`: from memory, else from the room's log; None: take a snapshot."""
    kept = place.since(after)
    if kept is not None:
        return kept
    logged = await reads.missed(place.name, after) if after <= await reads.log_head() else None
    if logged is None or (logged and logged[0].prev > after):  # its beginning is not kept any more
        return None
    return [framed(place.name, one.entry) for one in logged]


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
                members=now.members,
                count=None if place.listed else now.size,
                cursors=place.moving(),
                locks=[held(lock) for lock in now.locks],
                receipts=now.receipts,
                more=_more(now),
                recent=recent,
                re=re,
            )
        )
    )


def _more(now: Snapshot) -> p.More | None:
    if not (now.more_locks or now.more_receipts):
        return None
    return p.More(
        locks=to_cursor(now.locks[-1].resource) if now.more_locks else None,
        receipts=to_cursor(now.receipts[-1].user) if now.more_receipts else None,
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
