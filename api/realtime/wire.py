"""A WebSocket as a room wants it: ready frames out, whole texts in (see wire_protocol.py)."""

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import Protocol, cast

EXTENSION = "formula.wire"  # where the ASGI scope's extensions hold the Wire
CLOSE_WAIT_S = 3.0  # for a peer's goodbye, and for what it has yet to read; then abort


def text_frame(payload: bytes) -> bytes:
    """`payload` (UTF-8) as one final, unmasked text frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 65_536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


def payloads(frames: bytes) -> list[bytes]:
    """What `text_frame` made frames of, for who has no WebSocket or wants it compressed."""
    found: list[bytes] = []
    at = 0
    while at < len(frames):
        head = {126: 4, 127: 10}.get(frames[at + 1], 2)
        size = int.from_bytes(frames[at + 2 : at + head]) if head > 2 else frames[at + 1]
        at += head + size
        found.append(frames[at - size : at])
    return found


class Line(Protocol):
    """What a connection needs of whatever its frames go out by."""

    on_close: Callable[[int, str], None] | None
    on_drain: Callable[[], None] | None

    @property
    def on_message(self) -> Callable[[bytes], None] | None: ...

    @on_message.setter
    def on_message(self, callback: Callable[[bytes], None]) -> None: ...

    @property
    def paused(self) -> bool:
        """The peer reads too slowly."""
        ...

    def send(self, frame: bytes) -> None:
        """Queue a ready frame, or several in one."""
        ...

    def buffer_size(self) -> int:
        """Bytes that have not left the process."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, after what is queued."""
        ...

    def abort(self) -> None:
        """End it now."""
        ...


def wire_of(scope: Mapping[str, object]) -> "Wire":
    """The Wire of an ASGI websocket scope. KeyError: the server runs without WireProtocol."""
    return cast("dict[str, Wire]", scope["extensions"])[EXTENSION]


class Wire:
    """One accepted connection. Setting `on_message` takes it over from ASGI's receive and send.

    From the next turn of the loop the callbacks run inline: `on_message` for each whole text, what
    came early first; `on_close` once, last, whatever the end, with the code of the close frame sent
    or echoed (1006: there was none); `on_drain` when `paused` ends. One that raises loses its wire.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        later: Callable[[Callable[[], None]], object],  # the loop's call_soon
        write: Callable[[bytes], None],
        take_over: Callable[[], None],
        end: Callable[[int, str], None],
    ) -> None:
        self._transport = transport
        self._later = later
        self._write = write
        self._take_over = take_over
        self._end = end
        self._frames: list[bytes] = []
        self._on_message: Callable[[bytes], None] | None = None
        self.on_close: Callable[[int, str], None] | None = None
        self.on_drain: Callable[[], None] | None = None
        self.paused = False  # the peer reads too slowly: the high-water mark has been reached
        self.detached = False

    @property
    def on_message(self) -> Callable[[bytes], None] | None:
        return self._on_message

    @on_message.setter
    def on_message(self, callback: Callable[[bytes], None]) -> None:
        if self._on_message is None:
            self._later(self._take_over)
        self._on_message = callback

    def send(self, frame: bytes) -> None:
        """Queue a ready frame, or several in one: all of one turn leave in one write."""
        if not self._frames:
            self._later(self.flush)
        self._frames.append(frame)

    def flush(self) -> None:
        """Write what is queued now; after the close frame, the last there is, it is dropped."""
        frames, self._frames = self._frames, []
        if frames:
            self._write(frames[0] if len(frames) == 1 else b"".join(frames))

    def buffer_size(self) -> int:
        """Bytes that have not reached the kernel."""
        return self._transport.get_write_buffer_size() + sum(map(len, self._frames))

    def detach(self) -> None:
        """Let the connection outlive its handler's coroutine."""
        self.detached = True

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye, after what is queued; cut off who has not answered in CLOSE_WAIT_S."""
        self._end(code, reason)

    def abort(self) -> None:
        """End it now; what waits to be written is lost."""
        self._transport.abort()

    def let_go(self) -> None:
        """It is over: know nobody that knows it, as they would wait for the collector together."""
        self._write, self._end, self._take_over = _nothing, _nothing, _nothing
        self._on_message = self.on_close = self.on_drain = None


def _nothing(*_: object) -> None: ...
