"""Lists that are asked for at once: several queries in one piece, over one connection.

To send a query wakes Postgres, and to have a connection costs time too: of those that come
together, both are done once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, LiteralString, TypeAlias, TypeVar

import msgspec
import psycopg
from psycopg.rows import class_row

from infra.db import Connection
from infra.gathered import Gathered
from infra.runtime import Runtime
from projections.read import reading
from projections.rows import Source, fetch_all

MOST = 8  # queries of a piece: who is in it waits for all of it
AT_ONCE = 4  # pieces

R = TypeVar("R")


class Query(msgspec.Struct, Generic[R], frozen=True, eq=False):
    """As fetch_all has it."""

    row: type[R]
    statement: LiteralString
    values: Mapping[str, object]


Found: TypeAlias = list[Any] | psycopg.Error


class Lists(Source):
    """Of the group `queries`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._gathered = Gathered(self._read, MOST, AT_ONCE)

    async def fetch(
        self, row: type[R], statement: LiteralString, values: Mapping[str, object]
    ) -> list[R]:
        """Raises as fetch_all and `reading` do.

        Words may be in any number of rows: who looks for some waits for nobody but himself.
        """
        if values.get("search"):
            async with reading(self._runtime, replica=True) as db:
                return await fetch_all(db, row, statement, values)
        found = await self._gathered.ask(Query(row, statement, values))
        if isinstance(found, psycopg.Error):
            raise found
        return found

    def since(self, position: int) -> "Since":
        """The same, as soon as `position` can be read."""
        return Since(self._runtime, position)

    async def _read(self, queries: Sequence[Query[Any]]) -> dict[Query[Any], Found]:
        async with reading(self._runtime, replica=True) as db:
            return dict(zip(queries, await fetch_each(db, queries), strict=True))


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


async def fetch_each(db: Connection, queries: Sequence[Query[Any]]) -> list[Found]:
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


async def _alone(db: Connection, query: Query[R]) -> list[R] | psycopg.Error:
    try:
        return await fetch_all(db, query.row, query.statement, query.values)
    except psycopg.Error as error:
        return error
