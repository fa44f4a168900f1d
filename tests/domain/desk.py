"""A desk that four people want: commands and events of its lock, in a line each."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.lock import (
    DEFAULT_TTL_MS,
    AcquireLock,
    LockAcquired,
    LockGranted,
    LockQueued,
    LockReleased,
    LockStolen,
    LockUnqueued,
    ReleaseLock,
    StealLock,
    StopWaiting,
)

START = datetime(2030, 1, 1, tzinfo=UTC)
PROJECT, DESK = UUID(int=11), "desk"
TTL_S = DEFAULT_TTL_MS // 1_000
ANN, BOB, CYD, DAN = range(4)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def person(who: int) -> UUID:
    return UUID(int=100 + who)


def stay(who: int) -> UUID:
    """Their participation."""
    return UUID(int=200 + who)


def acquire(who: int, seconds: float, *, wait: bool = True) -> AcquireLock:
    return AcquireLock(
        project=PROJECT,
        resource=DESK,
        holder=person(who),
        participation=stay(who),
        wait=wait,
        now=at(seconds),
    )


def acquired(who: int, seconds: float = 0) -> LockAcquired:
    return LockAcquired(
        project=PROJECT,
        resource=DESK,
        holder=person(who),
        participation=stay(who),
        ttl_ms=DEFAULT_TTL_MS,
        expires=at(seconds + TTL_S),
    )


def queued(who: int, *, keep: bool = False, ttl_ms: int = DEFAULT_TTL_MS) -> LockQueued:
    return LockQueued(
        project=PROJECT,
        resource=DESK,
        waiter=person(who),
        participation=stay(who),
        ttl_ms=ttl_ms,
        keep=keep,
    )


def granted(who: int, seconds: float, token: int, *, keep: bool = False) -> LockGranted:
    return LockGranted(
        project=PROJECT,
        resource=DESK,
        holder=person(who),
        participation=stay(who),
        token=token,
        ttl_ms=DEFAULT_TTL_MS,
        expires=at(seconds + TTL_S),
        keep=keep,
    )


def released(who: int, reason: str = "released") -> LockReleased:
    return LockReleased(resource=DESK, by=person(who), reason=reason)


def unqueued(who: int) -> LockUnqueued:
    return LockUnqueued(
        resource=DESK, waiter=person(who), participation=stay(who), reason="unwaited"
    )


def stop(*who: int, seconds: float = 1) -> StopWaiting:
    return StopWaiting(participations=tuple(map(stay, who)), reason="unwaited", now=at(seconds))


def release(who: int, token: int, seconds: float = 1) -> ReleaseLock:
    return ReleaseLock(holder=person(who), token=token, now=at(seconds))


def steal(who: int, seconds: float = 1) -> StealLock:
    return StealLock(
        project=PROJECT,
        resource=DESK,
        holder=person(who),
        participation=stay(who),
        reason="urgent",
        now=at(seconds),
    )


def stolen(who: int, was: int, seconds: float = 1) -> LockStolen:
    return LockStolen(
        project=PROJECT,
        resource=DESK,
        was=person(was),
        holder=person(who),
        participation=stay(who),
        reason="urgent",
        ttl_ms=DEFAULT_TTL_MS,
        expires=at(seconds + TTL_S),
    )
