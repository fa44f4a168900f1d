"""Formula's replay: the room at random positions of one project, in a log that is projected."""

import time
from random import Random
from uuid import UUID

import msgspec
import uvloop

from bench.child import Sample, answer, given
from infra.runtime import open_runtime
from infra.settings import Settings
from projections.replay.room import room_at


class Seeks(msgspec.Struct, frozen=True):
    """So many seeks to positions from `start` to `end`, where the project exists."""

    settings: Settings
    project: UUID
    start: int
    end: int
    seeks: int


async def run(load: Seeks) -> Sample:
    """`first_s`: the first look at the head, which makes the keyframes; then milliseconds."""
    random = Random(1)  # noqa: S311, places to look at
    async with open_runtime(load.settings) as runtime:
        began = time.perf_counter()
        await room_at(runtime, load.project, load.end)
        first_s = time.perf_counter() - began
        took_ms: list[float] = []
        for _ in range(load.seeks):
            began = time.perf_counter()
            await room_at(runtime, load.project, random.randint(load.start, load.end))
            took_ms.append((time.perf_counter() - began) * 1_000)
    took_ms.sort()
    p50, p99 = (took_ms[int(len(took_ms) * part)] for part in (0.5, 0.99))
    return Sample({"first_s": first_s, "p50_ms": p50, "p99_ms": p99, "max_ms": took_ms[-1]})


if __name__ == "__main__":
    answer(uvloop.run(run(given(Seeks))))
