"""Formula's projector over a log that is there already: how fast a group comes to its head."""

import asyncio
import time

import msgspec
import uvloop

from bench.child import Sample, answer, given
from infra.db import leading
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from projections import generations
from projections.building import checkpoint
from projections.projector import NO_FSYNC, Group, Leader, grouped, shared
from projections.registry import PROJECTIONS

LOOK_S = 0.01


class Projects(msgspec.Struct, frozen=True):
    """A group's projections from position 0 to `events`."""

    settings: Settings
    group: str
    events: int


async def run(load: Projects) -> Sample:
    """`per_s`: events a second."""
    [group] = [one for one in grouped(PROJECTIONS) if one.name == load.group]
    async with open_runtime(load.settings) as runtime:
        await _afresh(runtime, group)
        seconds = await projected(runtime, group, load.events)
    return Sample({"per_s": load.events / seconds})


async def projected(runtime: Runtime, group: Group, upto: int) -> float:
    """Lead the group until it is at `upto`; returns the seconds from where it starts."""
    name, url = f"projector {group.name}", runtime.settings.database_url
    async with leading(url, name, NO_FSYNC) as connection:
        recent = shared(runtime, [group])
        leader = Leader(runtime, connection, group, recent)
        await leader.start()
        start = time.perf_counter()
        leading_task = asyncio.create_task(leader.run())
        await _until(runtime, group.name, upto)
        seconds = time.perf_counter() - start
        leading_task.cancel()
        await asyncio.gather(leading_task, return_exceptions=True)
    return seconds


async def _afresh(runtime: Runtime, group: Group) -> None:
    async with runtime.db.connection() as connection:
        await connection.execute("DELETE FROM formula_checkpoints WHERE name = %s", (group.name,))
        await connection.execute("UPDATE formula_generations SET state = 'retired'")
        for one in await generations.generations(connection, [p.name for p in group.projections]):
            await generations.drop(connection, one.schema)


async def _until(runtime: Runtime, group: str, position: int) -> None:
    async with runtime.db.connection() as connection:
        while True:
            if await checkpoint(connection, group) >= position:
                return
            await asyncio.sleep(LOOK_S)


if __name__ == "__main__":
    answer(uvloop.run(run(given(Projects))))
