"""Formula's ordered reads: page after page from the beginning, as rows or as events."""

import time

import msgspec
import uvloop

from bench.child import Sample, answer, given
from domain.kernel import Event, Recorded
from infra.eventstore import reader
from infra.eventstore.reader import Row
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings


class Reads(msgspec.Struct, frozen=True):
    """`decoded`: as everybody reads the log; else the rows, as an export would."""

    settings: Settings
    events: int  # to be read: positions 1 to this
    page: int
    decoded: bool


async def run(load: Reads) -> Sample:
    """`per_s`: events a second; and how many were `missed` or came `twice`."""
    positions: list[int] = []
    async with open_runtime(load.settings) as runtime:
        start = time.perf_counter()
        while len(positions) < load.events and (page := await _page(runtime, load, positions)):
            positions += [one.position for one in page]
        per_s = len(positions) / (time.perf_counter() - start)
    return read(load.events, positions, per_s)


async def _page(
    runtime: Runtime, load: Reads, positions: list[int]
) -> list[Row] | list[Recorded[Event]]:
    after, limit = positions[-1] if positions else 0, min(load.page, load.events - len(positions))
    if load.decoded:
        return await runtime.store.read(after, limit, motion=False)
    return await reader.read_rows(runtime.db, after, limit, motion=False)


def read(events: int, positions: list[int], per_s: float) -> Sample:
    """What was read of positions 1 to `events`."""
    once = set(positions)
    missed = len(set(range(1, events + 1)) - once)
    return Sample({"per_s": per_s, "missed": missed, "twice": len(positions) - len(once)})


if __name__ == "__main__":
    answer(uvloop.run(run(given(Reads))))
