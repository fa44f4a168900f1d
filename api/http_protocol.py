"""The server's end of an HTTP connection, as uvicorn's `http=` class: no endless headers, no stalls
in the middle, and a way to cut off an answer without end.

Its base bounds none: a client that never ends its headers would be kept for ever, and all it sends
with it. Like WireProtocol's it is private to uvicorn 0.54: tests/hostile/test_handshakes.py.
"""

import asyncio
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any, cast

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.corked import Corked
from api.realtime.protocol import PATH as SOCKETS
from api.turning_away import MOST_BODY, Line, busy, line_of, whole
from infra.admission import DOOR, Place, aside, place

# Who asks how it is, and sockets.
ALWAYS = (b"/livez", b"/readyz", b"/startupz", b"/metrics", SOCKETS.encode())
ASKED_ALWAYS = re.compile(rb"[A-Z]+ (?:%b)" % b"|".join(map(re.escape, ALWAYS)))
EXTENSION = "formula.transport"  # where the ASGI scope's extensions hold the transport
SEND_BUFFER = 64 * 1024  # bytes in the kernel: more would hide a reader that has stalled
HEAD_S = 10.0  # from the connection, or the answer before, to the end of a request's headers
MAX_HEAD = 32 * 1024  # bytes of a request line and its headers; and what one read has beyond them
LINGER_S = 2.0  # in which what still comes is passed over, and as many bytes as a head may have
STALL_S = 60.0  # without a byte of a body that is to come, or of an answer that is taken
LOOKS = 4  # at a sender in that time
TOO_LARGE = b"431 Request Header Fields Too Large"
TOO_LATE = b"408 Request Timeout"


class HttpProtocol(HttpToolsProtocol):
    """A request that has begun is the application's: how long it may take is decided there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.head_timer: asyncio.TimerHandle | None = None
        self.head_since: float | None = None  # None: none is awaited
        self.head_size = 0  # bytes that came since then
        self.body_size = 0  # bytes of the request's body that came by the parser
        self.drop_rest: Callable[[], None] | None = None  # while the connection is lent
        self.body_timer: asyncio.TimerHandle | None = None
        self.body_is_due = False
        self.heard = 0.0
        self.lingering = False  # the answer is a refusal, and what still comes is passed over
        self.passed_over = 0  # bytes
        self.turned_away: bool | None = None  # of the request; None: not decided yet
        self.line: Line
        self.held = b""  # what came since it stands in the line
        self.is_between = True  # what the parser has is complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.line = line_of(self.loop)
        found: socket.socket = transport.get_extra_info("socket")
        # The kernel counts what the reader took, of all that is on its way: buffers hide nothing.
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALL_S * 1_000))
        self.await_head()

    def await_head(self) -> None:
        self.head_size, self.head_since = 0, self.loop.time()
        if self.head_timer is None:
            self.head_timer = self.loop.call_later(HEAD_S, self.look_for_head)

    def look_for_head(self) -> None:
        """One timer for many requests: each would have to start and cancel its own."""
        self.head_timer, now = None, self.loop.time()
        if self.head_since is None:
            return
        left = HEAD_S if self.held else self.head_since + HEAD_S - now
        if left > 0:
            self.head_timer = self.loop.call_later(left, self.look_for_head)
        else:
            self.transport.close()

    def hear(self) -> None:
        self.heard = self.loop.time()

    def data_received(self, data: bytes) -> None:
        self.hear()
        if self.head_since is not None:
            self.head_size += len(data)
        if self.lingering:
            self.passed_over += len(data)
            if self.passed_over > MAX_HEAD:
                self.transport.close()
        elif self.held:
            self.held += data
            if len(self.held) > MAX_HEAD:
                self.flow.pause_reading()
        elif self.has_to_wait(data):
            self._unset_keepalive_if_required()
            self.held = data
            self.line.join(self.take_turn)
        else:
            self.feed(data)

    def has_to_wait(self, data: bytes) -> bool:
        """Who begins to ask while no more is worked on, or behind others who do."""
        return (
            (DOOR.full or len(self.line) > 0)
            and self.is_between
            and self.is_answered
            and not ASKED_ALWAYS.match(data)
        )

    @property
    def is_answered(self) -> bool:
        return not self.cycle or self.cycle.response_complete

    def take_turn(self) -> None:
        data, self.held = self.held, b""
        if self.transport.is_closing():
            return
        if len(data) > MAX_HEAD:
            self.flow.resume_reading()
        if DOOR.full and (method := whole(data)):
            self.tell_busy(method, keep_alive=True)
        else:
            self.feed(data)

    def tell_busy(self, method: bytes, *, keep_alive: bool) -> None:
        DOOR.turned_away.add(method.decode("ascii"))
        self.transport.write(busy(method, keep_alive=keep_alive))
        if keep_alive:
            self.await_head()
        else:
            self.linger()

    def feed(self, data: bytes) -> None:
        super().data_received(data)
        if self.head_since is not None and self.head_size > MAX_HEAD:
            self.refuse(TOO_LARGE)
            self.linger()
        if self.body_is_due and self.body_timer is None:
            self.await_body()

    def refuse(self, why: bytes) -> None:
        if not self.transport.is_closing():
            end = b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(b"HTTP/1.1 " + why + end)

    def linger(self) -> None:
        """A socket that is closed with bytes unread is reset, and the reset overtakes the answer
        (RFC 9112, 9.6).
        """
        self.lingering = True
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.is_between, self.body_size, self.turned_away = False, 0, None
        cast("dict[str, object]", self.scope)["extensions"] = {EXTENSION: self.transport}

    def on_headers_complete(self) -> None:
        self.head_arrived()
        if self.lingering:  # sent right behind what was refused
            return
        if not self.is_turned_away():
            super().on_headers_complete()
        self.body_is_due = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.is_turned_away():
            super().on_header(name, value)

    def is_turned_away(self) -> bool:
        """Decided once its address is known: then nothing of it is kept.

        Sockets have a bound of their own; and an answer must not overtake one before it.
        """
        if self.turned_away is None:
            self.turned_away = DOOR.full and self.is_answered and not self.url.startswith(ALWAYS)
        return self.turned_away

    def turn_away(self) -> None:
        self.turned_away = False
        keeps = self.parser.should_keep_alive() and self.body_size <= MOST_BODY
        self.tell_busy(self.parser.get_method(), keep_alive=keeps)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.transport = cast("asyncio.Transport", Corked(cycle.transport, self.loop))
        super()._start_asgi_task(cycle, admitted(Place(DOOR), app))

    def await_body(self) -> None:
        self.body_timer = self.loop.call_later(STALL_S / LOOKS, self.look_for_body)

    def look_for_body(self) -> None:
        """While the application is slow to take what came, the sender waits, not we."""
        if not self.transport.is_reading():
            self.heard = self.loop.time()
        if self.loop.time() - self.heard < STALL_S:
            self.await_body()
        else:
            self.refuse(TOO_LATE)
            self.transport.close()

    def on_message_complete(self) -> None:
        self.is_between = True
        self.body_arrived()
        if self.turned_away:
            self.turn_away()
        elif not self.lingering:
            super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        self.body_size += len(body)
        if self.turned_away:
            if self.body_size > MOST_BODY:
                self.body_arrived()
                self.turn_away()
        elif not self.lingering:
            super().on_body(body)

    @property
    def body_left(self) -> int:
        """Bytes that are sure to come, where all that came was asked for."""
        cycle = self.cycle
        if self.drop_rest is not None or cycle.body or not cycle.more_body or cycle.disconnected:
            return 0
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        return int(length) - self.body_size

    def lend(self, reader: asyncio.BufferedProtocol, drop: Callable[[], None]) -> None:
        """What comes is the reader's, until it has the rest of the body. `drop`: it is answered."""
        self.drop_rest = drop
        self._read_by(reader)

    def take_back(self) -> None:
        """The body is complete."""
        self.drop_rest = None
        self.parser = HttpRequestParser(self)  # the other one waits for what it has not seen
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.on_message_complete()
        self._read_by(self)

    def _read_by(self, reader: asyncio.BaseProtocol) -> None:
        """uvloop keeps to how it was read before while it is read."""
        self.flow.pause_reading()
        self.transport.set_protocol(reader)
        self.flow.resume_reading()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.body_arrived()  # or is not asked for
        if self.drop_rest is not None:
            self.drop_rest()
        if self.cycle.response_complete and not self.transport.is_closing():  # none is pipelined
            self.await_head()

    def handle_websocket_upgrade(self) -> None:
        self.drop_timers()
        super().handle_websocket_upgrade()
        self.parser = cast(Any, None)  # which knows it in turn: see infra/collector.py

    def shutdown(self) -> None:
        if self.held:
            self.take_turn()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        self.drop_timers()
        self.drop_rest = None
        super().connection_lost(exc)

    def drop_timers(self) -> None:
        self.head_arrived()
        self.body_arrived()
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def head_arrived(self) -> None:
        self.head_since = None

    def body_arrived(self) -> None:
        self.body_is_due = False
        if self.body_timer is not None:
            self.body_timer.cancel()
            self.body_timer = None


def admitted(mine: Place, app: Any) -> Any:
    """Counted until its answer begins; while more of the request is to come, it stands aside."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        async def heard() -> Any:
            with aside():
                return await receive()

        place.set(mine)
        try:
            await app(scope, heard, send)
        finally:
            mine.leave()

    return run


def serving(scope: Mapping[str, object]) -> HttpProtocol | None:
    """None where it is another server, as in some tests, or at another request by now."""
    transport = _transport(scope)
    found = None if transport is None else transport.get_protocol()
    if not isinstance(found, HttpProtocol):
        return None
    return found if found.scope.get("extensions") is scope["extensions"] else None


def streaming(scope: Mapping[str, object]) -> Callable[[], None]:
    """Prepare the connection for an answer without end; how to cut it off.

    uvicorn waits for a stalled reader for ever.
    """
    transport = _transport(scope)
    if transport is None:  # another server, as in some tests
        return _nothing
    found: socket.socket = transport.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return transport.abort


def _transport(scope: Mapping[str, object]) -> asyncio.Transport | None:
    extensions = cast("dict[str, asyncio.Transport]", scope.get("extensions") or {})
    return extensions.get(EXTENSION)


def _nothing() -> None:
    pass
