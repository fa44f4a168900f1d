"""How the browser's client takes what a server may say: the server's end is played by the test."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from api.realtime import protocol as p
from projections.frames import Ev
from tests.browser.conftest import MODULES
from tests.browser.node import node_page
from tests.browser.page import WAIT_S, Json, Page, call, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
ANN, EMPTY = UUID(int=1), msgspec.Raw(b"{}")
ROOM = f"project:{UUID(int=2)}"
RETURNS = [code for code, verdict in p.RECONNECT.items() if verdict != "no"]
STAYS_AWAY = [code for code, verdict in p.RECONNECT.items() if verdict == "no"]

CONNECT = """
const { connect } = await import(module);
globalThis.stale = [];
globalThis.states = [];
globalThis.formula = connect({
    url,
    token: (stale_) => { stale.push(stale_ ?? null); return `token ${stale.length}`; },
});
formula.on("state", (told) => states.push(told));
"""
JOIN = """
globalThis.seen = [];
globalThis.room = await formula.join(name);
room.on("event", ({ pos }) => seen.push(pos));
"""


class Peer:
    """The server's end of one connection; `number` counts them from 1."""

    def __init__(self, connection: ServerConnection, number: int) -> None:
        self.connection, self.number = connection, number
        self.corked = False

    async def tell(self, frame: p.ServerFrame) -> None:
        await self.send(p.encode_frame(frame))

    async def send(self, frame: bytes) -> None:
        if self.corked:
            self.connection.protocol.send_text(frame)
        else:
            await self.connection.send(frame, text=True)

    def uncork(self) -> None:
        """What was sent since then, in one piece."""
        self.corked = False
        self.connection.transport.write(b"".join(self.connection.protocol.data_to_send()))

    async def hear(self) -> p.Incoming:
        return p.decode_frame(await self.connection.recv(decode=False))

    async def greet(self, epoch: str = "e") -> p.Hello:
        hello = await self.hear()
        assert isinstance(hello, p.Hello)
        await self.tell(
            p.Welcome(
                connection=UUID(int=self.number),
                user=ANN,
                node=ANN,
                heartbeat=20_000,
                limits=p.Limits(),
                now=AT,
                epoch=epoch,
            )
        )
        return hello

    async def joined(self, pos: int, mode: str = "snapshot", re: UUID | None = None) -> None:
        mine = UUID(int=100 + self.number)
        await self.tell(
            p.Joined(room=ROOM, pos=pos, epoch="e", mode=mode, participation=mine, re=re)
        )

    async def join(self, pos: int) -> p.Join:
        """Take a request to join, with a room that is at `pos`."""
        join = await self.hear()
        assert isinstance(join, p.Join)
        await self.joined(pos, "snapshot" if join.after is None else "resume", join.id)
        return join

    async def event(self, pos: int, prev: int) -> None:
        event = Ev(room=ROOM, pos=pos, prev=prev, type="note", at=AT, subject=ANN, data=EMPTY)
        await self.send(msgspec.json.encode(event))


Handler = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def peer(handler: Handler) -> AsyncGenerator[Page]:
    """A page connected to a server that does what the handler says, once for each connection."""
    numbers = iter(range(1, 100))
    failed: list[BaseException] = []

    async def handle(connection: ServerConnection) -> None:
        try:
            await handler(Peer(connection, next(numbers)))
            await connection.wait_closed()
        except ConnectionClosed:
            pass
        except BaseException as error:
            failed.append(error)
            raise

    async with (
        serve(handle, "127.0.0.1", 0, subprotocols=[Subprotocol(p.SUBPROTOCOL)]) as server,
        node_page() as page,
        asyncio.timeout(2 * WAIT_S),
    ):
        port = server.sockets[0].getsockname()[1]
        module = f"file://{MODULES}/formula.js"
        await call(page, CONNECT, module=module, url=f"ws://127.0.0.1:{port}{p.PATH}")
        yield page
        await page.run("formula.close()")
    assert failed == []


async def state(page: Page, wanted: str) -> Json:
    await wait_for(page, "formula.state === wanted", wanted=wanted)
    return await page.run("return states.at(-1)")


@pytest.mark.parametrize("code", RETURNS)
async def test_it_comes_back_after_a_close_that_asks_for_it(code: int) -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        if server.number == 1:
            await server.connection.close(code)

    async with peer(handler) as page:
        await wait_for(page, "formula.welcome?.connection.endsWith('2') && formula.state")
        refused = "token 1" if p.RECONNECT[code] == "token" else None
        assert await page.run("return stale") == [None, refused]


@pytest.mark.parametrize("code", STAYS_AWAY)
async def test_it_stays_away_after_a_close_that_says_so(code: int) -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        await server.hear()
        await server.connection.close(code, "why")

    async with peer(handler) as page:
        await state(page, "live")
        failed = await call(
            page, "return await formula.join(name).catch(({ code }) => code)", name=ROOM
        )
        assert failed == "client.ended"
        ended = await page.run(
            "const { code, detail } = states.at(-1).error; return [code, detail]"
        )
        assert ended == ["client.ended", {"code": code, "reason": "why"}]


async def test_a_second_token_that_is_not_taken_ends_it() -> None:
    async def handler(server: Peer) -> None:
        await server.hear()
        await server.connection.close(p.CloseCode.NOT_AUTHENTICATED)

    async with peer(handler) as page:
        await state(page, "closed")
        assert await page.run("return stale") == [None, "token 1"]


async def test_a_token_that_ends_before_all_rooms_are_back_is_renewed() -> None:
    renewed = asyncio.get_running_loop().create_future()

    async def handler(server: Peer) -> None:
        await server.greet()
        if server.number == 1:
            await server.join(1)
            await server.connection.close(p.CloseCode.RESTARTING)
        else:
            await server.tell(p.Expiring(in_=1_000))
            renewed.set_result(await server.hear())
            await server.joined(1, "resume")

    async with peer(handler) as page:
        await call(page, JOIN, name=ROOM)
        async with asyncio.timeout(WAIT_S):
            assert await renewed == p.Token(token="token 3")
        await state(page, "live")


async def test_it_waits_as_long_as_a_server_that_goes_asks_for() -> None:
    came: list[float] = []

    async def handler(server: Peer) -> None:
        await server.greet()
        came.append(asyncio.get_running_loop().time())
        if server.number == 1:
            await server.tell(p.Closing(retry_after=0.6))
            await server.connection.close(p.CloseCode.RESTARTING)

    async with peer(handler) as page:
        await wait_for(page, "formula.welcome?.connection.endsWith('2')")
    assert came[1] - came[0] >= 0.6


async def test_a_hole_is_filled_and_what_comes_twice_is_passed_over() -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        await server.join(10)
        await server.event(11, 10)
        await server.event(13, 12)  # 12 is missing
        await server.event(14, 13)
        assert (await server.join(11)).after == 11
        for pos in (11, 12, 13, 14, 14, 15):
            await server.event(pos, pos - 1)

    async with peer(handler) as page:
        await call(page, JOIN, name=ROOM)
        await wait_for(page, "seen.length >= 5")
        assert await page.run("return seen") == [11, 12, 13, 14, 15]


async def test_who_waits_for_a_room_hears_what_comes_in_one_piece_with_it() -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        join = await server.hear()
        assert isinstance(join, p.Join)
        server.corked = True
        await server.joined(10, re=join.id)
        await server.event(11, 10)
        server.uncork()

    async with peer(handler) as page:
        await call(page, JOIN, name=ROOM)
        await wait_for(page, "seen.length")
        assert await page.run("return seen") == [11]


async def test_who_reads_too_slowly_asks_for_what_it_lacks() -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        await server.join(10)
        await server.tell(p.Lagged(room=ROOM, from_=10, pos=12))
        assert (await server.join(10)).after == 10
        await server.event(12, 10)

    async with peer(handler) as page:
        await call(page, JOIN, name=ROOM)
        await wait_for(page, "seen.length === 1")


async def test_a_head_beyond_what_came_tells_of_a_loss() -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        await server.join(10)
        await server.tell(p.Head(room=ROOM, pos=10))
        await server.tell(p.Head(room=ROOM, pos=12))
        assert (await server.join(10)).after == 10
        await server.event(12, 10)

    async with peer(handler) as page:
        await call(page, JOIN, name=ROOM)
        await wait_for(page, "seen.length === 1")


async def test_it_resumes_from_its_last_position_and_sends_again_what_was_not_answered() -> None:
    acts: list[UUID | None] = []

    async def handler(server: Peer) -> None:
        hello = await server.greet()
        if server.number == 1:
            await server.join(10)
            await server.event(11, 10)
            act = await server.hear()
            acts.append(act.id)
            await server.connection.close(p.CloseCode.TOO_SLOW)
            return
        assert [(one.room, one.after) for one in hello.resume] == [(ROOM, 11)]
        assert hello.epoch == "e"
        await server.joined(11, "resume")
        act = await server.hear()
        acts.append(act.id)
        await server.tell(p.Ack(re=act.id, pos=12))

    async with peer(handler) as page:
        await call(page, JOIN, name=ROOM)
        assert await page.run("return (await room.act('note')).pos") == 12
    assert len(set(acts)) == 1


async def test_positions_of_another_epoch_are_forgotten() -> None:
    async def handler(server: Peer) -> None:
        await server.greet("e" if server.number == 1 else "f")
        if server.number == 1:
            await server.join(100)
            await server.connection.close(p.CloseCode.TOO_SLOW)
        else:
            await server.joined(5)
            await server.event(6, 5)

    async with peer(handler) as page:
        await call(page, JOIN, name=ROOM)
        await wait_for(page, "seen.length === 1")
        assert await page.run("return room.last") == 6


async def test_a_room_that_is_refused_for_good_on_a_return_is_left() -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        if server.number == 1:
            await server.join(10)
            await server.connection.close(p.CloseCode.TOO_SLOW)
        else:
            await server.tell(p.Err(code="access.denied"))

    async with peer(handler) as page:
        await call(page, JOIN + "room.on('left', (left) => (globalThis.left = left));", name=ROOM)
        assert await wait_for(page, "globalThis.left") == {"room": ROOM, "why": "access.denied"}
        await state(page, "live")


async def test_a_refusal_that_passes_is_asked_again_on_a_return() -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        if server.number == 1:
            await server.join(10)
            await server.connection.close(p.CloseCode.TOO_SLOW)
        else:
            await server.tell(p.Err(code="store.unavailable", retry_after=0.01))
            assert (await server.join(10)).after == 10

    async with peer(handler) as page:
        await call(page, JOIN, name=ROOM)
        await wait_for(page, "states.some(({ state }) => state === 'resuming')")
        await state(page, "live")
        assert await page.run("return formula.rooms.size") == 1


async def test_a_request_refused_for_a_while_is_sent_again_under_its_id() -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        await server.join(10)
        act = await server.hear()
        await server.tell(p.Err(re=act.id, code="rate.limited", retry_after=0.01))
        again = await server.hear()
        assert again.id == act.id
        await server.tell(p.Ack(re=act.id, pos=11))

    async with peer(handler) as page:
        await call(page, JOIN, name=ROOM)
        assert await page.run("return (await room.act('note')).pos") == 11


async def test_a_refusal_that_lasts_too_long_tells_how_long() -> None:
    async def handler(server: Peer) -> None:
        await server.greet()
        await server.join(10)
        act = await server.hear()
        await server.tell(p.Err(re=act.id, code="rate.limited", retry_after=40))

    async with peer(handler) as page:
        await call(page, JOIN, name=ROOM)
        refused = "({ code, retryAfter }) => [code, retryAfter]"
        assert await page.run(f"return await room.act('note').catch({refused})") == [
            "rate.limited",
            40,
        ]


async def test_what_waits_for_a_connection_is_bounded() -> None:
    async def handler(server: Peer) -> None:
        await server.hear()  # and no welcome

    async with peer(handler) as page:
        code = await page.run(
            """
            const asked = Array.from({ length: 1_001 }, () => formula.status("busy"));
            asked.forEach((one) => one.catch(() => {}));
            return await asked.at(-1).catch(({ code }) => code);
            """
        )
        assert (code, await page.run("return formula.queued")) == ("client.queue_full", 1_000)
