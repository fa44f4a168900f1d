"""A room by long polling: each answer is whole by itself, so any node may give the next one."""

import asyncio
from uuid import UUID

import msgspec
from litestar.types import Receive, Scope, Send

from api.realtime.answering import hang_up, told
from api.realtime.outlet import End
from api.realtime.reader import Reader
from infra.admission import aside

GATHER_S = 0.05  # what comes right after the first news goes with it


class Polled(msgspec.Struct, frozen=True, omit_defaults=True):
    """Ask again with this `after`, `epoch` and `connection`; without `after`, as before.

    `closed`: why there is no more.
    """

    connection: UUID
    epoch: str
    frames: list[msgspec.Raw]
    after: int | None = None
    closed: End | None = None


class Poll:
    """An ASGI application that answers once there is news, or when the wait is over."""

    def __init__(self, reader: Reader, wait_s: float) -> None:
        self._reader, self._outlet = reader, reader.outlet
        self._wait_s = wait_s

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(hang_up(receive, self._outlet))
        try:
            body = msgspec.json.encode(self._polled(await self._gathered()))
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})
        finally:
            leaving.cancel()
            self._outlet.finish()

    async def _gathered(self) -> list[bytes]:
        loop = asyncio.get_running_loop()
        end_at = loop.time() + self._wait_s
        frames = await self._outlet.taken(0)
        while not any(told(frame).news for frame in frames):
            left = end_at - loop.time()
            if left <= 0 or self._outlet.end is not None or self._outlet.over:
                return frames
            with aside():
                more = await self._outlet.taken(left)
            if any(told(frame).news for frame in more):
                await asyncio.sleep(GATHER_S)
                more += await self._outlet.taken(0)
            frames += more
        return frames

    def _polled(self, frames: list[bytes]) -> Polled:
        lagged = next((n for n, frame in enumerate(frames) if told(frame).op == "lagged"), None)
        given = frames[: None if lagged is None else lagged + 1]
        places = [told(frame).place for frame in given]
        return Polled(
            connection=self._reader.connection,
            epoch=self._reader.epoch,
            after=next((at for at in reversed(places) if at is not None), None),
            frames=[msgspec.Raw(frame) for frame in given],
            closed=self._outlet.end,
        )
