"""A reader's end of a connection: what a Wire is to a socket, an Outlet is to an HTTP answer."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import msgspec

from api.realtime.wire import payloads

HIGH_WATER = 256 * 1024  # bytes that wait for the answer before it counts as paused
ABNORMAL = 1006  # the end of who did not say goodbye (RFC 6455, 7.4.1)


class End(msgspec.Struct, frozen=True):
    """Why the server ended it: as the close frame of a WebSocket."""

    code: int
    reason: str


class Outlet:
    """Frames wait here until the answer takes them; it says when it is written and when it ends."""

    def __init__(self, abort: Callable[[], None]) -> None:
        self.on_message: Callable[[bytes], None] | None = None  # nobody speaks through it
        self.on_close: Callable[[int, str], None] | None = None
        self.on_drain: Callable[[], None] | None = None
        self.end: End | None = None
        self.over = False
        self.abort = abort
        self._frames: list[bytes] = []
        self._size = 0
        self._writing = False
        self._some = asyncio.Event()

    @property
    def paused(self) -> bool:
        return self._writing or self._size > HIGH_WATER

    def send(self, frame: bytes) -> None:
        """Queue a ready frame, or several in one; after the end they are dropped."""
        if self.end is not None or self.over:
            return
        for payload in payloads(frame):
            self._frames.append(payload)
            self._size += len(payload)
        self._some.set()

    def buffer_size(self) -> int:
        return self._size

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End it, after what is queued."""
        self.end = self.end or End(code, reason)
        self._some.set()

    async def taken(self, wait_s: float) -> list[bytes]:
        """What is queued, as soon as that is something or the end; nothing after `wait_s`."""
        if not self._frames and self.end is None and not self.over:
            self._some.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._some.wait()
        frames, self._frames, self._size = self._frames, [], 0
        return frames

    @contextmanager
    def writing(self) -> Generator[None]:
        """While it lasts the peer has not taken what was written before."""
        self._writing = True
        try:
            yield
        finally:
            self._writing = False
            if self.on_drain is not None:
                self.on_drain()

    def finish(self) -> None:
        """The answer is over, or nobody hears it any more."""
        if self.over:
            return
        self.over = True
        self._some.set()
        if self.on_close is not None:
            self.on_close(self.end.code if self.end else ABNORMAL, "")
