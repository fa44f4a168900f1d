import asyncio
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from api.client.errors import Closed
from api.client.presence import Cursor, Mark
from api.client.room import MOST_MOTION, MOST_WAITING, Gap, Room
from api.realtime import protocol as p
from projections.frames import Ev, Mo
from projections.members import Member

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
ANN, BOB, TASK = UUID(int=1), UUID(int=2), UUID(int=3)
NAME = "project:00000000-0000-0000-0000-000000000009"


def ev(pos: int, prev: int) -> Ev:
    return Ev(room=NAME, pos=pos, prev=prev, type="task.changed", at=AT, subject=TASK, data=raw({}))


def mo(pos: int) -> Mo:
    return Mo(room=NAME, pos=pos, type="motion.cursor", data=raw({}))


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def joined(pos: int, mode: str = "snapshot", *members: Member) -> p.Joined:
    shown = [raw(member) for member in members]
    return p.Joined(room=NAME, pos=pos, epoch="e", mode=mode, participation=ANN, members=shown)


async def room_at(pos: int, *, follow: bool = True) -> Room:
    room = Room(NAME, follow=follow)
    await room.joined(joined(pos))
    return room


async def test_events_are_given_in_their_order() -> None:
    room = await room_at(5)
    for frame in (ev(6, 5), ev(9, 6)):
        await room.event(frame)
    assert [await anext(room), await anext(room)] == [ev(6, 5), ev(9, 6)]
    assert room.last == 9


async def test_an_event_that_was_given_already_is_passed_over() -> None:
    room = await room_at(5)
    for frame in (ev(6, 5), ev(6, 5), ev(4, 3), ev(7, 6)):
        await room.event(frame)
    assert [await anext(room), await anext(room)] == [ev(6, 5), ev(7, 6)]


async def test_a_hole_is_noticed_and_nothing_beyond_it_is_given() -> None:
    room = await room_at(5)
    with pytest.raises(Gap):
        await room.event(ev(9, 7))
    assert room.last == 5


async def test_a_chain_that_was_made_anew_is_no_hole() -> None:
    room = await room_at(5)
    await room.event(ev(9, 2))
    assert room.last == 9


async def test_what_one_may_not_see_keeps_the_chain_whole() -> None:
    room = await room_at(5)
    await room.event(p.Skip(room=NAME, pos=7, prev=5))
    await room.event(ev(8, 7))
    assert await anext(room) == ev(8, 7)


async def test_a_resume_goes_on_where_one_was_and_a_snapshot_where_the_room_is() -> None:
    room = await room_at(5)
    await room.joined(joined(5, "resume"))
    await room.event(ev(6, 5))
    await room.joined(joined(90))
    assert room.last == 90
    assert [await anext(room) for _ in range(3)] == [joined(5, "resume"), ev(6, 5), joined(90)]


async def test_presence_is_folded_into_the_members() -> None:
    room = Room(NAME, follow=True)
    await room.joined(joined(1, "snapshot", Member(participation=ANN, user=ANN, status="online")))
    bob = Member(participation=BOB, user=BOB, status="online")
    await room.diff(p.Presence(room=NAME, pos=2, join=[raw(bob)]))
    away = Member(participation=BOB, user=BOB, status="away")
    await room.diff(p.Presence(room=NAME, pos=3, update=[raw(away)], leave=[ANN]))
    assert room.members == {BOB: away}


async def test_a_reader_who_is_late_loses_motion_first() -> None:
    room = await room_at(0)
    for pos in range(MOST_MOTION + 10):
        await room.motion(mo(pos))
    await room.event(ev(9_000, 0))
    given = [await anext(room) for _ in range(MOST_MOTION + 1)]
    assert given[-2:] == [mo(MOST_MOTION - 1), ev(9_000, 0)]


async def test_a_reader_who_does_not_read_holds_up_the_socket() -> None:
    room = await room_at(0)
    for pos in range(1, MOST_WAITING + 1):
        await room.event(ev(pos, pos - 1))
    giving = asyncio.create_task(room.event(ev(MOST_WAITING + 1, MOST_WAITING)))
    done, _ = await asyncio.wait({giving}, timeout=0)
    assert not done
    await anext(room)
    await giving


async def test_a_room_that_nobody_reads_keeps_nothing_but_its_place() -> None:
    room = await room_at(0, follow=False)
    for pos in range(1, MOST_WAITING + 10):
        await room.event(ev(pos, pos - 1))
    assert room.last == MOST_WAITING + 9


async def test_what_came_before_the_end_can_still_be_read() -> None:
    room = await room_at(0)
    await room.event(ev(1, 0))
    room.end(Closed(4003))
    assert await anext(room) == ev(1, 0)
    with pytest.raises(Closed):
        await anext(room)


async def test_a_room_that_was_left_just_ends() -> None:
    room = await room_at(0)
    room.end()
    assert [frame async for frame in room] == []


def member(number: int, user: UUID, status: str = "online") -> Member:
    return Member(participation=UUID(int=number), user=user, status=status, location=status)


def motion(kind: str, number: int, by: UUID, data: object) -> Mo:
    here = UUID(int=number)
    return Mo(room=NAME, pos=1, type=kind, by=by, participation=here, data=raw(data))


def moved(number: int, by: UUID, x: int) -> Mo:
    return motion("motion.cursor", number, by, {"at": {"x": x}})


def typing(number: int, by: UUID, *, on: bool) -> Mo:
    return motion("motion.typing", number, by, {"where": "title", "on": on})


async def test_a_person_with_several_connections_is_as_present_as_the_most_present_one() -> None:
    room = Room(NAME, follow=False)
    here = [member(1, ANN, "away"), member(2, ANN), member(3, BOB, "busy")]
    await room.joined(joined(5, "snapshot", *here))
    await room.diff(p.Presence(room=NAME, pos=6, away=[UUID(int=2)]))
    ann, bob = room.presence.people
    assert (ann.status, ann.away, len(ann.connections)) == ("away", False, 2)
    await room.diff(p.Presence(room=NAME, pos=7, leave=[UUID(int=1)]))
    ann, bob = room.presence.people
    assert (ann.away, bob.status, bob.location, bob.away) == (True, "busy", "busy", False)


async def test_the_newest_cursor_of_each_connection_is_kept_until_it_goes() -> None:
    room = Room(NAME, follow=False)
    one, other, his = UUID(int=1), UUID(int=2), UUID(int=3)
    await room.joined(joined(5, "snapshot", member(1, ANN), member(2, ANN), member(3, BOB)))
    for frame in (moved(1, ANN, 1), moved(2, ANN, 7), moved(3, BOB, 5), moved(1, ANN, 2)):
        await room.motion(frame)
    for number, by in ((2, ANN), (3, BOB)):
        await room.motion(typing(number, by, on=True))
    presence = room.presence
    cursors = {one: Cursor(ANN, {"x": 2}), other: Cursor(ANN, {"x": 7}), his: Cursor(BOB, {"x": 5})}
    assert presence.cursors == cursors
    assert presence.typing == {other: Mark(ANN, "title"), his: Mark(BOB, "title")}
    await room.motion(typing(3, BOB, on=False))
    await room.diff(p.Presence(room=NAME, pos=6, leave=[one]))
    del cursors[one]
    assert (presence.cursors, presence.typing) == (cursors, {other: Mark(ANN, "title")})


async def test_a_snapshot_takes_away_what_they_did_who_went_meanwhile() -> None:
    room = Room(NAME, follow=False)
    await room.joined(joined(5, "snapshot", member(1, ANN), member(2, ANN)))
    for number in (1, 2):
        await room.motion(moved(number, ANN, number))
    await room.joined(joined(9, "snapshot", member(2, ANN)))
    assert room.presence.cursors == {UUID(int=2): Cursor(ANN, {"x": 2})}


async def test_a_crowd_is_counted() -> None:
    room = Room(NAME, follow=False)
    await room.joined(joined(5, "snapshot", member(1, ANN)))
    assert room.presence.count == 1
    await room.diff(p.Presence(room=NAME, pos=6, count=1_000))
    assert (room.presence.count, room.presence.people) == (1_000, [])
