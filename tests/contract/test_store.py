"""The contract of an event store: the same cases for MemoryStore and PostgresStore."""

import asyncio
from uuid import UUID, uuid4

import msgspec
import pytest

from domain.activity import ActivityRecorded
from domain.kernel import Event, Metadata
from domain.motion import CursorMoved
from infra.eventstore.codec import MAX_STATE, TooLarge, UnknownTag
from infra.eventstore.store import Store
from infra.eventstore.types import (
    ANY,
    EXISTS,
    MAX_EVENTS,
    NEW,
    BadAppend,
    Conflict,
    Motion,
    Repeated,
    To,
)

ROOM = "project:00000000-0000-0000-0000-000000000001"
WAIT_S = 10.0


def act(text: str = "x") -> Event:
    data = msgspec.Raw(msgspec.json.encode({"text": text}))
    return ActivityRecorded(room=ROOM, kind="note", data=data)


def meta(command_id: UUID | None = None, command: str = "act") -> Metadata:
    return Metadata(actor=UUID(int=7), command=command, command_id=command_id or uuid4())


async def test_versions_are_gapless_and_positions_increase(store: Store) -> None:
    stream = uuid4()
    first = await store.append(meta(), To(stream, NEW, (act(), act())))
    second = await store.append(meta(), To(stream, 2, (act(),)))
    assert first.versions == (1, 2)
    assert second.versions == (3,)
    assert [*first.positions, *second.positions] == sorted({*first.positions, *second.positions})


async def test_a_stream_reads_back_what_was_appended(store: Store) -> None:
    stream, metadata = uuid4(), meta()
    appended = await store.append(metadata, To(stream, NEW, (act("a"), act("b"))))
    recorded = await store.read_stream(stream)
    assert [text_of(one.event) for one in recorded] == ["a", "b"]
    assert [one.position for one in recorded] == list(appended.positions)
    assert {one.meta for one in recorded} == {metadata}
    assert [one.version for one in await store.read_stream(stream, after=1)] == [2]


@pytest.mark.parametrize("expected", [1, 5, EXISTS])
async def test_an_unexpected_version_stores_nothing(store: Store, expected: int) -> None:
    stream = uuid4()
    with pytest.raises(Conflict):
        await store.append(meta(), To(stream, expected, (act(),)))
    assert await store.read_stream(stream) == []


async def test_new_means_that_the_stream_is_not_there(store: Store) -> None:
    stream = uuid4()
    await store.append(meta(), To(stream, NEW, (act(),)))
    with pytest.raises(Conflict):
        await store.append(meta(), To(stream, NEW, (act(),)))
    await store.append(meta(), To(stream, EXISTS, (act(),)))
    await store.append(meta(), To(stream, ANY, (act(),)))
    assert [one.version for one in await store.read_stream(stream)] == [1, 2, 3]


async def test_a_command_for_several_streams_is_stored_whole_or_not_at_all(store: Store) -> None:
    one, two = uuid4(), uuid4()
    await store.append(meta(), To(two, NEW, (act(),)))
    with pytest.raises(Conflict):
        await store.append(meta(), To(one, NEW, (act(),)), To(two, NEW, (act(),)))
    assert await store.read_stream(one) == []
    await store.append(meta(), To(one, NEW, (act(),)), To(two, 1, (act(),)))
    assert len(await store.read_stream(one)) == 1
    assert len(await store.read_stream(two)) == 2


async def test_a_guard_that_moved_fails_the_command(store: Store) -> None:
    guarded, stream = uuid4(), uuid4()
    await store.append(meta(), To(guarded, NEW, (act(),)))
    await store.append(meta(), To(stream, NEW, (act(),)), To(guarded, 1))
    await store.append(meta(), To(guarded, 1, (act(),)))
    with pytest.raises(Conflict):
        await store.append(meta(), To(stream, 1, (act(),)), To(guarded, 1))
    assert len(await store.read_stream(stream)) == 1


async def test_a_repeated_command_id_stores_nothing_even_where_the_version_conflicts(
    store: Store,
) -> None:
    stream, metadata = uuid4(), meta()
    appended = await store.append(metadata, To(stream, NEW, (act(), act())))
    with pytest.raises(Repeated):
        await store.append(metadata, To(stream, NEW, (act(), act())))
    assert len(await store.read_stream(stream)) == 2
    first = await store.first(metadata.command_id or uuid4())
    assert first is not None
    assert (first.stream, first.version, first.position) == (stream, 2, appended.positions[-1])
    assert first.meta == metadata


async def test_an_unknown_command_id_has_no_first_event(store: Store) -> None:
    assert await store.first(uuid4()) is None


async def test_the_log_is_read_in_order_with_and_without_motion(store: Store) -> None:
    stream, participation = uuid4(), uuid4()
    await store.append(meta(), To(stream, NEW, (act("a"),)))
    moved = CursorMoved(room=ROOM, at=msgspec.Raw(b'{"x":1}'))
    store.append_motion(Motion(moved, participation, UUID(int=7), None))
    await until_head(store, 2)
    await store.append(meta(), To(stream, 1, (act("b"),)))
    everything = await store.read(0, 10)
    assert [one.version for one in everything] == [1, 0, 2]
    assert [one.position for one in everything] == sorted(one.position for one in everything)
    assert [one.version for one in await store.read(0, 10, motion=False)] == [1, 2]
    assert [one.version for one in await store.read(everything[0].position, 1)] == [0]
    assert everything[1].stream == participation
    assert everything[1].meta.actor == UUID(int=7)


async def test_times_never_decrease_along_the_log(store: Store) -> None:
    for _ in range(5):
        await store.append(meta(), To(uuid4(), NEW, (act(),)))
    times = [one.at for one in await store.read(0, 10)]
    assert times == sorted(times)
    assert all(time.utcoffset() is not None for time in times)


async def test_a_tail_gives_what_is_there_and_what_comes(store: Store) -> None:
    await store.append(meta(), To(uuid4(), NEW, (act("1"),)))
    seen: list[str] = []

    async def follow() -> None:
        async for batch in store.tail(0):
            seen.extend(text_of(one.event) for one in batch)
            if len(seen) == 3:
                return

    following = asyncio.create_task(follow())
    await store.append(meta(), To(uuid4(), NEW, (act("2"),)))
    await store.append(meta(), To(uuid4(), NEW, (act("3"),)))
    async with asyncio.timeout(WAIT_S):
        await following
    assert seen == ["1", "2", "3"]


async def test_racing_writers_of_one_stream_have_one_winner_a_version(store: Store) -> None:
    stream = uuid4()

    async def race(name: str) -> bool:
        try:
            await store.append(meta(), To(stream, NEW, (act(name),)))
        except Conflict:
            return False
        return True

    won = await asyncio.gather(*(race(str(number)) for number in range(20)))
    assert sum(won) == 1
    assert len(await store.read_stream(stream)) == 1


async def test_concurrent_appends_to_any_version_are_all_stored(store: Store) -> None:
    stream = uuid4()
    await asyncio.gather(
        *(store.append(meta(), To(stream, ANY, (act(str(n)), act(str(n))))) for n in range(50))
    )
    recorded = await store.read_stream(stream)
    assert [one.version for one in recorded] == list(range(1, 101))
    texts = [text_of(one.event) for one in recorded]
    assert all(texts[n] == texts[n + 1] for n in range(0, 100, 2)), "a command was torn apart"


class Stranger(Event, frozen=True, tag="stranger.came.v1"):
    pass


async def test_bad_appends_get_typed_errors_and_store_nothing(store: Store) -> None:
    stream = uuid4()
    with pytest.raises(BadAppend):
        await store.append(meta(), To(stream, NEW))
    with pytest.raises(BadAppend):
        await store.append(meta(), To(stream, NEW, (act(),) * (MAX_EVENTS + 1)))
    with pytest.raises(BadAppend):
        await store.append(meta(), To(stream, NEW, (act(),)), To(stream, NEW, (act(),)))
    with pytest.raises(BadAppend):
        await store.append(Metadata(), To(stream, NEW, (act(),)))
    with pytest.raises(UnknownTag):
        await store.append(meta(), To(stream, NEW, (Stranger(),)))
    with pytest.raises(TooLarge):
        await store.append(meta(), To(stream, NEW, (act("x" * MAX_STATE),)))
    assert await store.head() == 0


def text_of(event: Event) -> str:
    assert isinstance(event, ActivityRecorded)
    return msgspec.json.decode(event.data)["text"]


async def until_head(store: Store, count: int) -> None:
    async with asyncio.timeout(WAIT_S):
        async for batch in store.tail(0):
            count -= len(batch)
            if count <= 0:
                return
