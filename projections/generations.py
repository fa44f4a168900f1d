"""Each version of a projection is a schema of its own; a pointer row says which one serves."""

from typing import Any, LiteralString, cast

import structlog
from psycopg import sql

from domain.kernel import Event
from infra.db import Connection
from infra.runtime import Runtime
from projections.apply import apply
from projections.feed import Feed
from projections.model import Projection, Push, Table

BATCH = 5_000  # events of one step of a rebuild
log = structlog.get_logger()


async def serving(connection: Connection) -> list[str]:
    """The schemas that serve, in a stable order: what search_path is made of."""
    cursor = await connection.execute(
        "SELECT schema FROM formula_generations WHERE state = 'serving' ORDER BY schema"
    )
    return [schema for (schema,) in await cursor.fetchall()]


async def use(connection: Connection, schemas: list[str]) -> None:
    """Let unqualified table names of this connection mean these generations."""
    names = [sql.Identifier(schema) for schema in [*schemas, "public"]]
    await connection.execute(sql.SQL("SET search_path = {}").format(sql.SQL(", ").join(names)))


async def ensure(
    runtime: Runtime, connection: Connection, projection: Projection[Any], position: int
) -> None:
    """See to it that this version of the projection serves, projected up to `position`.

    A version that does not serve yet is built from the log beside the one that does; the pointer
    moves when it is complete. A rebuild pushes nothing: frames only go to the rooms' log.
    """
    schema = f"{projection.name}_{projection.version}"
    if schema in await serving(connection):
        return
    log.info("generation_building", projection=projection.name, schema=schema, upto=position)
    await connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(_name(schema)))
    await connection.execute(sql.SQL("CREATE SCHEMA {}").format(_name(schema)))
    await use(connection, [schema])
    for table in projection.tables:
        await create(connection, table)
    await replay(runtime, connection, projection, position)
    await _switch(connection, projection, schema)
    log.info("generation_serving", projection=projection.name, schema=schema)


async def create(connection: Connection, table: Table) -> None:
    """Create a read table in the first schema of the search_path."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(_name(name), sql.SQL(cast(LiteralString, declaration)))
        for name, declaration in table.columns.items()
    )
    key = sql.SQL(", ").join(map(sql.Identifier, table.key))
    await connection.execute(
        sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({}))").format(_name(table.name), columns, key)
    )
    for index in table.indexes:
        await connection.execute(
            sql.SQL("CREATE INDEX ON {} {}").format(
                _name(table.name), sql.SQL(cast(LiteralString, index))
            )
        )


async def replay(
    runtime: Runtime, connection: Connection, projection: Projection[Any], upto: int
) -> None:
    feed, after, handled = Feed(), 0, frozenset[type[Event]](projection.events)
    while after < upto:
        batch = await runtime.store.read(after, BATCH, motion=projection.motion)
        wanted = [one for one in batch if one.position <= upto and type(one.event) in handled]
        writes = projection.project(wanted)
        async with connection.transaction():
            logged = await feed.admit(connection, [w for w in writes if isinstance(w, Push)])
            await apply(connection, [*writes, *logged.writes])
        after = batch[-1].position if batch else upto


async def _switch(connection: Connection, projection: Projection[Any], schema: str) -> None:
    async with connection.transaction():
        await connection.execute(
            "UPDATE formula_generations SET state = 'retired'"
            " WHERE projection = %s AND state = 'serving'",
            (projection.name,),
        )
        await connection.execute(
            "INSERT INTO formula_generations (projection, schema, version, state)"
            " VALUES (%s, %s, %s, 'serving')"
            " ON CONFLICT (projection, schema) DO UPDATE"
            " SET state = 'serving', made_at = clock_timestamp()",
            (projection.name, schema, projection.version),
        )


def _name(name: str) -> sql.Identifier:
    return sql.Identifier(name)
