"""The command path: load, decide, append, retry; and the answer a repeated command gets."""

from collections.abc import Sequence
from hashlib import sha1
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.errors import Refused, WrongState
from domain.kernel import Command, Decider, Event, Metadata
from infra.eventstore.states import Held, Loaded, States
from infra.eventstore.store import Store
from infra.eventstore.types import ANY, NEW, Appended, Conflict, First, Repeated, To

_RANDOM = (1 << 80) - 1 & ~(0xF << 76) & ~(0x3 << 62)  # neither time nor version nor variant
ATTEMPTS = 10  # decisions of one command before Conflict is given to the caller


class WrongVersion(Refused):
    """The caller named a version (If-Match) and the stream is at another."""


class CommandReused(Refused):
    """The command id was used for another stream or another type of command."""


class Do(msgspec.Struct, frozen=True):
    """One stream's part of a command: decide there, append what is decided."""

    decider: Decider[Any, Any, Any]
    stream: UUID
    command: Command
    expected: int | None = None  # the version the caller saw (If-Match)
    blind: bool = False  # the stream has no rules: nothing is loaded, any version will do


class Guard(msgspec.Struct, frozen=True):
    """A stream that must still be at `version` when the command's events are stored."""

    stream: UUID
    version: int


class Outcome(msgspec.Struct, frozen=True):
    """What a command did. `events` is empty for a repeated command and for a no-op."""

    version: int  # of the first part's stream
    position: int | None  # of the last event; None: there was nothing to do
    events: tuple[Event, ...] = ()
    repeated: bool = False


def command_id(actor: UUID | None, client_id: UUID) -> UUID:
    """The stored id: two people cannot collide, one person's retry does.

    A hash; of a time-ordered id (RFC 9562, version 7) it keeps the 48 bits of time, so that
    the index of command ids grows at its end: at random places each new page costs a page of WAL.
    """
    name = actor.hex if actor else "system"
    if client_id.version != 7:
        return uuid5(client_id, name)
    # uuid5's hash (RFC 9562, 5.5), without making two UUIDs of it
    hashed = int.from_bytes(
        sha1(client_id.bytes + name.encode(), usedforsecurity=False).digest()[:16]
    )
    time = client_id.int >> 80 << 80
    return UUID(int=time | hashed & _RANDOM | 8 << 76 | 2 << 62)


async def execute(
    store: Store, states: States, metadata: Metadata, *parts: Do, guards: Sequence[Guard] = ()
) -> Outcome:
    """Do every part in one transaction. `metadata.command_id` is the stored id.

    1. decide on cached states where there are any, else on what the store has;
    2. a refusal or nothing to do is confirmed: the command may have been stored already, or the
       cache may be old; then decide again on states read from the store;
    3. append; 4. on a conflict read again, at most ATTEMPTS times.

    Raises the domain's Refused, WrongVersion, CommandReused, Conflict, StoreOverloaded.
    """
    fresh = False
    for _ in range(ATTEMPTS):
        places = [None if part.blind else states.hold(part.stream) for part in parts]
        loaded = [
            _at_hand(states, part, fresh=fresh) or await states.load(part.decider, part.stream)
            for part in parts
        ]
        try:
            decided = [_decide(part, at) for part, at in zip(parts, loaded, strict=True)]
        except Refused:
            if fresh:
                raise
            decided = []
        if not any(decided):
            answer = await _recorded(store, metadata, parts)
            if answer is not None:
                return answer
            if fresh:
                return Outcome(loaded[0].version, None)
            fresh = True
            continue
        try:
            appended = await store.append(metadata, *_parts(parts, loaded, decided, guards))
        except Repeated:
            answer = await _recorded(store, metadata, parts)
            if answer is None:
                raise
            return answer
        except Conflict:
            await _check_guards(store, guards)
            fresh = True
            continue
        return _keep(states, parts, places, loaded, decided, appended)
    raise Conflict


def _at_hand(states: States, part: Do, *, fresh: bool) -> Loaded[Any] | None:
    """What needs no read; a hot stream's command waits for nothing but its append."""
    if part.blind:
        return Loaded(part.decider.initial, ANY)
    if fresh:
        return None
    if part.expected == NEW:  # if it is not, the append's check tells
        return Loaded(part.decider.initial, NEW)
    return states.cached(part.decider, part.stream)


def _decide(part: Do, at: Loaded[Any]) -> list[Event]:
    if part.expected is not None and part.expected != at.version:
        raise WrongVersion("version.changed", version=at.version, expected=part.expected)
    return part.decider.decide(part.command, at.state)


def _parts(
    parts: Sequence[Do],
    loaded: Sequence[Loaded[Any]],
    decided: Sequence[list[Event]],
    guards: Sequence[Guard],
) -> list[To]:
    """A part that decided nothing still guards: the others were decided beside its state."""
    return [
        To(part.stream, at.version, tuple(events))
        for part, at, events in zip(parts, loaded, decided, strict=True)
    ] + [To(guard.stream, guard.version) for guard in guards]


async def _check_guards(store: Store, guards: Sequence[Guard]) -> None:
    """A guard that failed is not mended by deciding again: the caller must look at it."""
    for guard in guards:
        if await store.read_stream(guard.stream, guard.version):
            raise WrongState("guard.failed", stream=guard.stream, version=guard.version)


async def _recorded(store: Store, metadata: Metadata, parts: Sequence[Do]) -> Outcome | None:
    if metadata.command_id is None:
        return None
    first: First | None = await store.first(metadata.command_id)
    if first is None:
        return None
    elsewhere = all(first.stream != part.stream for part in parts)
    if elsewhere or first.meta.command != metadata.command:
        raise CommandReused("command.reused", command=first.meta.command)
    return Outcome(first.version, first.position, repeated=True)


def _keep(
    states: States,
    parts: Sequence[Do],
    places: Sequence[Held | None],
    loaded: Sequence[Loaded[Any]],
    decided: Sequence[list[Event]],
    appended: Appended,
) -> Outcome:
    for part, place, at, events in zip(parts, places, loaded, decided, strict=True):
        if place is not None and events:
            state = at.state
            for event in events:
                state = part.decider.evolve(state, event)
            states.keep(place, Loaded(state, at.version + len(events)))
    count = len(decided[0])
    return Outcome(
        version=appended.versions[count - 1] if parts[0].blind else loaded[0].version + count,
        position=appended.positions[-1],
        events=tuple(event for events in decided for event in events),
    )
