"""Motion's partitions come and go under readers and appends, and nobody waits for that."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest

from domain.hold import HOLD, HOLDS_STREAM, PlaceHold, ReleaseHold
from domain.kernel import Command, Event, Recorded
from domain.motion import CursorMoved
from infra.db import Connection
from infra.eventstore.motion import (
    AHEAD,
    WIDTH,
    Maintained,
    State,
    maintain,
    make_partitions,
    partitions,
)
from infra.eventstore.types import ANY, Motion, To
from infra.runtime import SYSTEM, Runtime
from infra.settings import Settings
from tests.contract.test_store import ROOM, act, meta
from tests.integration.command import formula
from tests.workers.office import until

WAIT_S = 10.0
APPEND_S = 10.0  # half of what a patient maintainer waits for a lock
DAY = 86_400
STREAM = UUID(int=1)
FIRST, SECOND = "formula_motion_events_00000000", "formula_motion_events_00000001"


async def jump(db: Connection, position: int) -> None:
    """Let the next event get that position."""
    await db.execute("SELECT setval('formula_events_notification_id_seq', %s, false)", (position,))


async def grow_old(db: Connection) -> None:
    await db.execute(
        "UPDATE formula_motion_events SET recorded_at = recorded_at - interval '8 days'"
    )


async def move(runtime: Runtime, project: UUID | None = None) -> None:
    """A durable event and a motion fact."""
    head = await runtime.store.head()
    moved = CursorMoved(room=ROOM, at=msgspec.Raw(b'{"x":1}'))
    runtime.store.append_motion(Motion(moved, uuid4(), UUID(int=7), project))
    await runtime.store.append(meta(), To(STREAM, ANY, (act(),)))
    await follow(runtime, lambda seen: len(seen) == 2, head)


async def follow(
    runtime: Runtime, enough: Callable[[Sequence[Recorded[Event]]], bool], after: int = 0
) -> list[Recorded[Event]]:
    """What a tail gives, until it is enough."""
    seen: list[Recorded[Event]] = []
    async with asyncio.timeout(WAIT_S):
        async for batch in runtime.store.tail(after):
            seen += batch
            if enough(seen):
                break
    return seen


def versions(last: int) -> Callable[[Sequence[Recorded[Event]]], bool]:
    return lambda seen: last in durable(seen)


async def maintained(runtime: Runtime, keep_s: int = 7 * DAY) -> Maintained:
    done = await maintain(runtime.settings.database_url, keep_s)
    assert done is not None
    return done


async def state_of(db: Connection, name: str) -> State | None:
    return next((one.state for one in await partitions(db) if one.name == name), None)


async def until_state(db: Connection, name: str, wanted: State) -> None:
    async def reached() -> bool:
        return await state_of(db, name) == wanted

    await until(reached)


def durable(events: Sequence[Recorded[Event]]) -> list[int]:
    return [one.version for one in events if one.version]


def motion(events: Sequence[Recorded[Event]]) -> int:
    return sum(1 for one in events if not one.version)


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who maintains gives up later than a test has done its part, however slow the machine is."""
    session = f"-c lock_timeout={2 * APPEND_S:.0f}s"
    monkeypatch.setattr("infra.eventstore.motion.SESSION", session)


@pytest.fixture
async def db(settings: Settings) -> AsyncGenerator[Connection]:
    connection = await psycopg.AsyncConnection[Any].connect(settings.database_url, autocommit=True)
    async with connection:
        yield connection


@asynccontextmanager
async def reader(settings: Settings) -> AsyncGenerator[Connection]:
    """Somebody who has read motion and keeps the transaction open, as pg_dump does."""
    connection = await psycopg.AsyncConnection[Any].connect(
        settings.database_url, application_name="analyst"
    )
    async with connection:
        await connection.execute("SELECT count(*) FROM formula_motion_events")
        yield connection
        await connection.rollback()


@pytest.fixture
async def aged(runtime: Runtime, db: Connection) -> Runtime:
    """Old motion in the first partition; the head is in the second."""
    await move(runtime)
    await move(runtime)
    await grow_old(db)
    await jump(db, WIDTH + 1)
    await move(runtime)
    return runtime


async def test_the_log_is_one_across_two_partitions(runtime: Runtime, db: Connection) -> None:
    await jump(db, WIDTH - 7)
    for _ in range(10):
        await move(runtime)
    everything = await runtime.store.read(0, 100)
    positions = [one.position for one in everything]
    assert (durable(everything), motion(everything)) == (list(range(1, 11)), 10)
    assert positions == list(range(WIDTH - 7, WIDTH + 13))
    assert await follow(runtime, lambda seen: len(seen) == 20) == everything
    assert durable(await runtime.store.read(0, 100, motion=False)) == list(range(1, 11))


async def test_an_old_partition_goes_and_every_durable_event_stays(aged: Runtime) -> None:
    done = await maintained(aged)
    assert (done.dropped, done.held) == ([FIRST], None)
    left = await follow(aged, versions(3))
    assert (durable(left), motion(left)) == ([1, 2, 3], 1)


async def test_a_partition_goes_only_when_its_newest_fact_is_too_old(
    aged: Runtime, db: Connection
) -> None:
    assert (await maintained(aged, 9 * DAY)).dropped == []
    await db.execute(
        "UPDATE formula_motion_events SET recorded_at = clock_timestamp()"
        " WHERE position = (SELECT max(position) FROM formula_motion_events WHERE position < %s)",
        (WIDTH,),
    )
    assert (await maintained(aged)).dropped == []


async def hold(runtime: Runtime, command: Command) -> None:
    await runtime.execute(SYSTEM, HOLD, HOLDS_STREAM, command)


async def test_a_legal_hold_keeps_its_projects_partitions(runtime: Runtime, db: Connection) -> None:
    held, other, now = uuid4(), uuid4(), runtime.now()
    await move(runtime, held)
    await jump(db, WIDTH + 1)
    await move(runtime, other)
    await jump(db, 2 * WIDTH + 1)
    await move(runtime)
    await grow_old(db)
    await hold(runtime, PlaceHold(subject=held, kind="project", reason="case", at=now))
    assert (await maintained(runtime)).dropped == [SECOND]
    await hold(runtime, ReleaseHold(subject=held, reason="closed", at=now))
    assert (await maintained(runtime)).dropped == [FIRST]


async def test_the_partition_of_the_head_stays_however_old(aged: Runtime, db: Connection) -> None:
    await grow_old(db)
    assert (await maintained(aged)).dropped == [FIRST]
    assert await state_of(db, SECOND) == State.ATTACHED


async def test_an_append_under_way_still_has_its_partition(
    runtime: Runtime, db: Connection
) -> None:
    """It has drawn positions of the next one, but nobody sees them yet."""
    await move(runtime)
    await grow_old(db)
    await jump(db, WIDTH + 1)
    assert (await maintained(runtime)).dropped == []
    await move(runtime)
    assert (await maintained(runtime)).dropped == [FIRST]


async def test_an_empty_partition_that_was_passed_goes(runtime: Runtime, db: Connection) -> None:
    await jump(db, 2 * WIDTH)
    await move(runtime)
    assert (await maintained(runtime)).dropped == [FIRST, SECOND]


async def test_there_are_always_partitions_ahead(aged: Runtime, db: Connection) -> None:
    await jump(db, 20 * WIDTH)
    assert (await maintained(aged)).made == AHEAD + 1
    assert [one.start for one in await partitions(db)][-1] == (20 + AHEAD) * WIDTH
    assert (await maintained(aged)).made == 0


async def test_partitions_hold_what_their_names_say(aged: Runtime, db: Connection) -> None:
    await jump(db, 20 * WIDTH)
    await maintained(aged)
    for one in await partitions(db):
        assert one.bounds == f"FOR VALUES FROM ('{one.start}') TO ('{one.end}')"


async def test_a_new_partition_waits_for_no_reader(aged: Runtime, db: Connection) -> None:
    await jump(db, 20 * WIDTH)
    async with reader(aged.settings), asyncio.timeout(APPEND_S):
        assert await make_partitions(db) == AHEAD + 1
        await move(aged)


@pytest.mark.usefixtures("_patient")
async def test_appends_and_tails_go_on_while_a_detach_waits_for_a_reader(
    aged: Runtime, db: Connection
) -> None:
    following = asyncio.create_task(follow(aged, versions(33)))
    async with reader(aged.settings):
        maintaining = asyncio.create_task(maintained(aged))
        await until_state(db, FIRST, State.DETACHING)
        for _ in range(20):
            async with asyncio.timeout(APPEND_S):
                await move(aged)
        assert await state_of(db, FIRST) == State.DETACHING
    assert (await maintaining).dropped == [FIRST]
    for _ in range(10):
        await move(aged)
    seen = await following
    positions = [one.position for one in seen]
    assert positions == sorted(set(positions))
    assert durable(seen) == list(range(1, 34))
    assert durable(await follow(aged, versions(33))) == list(range(1, 34))


async def test_a_reader_who_stays_is_named_and_the_next_round_goes_on(
    aged: Runtime, db: Connection
) -> None:
    async with reader(aged.settings) as analyst:
        done = await maintained(aged)
        assert done.held is not None
        assert (done.dropped, done.held.table) == ([], FIRST)
        assert (done.held.pid, done.held.by) == (analyst.info.backend_pid, "analyst")
    assert await state_of(db, FIRST) == State.DETACHING
    assert (await maintained(aged)).dropped == [FIRST]


@pytest.mark.usefixtures("_patient")
async def test_a_detach_that_was_interrupted_is_finished_first(
    aged: Runtime, db: Connection
) -> None:
    await jump(db, 2 * WIDTH + 1)
    await move(aged)
    await grow_old(db)
    async with reader(aged.settings):
        maintaining = asyncio.create_task(maintained(aged))
        await until_state(db, FIRST, State.DETACHING)
        maintaining.cancel()
        await asyncio.gather(maintaining, return_exceptions=True)
    assert await state_of(db, FIRST) == State.DETACHING
    assert (await maintained(aged)).dropped == [FIRST, SECOND]


async def test_what_was_detached_and_not_dropped_is_dropped_next(
    aged: Runtime, db: Connection
) -> None:
    await db.execute(f"ALTER TABLE formula_motion_events DETACH PARTITION {FIRST} CONCURRENTLY")
    assert await state_of(db, FIRST) == State.DETACHED
    assert (await maintained(aged)).dropped == [FIRST]
    assert await state_of(db, FIRST) is None


@pytest.mark.usefixtures("_patient")
async def test_one_maintains_at_a_time(aged: Runtime, db: Connection) -> None:
    async with reader(aged.settings):
        maintaining = asyncio.create_task(maintained(aged))
        await until_state(db, FIRST, State.DETACHING)
        assert await maintain(aged.settings.database_url, DAY) is None
    assert (await maintaining).dropped == [FIRST]


async def test_who_locks_all_of_motion_is_named_too(settings: Settings) -> None:
    async with await psycopg.AsyncConnection[Any].connect(settings.database_url) as other:
        await other.execute("LOCK TABLE formula_motion_events IN SHARE MODE")
        done = await maintain(settings.database_url, DAY)
        assert done is not None
        assert done.held is not None
        assert (done.held.table, done.held.pid) == (
            "formula_motion_events",
            other.info.backend_pid,
        )


async def test_the_command_says_what_it_dropped_and_who_is_in_the_way(aged: Runtime) -> None:
    async with reader(aged.settings) as analyst:
        code, out, err = await formula(aged, "store", "maintain")
        assert (code, "dropped nothing" in out) == (1, True)
        assert f"{FIRST} is in use, perhaps by analyst (process {analyst.info.backend_pid}" in err
    code, out, err = await formula(aged, "store", "maintain", "--json")
    assert (code, err) == (0, "")
    assert msgspec.json.decode(out, type=Maintained) == Maintained(0, [FIRST], None)
