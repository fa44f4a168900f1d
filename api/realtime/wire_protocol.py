"""The server's end of a Wire, as uvicorn's `ws=` class.

Its base is private to uvicorn 0.54: tests/api/test_wire.py is the proof that it still fits.
"""

import asyncio
import socket
from typing import Any, cast

from uvicorn._types import ASGI3Application, WebSocketDisconnectEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import State

from api.realtime.masked import CLOSE, WHOLE_TEXT, frame_bounds, is_utf8, unmask
from api.realtime.wire import CLOSE_WAIT_S, EXTENSION, Wire, payloads

SEND_BUFFER = 64 * 1024  # bytes in the kernel: more would hide a reader that has stalled
HIGH_WATER = 256 * 1024  # bytes waiting in the process before a wire counts as paused
TURN = 64  # frames of one connection in a turn of the loop: a read may hold tens of thousands


class Nobody:
    """In place of what wakes an application, where there is none."""

    def put_nowait(self, _event: object) -> None: ...

    def set(self) -> None: ...

    def clear(self) -> None: ...


NOBODY = Nobody()


class WireProtocol(WebSocketsSansIOProtocol):
    """uvicorn's `ws=` class. Handshake, parsing, limits, deflate and pings are the libraries'.

    Until a handler takes the wire over it is an ordinary ASGI websocket, with two differences:
    every end but ASGI's own `websocket.close` is bounded by CLOSE_WAIT_S (uvicorn waits for a
    stalled reader for ever), and a failed connection is closed by halves (a whole close while the
    peer is still sending is a TCP reset, which overtakes the close frame).
    """

    app: ASGI3Application
    wire: Wire
    taken = False  # the wire's handler gets the messages
    left = False  # the ASGI application has returned, and the connection lives on
    lost = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rest = bytearray()  # the beginning of a frame

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # asyncio types the callback too widely
        transport.set_write_buffer_limits(high=HIGH_WATER)
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().connection_made(transport)
        self.wire = Wire(
            transport, self.loop.call_soon, self.write_frames, self.hand_over, self.end
        )

    async def run_asgi(self) -> None:
        # uvicorn types an extension as a dict; ASGI leaves open what it is
        cast("dict[str, object]", self.scope.get("extensions"))[EXTENSION] = self.wire
        code = CloseCode.NORMAL_CLOSURE
        try:
            await self.app(self.scope, self.receive, self.send)
            if self.wire.detached and self.handshake_complete:
                self.left = True
                self.lighten()
                return
        except ClientDisconnected:
            pass
        except BaseException:  # the task's outermost frame, as in uvicorn
            self.logger.exception("Exception in ASGI application\n")
            code = CloseCode.INTERNAL_ERROR
        self.end(code)

    def data_received(self, data: bytes) -> None:
        if not self.handshake_initiated:
            self.feed(data)
            if not self.handshake_initiated:  # a whole request came: the library cannot read it
                self.refuse_request()
        elif self.rest:
            self.rest += data
            del self.rest[: self.read_frames(self.rest)]
        elif (read := self.read_frames(data)) < len(data):
            self.rest += data[read:]
        self.put_out()

    def refuse_request(self) -> None:
        refusal = self.conn.reject(400, "This request is no WebSocket's.\n")
        self.transport.write(refusal.serialize())
        self.transport.close()

    def read_frames(self, data: bytes | bytearray) -> int:
        """Read whole frames only, so that the library is always between two; how far that went.

        A frame that is a whole message needs no library: 30 % more echoes alone, 80 % by eights.
        """
        at, left = 0, TURN
        while at < len(data) and not self.transport.is_closing():
            if not left:
                self.transport.pause_reading()
                self.loop.call_soon(self.next_turn)
                break
            left -= 1
            start, end = frame_bounds(data, at, self.config.ws_max_size)
            if end > len(data):
                break
            if start and data[at] == WHOLE_TEXT and self.is_plain():
                self.deliver(unmask(data, start, end), is_text=True)
            else:
                if data[at] == CLOSE:
                    self.conn.current_size = None  # it may come within a message (RFC 6455, 5.4)
                self.feed(data[at:end])
            at = end
        return at

    def next_turn(self) -> None:
        """The others have had theirs."""
        if not (self.read_paused or self.transport.is_closing()):
            self.transport.resume_reading()
        self.data_received(b"")

    def is_plain(self) -> bool:
        """Whether a text frame is just that: taken, open, not inside a message, no deflate."""
        conn = self.conn
        ready = self.taken and conn.state is State.OPEN
        return ready and conn.current_size is None and not conn.extensions

    def feed(self, data: bytes | bytearray) -> None:
        self.conn.receive_data(data)
        self.handle_events()

    def handle_ping(self) -> None:
        """The library has made the pong: its place is before what answers a later text."""
        if self.taken and not self.wire.paused and self.conn.state is State.OPEN:
            self.wire.send(b"".join(self.conn.data_to_send()))

    def handle_cont(self, event: Frame) -> None:
        if event.data or event.fin:  # empty ones without end would fill the memory
            super().handle_cont(event)

    def handle_close(self, event: Frame) -> None:
        """Nothing: the same for the echo, and `finish` follows."""

    def send_receive_event_to_app(self) -> None:
        message, is_text = b"".join(self.frames), self.curr_msg_data_type == "text"
        if self.close_sent:
            self.frames = []
        elif self.taken:
            self.frames = []
            self.deliver(message, is_text=is_text)
        elif is_text and not is_utf8(message):
            self.refuse(CloseCode.INVALID_DATA, "not UTF-8")
        else:
            super().send_receive_event_to_app()  # pauses reading: one read's worth waits at most

    def deliver(self, message: bytes, *, is_text: bool) -> None:
        if not is_text:
            self.refuse(CloseCode.UNSUPPORTED_DATA, "text only")
        elif not is_utf8(message):
            self.refuse(CloseCode.INVALID_DATA, "not UTF-8")
        elif self.wire.on_message is not None:
            self.wire.on_message(message)

    def refuse(self, code: int, reason: str) -> None:
        self.wire.flush()
        self.close_sent = True
        self.conn.fail(code, reason)

    def hand_over(self) -> None:
        self.taken = True
        ended = self.close_sent  # what came before that end is heard all the same
        for event in [self.queue.get_nowait() for _ in range(self.queue.qsize())]:
            if event["type"] != "websocket.receive":
                self.queue.put_nowait(event)
            elif ended or not self.close_sent:
                text = event.get("text")
                self.deliver((text or "").encode(), is_text=text is not None)
        self.put_out()
        self.read_on()
        self.lighten()
        if self.lost:
            self.report_end()

    def lighten(self) -> None:
        """Keep nothing for an application that is gone: half of what an idle connection takes."""
        if self.left and self.taken:
            self.request.headers.clear()  # the library's parser holds on to the request
            del self.scope, self.request, self.response
            self.queue = self.writable = cast(Any, NOBODY)

    def read_on(self) -> None:
        if self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()
        self.read_paused = False

    def pause_writing(self) -> None:
        super().pause_writing()
        self.wire.paused = True

    def resume_writing(self) -> None:
        super().resume_writing()
        self.wire.paused = False
        self.put_out()
        if self.wire.on_drain is not None:
            self.wire.on_drain()

    def write_frames(self, frames: bytes) -> None:
        if not (self.close_sent or self.transport.is_closing()):
            self.transport.write(self.deflated(frames) if self.conn.extensions else frames)

    def deflated(self, frames: bytes) -> bytes:
        """Ready frames once more, compressed: each connection has a window of its own."""
        return b"".join(
            Frame(Opcode.TEXT, payload).serialize(mask=False, extensions=self.conn.extensions)
            for payload in payloads(frames)
        )

    def put_out(self) -> None:
        """Write what the library has to say, and end the connection if that was goodbye."""
        if self.wire.paused and self.conn.state is State.OPEN:
            # who pings and never reads must not fill the memory: the newest pong is enough (5.5.3)
            del self.conn.writes[:-1]
        elif writes := self.conn.data_to_send():
            self.wire.flush()
            if not self.transport.is_closing():
                self.transport.write(b"".join(writes))
            if self.conn.close_sent is not None:
                self.finish(self.conn.close_sent)

    def end(self, code: int, reason: str = "") -> None:
        """Begin the end from this side."""
        if self.transport.is_closing():
            return
        if self.conn.state is State.OPEN:
            self.conn.send_close(code, reason)
            self.put_out()
        elif not self.close_sent:
            self.send_500_response()  # does nothing once the handshake is answered
            self.transport.close()

    def finish(self, sent: Close) -> None:
        """The close frame is out: wait, within the bound, for what the peer owes."""
        disconnect: WebSocketDisconnectEvent
        disconnect = {"type": "websocket.disconnect", "code": sent.code, "reason": sent.reason}
        self.queue.put_nowait(disconnect)
        self.read_on()
        self.bound()
        if self.conn.close_rcvd is not None:
            self.transport.close()
            return
        self.close_sent = True
        if self.conn.eof_sent:  # the library has failed the connection: it reads no more frames
            self.half_close()

    def half_close(self) -> None:
        if not self.transport.can_write_eof():  # TLS
            self.transport.close()
        elif not self.transport.is_closing():
            self.transport.write_eof()

    def bound(self) -> None:
        """`transport.close` waits until its buffer is empty: a stalled reader never empties it."""
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(CLOSE_WAIT_S, self.transport.abort)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.bound()

    def eof_received(self) -> None:
        self.bound()  # the transport closes itself when this returns

    def shutdown(self) -> None:
        self.end(CloseCode.SERVICE_RESTART)
        self.bound()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost = True
        if self.taken:
            self.report_end()

    def report_end(self) -> None:
        last = self.conn.close_sent or Close(CloseCode.ABNORMAL_CLOSURE, "")
        if self.wire.on_close is not None:
            self.wire.on_close(last.code, last.reason)
        self.wire.let_go()
