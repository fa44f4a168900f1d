"""Whatever is asked of the Postgres store in whatever order, it does what a dict of lists does."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from itertools import count
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from domain.kernel import Event, Metadata
from domain.motion import CursorMoved, Typing
from domain.participation import StatusSet
from infra.eventstore.store import Store
from infra.eventstore.types import ANY, EXISTS, NEW, Appended, Conflict, Motion, Repeated, To
from infra.runtime import open_runtime
from infra.settings import Settings
from tests.faults.children import times
from tests.integration.store_model import Attempt, Ended, Fact, Model, fact

# A failure is made small first, which takes five minutes at most.
pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(900)]

EXAMPLES = times(1_000)
STEPS = 25
WRITERS, STREAMS, PARTICIPATIONS = 2, 4, 2
PAGE = 1_000
WAIT_S = 5.0
USER, ROOM = UUID(int=7), "project:00000000-0000-0000-0000-000000000001"

T = TypeVar("T")


class Part(msgspec.Struct, frozen=True):
    """One stream's part of an append; without events a guard."""

    stream: int  # its number
    expected: int | None  # None: the version that it has
    events: int


class Wish(msgspec.Struct, frozen=True):
    """An append to be made."""

    writer: int
    parts: tuple[Part, ...]
    again: int | None  # with the id of the append so many before it


class Move(msgspec.Struct, frozen=True):
    """A motion fact to be made."""

    writer: int
    participation: int
    typing: bool  # or else a cursor


streams = st.integers(0, STREAMS - 1)
writers = st.integers(0, WRITERS - 1)
places = st.integers(0, 60)  # in the log, which is seldom longer
versions = st.sampled_from([None, None, None, None, ANY, ANY, EXISTS, NEW, 1, 5])
parts = st.builds(Part, stream=streams, expected=versions, events=st.integers(0, 3))
several_parts = st.lists(parts, min_size=1, max_size=3, unique_by=lambda part: part.stream)
wishes = st.builds(
    Wish,
    writer=writers,
    parts=several_parts.filter(lambda some: any(part.events for part in some)).map(tuple),
    again=st.sampled_from([None, None, None, 0, 1, 2, 3, 5, 8]),
)
moves = st.builds(
    Move, writer=writers, participation=st.integers(0, PARTICIPATIONS - 1), typing=st.booleans()
)


class StoreMachine(RuleBasedStateMachine):
    """Two processes' stores on one log, as far as Postgres can tell, and the model of it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._runner, self._open = asyncio.Runner(), AsyncExitStack()
        self.stores = self._run(self._open_stores(settings))
        self.model = Model(self._run(self.stores[0].head()))
        self.streams = [uuid4() for _ in range(STREAMS)]
        self.participations = [uuid4() for _ in range(PARTICIPATIONS)]
        self.ids = [uuid4()]  # of all appends, and one that nobody used
        self.numbers = count()

    async def _open_stores(self, settings: Settings) -> list[Store]:
        runtimes = [
            await self._open.enter_async_context(open_runtime(settings)) for _ in range(WRITERS)
        ]
        return [runtime.store for runtime in runtimes]

    def _run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(doing)

    @rule(wish=wishes)
    def append(self, wish: Wish) -> None:
        self.append_together([wish])

    @rule(together=st.lists(wishes, min_size=2, max_size=8))
    def append_together(self, together: list[Wish]) -> None:
        attempts = [self._attempt(wish) for wish in together]
        stores = [self.stores[wish.writer] for wish in together]
        self.model.explain(self._run(try_all(stores, attempts)))

    @rule(writer=writers, together=st.lists(moves, min_size=1, max_size=6))
    def move(self, writer: int, together: list[Move]) -> None:
        sent = [self._motion(move) for move in together]
        for one in sent:
            self.stores[writer].append_motion(one)
        newest = {(one.participation, type(one.event)): one.event for one in sent}
        seen = self._run(seen_until(self.stores[0], self.model.head(), list(newest.values())))
        self.model.explain_motion(sent, seen)

    @rule(store=writers, place=places, limit=st.integers(1, 30), motion=st.booleans())
    def read(self, store: int, place: int, limit: int, motion: bool) -> None:
        after = self._position(place)
        found = self._run(self.stores[store].read(after, limit, motion=motion))
        assert list(map(fact, found)) == self.model.after(after, motion=motion)[:limit]

    @rule(store=writers, place=places, motion=st.booleans())
    def tail(self, store: int, place: int, motion: bool) -> None:
        after = self._position(place)
        wanted = self.model.after(after, motion=motion)
        events = [one.event for one in wanted[-1:]]
        assert self._run(seen_until(self.stores[store], after, events, motion=motion)) == wanted

    @rule(store=writers, number=streams, after=st.integers(0, 10))
    def read_stream(self, store: int, number: int, after: int) -> None:
        stream = self.streams[number]
        found = self._run(self.stores[store].read_stream(stream, after))
        assert list(map(fact, found)) == self.model.streams.get(stream, [])[after:]

    @rule(store=writers, back=st.integers(0, 20))
    def ask(self, store: int, back: int) -> None:
        command_id = self._id(back)
        assert self._run(self.stores[store].first(command_id)) == self.model.firsts.get(command_id)
        assert self._run(self.stores[store].head()) == self.model.head()

    def teardown(self) -> None:
        """A failed step must not keep the connections open."""
        try:
            found = self._run(self.stores[0].read(self.model.start, PAGE))
            assert list(map(fact, found)) == self.model.log
        finally:
            self._run(self._open.aclose())
            self._runner.close()

    def _attempt(self, wish: Wish) -> Attempt:
        command_id = uuid4() if wish.again is None else self._id(wish.again)
        self.ids.append(command_id)
        meta = Metadata(actor=USER, command="any", command_id=command_id)
        return Attempt(meta, tuple(map(self._to, wish.parts)))

    def _to(self, part: Part) -> To:
        stream = self.streams[part.stream]
        expected = self.model.version(stream) if part.expected is None else part.expected
        return To(stream, expected, tuple(self._event() for _ in range(part.events)))

    def _event(self) -> Event:
        return StatusSet(user=USER, room=ROOM, status=str(next(self.numbers)))

    def _motion(self, move: Move) -> Motion:
        number, participation = next(self.numbers), self.participations[move.participation]
        typing = Typing(room=ROOM, where=str(number), on=True)
        cursor = CursorMoved(room=ROOM, at=msgspec.Raw(b'{"x":%d}' % number))
        return Motion(typing if move.typing else cursor, participation, USER, None)

    def _id(self, back: int) -> UUID:
        return self.ids[-1 - back % len(self.ids)]

    def _position(self, place: int) -> int:
        log = self.model.log
        return log[place % len(log)].position if log and place else self.model.start


async def try_all(stores: Sequence[Store], attempts: Sequence[Attempt]) -> list[Ended]:
    trying = [
        store.append(one.meta, *one.parts) for store, one in zip(stores, attempts, strict=True)
    ]
    outcomes = await asyncio.gather(*trying, return_exceptions=True)
    ended: list[Ended] = []
    for attempt, outcome in zip(attempts, outcomes, strict=True):
        assert isinstance(outcome, Appended | Conflict | Repeated), outcome
        ended.append((attempt, outcome))
    return ended


async def seen_until(
    store: Store, after: int, events: Sequence[Event], *, motion: bool = True
) -> list[Fact]:
    """What a tail gives until it gave all of these."""
    seen: list[Fact] = []
    missing = list(events)
    async with asyncio.timeout(WAIT_S):
        tailing = aiter(store.tail(after, motion=motion))
        while missing:
            batch = await anext(tailing)
            seen += map(fact, batch)
            missing = [event for event in missing if all(event != one.event for one in seen)]
    return seen


def test_the_store_does_what_the_model_does(settings: Settings) -> None:
    class OfThisDatabase(StoreMachine):
        def __init__(self) -> None:
            super().__init__(settings)

    run_state_machine_as_test(  # pyright: ignore[reportUnknownMemberType]  # untyped options
        OfThisDatabase,
        settings=hypothesis_settings(max_examples=EXAMPLES, stateful_step_count=STEPS),
    )
