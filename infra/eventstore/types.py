"""The words of the event store: what goes in, what comes out, what can go wrong."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec
from eventsourcing.persistence import IntegrityError

from domain.kernel import Event, Metadata

ANY = -1  # expected version: whatever it is
EXISTS = -2  # expected version: any but 0
NEW = 0  # expected version: the stream does not exist yet
MAX_EVENTS = 1_000  # of one command
MAX_READ = 10_000  # events of one read of a stream

# An event as a look at the log sees it: position, its stream's bytes (to make a UUID of each would
# cost more than all else), version.
Moved: TypeAlias = tuple[int, bytes, int]


class To(msgspec.Struct, frozen=True):
    """Events for one stream, and the version it must have: n ≥ 0, ANY or EXISTS.

    Without events it is a guard: checked under the append's lock, appended to by nobody.
    """

    stream: UUID
    expected: int
    events: tuple[Event, ...] = ()


class Appended(msgspec.Struct, frozen=True):
    """Where a command's events went, in their order; durable when this is returned."""

    positions: tuple[int, ...]
    versions: tuple[int, ...]
    at: datetime


class Motion(msgspec.Struct, frozen=True):
    """A motion fact: the newest of a participation and tag within one batch wins."""

    event: Event
    participation: UUID
    actor: UUID
    project: UUID | None


class First(msgspec.Struct, frozen=True):
    """What is remembered of a command: its first event and its answer."""

    stream: UUID
    version: int  # of the first event's stream, after the command
    position: int  # of the last event
    meta: Metadata


class Conflict(IntegrityError):
    """A stream did not have the expected version, or a guard failed: nothing was stored."""


class Repeated(Exception):
    """The command id is in the log already: nothing was stored again."""


class StoreOverloaded(Exception):
    """More appends wait than the queue holds; try again after `retry_after_s`."""

    retry_after_s = 1.0


class BadAppend(ValueError):
    """The append itself is malformed: nothing was stored."""
