"""The rooms' log: what a client missed, where rooms are, and what is not kept any longer."""

from collections.abc import AsyncGenerator, Sequence

import msgspec
from psycopg.rows import class_row

from infra.bus import Entry, Kind
from infra.db import Connection

RECENT = 20  # frames that come with a snapshot
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


# Of each room the oldest first, and all of a statement at once: whoever reads meanwhile sees the
# end of a log, never one with a hole. The newest stay, for a snapshot shows them.
PRUNE = """
WITH page AS MATERIALIZED (
    SELECT room FROM room_heads WHERE room > %(after)s ORDER BY room LIMIT %(rooms)s
), gone AS (
    DELETE FROM room_log WHERE (room, pos) IN (
        SELECT old.room, old.pos FROM page CROSS JOIN LATERAL (
            SELECT room, pos FROM room_log WHERE room = page.room AND pos <= %(upto)s AND pos <= (
                SELECT pos FROM room_log WHERE room = page.room
                ORDER BY pos DESC OFFSET %(recent)s LIMIT 1)
            ORDER BY pos LIMIT %(frames)s) old)
    RETURNING room
)
SELECT (SELECT max(room) FROM page), (SELECT count(*) FROM gone)
"""
NOTE_PRUNED = """
INSERT INTO formula_pruned (projection, position) VALUES ('rooms', %s)
ON CONFLICT (projection) DO UPDATE
SET position = greatest(formula_pruned.position, excluded.position)
"""
ROOMS = 200  # of a page
FRAMES = 2_000  # of a room in a page


async def prune(db: Connection, upto: int) -> AsyncGenerator[int]:
    """Remove frames up to that position, but a room's RECENT ones; how many, page by page."""
    await db.execute(NOTE_PRUNED, (upto,))
    after: str | None = ""
    while after is not None:
        values = {"after": after, "upto": upto, "recent": RECENT, "rooms": ROOMS, "frames": FRAMES}
        row = await (await db.execute(PRUNE, values)).fetchone()
        last, gone = row or (None, 0)
        yield gone
        if gone < FRAMES:  # else one of the rooms may have more
            after = last
