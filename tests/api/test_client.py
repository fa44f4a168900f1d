import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.client.client import Client
from api.client.errors import NotConnected, Refused
from api.client.frames import data
from api.client.latency import measure
from api.client.room import Room
from api.tokens import claims, sign
from infra.folder import free_port
from infra.runtime import Runtime
from projections.frames import Ev, Mo
from tests.api.served import WAIT_S, Served, served

pytestmark = pytest.mark.services

REQUEST = UUID(int=4)


@pytest.fixture
async def server(projected: Runtime) -> AsyncIterator[Served]:
    async with served(projected) as running:
        yield running


async def notes(room: Room, count: int) -> list[Any]:
    """The next notes that somebody made, as they come."""
    found: list[Any] = []
    async with asyncio.timeout(WAIT_S):
        while len(found) < count:
            frame = await anext(room)
            if isinstance(frame, Ev) and frame.type == "activity.recorded":
                found.append(data(frame)["data"])
    return found


async def test_a_wrong_password_is_refused(server: Served) -> None:
    async with Client(server.url) as client:
        with pytest.raises(Refused) as refused:
            await client.login("nobody@example.org", "not a password")
    assert (refused.value.status, refused.value.code) == (401, "auth.bad_credentials")


async def test_a_server_that_is_not_there_is_not_a_traceback() -> None:
    async with Client(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(NotConnected):
            await client.login("nobody@example.org", "not a password")


async def test_an_access_token_that_has_run_out_is_renewed(server: Served) -> None:
    ann = await server.person("ann")
    _expire(ann, server.runtime)
    assert (await ann.rest.get("/auth/me")).body["name"] == "ann"


async def test_a_connection_is_opened_with_a_new_token_where_the_old_one_has_run_out(
    server: Served,
) -> None:
    ann = await server.person("ann")
    _expire(ann, server.runtime)
    async with ann.connect() as live:
        assert await live.ping() > 0


async def test_a_write_with_a_key_is_done_once(server: Served) -> None:
    ann = await server.person("ann")
    room = await server.room(ann)
    path = f"/projects/{room.removeprefix('project:')}/tasks"
    first = await ann.rest.post(path, {"title": "T"}, key="k")
    again = await ann.rest.post(path, {"title": "T"}, key="k")
    assert (again.body, again.repeated, first.repeated) == (first.body, True, False)
    assert (first.version, first.position) == (1, again.position)


async def test_a_version_that_has_passed_is_refused(server: Served) -> None:
    ann = await server.person("ann")
    room = await server.room(ann)
    path = f"/projects/{room.removeprefix('project:')}"
    await ann.rest.patch(path, {"name": "Q"})
    with pytest.raises(Refused) as refused:
        await ann.rest.patch(path, {"name": "R"}, version=1)
    assert refused.value.status == 412


async def test_what_happens_during_a_drop_comes_once_and_in_order(server: Served) -> None:
    ann, bob = await server.person("ann"), await server.person("bob")
    name = await server.room(ann, bob)
    async with ann.connect() as hers, bob.connect() as his:
        room = await his.join(name)
        await hers.join(name, follow=False)
        await hers.act(name, "note", {"n": 0})
        his.drop(away_s=0.5)
        for number in range(1, 6):
            await hers.act(name, "note", {"n": number})
        assert await notes(room, 6) == [{"n": number} for number in range(6)]


async def test_an_action_that_is_sent_again_after_a_drop_is_the_same_action(
    server: Served,
) -> None:
    ann = await server.person("ann")
    name = await server.room(ann)
    async with ann.connect() as live:
        room = await live.join(name)
        first = await live.act(name, "note", {"n": 0}, id_=REQUEST)
        live.drop()
        await live.act(name, "note", {"n": 1})
        again = await live.act(name, "note", {"n": 0}, id_=REQUEST)
        assert again.pos == first.pos
        assert await notes(room, 2) == [{"n": 0}, {"n": 1}]


async def test_actions_under_way_when_the_connection_drops_are_all_acknowledged(
    server: Served,
) -> None:
    ann = await server.person("ann")
    name = await server.room(ann)
    async with ann.connect() as live:
        room = await live.join(name)
        acts = [asyncio.create_task(live.act(name, "note", {"n": n})) for n in range(50)]
        await asyncio.wait(acts, return_when=asyncio.FIRST_COMPLETED)
        live.drop()
        positions = [(await act).pos for act in acts]
        assert len(set(positions)) == 50
        assert sorted(note["n"] for note in await notes(room, 50)) == [*range(50)]


async def test_of_two_who_want_a_lock_one_gets_it(server: Served) -> None:
    ann, bob = await server.person("ann"), await server.person("bob")
    name = await server.room(ann, bob)
    async with ann.connect() as hers, bob.connect() as his:
        await hers.join(name, follow=False)
        await his.join(name, follow=False)
        held = await hers.lock(name, "desk")
        with pytest.raises(Refused) as refused:
            await his.lock(name, "desk")
        assert refused.value.detail["holder"] == str(ann.me.id)
        await hers.unlock(name, "desk", held.token)
        assert (await his.lock(name, "desk")).token > held.token


async def test_who_waits_for_a_lock_has_it_in_their_turn(server: Served) -> None:
    ann, bob = await server.person("ann"), await server.person("bob")
    name = await server.room(ann, bob)
    async with ann.connect() as hers, bob.connect() as his:
        room = await hers.join(name)
        await his.join(name, follow=False)
        held = await hers.lock(name, "desk", wait=True)
        waits = asyncio.create_task(his.lock(name, "desk", wait=True))
        await told(room, "lock.queued")
        his.drop()
        await told(room, "lock.unqueued")
        await told(room, "lock.queued")
        await hers.unlock(name, "desk", held.token)
        granted = await waits
        assert (granted.holder, granted.token > held.token) == (bob.me.id, True)
        assert (await his.renew(name, "desk", granted.token)).lock is not None


async def test_who_is_cancelled_waits_no_longer(server: Served) -> None:
    ann, bob = await server.person("ann"), await server.person("bob")
    name = await server.room(ann, bob)
    async with ann.connect() as hers, bob.connect() as his:
        room = await hers.join(name)
        await his.join(name, follow=False)
        await hers.lock(name, "desk")
        waits = asyncio.create_task(his.lock(name, "desk", wait=True))
        await told(room, "lock.queued")
        waits.cancel()
        await told(room, "lock.unqueued")


async def told(room: Room, kind: str) -> None:
    """Read the room up to an event of that type."""
    async with asyncio.timeout(WAIT_S):
        async for frame in room:
            if isinstance(frame, Ev) and frame.type == kind:
                return


async def test_members_see_each_other_come_change_and_go(server: Served) -> None:
    ann, bob = await server.person("ann"), await server.person("bob")
    name = await server.room(ann, bob)
    async with ann.connect() as hers:
        room = await hers.join(name)
        async with bob.connect(device="his phone") as his, asyncio.timeout(WAIT_S):
            await his.join(name, follow=False)
            await his.status("busy")
            while _seen(room, bob.me.id) != ("his phone", "busy"):
                await anext(room)
        async with asyncio.timeout(WAIT_S):
            while _seen(room, bob.me.id) is not None:
                await anext(room)


async def test_a_cursor_is_seen_by_the_others(server: Served) -> None:
    ann, bob = await server.person("ann"), await server.person("bob")
    name = await server.room(ann, bob)
    async with ann.connect() as hers, bob.connect() as his:
        room = await his.join(name)
        await hers.join(name, follow=False)
        await hers.cursor(name, {"x": 1})
        async with asyncio.timeout(WAIT_S):
            while not isinstance(frame := await anext(room), Mo):
                continue
        assert (frame.by, data(frame)["at"]) == (ann.me.id, {"x": 1})


async def test_a_room_one_may_not_enter_is_refused(server: Served) -> None:
    ann, bob = await server.person("ann"), await server.person("bob")
    name = await server.room(ann)
    async with bob.connect() as live:
        with pytest.raises(Refused):
            await live.join(name)
        assert name not in live.rooms


async def test_a_room_that_was_left_tells_nothing_more(server: Served) -> None:
    ann = await server.person("ann")
    name = await server.room(ann)
    async with ann.connect() as live:
        room = await live.join(name)
        await live.leave(room)
        assert [frame async for frame in room if isinstance(frame, Ev)] == []
        with pytest.raises(Refused) as refused:
            await live.act(name, "note")
    assert refused.value.code == "room.not_joined"


async def test_latency_is_measured_from_send_to_receipt(server: Served) -> None:
    ann, bob = await server.person("ann"), await server.person("bob")
    name = await server.room(ann, bob)
    async with ann.connect() as hers, bob.connect() as his:
        room = await his.join(name)
        await hers.join(name, follow=False)
        found = await measure(hers, room, "t", rate=100, seconds=0.5)
    assert found.actions == 50
    assert 0 < found.p50_ms <= found.p99_ms


def _seen(room: Room, user: UUID) -> tuple[object, object] | None:
    """Somebody's device and status, None while they are not in the room."""
    return next(
        ((one.device, one.status) for one in room.members.values() if one.user == user), None
    )


def _expire(client: Client, runtime: Runtime) -> None:
    """Put a token in the client's session whose time is over."""
    me = client.me
    over = claims(me.id, me.role, REQUEST, REQUEST, runtime.now() - timedelta(minutes=2), 60)
    session = client._tokens._session  # pyright: ignore[reportPrivateUsage]  # time does not pass
    assert session is not None
    token = sign(over, runtime.keys)
    changed = msgspec.structs.replace(session, access_token=token)
    client._tokens._session = changed  # pyright: ignore[reportPrivateUsage]  # the same
