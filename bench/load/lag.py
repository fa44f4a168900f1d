"""From an append's commit to the moment a group shows it, at a fixed rate of arrivals."""

import asyncio
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence

import msgspec
import uvloop

from bench.child import Sample, answer, given
from bench.load.distribution import distribution
from bench.load.loops import Latencies, Window, open_loop
from bench.load.streams import changed, known, metadata, stream_ids
from infra.eventstore.types import To
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings, child_environment
from projections import generations
from projections.building import checkpoint
from projections.registry import PROJECTIONS

SHOWN = "SELECT name, position FROM formula_checkpoints WHERE name = ANY(%s)"
LOOK_S = 0.001  # what is shown is seen this late at most: it counts as lag


class Lags(msgspec.Struct, frozen=True):
    """`rate`: appends a second; the groups are projected by one process of their own."""

    settings: Settings
    rate: int
    window: Window
    groups: tuple[str, ...]


async def run(load: Lags) -> Sample:
    """`<group> p50`, `<group> p99`: milliseconds."""
    env = child_environment(load.settings)
    named = [word for group in load.groups for word in ("--group", group)]
    argv = (sys.executable, "-m", "projections.main", *named)
    projector = await asyncio.create_subprocess_exec(*argv, env=env)
    try:
        async with open_runtime(load.settings) as runtime:
            return await _measured(runtime, load)
    finally:
        projector.terminate()
        await projector.wait()


async def _measured(runtime: Runtime, load: Lags) -> Sample:
    await until_ready(runtime, load.groups)
    async with runtime.db.connection() as connection:
        streams = await known(connection, stream_ids(0, 10_000))
    since = time.perf_counter() + load.window.before_s
    latencies = {group: Latencies(since) for group in load.groups}
    waiting = {group: deque[tuple[int, float]]() for group in load.groups}
    looking = asyncio.create_task(_look(runtime, waiting, latencies))

    async def append(_due: float) -> None:
        stream, version = streams.take()
        to = To(stream, version, (changed(version),))
        appended = await runtime.store.append(metadata(runtime.new_id()), to)
        for group in load.groups:
            waiting[group].append((appended.positions[-1], time.perf_counter()))
        streams.give(stream, appended.versions[-1])

    tally = await open_loop(load.rate, load.window, append)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    values = {
        k: v for group in load.groups for k, v in distribution(latencies[group], group).items()
    }
    return tally.sample(values)


async def _look(
    runtime: Runtime,
    waiting: Mapping[str, deque[tuple[int, float]]],
    latencies: Mapping[str, Latencies],
) -> None:
    """One question for all groups: who asks competes for the same cores."""
    async with runtime.db.connection() as connection:
        while True:
            cursor = await connection.execute(SHOWN, (list(waiting),), prepare=True)
            for group, shown in await cursor.fetchall():
                while waiting[group] and waiting[group][0][0] <= shown:
                    latencies[group].record(waiting[group].popleft()[1])
            await asyncio.sleep(LOOK_S)


async def until_ready(runtime: Runtime, groups: Sequence[str]) -> None:
    """Every read model of the groups serves, and they are at the log's head."""
    head = await runtime.store.head()
    wanted = sum(one.group in groups for one in PROJECTIONS)
    async with runtime.db.connection() as connection:
        while True:
            serving = len(await generations.serving(connection))
            behind = [one for one in groups if await checkpoint(connection, one) < head]
            if serving >= wanted and not behind:
                return
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    answer(uvloop.run(run(given(Lags))))
