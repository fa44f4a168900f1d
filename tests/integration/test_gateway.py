"""The gateway over real Postgres, Valkey and sockets."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from uuid import UUID, uuid4

import pytest

from api.realtime import protocol as p
from domain.document import DOCUMENT, CreateDocument
from domain.project import PROJECT, ProjectRole, RemoveMember
from domain.user import USER, DeactivateUser
from infra.runtime import SYSTEM, Runtime
from projections.read import reading, wait_for
from tests.infra.until import until
from tests.integration.sockets import Json, Live, Socket, live_gateway

People = tuple[UUID, UUID, str]


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


@pytest.fixture
async def people(live: Live) -> People:
    """Ann, who manages a project, Bob, who contributes to it, and the project's room."""
    ann, bob = await live.user("ann"), await live.user("bob")
    project = await live.project(ann)
    await live.add(project, bob, ProjectRole.CONTRIBUTOR)
    return ann, bob, f"project:{project}"


async def both(live: Live, people: People) -> tuple[Socket, Socket, str]:
    ann, bob, room = people
    one, two = await live.open(ann), await live.open(bob)
    await one.ask("join", room=room)
    await two.ask("join", room=room)
    return one, two, room


async def test_an_act_reaches_the_others_once_it_is_durable(live: Live, people: People) -> None:
    one, two, room = await both(live, people)
    ack = await one.ask("act", room=room, kind="wave", data={"n": 1})
    event = await two.event("activity.recorded")
    assert ack["op"] == "ack"
    assert event["pos"] == ack["pos"]
    assert event["data"]["data"] == {"n": 1}
    assert event["by"] == str(people[0])
    assert (await one.event("activity.recorded"))["pos"] == ack["pos"], "the actor sees it as well"


async def test_events_form_one_chain(live: Live, people: People) -> None:
    one, two, room = await both(live, people)
    await asyncio.gather(*(one.say("act", room=room, kind="n", data={"n": n}) for n in range(100)))
    events = [await two.event("activity.recorded") for _ in range(100)]
    assert [event["data"]["data"]["n"] for event in events] == list(range(100))
    assert all(later["prev"] == earlier["pos"] for earlier, later in pairwise(events))


async def test_a_joiner_sees_the_others_and_they_see_it(live: Live, people: People) -> None:
    ann, bob, room = people
    one = await live.open(ann)
    await one.ask("join", room=room)
    two = await live.open(bob)
    joined = await two.ask("join", room=room)
    assert joined["mode"] == "snapshot"
    assert {member["user"] for member in joined["members"]} == {str(ann), str(bob)}
    presence = await one.until(
        lambda frame: (
            frame["op"] == "presence"
            and any(member["user"] == str(bob) for member in frame.get("join", []))
        )
    )
    assert presence["room"] == room


async def test_a_client_that_returns_gets_exactly_what_it_missed(
    live: Live, people: People
) -> None:
    one, two, room = await both(live, people)
    last = (await one.ask("act", room=room, kind="n", data=0))["pos"]
    await two.event("activity.recorded")
    await two.connection.close()
    missed = [(await one.ask("act", room=room, kind="n", data=n))["pos"] for n in range(1, 20)]
    back = await live.open(people[1])
    joined = await back.ask("join", room=room, after=last)
    live_one = (await one.ask("act", room=room, kind="n", data=20))["pos"]
    events = [await back.event("activity.recorded") for _ in range(20)]
    assert joined["mode"] == "resume"
    assert [event["pos"] for event in events] == [*missed, live_one]
    assert events[0]["prev"] == last


async def test_a_position_beyond_the_log_gets_a_snapshot(live: Live, people: People) -> None:
    one = await live.open(people[0])
    joined = await one.ask("join", room=people[2], after=10**12)
    assert joined["mode"] == "snapshot"


async def test_a_lock_has_one_holder_and_rising_tokens(live: Live, people: People) -> None:
    one, two, room = await both(live, people)
    held = (await one.ask("lock", room=room, resource="task:1", ttl=30_000))["lock"]
    refused = await two.ask("lock", room=room, resource="task:1", ttl=30_000)
    assert refused["code"] == "lock.held"
    assert refused["detail"]["holder"] == str(people[0])
    await two.event("lock.acquired")
    await one.ask("unlock", room=room, resource="task:1", token=held["token"])
    await two.event("lock.released")
    second = (await two.ask("lock", room=room, resource="task:1", ttl=30_000))["lock"]
    assert second["token"] > held["token"]
    lost = await one.ask("renew", room=room, resource="task:1", token=held["token"])
    assert lost["code"] == "lock.lost"


async def test_leaving_releases_a_lock_unless_it_is_kept(live: Live, people: People) -> None:
    one, two, room = await both(live, people)
    await one.ask("lock", room=room, resource="a")
    await one.ask("lock", room=room, resource="b", keep=True)
    await one.ask("leave", room=room)
    released = await two.event("lock.released")
    assert released["data"]["resource"] == "a"
    refused = await two.ask("lock", room=room, resource="b")
    assert refused["code"] == "lock.held"


async def test_a_manager_steals_and_a_contributor_may_not(live: Live, people: People) -> None:
    one, two, room = await both(live, people)
    await two.ask("lock", room=room, resource="a")
    stolen = await one.ask("steal", room=room, resource="a", reason="urgent")
    assert stolen["lock"]["holder"] == str(people[0])
    denied = await two.ask("steal", room=room, resource="a", reason="mine")
    assert denied["code"] == "access.denied"


async def test_cursors_and_typing_reach_the_others(live: Live, people: People) -> None:
    one, two, room = await both(live, people)
    await one.say("cursor", room=room, at={"x": 3, "y": 4})
    moved = await two.until(lambda frame: frame["op"] == "mo")
    assert (moved["type"], moved["data"]["at"]) == ("motion.cursor", {"x": 3, "y": 4})
    await one.say("typing", room=room, where="title", on=True)
    typing = await two.until(lambda frame: frame["op"] == "mo")
    assert typing["data"]["where"] == "title"


async def test_a_stranger_may_not_join(live: Live, people: People) -> None:
    eve = await live.open(await live.user("eve"))
    assert (await eve.ask("join", room=people[2]))["code"] == "access.denied"
    assert (await eve.ask("join", room=f"user:{people[0]}"))["code"] == "access.denied"
    assert (await eve.ask("join", room="ops"))["code"] == "access.denied"
    assert (await eve.ask("join", room="nonsense"))["code"] == "room.bad_name"
    assert (await eve.ask("act", room=people[2], kind="x"))["code"] == "room.not_joined"


async def test_whether_there_is_something_in_it_a_stranger_is_not_told(
    live: Live, people: People
) -> None:
    ann, _, room = people
    project = UUID(room.partition(":")[2])
    document = live.runtime.new_id()
    create = CreateDocument(project=project, title="D", at=live.runtime.now())
    await live.runtime.execute(SYSTEM, DOCUMENT, document, create, project=project)
    eve, boss = await live.open(await live.user("eve")), await live.open(ann)
    there = (f"task:{await live.task(project)}", f"document:{document}")
    for name in there:
        assert (await boss.ask("join", room=name))["op"] == "joined"
    for name in (*there, f"task:{uuid4()}", f"document:{uuid4()}"):
        refused = await eve.ask("join", room=name)
        told = (refused["code"], refused["detail"])
        assert told == ("room.not_found", {"room": name})
    assert live.gateway.hub.refusals.counted.values == {p.PATH: 2}, "what was there is noted"


async def test_removal_from_a_project_ends_its_rooms(live: Live, people: People) -> None:
    one, two, room = await both(live, people)
    project = UUID(room.partition(":")[2])
    remove = RemoveMember(user=people[1])
    await live.runtime.execute(SYSTEM, PROJECT, project, remove, project=project)
    left = await two.until(lambda frame: frame["op"] == "left")
    assert (left["room"], left["why"]) == (room, "removed")
    await one.ask("act", room=room, kind="after")
    assert (await two.ask("act", room=room, kind="x"))["code"] == "room.not_joined"
    assert not any(kind_of(frame) == "after" for frame in two.seen)


async def test_a_deactivated_user_is_disconnected(live: Live, people: People) -> None:
    one, _, _ = await both(live, people)
    await live.runtime.execute(SYSTEM, USER, people[0], DeactivateUser())
    assert await one.closed() == 4003


async def test_lost_rights_are_mended_like_lost_frames(live: Live, people: People) -> None:
    one, two, room = await both(live, people)
    await live.gateway.hub.bus.unsubscribe(f"user:{people[1]}")
    await live.gateway.hub.bus.unsubscribe(f"user:{people[0]}")
    project = UUID(room.partition(":")[2])
    remove = RemoveMember(user=people[1])
    await live.runtime.execute(SYSTEM, PROJECT, project, remove, project=project)
    left = await two.until(lambda frame: frame["op"] == "left")
    assert (left["room"], left["why"]) == (room, "removed")
    await live.runtime.execute(SYSTEM, USER, people[0], DeactivateUser())
    assert await one.closed() == 4003


async def test_what_is_said_before_the_welcome_is_heard_later(live: Live, people: People) -> None:
    ann, _, room = people
    socket = await live.open()
    await socket.say("hello", token=live.token(ann))
    joined = await socket.ask("join", room=room)
    assert joined["op"] == "joined"
    assert [frame["op"] for frame in socket.seen[:2]] == ["welcome", "joined"]


async def test_a_connection_never_has_more_than_its_rooms(live: Live, people: People) -> None:
    ann, _, room = people
    project = UUID(room.partition(":")[2])
    tasks = [await live.task(project) for _ in range(p.MAX_ROOMS + 5)]
    socket = await live.open(ann)
    asked = [await socket.say("join", room=f"task:{task}") for task in tasks]
    answers = [await socket.answer(one) for one in asked]
    assert sum(answer["op"] == "joined" for answer in answers) == p.MAX_ROOMS - 1  # and one's own
    assert {answer["code"] for answer in answers if answer["op"] == "err"} == {"room.too_many"}


async def test_data_that_the_log_could_not_show_is_refused(live: Live, people: People) -> None:
    one, _, room = await both(live, people)
    bad = {
        '{"a":' * 100 + "1" + "}" * 100: "activity.too_deep",
        '{"a":' * 1_500 + "1" + "}" * 1_500: "frame.invalid",
        "1e-20000": "activity.bad_data",  # jsonb has no such number
        "1e400000": "activity.bad_data",
        r'"\u0000"': "text.has_nul",
    }
    for data, code in bad.items():
        frame = f'{{"op":"act","id":"{uuid4()}","room":"{room}","kind":"x","data":{data}}}'
        await one.connection.send(frame)
        refused = await one.until(lambda seen: seen["op"] == "err")
        assert refused["code"] == code
    assert (await one.ask("act", room=room, kind="y"))["op"] == "ack"


async def test_nobody_gets_in_without_a_good_token(live: Live) -> None:
    stranger = await live.open()
    assert (await stranger.ask("join", room="ops"))["code"] == "auth.missing"
    await stranger.say("hello", token="nonsense")
    assert await stranger.closed() == 4001


async def test_hello_welcomes_and_resumes(live: Live, people: People) -> None:
    ann, _, room = people
    socket = await live.open()
    await socket.say(
        "hello",
        token=live.token(ann),
        device="test",
        auto=False,
        resume=[{"room": room, "after": 0}],
    )
    welcome = await socket.until(lambda frame: frame["op"] == "welcome")
    assert welcome["user"] == str(ann)
    joined = await socket.until(lambda frame: frame["op"] == "joined" and frame["room"] == room)
    assert joined["mode"] == "resume"
    assert (await socket.event("project.created"))["data"]["name"] == "P"


async def test_hello_joins_ones_projects_when_asked(live: Live, people: People) -> None:
    ann, _, room = people
    await wait_for(live.runtime, "queries", await live.runtime.store.head())
    socket = await live.open()
    await socket.say("hello", token=live.token(ann), auto=True)
    joined = await socket.until(lambda frame: frame["op"] == "joined" and frame["room"] == room)
    assert joined["room"] == room


async def test_the_same_id_twice_is_one_act(live: Live, people: People) -> None:
    one, two, room = await both(live, people)
    again = uuid4()
    frame = {"op": "act", "id": again, "room": room, "kind": "once"}
    await one.send(frame)
    first = await one.answer(again)
    await one.send(frame)
    second = await one.answer(again)
    assert second["pos"] == first["pos"]
    await one.ask("act", room=room, kind="last")
    await two.until(lambda frame: kind_of(frame) == "last")
    assert sum(kind_of(frame) == "once" for frame in two.seen) == 1


async def test_bad_frames_get_an_answer_and_change_nothing(live: Live, people: People) -> None:
    one, _, room = await both(live, people)
    for text in ('{"op":"fly"}', '{"op":"act","room":5}', '{"op":"join","room":"x","more":1}'):
        await one.connection.send(text)
        invalid = await one.until(lambda frame: frame["op"] == "err")
        assert invalid["code"] == "frame.invalid"
    big = await one.ask("act", room=room, kind="x", data="y" * 9_000)
    assert big["code"] == "activity.too_large"
    await one.connection.send("not json")
    assert await one.closed() == 1002


async def test_status_and_location_are_shown_to_the_room(live: Live, people: People) -> None:
    one, two, room = await both(live, people)
    await one.ask("status", status="busy", location="task:7")
    update = await two.until(
        lambda frame: frame["op"] == "presence" and frame["room"] == room and "update" in frame
    )
    member = update["update"][0]
    assert (member["status"], member["location"]) == ("busy", "task:7")


async def test_a_drop_is_shown_as_away_and_a_goodbye_as_leave(live: Live, people: People) -> None:
    one, two, room = await both(live, people)
    one.connection.transport.abort()
    away = await two.until(lambda frame: frame["op"] == "presence" and "away" in frame)
    assert len(away["away"]) == 1
    back = await live.open(people[0])
    await back.ask("join", room=room)
    returned = await two.until(lambda frame: frame.get("leave") == away["away"])
    assert returned["join"][0]["user"] == str(people[0]), "the new one comes as the old one goes"
    await back.ask("leave", room=room)
    assert await two.until(lambda frame: frame["op"] == "presence" and "leave" in frame)


async def test_what_the_bus_lost_is_mended_from_the_log(live: Live, people: People) -> None:
    one, two, room = await both(live, people)
    await live.gateway.hub.bus.unsubscribe(room)
    lost = [(await one.ask("act", room=room, kind="lost"))["pos"] for _ in range(3)]
    events = [await two.event("activity.recorded") for _ in range(3)]
    assert [event["pos"] for event in events] == lost
    assert live.gateway.healed >= 3


def kind_of(frame: Json) -> str | None:
    return frame["data"].get("kind") if frame["op"] == "ev" else None


async def test_a_resume_from_before_the_log_that_is_kept_is_a_snapshot(
    live: Live, people: People
) -> None:
    one, two, room = await both(live, people)
    places = [(await one.ask("act", room=room, kind="n"))["pos"] for _ in range(3)]
    await wait_for(live.runtime, "live", places[-1], 5.0)
    for socket in (one, two):
        await socket.connection.close()
    await forgotten(live)
    async with reading(live.runtime, group="live") as db:
        await db.execute("DELETE FROM room_log WHERE room = %s AND pos <= %s", (room, places[1]))
    for after, mode in ((places[0], "snapshot"), (places[1], "resume")):
        back = await live.open(people[1])
        assert (await back.ask("join", room=room, after=after))["mode"] == mode
        await back.connection.close()
        await forgotten(live)


async def forgotten(live: Live) -> None:
    """Once nothing of any room is in this node's memory."""
    rooms = live.gateway.hub._rooms  # pyright: ignore[reportPrivateUsage]
    await until(lambda: not rooms)
