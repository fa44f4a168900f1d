"""Reading the rooms' log: what a client missed, where rooms are, a room as it is now."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from infra.bus import Entry, Kind
from infra.db import Connection
from projections.locks import LockRow, locks_of
from projections.members import MAX_LISTED, Member, members_of, sizes
from projections.receipts import Seen, receipts_of

MAX_MISSED = 10_000  # frames of one resume; more: a whole snapshot is cheaper for everybody
RECENT = 20  # frames that come with a snapshot


class LoggedFrame(msgspec.Struct, frozen=True):
    """An entry as it was pushed; `frame` is the payload that its kind has."""

    pos: int
    prev: int
    kind: int
    audience: int
    frame: bytes

    @property
    def entry(self) -> Entry:
        return Entry(Kind(self.kind), self.pos, self.frame, self.prev, self.audience)


class Snapshot(msgspec.Struct, frozen=True):
    """A room at a position: everything pushed above `pos` comes on top of it.

    `members` is empty where they are more than MAX_LISTED; `size` counts them all the same.
    """

    pos: int
    members: list[Member]
    size: int
    locks: list[LockRow]
    receipts: list[Seen]
    recent: list[LoggedFrame]  # oldest first


async def snapshot(db: Connection, room: str, project: UUID | None) -> Snapshot:
    """One REPEATABLE READ read of live's tables with live's checkpoint: they belong together."""
    async with db.transaction():
        await db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor = await db.execute("SELECT position FROM formula_checkpoints WHERE name = 'live'")
        row = await cursor.fetchone()
        members = await members_of(db, room, MAX_LISTED + 1)
        size = len(members)
        if size > MAX_LISTED:
            members, size = [], (await sizes(db, [room])).get(room, 0)
        return Snapshot(
            pos=int(row[0]) if row else 0,
            members=members,
            size=size,
            locks=await locks_of(db, project) if project is not None else [],
            receipts=await receipts_of(db, room),
            recent=await _recent(db, room),
        )


async def missed(db: Connection, room: str, after: int, limit: int) -> list[LoggedFrame]:
    """The frames above `after`, oldest first, at most `limit`."""
    async with db.cursor(row_factory=class_row(LoggedFrame)) as cursor:
        await cursor.execute(
            "SELECT pos, prev, kind, audience, frame FROM room_log"
            " WHERE room = %(room)s AND pos > %(after)s ORDER BY pos LIMIT %(limit)s",
            {"room": room, "after": after, "limit": limit},
            prepare=True,
        )
        return await cursor.fetchall()


async def heads(db: Connection, rooms: Sequence[str]) -> dict[str, int]:
    """The newest position of each room that has one, in one query."""
    cursor = await db.execute(
        "SELECT room, pos FROM room_heads WHERE room = ANY(%(rooms)s) ORDER BY room LIMIT %(most)s",
        {"rooms": list(rooms), "most": len(rooms)},
        prepare=True,
    )
    return dict(await cursor.fetchall())


async def _recent(db: Connection, room: str) -> list[LoggedFrame]:
    async with db.cursor(row_factory=class_row(LoggedFrame)) as cursor:
        await cursor.execute(
            "SELECT pos, prev, kind, audience, frame FROM room_log"
            " WHERE room = %(room)s AND kind = %(event)s ORDER BY pos DESC LIMIT %(limit)s",
            {"room": room, "event": int(Kind.EVENT), "limit": RECENT},
            prepare=True,
        )
        return (await cursor.fetchall())[::-1]
