from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.errors import Locked
from domain.kernel import fold
from domain.lock import (
    DEFAULT_TTL_MS,
    LOCK,
    MAX_TTL_MS,
    MIN_TTL_MS,
    AcquireLock,
    ExpireLock,
    Lock,
    LockAcquired,
    LockCommand,
    LockEvent,
    LockExpired,
    LockReleased,
    LockRenewed,
    LockStolen,
    ReleaseLock,
    RenewLock,
    StealLock,
    lock_stream,
)
from tests.dsl import check, refused

START = datetime(2030, 1, 1, tzinfo=UTC)
P1, P2, ANN, BOB = UUID(int=11), UUID(int=12), UUID(int=1), UUID(int=2)
ANNS, BOBS = UUID(int=41), UUID(int=42)  # their participations
TITLE = "task:1/title"
TTL_S = DEFAULT_TTL_MS // 1_000


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def acquired(by: UUID = ANN, through: UUID = ANNS, seconds: float = 0) -> LockAcquired:
    return LockAcquired(
        project=P1,
        resource=TITLE,
        holder=by,
        participation=through,
        ttl_ms=DEFAULT_TTL_MS,
        expires=at(seconds + TTL_S),
    )


def acquire(by: UUID = ANN, through: UUID = ANNS, seconds: float = 0) -> AcquireLock:
    return AcquireLock(
        project=P1, resource=TITLE, holder=by, participation=through, now=at(seconds)
    )


def steal(seconds: float = 1, reason: str = "urgent") -> StealLock:
    return StealLock(
        project=P1,
        resource=TITLE,
        holder=BOB,
        participation=BOBS,
        reason=reason,
        now=at(seconds),
    )


HELD: list[LockEvent] = [acquired()]
EXPIRED = LockExpired(resource=TITLE, holder=ANN)
RELEASED = LockReleased(resource=TITLE, by=ANN)
STOLEN = LockStolen(
    project=P1,
    resource=TITLE,
    was=ANN,
    holder=BOB,
    participation=BOBS,
    reason="urgent",
    ttl_ms=DEFAULT_TTL_MS,
    expires=at(1 + TTL_S),
)


def test_a_free_resource_is_locked() -> None:
    check(LOCK, given=[], when=acquire(), then=[acquired()])
    check(LOCK, given=[*HELD, RELEASED], when=acquire(BOB, BOBS, 2), then=[acquired(BOB, BOBS, 2)])


def test_a_held_resource_is_not_locked_by_another() -> None:
    check(LOCK, given=HELD, when=acquire(BOB, BOBS, TTL_S - 1), then=refused("lock.held"))


def test_who_is_refused_hears_by_whom_and_until_when() -> None:
    with pytest.raises(Locked) as caught:
        LOCK.decide(acquire(BOB, BOBS, 1), fold(LOCK, HELD))
    assert caught.value.detail == {"holder": str(ANN), "expires": "2030-01-01T00:00:30+00:00"}


def test_a_second_window_of_the_holder_is_another_participation() -> None:
    check(LOCK, given=HELD, when=acquire(ANN, BOBS, 1), then=refused("lock.held"))


def test_acquiring_twice_changes_nothing() -> None:
    check(LOCK, given=HELD, when=acquire(seconds=1), then=[])


@pytest.mark.parametrize(("who", "through"), [(BOB, BOBS), (ANN, ANNS)])
def test_a_lock_past_its_time_gives_way(who: UUID, through: UUID) -> None:
    granted = acquired(who, through, TTL_S)
    check(LOCK, given=HELD, when=acquire(who, through, TTL_S), then=[EXPIRED, granted])


@pytest.mark.parametrize("ttl_ms", [MIN_TTL_MS - 1, MAX_TTL_MS + 1, 0, -1])
def test_a_time_to_live_is_bounded(ttl_ms: int) -> None:
    command = AcquireLock(
        project=P1, resource=TITLE, holder=ANN, participation=ANNS, ttl_ms=ttl_ms, now=START
    )
    check(LOCK, given=[], when=command, then=refused("lock.bad_ttl"))


@pytest.mark.parametrize("ttl_ms", [MIN_TTL_MS, MAX_TTL_MS])
def test_the_bounds_of_a_time_to_live_are_allowed(ttl_ms: int) -> None:
    command = AcquireLock(
        project=P1,
        resource=TITLE,
        holder=ANN,
        participation=ANNS,
        ttl_ms=ttl_ms,
        keep=True,
        now=START,
    )
    granted = LockAcquired(
        project=P1,
        resource=TITLE,
        holder=ANN,
        participation=ANNS,
        ttl_ms=ttl_ms,
        expires=START + timedelta(milliseconds=ttl_ms),
        keep=True,
    )
    check(LOCK, given=[], when=command, then=[granted])


@pytest.mark.parametrize("resource", ["", " ", "x" * 201])
def test_a_resource_has_a_bounded_name(resource: str) -> None:
    command = AcquireLock(project=P1, resource=resource, holder=ANN, participation=ANNS, now=START)
    check(LOCK, given=[], when=command, then=refused("lock.bad_resource"))


def test_a_lock_is_renewed_when_half_its_time_is_gone() -> None:
    renewed = LockRenewed(resource=TITLE, expires=at(15 + TTL_S))
    check(LOCK, given=HELD, when=RenewLock(holder=ANN, token=1, now=at(14.9)), then=[])
    check(LOCK, given=HELD, when=RenewLock(holder=ANN, token=1, now=at(15)), then=[renewed])


def test_a_renewed_lock_keeps_its_token() -> None:
    given = [*HELD, LockRenewed(resource=TITLE, expires=at(45))]
    release = ReleaseLock(holder=ANN, token=1, now=at(40), reason=" done ")
    released = LockReleased(resource=TITLE, by=ANN, reason="done")
    check(LOCK, given=given, when=release, then=[released])


@pytest.mark.parametrize(
    ("holder", "token", "seconds"),
    [(ANN, 2, 1), (BOB, 1, 1), (ANN, 1, TTL_S)],
    ids=["wrong token", "wrong holder", "too late"],
)
def test_a_lock_that_is_lost_is_neither_renewed_nor_released(
    holder: UUID, token: int, seconds: float
) -> None:
    now = at(seconds)
    renew, release = (
        RenewLock(holder=holder, token=token, now=now),
        ReleaseLock(holder=holder, token=token, now=now),
    )
    check(LOCK, given=HELD, when=renew, then=refused("lock.lost"))
    check(LOCK, given=HELD, when=release, then=refused("lock.lost"))


@pytest.mark.parametrize(
    "command",
    [RenewLock(holder=ANN, token=0, now=START), ReleaseLock(holder=ANN, token=0, now=START)],
)
def test_what_was_never_held_is_neither_renewed_nor_released(command: LockCommand) -> None:
    check(LOCK, given=[], when=command, then=refused("lock.lost"))


def test_the_reason_of_a_release_is_bounded() -> None:
    command = ReleaseLock(holder=ANN, token=1, now=START, reason="x" * 201)
    check(LOCK, given=HELD, when=command, then=refused("lock.bad_reason"))


def test_a_lock_expires_at_its_time_and_not_before() -> None:
    check(LOCK, given=HELD, when=ExpireLock(token=1, now=at(TTL_S - 0.1)), then=[])
    check(LOCK, given=HELD, when=ExpireLock(token=1, now=at(TTL_S)), then=[EXPIRED])


def test_an_expiry_is_of_one_grant_only() -> None:
    late = at(TTL_S)
    check(LOCK, given=HELD, when=ExpireLock(token=2, now=late), then=[])
    check(LOCK, given=[*HELD, RELEASED], when=ExpireLock(token=1, now=late), then=[])
    check(LOCK, given=[*HELD, RELEASED], when=ExpireLock(token=0, now=late), then=[])


def test_a_held_lock_is_stolen_with_a_reason() -> None:
    check(LOCK, given=HELD, when=steal(reason=" urgent "), then=[STOLEN])
    check(LOCK, given=HELD, when=steal(reason=" "), then=refused("lock.bad_reason"))
    check(LOCK, given=HELD, when=steal(reason="x" * 201), then=refused("lock.bad_reason"))


def test_what_nobody_holds_cannot_be_stolen() -> None:
    check(LOCK, given=[], when=steal(), then=refused("lock.not_held"))
    check(LOCK, given=HELD, when=steal(TTL_S), then=refused("lock.not_held"))


def test_a_theft_fences_off_the_former_holder() -> None:
    given = [*HELD, STOLEN]
    lost = ReleaseLock(holder=ANN, token=1, now=at(2))
    check(LOCK, given=given, when=lost, then=refused("lock.lost"))
    released = LockReleased(resource=TITLE, by=BOB)
    check(LOCK, given=given, when=ReleaseLock(holder=BOB, token=2, now=at(2)), then=[released])


def test_a_token_is_the_version_of_its_grant() -> None:
    events = [*HELD, LockRenewed(resource=TITLE, expires=at(45)), EXPIRED, acquired(BOB, BOBS, 50)]
    assert [fold(LOCK, events[:count]).token for count in range(5)] == [0, 1, 1, 0, 4]
    assert fold(LOCK, events) == Lock(
        version=4,
        resource=TITLE,
        holder=BOB,
        participation=BOBS,
        token=4,
        ttl_ms=DEFAULT_TTL_MS,
        expires=at(50 + TTL_S),
    )


def test_a_resource_of_a_project_has_one_stream_for_ever() -> None:
    assert lock_stream(P1, TITLE) == UUID("c538fd77-11f8-5d2e-b383-d0edf7427e0b")
    assert lock_stream(P1, f" {TITLE} ") == lock_stream(P1, TITLE) != lock_stream(P2, TITLE)
