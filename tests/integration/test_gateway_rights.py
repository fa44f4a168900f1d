"""A connection that cannot be told what it may no longer do, or where it is, does not go on."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from api.realtime import attendance
from api.realtime import protocol as p
from api.realtime.attendance import Attendance
from api.realtime.holding import Holding
from api.realtime.session import Membership
from domain.access import Who
from domain.participation import PARTICIPATION, Leave, LeaveReason
from domain.project import PROJECT, RemoveMember
from domain.user import USER, ChangeRole, Role
from infra.buckets import per_window
from infra.eventstore.execute import Outcome
from infra.eventstore.types import StoreOverloaded
from infra.runtime import SYSTEM, Runtime
from tests.integration.sockets import Json, Live, Socket, live_gateway, pair

pytestmark = pytest.mark.services
LIMIT_S = 10.0


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


async def closed(socket: Socket) -> int | None:
    """Its close code, once it has one."""
    async with asyncio.timeout(LIMIT_S):
        try:
            while True:
                await socket.connection.recv()
        except ConnectionClosed:
            return socket.connection.close_code


def failing_for(room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Postgres is away when somebody comes into that room the next time."""
    real, failures = attendance.admit, [psycopg.OperationalError("away for a moment")]

    async def admit(runtime: Runtime, who: Who, name: str, participation: UUID) -> Membership:
        if name == room and failures:
            raise failures.pop()
        return await real(runtime, who, name, participation)

    monkeypatch.setattr(attendance, "admit", admit)


async def reap(live: Live, joined: Json, project: UUID) -> None:
    """Tell everybody that it is gone, as when its node had been lost."""
    lost = Leave(reason=LeaveReason.NODE_LOST)
    stream = UUID(joined["participation"])
    await live.runtime.execute(SYSTEM, PARTICIPATION, stream, lost, project=project)


async def test_a_device_that_cannot_be_stored_signs_nobody_in(live: Live) -> None:
    ann = await live.user("ann")
    socket = await live.open()
    refused = await socket.ask("hello", token=live.token(ann), device="\x00")
    assert (refused["op"], refused["code"]) == ("err", "text.has_nul")
    joined = await socket.ask("join", room=f"project:{await live.project(ann)}")
    assert joined["code"] == "auth.missing"


async def test_who_cannot_come_into_their_own_room_is_sent_away(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await live.user("ann")
    failing_for(f"user:{ann}", monkeypatch)
    socket = await live.open()
    await socket.say("hello", token=live.token(ann))
    assert await closed(socket) == p.CloseCode.OVERLOADED


async def test_an_operator_who_is_none_any_more_leaves_the_operators_room(live: Live) -> None:
    otto = await live.user("otto", Role.OPERATOR)
    socket = await live.open(otto)
    await socket.ask("join", room="ops")
    await live.runtime.execute(SYSTEM, USER, otto, ChangeRole(role=Role.MEMBER))
    left = await socket.until(lambda frame: frame["op"] == "left")
    assert (left["room"], left["why"]) == ("ops", "removed")
    assert (await socket.ask("act", room="ops", kind="x"))["code"] == "room.not_joined"


async def test_who_cannot_come_back_into_a_room_is_sent_away_to_resume(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await live.user("ann")
    project = await live.project(ann)
    socket = await live.open(ann)
    joined = await socket.ask("join", room=f"project:{project}")
    failing_for(f"project:{project}", monkeypatch)
    await reap(live, joined, project)
    assert await closed(socket) == p.CloseCode.OVERLOADED


async def test_who_comes_back_is_where_and_how_they_were(live: Live) -> None:
    ann = await live.user("ann")
    project = await live.project(ann)
    room = f"project:{project}"
    socket = await live.open(ann)
    joined = await socket.ask("join", room=room, location="title")
    await socket.ask("status", status="busy")
    await reap(live, joined, project)
    again = await socket.until(lambda frame: frame["op"] == "joined" and frame["room"] == room)
    told = await socket.until(
        lambda frame: (
            frame["op"] == "presence"
            and any(
                one["participation"] == again["participation"] and one["status"] == "busy"
                for one in [*frame.get("join", []), *frame.get("update", [])]
            )
        )
    )
    assert told["room"] == room
    [member] = (await socket.ask("join", room=room))["members"]
    assert (member["status"], member["location"]) == ("busy", "title")


async def test_to_resume_is_one_action_whatever_the_rooms(live: Live) -> None:
    """No more, or who has many would never come back; no less, or it went round the limit."""
    ann = await live.user("ann")
    project = await live.project(ann)
    rooms = [f"task:{await live.task(project)}" for _ in range(4)]
    live.runtime.limits._action = per_window(2, 60.0)  # pyright: ignore[reportPrivateUsage]
    resume = [{"room": room, "after": 0} for room in rooms]
    one, other = await live.open(), await live.open()
    for socket in (one, other):
        await socket.say("hello", token=live.token(ann), resume=resume)
        for _ in rooms:
            await socket.until(lambda frame: frame["op"] == "joined" and frame["room"] in rooms)
    await one.say("hello", token=live.token(ann), resume=resume)
    assert (await one.until(lambda frame: frame["op"] == "err"))["code"] == "rate.limited"


async def test_a_lock_that_cannot_be_renewed_holds_up_nobodys_time(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = asyncio.Event()

    async def not_yet(_self: Holding) -> None:
        await over.wait()

    monkeypatch.setattr(Holding, "renew", not_yet)
    ann = await live.user("ann")
    project = await live.project(ann)
    holder = await live.open(ann)
    await holder.ask("join", room=f"project:{project}")
    await holder.ask("lock", room=f"project:{project}", resource="r", ttl=5_000)
    [held] = [one for one in live.gateway.connections.values() if one.attendance.holding.locks.held]
    held.tick(0.0, live.runtime.now())
    late = held.attendance.session.expires
    assert late is not None
    held.tick(0.0, late + timedelta(seconds=1))
    assert await closed(holder) == p.CloseCode.NOT_AUTHENTICATED
    over.set()


async def test_who_waits_no_more_in_one_room_keeps_what_they_hold_by_another(live: Live) -> None:
    ann = await live.user("ann")
    project = await live.project(ann)
    task = f"task:{await live.task(project)}"
    socket = await live.open(ann)
    for room in (f"project:{project}", task):
        await socket.ask("join", room=room)
    await socket.ask("lock", room=f"project:{project}", resource="r")
    [connection] = live.gateway.connections.values()
    held = connection.attendance.holding.locks.held
    assert len(held) == 1
    assert (await socket.ask("lock", room=task, resource="r", wait=True))["queued"] == 1
    await socket.ask("unwait", room=task, resource="r")
    assert connection.attendance.holding.locks == msgspec.structs.replace(
        connection.attendance.holding.locks, held=held, awaited={}
    )


async def test_who_is_removed_keeps_no_lock_that_is_kept_on_leaving(live: Live) -> None:
    hers, his, room = await pair(live)
    bob, project = UUID(his.seen[0]["user"]), UUID(room.removeprefix("project:"))
    await his.ask("lock", room=room, resource="r", ttl=300_000, keep=True)
    await live.runtime.execute(SYSTEM, PROJECT, project, RemoveMember(user=bob), project=project)
    released = await hers.until(lambda frame: frame.get("type") == "lock.released")
    assert released["data"]["resource"] == "r"


async def test_a_goodbye_that_cannot_be_stored_is_said_again(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    hers, his, room = await pair(live)
    [joined] = [one for one in his.seen if one["op"] == "joined" and one["room"] == room]
    real, failures = Attendance.execute, [StoreOverloaded()]

    async def execute(self: Attendance, *given: Any) -> Outcome:
        if failures:
            raise failures.pop()
        return await real(self, *given)

    monkeypatch.setattr(Attendance, "execute", execute)
    await his.connection.close()
    await hers.until(
        lambda frame: (
            frame["op"] == "presence" and joined["participation"] in frame.get("leave", [])
        )
    )
    assert not failures
