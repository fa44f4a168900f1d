"""Presence diffs by value: one frame for all that changed, no flicker for a short drop."""

from uuid import UUID

import msgspec
import pytest

from api.realtime.presence import (
    GRACE_S,
    LATEST_S,
    OF_NODE,
    OFTEN_S,
    SELDOM_S,
    Diff,
    Tempo,
    someone_of,
)
from infra.bus import Entry, Kind

ANN, BOB = UUID(int=1), UUID(int=2)
P1, P2, P3 = UUID(int=11), UUID(int=12), UUID(int=13)


def entry(kind: Kind, participation: UUID, user: UUID, pos: int = 1, **more: str) -> Entry:
    payload = msgspec.json.encode({"participation": participation, "user": user, **more})
    return Entry(kind, pos, payload)


def add(diff: Diff, one: Entry, now: float) -> None:
    diff.add(one, someone_of(one), now)


def seen(items: list[msgspec.Raw]) -> list[UUID]:
    return [UUID(msgspec.json.decode(item)["participation"]) for item in items]


def test_nothing_changed_is_no_frame() -> None:
    assert Diff().take("r", 0.0) is None


def test_what_changed_together_is_one_frame() -> None:
    diff = Diff()
    add(diff, entry(Kind.JOIN, P1, ANN, 5), 0.0)
    add(diff, entry(Kind.JOIN, P2, BOB, 6), 0.1)
    add(diff, entry(Kind.UPDATE, P1, ANN, 7, status="busy"), 0.2)
    frame = diff.take("r", 0.25)
    assert frame is not None
    assert (frame.room, frame.pos) == ("r", 7)
    assert seen(frame.join) == [P1, P2]
    assert seen(frame.update) == [P1]
    assert diff.take("r", 0.5) is None


def test_who_says_goodbye_is_gone_at_once() -> None:
    diff = Diff()
    add(diff, entry(Kind.LEAVE, P1, ANN, reason="said"), 0.0)
    frame = diff.take("r", 0.25)
    assert frame is not None
    assert (frame.leave, frame.away) == ([P1], [])
    assert not diff.waits


def test_who_drops_is_away_and_leaves_after_the_grace() -> None:
    diff = Diff()
    add(diff, entry(Kind.LEAVE, P1, ANN, reason="dropped"), 0.0)
    frame = diff.take("r", 0.25)
    assert frame is not None
    assert (frame.leave, frame.away) == ([], [P1])
    assert diff.waits
    assert diff.take("r", GRACE_S - 0.1) is None
    late = diff.take("r", GRACE_S + 0.1)
    assert late is not None
    assert late.leave == [P1]


def test_who_comes_back_within_the_grace_changes_participation_only() -> None:
    diff = Diff()
    add(diff, entry(Kind.LEAVE, P1, ANN, reason="dropped"), 0.0)
    diff.take("r", 0.25)
    add(diff, entry(Kind.JOIN, P3, ANN), 3.0)
    frame = diff.take("r", 3.25)
    assert frame is not None
    assert seen(frame.join) == [P3]
    assert frame.leave == [P1]
    assert diff.take("r", GRACE_S + 1) is None


def test_a_join_that_ends_within_one_diff_is_told_as_a_leave() -> None:
    diff = Diff()
    add(diff, entry(Kind.JOIN, P1, ANN), 0.0)
    add(diff, entry(Kind.LEAVE, P1, ANN, reason="said"), 0.1)
    frame = diff.take("r", 0.25)
    assert frame is not None
    assert frame.join == []
    assert frame.leave == [P1], "a snapshot may have shown it"


def test_the_more_sockets_the_less_often() -> None:
    alone = [Tempo().wait_s(sockets, 100.0) for sockets in (1, 25, 50, 90, 1_000)]
    assert alone[0] == alone[1] == OFTEN_S
    assert OFTEN_S < alone[2] < alone[3] < SELDOM_S
    assert alone[4] == SELDOM_S


def test_rooms_that_change_at_once_wait_for_each_other_and_no_longer_than_that() -> None:
    tempo, sockets = Tempo(), OF_NODE // 100
    waits = [tempo.wait_s(sockets, 100.0) for _ in range(1_000)]
    assert waits[0] == OFTEN_S
    assert waits == sorted(waits)
    due = sum(wait <= 3.0 for wait in waits) * sockets
    assert due == pytest.approx(3.0 * OF_NODE, rel=0.05)
    assert waits[-1] == LATEST_S
    assert tempo.wait_s(sockets, 1_000.0) == OFTEN_S, "when all has been told"
