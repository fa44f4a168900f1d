"""Formula's latency at a fixed rate: until an append is answered, and until a tail has it."""

import asyncio
import gc
import time
from uuid import UUID

import msgspec
import uvloop

from bench.child import Sample, answer, given
from bench.load.distribution import distribution
from bench.load.loops import Latencies, Tally, Window, open_loop
from bench.load.streams import Streams, changed, known, metadata, stream_ids
from infra.eventstore.types import To
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings

LATE_S = 10.0  # after the last answer, before an event that the tail has not got is missed


class Arrivals(msgspec.Struct, frozen=True):
    """`tail`: somebody follows the log in the same process."""

    settings: Settings
    rate: int  # a second
    window: Window
    tail: bool = False
    last: int = 10_000


class Missed(Exception):
    """Events that were appended and that the tail has not got."""


class Timed:
    """Appends, and a tail of the log, that note how long after it was due they had an event."""

    def __init__(self, runtime: Runtime, streams: Streams, since: float) -> None:
        self.appended, self.tailed = Latencies(since), Latencies(since)
        self.caught_up = asyncio.Event()
        self._store, self._new_id = runtime.store, runtime.new_id
        self._streams = streams
        self._due: dict[UUID | None, float] = {}  # by command, of events that no tail has got

    async def append(self, due: float) -> None:
        meta = metadata(self._new_id())
        self._due[meta.command_id] = due
        self.caught_up.clear()
        stream, version = self._streams.take()
        done = await self._store.append(meta, To(stream, version, (changed(version),)))
        self.appended.record(due)
        self._streams.give(stream, done.versions[-1])

    async def follow(self, after: int) -> None:
        async for batch in self._store.tail(after):
            for one in batch:
                self.tailed.record(self._due.pop(one.meta.command_id))
            if not self._due:
                self.caught_up.set()

    async def catch_up(self, tally: Tally) -> None:
        """When no more is appended: wait until the tail has had everything."""
        try:
            await asyncio.wait_for(self.caught_up.wait(), LATE_S)
        except TimeoutError:
            tally.failed(Missed(f"{len(self._due)} events, for {LATE_S:.0f} s"))


async def run(load: Arrivals) -> Sample:
    """`append p50` and `p99`, and with a tail so for `tail`: ms since the append was due."""
    async with open_runtime(load.settings) as runtime:
        async with runtime.db.connection() as connection:
            streams = await known(connection, stream_ids(0, load.last))
        gc.freeze()  # so many streams make a collection long, and a larger log seem slower
        timed = Timed(runtime, streams, time.perf_counter() + load.window.before_s)
        if not load.tail:
            tally = await open_loop(load.rate, load.window, timed.append)
            return tally.sample(distribution(timed.appended, "append"))
        following = asyncio.create_task(timed.follow(await runtime.store.head()))
        tally = await open_loop(load.rate, load.window, timed.append)
        await timed.catch_up(tally)
        following.cancel()
        return tally.sample(
            distribution(timed.appended, "append") | distribution(timed.tailed, "tail")
        )


if __name__ == "__main__":
    answer(uvloop.run(run(given(Arrivals))))
