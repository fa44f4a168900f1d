"""ResourceLock: one holder of a resource at a time, for a bounded time, with a fencing token.

Whoever finds it held may wait. However a hold ends, the same decision grants the lock to whoever
waits longest: nobody can take it in between, and nobody waits for what is free. A wait has no end
in time: it lasts as long as the participation that waits, and who is gone leaves the queue.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache, reduce
from typing import Literal, TypeAlias, assert_never
from uuid import UUID, uuid5

import msgspec

from domain.errors import Invalid, Locked, WrongState
from domain.kernel import Command, Decider, Event
from domain.text import checked

MIN_TTL_MS = 5_000
MAX_TTL_MS = 300_000
DEFAULT_TTL_MS = 30_000
MAX_RESOURCE = 200  # characters
MAX_REASON = 200  # characters
MAX_WAITING = 100  # for one resource

Unwaited: TypeAlias = Literal["unwaited", "left", "denied", "gone"]


class LockAcquired(Event, frozen=True, kw_only=True, tag="lock.acquired.v1"):
    project: UUID
    resource: str
    holder: UUID
    participation: UUID
    ttl_ms: int
    expires: datetime
    keep: bool = False


class LockRenewed(Event, frozen=True, kw_only=True, tag="lock.renewed.v1"):
    resource: str
    expires: datetime


class LockReleased(Event, frozen=True, kw_only=True, tag="lock.released.v1"):
    resource: str
    by: UUID
    reason: str = "released"


class LockExpired(Event, frozen=True, kw_only=True, tag="lock.expired.v1"):
    resource: str
    holder: UUID


class LockStolen(Event, frozen=True, kw_only=True, tag="lock.stolen.v1"):
    project: UUID
    resource: str
    was: UUID
    holder: UUID
    participation: UUID
    reason: str
    ttl_ms: int
    expires: datetime
    keep: bool = False


class LockQueued(Event, frozen=True, kw_only=True, tag="lock.queued.v1"):
    """With what is asked for, so that it can be granted without asking again."""

    project: UUID
    resource: str
    waiter: UUID
    participation: UUID
    ttl_ms: int
    keep: bool = False


class LockUnqueued(Event, frozen=True, kw_only=True, tag="lock.unqueued.v1"):
    resource: str
    waiter: UUID
    participation: UUID
    reason: Unwaited


class LockGranted(Event, frozen=True, kw_only=True, tag="lock.granted.v1"):
    """The next in the queue has it. `token` is the event's version: who waited learns it here."""

    project: UUID
    resource: str
    holder: UUID
    participation: UUID
    token: int
    ttl_ms: int
    expires: datetime
    keep: bool = False


class AcquireLock(Command, frozen=True, kw_only=True, tag="acquire_lock"):
    project: UUID
    resource: str
    holder: UUID
    participation: UUID
    ttl_ms: int = DEFAULT_TTL_MS
    keep: bool = False
    wait: bool = False  # in the queue, if somebody holds it
    now: datetime


class RenewLock(Command, frozen=True, kw_only=True, tag="renew_lock"):
    holder: UUID
    token: int
    now: datetime


class ReleaseLock(Command, frozen=True, kw_only=True, tag="release_lock"):
    holder: UUID
    token: int
    now: datetime
    reason: str = "released"


class ExpireLock(Command, frozen=True, kw_only=True, tag="expire_lock"):
    token: int
    now: datetime


class StealLock(Command, frozen=True, kw_only=True, tag="steal_lock"):
    project: UUID
    resource: str
    holder: UUID
    participation: UUID
    reason: str
    ttl_ms: int = DEFAULT_TTL_MS
    now: datetime


class StopWaiting(Command, frozen=True, kw_only=True, tag="stop_waiting"):
    """Nobody of them wants it any more: not their place, nor what was granted meanwhile."""

    participations: tuple[UUID, ...]
    reason: Unwaited
    now: datetime


LockEvent: TypeAlias = (
    LockAcquired
    | LockRenewed
    | LockReleased
    | LockExpired
    | LockStolen
    | LockQueued
    | LockUnqueued
    | LockGranted
)
LockCommand: TypeAlias = (
    AcquireLock | RenewLock | ReleaseLock | ExpireLock | StealLock | StopWaiting
)


class Lock(msgspec.Struct, frozen=True):
    version: int = 0  # of the stream: a grant's is its fencing token
    resource: str = ""
    holder: UUID | None = None
    participation: UUID | None = None
    token: int = 0
    ttl_ms: int = 0
    expires: datetime | None = None
    keep: bool = False  # not released when its holder leaves
    queue: tuple[LockQueued, ...] = ()  # who waits, the longest first

    def held(self, now: datetime) -> bool:
        return self.expires is not None and now < self.expires

    def place(self, participation: UUID) -> int:
        """In the queue, from 1; 0: it does not wait."""
        waiting = [one.participation for one in self.queue]
        return waiting.index(participation) + 1 if participation in waiting else 0


@lru_cache(10_000)
def lock_stream(project: UUID, resource: str) -> UUID:
    return uuid5(project, f"lock:{resource.strip()}")


def decide(command: LockCommand, lock: Lock) -> list[LockEvent]:
    if isinstance(command, StopWaiting):
        return _stop_waiting(command, lock)
    now = command.now
    over = _over(lock, now)
    then = reduce(evolve, over, lock)
    match command:
        case AcquireLock():
            return [*over, *_acquire(command, then)]
        case RenewLock(holder=holder, token=token):
            return _renew(holder, token, now, then)
        case ReleaseLock(holder=holder, token=token, reason=reason):
            _require_held(holder, token, now, then)
            reason = checked(reason, "lock.bad_reason", MAX_REASON)
            return _pass_on(
                then, now, LockReleased(resource=then.resource, by=holder, reason=reason)
            )
        case ExpireLock(token=token):
            return over if lock.token == token else []
        case StealLock():
            return [*over, *_steal(command, then)]
        case _:
            assert_never(command)


def _over(lock: Lock, now: datetime) -> list[LockEvent]:
    """What the end of its time brings. Until then: nothing."""
    if lock.held(now):
        return []
    if lock.holder is None:
        return _pass_on(lock, now)
    return _pass_on(lock, now, LockExpired(resource=lock.resource, holder=lock.holder))


def _pass_on(lock: Lock, now: datetime, *ended: LockEvent) -> list[LockEvent]:
    """The end of a hold and, in one decision, the grant to whoever waits longest."""
    then = reduce(evolve, ended, lock)
    if not then.queue:
        return [*ended]
    first = then.queue[0]
    granted = LockGranted(
        project=first.project,
        resource=first.resource,
        holder=first.waiter,
        participation=first.participation,
        token=then.version + 1,
        ttl_ms=first.ttl_ms,
        expires=now + timedelta(milliseconds=first.ttl_ms),
        keep=first.keep,
    )
    return [*ended, granted]


def _acquire(command: AcquireLock, lock: Lock) -> list[LockEvent]:
    if lock.participation == command.participation:
        return []
    if lock.holder is not None:
        if command.wait:
            return _queue(command, lock)
        raise Locked("lock.held", holder=lock.holder, expires=lock.expires)
    return [
        LockAcquired(
            project=command.project,
            resource=checked(command.resource, "lock.bad_resource", MAX_RESOURCE),
            holder=command.holder,
            participation=command.participation,
            ttl_ms=command.ttl_ms,
            expires=_expires(command.now, command.ttl_ms),
            keep=command.keep,
        )
    ]


def _queue(command: AcquireLock, lock: Lock) -> list[LockEvent]:
    """At its end; who waits already keeps the place."""
    if lock.place(command.participation):
        return []
    if len(lock.queue) >= MAX_WAITING:
        raise WrongState("lock.queue_full", waiting=len(lock.queue), holder=lock.holder)
    _expires(command.now, command.ttl_ms)  # what could not be granted is refused now
    return [
        LockQueued(
            project=command.project,
            resource=checked(command.resource, "lock.bad_resource", MAX_RESOURCE),
            waiter=command.holder,
            participation=command.participation,
            ttl_ms=command.ttl_ms,
            keep=command.keep,
        )
    ]


def _stop_waiting(command: StopWaiting, lock: Lock) -> list[LockEvent]:
    gone, reason = command.participations, command.reason
    left: list[LockEvent] = [
        LockUnqueued(
            resource=one.resource,
            waiter=one.waiter,
            participation=one.participation,
            reason=reason,
        )
        for one in lock.queue
        if one.participation in gone
    ]
    then = reduce(evolve, left, lock)
    if then.holder is None or then.participation not in gone:
        return left
    released = LockReleased(resource=then.resource, by=then.holder, reason=reason)
    return [*left, *_pass_on(then, command.now, released)]


def _renew(holder: UUID, token: int, now: datetime, lock: Lock) -> list[LockEvent]:
    """Appended at most once per half a ttl, however often it is asked for."""
    expires = _require_held(holder, token, now, lock)
    if expires - now > timedelta(milliseconds=lock.ttl_ms / 2):
        return []
    return [LockRenewed(resource=lock.resource, expires=_expires(now, lock.ttl_ms))]


def _steal(command: StealLock, lock: Lock) -> list[LockEvent]:
    reason = checked(command.reason, "lock.bad_reason", MAX_REASON)
    if lock.holder is None or not lock.held(command.now):
        raise WrongState("lock.not_held")
    return [
        LockStolen(
            project=command.project,
            resource=checked(command.resource, "lock.bad_resource", MAX_RESOURCE),
            was=lock.holder,
            holder=command.holder,
            participation=command.participation,
            reason=reason,
            ttl_ms=command.ttl_ms,
            expires=_expires(command.now, command.ttl_ms),
        )
    ]


def _require_held(holder: UUID, token: int, now: datetime, lock: Lock) -> datetime:
    """The end of the lease. Raises WrongState unless it is this holder's, by this token."""
    mine = lock.holder == holder and lock.token == token and lock.held(now)
    if not mine or lock.expires is None:
        raise WrongState("lock.lost", holder=lock.holder if lock.held(now) else None)
    return lock.expires


def _expires(now: datetime, ttl_ms: int) -> datetime:
    if not MIN_TTL_MS <= ttl_ms <= MAX_TTL_MS:
        raise Invalid("lock.bad_ttl", ttl_ms=ttl_ms, least=MIN_TTL_MS, most=MAX_TTL_MS)
    return now + timedelta(milliseconds=ttl_ms)


def evolve(lock: Lock, event: LockEvent) -> Lock:
    version = lock.version + 1
    match event:
        case LockAcquired() | LockStolen() | LockGranted():
            return Lock(
                version=version,
                resource=event.resource,
                holder=event.holder,
                participation=event.participation,
                token=version,
                ttl_ms=event.ttl_ms,
                expires=event.expires,
                keep=event.keep,
                queue=_without(event.participation, lock.queue),
            )
        case LockRenewed(expires=expires):
            return msgspec.structs.replace(lock, version=version, expires=expires)
        case LockReleased() | LockExpired():
            return Lock(version=version, queue=lock.queue)
        case LockQueued(participation=participation):
            queue = (*_without(participation, lock.queue), event)
            return msgspec.structs.replace(lock, version=version, queue=queue)
        case LockUnqueued(participation=participation):
            queue = _without(participation, lock.queue)
            return msgspec.structs.replace(lock, version=version, queue=queue)
        case _:
            assert_never(event)


def _without(participation: UUID, queue: Collection[LockQueued]) -> tuple[LockQueued, ...]:
    return tuple(one for one in queue if one.participation != participation)


LOCK = Decider(
    name="lock",
    initial=Lock(),
    decide=decide,
    evolve=evolve,
    events=(
        LockAcquired,
        LockRenewed,
        LockReleased,
        LockExpired,
        LockStolen,
        LockQueued,
        LockUnqueued,
        LockGranted,
    ),
)
