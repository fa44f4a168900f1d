"""Batches that form while one is under way."""

import asyncio
from collections.abc import Sequence

import pytest

from workers.batching import MAX_BATCH, Batcher


async def test_what_is_asked_meanwhile_is_one_batch() -> None:
    batches: list[int] = []

    async def double(asked: Sequence[int]) -> list[int]:
        batches.append(len(asked))
        await asyncio.sleep(0)
        return [2 * one for one in asked]

    batcher = Batcher(double)
    first = asyncio.create_task(batcher(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    answers = await asyncio.gather(*(batcher(n) for n in range(1, 50)))
    assert await first == 0
    assert answers == [2 * n for n in range(1, 50)]
    assert batches == [1, 49]


async def test_a_batch_has_a_bound() -> None:
    batches: list[int] = []

    async def count(asked: Sequence[int]) -> list[int]:
        batches.append(len(asked))
        return list(asked)

    batcher = Batcher(count)
    await asyncio.gather(*(batcher(n) for n in range(MAX_BATCH + 1)))
    assert batches == [MAX_BATCH, 1]


async def test_an_error_goes_to_everybody_of_the_batch_and_ends_there() -> None:
    async def positive(asked: Sequence[int]) -> list[int]:
        if min(asked) < 0:
            raise ValueError("negative")
        return list(asked)

    batcher = Batcher(positive)
    failed = await asyncio.gather(batcher(-1), batcher(1), return_exceptions=True)
    assert [type(one) for one in failed] == [ValueError, ValueError]
    assert await batcher(1) == 1


async def test_somebody_who_gives_up_spoils_nothing() -> None:
    go = asyncio.Event()

    async def wait(asked: Sequence[int]) -> list[int]:
        await go.wait()
        return list(asked)

    batcher = Batcher(wait)
    impatient, patient = asyncio.create_task(batcher(1)), asyncio.create_task(batcher(2))
    await asyncio.sleep(0)
    impatient.cancel()
    go.set()
    assert await patient == 2
    with pytest.raises(asyncio.CancelledError):
        await impatient
