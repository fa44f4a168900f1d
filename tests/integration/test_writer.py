"""The writer when things go wrong: too much work, callers that leave, connections that break."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NoReturn
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest

from domain.activity import ActivityRecorded
from domain.kernel import Event, Metadata
from domain.motion import CursorMoved
from infra.eventstore import queue, writer
from infra.eventstore.types import (
    ANY,
    NEW,
    Appended,
    Conflict,
    Motion,
    Repeated,
    StoreOverloaded,
    To,
)
from infra.runtime import Runtime

LIMIT_S = 20.0
LOG_LOCK = 5_014_001
BLOCKED = """
SELECT pid FROM pg_stat_activity WHERE query LIKE '%formula_append(%' AND wait_event = 'advisory'
    AND datname = current_database()
"""


def act(text: str = "x") -> Event:
    data = msgspec.Raw(msgspec.json.encode({"text": text}))
    return ActivityRecorded(room="project:x", kind="note", data=data)


def append(
    runtime: Runtime, stream: UUID, expected: int = NEW, *events: Event, id_: UUID | None = None
) -> asyncio.Task[Appended]:
    metadata = Metadata(command_id=id_ or uuid4())
    return asyncio.create_task(
        runtime.store.append(metadata, To(stream, expected, events or (act(),)))
    )


@asynccontextmanager
async def log_held(runtime: Runtime) -> AsyncGenerator[None]:
    """Somebody else appends, and takes their time."""
    async with runtime.db.connection() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOG_LOCK,))
        yield


async def in_flight(runtime: Runtime) -> int:
    """The backend of an append that waits for the log."""
    async with asyncio.timeout(LIMIT_S), runtime.db.connection() as connection:
        while True:
            row = await (await connection.execute(BLOCKED)).fetchone()
            if row is not None:
                return row[0]


async def test_too_much_work_is_refused_and_what_was_taken_is_stored(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MAX_WAITING", 20)
    async with log_held(runtime):
        taken: list[asyncio.Task[Appended]] = []
        while not any(task.done() for task in taken):
            assert len(taken) < 100, "it takes whatever comes"
            taken.append(append(runtime, uuid4()))
            await asyncio.sleep(0)
        with pytest.raises(StoreOverloaded):
            await taken.pop()
    assert len(await asyncio.gather(*taken)) >= 20
    await append(runtime, uuid4())


async def test_bytes_count_as_well(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MAX_WAITING_BYTES", 100_000)
    async with log_held(runtime):
        first = append(runtime, uuid4())
        await in_flight(runtime)
        large = append(runtime, uuid4(), NEW, act("x" * 100_000))
        await asyncio.sleep(0)
        with pytest.raises(StoreOverloaded):
            await append(runtime, uuid4())
    await asyncio.gather(first, large)


async def test_a_caller_who_leaves_early_takes_the_command_back(runtime: Runtime) -> None:
    early, late = uuid4(), uuid4()
    async with log_held(runtime):
        sent = append(runtime, late, NEW, id_=late)
        await in_flight(runtime)
        waiting = append(runtime, early, NEW, id_=early)
        await asyncio.sleep(0)
        for task in (sent, waiting):
            task.cancel()
        await asyncio.gather(sent, waiting, return_exceptions=True)
    await append(runtime, uuid4())
    assert await runtime.store.first(early) is None
    assert await runtime.store.first(late) is not None, "it was on its way"
    assert await runtime.store.read_stream(early) == []
    assert len(await runtime.store.read_stream(late)) == 1


async def test_what_was_on_its_way_goes_again_over_another_connection(runtime: Runtime) -> None:
    streams = [uuid4() for _ in range(100)]
    async with log_held(runtime):
        tasks = [append(runtime, stream) for stream in streams]
        async with runtime.db.connection() as connection:
            await connection.execute("SELECT pg_terminate_backend(%s)", (await in_flight(runtime),))
        await in_flight(runtime)
    for task in tasks:
        assert (await task).versions == (1,)
    assert len(await runtime.store.read(0, 1_000)) == len(streams)


async def test_one_bad_command_fails_alone(runtime: Runtime) -> None:
    """Whatever Postgres has against it."""
    async with runtime.db.connection() as connection:
        await connection.execute(
            "ALTER TABLE formula_events ADD CHECK (position('poison'::bytea IN state) = 0)"
        )
    async with log_held(runtime):
        first = append(runtime, uuid4())
        await in_flight(runtime)
        good = [append(runtime, uuid4()) for _ in range(5)]
        bad = append(runtime, uuid4(), NEW, act("poison"))
        good += [append(runtime, uuid4()) for _ in range(5)]
    with pytest.raises(psycopg.IntegrityError):
        await bad
    assert len(await asyncio.gather(first, *good)) == 11


async def test_motion_that_is_refused_takes_no_command_with_it(runtime: Runtime) -> None:
    async with runtime.db.connection() as connection:
        await connection.execute("ALTER TABLE formula_motion_events ADD CHECK (false) NOT VALID")
    moved = CursorMoved(room="project:x", at=msgspec.Raw(b"{}"))
    one = append(runtime, uuid4())
    await asyncio.sleep(0)  # it waits for the end of this turn of the loop: so does what follows
    runtime.store.append_motion(Motion(moved, uuid4(), uuid4(), None))
    assert (await one).versions == (1,)


async def test_a_reconnect_to_a_database_that_is_not_ready_is_tried_again(
    runtime: Runtime,
) -> None:
    """A restore under a running process: what it needs is not there yet."""
    move = "ALTER TYPE formula_check RENAME TO hidden", "ALTER TYPE hidden RENAME TO formula_check"
    await append(runtime, uuid4())
    async with runtime.db.connection() as connection:
        await connection.execute(move[0])
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND datname = current_database() AND query LIKE '%formula_append%'"
        )
    waiting = append(runtime, uuid4())
    done, _ = await asyncio.wait({waiting}, timeout=0.5)
    assert not done
    async with runtime.db.connection() as connection:
        await connection.execute(move[1])
    assert (await waiting).versions == (1,)


async def test_guards_count_while_they_wait(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MAX_WAITING_BYTES", 100_000)
    guards = [To(uuid4(), NEW) for _ in range(900)]
    async with log_held(runtime):
        first = append(runtime, uuid4())
        await in_flight(runtime)
        metadata = Metadata(command_id=uuid4())
        large = asyncio.create_task(
            runtime.store.append(metadata, To(uuid4(), NEW, (act(),)), *guards)
        )
        await asyncio.sleep(0)
        with pytest.raises(StoreOverloaded):
            await append(runtime, uuid4())
    await asyncio.gather(first, large)


@pytest.mark.parametrize("step", ["append_statement", "answers"])
async def test_a_defect_in_a_batch_reaches_its_callers_and_no_others(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Without an answer they would wait for ever, and so would who comes after them."""

    def broken(*_: object) -> NoReturn:
        raise ArithmeticError(step)

    with monkeypatch.context() as patch:
        patch.setattr(writer, step, broken)
        answers = await asyncio.gather(
            *(append(runtime, uuid4()) for _ in range(3)), return_exceptions=True
        )
    assert [str(answer) for answer in answers] == [step] * 3
    assert (await append(runtime, uuid4())).versions == (1,)


async def test_much_at_once_goes_through_a_small_socket_buffer(runtime: Runtime) -> None:
    stream = uuid4()
    large = [append(runtime, stream, ANY, act("x" * 200_000)) for _ in range(60)]
    stored = await asyncio.gather(*large)
    assert sorted(one.versions[0] for one in stored) == list(range(1, 61))
    assert len(await runtime.store.read_stream(stream)) == 60


async def test_conflicts_repeats_and_any_versions_share_a_batch(runtime: Runtime) -> None:
    """Each gets its own answer, and whole commands are skipped, never parts."""
    there, shared, again = uuid4(), uuid4(), uuid4()
    await append(runtime, there, NEW, act("1"), act("2"), id_=again)
    async with log_held(runtime):
        first = append(runtime, uuid4())
        await in_flight(runtime)
        exact = append(runtime, uuid4(), NEW, act(), act())
        stale = append(runtime, there, 1)
        free = [append(runtime, shared, ANY, act("a"), act("b")) for _ in range(3)]
        repeated = append(runtime, uuid4(), NEW, id_=again)
    await first
    assert (await exact).versions == (1, 2)
    with pytest.raises(Conflict):
        await stale
    assert [one.versions for one in await asyncio.gather(*free)] == [(1, 2), (3, 4), (5, 6)]
    with pytest.raises(Repeated):
        await repeated
    assert [one.version for one in await runtime.store.read_stream(there)] == [1, 2]


async def test_times_do_not_go_back_when_the_clock_does(runtime: Runtime) -> None:
    async with runtime.db.connection() as connection:
        await connection.execute(
            "SELECT setval('formula_events_clock', (extract(epoch FROM"
            " clock_timestamp() + interval '1 hour') * 1e6)::bigint)"
        )
    before = runtime.now()
    first, second = [await append(runtime, uuid4()) for _ in range(2)]
    assert first.at == second.at > before
    assert [one.at for one in await runtime.store.read(0, 10)] == [first.at, second.at]


async def test_plans_made_over_an_empty_log_use_its_indexes(runtime: Runtime) -> None:
    """They are kept for as long as the connection, and the log grows."""
    for _ in range(50):
        await asyncio.gather(*(append(runtime, uuid4(), version) for version in (NEW, ANY)))
    sequential, indexed = 0, 0
    async with asyncio.timeout(LIMIT_S):
        while indexed < 100:  # a backend reports what it did once a second, after a transaction
            await append(runtime, uuid4())
            sequential, indexed = await _scans(runtime)
    assert sequential <= 2, "what the migrations did"


async def _scans(runtime: Runtime) -> tuple[int, int]:
    async with runtime.db.connection() as connection:
        cursor = await connection.execute(
            "SELECT coalesce(sum(seq_scan), 0)::int, coalesce(sum(idx_scan), 0)::int"
            " FROM pg_stat_user_tables WHERE relname = 'formula_events'"
        )
        row = await cursor.fetchone()
    assert row is not None
    return row
