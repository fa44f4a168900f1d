"""Reading read models: a connection that sees the serving generations, as far as one needs them."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from infra.db import Connection
from infra.eventstore.reader import reached
from infra.runtime import Runtime
from projections.generations import serving, use
from projections.registry import PROJECTIONS
from projections.stopped import lacking

STALE_S = 1.0  # a switched pointer is followed within this; retired generations live far longer
WAIT_S = 5.0

_looked: WeakKeyDictionary[Connection, tuple[float, list[str]]] = WeakKeyDictionary()


class BehindPosition(Exception):
    """The read models have not reached the wanted position in time: ask again."""

    retry_after_s = 1.0


class Rebuilding(BehindPosition):
    """A read model is built anew for code that changed; what serves until then is older."""

    retry_after_s = 5.0


@asynccontextmanager
async def reading(
    runtime: Runtime,
    *,
    min_position: int | None = None,
    group: str = "queries",
    replica: bool = False,
) -> AsyncGenerator[Connection]:
    """A pooled connection for queries, once `group` shows `min_position`.

    Raises BehindPosition, and Rebuilding where some of it will not before it is built.

    `replica`: of the replica, where there is one that shows it already.
    """
    async with _connection(runtime, min_position or 0, group, replica=replica) as connection:
        if min_position:
            await _require_filled(connection, group, min_position)
        await _aim(connection, at_once=bool(min_position))
        yield connection


@asynccontextmanager
async def _connection(
    runtime: Runtime, position: int, group: str, *, replica: bool
) -> AsyncGenerator[Connection]:
    if replica and runtime.replica is not None:
        async with runtime.replica.at(group, position) as connection:
            if connection is not None:
                yield connection
                return
    if position:
        await wait_for(runtime, group, position)
    async with runtime.db.connection() as connection:
        yield connection


async def wait_for(runtime: Runtime, group: str, position: int, timeout_s: float = WAIT_S) -> None:
    """Return once `group` has projected `position`. Raises BehindPosition after the time-out."""
    if not await reached(runtime.db, group, position, timeout_s):
        raise BehindPosition(f"{group} is not at {position} yet")


async def _require_filled(connection: Connection, group: str, position: int) -> None:
    """Looked at before the pointer: what is switched to in between has the position."""
    names = [one.name for one in PROJECTIONS if one.group == group]
    if stopped := await lacking(connection, names, position):
        raise Rebuilding(f"{', '.join(stopped)} is built anew")


async def _aim(connection: Connection, *, at_once: bool) -> None:
    """Follow the pointer: looked up at most once a second for each connection.

    But who wants to see a position must not read what served before it.
    """
    looked, schemas = _looked.get(connection, (-STALE_S, list[str]()))
    if time.monotonic() - looked < STALE_S and not at_once:
        return
    now = await serving(connection)
    if now != schemas:
        await use(connection, now)
    _looked[connection] = (time.monotonic(), now)
