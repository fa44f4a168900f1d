"""Groups that read the log together see what each would have read alone."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel import Event, Metadata, Recorded
from domain.motion import Typing
from domain.participation import LeaveReason, Left
from infra.eventstore.memory import MemoryStore
from infra.eventstore.types import ANY, Motion, To
from projections import recent
from projections.recent import Recent

LIMIT = 3
READERS = {"live": True, "queries": False, "audit": False}  # whether they want motion

steps = st.one_of(
    st.tuples(st.just("append"), st.booleans()),  # heard or lost
    st.tuples(st.just("move"), st.booleans()),
    st.tuples(st.just("read"), st.sampled_from(sorted(READERS))),
    st.tuples(st.just("begin"), st.sampled_from(sorted(READERS))),
)


class CountedStore(MemoryStore):
    """Remembers from where it was read; what was heard of it is counted by the test."""

    def __init__(self) -> None:
        super().__init__(lambda: datetime(2030, 1, 1, tzinfo=UTC))
        self.reads: list[int] = []
        self.count = 0

    async def read(
        self,
        after: int,
        limit: int,
        *,
        motion: bool = True,
        types: Collection[str] | None = None,
        streams: Collection[UUID] | None = None,
    ) -> list[Recorded[Event]]:
        self.reads.append(after)
        found = await super().read(after, limit, motion=motion, types=types, streams=streams)
        await asyncio.sleep(0)  # others have a turn, as while it comes from Postgres
        return found


class Log:
    """A log, what its followers heard of it, and how far each reader is."""

    def __init__(self) -> None:
        self.store = CountedStore()
        self.lost = False
        self.recent = Recent(self.store, self.store, motion=True)
        self.at = dict.fromkeys(READERS, 0)

    def hear(self, heard: bool) -> None:
        self.store.count += heard
        self.lost = not heard  # the next notification tells of everything

    async def append(self, heard: bool) -> None:
        left = Left(room="ops", user=UUID(int=1), reason=LeaveReason.SAID)
        await self.store.append(Metadata(command_id=uuid4()), To(uuid4(), ANY, (left,)))
        self.hear(heard)

    async def move(self, heard: bool) -> None:
        typing = Typing(room="ops", where="title", on=True)
        self.store.append_motion(Motion(typing, uuid4(), UUID(int=1), None))
        self.hear(heard)

    async def read(self, reader: str) -> None:
        after, motion = self.at[reader], READERS[reader]
        found = await self.recent.read(after, LIMIT, motion=motion)
        there = await self.store.read(after, LIMIT, motion=motion)
        assert list(found) == there[: len(found)], "something is missing or twice"
        assert found or not there, "what is there is found at last, heard of or not"
        if not self.lost:
            assert list(found) == there, "everything that was heard of is found at once"
        self.at[reader] = found[-1].position if found else after

    async def begin(self, reader: str) -> None:
        self.recent.forget()
        self.at[reader] = 0


@given(st.lists(steps, max_size=60))
def test_readers_of_one_log_each_see_all_of_it(taken: list[tuple[str, bool | str]]) -> None:
    async def play() -> None:
        log = Log()
        for name, argument in taken:
            await getattr(log, name)(argument)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recent, "KEPT", 4)
        asyncio.run(play())


def test_one_read_serves_all_who_follow() -> None:
    async def play() -> list[int]:
        log = Log()
        await log.append(heard=True)
        for motion in READERS.values():
            await log.recent.read(0, LIMIT, motion=motion)
        return log.store.reads

    assert asyncio.run(play()) == [0]


def test_who_begins_anew_while_another_reads_misses_nothing() -> None:
    async def play() -> None:
        log = Log()
        await log.append(heard=True)
        await log.read("live")
        await log.append(heard=True)
        reading = asyncio.create_task(log.read("live"))
        await asyncio.sleep(0)
        await log.begin("queries")
        await reading
        await log.read("queries")

    asyncio.run(play())
