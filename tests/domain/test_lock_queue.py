"""Who waits for a lock: first come, first served, whatever else happens to it."""

from collections.abc import Sequence

import pytest

from domain.errors import Locked
from domain.kernel import fold
from domain.lock import (
    LOCK,
    MAX_WAITING,
    MIN_TTL_MS,
    AcquireLock,
    ExpireLock,
    LockEvent,
    LockExpired,
    LockGranted,
    RenewLock,
)
from tests.domain.desk import (
    ANN,
    BOB,
    CYD,
    DAN,
    DESK,
    PROJECT,
    TTL_S,
    acquire,
    acquired,
    at,
    granted,
    person,
    queued,
    release,
    released,
    stay,
    steal,
    stolen,
    stop,
    unqueued,
)
from tests.dsl import check, refused

EXPIRED = LockExpired(resource=DESK, holder=person(ANN))
BOB_WAITS: Sequence[LockEvent] = [acquired(ANN), queued(BOB)]
TWO_WAIT: Sequence[LockEvent] = [*BOB_WAITS, queued(CYD)]


def test_who_waits_for_what_is_free_has_it_at_once() -> None:
    check(LOCK, given=[], when=acquire(ANN, 0), then=[acquired(ANN)])


def test_who_finds_it_held_waits_behind_those_who_came_before() -> None:
    check(LOCK, given=[acquired(ANN)], when=acquire(BOB, 1), then=[queued(BOB)])
    check(LOCK, given=BOB_WAITS, when=acquire(CYD, 1), then=[queued(CYD)])
    lock = fold(LOCK, TWO_WAIT)
    assert [lock.place(stay(who)) for who in (BOB, CYD, ANN)] == [1, 2, 0]


def test_asking_again_changes_nothing() -> None:
    check(LOCK, given=TWO_WAIT, when=acquire(BOB, 1), then=[])
    check(LOCK, given=TWO_WAIT, when=acquire(ANN, 1), then=[])  # she has it


def test_a_queue_is_bounded() -> None:
    given = [acquired(ANN), *(queued(who) for who in range(1, MAX_WAITING + 1))]
    check(LOCK, given=given, when=acquire(MAX_WAITING + 1, 1), then=refused("lock.queue_full"))
    check(LOCK, given=given[:-1], when=acquire(MAX_WAITING, 1), then=[queued(MAX_WAITING)])
    check(LOCK, given=given, when=acquire(7, 1), then=[])


def test_what_could_not_be_granted_is_not_waited_for() -> None:
    command = AcquireLock(
        project=PROJECT,
        resource=DESK,
        holder=person(BOB),
        participation=stay(BOB),
        ttl_ms=MIN_TTL_MS - 1,
        wait=True,
        now=at(1),
    )
    check(LOCK, given=[acquired(ANN)], when=command, then=refused("lock.bad_ttl"))


def test_a_release_hands_over_to_whoever_waits_longest() -> None:
    then = [released(ANN), granted(BOB, 1, token=5)]
    check(LOCK, given=TWO_WAIT, when=release(ANN, token=1), then=then)
    again = [released(BOB), granted(CYD, 2, token=7)]
    check(LOCK, given=[*TWO_WAIT, *then], when=release(BOB, token=5, seconds=2), then=again)


def test_a_grant_is_of_what_was_asked_for() -> None:
    waits = queued(BOB, keep=True, ttl_ms=9_000)
    [_, grant] = LOCK.decide(release(ANN, token=1), fold(LOCK, [acquired(ANN), waits]))
    assert isinstance(grant, LockGranted)
    assert (grant.keep, grant.ttl_ms, grant.expires) == (True, 9_000, at(10))


def test_an_expiry_hands_over_at_the_end_of_the_lease_and_not_before() -> None:
    check(LOCK, given=BOB_WAITS, when=ExpireLock(token=1, now=at(TTL_S - 0.1)), then=[])
    then = [EXPIRED, granted(BOB, TTL_S, token=4)]
    check(LOCK, given=BOB_WAITS, when=ExpireLock(token=1, now=at(TTL_S)), then=then)


def test_a_third_does_not_take_what_another_waits_for() -> None:
    """Not even where the lease is over and nobody has said so yet."""
    handed = [EXPIRED, granted(BOB, TTL_S, token=4)]
    check(LOCK, given=BOB_WAITS, when=acquire(CYD, TTL_S), then=[*handed, queued(CYD)])
    check(LOCK, given=BOB_WAITS, when=acquire(ANN, TTL_S), then=[*handed, queued(ANN)])
    check(LOCK, given=BOB_WAITS, when=acquire(BOB, TTL_S, wait=False), then=handed)
    with pytest.raises(Locked) as caught:
        LOCK.decide(acquire(CYD, TTL_S, wait=False), fold(LOCK, BOB_WAITS))
    assert (caught.value.code, caught.value.detail["holder"]) == ("lock.held", str(person(BOB)))


def test_whose_time_is_over_has_lost_it_to_the_next() -> None:
    renew = RenewLock(holder=person(ANN), token=1, now=at(TTL_S))
    check(LOCK, given=BOB_WAITS, when=renew, then=refused("lock.lost"))
    check(LOCK, given=BOB_WAITS, when=release(ANN, 1, TTL_S), then=refused("lock.lost"))


def test_a_theft_leaves_the_queue_as_it_is() -> None:
    check(LOCK, given=TWO_WAIT, when=steal(DAN), then=[stolen(DAN, ANN)])
    given = [*TWO_WAIT, stolen(DAN, ANN)]
    then = [released(DAN), granted(BOB, 2, token=6)]
    check(LOCK, given=given, when=release(DAN, token=4, seconds=2), then=then)


def test_a_thief_who_waited_does_so_no_longer() -> None:
    given = [*TWO_WAIT, stolen(BOB, ANN)]
    assert [one.waiter for one in fold(LOCK, given).queue] == [person(CYD)]


def test_what_has_passed_to_the_next_is_stolen_from_them() -> None:
    then = [EXPIRED, granted(BOB, TTL_S, token=4), stolen(DAN, BOB, TTL_S)]
    check(LOCK, given=BOB_WAITS, when=steal(DAN, TTL_S), then=then)


def test_who_waits_no_longer_lets_the_others_move_up() -> None:
    check(LOCK, given=TWO_WAIT, when=stop(BOB), then=[unqueued(BOB)])
    assert fold(LOCK, [*TWO_WAIT, unqueued(BOB)]).place(stay(CYD)) == 1
    check(LOCK, given=TWO_WAIT, when=stop(BOB, CYD, DAN), then=[unqueued(BOB), unqueued(CYD)])
    check(LOCK, given=TWO_WAIT, when=stop(DAN), then=[])
    check(LOCK, given=[], when=stop(DAN), then=[])


def test_who_waits_no_longer_gives_up_what_came_meanwhile() -> None:
    given = [*TWO_WAIT, released(ANN), granted(BOB, 1, token=5)]
    then = [released(BOB, "unwaited"), granted(CYD, 2, token=7)]
    check(LOCK, given=given, when=stop(BOB, seconds=2), then=then)
    both = [unqueued(CYD), released(BOB, "unwaited")]
    check(LOCK, given=given, when=stop(BOB, CYD, seconds=2), then=both)
