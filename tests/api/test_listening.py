"""Who comes while a server has much to do is heard before long."""

import asyncio
import socket
from contextlib import ExitStack

import msgspec
import uvloop

from api.listening import AT_ONCE, listen, several
from infra.folder import free_port
from infra.settings import Settings

TURNS = 5


def test_several_connections_are_accepted_in_a_turn_of_the_loop() -> None:
    assert uvloop.run(_accepted()) >= (TURNS - 1) * AT_ONCE


async def _accepted() -> int:
    loop, found = asyncio.get_running_loop(), list[asyncio.Protocol]()

    def accepted() -> asyncio.Protocol:
        found.append(asyncio.Protocol())
        return found[-1]

    settings = msgspec.structs.replace(Settings(), port=free_port())
    with ExitStack() as stack:
        for listener in several(listen(settings)):
            server = await loop.create_server(accepted, sock=listener)
            stack.callback(server.close)
        for _ in range(2 * TURNS * AT_ONCE):
            stack.enter_context(socket.create_connection((settings.host, settings.port)))
        for _ in range(TURNS):
            await asyncio.sleep(0)
        return len(found)
