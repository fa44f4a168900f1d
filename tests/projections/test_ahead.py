"""The next batch is read while this one is worked on, at the log's end as well."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from uuid import uuid4

from domain.kernel import Event, Recorded
from domain.participation import LeaveReason, Left
from projections.ahead import batches
from projections.step import Prepared
from tests.projections.samples import ANN, recorded

SIZE = 3


class Log:
    """Its events have the positions from 1; `grown` is set when some were appended."""

    def __init__(self, events: int) -> None:
        self.events: list[Recorded[Event]] = []
        self.grown = asyncio.Event()
        self.reads: list[int] = []
        self.append(events)

    def append(self, events: int) -> None:
        left = Left(user=ANN, room="a room", reason=LeaveReason.SAID)
        for position in range(len(self.events) + 1, len(self.events) + events + 1):
            self.events.append(recorded(left, uuid4(), position))
        self.grown.set()

    async def read(self, after: int) -> Sequence[Recorded[Event]]:
        self.reads.append(after)
        self.grown.clear()
        await asyncio.sleep(0)
        return self.events[after : after + SIZE]

    async def more(self) -> None:
        await self.grown.wait()


def nothing(_events: Sequence[Recorded[Event]]) -> Prepared | None:
    return None


async def turns() -> None:
    """As long as anything needs that waits for nobody else."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_without_more_it_ends_where_the_log_does() -> None:
    log = Log(SIZE + 1)
    coming = batches(log.read, nothing, 0, SIZE)
    found = [[one.position for one in batch.events] async for batch in coming]
    assert found == [[1, 2, 3], [4]]
    assert log.reads == [0, SIZE]


async def test_what_comes_while_a_batch_is_worked_on_is_read_meanwhile() -> None:
    log = Log(1)
    async with aclosing(batches(log.read, nothing, 0, SIZE, log.more)) as coming:
        first = await anext(coming)
        await turns()
        assert [one.position for one in first.events] == [1]
        assert log.reads == [0], "nothing is there to be read"
        log.append(2)  # the first is still worked on
        await turns()
        assert log.reads == [0, 1]
        log.append(2)
        await turns()
        assert log.reads == [0, 1], "one waits for its turn, and no more"
        second, third = await anext(coming), await anext(coming)
    assert [one.position for one in second.events] == [2, 3]
    assert [one.position for one in third.events] == [4, 5]


async def test_it_is_time_for_an_empty_batch() -> None:
    log = Log(0)
    async with aclosing(batches(log.read, nothing, 0, SIZE, log.more)) as coming:
        assert not (await anext(coming)).events
        log.grown.set()
        assert not (await anext(coming)).events
        log.append(1)
        assert [one.position for one in (await anext(coming)).events] == [1]
