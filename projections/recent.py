"""The log's newest events, read and decoded once for all groups of a process."""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

from domain.kernel import Event, Recorded
from infra.eventstore.store import Store

KEPT = 4_000  # events; a group that is further behind reads for itself

Events = Sequence[Recorded[Event]]


class Followed(Protocol):
    """The log's newest end: see infra.eventstore.follower."""

    @property
    def count(self) -> int:
        """How often the log was said to have grown."""
        ...

    async def read(self, after: int, limit: int, *, motion: bool = True) -> list[Recorded[Event]]:
        """Events above `after`, in order."""
        ...


class Recent:
    """A stretch of the log without a hole, up to where anybody has read.

    `motion`: one of the groups wants motion facts, so they are read for all.
    """

    def __init__(self, store: Store, follower: Followed, *, motion: bool) -> None:
        self._store = store
        self._follower = follower
        self._motion = motion
        self._reading = asyncio.Lock()
        self._events: list[Recorded[Event]] = []
        self._after = 0  # everything above this, up to the last event, is here
        self._seen = -1  # what was heard before the last read

    def forget(self) -> None:
        """Whoever begins anew may find another log."""
        self._events = []

    async def read(self, after: int, limit: int, *, motion: bool) -> Events:
        """As the store's: events above `after`, in order, at most `limit`."""
        while not self._is_all(found := self._held(after, limit, motion=motion), limit):
            if self._events and after < self._after:
                return await self._store.read(after, limit, motion=motion)
            async with self._reading:
                found = self._held(after, limit, motion=motion)
                ended = not self._is_all(found, limit) and await self._extend(after, limit)
            if ended and after >= self._after:
                return self._held(after, limit, motion=motion)
        return found

    def _held(self, after: int, limit: int, *, motion: bool) -> Events:
        if after < self._after:
            return ()
        found = self._events[bisect_right(self._events, after, key=_position) :]
        if self._motion and not motion:
            found = [one for one in found if one.version]
        return found[:limit]

    def _is_all(self, found: Events, limit: int) -> bool:
        """Nothing was appended that the log was not read for; nothing found is always looked up.

        For a notification may be lost.
        """
        return len(found) == limit or (bool(found) and self._seen == self._follower.count)

    async def _extend(self, after: int, limit: int) -> bool:
        """Read on from the end of what is here, or begin anew beyond it; whether that is all.

        What was read on from is gone when somebody began anew meanwhile: then nothing is kept.
        """
        known, seen = self._events, self._follower.count
        end = known[-1].position if known else -1
        events = await self._follower.read(max(after, end), limit, motion=self._motion)
        if self._events is not known:
            return False
        if after > end:
            self._events, self._after = [], after
        self._events += events
        self._seen = seen if len(events) < limit else -1
        over = len(self._events) - KEPT
        if over > 0:
            self._after = self._events[over - 1].position
            del self._events[:over]
        return len(events) < limit


def _position(one: Recorded[Event]) -> int:
    return one.position
