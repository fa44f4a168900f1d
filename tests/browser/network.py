"""A network between a client and the server that can be cut."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress


class Network:
    """Passes bytes on. `cut` ends every connection as a pulled cable would, `down` refuses new."""

    def __init__(self, port: int) -> None:
        self.down = False
        self._port = port
        self._open: set[StreamWriter] = set()

    def cut(self, *, down: bool = False) -> None:
        self.down = down
        for writer in self._open:
            writer.transport.abort()

    async def carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        onward = await asyncio.open_connection("127.0.0.1", self._port)
        both = {writer, onward[1]}
        self._open |= both
        await asyncio.gather(_pass(reader, onward[1]), _pass(onward[0], writer))
        self._open -= both


async def _pass(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def network(port: int) -> AsyncGenerator[tuple[Network, str]]:
    """A network before the server on that port, and the URL to use."""
    between = Network(port)
    async with await asyncio.start_server(between.carry, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield between, url
        between.cut(down=True)
