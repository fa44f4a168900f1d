"""Folded states: cached in the process, dropped when the log moved on, kept as snapshots."""

import asyncio
from collections import OrderedDict
from typing import Any, Generic, NoReturn, TypeVar
from uuid import UUID

import msgspec
import psycopg
import structlog

from domain.errors import NotFound
from domain.kernel import Command, Decider
from infra.eventstore.snapshots import Snapshot, fingerprint
from infra.eventstore.store import Store
from infra.eventstore.types import MAX_READ

MAX_CACHED = 20_000  # streams whose folded state is kept
SNAPSHOT_EVERY = 200  # who had to fold more events than this leaves a snapshot
LOOK_S = 0.1  # between looks at what others appended: a stale state costs a retry, no more
LOOK_AT = 5_000  # events of one look

S = TypeVar("S")
C = TypeVar("C", bound=Command)

log = structlog.get_logger()


class Loaded(msgspec.Struct, Generic[S], frozen=True):
    """An aggregate's state and the version it is at; version 0 is a stream that does not exist."""

    state: S
    version: int


class States:
    """Folded states by stream, least recently used dropped.

    A state from here may be old: the append's version check tells.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cached: OrderedDict[UUID, Loaded[Any]] = OrderedDict()

    async def load(self, decider: Decider[S, C, Any], stream: UUID) -> Loaded[S]:
        """The state now: what is cached and the events since.

        Raises NotFound for another aggregate's stream: ids come from outside.
        """
        loaded = self.cached(decider, stream) or Loaded(decider.initial, 0)
        start = loaded.version
        loaded, more = await self._fold(decider, stream, loaded, SNAPSHOT_EVERY)
        if more:
            kept = await self._snapshot(decider, stream)
            if kept is not None and kept.version > loaded.version:
                loaded, start = kept, kept.version
        while more:
            loaded, more = await self._fold(decider, stream, loaded, MAX_READ)
        if loaded.version - start >= SNAPSHOT_EVERY:
            await self._keep_snapshot(decider, stream, loaded)
        return self.keep(stream, loaded)

    def cached(self, decider: Decider[S, C, Any], stream: UUID) -> Loaded[S] | None:
        held = self._cached.get(stream)
        if held is not None and not isinstance(held.state, type(decider.initial)):
            raise NotFound(f"{decider.name}.not_found", id=stream)
        return held

    def keep(self, stream: UUID, loaded: Loaded[S]) -> Loaded[S]:
        held = self._cached.get(stream)
        if loaded.version and (held is None or held.version <= loaded.version):
            self._cached[stream] = loaded
            self._cached.move_to_end(stream)
            if len(self._cached) > MAX_CACHED:
                self._cached.popitem(last=False)
        return loaded

    async def follow(self) -> NoReturn:
        """Drop what the log has moved past, until cancelled: decided anew it would conflict."""
        position: int | None = None
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._cached:
                position = None  # nothing to drop: no need to know what happens meanwhile
                continue
            try:
                position = await self._drop_moved(position)
            except (psycopg.Error, TimeoutError) as error:
                log.warning("states_not_followed", error=str(error).strip())

    async def _drop_moved(self, position: int | None) -> int:
        """From `position`, or from the head on: what was cached before is as old as it is."""
        if position is None:
            return await self._store.head()
        moved = await self._store.moved(position, LOOK_AT)
        for _, stream, version in moved:
            held = self._cached.get(stream)
            if held is not None and held.version < version:
                del self._cached[stream]
        return moved[-1][0] if moved else position

    async def _fold(
        self, decider: Decider[S, C, Any], stream: UUID, loaded: Loaded[S], limit: int
    ) -> tuple[Loaded[S], bool]:
        """At most `limit` more events, and whether there may be others."""
        events = await self._store.read_stream(stream, loaded.version, limit)
        state, version = loaded.state, loaded.version
        for recorded in events:
            if not isinstance(recorded.event, decider.events):
                raise NotFound(f"{decider.name}.not_found", id=stream)
            state, version = decider.evolve(state, recorded.event), recorded.version
        return Loaded(state, version), len(events) >= limit

    async def _snapshot(self, decider: Decider[S, C, Any], stream: UUID) -> Loaded[S] | None:
        found = await self._store.snapshot(stream, fingerprint(decider))
        if found is None:
            return None
        return Loaded(msgspec.json.decode(found.state, type=type(decider.initial)), found.version)

    async def _keep_snapshot(
        self, decider: Decider[S, C, Any], stream: UUID, loaded: Loaded[S]
    ) -> None:
        snapshot = Snapshot(loaded.version, msgspec.json.encode(loaded.state))
        await self._store.keep_snapshot(stream, fingerprint(decider), snapshot)
