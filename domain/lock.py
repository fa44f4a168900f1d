"""ResourceLock: one holder of a resource at a time, for a bounded time, with a fencing token."""

from datetime import datetime, timedelta
from typing import TypeAlias, assert_never
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


class AcquireLock(Command, frozen=True, kw_only=True, tag="acquire_lock"):
    project: UUID
    resource: str
    holder: UUID
    participation: UUID
    ttl_ms: int = DEFAULT_TTL_MS
    keep: bool = False
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


LockEvent: TypeAlias = LockAcquired | LockRenewed | LockReleased | LockExpired | LockStolen
LockCommand: TypeAlias = AcquireLock | RenewLock | ReleaseLock | ExpireLock | StealLock


class Lock(msgspec.Struct, frozen=True):
    version: int = 0  # of the stream: a grant's is its fencing token
    resource: str = ""
    holder: UUID | None = None
    participation: UUID | None = None
    token: int = 0
    ttl_ms: int = 0
    expires: datetime | None = None

    def held(self, now: datetime) -> bool:
        return self.expires is not None and now < self.expires


def lock_stream(project: UUID, resource: str) -> UUID:
    return uuid5(project, f"lock:{resource.strip()}")


def decide(command: LockCommand, lock: Lock) -> list[LockEvent]:
    match command:
        case AcquireLock():
            return _acquire(command, lock)
        case RenewLock(holder=holder, token=token, now=now):
            return _renew(holder, token, now, lock)
        case ReleaseLock(holder=holder, token=token, now=now, reason=reason):
            _require_held(holder, token, now, lock)
            reason = checked(reason, "lock.bad_reason", MAX_REASON)
            return [LockReleased(resource=lock.resource, by=holder, reason=reason)]
        case ExpireLock(token=token, now=now):
            return [] if lock.token != token or lock.held(now) else _expired(lock)
        case StealLock():
            return _steal(command, lock)
        case _:
            assert_never(command)


def _acquire(command: AcquireLock, lock: Lock) -> list[LockEvent]:
    if lock.held(command.now):
        if lock.participation == command.participation:
            return []
        raise Locked("lock.held", holder=lock.holder, expires=lock.expires)
    granted = LockAcquired(
        project=command.project,
        resource=checked(command.resource, "lock.bad_resource", MAX_RESOURCE),
        holder=command.holder,
        participation=command.participation,
        ttl_ms=command.ttl_ms,
        expires=_expires(command.now, command.ttl_ms),
        keep=command.keep,
    )
    return [*_expired(lock), granted]


def _expired(lock: Lock) -> list[LockEvent]:
    if lock.holder is None:
        return []
    return [LockExpired(resource=lock.resource, holder=lock.holder)]


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
        case LockAcquired() | LockStolen():
            return Lock(
                version=version,
                resource=event.resource,
                holder=event.holder,
                participation=event.participation,
                token=version,
                ttl_ms=event.ttl_ms,
                expires=event.expires,
            )
        case LockRenewed(expires=expires):
            return msgspec.structs.replace(lock, version=version, expires=expires)
        case LockReleased() | LockExpired():
            return Lock(version=version)
        case _:
            assert_never(event)


LOCK = Decider(
    name="lock",
    initial=Lock(),
    decide=decide,
    evolve=evolve,
    events=(LockAcquired, LockRenewed, LockReleased, LockExpired, LockStolen),
)
