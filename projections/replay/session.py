"""A session as it happened: a project's events and motion between two positions, in their order."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from uuid import UUID

import msgspec

from domain.kernel import Event, Recorded
from infra.db import Connection
from infra.runtime import Runtime
from projections.frames import public_type
from projections.read import reading
from projections.replay.moments import motion_of
from projections.rows import event_text
from projections.timeline import events_of

PAGE = 500  # events


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
    """When things are due: as far apart as they were, divided by the speed."""

    def __init__(self, start: datetime, speed: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._start, self._speed, self._began = start, speed, self._loop.time()

    def due_in_s(self, at: datetime) -> float:
        since_s = (at - self._start).total_seconds() / self._speed
        return max(since_s - (self._loop.time() - self._began), 0.0)


async def session(
    runtime: Runtime, project: UUID, after: int, upto: int
) -> AsyncGenerator[list[Played]]:
    """Pages of what happened above `after` and not above `upto`, oldest first."""
    while after < upto:
        async with reading(runtime) as db:
            page, after = await _page(db, project, after, upto)
        yield [_played(one) for one in page]


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


def _played(one: Recorded[Event]) -> Played:
    return Played(
        pos=one.position,
        at=one.at,
        type=public_type(type(one.event)),
        by=one.meta.actor,
        subject=one.stream,
        version=one.version,
        data=msgspec.Raw(event_text(one.event).encode()),
    )
