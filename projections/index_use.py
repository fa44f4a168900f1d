"""How the indexes of what serves are used, by Postgres's own statistics: which, how much, or not.

Also statistics themselves: refreshed, for plans are only as good as they are.
"""

from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import class_row

from infra.db import Connection
from projections.generations import serving
from projections.indexes import INDEXES

MANY = 10_000  # rows: a table that is read whole and has more is told of
OURS = """
(schemaname IN (SELECT schema FROM formula_generations WHERE state = 'serving')
    OR schemaname = 'public' AND relname LIKE 'formula\\_%%')
"""

USE = f"""
SELECT s.indexrelname AS index, s.schemaname AS schema, s.relname AS table,
    regexp_replace(pg_get_indexdef(s.indexrelid), '^.* USING ', '') AS columns,
    pg_relation_size(s.indexrelid) AS bytes, s.idx_scan AS scans, s.last_idx_scan AS last_used,
    i.indisunique AS unique, '' AS serves
FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid)
WHERE {OURS} ORDER BY bytes DESC, index
"""  # noqa: S608, literals

READ_WHOLE = f"""
SELECT schemaname AS schema, relname AS table, n_live_tup AS rows, seq_scan AS scans,
    seq_tup_read AS rows_read, last_seq_scan AS last_read
FROM pg_stat_user_tables WHERE {OURS} AND seq_scan > 0 AND n_live_tup >= %(many)s
    AND seq_tup_read >= seq_scan * %(many)s ORDER BY seq_tup_read DESC, relname LIMIT 100
"""  # noqa: S608, literals

UNTIDY = f"""
SELECT schemaname AS schema, relname AS table, n_live_tup + n_dead_tup AS rows, n_dead_tup AS dead
FROM pg_stat_user_tables WHERE {OURS} AND n_dead_tup >= %(many)s AND n_dead_tup >= n_live_tup / 4
ORDER BY n_dead_tup DESC, relname LIMIT 100
"""  # noqa: S608, literals

SINCE = "SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()"


class IndexUse(msgspec.Struct, frozen=True):
    """An index that is there. `serves`: what projections/indexes.py says it is for."""

    index: str
    schema: str
    table: str
    columns: str
    bytes: int
    scans: int
    last_used: datetime | None
    unique: bool
    serves: str

    @property
    def unused(self) -> bool:
        """A unique one has another task."""
        return not self.scans and not self.unique


class ReadWhole(msgspec.Struct, frozen=True):
    """A large table that queries went through from end to end: perhaps an index is missing."""

    schema: str
    table: str
    rows: int
    scans: int
    rows_read: int
    last_read: datetime | None


class Untidy(msgspec.Struct, frozen=True):
    """A table of which much is dead rows: a VACUUM would make room for others."""

    schema: str
    table: str
    rows: int
    dead: int


class Indexes(msgspec.Struct, frozen=True):
    """`unused` since `since`; None: since the database was made. `missing`: named, not there."""

    since: datetime | None
    indexes: list[IndexUse]
    unused: list[str]
    missing: list[str]
    read_whole: list[ReadWhole]


async def index_use(db: Connection) -> Indexes:
    row = await (await db.execute(SINCE)).fetchone()
    async with db.cursor(row_factory=class_row(IndexUse)) as cursor:
        await cursor.execute(USE, {})
        there = await cursor.fetchall()
    async with db.cursor(row_factory=class_row(ReadWhole)) as cursor:
        await cursor.execute(READ_WHOLE, {"many": MANY})
        read_whole = await cursor.fetchall()
    about = {served.index: served.about for served in INDEXES}
    names = {one.index for one in there}
    return Indexes(
        since=row[0] if row else None,
        indexes=[msgspec.structs.replace(one, serves=about.get(one.index, "")) for one in there],
        unused=[one.index for one in there if one.unused],
        missing=[served.index for served in INDEXES if served.index not in names],
        read_whole=read_whole,
    )


async def untidy(db: Connection) -> list[Untidy]:
    """Tables where a fifth and more is dead rows; autovacuum comes at that, unless held up."""
    async with db.cursor(row_factory=class_row(Untidy)) as cursor:
        await cursor.execute(UNTIDY, {"many": MANY})
        return await cursor.fetchall()


async def refresh_statistics(conninfo: str) -> int:
    """ANALYZE what serves and the log's own tables; returns how many tables.

    Autovacuum does it after a tenth has changed: a read model that grows by its newest rows is
    planned for the days before until then. One at a time, in nobody's way.
    """
    connect = psycopg.AsyncConnection[Any].connect
    async with await connect(conninfo, autocommit=True) as connection:
        await connection.execute("SET lock_timeout = '1s'")
        schemas = await serving(connection)
        cursor = await connection.execute(
            "SELECT schemaname, relname FROM pg_stat_user_tables"
            " WHERE n_mod_since_analyze > 0 AND (schemaname = ANY(%s)"
            "  OR schemaname = 'public' AND relname LIKE 'formula\\_%%') ORDER BY 1, 2",
            (schemas,),
        )
        changed = await cursor.fetchall()
        for schema, table in changed:
            await connection.execute(
                sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(sql.Identifier(schema, table))
            )
    return len(changed)
