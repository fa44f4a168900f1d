"""The event store as everything else sees it: append, read, follow."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol
from uuid import UUID

from domain.kernel import Event, Metadata, Recorded
from infra.db import Pool
from infra.eventstore import follower as following
from infra.eventstore import reader, snapshots
from infra.eventstore.follower import Follower
from infra.eventstore.lookout import Lookout
from infra.eventstore.reader import recorded
from infra.eventstore.snapshots import Snapshot
from infra.eventstore.tails import SHORT, Tail, Tails
from infra.eventstore.types import MAX_READ, Appended, First, Motion, Moved, To
from infra.eventstore.writer import Writer


class Store(Protocol):
    """The contract of PostgresStore and MemoryStore; tests/contract holds both to it."""

    async def append(self, metadata: Metadata, *parts: To) -> Appended:
        """Store every part or none. Raises Conflict, Repeated, StoreOverloaded, BadAppend."""
        ...

    def append_motion(self, motion: Motion) -> None:
        """Queue a motion fact; the newest of a participation and tag wins."""
        ...

    async def read(
        self,
        after: int,
        limit: int,
        *,
        motion: bool = True,
        types: Collection[str] | None = None,
        streams: Collection[UUID] | None = None,
    ) -> list[Recorded[Event]]:
        """Events above position `after`, oldest first, at most `limit`.

        Without motion facts, or only of these types (tags) and streams, if so asked.
        """
        ...

    async def read_stream(
        self, stream: UUID, after: int = 0, limit: int = MAX_READ
    ) -> list[Recorded[Event]]:
        """A stream's events above version `after`, oldest first, at most `limit`."""
        ...

    async def first(self, command_id: UUID) -> First | None:
        """What the command with this stored id did, None if it is not in the log."""
        ...

    async def head(self) -> int:
        """The newest position; 0 for an empty log."""
        ...

    def tail(
        self,
        after: int,
        *,
        motion: bool = True,
        types: Collection[str] | None = None,
        streams: Collection[UUID] | None = None,
    ) -> AsyncIterator[Sequence[Recorded[Event]]]:
        """Batches above `after`, for ever: what is there, then what comes; chosen as in `read`."""
        ...

    async def snapshot(self, stream: UUID, fingerprint: str) -> Snapshot | None:
        """The state kept of a stream by code with this fingerprint, if there is one."""
        ...

    async def keep_snapshot(self, stream: UUID, fingerprint: str, snapshot: Snapshot) -> None:
        """Keep a state of a stream in place of an older one."""
        ...

    async def moved(self, after: int, limit: int) -> list[Moved]:
        """Durable events above `after`, oldest first."""
        ...


class PostgresStore:
    """The log in Postgres: a group-committing writer, ordered reads, one listener."""

    def __init__(self, pool: Pool, writer: Writer, follower: Follower, lookout: Lookout) -> None:
        self.writer = writer
        self.follower = follower
        self.lookout = lookout
        self._pool = pool
        self._tails = Tails(pool)

    async def append(self, metadata: Metadata, *parts: To) -> Appended:
        return await self.writer.append(metadata, *parts)

    def append_motion(self, motion: Motion) -> None:
        self.writer.append_motion(motion)

    async def read(
        self,
        after: int,
        limit: int,
        *,
        motion: bool = True,
        types: Collection[str] | None = None,
        streams: Collection[UUID] | None = None,
    ) -> list[Recorded[Event]]:
        return await reader.read(
            self._pool, after, limit, motion=motion, types=types, streams=streams
        )

    async def read_stream(
        self, stream: UUID, after: int = 0, limit: int = MAX_READ
    ) -> list[Recorded[Event]]:
        if limit > SHORT:
            return await reader.read_stream(self._pool, stream, after, limit)
        return [recorded(row) for row in await self._tails.rows(Tail(stream, after, limit))]

    async def first(self, command_id: UUID) -> First | None:
        return await reader.first(self._pool, command_id)

    async def head(self) -> int:
        return await reader.head(self._pool)

    def tail(
        self,
        after: int,
        *,
        motion: bool = True,
        types: Collection[str] | None = None,
        streams: Collection[UUID] | None = None,
    ) -> AsyncIterator[Sequence[Recorded[Event]]]:
        return following.tail(
            self._pool, self.follower, after, motion=motion, types=types, streams=streams
        )

    async def snapshot(self, stream: UUID, fingerprint: str) -> Snapshot | None:
        return await snapshots.find(self._pool, stream, fingerprint)

    async def keep_snapshot(self, stream: UUID, fingerprint: str, snapshot: Snapshot) -> None:
        await snapshots.keep(self._pool, stream, fingerprint, snapshot)

    async def moved(self, after: int, limit: int) -> list[Moved]:
        return await self.lookout.moved(after, limit)
