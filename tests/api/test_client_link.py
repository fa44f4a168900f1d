import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from api.client.errors import Closed, NotConnected, Refused
from api.client.link import Link
from api.client.live import Live
from api.client.tokens import Tokens
from api.realtime import protocol as p
from api.signed_in import Me, Session
from domain.user import Role
from infra.folder import free_port
from projections.frames import Ev
from tests.http import PLAIN

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
ANN, CONNECTION, NODE, REQUEST = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
WAIT_S = 10.0

Handler = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The server's end of one connection, played by a test."""

    def __init__(self, connection: ServerConnection, number: int) -> None:
        self.connection, self.number = connection, number

    @property
    def token(self) -> str:
        request = self.connection.request
        return request.headers["Authorization"].removeprefix("Bearer ") if request else ""

    async def tell(self, frame: p.ServerFrame) -> None:
        await self.connection.send(p.encode_frame(frame), text=True)

    async def hear(self) -> p.Incoming:
        return p.decode_frame(await self.connection.recv(decode=False))

    async def greet(self) -> p.Hello:
        welcome = p.Welcome(
            connection=CONNECTION,
            user=ANN,
            node=NODE,
            heartbeat=20_000,
            limits=p.Limits(),
            now=AT,
            epoch="e",
        )
        await self.tell(welcome)
        hello = await self.hear()
        assert isinstance(hello, p.Hello)
        await self.tell(p.Ack(re=hello.id))
        return hello


class SignedIn(Tokens):
    """Tokens that count up: what a refresh would bring, without asking for it."""

    def __init__(self) -> None:
        super().__init__(httpx.AsyncClient(verify=PLAIN))
        me = Me(ANN, "ann@example.org", "Ann", Role.MEMBER, "")
        self._session = Session("token 1", "refresh", 900, me)

    async def newer(self, stale: str) -> str:
        return f"token {int(stale.split()[1]) + 1}"


@asynccontextmanager
async def peer(handler: Handler) -> AsyncGenerator[Live]:
    """A live connection to a server that does what the handler says, once for each connection."""
    numbers = iter(range(1, 100))

    async def handle(connection: ServerConnection) -> None:
        await handler(Peer(connection, next(numbers)))

    port = free_port()
    async with serve(handle, "127.0.0.1", port, subprotocols=[Subprotocol(p.SUBPROTOCOL)]):
        yield Live(Link(f"ws://127.0.0.1:{port}{p.PATH}", SignedIn()), "test", WAIT_S)


RETURNS = [code for code, verdict in p.RECONNECT.items() if verdict != "no"]
STAYS_AWAY = [code for code, verdict in p.RECONNECT.items() if verdict == "no"]


@pytest.mark.parametrize("code", RETURNS)
async def test_it_comes_back_after_a_close_that_asks_for_it(code: int) -> None:
    came = asyncio.Event()

    async def handler(server: Peer) -> None:
        await server.greet()
        if server.number == 1:
            await server.connection.close(code)
        else:
            came.set()
            await server.connection.wait_closed()

    async with peer(handler) as live, live, asyncio.timeout(WAIT_S):
        await came.wait()


@pytest.mark.parametrize("code", STAYS_AWAY)
async def test_it_stays_away_after_a_close_that_says_so(code: int) -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        await server.hear()
        await server.connection.close(code)

    async with peer(handler) as live, live:
        with pytest.raises(Closed) as closed:
            await live.act("ops", "note")
        assert closed.value.code == code


async def test_it_brings_a_new_token_when_the_old_one_has_run_out() -> None:
    tokens: list[str] = []
    twice = asyncio.Event()

    async def handler(server: Peer) -> None:
        tokens.append(server.token)
        if server.number == 1:
            await server.connection.close(p.CloseCode.NOT_AUTHENTICATED)
            return
        await server.greet()
        twice.set()
        await server.connection.wait_closed()

    async with peer(handler) as live, live, asyncio.timeout(WAIT_S):
        await twice.wait()
    assert tokens == ["token 1", "token 2"]


async def test_it_gives_up_when_a_new_token_is_not_taken_either() -> None:
    async def handler(server: Peer) -> None:
        await server.connection.close(p.CloseCode.NOT_AUTHENTICATED)

    async with peer(handler) as live:
        with pytest.raises(Closed):
            await live.__aenter__()


async def test_what_was_not_answered_is_sent_again_with_the_same_id() -> None:
    ids: list[Any] = []

    async def handler(server: Peer) -> None:
        await server.greet()
        frame = await server.hear()
        ids.append(frame.id)
        if server.number == 1:
            server.connection.transport.abort()
        else:
            await server.tell(p.Ack(re=frame.id, pos=7))
            await server.connection.wait_closed()

    async with peer(handler) as live, live, asyncio.timeout(WAIT_S):
        ack = await live.act("ops", "note", id_=REQUEST)
    assert (ids, ack.pos) == ([REQUEST, REQUEST], 7)


async def test_a_refusal_that_passes_is_asked_again() -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        frame = await server.hear()
        await server.tell(p.Err(re=frame.id, code="store.unavailable", retry_after=0.01))
        again = await server.hear()
        await server.tell(p.Ack(re=again.id, pos=7))
        await server.connection.wait_closed()

    async with peer(handler) as live, live, asyncio.timeout(WAIT_S):
        assert (await live.act("ops", "note")).pos == 7


async def test_a_refusal_that_stays_is_raised_with_its_code() -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        frame = await server.hear()
        await server.tell(p.Err(re=frame.id, code="room.not_joined", detail={"room": "ops"}))
        await server.connection.wait_closed()

    async with peer(handler) as live, live:
        with pytest.raises(Refused) as refused:
            await live.act("ops", "note")
    assert (refused.value.code, refused.value.detail) == ("room.not_joined", {"room": "ops"})


async def test_rooms_are_resumed_from_their_last_position() -> None:
    hellos: list[p.Hello] = []
    resumed = asyncio.Event()

    async def handler(server: Peer) -> None:
        hellos.append(await server.greet())
        if server.number == 1:
            frame = await server.hear()
            await server.tell(_joined(5, frame.id))
            server.connection.transport.abort()
        else:
            await server.tell(_joined(5, None))
            resumed.set()
            await server.connection.wait_closed()

    async with peer(handler) as live, live, asyncio.timeout(WAIT_S):
        room = await live.join("ops")
        await resumed.wait()
        await anext(room)
    assert hellos[1].resume == [p.Resume("ops", 5)]


async def test_a_room_that_is_no_longer_allowed_ends_and_the_others_go_on() -> None:
    async def handler(server: Peer) -> None:
        hello = await server.greet()
        if server.number == 1:
            frame = await server.hear()
            await server.tell(_joined(5, frame.id))
            server.connection.transport.abort()
            return
        assert len(hello.resume) == 1
        await server.tell(p.Err(code="access.denied"))
        frame = await server.hear()
        await server.tell(p.Ack(re=frame.id, pos=9))
        await server.connection.wait_closed()

    async with peer(handler) as live, live, asyncio.timeout(WAIT_S):
        room = await live.join("ops")
        with pytest.raises(Refused):
            await anext(room)
        assert (await live.act("ops", "note")).pos == 9


async def test_a_hole_is_filled_by_joining_again() -> None:
    asked: list[int | None] = []

    async def handler(server: Peer) -> None:
        await server.greet()
        first = await server.hear()
        await server.tell(_joined(5, first.id))
        await _ev(server, 9, 7)
        again = await server.hear()
        assert isinstance(again, p.Join)
        asked.append(again.after)
        await server.tell(_joined(5, again.id, "resume"))
        await _ev(server, 7, 5)
        await _ev(server, 9, 7)
        await server.connection.wait_closed()

    async with peer(handler) as live, live, asyncio.timeout(WAIT_S):
        room = await live.join("ops")
        frames = [await anext(room) for _ in range(3)]
    assert [frame.pos for frame in frames] == [5, 7, 9]
    assert asked == [5]


async def test_a_server_that_is_not_there_is_said_in_time() -> None:
    live = Live(Link(f"ws://127.0.0.1:{free_port()}{p.PATH}", SignedIn()), "test", 0.2)
    with pytest.raises(NotConnected):
        await live.__aenter__()


def _joined(pos: int, re: UUID | None, mode: str = "snapshot") -> p.Joined:
    return p.Joined(room="ops", pos=pos, epoch="e", mode=mode, participation=ANN, re=re)


async def _ev(server: Peer, pos: int, prev: int) -> None:
    frame = Ev(
        room="ops", pos=pos, prev=prev, type="t", at=AT, subject=NODE, data=msgspec.Raw(b"{}")
    )
    await server.connection.send(msgspec.json.encode(frame), text=True)


async def test_a_refusal_that_passes_does_not_cost_a_room_on_a_return() -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        if server.number == 1:
            join = await server.hear()
            await server.tell(joined(5, join.id))
            await server.connection.close(p.CloseCode.TOO_SLOW)
        elif server.number == 2:
            await server.tell(p.Err(code="store.unavailable", retry_after=0.01))
            await server.connection.wait_closed()
        else:
            await server.tell(joined(5, None))
            act = await server.hear()
            await server.tell(p.Ack(re=act.id, pos=6))
            await server.connection.wait_closed()

    async with peer(handler) as live, live, asyncio.timeout(WAIT_S):
        await live.join("ops", follow=False)
        assert (await live.act("ops", "note")).pos == 6
        assert "ops" in live.rooms


def joined(pos: int, re: UUID | None) -> p.Joined:
    return p.Joined(room="ops", pos=pos, epoch="e", mode="snapshot", participation=ANN, re=re)
