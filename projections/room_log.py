"""Reading the rooms' log: what a client missed, and where rooms are."""

from collections.abc import Sequence

import msgspec
from psycopg.rows import class_row

from infra.bus import Entry, Kind
from infra.db import Connection

MAX_MISSED = 10_000  # frames of one resume; more: a whole snapshot is cheaper for everybody


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
