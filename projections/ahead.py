"""Reading ahead: the next batch is read and projected while this one is on its way to Postgres."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import msgspec

from domain.kernel import Event, Recorded
from projections.step import Prepared

Events = Sequence[Recorded[Event]]


class Batch(msgspec.Struct, frozen=True):
    """Events in a row; the last batch is not whole and may be empty."""

    events: Events
    prepared: Prepared | None
    whole: bool


async def batches(
    read: Callable[[int], Awaitable[Events]],
    prepare: Callable[[Events], Prepared | None],
    after: int,
    size: int,
) -> AsyncGenerator[Batch]:
    """What is above `after`, to the log's end; at most one batch waits for its turn."""

    async def take(after: int) -> Batch:
        events = await read(after)
        return Batch(events, prepare(events), len(events) == size)

    coming = asyncio.create_task(take(after))
    try:
        while True:
            batch = await coming
            if batch.whole:
                coming = asyncio.create_task(take(batch.events[-1].position))
            yield batch
            if not batch.whole:
                return
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
