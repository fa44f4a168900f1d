"""Each version of a projection is a schema of its own; a pointer row says which one serves."""

import os
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, LiteralString, cast

import msgspec
from psycopg import sql
from psycopg.rows import class_row

from infra.db import Connection
from projections.model import Projection, Table
from projections.stopped import stop

LOCK = 5_014_004  # of who begins a generation: two would begin the same
MAX_SLICES = 4
DROP_WAIT = "1s"  # what is read right now is dropped another time

BUILDING, READY, SWITCHING, SERVING, RETIRED, SHADOW = (
    "building", "ready", "switching", "serving", "retired", "shadow",
)  # fmt: skip
LIVE = (BUILDING, READY, SWITCHING, SERVING)  # states of what serves or is to serve


class Generation(msgspec.Struct, frozen=True):
    """A projection's tables in a schema of their own. `position`: of its slowest slice.

    `stopped`: it serves what it had at its position; the group's leader cannot fill it.
    `instead_of`: the version that operators went back from, else 0. `began`: a build's position
    when it was asked for.
    """

    projection: str
    schema: str
    version: int
    state: str
    target: int
    asked_at: datetime
    made_at: datetime
    changed_at: datetime
    position: int
    slices: int
    stopped: bool = False
    instead_of: int = 0
    began: int = 0


ALL = """
SELECT g.projection, g.schema, g.version, g.state, g.target, g.asked_at, g.made_at, g.changed_at,
    g.stopped, g.instead_of, g.began,
    coalesce(min(s.position), 0) AS position, count(s.slice)::int AS slices
FROM formula_generations g LEFT JOIN formula_slices s USING (schema)
WHERE g.projection = ANY(%(projections)s)
GROUP BY g.projection, g.schema ORDER BY g.projection, g.asked_at DESC, g.schema
"""


async def generations(connection: Connection, projections: Iterable[str]) -> list[Generation]:
    """Every generation of these projections, those that were asked for last first."""
    async with connection.cursor(row_factory=class_row(Generation)) as cursor:
        await cursor.execute(ALL, {"projections": list(projections)})
        return await cursor.fetchall()


def wanted(found: Iterable[Generation], projection: str) -> Generation | None:
    """The generation that is to serve: the one that was asked for last."""
    mine = (one for one in found if one.projection == projection and one.state in LIVE)
    return max(mine, key=lambda one: one.asked_at, default=None)


async def serving(connection: Connection) -> list[str]:
    """The schemas that serve, in a stable order: what search_path is made of."""
    cursor = await connection.execute(
        "SELECT schema FROM formula_generations WHERE state = 'serving' ORDER BY schema"
    )
    return [schema for (schema,) in await cursor.fetchall()]


async def use(connection: Connection, schemas: Sequence[str]) -> None:
    """Let unqualified table names of this connection mean these generations."""
    names = [sql.Identifier(schema) for schema in [*schemas, "public"]]
    await connection.execute(sql.SQL("SET search_path = {}").format(sql.SQL(", ").join(names)))


@asynccontextmanager
async def alone(connection: Connection) -> AsyncGenerator[None]:
    """A transaction in which nobody else begins a generation."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        yield


async def begin(
    connection: Connection, projection: Projection[Any], *, state: str = BUILDING
) -> str:
    """A new, empty generation of this version, without indexes; returns its schema."""
    async with alone(connection):
        schema = await ask(connection, projection, state=state)
        await lay_out(connection, projection, schema)
    return schema


async def ask(connection: Connection, projection: Projection[Any], *, state: str = BUILDING) -> str:
    """The same without its tables, which whoever builds it makes: the API's role may make none."""
    async with alone(connection):
        schema = await _free_name(connection, projection, state)
        await connection.execute(
            "INSERT INTO formula_generations (projection, schema, version, state, target)"
            " VALUES (%s, %s, %s, %s, coalesce("
            "  (SELECT position FROM formula_checkpoints WHERE name = %s), 0))",
            (projection.name, schema, projection.version, state, projection.group),
        )
        await connection.execute(
            "INSERT INTO formula_slices (schema, slice) SELECT %s, generate_series(0, %s)",
            (schema, (slices_of(projection) if state == BUILDING else 1) - 1),
        )
    return schema


NOT_LAID_OUT = """
SELECT FROM formula_generations WHERE schema = %s AND to_regnamespace(quote_ident(schema)) IS NULL
"""


async def lay_out(connection: Connection, projection: Projection[Any], schema: str) -> None:
    """Make its tables, if they are not there and it has not been dropped."""
    async with alone(connection):
        if not (await connection.execute(NOT_LAID_OUT, (schema,))).rowcount:
            return
        await connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for table in projection.tables:
            await connection.execute(table_statement(schema, table))


def slices_of(projection: Projection[Any]) -> int:
    """Builders that work side by side: the groups and Postgres need the other cores."""
    return max(1, min((os.cpu_count() or 1) // 2, MAX_SLICES)) if projection.by_stream else 1


async def begin_missing(
    connection: Connection, projections: Sequence[Projection[Any]], *, renew: bool
) -> list[tuple[Projection[Any], str]]:
    """What serves in no version is begun, with `renew` also what serves in an older one.

    But not the version that operators went back from. Returns what is being built, those begun by
    others too.
    """
    building: list[tuple[Projection[Any], str]] = []
    async with alone(connection):
        found = await generations(connection, [one.name for one in projections])
        for projection in projections:
            one = wanted(found, projection.name)
            if one is None or (renew and max(one.version, one.instead_of) < projection.version):
                building.append((projection, await begin(connection, projection)))
            elif one.version == projection.version and one.state == BUILDING:
                building.append((projection, one.schema))
    return building


async def _free_name(connection: Connection, projection: Projection[Any], state: str) -> str:
    """tasks_2, and for what is built again under the same version tasks_2_1, tasks_2_2, …"""
    base = f"{projection.name}_{projection.version}{'_check' if state == SHADOW else ''}"
    cursor = await connection.execute(
        "SELECT name FROM (SELECT nspname FROM pg_namespace UNION"
        " SELECT schema FROM formula_generations) taken (name) WHERE name = %s OR name LIKE %s",
        (base, base.replace("_", r"\_") + r"\_%"),
    )
    taken = {name for (name,) in await cursor.fetchall()}
    names = (base if number == 0 else f"{base}_{number}" for number in range(len(taken) + 1))
    return next(name for name in names if name not in taken)


def table_statement(schema: str, table: Table) -> sql.Composed:
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(cast(LiteralString, declaration)))
        for name, declaration in table.columns.items()
    )
    key = sql.SQL(", ").join(map(sql.Identifier, table.key))
    return sql.SQL("CREATE TABLE {}.{} ({}, PRIMARY KEY ({}))").format(
        sql.Identifier(schema), sql.Identifier(table.name), columns, key
    )


async def index(
    connection: Connection, schema: str, projection: Projection[Any], *, analyze: bool = True
) -> None:
    """Make the indexes, when the rows are there: in an empty table each row would pay for them.

    All at once or none, so that an interrupted build begins here again.
    """
    cursor = await connection.execute(
        "SELECT count(*) FROM pg_indexes WHERE schemaname = %s", (schema,)
    )
    row = await cursor.fetchone()
    if row and row[0] > len(projection.tables):
        return
    async with connection.transaction():
        for table in projection.tables:
            for columns in table.indexes:
                await connection.execute(
                    sql.SQL("CREATE INDEX ON {}.{} {}").format(
                        sql.Identifier(schema),
                        sql.Identifier(table.name),
                        sql.SQL(cast(LiteralString, columns)),
                    )
                )
        await connection.execute(
            "DELETE FROM formula_slices s WHERE schema = %s AND slice > 0", (schema,)
        )
    for table in projection.tables if analyze else ():
        await connection.execute(
            sql.SQL("ANALYZE {}.{}").format(sql.Identifier(schema), sql.Identifier(table.name))
        )


async def mark(connection: Connection, schema: str, state: str, *was: str) -> bool:
    """Move a generation to another state, if it is still in one of these."""
    cursor = await connection.execute(
        "UPDATE formula_generations SET state = %s, changed_at = clock_timestamp()"
        " WHERE schema = %s AND state = ANY(%s)",
        (state, schema, list(was)),
    )
    return cursor.rowcount > 0


async def switch(connection: Connection, one: Generation, position: int) -> None:
    """Let it serve, and keep the one that did as far as `position`, for a way back."""
    async with connection.transaction():
        await stop(connection, one.projection, position)
        await connection.execute(
            "UPDATE formula_generations"
            " SET state = 'retired', stopped = false, changed_at = clock_timestamp()"
            " WHERE projection = %s AND state = 'serving'",
            (one.projection,),
        )
        await mark(connection, one.schema, SERVING, SWITCHING)


BACK = """
UPDATE formula_generations SET state = 'building', asked_at = clock_timestamp(),
    changed_at = clock_timestamp(), instead_of = %(instead_of)s, began = %(began)s,
    target = coalesce((SELECT position FROM formula_checkpoints WHERE name = %(group)s), 0)
WHERE schema = %(schema)s AND state = 'retired'
"""


async def back(connection: Connection, projection: str, group: str) -> Generation | None:
    """Ask for the generation that served before; None if there is none any more."""
    found = await generations(connection, [projection])
    retired = [one for one in found if one.state == RETIRED]
    last = max(retired, key=lambda one: one.changed_at, default=None)
    if last is not None:
        newest = max((one.version for one in found if one.state in LIVE), default=0)
        values = {"instead_of": newest, "began": last.position, "group": group}
        cursor = await connection.execute(BACK, {**values, "schema": last.schema})
        return last if cursor.rowcount else None
    return None


# As a check's that was left behind: it is dropped with those.
GIVEN_UP = """
UPDATE formula_generations
SET state = 'shadow', changed_at = clock_timestamp() - interval '1 day'
WHERE schema = %s AND state IN ('building', 'ready')
"""


async def give_up(connection: Connection, pending: Generation) -> None:
    """Build no more of a newer version, and keep to what serves."""
    await connection.execute(
        "UPDATE formula_generations SET instead_of = %s"
        " WHERE projection = %s AND state = 'serving'",
        (pending.version, pending.projection),
    )
    await connection.execute(GIVEN_UP, (pending.schema,))


# The row is locked first: whoever lets the generation serve waits, or has been there before.
DROPPED = """
DELETE FROM formula_generations WHERE schema = %s AND state NOT IN ('serving', 'switching')
"""


async def drop(connection: Connection, schema: str) -> bool:
    """Remove what does not serve; whether it did. Raises LockNotAvailable while it is read."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{DROP_WAIT}'")
        gone = await connection.execute(DROPPED, (schema,))
        if not gone.rowcount:  # it has come to serve meanwhile
            return False
        await connection.execute(
            sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
        )
        await connection.execute(
            "DELETE FROM formula_dead_letters WHERE generation = %s", (schema,)
        )
        return True


async def old(connection: Connection, keep_s: float) -> list[str]:
    """The generations that retired longer ago, or that lost to a later one while being built."""
    cursor = await connection.execute(
        "SELECT g.schema FROM formula_generations g WHERE (g.state = 'retired'"
        "  AND g.changed_at < clock_timestamp() - make_interval(secs => %s))"
        " OR (g.state IN ('building', 'ready') AND EXISTS (SELECT FROM formula_generations n"
        "  WHERE n.projection = g.projection AND n.asked_at > g.asked_at"
        "  AND n.state IN ('building', 'ready', 'switching', 'serving')))"
        " OR (g.state = 'shadow' AND g.changed_at < clock_timestamp() - interval '1 day')"
        " ORDER BY g.schema",
        (keep_s,),
    )
    return [schema for (schema,) in await cursor.fetchall()]
