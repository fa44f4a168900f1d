"""Reads the log from end to end and holds it, and what it stands on, against its rules."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import LiteralString
from uuid import UUID

from psycopg.rows import args_row

from infra.db import Connection, connect
from infra.eventstore.checker import Checker, Report, Row
from infra.eventstore.motion import State, partition_of, partitions
from infra.eventstore.reader import HEAD
from infra.eventstore.types import MAX_EVENTS

BATCH = 5_000
# One short statement a batch: it holds up neither vacuum nor a detach nor an append.
SESSION = "-c statement_timeout=60s -c lock_timeout=5s -c default_transaction_read_only=on"

# The columns are Row's fields in their order.
EVENTS = """
SELECT notification_id AS position, originator_id AS stream, originator_version AS version, topic,
    state, metadata, command_id, command_size, recorded_at AS at, NULL::text AS partition
FROM formula_events WHERE notification_id > %(after)s AND notification_id <= %(upto)s
ORDER BY notification_id LIMIT %(limit)s
"""

MOTION = """
SELECT position, participation AS stream, 0::int8 AS version, tag AS topic, state,
    NULL::bytea AS metadata, NULL::uuid AS command_id, NULL::int4 AS command_size,
    recorded_at AS at, tableoid::regclass::text AS partition
FROM formula_motion_events WHERE position > %(after)s AND position <= %(upto)s
ORDER BY position LIMIT %(limit)s
"""

# The versions before those given, as far as they come before them in the log.
BEFORE = """
SELECT e.originator_id, e.originator_version
FROM unnest(%b::uuid[], %b::int8[], %b::int8[]) AS row(stream, version, position)
JOIN formula_events e ON e.originator_id = row.stream
    AND e.originator_version = row.version - 1 AND e.notification_id < row.position
"""

# Where the command began that goes on after position %(after)s.
BEGUN = """
SELECT f.notification_id FROM (
    SELECT notification_id, command_size FROM formula_events
    WHERE notification_id <= %(after)s AND notification_id > %(after)s - %(most)s
        AND command_id IS NOT NULL
    ORDER BY notification_id DESC LIMIT 1
) f WHERE f.notification_id + f.command_size > %(after)s + 1
"""

# They keep ids, versions and positions unique; without one, each lookup would read the whole log.
MISSING_INDEXES = """
SELECT wanted.name FROM unnest(ARRAY['formula_events_pkey', 'formula_events_notification_id_idx',
    'formula_events_command_id_idx']) AS wanted(name)
WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = to_regclass(wanted.name)
    AND i.indisunique AND i.indisvalid AND i.indisready)
ORDER BY wanted.name
"""

NEXT = "SELECT last_value + is_called::int FROM formula_events_notification_id_seq"
CHECKPOINTS = "SELECT name, position FROM formula_checkpoints ORDER BY name LIMIT 1000"


async def verify(conninfo: str, after: int, note: Callable[[int, int], None]) -> Report:
    """Read what is above position `after`; `note(position, head)` hears how far it is.

    What is appended meanwhile is not looked at.
    """
    checker = Checker()
    async with await connect(conninfo, options=SESSION) as db:
        head = await _check_around(db, checker)
        if await _has_indexes(db, checker):
            async for rows in _batches(db, await _start(db, after), head):
                checker.learn(await _before(db, checker.strange(rows)))
                for row in rows:
                    checker.check(row)
                note(rows[-1].position if rows else head, head)
    return checker.report(after, head)


async def _check_around(db: Connection, checker: Checker) -> int:
    """What does not depend on single rows; returns the head."""
    consumers = await (await db.execute(CHECKPOINTS)).fetchall()
    head = await _number(db, HEAD)  # after the checkpoints, which go on
    for name, position in consumers:
        if position > head:
            checker.found(None, "consumer", f"{name} is at {position}, beyond the log")
    await _check_next(db, head, checker)
    await _check_partitions(db, checker)
    return head


async def _check_next(db: Connection, head: int, checker: Checker) -> None:
    following = await _number(db, NEXT)
    if following <= head:
        detail = f"would give {following} next, a position that is taken"
        checker.found(head, "sequence", detail)


async def _check_partitions(db: Connection, checker: Checker) -> None:
    """Each is where its name says, and there is one for the next motion fact."""
    attached = [one for one in await partitions(db) if one.state == State.ATTACHED]
    for one in attached:
        if one.bounds != f"FOR VALUES FROM ('{one.start}') TO ('{one.end}')":
            checker.found(None, "partition", f"{one.name} is {one.bounds}")
    needed = partition_of(await _number(db, NEXT))
    if needed not in {one.name for one in attached}:
        detail = f"{needed} is not attached: run `formula store maintain`"
        checker.found(None, "partition", detail)


async def _has_indexes(db: Connection, checker: Checker) -> bool:
    missing = await (await db.execute(MISSING_INDEXES)).fetchall()
    for (name,) in missing:
        checker.found(None, "index", f"{name} is missing or not valid: make it, then verify again")
    return not missing


async def _start(db: Connection, after: int) -> int:
    """`after`, or the end of what comes before the command that it lies in."""
    values = {"after": after, "most": MAX_EVENTS}
    row = await (await db.execute(BEGUN, values)).fetchone()
    return int(row[0]) - 1 if row else after


async def _batches(db: Connection, after: int, head: int) -> AsyncGenerator[list[Row]]:
    """Both tables as one, in the order of positions; below the head nothing is added any more."""
    while after < head:
        events = await _rows(db, EVENTS, after, head)
        upto = events[-1].position if len(events) == BATCH else head
        motion = await _rows(db, MOTION, after, upto)
        if len(motion) == BATCH:
            upto = motion[-1].position
            events = [row for row in events if row.position <= upto]
        yield sorted([*events, *motion], key=lambda row: row.position)
        after = upto


async def _rows(db: Connection, statement: LiteralString, after: int, upto: int) -> list[Row]:
    values = {"after": after, "upto": upto, "limit": BATCH}
    async with db.cursor(binary=True, row_factory=args_row(Row)) as cursor:
        await cursor.execute(statement, values, prepare=True)
        return await cursor.fetchall()


async def _before(db: Connection, rows: Sequence[Row]) -> dict[UUID, int]:
    if not rows:
        return {}
    columns = [
        [row.stream for row in rows],
        [row.version for row in rows],
        [row.position for row in rows],
    ]
    return dict(await (await db.execute(BEFORE, columns, prepare=True)).fetchall())


async def _number(db: Connection, query: LiteralString) -> int:
    row = await (await db.execute(query)).fetchone()
    return int(row[0]) if row else 0
