"""Rooms as they are now, any number of them in one read: whoever comes wants one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString, TypeVar
from uuid import UUID

import msgspec
from msgspec import Raw
from psycopg import AsyncCursor

from infra.bus import Kind
from infra.db import Connection
from projections.locks import LockRow
from projections.members import MAX_LISTED, Member, sizes
from projections.receipts import Seen
from projections.room_log import RECENT, LoggedFrame

MAX_LOCKS = 500  # that a snapshot has; it says whether there are more
MAX_RECEIPTS = 500  # the same

R = TypeVar("R")


class Wanted(msgspec.Struct, frozen=True):
    """A room, and the project that it is of."""

    room: str
    project: UUID | None


class Snapshot(msgspec.Struct, frozen=True):
    """A room at a position: everything pushed above `pos` comes on top of it.

    `members`, as a JOIN shows them, is empty where they are more than MAX_LISTED; `size` counts
    them all the same. Of locks, by resource, and receipts, by person, it has the first.
    """

    pos: int
    members: list[Raw]
    size: int
    locks: list[LockRow]
    more_locks: bool
    receipts: list[Seen]
    more_receipts: bool
    recent: list[LoggedFrame]  # oldest first


async def snapshots(db: Connection, wanted: Sequence[Wanted]) -> dict[Wanted, Snapshot]:
    """One REPEATABLE READ read of live's tables with live's checkpoint: they belong together."""
    rooms = list(dict.fromkeys(one.room for one in wanted))
    projects = list(dict.fromkeys(one.project for one in wanted if one.project is not None))
    async with db.transaction():
        await db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor = await db.execute("SELECT position FROM formula_checkpoints WHERE name = 'live'")
        row = await cursor.fetchone()
        members = await _each(db, Member, MEMBERS, rooms, MAX_LISTED + 1)
        crowded = [room for room, named in members.items() if len(named) > MAX_LISTED]
        counted = await sizes(db, crowded) if crowded else {}
        locks = await _each(db, LockRow, LOCKS, projects, MAX_LOCKS + 1)
        receipts = await _each(db, Seen, RECEIPTS, rooms, MAX_RECEIPTS + 1)
        recent = await _each(db, LoggedFrame, LOGGED, rooms, RECENT)
    listed = {room: [] if room in counted else _raw(named) for room, named in members.items()}
    return {
        one: Snapshot(
            pos=int(row[0]) if row else 0,
            members=listed[one.room],
            size=counted.get(one.room, len(listed[one.room])),
            locks=locks.get(one.project, [])[:MAX_LOCKS],
            more_locks=len(locks.get(one.project, [])) > MAX_LOCKS,
            receipts=receipts[one.room][:MAX_RECEIPTS],
            more_receipts=len(receipts[one.room]) > MAX_RECEIPTS,
            recent=recent[one.room][::-1],
        )
        for one in wanted
    }


def _raw(members: Sequence[Member]) -> list[Raw]:
    """Encoded once, however many come."""
    return [Raw(msgspec.json.encode(one)) for one in members]


# Of each key its first rows: a key's own LIMIT, so that no crowd keeps another room's from coming.
MEMBERS = """
SELECT w.key, m.* FROM unnest(%(keys)s::text[]) w(key) CROSS JOIN LATERAL (
    SELECT participation, user_id AS "user", connection, status, location, device
    FROM members WHERE room = w.key ORDER BY participation LIMIT %(limit)s
) m ORDER BY w.key, m.participation
"""
LOCKS = """
SELECT w.key, l.* FROM unnest(%(keys)s::uuid[]) w(key) CROSS JOIN LATERAL (
    SELECT stream, project, resource, holder, participation, token, expires_at, keep, acquired_at,
        ARRAY(SELECT q.participation FROM lock_waiters q
            WHERE q.stream = locks.stream ORDER BY q.place) AS queue
    FROM locks WHERE project = w.key ORDER BY resource LIMIT %(limit)s
) l ORDER BY w.key, l.resource
"""
RECEIPTS = """
SELECT w.key, r.* FROM unnest(%(keys)s::text[]) w(key) CROSS JOIN LATERAL (
    SELECT user_id AS "user", pos FROM receipts WHERE room = w.key ORDER BY user_id LIMIT %(limit)s
) r ORDER BY w.key, r."user"
"""
LOGGED = """
SELECT w.key, f.* FROM unnest(%(keys)s::text[]) w(key) CROSS JOIN LATERAL (
    SELECT pos, prev, kind, audience, frame FROM room_log
    WHERE room = w.key AND kind = %(event)s ORDER BY pos DESC LIMIT %(limit)s
) f ORDER BY w.key, f.pos DESC
"""


async def _each(
    db: Connection, row: type[R], statement: LiteralString, keys: Sequence[Any], limit: int
) -> Mapping[Any, list[R]]:
    """By key, in the statement's order, at most `limit` of each."""
    found: dict[Any, list[R]] = {key: [] for key in keys}
    if found:
        async with db.cursor(row_factory=_keyed(row)) as cursor:
            values = {"keys": list(keys), "limit": limit, "event": int(Kind.EVENT)}
            await cursor.execute(statement, values, prepare=True)
            for key, one in await cursor.fetchall():
                found[key].append(one)
    return found


def _keyed(
    row: type[R],
) -> Callable[[AsyncCursor[Any]], Callable[[Sequence[Any]], tuple[Any, R]]]:
    """Rows of a key and then the fields of `row`."""

    def factory(cursor: AsyncCursor[Any]) -> Callable[[Sequence[Any]], tuple[Any, R]]:
        names = [column.name for column in (cursor.description or ())[1:]]
        return lambda values: (values[0], row(**dict(zip(names, values[1:], strict=True))))

    return factory
