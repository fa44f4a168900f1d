"""What is told of a version of something: for a while in Redis, and of late in the process too.

A version is told in one way for ever: nobody has to take it back. Without Redis and a process that
knows it, it is made anew.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from infra.runtime import Runtime

CACHED_S = 3_600
MAX_NEAR = 5_000  # streams in the process; who was not asked for longest goes first
MAX_BYTES = 4_000  # of what is kept in it

Make: TypeAlias = Callable[[UUID, int], Awaitable[bytes]]

log = structlog.get_logger()


class Cached:
    """Of one kind of streams; `make` tells of a stream at a version."""

    def __init__(self, runtime: Runtime, kind: str, make: Make) -> None:
        self._redis, self._make = runtime.redis, make
        self._prefix = f"{runtime.settings.redis_prefix}{kind}"
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
        key = f"{self._prefix}:{stream}:{version}"
        try:
            found = await self._redis.get(key)
        except (RedisError, OSError) as error:
            log.debug("cache_not_read", key=key, error=repr(error))
            found = None
        if found is not None:
            return found.encode() if isinstance(found, str) else found
        made = await self._make(stream, version)
        try:
            await self._redis.set(key, made, ex=CACHED_S)
        except (RedisError, OSError) as error:
            log.debug("cache_not_written", key=key, error=repr(error))
        return made
