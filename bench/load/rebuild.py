"""Formula's rebuild of one read model: bulk by COPY, then its indexes."""

import time

import msgspec
import psycopg
import uvloop

from bench.child import Sample, answer, given
from infra.runtime import open_runtime
from infra.settings import Settings
from projections import generations
from projections.building import NO_FSYNC, fill
from projections.upkeep import named


class Rebuilds(msgspec.Struct, frozen=True):
    settings: Settings
    projection: str
    events: int  # positions 1 to this


async def run(load: Rebuilds) -> Sample:
    """`per_s`: events a second, the indexes' time included."""
    projection = named(load.projection)
    async with (
        open_runtime(load.settings) as runtime,
        await psycopg.AsyncConnection[object].connect(
            load.settings.database_url, autocommit=True, options=NO_FSYNC
        ) as connection,
    ):
        schema = await generations.begin(connection, projection)
        start = time.perf_counter()
        await fill(runtime, connection, projection, schema, load.events)
        per_s = load.events / (time.perf_counter() - start)
        await generations.drop(connection, schema)
    return Sample({"per_s": per_s})


if __name__ == "__main__":
    answer(uvloop.run(run(given(Rebuilds))))
