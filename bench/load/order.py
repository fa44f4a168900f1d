"""Whether a tail of the log sees every event once and in order while other processes write."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

import msgspec
import uvloop

from bench.child import Sample, answer, given
from bench.contestant import contestant, play
from bench.load.append import Appends
from bench.load.streams import changed, metadata
from domain.kernel import Event, Recorded
from infra.eventstore.types import NEW, To
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings

PAGE = 10_000
LATE_S = 30.0  # after the writers, before the tail is said to be stuck


class Watch(msgspec.Struct, frozen=True):
    """A tail beside `writers`, each a process of its own."""

    settings: Settings
    writers: tuple[Appends, ...]


class Seen(msgspec.Struct, frozen=True):
    """All that the check needs of an event."""

    position: int
    stream: UUID
    version: int


async def run(watch: Watch) -> Sample:
    """`events` that the tail saw, and how many were `missed`, `twice`, `disordered`, or `torn`."""
    async with open_runtime(watch.settings) as runtime:
        start, end = await runtime.store.head(), runtime.new_id()
        tailing = asyncio.create_task(_tail(runtime, start, end))
        written = await asyncio.to_thread(play, contestant("writers", *watch.writers))
        await runtime.store.append(metadata(runtime.new_id()), To(end, NEW, (changed(0),)))
        tailed = await asyncio.wait_for(tailing, LATE_S)
        found = verdict(tailed, await _read(runtime, start))
        return Sample(written.values | found, written.errors, written.error)


async def _tail(runtime: Runtime, after: int, end: UUID) -> list[Seen]:
    """What comes, up to the event of stream `end`."""
    seen: list[Seen] = []
    async for batch in runtime.store.tail(after):
        seen += _seen(batch)
        if seen[-1].stream == end:
            break
    return seen


async def _read(runtime: Runtime, after: int) -> list[Seen]:
    """The same from the log when nobody writes any more."""
    seen: list[Seen] = []
    while batch := await runtime.store.read(after, PAGE):
        seen += _seen(batch)
        after = batch[-1].position
    return seen


def _seen(batch: Sequence[Recorded[Event]]) -> list[Seen]:
    return [Seen(one.position, one.stream, one.version) for one in batch]


def verdict(tailed: Sequence[Seen], read: Sequence[Seen]) -> dict[str, float]:
    """`torn`: versions of a stream that do not follow one another in the log's order."""
    positions = [one.position for one in tailed]
    streams: dict[UUID, list[int]] = {}
    for one in read:
        streams.setdefault(one.stream, []).append(one.version)
    return {
        "events": len(tailed),
        "missed": len({one.position for one in read} - set(positions)),
        "twice": sum(times - 1 for times in Counter(positions).values()),
        "disordered": sum(before > after for before, after in pairwise(positions)),
        "torn": sum(
            before + 1 != after
            for versions in streams.values()
            for before, after in pairwise(versions)
        ),
    }


if __name__ == "__main__":
    answer(uvloop.run(run(given(Watch))))
