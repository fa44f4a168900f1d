"""Formula's appends beside the build of a read model: what it costs those who work meanwhile."""

import asyncio
import sys

import msgspec
import psycopg
import uvloop

from bench.child import Sample, answer, given
from bench.load.latency import Arrivals
from bench.load.latency import run as appends
from infra.db import Connection
from infra.settings import Settings, child_environment
from projections import generations
from projections.upkeep import named

# A build gives way to a group that is behind: here there is none, and so it takes all it can.
NEVER_BEHIND = 2**62


class Rebuilding(msgspec.Struct, frozen=True):
    """`events`: positions 1 to this are projected while the appends arrive."""

    appends: Arrivals
    projection: str
    events: int

    @property
    def settings(self) -> Settings:
        return self.appends.settings


async def run(load: Rebuilding) -> Sample:
    """`append p50` and `p99`: ms since the append was due."""
    projection = named(load.projection)
    async with await psycopg.AsyncConnection[object].connect(
        load.settings.database_url, autocommit=True
    ) as connection:
        await _checkpoints(connection, {projection.group: load.events, "live": NEVER_BEHIND})
        schema = await generations.begin(connection, projection)
        argv = (sys.executable, "-m", "projections.building", schema)
        builder = await asyncio.create_subprocess_exec(*argv, env=child_environment(load.settings))
        try:
            return await appends(load.appends)
        finally:
            builder.terminate()
            await builder.wait()
            await generations.drop(connection, schema)
            await connection.execute("DELETE FROM formula_checkpoints")


async def _checkpoints(connection: Connection, positions: dict[str, int]) -> None:
    for name, position in positions.items():
        await connection.execute(
            "INSERT INTO formula_checkpoints (name, position) VALUES (%s, %s)"
            " ON CONFLICT (name) DO UPDATE SET position = excluded.position",
            (name, position),
        )


if __name__ == "__main__":
    answer(uvloop.run(run(given(Rebuilding))))
