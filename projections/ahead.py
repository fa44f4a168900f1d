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
    more: Callable[[], Awaitable[None]] | None = None,
) -> AsyncGenerator[Batch]:
    """What is above `after`, to the log's end; at most one batch waits for its turn.

    `more` waits at the log's end, for what comes next or until it is time for an empty batch.
    """

    async def take(after: int, *, ended: bool = False) -> Batch:
        if ended and more is not None:
            await more()
        events = await read(after)
        return Batch(events, prepare(events), len(events) == size)

    coming = asyncio.create_task(take(after))
    try:
        while True:
            batch = await coming
            after = batch.events[-1].position if batch.events else after
            goes_on = batch.whole or more is not None
            if goes_on:
                coming = asyncio.create_task(take(after, ended=not batch.whole))
            yield batch
            if not goes_on:
                return
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
