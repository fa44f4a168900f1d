"""What the log holds and how it grows, asked in ways that stay cheap however long it is."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import LiteralString, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import args_row, dict_row

from infra.db import Connection, connect
from infra.eventstore.motion import State, partitions
from infra.eventstore.reader import HEAD

SESSION = "-c statement_timeout=10s -c lock_timeout=2s -c default_transaction_read_only=on"
SAMPLED = 2_000  # pages: of a larger table so many are read, at random, and multiplied
TOP = 10
WINDOWS = (timedelta(minutes=1), timedelta(hours=1))

T = TypeVar("T")
Values: TypeAlias = Mapping[str, object] | None


class Count(msgspec.Struct, frozen=True):
    """`exact` or an estimate from a sample, good to a few percent."""

    rows: int
    exact: bool


class Size(msgspec.Struct, frozen=True):
    """Bytes of a table without its indexes, of an index, or of what else has a name here."""

    name: str
    bytes: int


class Rate(msgspec.Struct, frozen=True):
    """Positions given within the last `window_s`: durable events and motion facts together."""

    window_s: int
    positions: int
    per_s: float


class Stream(msgspec.Struct, frozen=True):
    stream: UUID
    events: int


class Tag(msgspec.Struct, frozen=True):
    tag: str
    events: int


class MotionPartition(msgspec.Struct, frozen=True):
    """A partition of motion facts: positions `start` to below `end`, indexes included."""

    name: str
    state: State
    start: int
    end: int
    rows: int
    bytes: int
    newest: datetime | None


class Consumer(msgspec.Struct, frozen=True):
    name: str
    position: int
    behind: int  # positions
    updated_at: datetime


class Stats(msgspec.Struct, frozen=True):
    """Where a count is no `exact`, the figures beside it come from the same sample."""

    head: int
    last_append: datetime | None
    rates: list[Rate]
    events: Count
    tags: list[Tag]  # most frequent first
    longest: list[Stream]  # lengths are exact; without `events.exact` a long one may be missing
    motion: Count
    partitions: list[MotionPartition]
    sizes: list[Size]
    wal_bytes: int | None  # None: this role may not look
    consumers: list[Consumer]


class _Event(msgspec.Struct, frozen=True):
    position: int
    at: datetime
    over: bool  # it was before the window


PAGES = """
SELECT coalesce(sum(pg_relation_size(c.oid)) / current_setting('block_size')::int, 0)::int8
FROM pg_class c WHERE c.oid = to_regclass(%(table)s)
    OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(%(table)s))
"""

TAGS = """
SELECT coalesce(topic, '') AS name, count(*) AS rows
FROM formula_events TABLESAMPLE SYSTEM (%(percent)s) GROUP BY topic ORDER BY 2 DESC, 1
"""

FACTS = """
SELECT tableoid::regclass::text AS name, count(*) AS rows
FROM formula_motion_events TABLESAMPLE SYSTEM (%(percent)s) GROUP BY tableoid
"""

# A long stream is in the sample with a high version, most likely; its length is looked up.
LONGEST = """
SELECT sampled.stream, length.events FROM (
    SELECT originator_id AS stream FROM formula_events TABLESAMPLE SYSTEM (%(percent)s)
    GROUP BY originator_id ORDER BY max(originator_version) DESC LIMIT 500
) sampled CROSS JOIN LATERAL (
    SELECT max(e.originator_version) AS events FROM formula_events e
    WHERE e.originator_id = sampled.stream
) length ORDER BY length.events DESC, sampled.stream LIMIT %(top)s
"""

NEWEST = """
SELECT recorded_at FROM formula_motion_events
WHERE position >= %(start)s AND position < %(end)s ORDER BY position DESC LIMIT 1
"""

SIZES = """
SELECT c.relname AS name, CASE c.relkind WHEN 'i' THEN pg_relation_size(c.oid)
    ELSE pg_table_size(c.oid) END AS bytes
FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
WHERE coalesce(i.indrelid, c.oid) IN
    (to_regclass('formula_events'), to_regclass('formula_snapshots'))
ORDER BY coalesce(i.indrelid, c.oid), i.indexrelid NULLS FIRST
"""

# The first event from a position on, of either table: two steps down an index.
FROM = """
SELECT position, recorded_at, recorded_at < clock_timestamp() - %(window)s FROM (
    (SELECT notification_id AS position, recorded_at FROM formula_events
     WHERE notification_id >= %(position)s ORDER BY notification_id LIMIT 1)
    UNION ALL
    (SELECT position, recorded_at FROM formula_motion_events
     WHERE position >= %(position)s ORDER BY position LIMIT 1)
) found ORDER BY position LIMIT 1
"""

CONSUMERS = """
SELECT name, position, greatest(%(head)s - position, 0) AS behind, updated_at
FROM formula_checkpoints ORDER BY name LIMIT 1000
"""


async def stats(conninfo: str) -> Stats:
    async with await connect(conninfo, options=SESSION) as db:
        head = await _number(db, HEAD)
        last = await _from(db, head, timedelta(0))
        percent = await _percent(db, "formula_events")
        events, tags = await _sample(db, percent, TAGS)
        motion, facts = await _sample(db, await _percent(db, "formula_motion_events"), FACTS)
        found = await _partitions(db, facts)
        return Stats(
            head=head,
            last_append=last.at if last else None,
            rates=[await _rate(db, head, window) for window in WINDOWS],
            events=events,
            tags=[Tag(name, rows) for name, rows in tags.items()],
            longest=await _all(db, list[Stream], LONGEST, {"percent": percent, "top": TOP}),
            motion=motion,
            partitions=found,
            sizes=await _sizes(db, found),
            wal_bytes=await _wal(db),
            consumers=await _all(db, list[Consumer], CONSUMERS, {"head": head}),
        )


async def _percent(db: Connection, table: str) -> float:
    return min(100.0, 100.0 * SAMPLED / max(await _number(db, PAGES, {"table": table}), 1))


async def _sample(
    db: Connection, percent: float, query: LiteralString
) -> tuple[Count, dict[str, int]]:
    """How many rows there are, and how many of each name."""
    rows = await (await db.execute(query, {"percent": percent})).fetchall()
    names = {str(name): round(count * 100 / percent) for name, count in rows}
    return Count(sum(names.values()), percent == 100), names


async def _partitions(db: Connection, facts: Mapping[str, int]) -> list[MotionPartition]:
    found = await partitions(db)
    return [
        MotionPartition(
            name=one.name,
            state=one.state,
            start=one.start,
            end=one.end,
            rows=facts.get(one.name, 0),
            bytes=one.bytes,
            newest=await _time(db, NEWEST, {"start": one.start, "end": one.end}),
        )
        for one in found
    ]


async def _sizes(db: Connection, found: list[MotionPartition]) -> list[Size]:
    database = await _number(db, "SELECT pg_database_size(current_database())")
    return [
        *await _all(db, list[Size], SIZES),
        Size("formula_motion_events", sum(one.bytes for one in found)),
        Size("database", database),
    ]


async def _wal(db: Connection) -> int | None:
    try:
        return await _number(db, "SELECT coalesce(sum(size), 0) FROM pg_ls_waldir()")
    except InsufficientPrivilege:
        return None


async def _rate(db: Connection, head: int, window: timedelta) -> Rate:
    """By bisection: times never decrease along the log."""
    before, after = 0, head + 1  # the last position before the window lies from here to below there
    while after - before > 1:
        middle = (before + after) // 2
        found = await _from(db, middle, window)
        if found is not None and found.over:
            before = found.position
        else:
            after = middle
    positions = head - before
    return Rate(int(window.total_seconds()), positions, positions / window.total_seconds())


async def _from(db: Connection, position: int, window: timedelta) -> _Event | None:
    async with db.cursor(row_factory=args_row(_Event)) as cursor:
        await cursor.execute(FROM, {"position": position, "window": window}, prepare=True)
        return await cursor.fetchone()


async def _number(db: Connection, query: LiteralString, values: Values = None) -> int:
    row = await (await db.execute(query, values)).fetchone()
    return int(row[0]) if row else 0


async def _time(db: Connection, query: LiteralString, values: Values) -> datetime | None:
    row = await (await db.execute(query, values)).fetchone()
    return row[0] if row else None


async def _all(
    db: Connection, type_: type[list[T]], query: LiteralString, values: Values = None
) -> list[T]:
    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return msgspec.convert(await cursor.fetchall(), type_)
