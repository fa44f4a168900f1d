"""How every process of Formula runs: event loop, signals, exit codes, one line on a fatal error."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, cast

import psycopg
import structlog
import uvloop
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from infra.collector import relax_collector
from infra.eventstore.codec import UnknownTag
from infra.exits import EXIT_CONFIG, EXIT_UNKNOWN_TAG, fatal
from infra.settings import Settings, SettingsError

log = structlog.get_logger()


def run(settings: Settings, main: Callable[[Settings], Coroutine[Any, Any, None]]) -> int:
    """Run `main` until it returns or SIGTERM or SIGINT cancels it; returns the exit code."""
    relax_collector()
    try:
        uvloop.run(_until_signal(main(settings)))
    except UnknownTag as error:
        return fatal(EXIT_UNKNOWN_TAG, error)
    except (SettingsError, psycopg.OperationalError, PoolTimeout, RedisError, OSError) as error:
        return fatal(EXIT_CONFIG, error)
    except BaseExceptionGroup as group:
        if unknown := group.subgroup(UnknownTag):
            return fatal(EXIT_UNKNOWN_TAG, _first(unknown))
        raise
    return 0


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def _first(error: BaseException) -> BaseException:
    """The first error inside nested groups."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
