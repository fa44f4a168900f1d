"""Formula's appends: so many callers, one event a command, each names the version it knows."""

import msgspec
import uvloop

from bench.child import Sample, answer, given, ready
from bench.load.loops import Window, closed_loop
from bench.load.streams import changed, known, metadata, stream_ids
from infra.eventstore.types import To
from infra.runtime import open_runtime
from infra.settings import Settings


class Appends(msgspec.Struct, frozen=True):
    """`first` to `last`: the numbers of the streams, apart from those of other processes."""

    settings: Settings
    callers: int
    window: Window
    first: int = 0
    last: int = 10_000


async def run(load: Appends) -> Sample:
    """`per_s`: durable events a second."""
    async with open_runtime(load.settings) as runtime:
        async with runtime.db.connection() as connection:
            streams = await known(connection, stream_ids(load.first, load.last))

        async def append() -> None:
            stream, version = streams.take()
            to = To(stream, version, (changed(version),))
            appended = await runtime.store.append(metadata(runtime.new_id()), to)
            streams.give(stream, appended.versions[-1])

        ready()
        return await closed_loop(load.callers, load.window, append)


if __name__ == "__main__":
    answer(uvloop.run(run(given(Appends))))
