"""Locks as a connection sees them: what its frames ask, what it holds, what it waits for."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec

from api.realtime import protocol as p
from domain.lock import (
    AcquireLock,
    Lock,
    LockCommand,
    ReleaseLock,
    RenewLock,
    StealLock,
    StopWaiting,
    Unwaited,
)
from projections.locks import LockRow

LockFrame: TypeAlias = p.Lock | p.Unwait | p.Renew | p.Unlock | p.Steal


class Stay(msgspec.Struct, frozen=True):
    """Who is in a project's room, and by which participation."""

    user: UUID
    room: str
    participation: UUID
    project: UUID


class HeldLock(msgspec.Struct, frozen=True):
    """A lock this connection was granted: renewed while it lives, released when it says goodbye."""

    room: str
    project: UUID
    holder: UUID
    token: int
    keep: bool
    ttl_ms: int
    renew_at: datetime  # when half of its time is gone


class Awaited(msgspec.Struct, frozen=True):
    """A lock this connection is in the queue of."""

    room: str
    project: UUID
    participation: UUID


class Grant(msgspec.Struct, frozen=True):
    """What a lock.granted says, as far as its new holder's connection needs it."""

    holder: UUID
    participation: UUID
    token: int
    ttl_ms: int
    expires: datetime
    keep: bool = False


class Granted(msgspec.Struct, frozen=True):
    """The frame of a lock.granted; `subject` is the lock's stream."""

    subject: UUID
    data: Grant


class Due(msgspec.Struct, frozen=True):
    """What a connection does about a lock without being asked."""

    stream: UUID
    project: UUID
    command: LockCommand


class Locks(msgspec.Struct, frozen=True):
    """Of one connection, by the lock's stream. What is held in a room is not waited for in it."""

    held: Mapping[UUID, HeldLock] = {}
    awaited: Mapping[UUID, Awaited] = {}

    def holding(self, stream: UUID, held: HeldLock) -> "Locks":
        rest = self.without(stream)
        return Locks({**rest.held, stream: held}, rest.awaited)

    def waiting(self, stream: UUID, awaited: Awaited) -> "Locks":
        rest = self.without(stream, awaited.room)
        return Locks(rest.held, {**rest.awaited, stream: awaited})

    def renewed(self, stream: UUID, now: datetime) -> "Locks":
        """With all its time before it again."""
        held = self.held.get(stream)
        if held is None:
            return self
        renew_at = now + timedelta(milliseconds=held.ttl_ms / 2)
        return self.holding(stream, msgspec.structs.replace(held, renew_at=renew_at))

    def without(self, stream: UUID, room: str | None = None) -> "Locks":
        """What was asked for in another room stays, where one is named: it is held apart."""

        def stays(key: UUID, one: HeldLock | Awaited) -> bool:
            return key != stream or (room is not None and one.room != room)

        return Locks(
            {key: one for key, one in self.held.items() if stays(key, one)},
            {key: one for key, one in self.awaited.items() if stays(key, one)},
        )

    def outside(self, room: str) -> "Locks":
        """Those that were not asked for in `room`."""
        return Locks(
            {key: one for key, one in self.held.items() if one.room != room},
            {key: one for key, one in self.awaited.items() if one.room != room},
        )

    def full(self, stream: UUID) -> bool:
        """Whether one more, of `stream`, would be too many."""
        return len({*self.held, *self.awaited, stream}) > p.MAX_LOCKS


def held_lock(at: Stay, lock: Lock | Grant, expires: datetime) -> HeldLock:
    half = timedelta(milliseconds=lock.ttl_ms / 2)
    return HeldLock(
        at.room, at.project, at.user, lock.token, lock.keep, lock.ttl_ms, expires - half
    )


def recalled(rows: Sequence[LockRow], rooms: Mapping[UUID, str]) -> Locks:
    """What is held and waited for by the participations that `rooms` are of, as stored."""
    locks = Locks()
    for row in rows:
        room = rooms.get(row.participation)
        if room is not None:
            held = HeldLock(room, row.project, row.holder, row.token, row.keep, 0, row.expires_at)
            locks = locks.holding(row.stream, held)
            continue
        for waiting in row.queue:
            awaited = Awaited(rooms[waiting], row.project, waiting)
            locks = locks.waiting(row.stream, awaited)
    return locks


def lock_command(at: Stay, frame: LockFrame, now: datetime) -> LockCommand:
    match frame:
        case p.Lock(resource=resource, ttl=ttl, keep=keep, wait=wait):
            return AcquireLock(
                project=at.project,
                resource=resource,
                holder=at.user,
                participation=at.participation,
                ttl_ms=ttl,
                keep=keep,
                wait=wait,
                now=now,
            )
        case p.Unwait():
            return StopWaiting(participations=(at.participation,), reason="unwaited", now=now)
        case p.Renew(token=token):
            return RenewLock(holder=at.user, token=token, now=now)
        case p.Unlock(token=token):
            return ReleaseLock(holder=at.user, token=token, now=now)
        case p.Steal(resource=resource, reason=reason, ttl=ttl):
            return StealLock(
                project=at.project,
                resource=resource,
                holder=at.user,
                participation=at.participation,
                reason=reason,
                ttl_ms=ttl,
                now=now,
            )
        case _:
            assert_never(frame)


def renewals(locks: Locks, now: datetime) -> list[Due]:
    """A live connection keeps what it holds; nothing is asked before half of the time is gone."""
    return [
        Due(stream, held.project, RenewLock(holder=held.holder, token=held.token, now=now))
        for stream, held in locks.held.items()
        if held.renew_at <= now
    ]


def releases(locks: Locks, room: str | None, now: datetime, *, kept: bool = False) -> list[Due]:
    """What was asked for in `room` (None: in any) and is given up; `kept`: those to be kept too."""
    return [
        Due(stream, held.project, ReleaseLock(holder=held.holder, token=held.token, now=now))
        for stream, held in locks.held.items()
        if room in (None, held.room) and (kept or not held.keep)
    ]


def withdrawals(locks: Locks, room: str | None, reason: Unwaited, now: datetime) -> list[Due]:
    """Out of every queue that was joined in `room` (None: in any)."""
    return [
        Due(
            stream,
            one.project,
            StopWaiting(participations=(one.participation,), reason=reason, now=now),
        )
        for stream, one in locks.awaited.items()
        if room in (None, one.room)
    ]
