"""Stock `eventsourcing` code on Formula's log: it reads, projects, and writes beside Formula."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, PersistenceError, StoredEvent

from domain.kernel import Event, Recorded
from domain.motion import CursorMoved
from domain.registry import EVENTS
from domain.task import CommentAdded
from domain.upcasts import UPCASTS
from infra.eventstore.codec import UnknownTag, decode
from infra.eventstore.mapper import DomainEvent
from infra.eventstore.store import Store
from infra.eventstore.types import ANY, NEW, Conflict, Motion, To
from infra.runtime import Runtime
from infra.settings import Settings
from tests.golden.generate import FOLDER
from tests.infra.until import LIMIT_S
from tests.integration.stock import (
    END,
    EVERYTHING,
    ROOM,
    Acknowledged,
    Environment,
    Followed,
    Log,
    as_stock,
    environment_of,
    followed,
    insert,
    meta,
    note,
    read_all,
    runner_of,
    seen_by,
    stock_writes,
    text_of,
    until_listening,
)

STOCK_WRITERS, STOCK_APPENDS, FORMULA_WRITERS = 3, 40, 4
SHARED = [uuid4() for _ in range(4)]  # streams that all writers want


class Comments(Followed):
    topics = ("task.comment_added.v1", "task.comment_added.v2")


@pytest.fixture
def environment(settings: Settings) -> Environment:
    return environment_of(settings)


@pytest.fixture
def reader(environment: Environment) -> Iterator[Log]:
    with Log(environment) as log:
        yield log


@pytest.fixture
def writer(environment: Environment) -> Iterator[Log]:
    with Log(environment) as log:
        yield log


async def test_the_librarys_unsafe_functions_are_not_there_to_be_used(
    environment: Environment,
) -> None:
    """They take no lock, and readers would miss events."""
    unsafe = environment | {"POSTGRES_ENABLE_DB_FUNCTIONS": "y"}
    event = StoredEvent(uuid4(), 1, "task.archived.v1", b"{}")
    with Log(unsafe) as log, pytest.raises(PersistenceError):
        await asyncio.to_thread(log.recorder.insert_events, [event])


# Reading


async def test_stock_code_reads_every_kind_of_event_as_formula_does(
    runtime: Runtime, reader: Log, writer: Log
) -> None:
    streams = {tag: uuid4() for tag in [*EVENTS, *UPCASTS]}
    for tag in EVENTS:
        event = decode(tag, golden(tag))
        await runtime.store.append(meta(), To(streams[tag], NEW, (event, event)))
    await asyncio.to_thread(
        writer.recorder.insert_events,
        [StoredEvent(streams[tag], 1, tag, golden(tag)) for tag in UPCASTS],
    )
    ours = await whole_log(runtime.store)
    assert {type(one.event) for one in ours} == set(EVENTS.values())
    assert len(ours) == 2 * len(EVENTS) + len(UPCASTS)
    assert await asyncio.to_thread(read_all, reader) == ours
    for stream in streams.values():
        by_stream = [without_position(one) for one in ours if one.originator_id == stream]
        assert await asyncio.to_thread(list, reader.events.get(stream)) == by_stream


async def test_a_long_state_is_read_as_it_was_written(runtime: Runtime, reader: Log) -> None:
    await runtime.store.append(meta(), To(uuid4(), NEW, (note("long " * 20_000),)))
    (read,) = await asyncio.to_thread(read_all, reader)
    assert text_of(read.event) == "long " * 20_000


async def test_the_librarys_ddl_leaves_the_log_as_it_is(
    runtime: Runtime, settings: Settings, environment: Environment
) -> None:
    before = shape(settings)
    Log(environment | {"FORMULA_CREATE_TABLE": "yes"}).close()
    assert shape(settings) == before
    assert len(before) > 9, "columns and indexes were found"


# Projecting


async def test_a_runner_sees_all_in_order_while_formula_appends(
    runtime: Runtime, settings: Settings, environment: Environment
) -> None:
    await append(runtime.store, 20)
    with runner_of(Followed, environment) as runner:
        await until_listening(settings)
        position = await append(runtime.store, 200)
        await asyncio.to_thread(runner.wait, position, LIMIT_S)
    assert seen_by(runner) == await whole_log(runtime.store)
    assert len(seen_by(runner)) == 220


async def test_a_runner_goes_on_where_the_last_one_stopped(
    runtime: Runtime, environment: Environment
) -> None:
    position = await append(runtime.store, 20)
    with runner_of(Followed, environment) as runner:
        await asyncio.to_thread(runner.wait, position, LIMIT_S)
    position = await append(runtime.store, 5)
    with runner_of(Followed, environment) as runner:
        await asyncio.to_thread(runner.wait, position, LIMIT_S)
    assert seen_by(runner) == (await whole_log(runtime.store))[20:]


async def test_a_projection_may_ask_for_some_tags_only(
    runtime: Runtime, environment: Environment
) -> None:
    comment = decode("task.comment_added.v2", golden("task.comment_added.v2"))
    await runtime.store.append(meta(), To(uuid4(), NEW, (note("no"), comment, note("no"))))
    appended = await runtime.store.append(meta(), To(uuid4(), NEW, (comment,)))
    with runner_of(Comments, environment) as runner:
        await asyncio.to_thread(runner.wait, appended.positions[-1], LIMIT_S)
    assert [type(one.event) for one in seen_by(runner)] == [CommentAdded, CommentAdded]


async def test_a_runner_stops_before_an_event_that_a_newer_version_wrote(
    runtime: Runtime, environment: Environment, writer: Log
) -> None:
    await append(runtime.store, 1)
    newer = StoredEvent(uuid4(), 1, "newer.thing.v1", b'{"tag":"newer.thing.v1"}')
    await asyncio.to_thread(writer.recorder.insert_events, [newer])
    with runner_of(Followed, environment) as runner:
        with pytest.raises(UnknownTag):
            await asyncio.to_thread(runner.run_forever, LIMIT_S)
        assert [one.position for one in seen_by(runner)] == [1]
        assert runner.view.max_tracking_id("formula") == 1


# Writing


async def test_a_version_that_formula_took_is_a_conflict_for_stock_code(
    runtime: Runtime, writer: Log
) -> None:
    stream = uuid4()
    await runtime.store.append(meta(), To(stream, NEW, (note("1"), note("2"))))
    with pytest.raises(IntegrityError):
        await asyncio.to_thread(insert, writer, stream, 1, [note("late"), note("late")])
    await asyncio.to_thread(insert, writer, stream, 2, [note("3")])
    assert [text_of(one.event) for one in await whole_log(runtime.store)] == ["1", "2", "3"]


async def test_a_version_that_stock_code_took_is_a_conflict_for_formula(
    runtime: Runtime, writer: Log
) -> None:
    stream = uuid4()
    await asyncio.to_thread(insert, writer, stream, 0, [note("1"), note("2")])
    for expected in (NEW, 1):
        with pytest.raises(Conflict) as caught:
            await runtime.store.append(meta(), To(stream, expected, (note("late"),)))
        assert isinstance(caught.value, IntegrityError)
    await runtime.store.append(meta(), To(stream, 2, (note("3"),)))
    assert [text_of(one.event) for one in await whole_log(runtime.store)] == ["1", "2", "3"]


async def test_formulas_append_wakes_a_stock_subscription(
    runtime: Runtime, settings: Settings, reader: Log
) -> None:
    """It has no poll: what comes after its first read, comes by a notification or never."""
    await append(runtime.store, 1)
    with reader.recorder.subscribe(gt=0) as subscription:
        assert (await asyncio.to_thread(next, subscription)).id == 1
        await until_listening(settings)
        position = await append(runtime.store, 1)
        async with asyncio.timeout(LIMIT_S):
            assert (await asyncio.to_thread(next, subscription)).id == position


async def test_a_stock_append_wakes_formulas_follower(runtime: Runtime, writer: Log) -> None:
    follower = runtime.store.follower
    await follower.wait(0, LIMIT_S)  # it listens
    seen = follower.count
    await asyncio.to_thread(insert, writer, uuid4(), 0, [note("1")])
    await follower.wait(seen, LIMIT_S)
    assert follower.count > seen


# Both at once


async def test_with_both_writing_nobody_misses_or_reorders_anything(
    runtime: Runtime, settings: Settings, writer: Log, reader: Log
) -> None:
    store = runtime.store
    with reader.recorder.subscribe(gt=0) as subscription:
        await until_listening(settings)
        followers = asyncio.gather(
            tailed(store), asyncio.to_thread(followed, reader, iter(subscription))
        )
        async with asyncio.timeout(LIMIT_S):
            acknowledged, moved = await write_from_both_sides(store, writer)
            await store.append(meta(), To(uuid4(), NEW, (END,)))
            by_tail, by_stock = await followers
    everything = await store.read(0, EVERYTHING)
    durable = [one for one in everything if one.version]
    assert by_tail == everything
    assert by_stock == [as_stock(one) for one in durable]
    assert sorted(acknowledged) == [(one.position, text_of(one.event)) for one in durable[:-1]]
    assert len(everything) - len(durable) == moved
    for stream in {one.stream for one in durable}:
        versions = [one.version for one in durable if one.stream == stream]
        assert versions == list(range(1, len(versions) + 1))
    sides = [text_of(one.event).partition(" ")[0] for one in durable]
    changes = sum(one != other for one, other in pairwise(sides))
    assert changes >= STOCK_APPENDS, "the two hardly ever wrote at the same time"


async def write_from_both_sides(store: Store, log: Log) -> tuple[Acknowledged, int]:
    """What was acknowledged, and how many motion facts are in the log besides."""
    stock = asyncio.gather(
        *(
            asyncio.to_thread(stock_writes, log, f"stock {n}", STOCK_APPENDS, SHARED)
            for n in range(STOCK_WRITERS)
        )
    )
    ours = await asyncio.gather(
        *(formula_writes(store, f"formula {n}", stock) for n in range(FORMULA_WRITERS))
    )
    moved = sum(motions for _, motions in ours)
    await until_moved(store, moved)
    parts = [*await stock, *(acknowledged for acknowledged, _ in ours)]
    return [one for part in parts for one in part], moved


async def formula_writes(
    store: Store, name: str, stock: asyncio.Future[list[Acknowledged]]
) -> tuple[Acknowledged, int]:
    """For as long as the stock writers write; in turn at any version and at the one it read."""
    acknowledged: Acknowledged = []
    n = 0
    while not stock.done():
        stream = SHARED[n % len(SHARED)]
        expected = ANY if n % 2 else len(await store.read_stream(stream))
        texts = [f"{name} {n}.{k}" for k in range(1 + n % 3)]
        with suppress(Conflict):
            to = To(stream, expected, tuple(note(text) for text in texts))
            appended = await store.append(meta(), to)
            acknowledged += zip(appended.positions, texts, strict=True)
        at = msgspec.Raw(b'{"x":1}')
        store.append_motion(Motion(CursorMoved(room=ROOM, at=at), uuid4(), UUID(int=7), None))
        n += 1
    return acknowledged, n


async def tailed(store: Store) -> list[Recorded[Event]]:
    """What Formula's tail gives, up to END."""
    seen: list[Recorded[Event]] = []
    async for batch in store.tail(0):
        seen += batch
        if seen[-1].event == END:
            break
    return seen


async def until_moved(store: Store, count: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        async for batch in store.tail(0):
            count -= sum(not one.version for one in batch)
            if count <= 0:
                return


# Words


def golden(tag: str) -> bytes:
    return (FOLDER / f"{tag}.json").read_bytes()


async def whole_log(store: Store) -> list[DomainEvent]:
    """Formula's own read, in the library's words."""
    return [as_stock(one) for one in await store.read(0, EVERYTHING)]


def without_position(one: DomainEvent) -> DomainEvent:
    return DomainEvent(one.event, one.originator_id, one.originator_version)


async def append(store: Store, count: int) -> int:
    """One event a command, each on a stream of its own; the last one's position."""
    appended = await asyncio.gather(
        *(store.append(meta(), To(uuid4(), NEW, (note(f"formula {n}"),))) for n in range(count))
    )
    return max(one.positions[-1] for one in appended)


def shape(settings: Settings) -> list[tuple[Any, ...]]:
    """The columns and indexes of the log's table."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        return connection.execute(
            "SELECT column_name, data_type, is_nullable, column_default"
            " FROM information_schema.columns WHERE table_name = 'formula_events'"
            " UNION SELECT indexdef, '', '', '' FROM pg_indexes WHERE tablename = 'formula_events'"
            " ORDER BY 1"
        ).fetchall()
