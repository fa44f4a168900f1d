"""Readers when something is slow or away: nobody else notices, nothing is missing."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec

from infra.runtime import Runtime
from tests.integration.reading import Reader, Room, asking, http, made, node, numbers_of
from tests.integration.sockets import Socket
from tests.workers.office import until

BIG = "x" * 8_000


@asynccontextmanager
async def stalled(room: Room, reader: Reader) -> AsyncGenerator[asyncio.StreamReader]:
    """An open stream of which only the beginning was read."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    peer.setblocking(False)
    address = ("127.0.0.1", urlsplit(room.live.url).port or 0)
    await asyncio.get_running_loop().sock_connect(peer, address)
    incoming, outgoing = await asyncio.open_connection(sock=peer, limit=4_096)
    outgoing.write(
        f"GET {reader.path}/events?connection={reader.connection} HTTP/1.1\r\nHost: here\r\n"
        f"Authorization: Bearer {reader.token}\r\n\r\n".encode()
    )
    await incoming.readuntil(b'"op":"welcome"')
    try:
        yield incoming
    finally:
        outgoing.close()


async def big(room: Room, by: Socket, number: int) -> int:
    ack = await by.ask("act", room=room.name, kind="n", data={"n": number, "big": BIG})
    return ack["pos"]


async def test_a_stream_that_is_not_read_is_cut_off_and_delays_nobody(projected: Runtime) -> None:
    async with node(projected.settings) as live, asking(http(live)) as client:
        room = await made(live, client)
        ann, slow, bob = await room.socket(), room.reader(room.ann), room.reader()
        async with bob.stream() as stream, stalled(room, slow) as incoming:
            await stream.op("joined")
            readers = live.gateway.connections.values()
            numbers = 0

            def paused() -> bool:
                return any(one.paused for one in readers)

            while not paused():
                await big(room, ann, numbers)
                numbers += 1
                assert numbers < 500, "that is more than all buffers on the way hold"
            late = len(live.gateway.connections) - 1
            for number in range(numbers, numbers + 20):
                await big(room, ann, number)
            await stream.act(numbers + 19)
            seen = numbers_of(stream.frames)
            assert seen == list(range(numbers + 20))

            async def cut_off() -> bool:
                return len(live.gateway.connections) == late

            await until(cut_off)
            await read_to_end(incoming)


async def read_to_end(incoming: asyncio.StreamReader) -> None:
    """It comes, as a reset: what was not read is lost."""
    async with asyncio.timeout(10):
        try:
            while await incoming.read(65_536):
                pass
        except ConnectionResetError:
            return


async def test_without_redis_streams_and_polls_read_the_log(projected: Runtime) -> None:
    nowhere = msgspec.structs.replace(projected.settings, redis_url="redis://127.0.0.1:1")
    async with node(nowhere) as live, asking(http(live)) as client:
        room = await made(live, client)
        ann, bob = room.reader(room.ann), room.reader()
        await ann.poll()
        async with bob.stream() as stream:
            await stream.op("joined")
            for number in range(5):
                await ann.do("act", kind="n", data={"n": number})
            await stream.act(4)
            seen = numbers_of(stream.frames)
        polled = await ann.poll()
        assert seen == list(range(5))
        assert numbers_of(polled["frames"]) == seen
