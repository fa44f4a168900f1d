"""A room as Server-Sent Events (WHATWG HTML, 9.2): one event a frame, `id:` is its position.

The id is that of `ev`, `skip` and `joined`, so that Last-Event-ID is always a place in the room's
chain. A stream that the server ends for a reason says so in an event `close`, with the code that a
socket gets; one that ends without is simply to be asked for again.
"""

import asyncio
from functools import lru_cache

import msgspec
from litestar.types import Receive, Scope, Send

from api.realtime.answering import hang_up, told
from api.realtime.outlet import End
from api.realtime.reader import Reader

HEARTBEAT_S = 15.0  # below the idle time-outs of proxies
LIFE_S = 900.0  # then the client comes back, perhaps to another node
RETRY_MS = 1_000  # before it does so

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),  # nginx would keep it until it is whole
]
HEARTBEAT = b":\n\n"


class EventStream:
    """An ASGI application that answers with a reader's frames until either side ends it."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._outlet = reader, reader.outlet

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(hang_up(receive, self._outlet))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            hello = event_of(self._reader.welcome_frame)
            await self._write(send, b"retry: %d\n" % RETRY_MS + hello)
            await self._stream(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            leaving.cancel()
            self._outlet.finish()

    async def _stream(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        end_at = loop.time() + LIFE_S
        while not self._outlet.over and (left := end_at - loop.time()) > 0:
            frames = await self._outlet.taken(min(HEARTBEAT_S, left))
            end = self._outlet.end
            for number, frame in enumerate(frames):
                if told(frame).op == "lagged":  # what is after it has an id beyond what is missing
                    await self._write(send, b"".join(map(event_of, frames[: number + 1])))
                    return
            await self._write(send, b"".join(map(event_of, frames)) or HEARTBEAT)
            if end is not None:
                await self._write(send, closing(end))
                return

    async def _write(self, send: Send, body: bytes) -> None:
        with self._outlet.writing():
            await send({"type": "http.response.body", "body": body, "more_body": True})


@lru_cache(maxsize=64)
def event_of(frame: bytes) -> bytes:
    """The frame as an event; a line break between its JSON's tokens begins another `data:`."""
    at = told(frame)
    place = b"" if at.place is None else b"id: %d\n" % at.place
    retry = b"retry: %d\n" % (at.retry_after * 1_000) if at.op == "closing" else b""
    data = b"".join(b"data: %s\n" % line for line in frame.splitlines())
    return place + retry + data + b"\n"


def closing(end: End) -> bytes:
    return b"event: close\ndata: %s\n\n" % msgspec.json.encode(end)
