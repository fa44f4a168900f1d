"""Folded states: kept in the process for as long as the log has nothing newer, and as snapshots.

A look at the log, one for all who ask meanwhile, tells which streams have moved on: what it does
not name is as the log has it, and is read no more.
"""

import asyncio
from typing import Any, Generic, NoReturn, TypeVar
from uuid import UUID

import msgspec
import psycopg
import structlog

from domain.errors import NotFound
from domain.kernel import Command, Decider
from infra.eventstore.snapshots import Snapshot, fingerprint
from infra.eventstore.store import Store
from infra.eventstore.types import MAX_READ, Moved
from infra.gathered import Shared

MAX_HELD = 20_000  # streams whose folded state is kept
SNAPSHOT_EVERY = 200  # who had to fold more events than this leaves a snapshot
LOOK_S = 0.1  # between looks that nobody asked for: what they find is old for no longer
LOOK_AT = 5_000  # events of one look

S = TypeVar("S")
C = TypeVar("C", bound=Command)

log = structlog.get_logger()


class Loaded(msgspec.Struct, Generic[S], frozen=True):
    """An aggregate's state and the version it is at; version 0 is a stream that does not exist."""

    state: S
    version: int


class Held(msgspec.Struct, eq=False):
    """A stream's place: what was folded of it, and the version that the log was seen to be at.

    Whoever reads a stream takes its place before, so that a look meanwhile is not missed.
    """

    loaded: Loaded[Any] | None = None
    newest: int = 0


class States:
    """Folded states by stream. Where there are too many, the first that came has to come again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[bytes, Held] = {}  # by their streams' bytes, as the log has them
        self._after: int | None = None  # the log is known up to here; None: not at all
        self._last: Moved | None = None  # the event that was seen there
        self._looks = Shared(self._look)

    async def load(self, decider: Decider[S, C, Any], stream: UUID) -> Loaded[S]:
        """The state now. Raises NotFound for another aggregate's stream: ids come from outside."""
        held = self._held.get(stream.bytes)
        if held is not None and held.loaded is not None:
            await self.look()
        return await self.known(decider, stream)

    async def look(self) -> None:
        """What is `known` after this is no older than the call."""
        await self._looks.once()

    async def known(self, decider: Decider[S, C, Any], stream: UUID) -> Loaded[S]:
        """The state as of the last look, or read now. Raises as `load` does."""
        return self.cached(decider, stream) or await self._read(decider, stream)

    def cached(self, decider: Decider[S, C, Any], stream: UUID) -> Loaded[S] | None:
        """As of the last look, which may be a while ago: an append's version check tells."""
        held = self._held.get(stream.bytes)
        if held is None or held.loaded is None or held.newest > held.loaded.version:
            return None
        return _of(decider, stream, held.loaded)

    def hold(self, stream: UUID) -> Held:
        """The stream's place; what is read or appended from now on may be kept there."""
        held = self._held.get(key := stream.bytes)
        if held is None:
            held = self._held[key] = Held()
            if len(self._held) > MAX_HELD:
                del self._held[next(iter(self._held))]
        return held

    def keep(self, held: Held, loaded: Loaded[S]) -> Loaded[S]:
        """In its place, if that was not taken away meanwhile: nobody would know what was missed."""
        if held.loaded is None or held.loaded.version <= loaded.version:
            held.loaded = loaded
        return loaded

    async def follow(self) -> NoReturn:
        """Look now and then, until cancelled: who decides on what is cached seldom conflicts."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._held:
                self._after = None  # no need to know what happens meanwhile
                continue
            try:
                await self.look()
            except (psycopg.Error, TimeoutError) as error:
                log.warning("states_not_followed", error=str(error).strip())

    async def _look(self) -> None:
        try:
            while await self._note_moved() >= LOOK_AT:
                pass
        except BaseException:
            self._after = None  # a server that comes back may have another log
            raise

    async def _note_moved(self) -> int:
        """How many events there were. The last one is looked at again: a log without is another."""
        if self._after is None:
            return await self._begin()
        moved = await self._store.moved(self._after - (self._last is not None), LOOK_AT)
        if self._last is not None and (not moved or moved[0] != self._last):
            return await self._begin()
        for _, stream, version in moved:
            held = self._held.get(stream)
            if held is not None and held.newest < version:
                held.newest = version
        if moved:
            self._last = moved[-1]
            self._after = self._last[0]
        return len(moved)

    async def _begin(self) -> int:
        """At the head of the log: what was read before may be older."""
        self._after, self._last = await self._store.head(), None
        self._held.clear()
        return 0

    async def _read(self, decider: Decider[S, C, Any], stream: UUID) -> Loaded[S]:
        """What is held and the events since."""
        held = self.hold(stream)
        loaded = _of(decider, stream, held.loaded) if held.loaded else Loaded(decider.initial, 0)
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
        return self.keep(held, loaded)

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


def _of(decider: Decider[S, C, Any], stream: UUID, loaded: Loaded[Any]) -> Loaded[S]:
    """Of a stream that does not exist any aggregate may have the name."""
    if not loaded.version:
        return Loaded(decider.initial, 0)
    if not isinstance(loaded.state, type(decider.initial)):
        raise NotFound(f"{decider.name}.not_found", id=stream)
    return loaded
