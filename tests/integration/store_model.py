"""What an event store must do, as a dict of lists; and how it explains what a store did."""

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.kernel import Event, Metadata, Recorded
from infra.eventstore.types import ANY, EXISTS, Appended, Conflict, First, Motion, Repeated, To


class Fact(msgspec.Struct, frozen=True):
    """An event of the log, but for its time."""

    event: Event
    stream: UUID
    version: int
    position: int
    meta: Metadata


def fact(recorded: Recorded[Event]) -> Fact:
    return Fact(recorded.event, recorded.stream, recorded.version, recorded.position, recorded.meta)


class Attempt(msgspec.Struct, frozen=True):
    """One append."""

    meta: Metadata
    parts: tuple[To, ...]


Outcome: TypeAlias = Appended | Conflict | Repeated
Ended: TypeAlias = tuple[Attempt, Outcome]


class Model:
    """The log after `start`, its streams, and what is remembered of each command."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.log: list[Fact] = []
        self.streams: dict[UUID, list[Fact]] = {}
        self.firsts: dict[UUID | None, First] = {}

    def version(self, stream: UUID) -> int:
        return len(self.streams.get(stream, []))

    def head(self) -> int:
        return self.log[-1].position if self.log else self.start

    def after(self, position: int, *, motion: bool) -> list[Fact]:
        return [one for one in self.log if one.position > position and (motion or one.version)]

    def fits(self, attempt: Attempt) -> bool:
        """Whether it would be stored now, were its id new."""
        return all(_fits(self.version(part.stream), part.expected) for part in attempt.parts)

    def explain(self, ended: Sequence[Ended]) -> None:
        """Some order of what ended together must do all this: that of the positions."""
        conflicts = [attempt for attempt, outcome in ended if isinstance(outcome, Conflict)]
        unexplained = [one for one in conflicts if self._known(one) or self.fits(one)]
        for attempt, appended in sorted(_stored(ended), key=lambda one: one[1].positions):
            self._store(attempt, appended)
            unexplained = [one for one in unexplained if self._known(one) or self.fits(one)]
        assert unexplained == [], "a conflict with nothing, or of what is stored"
        repeated = [attempt for attempt, outcome in ended if isinstance(outcome, Repeated)]
        assert all(map(self._known, repeated)), "nothing was stored under that id"

    def _known(self, attempt: Attempt) -> bool:
        return attempt.meta.command_id in self.firsts

    def explain_motion(self, sent: Sequence[Motion], seen: Sequence[Fact]) -> None:
        """Of each participation and kind the newest is there; older ones may be, in order."""
        assert all(one.position > self.head() for one in seen)
        keys = {_key(one.participation, one.event) for one in sent}
        assert keys == {_key(one.stream, one.event) for one in seen}
        for key in keys:
            wanted = [_moved(one) for one in sent if _key(one.participation, one.event) == key]
            got = [one for one in seen if _key(one.stream, one.event) == key]
            assert _without_position(got[-1]) == wanted[-1]
            rest = iter(wanted)
            assert all(_without_position(one) in rest for one in got)
        self.log += seen

    def _store(self, attempt: Attempt, appended: Appended) -> None:
        assert not self._known(attempt), "stored twice"
        assert self.fits(attempt)
        events = [(part.stream, event) for part in attempt.parts for event in part.events]
        for (stream, event), version, position in zip(
            events, appended.versions, appended.positions, strict=True
        ):
            self._add(Fact(event, stream, version, position, attempt.meta))
        first = events[0][0]
        self.firsts[attempt.meta.command_id] = First(
            first, self.version(first), appended.positions[-1], attempt.meta
        )

    def _add(self, one: Fact) -> None:
        assert one.version == self.version(one.stream) + 1
        assert one.position > self.head()
        self.streams.setdefault(one.stream, []).append(one)
        self.log.append(one)


def _fits(version: int, expected: int) -> bool:
    return expected == ANY or (version > 0 if expected == EXISTS else version == expected)


def _stored(ended: Sequence[Ended]) -> list[tuple[Attempt, Appended]]:
    return [(attempt, outcome) for attempt, outcome in ended if isinstance(outcome, Appended)]


def _key(participation: UUID, event: Event) -> tuple[UUID, type[Event]]:
    return participation, type(event)


def _moved(motion: Motion) -> Fact:
    meta = Metadata(actor=motion.actor, project_id=motion.project)
    return Fact(motion.event, motion.participation, 0, 0, meta)


def _without_position(one: Fact) -> Fact:
    return replace(one, position=0)
