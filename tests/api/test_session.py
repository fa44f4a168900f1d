"""The session machine by value: a frame and a state in, effects out."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.realtime import protocol as p
from api.realtime.locking import Stay
from api.realtime.session import (
    Authenticate,
    Effect,
    Enter,
    Exit,
    Hold,
    Membership,
    Move,
    Play,
    Run,
    See,
    Session,
    Steer,
    Tell,
    receive,
)
from domain.access import Action, Who
from domain.activity import RecordActivity
from domain.lock import AcquireLock, ReleaseLock, RenewLock, StopWaiting, lock_stream
from domain.motion import MAX_PLACE, CursorMoved, Typing
from domain.participation import LeaveReason, SetStatus
from domain.project import ProjectRole
from domain.user import Role

ANN, CONNECTION, HERE, PROJECT, R = (UUID(int=n) for n in range(1, 6))
ROOM = f"project:{PROJECT}"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = Membership(ROOM, HERE, PROJECT, ProjectRole.CONTRIBUTOR)

NOBODY = Session(connection=CONNECTION)
SIGNED_IN = msgspec.structs.replace(NOBODY, who=Who(ANN, Role.MEMBER))
INSIDE = SIGNED_IN.entered(AT)


def refused(code: str, session: Session, frame: p.Incoming) -> bool:
    match receive(session, frame, NOW):
        case [Tell(frame=p.Err(code=told, re=re))]:
            return told == code and re == frame.id
        case _:
            return False


def test_nobody_may_do_anything_but_say_who_they_are() -> None:
    assert refused("auth.missing", NOBODY, p.Join(room=ROOM, id=R))
    assert refused("auth.missing", NOBODY, p.Status(status="busy"))
    hello = p.Hello(token="t")
    assert receive(NOBODY, hello, NOW) == [Authenticate("t", hello)]
    assert receive(NOBODY, p.Ping(t=3), NOW) == [Tell(p.Pong(t=3))]


def test_joining_asks_for_the_room_from_the_position_held() -> None:
    frame = p.Join(room=ROOM, after=7, location="board", id=R)
    assert receive(SIGNED_IN, frame, NOW) == [Enter(ROOM, 7, "board", R)]


def test_a_connection_has_a_bounded_number_of_rooms() -> None:
    full = SIGNED_IN
    for number in range(p.MAX_ROOMS):
        full = full.entered(Membership(f"r{number}", UUID(int=number)))
    assert refused("room.too_many", full, p.Join(room=ROOM))
    assert receive(full, p.Join(room="r1", after=3), NOW) == [Enter("r1", 3, "", None)]


def test_only_members_act_in_a_room() -> None:
    assert refused("room.not_joined", SIGNED_IN, p.Act(room=ROOM, kind="x"))


def test_an_act_is_a_blind_append_to_the_participations_own_stream() -> None:
    frame = p.Act(room=ROOM, kind="wave", data=msgspec.Raw(b"{}"), id=R)
    match receive(INSIDE, frame, NOW):
        case [Run(re=re, membership=at, parts=(part,))]:
            assert (re, at, part.blind) == (R, AT, True)
            assert isinstance(part.command, RecordActivity)
        case other:
            pytest.fail(f"unexpected {other}")


def test_viewers_act_but_do_not_lock_and_contributors_do_not_steal() -> None:
    viewing = SIGNED_IN.entered(Membership(ROOM, HERE, PROJECT, ProjectRole.VIEWER))
    assert isinstance(receive(viewing, p.Act(room=ROOM, kind="x"), NOW)[0], Run)
    assert refused("access.denied", viewing, p.Lock(room=ROOM, resource="a"))
    assert refused("access.denied", INSIDE, p.Steal(room=ROOM, resource="a", reason="r"))


def test_motion_is_a_fact_without_an_answer() -> None:
    cursor = p.Cursor(room=ROOM, at=msgspec.Raw(b'{"x":1}'))
    match receive(INSIDE, cursor, NOW):
        case [Move(membership=at, event=CursorMoved(room=room))]:
            assert (at, room) == (AT, ROOM)
        case other:
            pytest.fail(f"unexpected {other}")
    typing = p.Typing(room=ROOM, where="title", on=True)
    assert receive(INSIDE, typing, NOW) == [Move(AT, Typing(room=ROOM, where="title", on=True))]


@pytest.mark.parametrize(
    "frame",
    [
        p.Cursor(room=ROOM, at=msgspec.Raw(b'"' + b"x" * MAX_PLACE + b'"')),
        p.Select(room=ROOM, selection=msgspec.Raw(b'"' + b"x" * MAX_PLACE + b'"')),
    ],
)
def test_motion_is_bounded(frame: p.Incoming) -> None:
    assert refused("motion.too_large", INSIDE, frame)


def lock_command(frame: p.Incoming) -> tuple[object, Hold]:
    match receive(INSIDE, frame, NOW):
        case [Hold() as hold]:
            assert hold.part.stream == lock_stream(PROJECT, "a")
            return hold.part.command, hold
        case other:
            pytest.fail(f"unexpected {other}")


def test_locks_are_commands_on_the_resources_stream() -> None:
    acquire, held = lock_command(p.Lock(room=ROOM, resource="a", ttl=9_000, keep=True))
    assert isinstance(acquire, AcquireLock)
    assert (acquire.participation, acquire.ttl_ms, acquire.keep) == (HERE, 9_000, True)
    assert (held.at, acquire.wait) == (Stay(ANN, ROOM, HERE, PROJECT), False)
    waiting, _ = lock_command(p.Lock(room=ROOM, resource="a", wait=True))
    assert isinstance(waiting, AcquireLock)
    assert waiting.wait
    stop, _ = lock_command(p.Unwait(room=ROOM, resource="a"))
    assert stop == StopWaiting(participations=(HERE,), reason="unwaited", now=NOW)
    renew, _ = lock_command(p.Renew(room=ROOM, resource="a", token=3))
    assert renew == RenewLock(holder=ANN, token=3, now=NOW)
    release, _ = lock_command(p.Unlock(room=ROOM, resource="a", token=3))
    assert release == ReleaseLock(holder=ANN, token=3, now=NOW)


def test_a_room_without_a_project_has_no_locks() -> None:
    own = SIGNED_IN.entered(Membership("user:x", HERE))
    admin = msgspec.structs.replace(own, who=Who(ANN, Role.ADMIN))
    assert refused("lock.no_project", admin, p.Lock(room="user:x", resource="a"))


def test_a_replay_is_opened_and_steered_beside_the_rooms() -> None:
    opening, pause = p.Replay(project=PROJECT, id=R), p.Act(room=f"replay:{R}", kind="pause")
    assert refused("auth.missing", NOBODY, opening)
    assert refused("auth.missing", NOBODY, pause)
    assert receive(SIGNED_IN, opening, NOW) == [Play(opening)]
    assert receive(SIGNED_IN, pause, NOW) == [Steer(pause)]


def test_a_status_is_set_in_every_room_at_once() -> None:
    both = INSIDE.entered(Membership("user:x", CONNECTION))
    match receive(both, p.Status(status="busy"), NOW):
        case [Run(parts=parts)]:
            assert [part.stream for part in parts] == [HERE, CONNECTION]
            assert all(isinstance(part.command, SetStatus) for part in parts)
        case other:
            pytest.fail(f"unexpected {other}")
    assert refused("room.not_joined", SIGNED_IN, p.Status(status="busy"))


def test_a_key_does_in_a_room_what_it_is_for() -> None:
    joins = msgspec.structs.replace(
        SIGNED_IN, who=Who(ANN, Role.MEMBER, frozenset({Action.ROOM_JOIN}))
    )
    inside = joins.entered(AT)
    for frame in (p.Status(status="busy"), p.Seen(room=ROOM, pos=1), p.Act(room=ROOM, kind="x")):
        assert refused("access.denied", inside, frame), frame
    own = Who(ANN, Role.MEMBER, frozenset({Action.RECEIPT_WRITE, Action.ROOM_ACT}))
    allowed = msgspec.structs.replace(inside, who=own)
    assert receive(allowed, p.Seen(room=ROOM, pos=1), NOW) == [See(AT, 1)]
    assert not refused("access.denied", allowed, p.Status(status="busy"))


def test_leaving_is_said() -> None:
    assert receive(INSIDE, p.Leave(room=ROOM, id=R), NOW) == [Exit(AT, LeaveReason.SAID, R)]


def test_nobody_leaves_their_own_room() -> None:
    own = f"user:{ANN}"
    assert refused("room.own", SIGNED_IN.entered(Membership(own, HERE)), p.Leave(room=own))


rooms = st.sampled_from([f"r{number}" for number in range(p.MAX_ROOMS + 5)])
joins = st.builds(p.Join, room=rooms)
leaves = st.builds(p.Leave, room=rooms)


@given(st.lists(joins | leaves, max_size=300))
def test_a_session_never_holds_more_than_its_rooms(frames: list[p.Incoming]) -> None:
    session = SIGNED_IN
    for frame in frames:
        for effect in receive(session, frame, NOW):
            session = applied(session, effect)
        assert len(session.rooms) <= p.MAX_ROOMS


def applied(session: Session, effect: Effect) -> Session:
    match effect:
        case Enter(room=room):
            return session.entered(Membership(room, UUID(int=0)))
        case Exit(membership=membership):
            return session.exited(membership.room)
        case _:
            return session


def test_motion_that_the_log_could_not_show_is_refused() -> None:
    nul = msgspec.Raw(b'{"x":"\\u0000"}')
    assert refused("text.has_nul", INSIDE, p.Cursor(room=ROOM, at=nul))
    assert refused("motion.bad_data", INSIDE, p.Select(room=ROOM, selection=msgspec.Raw(b"1e999")))
