"""What a connection holds and waits for, by value."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from api.realtime import protocol as p
from api.realtime.locking import Awaited, HeldLock, Locks, releases, renewals, withdrawals
from domain.lock import ReleaseLock, RenewLock, StopWaiting

ANN, HERE, PROJECT, A, B, C = (UUID(int=n) for n in range(1, 7))
ROOM, OTHER = f"project:{PROJECT}", f"task:{A}"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOON = NOW + timedelta(seconds=15)


def held(room: str, token: int, *, keep: bool = False) -> HeldLock:
    return HeldLock(room, PROJECT, ANN, token, keep, ttl_ms=30_000, renew_at=SOON)


MINE = Locks({A: held(ROOM, 3), B: held(OTHER, 4, keep=True)}, {C: Awaited(ROOM, PROJECT, HERE)})


def test_what_is_held_is_renewed_when_half_its_time_is_gone() -> None:
    assert renewals(MINE, SOON - timedelta(microseconds=1)) == []
    due = renewals(MINE, SOON)
    assert [one.stream for one in due] == [A, B]
    assert due[0].command == RenewLock(holder=ANN, token=3, now=SOON)
    again = MINE.renewed(A, SOON)
    assert [one.stream for one in renewals(again, SOON)] == [B]
    assert [one.stream for one in renewals(again, SOON + timedelta(seconds=15))] == [B, A]
    assert MINE.renewed(C, SOON) == MINE, "what is not held"


@pytest.mark.parametrize(
    ("room", "kept", "streams"),
    [(ROOM, False, [A]), (OTHER, False, []), (OTHER, True, [B]), (None, False, [A])],
)
def test_what_is_held_is_given_up_by_room_unless_it_is_kept(
    room: str | None, kept: bool, streams: list[UUID]
) -> None:
    due = releases(MINE, room, NOW, kept=kept)
    assert [one.stream for one in due] == streams
    assert all(isinstance(one.command, ReleaseLock) for one in due)


def test_a_queue_is_left_with_the_room_it_was_joined_in() -> None:
    [due] = withdrawals(MINE, ROOM, "left", NOW)
    stop = StopWaiting(participations=(HERE,), reason="left", now=NOW)
    assert (due.stream, due.project, due.command) == (C, PROJECT, stop)
    assert withdrawals(MINE, None, "left", NOW) == [due]
    assert withdrawals(MINE, OTHER, "left", NOW) == []


def test_what_is_held_is_not_waited_for() -> None:
    granted = MINE.holding(C, held(ROOM, 5))
    assert ([*granted.held], [*granted.awaited]) == ([A, B, C], [])
    waiting = granted.waiting(A, Awaited(ROOM, PROJECT, HERE))
    assert ([*waiting.held], [*waiting.awaited]) == ([B, C], [A])
    assert waiting.outside(ROOM) == Locks({B: MINE.held[B]})
    assert waiting.without(B).without(C).without(A) == Locks()


def test_a_connection_has_a_bounded_number_of_locks() -> None:
    streams = [UUID(int=n) for n in range(100, 100 + p.MAX_LOCKS)]
    many = Locks({stream: held(ROOM, 1) for stream in streams[1:]}, {streams[0]: MINE.awaited[C]})
    assert many.full(A)
    assert not many.full(streams[0])
    assert not many.without(streams[5]).full(A)
