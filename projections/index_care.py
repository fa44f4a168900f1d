"""Indexes that cost more than they give: doubled ones are told of, half-empty ones built anew."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence

import msgspec
from psycopg import errors, sql
from psycopg.rows import class_row

from infra.db import Connection
from projections.index_use import IndexUse

LEAST_BYTES = 16 * 2**20  # smaller ones are not worth a rebuild
BLOATED = 2.5  # times what its rows need; pages that were split are half empty by themselves

# Of what may be rebuilt: read tables and jobs, whose rows come and go; the log's only come.
OURS = """
(n.nspname IN (SELECT schema FROM formula_generations WHERE state = 'serving')
    OR n.nspname = 'public' AND t.relname LIKE 'formula\\_job%%')
"""

# What a B-tree would need for its rows, each by the average width of its columns; Postgres stores
# equal keys once, so this is rather too much. Statistics must be fresh.
SIZES = f"""
SELECT n.nspname AS schema, t.relname AS table, c.relname AS index,
    pg_relation_size(c.oid) AS bytes,
    (8192 * (2 + ceil(c.reltuples * (12 + 8 * ceil(w.width / 8.0)) / (8152 * 0.9))))::bigint
        AS needed
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_am a ON a.oid = c.relam
CROSS JOIN LATERAL (
    SELECT sum(coalesce(s.avg_width, 8)) AS width FROM pg_attribute k
    LEFT JOIN pg_attribute col ON col.attrelid = t.oid AND col.attnum = i.indkey[k.attnum - 1]
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname
        AND (s.tablename, s.attname) IN ((t.relname, col.attname), (c.relname, k.attname))
    WHERE k.attrelid = c.oid
) w
WHERE {OURS} AND a.amname = 'btree' AND i.indisvalid AND c.reltuples >= 0
    AND pg_relation_size(c.oid) >= %(least)s
ORDER BY bytes DESC, index
"""  # noqa: S608, literals

# What a rebuild left that was cut off: it is kept up to date, and no query uses it.
LEFT = f"""
SELECT n.nspname, c.relname FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE {OURS} AND NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' ORDER BY 1, 2
"""  # noqa: S608, literals


class Bloated(msgspec.Struct, frozen=True):
    """An index and the bytes that its rows would need, roughly."""

    schema: str
    table: str
    index: str
    bytes: int
    needed: int


def duplicates(indexes: Sequence[IndexUse]) -> list[list[str]]:
    """Indexes of a table over the same columns; the unique ones, which must stay, come first."""
    alike: defaultdict[tuple[str, str, str], list[IndexUse]] = defaultdict(list)
    for one in indexes:
        alike[one.schema, one.table, one.columns].append(one)
    return [
        [one.index for one in sorted(same, key=lambda one: (not one.unique, one.index))]
        for same in alike.values()
        if len(same) > 1
    ]


async def bloated(db: Connection, least_bytes: int = LEAST_BYTES) -> list[Bloated]:
    """The largest first."""
    async with db.cursor(row_factory=class_row(Bloated)) as cursor:
        await cursor.execute(SIZES, {"least": least_bytes})
        return [one for one in await cursor.fetchall() if one.bytes > BLOATED * one.needed]


async def rebuild(
    db: Connection, indexes: Sequence[Bloated]
) -> AsyncGenerator[tuple[Bloated, int | None]]:
    """Each beside its readers and writers; its new size, None where a lock was not to be had.

    `db` is in no transaction and has a lock time-out. What is cut off is removed the next time.
    """
    await remove_left(db)
    for one in indexes:
        name = sql.Identifier(one.schema, one.index)
        try:
            await db.execute(sql.SQL("REINDEX INDEX CONCURRENTLY {}").format(name))
        except (errors.LockNotAvailable, errors.UndefinedTable):  # or it is gone by now
            yield one, None
            continue
        row = await (
            await db.execute("SELECT pg_relation_size(%s::regclass)", (name.as_string(db),))
        ).fetchone()
        yield one, row[0] if row else None
    await remove_left(db)


async def remove_left(db: Connection) -> None:
    """One that is still being built is locked, and stays."""
    for schema, index in await (await db.execute(LEFT)).fetchall():
        name = sql.Identifier(schema, index)
        try:
            await db.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(name))
        except errors.LockNotAvailable:
            continue
