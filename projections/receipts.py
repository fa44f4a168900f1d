"""receipts: up to where each person has seen a room, and what they have not seen yet."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from domain.kernel import Recorded
from domain.receipt import RECEIPT, ReceiptMoved
from infra.bus import Kind
from infra.db import Connection
from projections.model import Projection, Push, Rows, Table, Write
from projections.rows import FIRST_ID, fetch_all

MOST_UNREAD = 1_000  # counted no further

RECEIPTS = Table(
    name="receipts",
    columns={
        "room": "text NOT NULL",
        "user_id": "uuid NOT NULL",
        "project": "uuid",
        "pos": "bigint NOT NULL",
        "at": "timestamptz NOT NULL",
    },
    key=("room", "user_id"),
    indexes=("(user_id, room)",),
)

# The rooms of one's projects, and those inside them of which one has seen something.
UNREAD = """
WITH mine AS (SELECT project FROM project_members WHERE user_id = %(user)s),
rooms AS (
    SELECT 'project:' || project AS room FROM mine
    UNION
    SELECT room FROM receipts WHERE user_id = %(user)s
        AND (project IS NULL OR project IN (SELECT project FROM mine))
)
SELECT n.room, n.seen, n.at,
    (SELECT count(*) FROM (SELECT FROM room_log l WHERE l.room = n.room AND l.pos > n.seen
        AND l.kind = %(event)s LIMIT %(most)s) unseen) AS unread
FROM (
    SELECT rooms.room, coalesce(r.pos, 0) AS seen, r.at
    FROM rooms LEFT JOIN receipts r ON r.room = rooms.room AND r.user_id = %(user)s
    WHERE rooms.room > %(after)s ORDER BY rooms.room LIMIT %(limit)s
) n ORDER BY n.room
"""


class Seen(msgspec.Struct, frozen=True):
    """Up to where a person has seen the room."""

    user: UUID
    pos: int


class UnreadRow(msgspec.Struct, frozen=True):
    """A room of one's own; `at`: when one last saw more of it. `unread` ends at MOST_UNREAD."""

    room: str
    seen: int
    at: datetime | None
    unread: int


def project(batch: Sequence[Recorded[ReceiptMoved]]) -> list[Write]:
    rows = Rows(RECEIPTS)
    for recorded in batch:
        event = recorded.event
        rows.put(
            room=event.room,
            user_id=event.user,
            project=recorded.meta.project_id,
            pos=event.pos,
            at=recorded.at,
        )
    return rows.writes() + [_push(recorded) for recorded in batch]


def _push(recorded: Recorded[ReceiptMoved]) -> Push:
    event = recorded.event
    return Push(event.room, Kind.SEEN, recorded, Seen(event.user, event.pos))


async def receipts_of(
    db: Connection, room: str, after: UUID | None = None, limit: int = 50
) -> list[Seen]:
    """Up to where each person has seen the room, by their ids."""
    return await fetch_all(
        db,
        Seen,
        'SELECT user_id AS "user", pos FROM receipts'
        " WHERE room = %(room)s AND user_id > %(after)s ORDER BY user_id LIMIT %(limit)s",
        {"room": room, "after": after or FIRST_ID, "limit": limit},
    )


async def unread_of(
    db: Connection, user: UUID, after: str | None = None, limit: int = 50
) -> list[UnreadRow]:
    """What a person has not seen, by room."""
    return await fetch_all(
        db,
        UnreadRow,
        UNREAD,
        {
            "user": user,
            "after": after or "",
            "event": int(Kind.EVENT),
            "most": MOST_UNREAD,
            "limit": limit,
        },
    )


PROJECTION = Projection(
    name="receipts",
    group="live",
    version=1,
    tables=(RECEIPTS,),
    events=RECEIPT.events,
    project=project,
)
