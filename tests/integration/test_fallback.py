"""Rooms without a WebSocket: streams, long polls and actions, on a node as production runs it."""

import asyncio
from itertools import pairwise
from uuid import uuid4

from api.tokens import read
from domain.entry import SignOut
from domain.user import USER, DeactivateUser
from infra.runtime import SYSTEM
from tests.integration.conftest import refusal
from tests.integration.reading import (
    Json,
    Reader,
    Room,
    dismissed,
    in_room,
    joins,
    number_of,
    numbers_of,
)


async def test_a_stream_has_the_frames_of_a_socket(room: Room) -> None:
    ann, second = await room.socket(), await room.socket(room.bob)
    async with room.reader().stream() as stream:
        welcome, joined = await stream.op("welcome"), await stream.op("joined")
        assert welcome.id == "", "it is no place in the room"
        assert joined.id == str(joined.frame["pos"])
        assert joined.frame["mode"] == "snapshot"
        for number in range(20):
            await room.act(ann, number)
        await ann.say("cursor", room=room.name, at={"x": 1})
        last = await stream.act(19)
        await second.until(lambda frame: number_of(frame) == 19)
        moved = await stream.op("mo")
    assert stream.answer.headers["content-type"].startswith("text/event-stream")
    assert stream.retry_ms == 1_000
    assert last.id == str(last.frame["pos"]) == moved.id, "motion has no place of its own"
    events = [frame for frame in stream.frames if frame["op"] == "ev"]
    assert events == [frame for frame in second.seen if frame["op"] == "ev"][-len(events) :]
    assert numbers_of(events) == list(range(20))
    assert all(later["prev"] == earlier["pos"] for earlier, later in pairwise(events))


async def test_line_breaks_in_what_people_send_do_not_break_a_stream(room: Room) -> None:
    ann = await room.socket()
    async with room.reader().stream() as stream:
        await stream.op("joined")
        data = '{"n":\r\n7,\n"t":"a\\nb"}'
        await ann.connection.send(
            f'{{"op":"act","room":"{room.name}","kind":"x","data":{data}}}', text=True
        )
        assert (await stream.act(7)).frame["data"]["data"] == {"n": 7, "t": "a\nb"}


async def test_a_stream_resumes_where_it_was_cut(room: Room) -> None:
    ann, bob = await room.socket(), room.reader()
    async with bob.stream() as stream:
        await room.act(ann, 0)
        last = (await stream.act(0)).id
    missed = [await room.act(ann, number) for number in range(1, 30)]
    async with bob.stream(last, after=0) as stream:
        joined = await stream.op("joined")
        newest = await room.act(ann, 30)
        await stream.act(30)
    assert (joined.frame["mode"], joined.id) == ("resume", last)
    places = [frame["pos"] for frame in stream.frames if frame["op"] == "ev"]
    assert places == [*missed, newest]


async def test_polls_miss_nothing_and_repeat_nothing(room: Room) -> None:
    ann, bob = await room.socket(), room.reader()
    first = await bob.poll()
    assert [frame["op"] for frame in first["frames"]] == ["joined"]
    assert first["frames"][0]["mode"] == "snapshot"
    found: list[int] = []

    async def acting() -> None:
        for number in range(60):
            await room.act(ann, number)

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(acting())
        while len(found) < 60:
            polled = await bob.poll()
            assert polled["frames"][0]["mode"] == "resume"
            found += numbers_of(polled["frames"])
    assert found == list(range(60))


async def test_a_poll_waits_for_news_no_longer_than_asked(room: Room) -> None:
    ann, bob = await room.socket(), room.reader()
    await bob.poll()
    await ann.until(lambda frame: joins(frame, room.bob))
    await bob.poll(wait=0)
    quiet = await bob.poll(wait=300)
    assert [frame["op"] for frame in quiet["frames"] if frame["op"] != "head"][:1] == ["joined"]
    waiting = asyncio.create_task(bob.poll(wait=25_000))
    await in_room(room.live, bob)
    await room.act(ann, 5)
    async with asyncio.timeout(5):
        polled = await waiting
    assert numbers_of(polled["frames"]) == [5]


async def test_a_reader_is_one_member_over_all_its_polls(room: Room) -> None:
    ann, bob = await room.socket(), room.reader()
    first = await bob.poll()
    came = await ann.until(lambda frame: joins(frame, room.bob))
    member = next(one for one in came["join"] if one["user"] == str(room.bob))
    assert member["connection"] == first["connection"] == str(bob.connection)
    again = [await bob.poll(wait=0) for _ in range(5)]
    async with bob.stream() as stream:
        streamed = await stream.op("joined")
    held = {one["frames"][0]["participation"] for one in (first, *again)}
    assert held == {member["participation"]} == {streamed.frame["participation"]}
    await room.act(ann, 1)
    await ann.until(lambda frame: number_of(frame) == 1)
    others = [frame for frame in ann.seen if frame["op"] == "presence" and "leave" in frame]
    assert others == []


async def test_a_reader_acts_as_on_a_socket(room: Room) -> None:
    ann, bob = await room.socket(), room.reader()
    assert refusal(await bob.post("act", kind="x")) == "409 room.not_joined"
    await bob.poll()
    again = uuid4()
    first = await bob.do("act", id=again, kind="n", data={"n": 1})
    second = await bob.do("act", id=again, kind="n", data={"n": 1})
    assert first == second == {"op": "ack", "re": str(again), "pos": first["pos"]}
    assert (await ann.until(lambda frame: number_of(frame) == 1))["pos"] == first["pos"]
    assert (await bob.post("cursor", at={"x": 2})).status_code == 204
    moved = await ann.until(lambda frame: frame["op"] == "mo")
    assert (moved["by"], moved["data"]["at"]) == (str(room.bob), {"x": 2})
    assert (await bob.post("seen", pos=10**9)).status_code == 204
    saw = await ann.until(lambda frame: frame["op"] == "presence" and "seen" in frame)
    assert [(one["user"], one["pos"]) for one in saw["seen"]] == [(str(room.bob), first["pos"])]
    await bob.do("status", status="busy", location="task:7")
    update = await ann.until(lambda frame: frame["op"] == "presence" and "update" in frame)
    assert (update["update"][0]["status"], update["update"][0]["location"]) == ("busy", "task:7")


async def test_a_reader_locks_and_its_leave_gives_up_what_is_not_kept(room: Room) -> None:
    ann, bob = await room.socket(), room.reader()
    await bob.poll()
    held = (await bob.do("lock", resource="a"))["lock"]
    await bob.do("lock", resource="b", keep=True)
    renewed = await bob.do("renew", resource="a", token=held["token"])
    assert renewed["lock"]["token"] == held["token"]
    assert refusal(await bob.post("renew", resource="a", token=99)) == "409 lock.lost"
    await ann.until(lambda frame: frame["op"] == "ev" and frame["data"].get("resource") == "b")
    taken = await room.client.get(f"/api/v1/projects/{room.project}", headers=bob.headers)
    assert taken.status_code == 200
    assert (await bob.do("leave"))["op"] == "ack"
    released = await ann.event("lock.released")
    assert released["data"]["resource"] == "a"
    assert (await ann.ask("lock", room=room.name, resource="b"))["code"] == "lock.held"
    await ann.until(lambda frame: frame["op"] == "presence" and "leave" in frame)
    assert refusal(await bob.post("act", kind="x")) == "409 room.not_joined"


async def test_a_reader_waits_for_a_lock_and_hears_that_it_is_its_own(room: Room) -> None:
    ann, bob = await room.socket(), room.reader()
    held = (await ann.ask("lock", room=room.name, resource="a"))["lock"]
    polled = await bob.poll()
    assert (await bob.do("lock", resource="a", wait=True))["queued"] == 1
    await ann.ask("unlock", room=room.name, resource="a", token=held["token"])
    async with asyncio.timeout(10):
        granted = [one for one in polled["frames"] if is_grant(one)]
        while not granted:
            granted = [one for one in (await bob.poll())["frames"] if is_grant(one)]
    (grant,) = granted
    assert grant["data"]["participation"] == polled["frames"][0]["participation"]
    renewed = await bob.do("renew", resource="a", token=grant["data"]["token"])
    assert renewed["lock"]["token"] == grant["data"]["token"] > held["token"]


def is_grant(frame: Json) -> bool:
    return frame["op"] == "ev" and frame["type"] == "lock.granted"


async def test_leaving_ends_ones_own_stream(room: Room) -> None:
    bob = room.reader()
    async with bob.stream() as stream:
        await stream.op("joined")
        await bob.do("leave")
        left = await stream.op("left")
        assert left.frame["why"] == "said"
        assert await stream.ended() == {"code": 1000, "reason": "left"}


async def test_a_newer_request_takes_the_place_of_an_older_one(room: Room) -> None:
    ann, bob = await room.socket(), room.reader()
    async with bob.stream() as old:
        await old.op("joined")
        async with bob.stream() as new:
            await new.op("joined")
            assert await old.ended() is None
            await room.act(ann, 1)
            await new.act(1)


async def test_rights_that_are_lost_end_a_stream_and_a_poll(room: Room) -> None:
    ann, streaming, polling = await room.socket(), room.reader(), room.reader()
    await polling.poll()
    waiting = asyncio.create_task(polling.poll(wait=25_000))
    await in_room(room.live, polling)
    async with streaming.stream() as stream:
        await stream.op("joined")
        await room.remove_bob()
        async with asyncio.timeout(2):
            assert (await stream.op("left")).frame["why"] == "removed"
            assert await stream.ended() == {"code": 4003, "reason": "access.denied"}
    async with asyncio.timeout(2):
        polled = await waiting
    ended = {"code": 4003, "reason": "access.denied"}
    assert polled.get("closed", ended) == ended, "or the removal itself was news enough"
    assert refusal(await polling.asked(wait=0)) == "403 access.denied"
    assert refusal(await polling.post("act", kind="x")) == "403 access.denied"
    await dismissed(room.live.runtime)  # if the poll was answered by the removal itself
    for reader in (streaming, polling):
        gone = await ann.until(lambda frame: frame["op"] == "presence" and "leave" in frame)
        assert len(gone["leave"]) >= 1, reader
        if len(gone["leave"]) == 2:
            break


async def polled_until_closed(reader: Reader, waiting: asyncio.Task[Json]) -> Json:
    """Other news may end a wait first."""
    async with asyncio.timeout(5):
        polled = await waiting
        while "closed" not in polled:
            polled = await reader.poll()
    return polled


async def test_a_logout_ends_the_streams_of_that_login(room: Room) -> None:
    bob, runtime = room.reader(), room.live.runtime
    session = read(bob.token, runtime.keys, runtime.now()).sid
    async with bob.stream() as stream:
        await stream.op("joined")
        await runtime.execute(SYSTEM, USER, room.bob, SignOut(session=session, at=runtime.now()))
        async with asyncio.timeout(2):
            assert await stream.ended() == {"code": 4001, "reason": "auth.signed_out"}
    assert refusal(await bob.asked(wait=0)) == "401 auth.signed_out"


async def test_a_deactivated_user_is_cut_off(room: Room) -> None:
    bob = room.reader()
    async with bob.stream() as stream:
        await stream.op("joined")
        await room.live.runtime.execute(SYSTEM, USER, room.bob, DeactivateUser())
        async with asyncio.timeout(2):
            assert await stream.ended() == {"code": 4003, "reason": "auth.deactivated"}
    assert refusal(await bob.asked(wait=0)) == "401 auth.deactivated"


async def test_a_stream_ends_with_its_token(room: Room) -> None:
    bob = room.reader(ttl_s=3)
    async with bob.stream() as stream:
        await stream.op("joined")
        assert (await stream.op("expiring")).frame["in"] <= 3_000
        assert await stream.ended() == {"code": 4001, "reason": "auth.expired"}
    assert refusal(await bob.asked(wait=0)) == "401 auth.expired"
    fresh = room.reader()
    fresh.connection, fresh.after = bob.connection, int(stream.last_id)
    assert (await fresh.poll(wait=0))["frames"][0]["mode"] == "resume"


async def test_a_draining_node_sends_its_readers_elsewhere(room: Room) -> None:
    ann, streaming, polling = await room.socket(), room.reader(), room.reader(room.ann)
    await polling.poll(wait=0)
    async with streaming.stream() as stream:
        joined = await stream.op("joined")
        waiting = asyncio.create_task(polling.poll(wait=25_000))
        await in_room(room.live, polling)
        draining = asyncio.create_task(room.live.gateway.drain())
        wait_s = (await stream.op("closing")).frame["retry_after"]
        assert await stream.ended() == {"code": 1012, "reason": "restarting"}
        assert stream.retry_ms == int(wait_s * 1_000)
    closed = await polled_until_closed(polling, waiting)
    assert closed["frames"][-1]["op"] == "closing"
    await draining
    late = await polling.poll(wait=0)
    assert [frame["op"] for frame in late["frames"]] == ["closing"]
    assert "after" not in late, "nothing was told: where one is remains one's own"
    async with streaming.stream(joined.id) as sent_away:
        assert (await sent_away.ended() or {})["code"] == 1012
    assert [frame["op"] for frame in sent_away.frames] == ["welcome", "closing"]
    left = await room.live.runtime.store.read(
        0, 1_000, motion=False, types=["participation.left.v1"]
    )
    assert {event.meta.actor for event in left} <= {room.ann}, "only her socket has left"
    assert ann.connection.close_code in (None, 1012)


async def test_what_makes_no_sense_is_refused(room: Room) -> None:
    bob = room.reader()
    for params in (
        {"after": -1},
        {"after": 10**18},
        {"after": "x"},
        {"wait": 25_001},
        {"wait": -1},
        {"connection": "me"},
        {"epoch": "e" * 81},
    ):
        answer = await bob.asked(**({"wait": 0} | params))
        assert refusal(answer) == "422 request.invalid", params
    for given in ("-1", "9" * 19, "x", "1.5", "%00", "1 2"):
        headers = bob.headers | {"Last-Event-ID": given}
        answer = await room.client.get(f"{bob.path}/events", headers=headers)
        assert refusal(answer) == "400 request.bad_last_event_id", given


async def test_a_place_beyond_the_log_or_of_another_epoch_gets_a_snapshot(room: Room) -> None:
    bob = room.reader()
    first = await bob.poll(wait=0)
    for params in ({"after": 10**17}, {"epoch": "another"}):
        polled = await bob.poll(wait=0, **params)
        assert polled["frames"][0]["mode"] == "snapshot"
        assert polled["after"] == polled["frames"][0]["pos"] < 10**17
    same = await bob.poll(wait=0, epoch=first["epoch"])
    assert same["frames"][0]["mode"] == "resume"


async def test_only_who_may_join_may_read_or_act(room: Room) -> None:
    eve = room.reader(await room.live.user("eve"))
    names = {
        room.name: "403 access.denied",
        f"project:{uuid4()}": "403 access.denied",
        f"task:{uuid4()}": "404 room.not_found",
        f"user:{room.ann}": "403 access.denied",
        f"replay:{uuid4()}": "404 room.not_found",
        "ops": "403 access.denied",
        "nonsense": "422 room.bad_name",
    }
    for name, expected in names.items():
        eve.room = name
        assert refusal(await eve.asked(wait=0)) == expected
        assert refusal(await eve.asked()) == expected, "before a stream begins"
        assert refusal(await eve.post("act", kind="x")) == expected
    eve.token = "nonsense"
    assert refusal(await eve.asked()) == "401 auth.bad_token"


async def test_frames_that_cannot_be_acted_on_are_refused(room: Room) -> None:
    bob = room.reader()
    await bob.poll(wait=0)
    for body, expected in {
        "not json": "400 request.malformed",
        '{"op":"fly"}': "422 frame.invalid",
        '{"op":"join","room":"ROOM"}': "422 frame.needs_socket",
        '{"op":"hello"}': "422 frame.needs_socket",
        '{"op":"ping"}': "422 frame.needs_socket",
        '{"op":"act","room":"ops","kind":"x"}': "422 frame.other_room",
        '{"op":"act","room":"ROOM","kind":"x","data":1e400000}': "422 activity.bad_data",
        '{"op":"steal","room":"ROOM","resource":"a","reason":"r"}': "403 access.denied",
        '{"op":"cursor","room":"ROOM","at":"' + "x" * 2_000 + '"}': "422 motion.too_large",
        '{"op":"act","room":"' + "x" * 70_000 + '"}': "413 body.too_large",
    }.items():
        answer = await room.client.post(
            f"{bob.path}/actions",
            params={"connection": str(bob.connection)},
            content=body.replace("ROOM", room.name),
            headers=bob.headers,
        )
        assert refusal(answer) == expected, body[:80]


async def test_a_person_reads_in_no_more_rooms_than_a_connection_may(room: Room) -> None:
    bob = room.reader()
    for _ in range(100):
        bob.connection = uuid4()
        await bob.poll(wait=0, after=None)
    bob.connection = uuid4()
    assert refusal(await bob.asked(wait=0)) == "409 room.too_many"
