"""The gateway: accepts WebSockets, keeps the connections of this node, drains them on a deploy."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from uuid import UUID

import structlog
from litestar.types import Receive, Scope, Send

from api.realtime import protocol as p
from api.realtime.hub import Hub
from api.realtime.readers import Readers
from api.realtime.socket import Connection
from api.realtime.upgrade import RETRY_S, origins, reject, same_origin
from api.realtime.wire import wire_of
from api.tokens import NotAuthenticated
from infra.eventstore.epoch import read_epoch
from infra.limits import address_of
from infra.runtime import Origin, Runtime
from infra.services import Service

TICK_S = 1.0
DRAIN_S = 5.0  # for what connections still have to store
RETRY_SPREAD_S = 3.0  # clients of a restarting node come back spread over this

log = structlog.get_logger()


class Gateway:
    """An ASGI application for the one WebSocket path."""

    def __init__(self, runtime: Runtime, epoch: str) -> None:
        self.connections: dict[UUID, Connection] = {}
        self._runtime = runtime
        self._epoch = epoch
        self._origins = origins(runtime.settings.allowed_origins)
        self.hub = Hub(runtime)
        self.readers = Readers(runtime, self.hub, epoch, self._reader_came, self._connection_gone)
        self._gauges()
        self._closing = False
        self._empty = asyncio.Event()

    @property
    def healed(self) -> int:
        """Frames that were mended from the log since the start."""
        return self.hub.meters.healed.value

    def _gauges(self) -> None:
        gauge, wires = self.hub.meters.gauge, self.connections.values()
        gauge("connections", "open sockets", lambda: len(wires))
        gauge("paused", "sockets that read too slowly", lambda: sum(one.paused for one in wires))
        gauge("queued_bytes", "bytes on their way to sockets", lambda: sum(o.queued for o in wires))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        headers = dict(scope["headers"])
        if not same_origin(headers, self._origins):
            await reject(send, HTTPStatus.FORBIDDEN, "origin.not_allowed")
            return
        seat = self._runtime.limits.addresses.take(address_of(scope["client"]))
        if seat is None:
            await reject(send, HTTPStatus.TOO_MANY_REQUESTS, "connections.too_many", RETRY_S)
            return
        try:
            connection = await self._accept(scope, headers, send)
        except BaseException:
            seat()
            raise
        connection.seats.append(seat)
        try:
            if self._closing:
                connection.close(p.CloseCode.RESTARTING, "restarting")
            elif authorization := headers.get(b"authorization", b"").decode("latin-1"):
                await self._authenticate(connection, authorization)
        finally:
            connection.listen()  # also to what failed: only so is its end heard

    async def _accept(self, scope: Scope, headers: Mapping[bytes, bytes], send: Send) -> Connection:
        offered = headers.get(b"sec-websocket-protocol", b"").decode("latin-1")
        names = [name.strip() for name in offered.split(",") if name.strip()]
        accept = p.SUBPROTOCOL if p.SUBPROTOCOL in names else None
        await send({"type": "websocket.accept", "subprotocol": accept, "headers": []})
        wire = wire_of(scope)
        wire.detach()
        client = scope["client"]
        origin = Origin(
            ip=client[0] if client else "",
            user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
        )
        connection = Connection(
            self._runtime, self.hub, self._epoch, wire, origin, self._connection_gone
        )
        self.connections[connection.id] = connection
        return connection

    def _reader_came(self, reader: Connection) -> bool:
        self.connections[reader.id] = reader
        if self._closing:
            self._send_away(reader)
        return not self._closing

    def _connection_gone(self, connection: UUID) -> None:
        self.connections.pop(connection, None)
        if not self.connections:
            self._empty.set()

    async def _authenticate(self, connection: Connection, authorization: str) -> None:
        token = authorization.removeprefix("Bearer ").strip()
        try:
            await connection.sign_in(token, None)
        except NotAuthenticated as error:
            connection.tell(p.Err(code=error.code))
            connection.close(p.CloseCode.NOT_AUTHENTICATED, error.code)

    async def run(self) -> None:
        """The hub, a tick for every connection, the leases of readers, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.hub.run())
            group.create_task(self._tick())
            group.create_task(self.readers.run())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now, at = asyncio.get_running_loop().time(), self._runtime.now()
            for connection in list(self.connections.values()):
                try:
                    connection.tick(now, at)
                except Exception as error:  # noqa: BLE001, one connection must not stop the others
                    log.warning("tick_failed", error=repr(error))

    async def drain(self) -> None:
        """Say that this node goes, close, and wait for what must be stored; bounded."""
        if self._closing:
            return
        self._closing = True
        for connection in list(self.connections.values()):
            self._send_away(connection)
        try:
            async with asyncio.timeout(DRAIN_S):
                while self.connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            log.warning("drain_cut_short", connections=len(self.connections))
        await self.hub.receipts.store()

    def _send_away(self, connection: Connection) -> None:
        wait = secrets.randbelow(1_000) / 1_000 * RETRY_SPREAD_S
        connection.tell(p.Closing(retry_after=round(wait, 3)))
        connection.close(p.CloseCode.RESTARTING, "restarting")


@asynccontextmanager
async def open_gateway(runtime: Runtime) -> AsyncGenerator[Gateway]:
    """A running gateway; drained on leaving."""
    gateway = Gateway(runtime, await read_epoch(runtime.db))
    running = Service(name="gateway", needs=("writer", "redis"), run=gateway.run)
    async with runtime.services.running(running):
        try:
            yield gateway
        finally:
            await gateway.drain()
