"""A few bytes in Redis for a while; without Redis they are made each time.

What is told of a version of something stays near in the process too: a version is told in one way
for ever, so nobody has to take it back.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar
from uuid import UUID

import msgspec
import structlog
from redis.exceptions import RedisError

from infra.runtime import Runtime

CACHED_S = 3_600
PATIENCE_S = 0.5  # with Redis: to make it takes hardly longer
MAX_NEAR = 5_000  # streams in the process; who was not asked for longest goes first
MAX_BYTES = 4_000  # of what is kept in it

T = TypeVar("T")
Make: TypeAlias = Callable[[UUID, int], Awaitable[bytes]]

log = structlog.get_logger()


class Cached:
    """Of one kind of streams; `make` tells of a stream at a version."""

    def __init__(self, runtime: Runtime, kind: str, make: Make) -> None:
        self._runtime, self._kind, self._make = runtime, kind, make
        self._near: OrderedDict[UUID, tuple[int, bytes]] = OrderedDict()

    async def at(self, stream: UUID, version: int) -> bytes:
        near = self._near.get(stream)
        if near is not None and near[0] == version:
            self._near.move_to_end(stream)
            return near[1]
        found = await self._far(stream, version)
        if len(found) <= MAX_BYTES:
            self._near[stream] = version, found
            if len(self._near) > MAX_NEAR:
                self._near.popitem(last=False)
        return found

    async def _far(self, stream: UUID, version: int) -> bytes:
        key = f"{self._kind}:{stream}:{version}"
        if (found := await cached(self._runtime, key)) is not None:
            return found
        made = await self._make(stream, version)
        await remember(self._runtime, key, made, CACHED_S)
        return made


async def cached(runtime: Runtime, key: str) -> bytes | None:
    """None also without Redis."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = await runtime.redis.get(_name(runtime, key))
    except (RedisError, OSError) as error:
        log.debug("cache_not_read", key=key, error=repr(error))
        return None
    return found.encode() if isinstance(found, str) else found


async def remember(runtime: Runtime, key: str, value: bytes, seconds: int) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await runtime.redis.set(_name(runtime, key), value, ex=seconds)
    except (RedisError, OSError) as error:
        log.debug("cache_not_written", key=key, error=repr(error))


async def kept(runtime: Runtime, key: str, type_: type[T]) -> T | None:
    """What `keep` has kept."""
    found = await cached(runtime, key)
    try:
        return None if found is None else msgspec.json.decode(found, type=type_)
    except msgspec.ValidationError:  # another version keeps something else there
        return None


async def keep(runtime: Runtime, key: str, made: T, seconds: int) -> T:
    await remember(runtime, key, msgspec.json.encode(made), seconds)
    return made


def _name(runtime: Runtime, key: str) -> str:
    return f"{runtime.settings.redis_prefix}{key}"
