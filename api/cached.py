"""A few bytes in Redis for a while. Without Redis they are made each time."""

import asyncio

import structlog
from redis.exceptions import RedisError

from infra.runtime import Runtime

PATIENCE_S = 0.5  # to make it takes hardly longer

log = structlog.get_logger()


async def cached(runtime: Runtime, key: str) -> bytes | None:
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


def _name(runtime: Runtime, key: str) -> str:
    return f"{runtime.settings.redis_prefix}{key}"
