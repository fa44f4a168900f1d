"""Questions that are answered together."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from infra.gathered import Gathered, Shared


class Library:
    """Answers with how many reads there were; a read lasts until `go` is set."""

    def __init__(self) -> None:
        self.reads: list[Sequence[str]] = []
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def read(self, asked: Sequence[str]) -> Mapping[str, int]:
        self.reads.append(asked)
        self.begun.set()
        number = len(self.reads)
        await self.go.wait()
        if "bad" in asked:
            raise ValueError("bad")
        return dict.fromkeys(asked, number)


async def test_questions_of_one_turn_are_one_read_and_the_same_one_is_read_once() -> None:
    library = Library()
    library.go.set()
    ask = Gathered(library.read).ask
    assert await asyncio.gather(ask("a"), ask("b"), ask("a")) == [1, 1, 1]
    assert library.reads == [["a", "b"]]


async def test_an_answer_is_not_older_than_its_question() -> None:
    """The same was asked before, but that read may have seen what was then."""
    library = Library()
    ask = Gathered(library.read).ask
    before = asyncio.create_task(ask("a"))
    await library.begun.wait()
    after = asyncio.create_task(ask("a"))
    await asyncio.sleep(0)
    library.go.set()
    assert (await before, await after) == (1, 2)


async def test_a_read_is_bounded() -> None:
    library = Library()
    library.go.set()
    ask = Gathered(library.read, most=2).ask
    assert await asyncio.gather(*(ask(str(number)) for number in range(5))) == [1, 1, 2, 2, 3]


async def test_a_read_that_fails_is_told_to_all_and_the_next_goes_on() -> None:
    library = Library()
    library.go.set()
    ask = Gathered(library.read).ask
    failed = await asyncio.gather(ask("bad"), ask("a"), return_exceptions=True)
    assert [type(one) for one in failed] == [ValueError, ValueError]
    assert await ask("a") == 2


async def test_one_who_gives_up_takes_the_answer_from_nobody() -> None:
    library = Library()
    ask = Gathered(library.read).ask
    impatient, patient = asyncio.create_task(ask("a")), asyncio.create_task(ask("a"))
    await library.begun.wait()
    impatient.cancel()
    library.go.set()
    assert await patient == 1
    with pytest.raises(asyncio.CancelledError):
        await impatient


class Lap:
    """A run lasts until `go` is set; the numbers of those that are over."""

    def __init__(self) -> None:
        self.begun, self.ended = 0, 0
        self.go = asyncio.Event()
        self.fails = False

    async def run(self) -> None:
        self.begun += 1
        await self.go.wait()
        self.ended += 1
        if self.fails:
            raise ValueError("bad")


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_those_who_ask_in_one_turn_share_a_run() -> None:
    lap = Lap()
    lap.go.set()
    shared = Shared(lap.run)
    await asyncio.gather(*(shared.once() for _ in range(5)))
    assert lap.ended == 1


async def test_who_asks_during_a_run_has_the_next_one() -> None:
    lap = Lap()
    shared = Shared(lap.run)
    first = asyncio.create_task(shared.once())
    await turns()
    late = [asyncio.create_task(shared.once()) for _ in range(3)]
    await turns()
    assert lap.begun == 1
    lap.go.set()
    await asyncio.gather(first, *late)
    assert lap.ended == 2


async def test_a_run_that_fails_fails_for_those_who_asked_for_it() -> None:
    lap = Lap()
    lap.fails = True
    lap.go.set()
    shared = Shared(lap.run)
    failed = await asyncio.gather(shared.once(), shared.once(), return_exceptions=True)
    assert [type(one) for one in failed] == [ValueError, ValueError]
    lap.fails = False
    await shared.once()


async def test_who_is_cancelled_takes_the_run_from_nobody() -> None:
    lap = Lap()
    shared = Shared(lap.run)
    gone, stays = asyncio.create_task(shared.once()), asyncio.create_task(shared.once())
    await turns()
    gone.cancel()
    await turns()
    lap.go.set()
    await stays
    assert gone.cancelled()
    assert lap.ended == 1
