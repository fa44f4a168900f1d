"""What a WebSocket may say and how many there may be; who may open one at all."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import get_args
from uuid import UUID

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from api.realtime import protocol as p
from api.realtime.allowance import FREE, MOTION, PATIENCE
from api.realtime.upgrade import same_origin
from infra.limits import lifted
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from tests.integration.sockets import Live, Socket, live_gateway

ACTIONS, CONNECTIONS = 5, 3


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        lifted(settings),
        rate_limit_actions_per_minute=ACTIONS,
        rate_limit_motion_per_s=10,
        rate_limit_frames_per_s=200,
        max_connections_per_user=CONNECTIONS,
        max_connections_per_address=2 * CONNECTIONS,
        websocket_deflate=True,
    )


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


async def in_room(live: Live) -> tuple[Socket, str]:
    """Somebody in the room of their project, for one action."""
    ann = await live.user("ann")
    room = f"project:{await live.project(ann)}"
    socket = await live.open(ann)
    assert (await socket.ask("join", room=room))["op"] == "joined"
    return socket, room


async def test_the_welcome_says_what_is_allowed(live: Live) -> None:
    socket = await live.open(await live.user("ann"))
    assert socket.seen[0]["limits"]["actions"] == ACTIONS


async def test_who_acts_too_often_is_told_when_to_come_again(live: Live) -> None:
    socket, room = await in_room(live)
    for _ in range(ACTIONS - 1):
        assert (await socket.ask("act", room=room, kind="x"))["op"] == "ack"
    refused = await socket.ask("status", status="busy")
    assert (refused["op"], refused["code"]) == ("err", "rate.limited")
    assert 0 < refused["retry_after"] <= 60 / ACTIONS
    assert (await socket.ask("act", room=room, kind="x"))["retry_after"] > refused["retry_after"]
    assert (await socket.ask("leave", room=room))["op"] == "ack", "what gives up is never refused"


async def test_actions_are_the_users_on_all_connections(live: Live) -> None:
    ann = await live.user("ann")
    room = f"project:{await live.project(ann)}"
    sockets = [await live.open(ann) for _ in range(2)]
    answers = [await sockets[number % 2].ask("join", room=room) for number in range(ACTIONS + 1)]
    assert [one["op"] for one in answers] == ["joined"] * ACTIONS + ["err"]


async def test_motion_has_a_limit_of_its_own(live: Live) -> None:
    socket, room = await in_room(live)
    asked = [await socket.say("cursor", room=room, at={"x": x}) for x in range(25)]
    refused = await socket.until(lambda frame: frame["op"] == "err")
    assert refused["code"] == "rate.limited"
    assert refused["re"] in {str(one) for one in asked[20:]}, "two seconds' worth at once"
    assert (await socket.ask("act", room=room, kind="x"))["op"] == "ack"


async def test_who_floods_in_spite_of_being_told_is_cut_off(live: Live) -> None:
    socket = await live.open(await live.user("ann"))
    await asyncio.gather(*(socket.send({"op": "ping"}) for _ in range(1_000)))
    refused = await socket.until(lambda frame: frame["op"] == "err")
    assert (refused["code"], refused["retry_after"] > 0) == ("rate.limited", True)
    with pytest.raises(Exception, match="4029"):
        await socket.until(lambda frame: frame["op"] == "never")
    assert await socket.closed() == p.CloseCode.FLOODING
    told = sum(frame["op"] == "err" for frame in socket.seen)
    assert told <= PATIENCE.burst + 10, "and is not answered for ever"


async def test_every_frame_is_free_motion_or_an_action() -> None:
    """What is new counts as an action until somebody says that it appends nothing."""
    assert {*FREE, *MOTION} < set(get_args(p.Incoming))


async def test_a_user_has_so_many_connections_and_no_more(live: Live) -> None:
    ann = await live.user("ann")
    sockets = [await live.open(ann) for _ in range(CONNECTIONS)]
    more = await live.open()
    await more.say("hello", token=live.token(ann))
    refused = await more.until(lambda frame: frame["op"] == "err")
    assert (refused["code"], refused["retry_after"] > 0) == ("connections.too_many", True)
    assert await more.closed() == p.CloseCode.FLOODING
    await sockets[0].connection.close()
    async with asyncio.timeout(10):
        while len(live.gateway.connections) >= CONNECTIONS:  # noqa: ASYNC110, its end is not told
            await asyncio.sleep(0.01)
    assert await live.open(ann)


async def test_a_user_has_so_many_connections_on_all_nodes(live: Live) -> None:
    ann = await live.user("ann")
    for _ in range(CONNECTIONS):
        await live.open(ann)
    async with open_runtime(live.runtime.settings) as other, live_gateway(other) as elsewhere:
        assert await refused_at_last(elsewhere, ann)


async def refused_at_last(live: Live, user: UUID) -> bool:
    """The first attempt may get through: then the node has heard of the others."""
    async with asyncio.timeout(10):
        while True:
            socket = await live.open()
            await socket.say("hello", token=live.token(user))
            first = await socket.until(lambda frame: frame["op"] in ("err", "welcome"))
            await socket.connection.close()
            if first["op"] == "err":
                return first["code"] == "connections.too_many"


async def test_an_address_has_so_many_connections_and_no_more(live: Live) -> None:
    for _ in range(2 * CONNECTIONS):
        await live.open()
    with pytest.raises(InvalidStatus) as refused:
        await live.open()
    response = refused.value.response
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0
    assert msgspec.json.decode(response.body or b"")["code"] == "connections.too_many"


async def test_an_address_that_anybody_could_write_is_not_believed(live: Live) -> None:
    with pytest.raises(InvalidStatus, match="429"):
        await from_behind_a_proxy(live, 2 * CONNECTIONS + 1)


async def test_a_trusted_proxy_says_whose_connection_it_is(projected: Runtime) -> None:
    behind = msgspec.structs.replace(projected.settings, trusted_proxies="127.0.0.1")
    async with open_runtime(behind) as runtime, live_gateway(runtime) as live:
        await from_behind_a_proxy(live, 2 * CONNECTIONS + 1)


async def from_behind_a_proxy(live: Live, connections: int) -> None:
    """Each by another address, if that is believed."""
    async with AsyncExitStack() as stack:
        for number in range(connections):
            forwarded = {"X-Forwarded-For": f"10.9.9.9, 192.0.2.{number}"}
            await stack.enter_async_context(connect(live.url, additional_headers=forwarded))


async def test_a_page_of_somebody_else_is_refused_before_it_is_accepted(live: Live) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(live.url, additional_headers={"Origin": "https://evil.example"})
    assert refused.value.response.status_code == 403
    body = msgspec.json.decode(refused.value.response.body or b"")
    assert body["code"] == "origin.not_allowed"
    assert not live.gateway.connections


async def test_a_page_of_the_same_host_is_let_in(live: Live) -> None:
    host = live.url.removeprefix("ws://").partition("/")[0]
    async with connect(live.url, additional_headers={"Origin": f"http://{host}"}) as socket:
        await socket.send('{"op":"ping"}')
        assert await socket.recv() == '{"op":"pong"}'


@pytest.mark.parametrize(
    ("headers", "allowed", "may"),
    [
        ({}, (), True),
        ({}, ("https://a.example",), True),
        ({b"origin": b"https://a.example", b"host": b"a.example"}, (), True),
        ({b"origin": b"https://A.example:8443", b"host": b"a.example:8443"}, (), True),
        ({b"origin": b"https://a.example:8443", b"host": b"a.example"}, (), False),
        ({b"origin": b"https://a.example.evil", b"host": b"a.example"}, (), False),
        ({b"origin": b"null", b"host": b"a.example"}, (), False),
        ({b"origin": b"https://b.example", b"host": b"a.example"}, ("https://b.example",), True),
        ({b"origin": b"https://a.example", b"host": b"a.example"}, ("https://b.example",), False),
        ({b"origin": b"http://b.example", b"host": b"a.example"}, ("https://b.example",), False),
    ],
)
def test_which_pages_may_open_a_socket(
    headers: Mapping[bytes, bytes], allowed: tuple[str, ...], may: bool
) -> None:
    assert same_origin(headers, allowed) is may


async def test_compression_is_refused_unless_it_is_switched_on(projected: Runtime) -> None:
    plain = msgspec.structs.replace(projected.settings, websocket_deflate=False)
    async with (
        open_runtime(plain) as runtime,
        live_gateway(runtime) as live,
        connect(live.url, compression="deflate") as socket,
    ):
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        await socket.send('{"op":"ping"}')
        assert await socket.recv() == '{"op":"pong"}'


async def test_a_compressed_connection_carries_the_same(live: Live) -> None:
    async with connect(live.url, compression="deflate") as socket:
        assert socket.response is not None
        assert "permessage-deflate" in socket.response.headers["Sec-WebSocket-Extensions"]
        for size in (1, 200, 70_000 // 2):
            text = "é" * (size // 2) or "x"
            await socket.send(msgspec.json.encode({"op": "ping", "t": text}).decode())
            assert msgspec.json.decode(await socket.recv())["t"] == text
        await socket.send('{"op":"ping","t":"' + "x" * p.MAX_FRAME + '"}')
        await socket.wait_closed()
        assert socket.close_code == p.CloseCode.TOO_BIG, "what it unpacks to is what counts"
