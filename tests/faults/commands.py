"""The commands of the fault tests: how they are sent, and what a reader sees of them."""

from collections.abc import Iterator
from itertools import count
from uuid import UUID, uuid4

import msgspec

from domain.activity import ACTIVITY, ActivityRecorded, RecordActivity
from domain.kernel import Event, Metadata, Recorded
from infra.eventstore.execute import Do, States, execute
from infra.eventstore.store import Store
from infra.eventstore.types import ANY, Repeated, To
from tests.faults.diary import Answered, Asked, Part

ROOM = "project:00000000-0000-0000-0000-000000000001"
KIND = "fault.note"
LARGE = 40  # events: half of them would be seen


class Note(msgspec.Struct, frozen=True):
    """The data of every event: its place in its command, from 0."""

    nth: int


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """An event as a reader of the log saw it."""

    position: int
    stream: UUID
    version: int
    command: UUID | None
    nth: int


def seen(recorded: Recorded[Event]) -> Seen:
    event = recorded.event
    assert isinstance(event, ActivityRecorded)
    nth = msgspec.json.decode(event.data, type=Note).nth
    return Seen(recorded.position, recorded.stream, recorded.version, recorded.meta.command_id, nth)


def commands(shared: UUID) -> Iterator[Asked]:
    """One caller's, without end, of every shape; each is taken once that before it is stored."""
    own, other, at, other_at = uuid4(), uuid4(), 0, 0
    for number in count():
        match number % 5:
            case 0:
                yield asked(Part(own, at, 1))
                at += 1
            case 1:
                yield asked(Part(own, at, 2), Part(other, other_at, 1))
                at, other_at = at + 2, other_at + 1
            case 2:
                yield asked(Part(shared, ANY, 3))
            case 3:
                yield asked(Part(other, other_at, 0), Part(own, at, LARGE))
                at += LARGE
            case _:
                yield asked(Part(uuid4(), ANY, 1))


def asked(*parts: Part) -> Asked:
    return Asked(uuid4(), parts)


def to_append(command: Asked) -> list[To]:
    nths = count()
    return [
        To(part.stream, part.expected, tuple(_event(next(nths)) for _ in range(part.events)))
        for part in command.parts
    ]


def _event(nth: int) -> Event:
    return ActivityRecorded(room=ROOM, kind=KIND, data=_raw(nth))


def _raw(nth: int) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(Note(nth)))


def metadata(command: Asked) -> Metadata:
    return Metadata(command="record_activity", command_id=command.id)


async def send(store: Store, command: Asked) -> Answered:
    """For the first time. Raises Repeated, and whatever else append raises."""
    if is_single(command):
        answer, repeated = await _execute(store, command)
        if repeated:
            raise Repeated
        return answer
    appended = await store.append(metadata(command), *to_append(command))
    assert len(appended.versions) == sum(part.events for part in command.parts)
    first = next(part for part in command.parts if part.events)
    return Answered(command.id, appended.positions[-1], appended.versions[first.events - 1])


async def settle(store: Store, command: Asked) -> Answered:
    """For the first time or again: the answer is that of the time it was stored."""
    if is_single(command):
        return (await _execute(store, command))[0]
    try:
        return await send(store, command)
    except Repeated:
        answer = await told(store, command)
        assert answer is not None
        return answer


async def told(store: Store, command: Asked) -> Answered | None:
    """What the store says of a command's id."""
    first = await store.first(command.id)
    return first and Answered(command.id, first.position, first.version)


def is_single(command: Asked) -> bool:
    """Whether it can go the way of the API, as a command that a decider turns into its event."""
    return [(part.expected, part.events) for part in command.parts] == [(ANY, 1)]


async def _execute(store: Store, command: Asked) -> tuple[Answered, bool]:
    """The answer, and whether it was stored before."""
    recording = RecordActivity(room=ROOM, kind=KIND, data=_raw(0))
    doing = Do(ACTIVITY, command.parts[0].stream, recording, blind=True)
    outcome = await execute(store, States(store), metadata(command), doing)
    assert outcome.position is not None
    return Answered(command.id, outcome.position, outcome.version), outcome.repeated
