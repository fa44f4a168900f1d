"""Lists that are asked for at once: several queries in one piece, over one connection.

To send a query wakes Postgres, and to have a connection costs as much as to read its rows: of those
that come together, both are done once.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Generic, LiteralString, TypeAlias, TypeVar

import msgspec
import psycopg
from psycopg.rows import class_row

from infra.db import Connection
from infra.runtime import Runtime
from projections.read import reading
from projections.rows import Source, fetch_all

MOST = 8  # queries of a piece: who is in it waits for all of it
AT_ONCE = 4  # pieces

R = TypeVar("R")


class Query(msgspec.Struct, Generic[R], frozen=True):
    """As fetch_all has it."""

    row: type[R]
    statement: LiteralString
    values: Mapping[str, object]


Waiting: TypeAlias = tuple[Query[Any], asyncio.Future[list[Any]]]


class Lists(Source):
    """Of the group `queries`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: deque[Waiting] = deque()
        self._working: set[asyncio.Task[None]] = set()

    async def fetch(
        self, row: type[R], statement: LiteralString, values: Mapping[str, object]
    ) -> list[R]:
        """Raises as fetch_all and `reading` do.

        Words may be in any number of rows: who looks for some waits for nobody but himself.
        """
        if values.get("search"):
            async with reading(self._runtime, replica=True) as db:
                return await fetch_all(db, row, statement, values)
        answer: asyncio.Future[list[R]] = asyncio.get_running_loop().create_future()
        self._waiting.append((Query(row, statement, values), answer))
        if len(self._working) < AT_ONCE:
            self._working.add(asyncio.create_task(self._work()))
        return await answer

    def since(self, position: int) -> "Since":
        """The same, as soon as `position` can be read."""
        return Since(self._runtime, position)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._answer(
                    [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                )
        finally:  # at once: who asks next must not count on one that has ended
            self._working -= {asyncio.current_task()}

    async def _answer(self, piece: Sequence[Waiting]) -> None:
        try:
            async with reading(self._runtime, replica=True) as db:
                found = await fetch_each(db, [query for query, _ in piece])
        except BaseException as error:
            _settle(piece, [error] * len(piece))
            if not isinstance(error, Exception):
                raise
        else:
            _settle(piece, found)


class Since(Source):
    """Of the same, at a position or later; each list has a connection of its own."""

    def __init__(self, runtime: Runtime, position: int) -> None:
        self._runtime, self._position = runtime, position

    async def fetch(
        self, row: type[R], statement: LiteralString, values: Mapping[str, object]
    ) -> list[R]:
        """Raises as fetch_all and `reading` do."""
        async with reading(self._runtime, min_position=self._position, replica=True) as db:
            return await fetch_all(db, row, statement, values)


def _settle(piece: Sequence[Waiting], found: Sequence[list[Any] | BaseException]) -> None:
    for (_, answer), one in zip(piece, found, strict=True):
        if answer.done():  # who asked has gone
            continue
        if isinstance(one, BaseException):
            answer.set_exception(one)
        else:
            answer.set_result(one)


async def fetch_each(
    db: Connection, queries: Sequence[Query[Any]]
) -> list[list[Any] | BaseException]:
    """The rows of each, or why there are none: what one does wrong is nobody else's trouble."""
    if len(queries) > 1:
        try:
            return list(await _piped(db, queries))
        except psycopg.Error:
            pass  # those behind it were not asked
    return [await _alone(db, query) for query in queries]


async def _piped(db: Connection, queries: Sequence[Query[Any]]) -> list[list[Any]]:
    async with db.pipeline():
        cursors = [db.cursor(row_factory=class_row(query.row)) for query in queries]
        for query, cursor in zip(queries, cursors, strict=True):
            await cursor.execute(query.statement, query.values, prepare=False)
        return [await cursor.fetchall() for cursor in cursors]


async def _alone(db: Connection, query: Query[R]) -> list[R] | BaseException:
    try:
        return await fetch_all(db, query.row, query.statement, query.values)
    except psycopg.Error as error:
        return error
