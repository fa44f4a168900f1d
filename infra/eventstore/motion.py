"""Motion's partitions: made ahead of the log, dropped once their newest fact is old enough.

Motion promises the retention and no more: who reads the log from further behind finds every
durable event and, from the oldest partition on, the motion between them.
"""

import asyncio
from collections.abc import AsyncGenerator
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec
from psycopg import sql
from psycopg.errors import LockNotAvailable
from psycopg.rows import dict_row

from domain.hold import HOLD, HOLDS_STREAM
from domain.kernel import fold
from infra.db import LEADERS, Connection, connect
from infra.eventstore.codec import decode
from infra.eventstore.reader import HEAD

PREFIX = "formula_motion_events_"
WIDTH = 1_000_000  # positions of a partition; formula_motion_partitions has the same
AHEAD = 4  # partitions beyond that of the log's head
# Longer than deadlock_timeout, after which an autovacuum gives way.
SESSION = "-c lock_timeout=2s"
ATTEMPTS, PAUSE_S = 3, 0.2


class State(StrEnum):
    ATTACHED = "attached"
    DETACHING = "detaching"  # nobody new sees it; its detach was interrupted, or waits for readers
    DETACHED = "detached"


class Partition(msgspec.Struct, frozen=True):
    """Positions `start` to below `end`, as its name says."""

    name: str
    state: State
    bounds: str | None  # as Postgres has them; None once it is detached
    bytes: int  # with its index

    @property
    def start(self) -> int:
        return int(self.name.removeprefix(PREFIX)) * WIDTH

    @property
    def end(self) -> int:
        return self.start + WIDTH


class Held(msgspec.Struct, frozen=True):
    """A table that could not be locked, and the oldest transaction: probably the one in the way."""

    table: str
    pid: int | None
    by: str
    since: datetime | None


class Maintained(msgspec.Struct, frozen=True):
    """What one round did; dropped by name, oldest first."""

    made: int
    dropped: list[str]
    held: Held | None


PARTITIONS = """
SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds,
    CASE WHEN i.inhrelid IS NULL THEN 'detached'
         WHEN i.inhdetachpending THEN 'detaching' ELSE 'attached' END AS state,
    pg_total_relation_size(c.oid) AS bytes
FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relkind = 'r' AND c.relname ~ '^formula_motion_events_[0-9]{8}$'
    AND c.relnamespace = (
        SELECT p.relnamespace FROM pg_class p WHERE p.oid = 'formula_motion_events'::regclass)
ORDER BY c.relname
"""

IS_OLD = sql.SQL("""
SELECT recorded_at < clock_timestamp() - make_interval(secs => {keep_s})
FROM {partition} ORDER BY position DESC LIMIT 1
""")

IS_SPARED = sql.SQL("SELECT EXISTS (SELECT FROM {partition} WHERE project = ANY(%(projects)s))")

# One at a time, whatever was interrupted before: a partition's state says what comes next.
# A plain DROP would lock the parent: behind a reader it stopped every append.
STEPS = {
    State.ATTACHED: sql.SQL("ALTER TABLE formula_motion_events DETACH PARTITION {} CONCURRENTLY"),
    State.DETACHING: sql.SQL("ALTER TABLE formula_motion_events DETACH PARTITION {} FINALIZE"),
    State.DETACHED: sql.SQL("DROP TABLE {}"),
}

OLDEST_TRANSACTION = """
SELECT pid, coalesce(nullif(application_name, ''), usename) AS by, xact_start AS since
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
ORDER BY xact_start LIMIT 1
"""


def partition_of(position: int) -> str:
    """The name of the partition that a motion fact with this position belongs to."""
    return f"{PREFIX}{position // WIDTH:08}"


async def maintain(conninfo: str, keep_s: int) -> Maintained | None:
    """Make partitions ahead and drop those whose facts are all older than `keep_s`.

    But none with a fact of a project that is on legal hold.

    None: another process does it now. It stops at a partition that cannot be detached because
    somebody still reads; the next round goes on where this one was, also if this one is killed.
    """
    async with _maintaining(conninfo) as db:
        if db is None:
            return None
        try:
            made = await make_partitions(db)
        except LockNotAvailable:
            return Maintained(0, [], await _held(db, "formula_motion_events"))
        return await _drop_old(db, keep_s, made)


async def make_partitions(db: Connection) -> int:
    """See to it that motion has room ahead of the log; returns how many were made."""
    row = await (await db.execute("SELECT formula_motion_partitions(%s)", (AHEAD,))).fetchone()
    return int(row[0]) if row else 0


async def partitions(db: Connection) -> list[Partition]:
    """Every partition, oldest first; also one that a detach left behind."""
    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(PARTITIONS)
        return msgspec.convert(await cursor.fetchall(), list[Partition])


@asynccontextmanager
async def _maintaining(conninfo: str) -> AsyncGenerator[Connection | None]:
    """A session of its own: DETACH CONCURRENTLY runs in no transaction, and it holds the lease."""
    async with await connect(conninfo, options=SESSION) as db:
        cursor = await db.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext('maintain'))", (LEADERS,)
        )
        row = await cursor.fetchone()
        yield db if row and row[0] else None


async def _drop_old(db: Connection, keep_s: int, made: int) -> Maintained:
    dropped: list[str] = []
    for partition in await _over(db, keep_s):
        if not await _drop(db, partition):
            return Maintained(made, dropped, await _held(db, partition))
        dropped.append(partition)
    return Maintained(made, dropped, None)


async def _over(db: Connection, keep_s: int) -> list[str]:
    """The partitions to drop. First what was begun: Postgres detaches one at a time.

    Only what ends below the head that readers see: an append that is under way may still write
    to the partition of that head, never to an earlier one.
    """
    row = await (await db.execute(HEAD)).fetchone()
    head = int(row[0]) if row else 0
    found = [one for one in await partitions(db) if one.end <= head]
    begun = [one.name for one in found if one.state is State.DETACHING]
    others = [one.name for one in found if one.state is not State.DETACHING]
    old = [name for name in others if await _is_old(db, name, keep_s)]
    on_hold = await _on_hold(db) if old else frozenset[UUID]()
    return begun + [name for name in old if not await _is_spared(db, name, on_hold)]


async def _is_old(db: Connection, partition: str, keep_s: int) -> bool:
    """Also an empty one: nothing will ever come into it."""
    query = IS_OLD.format(keep_s=keep_s, partition=sql.Identifier(partition))
    row = await (await db.execute(query)).fetchone()
    return row is None or bool(row[0])


async def _on_hold(db: Connection) -> frozenset[UUID]:
    """The projects that are held now: by the log itself, which no read model lags behind."""
    cursor = await db.execute(
        "SELECT topic, state FROM formula_events WHERE originator_id = %s"
        " ORDER BY originator_version",
        (HOLDS_STREAM,),
    )
    events = [decode(tag, state) for tag, state in await cursor.fetchall()]
    return fold(HOLD, [one for one in events if isinstance(one, HOLD.events)]).projects


async def _is_spared(db: Connection, partition: str, on_hold: AbstractSet[UUID]) -> bool:
    """Looks through the whole partition where no fact of such a project comes first."""
    if not on_hold:
        return False
    query = IS_SPARED.format(partition=sql.Identifier(partition))
    row = await (await db.execute(query, {"projects": list(on_hold)})).fetchone()
    return bool(row and row[0])


async def _drop(db: Connection, partition: str) -> bool:
    """Take what steps are left; whether all were taken."""
    for _ in range(ATTEMPTS):
        try:
            while (state := await _state(db, partition)) is not None:
                await db.execute(STEPS[state].format(sql.Identifier(partition)))
        except LockNotAvailable:  # for now: the next attempt begins with what is left
            await asyncio.sleep(PAUSE_S)
        else:
            return True
    return False


async def _state(db: Connection, partition: str) -> State | None:
    found = (one.state for one in await partitions(db) if one.name == partition)
    return next(found, None)


async def _held(db: Connection, table: str) -> Held:
    row = await (await db.execute(OLDEST_TRANSACTION)).fetchone()
    return Held(table, *row) if row else Held(table, None, "", None)
