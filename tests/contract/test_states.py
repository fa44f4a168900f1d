"""Folded states on both stores: cached, dropped when the log moves on, kept as snapshots."""

import asyncio
from uuid import UUID, uuid4

import msgspec

from domain.kernel import Event, Metadata, Recorded
from domain.project import (
    PROJECT,
    ChangeProject,
    Project,
    ProjectChanged,
    ProjectRole,
)
from domain.task import TASK, Task
from infra.eventstore.memory import MemoryStore
from infra.eventstore.snapshots import Snapshot, fingerprint
from infra.eventstore.states import SNAPSHOT_EVERY, Loaded, States
from infra.eventstore.store import Store
from infra.eventstore.types import MAX_READ, To
from infra.runtime import Clock
from tests.contract.test_execute import ANN, Desk, change, create

WAIT_S = 10.0


async def long_project(store: Store, versions: int) -> UUID:
    project = uuid4()
    await Desk(store).do(create(project))
    renamed = tuple(ProjectChanged(name=f"P{n}") for n in range(3, versions + 1))
    await store.append(Metadata(command_id=uuid4()), To(project, 2, renamed))
    return project


async def test_whoever_folded_much_leaves_a_snapshot(store: Store) -> None:
    project = await long_project(store, SNAPSHOT_EVERY + 50)
    loaded = await States(store).load(PROJECT, project)
    kept = await store.snapshot(project, fingerprint(PROJECT))
    assert kept is not None
    assert kept.version == loaded.version == SNAPSHOT_EVERY + 50
    assert msgspec.json.decode(kept.state, type=Project) == loaded.state


async def test_a_short_stream_is_not_worth_one(store: Store) -> None:
    project = await long_project(store, SNAPSHOT_EVERY - 1)
    await States(store).load(PROJECT, project)
    assert await store.snapshot(project, fingerprint(PROJECT)) is None


async def test_a_load_starts_at_the_snapshot_and_goes_on_to_the_end(store: Store) -> None:
    project = await long_project(store, SNAPSHOT_EVERY + 50)
    honest = (await States(store).load(PROJECT, project)).state
    marked = msgspec.structs.replace(honest, members={UUID(int=99): ProjectRole.VIEWER})
    version = SNAPSHOT_EVERY + 51
    await store.append(Metadata(command_id=uuid4()), To(project, version - 1, (renamed("Q"),)))
    snapshot = Snapshot(version, msgspec.json.encode(marked))
    await store.keep_snapshot(project, fingerprint(PROJECT), snapshot)
    await store.append(Metadata(command_id=uuid4()), To(project, version, (renamed("R"),)))
    loaded = await States(store).load(PROJECT, project)
    assert loaded.version == version + 1
    assert loaded.state.members == marked.members, "it was folded from the beginning"
    assert loaded.state.details.name == "R"


async def test_what_other_code_folded_is_not_looked_at(store: Store) -> None:
    project = await long_project(store, SNAPSHOT_EVERY + 50)
    await store.keep_snapshot(project, "project:other", Snapshot(SNAPSHOT_EVERY + 50, b"{}"))
    assert (await States(store).load(PROJECT, project)).state.members == {ANN: ProjectRole.MANAGER}


async def test_a_loaded_state_is_as_new_as_the_log(store: Store) -> None:
    """Whoever else appended: not one load may be answered from what is old."""
    mine, others, project = Desk(store), Desk(store), uuid4()
    await others.do(create(project))
    for number in range(3, 30):
        assert (await mine.states.load(PROJECT, project)).version == number - 1
        await others.do(change(project, ChangeProject(name=f"P{number}")))
    assert (await mine.states.load(PROJECT, project)).state.details.name == "P29"


async def test_what_did_not_exist_is_found_when_it_does(store: Store) -> None:
    mine, project = Desk(store), uuid4()
    await mine.states.look()
    for _ in range(2):
        assert (await mine.states.load(PROJECT, project)).version == 0
    await Desk(store).do(create(project))
    assert (await mine.states.load(PROJECT, project)).version == 2


async def test_what_does_not_exist_is_nobodys(store: Store) -> None:
    """Whoever asks for it as something else must not be told that it is one thing."""
    states, stream = States(store), uuid4()
    await states.load(PROJECT, stream)
    assert await states.load(TASK, stream) == Loaded(Task(), 0)


class Counting(MemoryStore):
    """Counts how often a stream is read."""

    reads = 0

    async def read_stream(
        self, stream: UUID, after: int = 0, limit: int = MAX_READ
    ) -> list[Recorded[Event]]:
        self.reads += 1
        return await super().read_stream(stream, after, limit)


class Slow(MemoryStore):
    """What a read has found it keeps to itself until the gate opens."""

    def __init__(self) -> None:
        super().__init__(Clock().now)
        self.found, self.gate = asyncio.Event(), asyncio.Event()

    async def read_stream(
        self, stream: UUID, after: int = 0, limit: int = MAX_READ
    ) -> list[Recorded[Event]]:
        found = await super().read_stream(stream, after, limit)
        self.found.set()
        await self.gate.wait()
        return found


async def test_a_hot_aggregate_costs_no_read() -> None:
    store = Counting(Clock().now)
    desk, project = Desk(store), uuid4()
    await desk.do(create(project))
    before = store.reads
    for number in range(10):
        await desk.do(change(project, ChangeProject(name=f"P{number}")))
    assert store.reads == before


async def test_who_asks_again_has_the_state_without_a_read() -> None:
    store = Counting(Clock().now)
    mine, project = Desk(store), uuid4()
    await Desk(store).do(create(project))
    await mine.states.look()
    await mine.states.load(PROJECT, project)
    before = store.reads
    for _ in range(5):
        assert (await mine.states.load(PROJECT, project)).version == 2
    assert store.reads == before
    await Desk(store).do(change(project, ChangeProject(name="Q")))
    before = store.reads
    assert (await mine.states.load(PROJECT, project)).version == 3
    assert store.reads == before + 1


async def test_an_append_during_a_read_is_not_missed_by_who_asks_after_it() -> None:
    """The read has its rows, and a look sees what came since, before the rows are kept."""
    store = Slow()
    states, project, meanwhile = States(store), uuid4(), (renamed("Q"),)
    await store.append(Metadata(command_id=uuid4()), To(project, 0, (renamed("P"), renamed("P"))))
    await states.look()
    reading = asyncio.create_task(states.load(PROJECT, project))
    async with asyncio.timeout(WAIT_S):
        await store.found.wait()
    await store.append(Metadata(command_id=uuid4()), To(project, 2, meanwhile))
    await states.look()
    store.gate.set()
    assert (await reading).version == 2
    assert states.cached(PROJECT, project) is None
    assert (await states.load(PROJECT, project)).version == 3


class Losing(MemoryStore):
    """A log that can lose its last event."""

    def forget_last(self) -> None:
        lost = self._log.pop()
        self._versions[lost.stream] -= 1


async def test_another_log_makes_what_was_known_of_the_one_before_nothing() -> None:
    """As after a failover to a server that lacks the last appends."""
    store = Losing(Clock().now)
    desk, project = Desk(store), uuid4()
    await desk.do(create(project))
    await desk.states.look()
    await desk.do(change(project, ChangeProject(name="lost")))
    await desk.states.look()
    assert (await desk.states.load(PROJECT, project)).version == 3
    store.forget_last()
    assert (await desk.states.load(PROJECT, project)).version == 2


async def test_a_state_that_the_log_moved_past_is_dropped(store: Store) -> None:
    mine, moved, still = Desk(store), uuid4(), uuid4()
    await mine.states.look()
    following = asyncio.create_task(mine.states.follow())
    await mine.do(create(moved))
    await mine.do(create(still))
    async with asyncio.timeout(WAIT_S):
        name = 0
        while mine.states.cached(PROJECT, moved) is not None:  # it may not look yet
            name += 1
            await Desk(store).do(change(moved, ChangeProject(name=f"Q{name}")))
            await asyncio.sleep(0)
    assert mine.states.cached(PROJECT, still) is not None, "nobody else touched it"
    following.cancel()
    outcome = await mine.do(change(moved, ChangeProject(name="mine")))
    assert outcome.version == name + 3


def renamed(name: str) -> ProjectChanged:
    return ProjectChanged(name=name)
