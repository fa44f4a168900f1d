"""A session as it happened: a project's events and motion between two positions, in their order."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from math import inf
from uuid import UUID

import msgspec

from domain.kernel import Event, Recorded
from infra.db import Connection
from infra.runtime import Runtime
from projections.frames import event_data, public_type
from projections.read import reading
from projections.replay.moments import motion_of
from projections.timeline import events_of

PAGE = 500  # events
SLOWEST, FASTEST = 0.1, 100_000.0  # how many times faster than it was


class Played(msgspec.Struct, frozen=True):
    """Something that happened; `version` is 0 for motion."""

    pos: int
    at: datetime
    type: str
    by: UUID | None
    subject: UUID
    version: int
    data: msgspec.Raw


class Pace:
    """When things are due: as far apart as they were, divided by the speed; 0 stands still."""

    def __init__(self, start: datetime, speed: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._start, self._speed, self._since = start, speed, self._loop.time()
        self._passed_s = 0.0  # of what was, until `_since`

    def due_in_s(self, at: datetime) -> float:
        to_come_s = (at - self._start).total_seconds() - self._now_s()
        return max(to_come_s / self._speed, 0.0) if self._speed else inf

    def set_speed(self, speed: float) -> None:
        """From now on; what passed until now has passed."""
        self._passed_s, self._since, self._speed = self._now_s(), self._loop.time(), speed

    def skip_to(self, at: datetime) -> None:
        """What is due then is due now, and what follows as far from it as it was."""
        self._passed_s = (at - self._start).total_seconds()
        self._since = self._loop.time()

    def _now_s(self) -> float:
        return self._passed_s + (self._loop.time() - self._since) * self._speed


async def session(
    runtime: Runtime, project: UUID, after: int, upto: int
) -> AsyncGenerator[list[Played]]:
    """What `happened` as everybody sees it."""
    async for page in happened(runtime, project, after, upto):
        yield [played(one) for one in page]


async def happened(
    runtime: Runtime, project: UUID, after: int, upto: int
) -> AsyncGenerator[list[Recorded[Event]]]:
    """Pages of what happened above `after` and not above `upto`, oldest first."""
    while after < upto:
        async with reading(runtime) as db:
            page, after = await _page(db, project, after, upto)
        yield page


async def _page(
    db: Connection, project: UUID, after: int, upto: int
) -> tuple[list[Recorded[Event]], int]:
    """The next events, and how far they go: no further than the shorter of the two reads."""
    events = await events_of(db, project, after, upto, PAGE)
    if len(events) == PAGE:
        upto = events[-1].position
    motion = await motion_of(db, project, after, upto, PAGE)
    if len(motion) == PAGE:
        upto = motion[-1].position
    merged = sorted([*events, *motion], key=lambda one: one.position)
    return [one for one in merged if one.position <= upto], upto


def played(one: Recorded[Event]) -> Played:
    return Played(
        pos=one.position,
        at=one.at,
        type=public_type(type(one.event)),
        by=one.meta.actor,
        subject=one.stream,
        version=one.version,
        data=event_data(one.event),
    )
