"""A small server on Wire, real uvicorn in a thread, and a peer that may break every rule."""

import asyncio
import base64
import queue
import socket
import struct
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import uvicorn
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope, WebSocketScope
from uvicorn.config import LoopFactoryType
from websockets.frames import Opcode
from websockets.speedups import apply_mask

from api.realtime.wire import Wire, text_frame, wire_of
from api.realtime.wire_protocol import WireProtocol

WAIT_S = 15.0  # for whatever must happen; several times CLOSE_WAIT_S

T = TypeVar("T")


class Seen:
    """One connection from the server's side."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.texts: queue.Queue[bytes] = queue.Queue()
        self.ends: queue.Queue[tuple[int, str]] = queue.Queue()  # as on_close is called
        self.drains: queue.Queue[bool] = queue.Queue()  # `paused` as on_drain is called
        wire.on_message = self.on_message
        wire.on_close = lambda code, reason: self.ends.put((code, reason))
        wire.on_drain = lambda: self.drains.put(wire.paused)

    def on_message(self, text: bytes) -> None:
        self.texts.put(text)
        match text.split(b" ", 1):
            case [b"close", code]:
                self.wire.close(int(code), "as asked")
            case [b"last-words", words]:
                self.wire.send(text_frame(words))
                self.wire.close()
                self.wire.send(text_frame(b"from the grave"))
            case [b"many", count]:
                for number in range(int(count)):
                    self.wire.send(text_frame(b"%d" % number))
            case [b"abort"]:
                self.wire.abort()
            case [b"raise"]:
                raise LookupError("as a callback may")
            case _:
                self.wire.send(text_frame(text))


class WireServer:
    """What the handlers of one running server saw, and a way into its event loop."""

    def __init__(self) -> None:
        self.port = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self.forget()

    def forget(self) -> None:
        self.seen: queue.Queue[Seen] = queue.Queue()  # connections as they are taken over
        self.returned: queue.Queue[str] = queue.Queue()  # paths whose handler has returned
        self.codes: queue.Queue[int] = queue.Queue()  # of the disconnects that /held received
        self.may_take = threading.Event()  # /late waits for it, then takes over

    def url(self, path: str = "/echo") -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    def call(self, do: Callable[[], T]) -> T:
        """`do`'s result, run in the server's event loop."""
        done: Future[T] = Future()
        assert self.loop is not None
        self.loop.call_soon_threadsafe(lambda: done.set_result(do()))
        return done.result(WAIT_S)

    def newest(self) -> Seen:
        """The connection that was taken over next, once its callbacks run."""
        seen = self.seen.get(timeout=WAIT_S)
        self.call(lambda: None)
        return seen

    async def app(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "websocket"
        self.loop = asyncio.get_running_loop()
        await receive()
        if scope["path"] == "/refuse":
            await send({"type": "websocket.close", "code": 1000})
            return
        subprotocol = "formula.v1.json" if "formula.v1.json" in scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})
        await self.serve(scope, receive, send)
        self.returned.put(scope["path"])

    async def serve(
        self, scope: WebSocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        match scope["path"]:
            case "/plain" | "/mirror" | "/flood" | "/farewell" as path:
                await ordinary(path, receive, send)
            case "/crash":
                self.take(wire_of(scope))
                raise LookupError("as a handler may")
            case "/held":
                self.take(wire_of(scope))
                end = await receive()
                assert end["type"] == "websocket.disconnect"
                self.codes.put(end["code"])
            case "/returns":
                self.take(wire_of(scope))
            case "/late":
                may_take = self.may_take
                await asyncio.to_thread(may_take.wait, WAIT_S)
                self.take(wire_of(scope)).detach()
            case _:
                self.take(wire_of(scope)).detach()

    def take(self, wire: Wire) -> Wire:
        self.seen.put(Seen(wire))
        return wire


async def ordinary(path: str, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Handlers that never take over."""
    if path == "/plain":
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event.get("text") or ""})
    elif path == "/mirror":
        while (event := await receive())["type"] == "websocket.receive":
            if (text := event.get("text")) is not None:
                await send({"type": "websocket.send", "text": text})
            else:
                await send({"type": "websocket.send", "bytes": event.get("bytes") or b""})
    elif path == "/flood":
        while True:
            await send({"type": "websocket.send", "text": "x" * 60_000})
    else:
        for _ in range(5):  # less than pauses it, more than the kernel takes
            await send({"type": "websocket.send", "text": "x" * 60_000})
        await send({"type": "websocket.close", "code": 1000})


@contextmanager
def running(loop: LoopFactoryType = "uvloop", **config: Any) -> Generator[WireServer]:
    """A server that is up; afterwards it is stopped, and that must not take longer than WAIT_S."""
    here = WireServer()
    config = {"ws": WireProtocol, "ws_max_size": 65_536, "ws_per_message_deflate": False} | config
    quiet: dict[str, Any] = {"log_config": None, "log_level": "critical"}
    server = uvicorn.Server(
        uvicorn.Config(
            here.app, port=0, loop=loop, interface="asgi3", lifespan="off", **quiet, **config
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)  # a failure must not hang the run
    thread.start()
    try:
        here.port = _port(server)
        yield here
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive(), "the server has not stopped"


def _port(server: uvicorn.Server) -> int:
    tick = threading.Event()
    while not server.started:
        tick.wait(0.01)
    return server.servers[0].sockets[0].getsockname()[1]


class CountedTransport:
    """A transport that counts its writes and remembers that it was lost."""

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.writes = 0
        self.lost = threading.Event()

    def write(self, data: bytes) -> None:
        self.writes += 1
        self.transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


def counted() -> tuple[type[WireProtocol], list[CountedTransport]]:
    """A protocol, and the transports it is given."""
    transports: list[CountedTransport] = []

    class Counted(WireProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(CountedTransport(transport))
            # a CountedTransport passes on whatever else it is asked
            super().connection_made(cast(asyncio.Transport, transports[-1]))

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            cast(CountedTransport, self.transport).lost.set()

    return Counted, transports


MASK = bytes.fromhex("37fa213d")  # always the same: the runner's processes must name tests alike


def masked(payload: bytes, opcode: int = Opcode.TEXT, *, fin: bool = True) -> bytes:
    """A client's frame, with the mask of RFC 6455, 5.7; no rule is kept to in it."""
    plain = text_frame(payload)
    head = plain[: len(plain) - len(payload)]
    first = bytes([opcode | 0x80 * fin, head[1] | 0x80])
    return first + head[2:] + MASK + apply_mask(payload, MASK)


def close_frame(code: int, reason: str = "") -> bytes:
    return masked(struct.pack("!H", code) + reason.encode(), Opcode.CLOSE)


class RawPeer:
    """A client on a bare socket: it sends any bytes, and reads only when told to."""

    def __init__(
        self,
        server: WireServer,
        path: str = "/echo",
        *,
        receive_buffer: int = 0,
        extensions: str = "",
    ) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(bytes(16)).decode()
        self.send(
            f"GET {path} HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Extensions: {extensions}\r\n\r\n".encode()
        )
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self.exactly(1)
        assert answer.startswith(b"HTTP/1.1 101 ")

    def __enter__(self) -> "RawPeer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            assert more, "the server has hung up"
            data += more
        return data

    def frame(self) -> tuple[Opcode, bytes]:
        first, size = self.exactly(2)
        assert first & 0xF0 == 0x80, "not one final frame"
        if size == 126:
            size = int.from_bytes(self.exactly(2))
        return Opcode(first & 0x0F), self.exactly(size)

    def text(self) -> bytes:
        opcode, payload = self.frame()
        assert opcode is Opcode.TEXT
        return payload

    def close_code(self) -> int:
        opcode, payload = self.frame()
        assert opcode is Opcode.CLOSE, payload
        return int.from_bytes(payload[:2])

    def at_end(self) -> bool:
        return self.socket.recv(1) == b""

    def reset_on_close(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
