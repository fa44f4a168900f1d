"""The tables of samples and roll-ups: partitions made ahead, and dropped when they are old."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec
from psycopg import sql
from psycopg.errors import LockNotAvailable

from infra.db import Connection

LOCK = 5_014_005  # one at a time makes and drops
# A reader is waited for, but not for long: whoever comes behind would wait as well.
SESSION = "SET LOCAL lock_timeout = '2s'"


class Width(StrEnum):
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class Table(msgspec.Struct, frozen=True):
    name: str
    width: Width  # of a partition, in UTC
    kept: timedelta


SAMPLES = Table("formula_samples", Width.DAY, timedelta(days=2))
MINUTES = Table("formula_rollups_1m", Width.DAY, timedelta(days=14))
HOURS = Table("formula_rollups_1h", Width.MONTH, timedelta(days=180))
DAYS = Table("formula_rollups_1d", Width.YEAR, timedelta(days=3 * 365))
TABLES = (SAMPLES, MINUTES, HOURS, DAYS)

EXISTING = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass(%s) ORDER BY c.relname
"""


def begins(at: datetime, width: Width) -> datetime:
    """Of the partition that has `at`."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match width:
        case Width.DAY:
            return day
        case Width.MONTH:
            return day.replace(day=1)
        case Width.YEAR:
            return day.replace(month=1, day=1)


def ends(start: datetime, width: Width) -> datetime:
    match width:
        case Width.DAY:
            return start + timedelta(days=1)
        case Width.MONTH:
            return begins(start + timedelta(days=31), width)
        case Width.YEAR:
            return begins(start + timedelta(days=366), width)


def name_of(table: Table, start: datetime) -> str:
    return f"{table.name}_{start:%Y%m%d}"


async def make(db: Connection, now: datetime) -> int:
    """Room for whatever is kept in samples, and for what comes next; how many were made."""
    made = 0
    async with db.transaction():
        await db.execute(SESSION)
        await db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        for table in TABLES:
            there = await _existing(db, table)
            for start in _wanted(table, now):
                if name_of(table, start) not in there:
                    await db.execute(_creating(table, start))
                    made += 1
    return made


async def drop_old(db: Connection, now: datetime) -> list[str]:
    """What is past its time; oldest first. What a reader holds goes at another time."""
    dropped: list[str] = []
    for table in TABLES:
        past = now - table.kept
        old = [one for one in await _existing(db, table) if ends(_start(one), table.width) <= past]
        dropped += [name for name in old if await _drop(db, name)]
    return dropped


def _wanted(table: Table, now: datetime) -> Iterator[datetime]:
    start = begins(now - SAMPLES.kept, table.width)
    while start <= ends(begins(now, table.width), table.width):
        yield start
        start = ends(start, table.width)


async def _existing(db: Connection, table: Table) -> list[str]:
    return [name for (name,) in await (await db.execute(EXISTING, (table.name,))).fetchall()]


def _start(name: str) -> datetime:
    return datetime.strptime(name.rpartition("_")[2], "%Y%m%d").replace(tzinfo=UTC)


def _creating(table: Table, start: datetime) -> sql.Composed:
    return sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
        sql.Identifier(name_of(table, start)),
        sql.Identifier(table.name),
        sql.Literal(start),
        sql.Literal(ends(start, table.width)),
    )


async def _drop(db: Connection, name: str) -> bool:
    try:
        async with db.transaction():
            await db.execute(SESSION)
            await db.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))
    except LockNotAvailable:
        return False
    return True
