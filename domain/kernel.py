"""The words every aggregate is written with: Event, Command, Decider, Recorded, fold."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import reduce
from typing import Generic, TypeVar
from uuid import UUID

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="tag"):
    """A fact, in the past tense. Its tag is its name in the store for ever."""


class Command(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="command"
):
    """A wish, in the imperative. It carries every input the decision needs, the clock included."""


class Metadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an event came from, stored beside it: who, by which command, from where, why."""

    actor: UUID | None = None  # None: the system itself (reaper, scheduler, import)
    on_behalf_of: UUID | None = None
    command: str = ""  # the command's tag
    command_id: UUID | None = None
    correlation_id: UUID | None = None  # the trace's, where it is not the command's own id
    causation: int | UUID | None = None  # the position, or the command, that led to this command
    project_id: UUID | None = None
    ip: str = ""
    user_agent: str = ""
    span: int | None = None  # the command's, where its trace is collected
    api_key: UUID | None = None  # by which the actor came in

    @property
    def trace(self) -> UUID | None:
        """One id for all that follows from one request."""
        return self.correlation_id or self.command_id


S = TypeVar("S")
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound=Event, covariant=True)


class Decider(msgspec.Struct, Generic[S, C, E], frozen=True):
    """An aggregate as three pure parts (after Chassaing's decider pattern)."""

    name: str
    initial: S
    decide: Callable[[C, S], list[E]]
    evolve: Callable[[S, E], S]
    events: tuple[type[E], ...]


class Recorded(msgspec.Struct, Generic[E_co], frozen=True):
    """An event with the place it was given in the log."""

    event: E_co
    stream: UUID  # a motion fact: its participation
    version: int  # 1-based, gapless within the stream; 0 for a motion fact
    position: int  # increasing across the whole log; gaps are possible
    at: datetime  # UTC, never decreasing along the log
    meta: Metadata


def fold(decider: Decider[S, C, E], events: Iterable[E]) -> S:
    """The state after `events`, oldest first."""
    return reduce(decider.evolve, events, decider.initial)
