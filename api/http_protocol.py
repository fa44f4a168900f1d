"""The server's end of an HTTP connection, as uvicorn's `http=` class: no endless headers, no stalls
in the middle, and a way to cut off an answer without end.

Its base bounds none: a client that never ends its headers would be kept for ever, and all it sends
with it. Like WireProtocol's it is private to uvicorn 0.54: tests/hostile/test_handshakes.py.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "formula.transport"  # where the ASGI scope's extensions hold the transport
SEND_BUFFER = 64 * 1024  # bytes in the kernel: more would hide a reader that has stalled
HEAD_S = 10.0  # from the connection, or the answer before, to the end of a request's headers
MAX_HEAD = 32 * 1024  # bytes of a request line and its headers; and what one read has beyond them
STALL_S = 60.0  # without a byte of a body that is to come, or of an answer that is taken
LOOKS = 4  # at a sender in that time
TOO_LARGE = b"431 Request Header Fields Too Large"
TOO_LATE = b"408 Request Timeout"


class HttpProtocol(HttpToolsProtocol):
    """A request that has begun is the application's: how long it may take is decided there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.head_timer: asyncio.TimerHandle | None = None
        self.head_size = 0  # bytes that came since the timer was started
        self.body_timer: asyncio.TimerHandle | None = None
        self.heard = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        found: socket.socket = transport.get_extra_info("socket")
        # The kernel counts what the reader took, of all that is on its way: buffers hide nothing.
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALL_S * 1_000))
        self.await_head()

    def await_head(self) -> None:
        self.head_size = 0
        self.head_timer = self.loop.call_later(HEAD_S, self.transport.close)

    def data_received(self, data: bytes) -> None:
        self.heard = self.loop.time()
        if self.head_timer is not None:
            self.head_size += len(data)
        super().data_received(data)
        if self.head_timer is not None and self.head_size > MAX_HEAD:
            self.refuse(TOO_LARGE)

    def refuse(self, why: bytes) -> None:
        if not self.transport.is_closing():
            end = b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(b"HTTP/1.1 " + why + end)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, object]", self.scope)["extensions"] = {EXTENSION: self.transport}

    def on_headers_complete(self) -> None:
        self.head_arrived()
        super().on_headers_complete()
        self.await_body()

    def await_body(self) -> None:
        self.body_timer = self.loop.call_later(STALL_S / LOOKS, self.look_for_body)

    def look_for_body(self) -> None:
        """While the application is slow to take what came, the sender waits, not we."""
        if self.flow.read_paused:
            self.heard = self.loop.time()
        if self.loop.time() - self.heard < STALL_S:
            self.await_body()
        else:
            self.refuse(TOO_LATE)

    def on_message_complete(self) -> None:
        self.body_arrived()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.body_arrived()  # or is not asked for
        if self.cycle.response_complete and not self.transport.is_closing():  # none is pipelined
            self.await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self.head_arrived()
        self.body_arrived()
        super().connection_lost(exc)

    def head_arrived(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def body_arrived(self) -> None:
        if self.body_timer is not None:
            self.body_timer.cancel()
            self.body_timer = None


def streaming(scope: Mapping[str, object]) -> Callable[[], None]:
    """Prepare the connection for an answer without end; how to cut it off.

    uvicorn waits for a stalled reader for ever.
    """
    extensions = cast("dict[str, asyncio.Transport]", scope.get("extensions") or {})
    transport = extensions.get(EXTENSION)
    if transport is None:  # another server, as in some tests
        return _nothing
    found: socket.socket = transport.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return transport.abort


def _nothing() -> None:
    pass
