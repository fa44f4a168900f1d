"""The event store without Postgres: same contract, for tests of what stands on it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID

from domain.kernel import Event, Metadata, Recorded
from domain.registry import tag_of
from infra.eventstore.codec import encode
from infra.eventstore.snapshots import Snapshot
from infra.eventstore.types import (
    ANY,
    EXISTS,
    MAX_EVENTS,
    MAX_READ,
    Appended,
    BadAppend,
    Conflict,
    First,
    Motion,
    Moved,
    Repeated,
    To,
)


class MemoryStore:
    """A list of events in the order of their positions."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._log: list[Recorded[Event]] = []
        self._versions: dict[UUID, int] = {}
        self._commands: dict[UUID, First] = {}
        self._snapshots: dict[tuple[UUID, str], Snapshot] = {}
        self._grown = asyncio.Event()

    async def append(self, metadata: Metadata, *parts: To) -> Appended:
        _check(metadata, parts)
        for event in (event for part in parts for event in part.events):
            encode(event)
        if metadata.command_id in self._commands:
            raise Repeated
        if not all(_matches(part.expected, self._version(part.stream)) for part in parts):
            raise Conflict
        stored = [
            self._add(metadata, part.stream, event) for part in parts for event in part.events
        ]
        self._remember(metadata, stored)
        return Appended(
            tuple(one.position for one in stored),
            tuple(one.version for one in stored),
            stored[0].at,
        )

    def append_motion(self, motion: Motion) -> None:
        encode(motion.event)
        meta = Metadata(actor=motion.actor, project_id=motion.project)
        self._log.append(
            Recorded(motion.event, motion.participation, 0, len(self._log) + 1, self._now(), meta)
        )
        self._grown.set()

    async def read(
        self,
        after: int,
        limit: int,
        *,
        motion: bool = True,
        types: Collection[str] | None = None,
        streams: Collection[UUID] | None = None,
    ) -> list[Recorded[Event]]:
        found = (
            one
            for one in self._log[after:]
            if (motion or one.version)
            and (types is None or tag_of(type(one.event)) in types)
            and (streams is None or one.stream in streams)
        )
        return list(islice(found, limit))

    async def read_stream(
        self, stream: UUID, after: int = 0, limit: int = MAX_READ
    ) -> list[Recorded[Event]]:
        found = [one for one in self._log if one.stream == stream and one.version > after]
        return found[:limit]

    async def snapshot(self, stream: UUID, fingerprint: str) -> Snapshot | None:
        return self._snapshots.get((stream, fingerprint))

    async def keep_snapshot(self, stream: UUID, fingerprint: str, snapshot: Snapshot) -> None:
        self._snapshots[stream, fingerprint] = snapshot

    async def moved(self, after: int, limit: int) -> list[Moved]:
        found = await self.read(after, limit, motion=False)
        return [(one.position, one.stream.bytes, one.version) for one in found]

    async def first(self, command_id: UUID) -> First | None:
        return self._commands.get(command_id)

    async def head(self) -> int:
        return len(self._log)

    async def tail(
        self,
        after: int,
        *,
        motion: bool = True,
        types: Collection[str] | None = None,
        streams: Collection[UUID] | None = None,
    ) -> AsyncIterator[Sequence[Recorded[Event]]]:
        while True:
            self._grown.clear()
            batch = await self.read(after, 1_000, motion=motion, types=types, streams=streams)
            if batch:
                after = batch[-1].position
                yield batch
            else:
                await self._grown.wait()

    def _version(self, stream: UUID) -> int:
        return self._versions.get(stream, 0)

    def _add(self, metadata: Metadata, stream: UUID, event: Event) -> Recorded[Event]:
        version, position = self._version(stream) + 1, len(self._log) + 1
        self._versions[stream] = version
        self._log.append(Recorded(event, stream, version, position, self._now(), metadata))
        self._grown.set()
        return self._log[-1]

    def _remember(self, metadata: Metadata, stored: Sequence[Recorded[Event]]) -> None:
        if metadata.command_id is not None:
            stream = stored[0].stream
            version = max(one.version for one in stored if one.stream == stream)
            self._commands[metadata.command_id] = First(
                stream, version, stored[-1].position, metadata
            )


def _check(metadata: Metadata, parts: Sequence[To]) -> None:
    if metadata.command_id is None:
        raise BadAppend("metadata.command_id is required")
    if not 0 < sum(len(part.events) for part in parts) <= MAX_EVENTS:
        raise BadAppend(f"a command stores 1 to {MAX_EVENTS} events")
    if len({part.stream for part in parts}) != len(parts):
        raise BadAppend("a command names a stream once")


def _matches(expected: int, version: int) -> bool:
    if expected == ANY:
        return True
    return version > 0 if expected == EXISTS else version == expected
