"""Rooms with many people and much motion: counted instead of named, cursors at a rate."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from api.auth import Caller, authenticate
from api.realtime import protocol as p
from api.realtime import rooms
from api.realtime import socket as sockets
from domain.project import ProjectRole
from infra.runtime import Runtime
from projections import snapshots
from tests.integration.sockets import Json, Live, Socket, live_gateway


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


async def test_a_crowd_is_counted_and_named_again_when_it_has_shrunk(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MAX_LISTED", 2)
    monkeypatch.setattr(rooms, "MAX_LISTED", 2)
    monkeypatch.setattr(rooms, "LIST_AGAIN", 1)
    ann = await live.user("ann")
    room = f"project:{await live.project(ann)}"
    first, second, third = [await live.open(ann) for _ in range(3)]
    assert len((await first.ask("join", room=room))["members"]) == 1
    assert len((await second.ask("join", room=room))["members"]) == 2
    crowd = await third.ask("join", room=room)
    assert crowd["count"] == 3
    assert "members" not in crowd
    await _told(first, room, count=3)
    for one in (second, third):
        await one.ask("leave", room=room)
    named = await first.until(lambda one: one["op"] == "presence" and bool(one.get("join")))
    assert [member["connection"] for member in named["join"]]
    fourth = await live.open(ann)
    assert len((await fourth.ask("join", room=room))["members"]) == 2


async def _told(socket: Socket, room: str, *, count: int) -> None:
    await socket.until(
        lambda one: one["op"] == "presence" and one["room"] == room and one.get("count") == count
    )


async def test_who_waits_while_others_come_in_is_not_taken_for_silent(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, looked, go = await live.user("ann"), asyncio.Event(), asyncio.Event()

    async def slowly(runtime: Runtime, token: str) -> Caller:
        looked.set()
        await go.wait()
        return await authenticate(runtime, token)

    monkeypatch.setattr(sockets, "authenticate", slowly)
    one = await live.open()
    hello = await one.say("hello", token=live.token(ann))
    await looked.wait()
    [connection] = live.gateway.connections.values()
    connection.tick(asyncio.get_running_loop().time() + 2 * p.HELLO_S, live.runtime.now())
    go.set()
    assert (await one.answer(hello))["op"] == "welcome"


async def test_cursors_come_at_a_rate_the_last_one_too_and_newcomers_see_it(live: Live) -> None:
    ann, bob = await live.user("ann"), await live.user("bob")
    project = await live.project(ann)
    await live.add(project, bob, ProjectRole.CONTRIBUTOR)
    room = f"project:{project}"
    one, two = await live.open(ann), await live.open(bob)
    for socket in (one, two):
        await socket.ask("join", room=room)
    moves = 300
    for number in range(moves):
        await one.send({"op": "cursor", "room": room, "at": {"x": number}})
    await two.until(lambda frame: frame["op"] == "mo" and frame["data"]["at"]["x"] == moves - 1)
    seen = [frame for frame in two.seen if frame["op"] == "mo"]
    assert len(seen) < moves / 2
    three = await live.open(bob)
    joined = await three.ask("join", room=room)
    [cursor] = joined["cursors"]
    assert (cursor["by"], cursor["data"]["at"]) == (str(ann), {"x": moves - 1})


async def test_two_windows_of_one_person_have_a_cursor_each(live: Live) -> None:
    ann, bob = await live.user("ann"), await live.user("bob")
    project = await live.project(ann)
    await live.add(project, bob, ProjectRole.CONTRIBUTOR)
    room = f"project:{project}"
    one, other, his = await live.open(ann), await live.open(ann), await live.open(bob)
    here, there, _ = [
        (await socket.ask("join", room=room))["participation"] for socket in (one, other, his)
    ]
    for socket, x in ((one, 1), (other, 2)):
        await socket.say("cursor", room=room, at={"x": x})
        await socket.say("select", room=room, selection=x)
    for _ in range(4):
        await his.until(lambda frame: frame["op"] == "mo")
    moved = {_pointed(frame) for frame in his.seen if frame["op"] == "mo"}
    assert moved == {
        (str(ann), participation, kind, x)
        for participation, x in ((here, 1), (there, 2))
        for kind in ("motion.cursor", "motion.selected")
    }
    assert await _shown_to_newcomer(live, bob, room) == moved

    await other.ask("leave", room=room)
    await his.until(lambda frame: there in frame.get("leave", []))
    stays = {one for one in moved if one[1] == here}
    assert await _shown_to_newcomer(live, bob, room) == stays


def _pointed(frame: Json) -> tuple[str, str, str, int]:
    data = frame["data"]
    x = data["at"]["x"] if "at" in data else data["selection"]
    return frame["by"], frame["participation"], frame["type"], x


async def _shown_to_newcomer(live: Live, user: UUID, room: str) -> set[tuple[str, str, str, int]]:
    joined = await (await live.open(user)).ask("join", room=room)
    return {_pointed(frame) for frame in joined["cursors"]}
