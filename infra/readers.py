"""Who reads rooms without a socket: a row for each, kept while some node answers them.

A poll may reach another node than the one before, so no node owns such a participation: its row
does. Whoever serves the reader renews it; once it has lapsed the scheduler ends the participation.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from domain.errors import WrongState
from infra.db import Connection

LEASE_S = 8.0  # between two polls, or from a node's end to the next one's first answer
RENEW_S = 2.0
MAX_READERS = 100  # rooms of one person, over all their readers

# `ended`: the participation that was found to be over; a reader that came meanwhile keeps its own.
TAKE = """
INSERT INTO formula_readers AS r
    (user_id, connection, room, participation, project, session, until)
SELECT %(user)s, %(connection)s, %(room)s, %(participation)s, %(project)s, %(session)s,
    clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE (SELECT count(*) FROM formula_readers WHERE user_id = %(user)s) < %(most)s
    OR EXISTS (SELECT FROM formula_readers
        WHERE user_id = %(user)s AND connection = %(connection)s AND room = %(room)s)
ON CONFLICT (user_id, connection, room) DO UPDATE SET
    until = excluded.until, session = excluded.session,
    participation = CASE WHEN r.participation = %(ended)s
        THEN excluded.participation ELSE r.participation END
RETURNING participation
"""


class Reader(msgspec.Struct, frozen=True):
    """Somebody who is in a room without a socket."""

    participation: UUID
    user_id: UUID
    room: str
    project: UUID | None
    session: UUID | None = None  # the log-in of the last request


async def take(db: Connection, reader: Reader, connection: UUID, ended: UUID | None = None) -> UUID:
    """The participation of that connection in that room, which lasts a lease from now on.

    The given one, unless there is another that is not `ended`. Raises WrongState.
    """
    cursor = await db.execute(
        TAKE,
        {
            "user": reader.user_id,
            "connection": connection,
            "room": reader.room,
            "participation": reader.participation,
            "project": reader.project,
            "session": reader.session,
            "ended": ended,
            "lease_s": LEASE_S,
            "most": MAX_READERS,
        },
    )
    row = await cursor.fetchone()
    if row is None:
        raise WrongState("room.too_many", most=MAX_READERS)
    return row[0]


async def renew(db: Connection, participations: Sequence[UUID]) -> None:
    """What a crash takes of this is asked for again: it need not be on the disk."""
    async with db.transaction():
        await db.execute("SET LOCAL synchronous_commit = off")
        await db.execute(
            "UPDATE formula_readers"
            " SET until = clock_timestamp() + make_interval(secs => %(lease_s)s)"
            " WHERE participation = ANY(%(participations)s) AND until > '-infinity'",
            {"participations": list(participations), "lease_s": LEASE_S},
        )


async def rooms_of(db: Connection, user: UUID, connection: UUID) -> list[Reader]:
    """Where that person is by that connection, by room."""
    async with db.cursor(row_factory=class_row(Reader)) as cursor:
        await cursor.execute(
            "SELECT participation, user_id, room, project FROM formula_readers"
            " WHERE user_id = %(user)s AND connection = %(connection)s AND until > '-infinity'"
            " ORDER BY room LIMIT %(most)s",
            {"user": user, "connection": connection, "most": MAX_READERS},
        )
        return await cursor.fetchall()


async def give_up(db: Connection, participations: Sequence[UUID]) -> None:
    """They leave: nobody renews them from here on, and what their leaver does not end lapses."""
    await db.execute(
        "UPDATE formula_readers SET until = '-infinity' WHERE participation = ANY(%s)",
        (list(participations),),
    )


async def reads_on(db: Connection, participation: UUID) -> bool:
    """Whether it has not been given up, nor its row taken by another."""
    cursor = await db.execute(
        "SELECT FROM formula_readers WHERE participation = %s AND until > '-infinity'",
        (participation,),
    )
    return await cursor.fetchone() is not None


async def lapsed(db: Connection, limit: int) -> list[Reader]:
    """Those whom nobody has served for a lease."""
    async with db.cursor(row_factory=class_row(Reader)) as cursor:
        await cursor.execute(
            "SELECT participation, user_id, room, project FROM formula_readers"
            " WHERE until < clock_timestamp() ORDER BY participation LIMIT %s",
            (limit,),
        )
        return await cursor.fetchall()


async def forget_lapsed(db: Connection, participations: Sequence[UUID]) -> None:
    """But those that were taken up again meanwhile."""
    await db.execute(
        "DELETE FROM formula_readers WHERE participation = ANY(%s) AND until < clock_timestamp()",
        (list(participations),),
    )
