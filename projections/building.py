"""Building generations beside the one that serves: bulk, indexes, following, until the switch.

`python -m projections.building SCHEMA` builds one in a process of its own, so that the groups'
loops keep the event loop. Killed at any instant it goes on where its last transaction ended.
"""

import argparse
import asyncio
import os
import sys
from contextlib import aclosing
from functools import partial
from typing import Any

from infra.db import Connection, connect
from infra.eventstore import reader
from infra.eventstore.reader import WHOLE, Slice
from infra.log import configure_logging
from infra.pipelined import Pipelined
from infra.process import run
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings, load_settings
from projections.ahead import Events, batches
from projections.apply import Statement, calling, packed
from projections.generations import (
    BUILDING,
    READY,
    Generation,
    generations,
    index,
    lay_out,
    mark,
    use,
)
from projections.model import Projection
from projections.parking import Letters
from projections.registry import PROJECTIONS
from projections.step import Deposed, Step

BATCH = 5_000  # events of one step
NEAR = 1_000  # positions: as far behind, the leader may switch
FOLLOW_S = 0.2  # between looks at how far the group is
POLITE = 10  # niceness of a builder's process
LAG = 1_000  # positions that `live` may be behind before a build gives way
GIVE_WAY_S = 0.2  # a batch
NO_FSYNC = "-c synchronous_commit=off -c lock_timeout=5s"

AnyProjection = Projection[Any]

ADVANCE = calling("formula_advance_slice", "text", "integer", "bigint", "bigint", "boolean")
LIVE_LAG = """
SELECT last_value - (SELECT position FROM formula_checkpoints WHERE name = 'live')
FROM formula_events_notification_id_seq
"""


async def catch_up(
    runtime: Runtime,
    connection: Connection,
    projection: AnyProjection,
    schema: str,
    upto: int,
    *,
    part: Slice = WHOLE,
    mine: bool = False,
    polite: bool = False,
) -> None:
    """Project a slice of a generation up to position `upto`, which the group must have reached.

    `mine`: as the group's leader, who switches; `polite`: give way to the rooms. Raises Deposed
    where somebody else does it.
    """
    await use(connection, [schema])
    letters = Letters({projection.name: schema})
    await letters.load(connection)

    def move(start: int, to: int) -> Statement:
        place = (packed("text", schema), packed("integer", part.number))
        return Statement(
            ADVANCE,
            (*place, packed("bigint", start), packed("bigint", to), packed("boolean", mine)),
        )

    step = Step(
        connection=connection,
        projections=(projection,),
        letters=letters,
        pipelined=Pipelined(connection),
        move=move,
        parks=projection.group != "live",
        bulk=not mine,
    )

    async def read(after: int) -> Events:
        return await reader.read(
            runtime.db, after, BATCH, motion=projection.motion, types=projection.tags, part=part
        )

    position = await _position(connection, schema, part.number)
    async with aclosing(batches(read, step.prepare, position, BATCH)) as coming:
        while position < upto:
            if polite:
                await _give_way(connection)
            batch = await anext(coming)
            events = [one for one in batch.events if one.position <= upto]
            prepared = batch.prepared if len(events) == len(batch.events) else None
            to = events[-1].position if batch.whole and events else upto
            await step.advance(position, events, to, prepared)
            position = to


async def _give_way(connection: Connection) -> None:
    """The rooms come first: while their group is behind, a build goes slowly."""
    if await _one(connection, LIVE_LAG) > LAG:
        await asyncio.sleep(GIVE_WAY_S)


async def _position(connection: Connection, schema: str, part: int) -> int:
    cursor = await connection.execute(
        "SELECT position FROM formula_slices WHERE schema = %s AND slice = %s", (schema, part)
    )
    row = await cursor.fetchone()
    if row is None:
        raise Deposed(f"{schema} has no slice {part}")
    return int(row[0])


async def slices_at(connection: Connection, schema: str) -> list[tuple[int, int]]:
    """(number, position) of each slice."""
    cursor = await connection.execute(
        "SELECT slice, position FROM formula_slices WHERE schema = %s ORDER BY slice", (schema,)
    )
    return await cursor.fetchall()


async def _one(connection: Connection, statement: str, *values: object) -> int:
    row = await (await connection.execute(statement.encode(), values)).fetchone()
    return int(row[0] or 0) if row else 0


async def checkpoint(connection: Connection, group: str) -> int:
    """How far the group is; 0 before its first leader."""
    return await _one(connection, "SELECT position FROM formula_checkpoints WHERE name = %s", group)


async def found(connection: Connection, schema: str) -> tuple[Generation, AnyProjection] | None:
    """The generation and its projection, if this code can build it."""
    names = {one.name: one for one in PROJECTIONS}
    for one in await generations(connection, names):
        if one.schema == schema and one.version == names[one.projection].version:
            return one, names[one.projection]
    return None


async def build(schema: str, part: Slice | None, settings: Settings) -> None:
    """Bulk (of one slice, where one is named), then indexes, then follow until the switch."""
    os.nice(POLITE)
    async with (
        open_runtime(settings) as runtime,
        await connect(settings.database_url, options=NO_FSYNC) as connection,
    ):
        there = await found(connection, schema)
        if there is None:
            return
        one, projection = there
        await lay_out(connection, projection, schema)
        try:
            whole = part or WHOLE
            await catch_up(
                runtime, connection, projection, schema, one.target, part=whole, polite=True
            )
            if part is None:
                await index(connection, schema, projection)
                await _follow(runtime, connection, projection, schema)
        except Deposed:  # the leader has taken it over, or it is not wanted any more
            return


async def _follow(
    runtime: Runtime, connection: Connection, projection: AnyProjection, schema: str
) -> None:
    """Stay near the group until its leader takes over, or nobody wants it any more."""
    while await _is_building(connection, schema):
        upto = await checkpoint(connection, projection.group)
        await catch_up(runtime, connection, projection, schema, upto)
        if await checkpoint(connection, projection.group) - upto <= NEAR:
            await mark(connection, schema, READY, BUILDING)
        await asyncio.sleep(FOLLOW_S)


async def _is_building(connection: Connection, schema: str) -> bool:
    there = await found(connection, schema)
    return there is not None and there[0].state in (BUILDING, READY)


async def fill(
    runtime: Runtime, connection: Connection, projection: AnyProjection, schema: str, upto: int
) -> None:
    """All of it here and now, for what is short; ready afterwards unless it is a shadow."""
    await lay_out(connection, projection, schema)
    there = await slices_at(connection, schema) if upto else []
    for number, _ in there:
        part = Slice(number, len(there))
        await catch_up(runtime, connection, projection, schema, upto, part=part)
    await index(connection, schema, projection, analyze=upto > 0)
    await mark(connection, schema, READY, BUILDING)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m projections.building", description=__doc__)
    parser.add_argument("schema")
    parser.add_argument("--slice", type=int, default=0)
    parser.add_argument("--of", type=int, default=1)
    options = parser.parse_args()
    part = Slice(options.slice, options.of) if options.of > 1 else None
    settings = load_settings()
    configure_logging(settings)
    return run(settings, partial(build, options.schema, part))


if __name__ == "__main__":
    sys.exit(main())
