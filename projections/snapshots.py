"""Rooms as they are now, any number of them in one read: whoever comes wants one."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from msgspec import Raw

from infra.bus import Kind
from infra.db import Connection
from projections.locks import LockRow
from projections.members import MAX_LISTED
from projections.receipts import Seen

RECENT = 20  # frames that come with a snapshot
MAX_LOCKS = 500  # that a snapshot has; it says whether there are more
MAX_RECEIPTS = 500  # the same


# One statement, so one snapshot of live's tables and its checkpoint: they belong together. A room's
# own LIMITs, so that no crowd keeps another room's from coming. Rows come as the JSON that is sent.
SNAPSHOTS = """
SELECT w.n, (SELECT position FROM formula_checkpoints WHERE name = 'live'), c.size,
    CASE WHEN c.size <= %(members)s THEN (SELECT json_agg(m)::text FROM (
        SELECT participation, user_id AS "user", connection, status, location, device
        FROM members WHERE room = w.room ORDER BY participation LIMIT %(members)s
    ) m) END,
    (SELECT json_agg(l)::text FROM (
        SELECT stream, project, resource, holder, participation, token, expires_at, keep,
            acquired_at, ARRAY(SELECT q.participation FROM lock_waiters q
                WHERE q.stream = locks.stream ORDER BY q.place) AS queue
        FROM locks WHERE project = w.project ORDER BY resource LIMIT %(locks)s
    ) l),
    (SELECT json_agg(r)::text FROM (
        SELECT user_id AS "user", pos FROM receipts
        WHERE room = w.room ORDER BY user_id LIMIT %(receipts)s
    ) r),
    f.audiences, f.frames
FROM unnest(%(rooms)s::text[], %(projects)s::uuid[]) WITH ORDINALITY w(room, project, n)
CROSS JOIN LATERAL (SELECT count(*) AS size FROM members WHERE room = w.room) c
CROSS JOIN LATERAL (
    SELECT array_agg(audience ORDER BY pos) AS audiences, array_agg(frame ORDER BY pos) AS frames
    FROM (SELECT pos, audience, frame FROM room_log
        WHERE room = w.room AND kind = %(event)s ORDER BY pos DESC LIMIT %(recent)s) newest
) f
"""

_members = msgspec.json.Decoder(list[Raw])
_locks = msgspec.json.Decoder(list[LockRow])
_receipts = msgspec.json.Decoder(list[Seen])


class Wanted(msgspec.Struct, frozen=True):
    """A room, and the project that it is of."""

    room: str
    project: UUID | None


class Recent(msgspec.Struct, frozen=True):
    """An `ev` frame of the room's log."""

    audience: int
    frame: bytes


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
    recent: list[Recent]  # oldest first


async def snapshots(db: Connection, wanted: Sequence[Wanted]) -> dict[Wanted, Snapshot]:
    """One read of them all."""
    values = {
        "rooms": [one.room for one in wanted],
        "projects": [one.project for one in wanted],
        "members": MAX_LISTED,
        "locks": MAX_LOCKS + 1,
        "receipts": MAX_RECEIPTS + 1,
        "recent": RECENT,
        "event": int(Kind.EVENT),
    }
    async with db.cursor(binary=True) as cursor:
        await cursor.execute(SNAPSHOTS, values, prepare=True)
        return {wanted[number - 1]: _snapshot(*row) for number, *row in await cursor.fetchall()}


def _snapshot(
    pos: int | None,
    size: int,
    members: str | None,
    locks: str | None,
    receipts: str | None,
    audiences: Sequence[int] | None,
    frames: Sequence[bytes] | None,
) -> Snapshot:
    """Of columns that are null where there is nothing."""
    held, seen = _locks.decode(locks or "[]"), _receipts.decode(receipts or "[]")
    return Snapshot(
        pos=pos or 0,
        members=_members.decode(members or "[]"),
        size=size,
        locks=held[:MAX_LOCKS],
        more_locks=len(held) > MAX_LOCKS,
        receipts=seen[:MAX_RECEIPTS],
        more_receipts=len(seen) > MAX_RECEIPTS,
        recent=[Recent(*one) for one in zip(audiences or (), frames or (), strict=True)],
    )
