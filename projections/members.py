"""members: who is in which room now, on which connection, through which node."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, assert_never
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.kernel import Recorded
from domain.participation import (
    PARTICIPATION,
    Joined,
    LeaveReason,
    Left,
    ParticipationEvent,
    StatusSet,
)
from infra.bus import Kind
from infra.db import Connection
from projections.model import Projection, Push, Row, Rows, Table, Upsert, Write
from projections.rows import FIRST_ID, fetch_all

MAX_LISTED = 500  # members that a room's snapshot and presence name; of more they give the count
ONLINE = "online"  # the status that a member comes with

MEMBERS = Table(
    name="members",
    columns={
        "participation": "uuid NOT NULL",
        "room": "text NOT NULL",
        "user_id": "uuid NOT NULL",
        "connection": "uuid NOT NULL",
        "node": "uuid NOT NULL",
        "project": "uuid",
        "device": "text NOT NULL",
        "location": "text NOT NULL",
        "status": "text NOT NULL",
        "joined_at": "timestamptz NOT NULL",
        "pos": "bigint NOT NULL",
    },
    key=("participation",),
    indexes=(
        "(room, participation)",
        "(user_id, participation)",
        "(node, participation)",
        "(project, room) WHERE project IS NOT NULL",
    ),
)

# By person, whichever of their connections it was: read from several streams, so by position.
LAST_SEEN = Table(
    name="last_seen",
    columns={
        "user_id": "uuid NOT NULL",
        "at": "timestamptz NOT NULL",
        "pos": "bigint NOT NULL",
    },
    key=("user_id",),
)


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A member as the room sees it: whole on JOIN, what changed on UPDATE, `reason` on LEAVE."""

    participation: UUID
    user: UUID
    connection: UUID | UnsetType = UNSET
    status: str | UnsetType = UNSET
    location: str | UnsetType = UNSET
    device: str | UnsetType = UNSET
    reason: LeaveReason | None = None


class MemberRow(msgspec.Struct, frozen=True):
    """A member as the system sees it. `pos` is the position of its last event."""

    participation: UUID
    room: str
    user_id: UUID
    connection: UUID
    node: UUID
    project: UUID | None
    device: str
    location: str
    status: str
    joined_at: datetime
    pos: int


class OnlineRow(msgspec.Struct, frozen=True):
    """A person who is in some room; `status` is the most present of all their connections."""

    user_id: UUID
    connections: int
    status: str
    since: datetime


class PresenceRow(msgspec.Struct, frozen=True):
    """How present a person is. `status` is the most present of their connections, or "offline"."""

    user_id: UUID
    connections: int
    status: str
    devices: list[str]
    last_seen: datetime | None  # None: never


class ActiveRoomRow(msgspec.Struct, frozen=True):
    """A project's room with people in it: each counts once."""

    room: str
    project: UUID
    members: int
    since: datetime


def project(batch: Sequence[Recorded[ParticipationEvent]]) -> list[Write]:
    rows = Rows(MEMBERS)
    seen: dict[UUID, Row] = {}
    for recorded in batch:
        _fold(rows, recorded)
        user = recorded.event.user
        seen[user] = {"user_id": user, "at": recorded.at, "pos": recorded.position}
    pushes = [_push(recorded) for recorded in batch]
    return [*rows.writes(), Upsert(LAST_SEEN, list(seen.values()), newest="pos"), *pushes]


def _fold(rows: Rows, recorded: Recorded[ParticipationEvent]) -> None:
    event, key, pos = recorded.event, recorded.stream, recorded.position
    match event:
        case Joined():
            rows.put(
                participation=key,
                room=event.room,
                user_id=event.user,
                connection=event.connection,
                node=event.node,
                project=event.project,
                device=event.device,
                location=event.location,
                status=ONLINE,
                joined_at=recorded.at,
                pos=pos,
            )
        case StatusSet(status=status, location=location):
            rows.put(participation=key, status=status, location=location, pos=pos)
        case Left():
            rows.delete(key)
        case _:
            assert_never(event)


def _push(recorded: Recorded[ParticipationEvent]) -> Push:
    event, key = recorded.event, recorded.stream
    match event:
        case Joined():
            kind = Kind.JOIN
            member = Member(
                participation=key,
                user=event.user,
                connection=event.connection,
                status=ONLINE,
                location=event.location,
                device=event.device,
            )
        case StatusSet(user=user, status=status, location=location):
            kind = Kind.UPDATE
            member = Member(participation=key, user=user, status=status, location=location)
        case Left(user=user, reason=reason):
            kind = Kind.LEAVE
            member = Member(participation=key, user=user, reason=reason)
        case _:
            assert_never(event)
    return Push(event.room, kind, recorded, member)


# Own texts rank between online and away.
MOST_PRESENT: LiteralString = (
    "(array_agg(status ORDER BY CASE status"
    " WHEN 'online' THEN 0 WHEN 'away' THEN 2 ELSE 1 END, pos DESC))[1]"
)


async def sizes(db: Connection, rooms: Sequence[str]) -> dict[str, int]:
    """How many members each room has; none: it is not there."""
    cursor = await db.execute(
        "SELECT room, count(*) FROM members WHERE room = ANY(%s) GROUP BY room ORDER BY room",
        (list(rooms),),
        prepare=True,
    )
    return dict(await cursor.fetchall())


async def members_of(
    db: Connection, room: str, limit: int = MAX_LISTED, after: UUID | None = None
) -> list[Member]:
    """The members of a room as a JOIN shows them, in the order of their participations."""
    return await fetch_all(
        db,
        Member,
        'SELECT participation, user_id AS "user", connection, status, location, device'
        " FROM members WHERE room = %(room)s AND participation > %(after)s"
        " ORDER BY participation LIMIT %(limit)s",
        {"room": room, "limit": limit, "after": after or FIRST_ID},
    )


async def online_users(
    db: Connection, after: UUID | None = None, limit: int = 50
) -> list[OnlineRow]:
    """Everybody who is in a room, by id."""
    return await fetch_all(
        db,
        OnlineRow,
        "SELECT user_id, count(DISTINCT connection) AS connections, min(joined_at) AS since,"  # noqa: S608, literals
        f" {MOST_PRESENT} AS status"
        " FROM members WHERE user_id > %(after)s"
        " GROUP BY user_id ORDER BY user_id LIMIT %(limit)s",
        {"after": after or FIRST_ID, "limit": limit},
    )


async def presence_of(db: Connection, user: UUID) -> PresenceRow:
    """Also of who has never been there."""
    [found] = await fetch_all(
        db,
        PresenceRow,
        "SELECT %(user)s::uuid AS user_id, count(DISTINCT m.connection) AS connections,"  # noqa: S608, literals
        f" coalesce({MOST_PRESENT}, 'offline') AS status,"
        " coalesce(array_agg(DISTINCT m.device) FILTER (WHERE m.device <> ''), '{}') AS devices,"
        " (SELECT at FROM last_seen WHERE user_id = %(user)s) AS last_seen"
        " FROM members m WHERE m.user_id = %(user)s",
        {"user": user},
    )
    return found


async def active_rooms(
    db: Connection, after: str | None = None, limit: int = 50
) -> list[ActiveRoomRow]:
    """The rooms of projects, their tasks and documents that have people in them, by name."""
    return await fetch_all(
        db,
        ActiveRoomRow,
        "SELECT room, project, count(DISTINCT user_id) AS members, min(joined_at) AS since"
        " FROM members WHERE project IS NOT NULL AND room > %(after)s"
        " GROUP BY room, project ORDER BY room, project LIMIT %(limit)s",
        {"after": after or "", "limit": limit},
    )


PROJECTION = Projection(
    name="members",
    group="live",
    version=3,
    tables=(MEMBERS, LAST_SEEN),
    events=PARTICIPATION.events,
    project=project,
)
