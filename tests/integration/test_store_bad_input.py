"""Malformed appends among good ones: each gets a typed refusal, and nobody else is harmed."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID, uuid4

import msgspec
import pytest

from domain.activity import ActivityRecorded
from domain.kernel import Event, Metadata
from domain.motion import CursorMoved, Typing
from infra.eventstore.codec import MAX_STATE, HasNul, TooLarge, UnknownTag
from infra.eventstore.store import Store
from infra.eventstore.types import ANY, NEW, Appended, BadAppend, Motion, To
from infra.runtime import Runtime

pytestmark = pytest.mark.services

ROOM = "project:00000000-0000-0000-0000-000000000001"
STREAM = UUID(int=11)
GOOD = 20  # appends, half of them before the bad one
WAIT_S = 10.0
NUL = b'"\\u0000"'


class Stranger(Event, frozen=True, tag="stranger.came.v1"):
    """In no registry."""


def wrong(room: Any) -> Event:
    """What a checker of types would not let pass."""
    return ActivityRecorded(room=room, kind="note", data=msgspec.Raw(b"{}"))


def act(data: bytes = b"{}", kind: str = "note") -> Event:
    return ActivityRecorded(room=ROOM, kind=kind, data=msgspec.Raw(data))


def meta(user_agent: str = "") -> Metadata:
    return Metadata(command="act", command_id=uuid4(), user_agent=user_agent)


def to(*events: Event, stream: object = None, expected: object = NEW) -> To:
    """Also what the types forbid: the caller may be code that nobody checked."""
    return To(cast(UUID, stream or uuid4()), cast(int, expected), events)


Refusals = tuple[Metadata, tuple[To, ...], type[Exception]]
BAD: Mapping[str, Refusals] = {
    "an event in no registry": (meta(), (to(Stranger()),), UnknownTag),
    "a state over the limit": (meta(), (to(act(b'"%s"' % (b"x" * MAX_STATE))),), TooLarge),
    "a text that is a number": (meta(), (to(wrong(5)),), BadAppend),
    "metadata of another type": (msgspec.structs.replace(meta(), ip=7), (to(act()),), BadAppend),
    "a command id that is text": (
        msgspec.structs.replace(meta(), command_id="abc"),
        (to(act()),),
        BadAppend,
    ),
    "NUL in a text": (meta(), (to(act(kind="\x00")),), HasNul),
    "NUL in a client's own JSON": (meta(), (to(act(NUL)),), HasNul),
    "NUL after an escaped backslash": (meta(), (to(act(b'"\\\\\\u0000"')),), HasNul),
    "NUL in the metadata": (meta("\x00"), (to(act()),), HasNul),
    "half a surrogate pair in a text": (meta(), (to(act(kind="\ud800")),), BadAppend),
    "half a surrogate pair in a client's own JSON": (meta(), (to(act(b'"\\ud800"')),), BadAppend),
    "half a surrogate pair in the metadata": (meta("\ud800"), (to(act()),), BadAppend),
    "what is no JSON": (meta(), (to(act(b'{"a":')),), BadAppend),
    "what is no UTF-8": (meta(), (to(act(b'"\xff"')),), BadAppend),
    "a version that is a text": (meta(), (to(act(), expected="0"),), BadAppend),
    "a version that is a fraction": (meta(), (to(act(), expected=0.5),), BadAppend),
    "no version": (meta(), (to(act(), expected=None),), BadAppend),
    "a version beyond bigint": (meta(), (to(act(), expected=2**63),), BadAppend),
    "a negative version": (meta(), (to(act(), expected=-3),), BadAppend),
    "a guard with a negative version": (meta(), (to(act()), To(UUID(int=12), -3)), BadAppend),
    "a stream that is a text": (meta(), (to(act(), stream="eleven"),), BadAppend),
    "10,000 events": (meta(), (to(*[act()] * 10_000),), BadAppend),
    "10,000 events in 100 streams": (
        meta(),
        tuple(to(*[act()] * 100, stream=UUID(int=n)) for n in range(100)),
        BadAppend,
    ),
    "a stream named twice": (
        meta(),
        (to(act(), stream=STREAM), to(act(), stream=STREAM)),
        BadAppend,
    ),
    "a stream that is also a guard": (
        meta(),
        (to(act(), stream=STREAM), To(STREAM, ANY)),
        BadAppend,
    ),
    "no command id": (Metadata(command="act"), (to(act()),), BadAppend),
    "no events": (meta(), (to(),), BadAppend),
    "nothing": (meta(), (), BadAppend),
}


async def test_a_bad_append_is_refused_and_the_others_of_its_batch_are_stored(
    runtime: Runtime, subtests: pytest.Subtests
) -> None:
    for name, bad in BAD.items():
        with subtests.test(name):
            await refused_alone(runtime.store, *bad)


async def refused_alone(
    store: Store, metadata: Metadata, parts: Sequence[To], refusal: type[Exception]
) -> None:
    head, good = await store.head(), [uuid4() for _ in range(GOOD)]
    appends = [store.append(meta(), To(stream, NEW, (act(), act()))) for stream in good]
    appends.insert(GOOD // 2, store.append(metadata, *parts))
    async with asyncio.timeout(WAIT_S):  # an append that never ends would harm most
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
    refused = outcomes.pop(GOOD // 2)
    log = await store.read(head, 10 * GOOD)
    assert all(isinstance(outcome, Appended) for outcome in outcomes)
    assert [one.stream for one in log] == [stream for stream in good for _ in range(2)]
    assert type(refused) is refusal, repr(refused)
    if isinstance(metadata.command_id, UUID):
        assert await store.first(metadata.command_id) is None


GOOD_TEXTS = {
    "the escape of an escape": b'"\\\\u0000"',
    "a surrogate pair": b'"\\ud83d\\ude00"',
    "other control characters": b'"\\u0001\\u001f"',
}


@pytest.mark.parametrize("data", GOOD_TEXTS.values(), ids=GOOD_TEXTS.keys())
async def test_what_only_looks_bad_is_stored_and_everybody_can_read_it(
    runtime: Runtime, data: bytes
) -> None:
    await runtime.store.append(meta(), To(STREAM, NEW, (act(data),)))
    (recorded,) = await runtime.store.read_stream(STREAM)
    assert recorded.event == act(data)
    async with runtime.db.connection() as connection:
        cursor = await connection.execute("SELECT data #>> '{data}' FROM formula_log")
        assert await cursor.fetchall() == [(msgspec.json.decode(data),)]


ODD = {
    "a number too small for numeric": b"1e-20000",
    "a number too large for numeric": b"1e400000",
    "a number too large for a float": b"1e999",
    "a key twice": b'{"a":1,"a":2}',
    "deep": b"[" * 900 + b"]" * 900,
    "too deep": b"[" * 20_000 + b"]" * 20_000,
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD.keys())
async def test_what_is_odd_is_refused_or_else_everybody_can_read_it(
    runtime: Runtime, data: bytes
) -> None:
    refused = False
    try:
        await runtime.store.append(meta(), To(STREAM, NEW, (act(data),)))
    except BadAppend:
        refused = True
    assert len(await runtime.store.read(0, 10)) == (0 if refused else 1)
    async with runtime.db.connection() as connection:
        cursor = await connection.execute("SELECT position, data, metadata FROM formula_log")
        assert len(await cursor.fetchall()) == (0 if refused else 1)


BAD_MOTION = {
    "in no registry": (Stranger(), UnknownTag),
    "too large": (Typing(room=ROOM, where="x" * MAX_STATE, on=True), TooLarge),
    "NUL in a text": (Typing(room=ROOM, where="\x00", on=True), HasNul),
    "NUL in a client's own JSON": (CursorMoved(room=ROOM, at=msgspec.Raw(NUL)), HasNul),
    "what is no JSON": (CursorMoved(room=ROOM, at=msgspec.Raw(b"{")), BadAppend),
}


@pytest.mark.parametrize(("event", "refusal"), BAD_MOTION.values(), ids=BAD_MOTION.keys())
async def test_a_bad_motion_fact_is_refused_and_harms_nobody(
    runtime: Runtime, event: Event, refusal: type[Exception]
) -> None:
    good = asyncio.create_task(runtime.store.append(meta(), To(STREAM, NEW, (act(),))))
    await asyncio.sleep(0)
    with pytest.raises(refusal):
        runtime.store.append_motion(Motion(event, uuid4(), UUID(int=7), None))
    assert (await good).versions == (1,)
    await runtime.store.append(meta(), To(STREAM, 1, (act(),)))
    assert [one.version for one in await runtime.store.read(0, 10)] == [1, 2]


async def test_a_filter_finds_what_was_stored_under_a_retired_tag(runtime: Runtime) -> None:
    state = b'{"comment":"%s","author":"%s","text":"hi","at":"2030-01-02T03:04:05Z"}' % (
        str(STREAM).encode(),
        str(STREAM).encode(),
    )
    async with runtime.db.connection() as connection:
        await connection.execute(
            "INSERT INTO formula_events (originator_id, originator_version, topic, state)"
            " VALUES (%s, 1, 'task.comment_added.v1', %s)",
            (STREAM, state),
        )
    [found] = await runtime.store.read(0, 10, types=["task.comment_added.v2"])
    assert found.stream == STREAM
    assert await runtime.store.read(0, 10, types=["task.created.v1"]) == []
