"""Reading the log in order, and a stream by version."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import msgspec
from psycopg.rows import args_row

from domain.kernel import Event, Recorded
from domain.upcasts import stored_as
from infra.admission import aside
from infra.db import Pool
from infra.eventstore.codec import decode, decode_metadata, motion_metadata
from infra.eventstore.types import MAX_READ, First

LOOK_S, LOOK_MOST_S = 0.002, 0.05  # between looks at a checkpoint that somebody waits for


class Row(msgspec.Struct, frozen=True):
    """A row of the log before decoding; `actor` and `project` are a motion fact's."""

    position: int
    stream: UUID
    version: int
    tag: str
    state: bytes
    metadata: bytes | None
    recorded_at: datetime
    actor: UUID | None
    project: UUID | None


# Both tables in one statement, so one snapshot: with a query for each, an append between the two
# would be missed for ever. Types and streams are filters over the order of positions: a read that
# finds little looks at much.
_DURABLE: LiteralString = """
SELECT notification_id AS position, originator_id AS stream, originator_version AS version,
    topic AS tag, state, metadata, recorded_at, NULL::uuid AS actor, NULL::uuid AS project
FROM formula_events WHERE notification_id > %(after)s
"""
_MOTION: LiteralString = """
SELECT position, participation, 0::bigint, tag, state, NULL, recorded_at, actor, project
FROM formula_motion_events WHERE position > %(after)s
"""


class Slice(msgspec.Struct, frozen=True):
    """The streams with this number, of so many parts that they are dealt out to by their hash."""

    number: int
    of: int


WHOLE = Slice(0, 1)


def read_statement(
    *, motion: bool, types: bool = False, streams: bool = False, part: bool = False
) -> LiteralString:
    """It takes `after` and `limit`, and what it is to choose by."""
    durable, facts = _DURABLE, _MOTION
    if types:
        durable += " AND topic = ANY (%(types)s)"
        facts += " AND tag = ANY (%(types)s)"
    if streams:
        durable += " AND originator_id = ANY (%(streams)s)"
        facts += " AND participation = ANY (%(streams)s)"
    if part:
        durable += " AND (uuid_hash(originator_id) & 1023) %% %(of)s = %(number)s"
        facts += " AND (uuid_hash(participation) & 1023) %% %(of)s = %(number)s"
    durable += " ORDER BY notification_id LIMIT %(limit)s"
    if not motion:
        return durable
    facts += " ORDER BY position LIMIT %(limit)s"
    return f"({durable}) UNION ALL ({facts}) ORDER BY position LIMIT %(limit)s"


READ_STREAM = """
SELECT notification_id AS position, originator_id AS stream, originator_version AS version,
    topic AS tag, state, metadata, recorded_at, NULL::uuid AS actor, NULL::uuid AS project
FROM formula_events WHERE originator_id = %(stream)s AND originator_version > %(after)s
ORDER BY originator_version LIMIT %(limit)s
"""

FIRST = """
SELECT f.originator_id AS stream,
    (SELECT max(e.originator_version) FROM formula_events e
     WHERE e.notification_id >= f.notification_id
       AND e.notification_id < f.notification_id + f.command_size
       AND e.originator_id = f.originator_id) AS version,
    f.notification_id + f.command_size - 1 AS position, f.metadata
FROM formula_events f WHERE f.command_id = %(id)s
"""

HEAD = """
SELECT greatest(
    (SELECT max(notification_id) FROM formula_events),
    (SELECT max(position) FROM formula_motion_events), 0)
"""


async def read_rows(
    pool: Pool,
    after: int,
    limit: int,
    *,
    motion: bool = True,
    types: Collection[str] | None = None,
    streams: Collection[UUID] | None = None,
    part: Slice = WHOLE,
) -> list[Row]:
    """Rows with positions above `after`, in position order, at most `limit`; not decoded.

    Of these types (today's tags: what was stored under a retired one comes too) and streams (a
    motion fact's is its participation), if named.
    """
    statement = read_statement(
        motion=motion, types=types is not None, streams=streams is not None, part=part.of > 1
    )
    values = {
        "after": after,
        "limit": limit,
        "number": part.number,
        "of": part.of,
        "types": stored_as(types or ()),
        "streams": list(streams or ()),
    }
    return await _rows(pool, statement, values)


async def read(
    pool: Pool,
    after: int,
    limit: int,
    *,
    motion: bool = True,
    types: Collection[str] | None = None,
    streams: Collection[UUID] | None = None,
    part: Slice = WHOLE,
) -> list[Recorded[Event]]:
    """What read_rows finds, decoded. Raises UnknownTag."""
    rows = await read_rows(
        pool, after, limit, motion=motion, types=types, streams=streams, part=part
    )
    return [recorded(row) for row in rows]


async def read_stream(
    pool: Pool, stream: UUID, after: int = 0, limit: int = MAX_READ
) -> list[Recorded[Event]]:
    """A stream's events with versions above `after`, oldest first, at most `limit`."""
    values = {"stream": stream, "after": after, "limit": limit}
    return [recorded(row) for row in await _rows(pool, READ_STREAM, values)]


async def head(pool: Pool) -> int:
    """The newest position, 0 for an empty log."""
    async with pool.connection() as connection:
        row = await (await connection.execute(HEAD)).fetchone()
    return int(row[0]) if row else 0


async def first(pool: Pool, command_id: UUID) -> First | None:
    """What the command with this id stored, or None if it is not in the log."""
    async with pool.connection() as connection:
        row = await (await connection.execute(FIRST, {"id": command_id})).fetchone()
    if row is None:
        return None
    stream, version, position, metadata = row
    return First(stream, version, position, decode_metadata(metadata))


def recorded(row: Row) -> Recorded[Event]:
    """The row as an event. Raises UnknownTag."""
    return Recorded(
        event=decode(row.tag, row.state),
        stream=row.stream,
        version=row.version,
        position=row.position,
        at=row.recorded_at,
        meta=decode_metadata(row.metadata)
        if row.version
        else motion_metadata(row.actor, row.project),
    )


async def _rows(pool: Pool, statement: LiteralString, values: Mapping[str, object]) -> list[Row]:
    async with (
        pool.connection() as connection,
        connection.cursor(binary=True, row_factory=args_row(Row)) as cursor,
    ):
        await cursor.execute(statement, values, prepare=True)
        return await cursor.fetchall()


async def reached(pool: Pool, consumer: str, position: int, timeout_s: float) -> bool:
    """Whether a consumer of the log has come to `position` within the time-out.

    Asked of its checkpoint, soon at first: nobody pays for it while nobody waits.
    """
    loop, pause_s = asyncio.get_running_loop(), LOOK_S
    deadline = loop.time() + timeout_s
    while await checkpoint(pool, consumer) < position:
        if loop.time() >= deadline:
            return False
        with aside():
            await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LOOK_MOST_S)
    return True


async def checkpoint(pool: Pool, consumer: str) -> int:
    """How far a consumer of the log has come; 0 for one that never ran."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT position FROM formula_checkpoints WHERE name = %s", (consumer,)
        )
        row = await cursor.fetchone()
    return int(row[0]) if row else 0
