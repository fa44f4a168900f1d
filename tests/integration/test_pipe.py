"""A connection to Postgres that ends: whatever its last bytes are, the pipe is lost."""

import asyncio
import socket
from collections.abc import Callable

import psycopg
import pytest
import uvloop
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.eventstore.pipe import Answer, open_pipe, rows
from infra.settings import Settings

pytestmark = pytest.mark.services
CHUNK = 1 << 16
LIMIT_S = 10.0
LOOPS = [uvloop.new_event_loop, asyncio.new_event_loop]


class Relay:
    """Before one connection; at its end it gives the server's last words with a reset behind."""

    def __init__(self, upstream: int) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._server = socket.create_connection(("127.0.0.1", upstream))
        for one in (self._listening, self._server):
            one.setblocking(False)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._client, _ = await loop.sock_accept(self._listening)
        ways = [(self._client, self._server), (self._server, self._client)]
        self._ways = [asyncio.create_task(self._pass(*way)) for way in ways]
        await asyncio.wait(self._ways)

    async def hold(self) -> None:
        """From here on nothing passes, and nothing that the client sends is read."""
        for way in self._ways:
            way.cancel()
        await asyncio.wait(self._ways)

    async def reset_with_last_words(self) -> None:
        loop, words = asyncio.get_running_loop(), b""
        while data := await loop.sock_recv(self._server, CHUNK):
            words += data
        assert b"terminating connection" in words
        self._client.send(words)
        for one in (self._client, self._server, self._listening):
            one.close()  # the client's with what was never read: TCP answers with a reset

    async def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(source, CHUNK):
            await loop.sock_sendall(sink, data)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_reset_behind_the_last_words_of_postgres_is_noticed(
    settings: Settings, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def scenario() -> None:
        parts = conninfo_to_dict(settings.database_url)
        relay = Relay(int(parts["port"] or 0))
        running = asyncio.create_task(relay.run())
        through = make_conninfo(settings.database_url, port=relay.port)
        pipe = await open_pipe(through, "", {"pid": "SELECT pg_backend_pid()"}, ())
        backend = await answer(pipe.send)
        await relay.hold()
        pipe.send(lambda _: None, (b"pid", ()))
        async with await psycopg.AsyncConnection[object].connect(settings.database_url) as other:
            await other.execute("SELECT pg_terminate_backend(%s)", (backend,))
        await relay.reset_with_last_words()
        async with asyncio.timeout(LIMIT_S):
            await pipe.lost
            await running
        await pipe.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scenario())


async def answer(send: Callable[..., None]) -> int:
    answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    send(answered.set_result, (b"pid", ()))
    found = await answered
    assert isinstance(found, list)
    ((pid,),) = rows(found[0])
    return int.from_bytes(pid or b"")
