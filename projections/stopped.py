"""What serves and is not filled: its group is led by code of another version.

Its rows stay as they were. Who asks for more is told, and whoever can fill it again begins where
it stopped.
"""

from collections.abc import Sequence

from infra.db import Connection


async def stop(connection: Connection, projection: str, position: int) -> None:
    """Nobody fills any more what serves: note how far it came, unless that is known."""
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO formula_slices (schema, slice, position)"
            " SELECT schema, 0, %s FROM formula_generations"
            " WHERE projection = %s AND state = 'serving' AND NOT stopped"
            " ON CONFLICT (schema, slice) DO UPDATE SET position = excluded.position",
            (position, projection),
        )
        await connection.execute(
            "UPDATE formula_generations SET stopped = true"
            " WHERE projection = %s AND state = 'serving'",
            (projection,),
        )


async def go_on(connection: Connection, schema: str) -> None:
    """It is where its group is, and is filled with it again."""
    await connection.execute(
        "UPDATE formula_generations SET stopped = false WHERE schema = %s", (schema,)
    )


async def lacking(connection: Connection, projections: Sequence[str], position: int) -> list[str]:
    """Those that stopped before `position`."""
    cursor = await connection.execute(
        "SELECT g.projection FROM formula_generations g JOIN formula_slices s USING (schema)"
        " WHERE g.stopped AND g.projection = ANY(%s) AND s.position < %s ORDER BY 1",
        (list(projections), position),
    )
    return [name for (name,) in await cursor.fetchall()]
