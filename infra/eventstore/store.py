"""The event store as everything else sees it: append, read, follow."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol
from uuid import UUID

from domain.kernel import Event, Metadata, Recorded
from infra.db import Pool
from infra.eventstore import reader
from infra.eventstore.reader import Follower
from infra.eventstore.types import Appended, First, Motion, To
from infra.eventstore.writer import Writer


class Store(Protocol):
    """The contract of PostgresStore and MemoryStore; tests/contract holds both to it."""

    async def append(self, metadata: Metadata, *parts: To) -> Appended:
        """Store every part or none. Raises Conflict, Repeated, StoreOverloaded, BadAppend."""
        ...

    def append_motion(self, motion: Motion) -> None:
        """Queue a motion fact; the newest of a participation and tag wins."""
        ...

    async def read(self, after: int, limit: int, *, motion: bool = True) -> list[Recorded[Event]]:
        """Events above position `after`, oldest first; without motion facts if so asked."""
        ...

    async def read_stream(self, stream: UUID, after: int = 0) -> list[Recorded[Event]]:
        """A stream's events above version `after`, oldest first, at most MAX_READ."""
        ...

    async def first(self, command_id: UUID) -> First | None:
        """What the command with this stored id did, None if it is not in the log."""
        ...

    async def head(self) -> int:
        """The newest position; 0 for an empty log."""
        ...

    def tail(self, after: int, *, motion: bool = True) -> AsyncIterator[Sequence[Recorded[Event]]]:
        """Batches above `after`, for ever: what is there, then what comes."""
        ...


class PostgresStore:
    """The log in Postgres: a group-committing writer, ordered reads, one listener."""

    def __init__(self, pool: Pool, writer: Writer, follower: Follower) -> None:
        self.writer = writer
        self.follower = follower
        self._pool = pool

    async def append(self, metadata: Metadata, *parts: To) -> Appended:
        return await self.writer.append(metadata, *parts)

    def append_motion(self, motion: Motion) -> None:
        self.writer.append_motion(motion)

    async def read(self, after: int, limit: int, *, motion: bool = True) -> list[Recorded[Event]]:
        return await reader.read(self._pool, after, limit, motion=motion)

    async def read_stream(self, stream: UUID, after: int = 0) -> list[Recorded[Event]]:
        return await reader.read_stream(self._pool, stream, after)

    async def first(self, command_id: UUID) -> First | None:
        return await reader.first(self._pool, command_id)

    async def head(self) -> int:
        return await reader.head(self._pool)

    def tail(self, after: int, *, motion: bool = True) -> AsyncIterator[Sequence[Recorded[Event]]]:
        return reader.tail(self._pool, self.follower, after, motion=motion)
