"""One Redis connection that hears the channels of all rooms with sockets on this node."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypedDict, cast

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from infra.bus import channel

CONFIRM_S = 1.0  # without Redis the room is mended from its log
RETRY_S = 0.5

log = structlog.get_logger()


class _Message(TypedDict):
    type: str
    channel: bytes
    data: Any


class Subscriptions:
    """Subscribes, and hands every message to `heard(room, message)`, which must not block."""

    def __init__(self, redis: Redis, prefix: str, heard: Callable[[str, bytes], None]) -> None:
        self._prefix = prefix
        self._heard = heard
        self._pubsub: PubSub = redis.pubsub()  # pyright: ignore[reportUnknownMemberType]
        self._rooms: dict[bytes, str] = {}
        self._confirmed: dict[bytes, asyncio.Event] = {}

    async def subscribe(self, room: str) -> None:
        """Return once Redis confirmed, or cannot be reached in time."""
        name = channel(self._prefix, room).encode()
        self._rooms[name] = room
        confirmed = self._confirmed.setdefault(name, asyncio.Event())
        with suppress(RedisError, TimeoutError, OSError):
            async with asyncio.timeout(CONFIRM_S):
                await self._pubsub.subscribe(name)  # pyright: ignore[reportUnknownMemberType]
                await confirmed.wait()

    async def unsubscribe(self, room: str) -> None:
        name = channel(self._prefix, room).encode()
        self._rooms.pop(name, None)
        self._confirmed.pop(name, None)
        with suppress(RedisError, TimeoutError, OSError):
            async with asyncio.timeout(CONFIRM_S):
                await self._pubsub.unsubscribe(name)  # pyright: ignore[reportUnknownMemberType]

    async def run(self) -> None:
        """Listen until cancelled; after a lost connection the client subscribes to all again."""
        # A channel of its own keeps the connection in subscribed mode while no room is.
        self._rooms[channel(self._prefix, "-").encode()] = "-"
        try:
            while True:
                try:
                    message = await self._next()
                except (RedisError, OSError) as error:
                    log.warning("bus_lost", error=str(error))
                    await asyncio.sleep(RETRY_S)
                    continue
                if message is not None:
                    self._handle(message)
        finally:
            await self._pubsub.aclose()

    async def _next(self) -> _Message | None:
        if not self._pubsub.subscribed:
            await self._pubsub.subscribe(  # pyright: ignore[reportUnknownMemberType]
                *self._rooms
            )
        return cast(_Message | None, await self._pubsub.get_message(timeout=5.0))

    def _handle(self, message: _Message) -> None:
        name = message["channel"]
        if message["type"] == "subscribe":
            if confirmed := self._confirmed.get(name):
                confirmed.set()
        elif message["type"] == "message" and (room := self._rooms.get(name)):
            self._heard(room, message["data"])
