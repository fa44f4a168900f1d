"""A room as its reader sees it: who is there, and its events in order, none twice, none missing."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Self
from uuid import UUID

from api.client.errors import ClientError
from api.client.frames import Told
from api.client.presence import Presence
from api.realtime import protocol as p
from projections.frames import Ev, Mo
from projections.members import Member

MOST_WAITING = 4_096  # frames that are not read yet; then the socket is not read either
MOST_MOTION = 512  # of these; then motion is dropped


class Gap(Exception):
    """An event came whose predecessor did not: join again after `Room.last`."""


class Room(AsyncIterator[Told]):
    """Iterate to get what happens, until one leaves. `last` is the newest position applied.

    After a drop the iteration just goes on. It shows a `Joined` when the room was joined again: in
    mode `snapshot` too much was missed, and what the room shows now replaces what one knew.
    """

    def __init__(self, name: str, *, follow: bool, location: str = "") -> None:
        self.name, self.location = name, location
        self.last: int | None = None
        self.snapshot: p.Joined | None = None  # the newest; locks are as of then
        self.presence = Presence()  # kept current
        self.rejoining = False
        self._follow = follow
        self._frames: deque[Told] = deque()
        self._news, self._space = asyncio.Event(), asyncio.Event()
        self._end: ClientError | StopAsyncIteration | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Told:
        while not self._frames:
            if self._end is not None:
                raise self._end
            self._news.clear()
            await self._news.wait()
        self._space.set()
        return self._frames.popleft()

    @property
    def participation(self) -> UUID:
        """What others see this membership as; another one after every reconnect."""
        return self._joined().participation

    @property
    def members(self) -> Mapping[UUID, Member]:
        """By participation; by person in `presence.people`."""
        return self.presence.members

    @property
    def locks(self) -> list[p.Held]:
        """As of the newest snapshot; REST has more of them where its `more` says so."""
        return self._joined().locks

    async def joined(self, frame: p.Joined) -> None:
        """The room as it is now; what follows it continues at its position."""
        again, self.snapshot = self.snapshot is not None, frame
        self.rejoining = False
        if frame.mode == "snapshot" or self.last is None:
            self.last = frame.pos
        self.presence.joined(frame)
        if again:
            await self._give(frame)

    async def event(self, frame: Ev | p.Skip) -> None:
        """Raises Gap; a duplicate is passed over."""
        if self.last is None or frame.pos <= self.last or self.rejoining:
            return
        if frame.prev > self.last:
            raise Gap
        self.last = frame.pos
        if isinstance(frame, Ev):
            await self._give(frame)

    async def diff(self, frame: p.Presence) -> None:
        self.presence.changed(frame)
        await self._give(frame)

    async def motion(self, frame: Mo) -> None:
        self.presence.moved(frame)
        if len(self._frames) < MOST_MOTION:
            await self._give(frame)

    def end(self, error: ClientError | None = None) -> None:
        """What is waiting can still be read; then the iteration stops, or raises."""
        self._end = self._end or error or StopAsyncIteration()
        self._news.set()
        self._space.set()

    async def _give(self, frame: Told) -> None:
        while self._follow and len(self._frames) >= MOST_WAITING and self._end is None:
            self._space.clear()
            await self._space.wait()
        if self._follow:
            self._frames.append(frame)
            self._news.set()

    def _joined(self) -> p.Joined:
        if self.snapshot is None:
            raise RuntimeError(f"{self.name} is not joined yet")
        return self.snapshot
